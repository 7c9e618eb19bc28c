//! What a call used: what its upstream says, made whole by what the request and the answer show.

use super::trace::Metered;
use crate::dialect::Asked;
use crate::limit::Amounts;
use crate::usage::beside::Beside;
use crate::usage::{Reported, Usage, UsageSource};

/// What a request shows of what it will use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Tokens of its input, estimated.
    pub input_tokens: u64,
    /// What it asks for beside text.
    pub beside: Beside,
}

impl Shown {
    /// Of a request.
    #[must_use]
    pub fn of(asked: &Asked) -> Shown {
        Shown { input_tokens: asked.input_tokens, beside: asked.beside }
    }

    /// What a call with an answer used: `reported` by the upstream, where it says anything, else text of so many tokens, as it weighs;
    /// and so many pictures, which are in the answer whoever counts them.
    #[must_use]
    pub fn metered(&self, reported: Option<Reported>, output_tokens: u64, images: u64) -> Metered {
        let likely = Usage { images, ..self.beside.likely() };
        let Some(Reported { mut usage, cost }) = reported else {
            let usage = Usage { input: self.input_tokens, output: output_tokens, ..likely };
            return Metered { usage, source: UsageSource::Estimated, reported_cost: None };
        };
        // Who counts searches alone has read the text all the same, which limits count, and a price may be for.
        if usage.searches > 0 && !usage.has_tokens() {
            usage.input = self.input_tokens;
            return Metered { usage, source: UsageSource::Estimated, reported_cost: cost };
        }
        usage.images = likely.images;
        usage.characters = likely.characters;
        if usage.searches == 0 {
            usage.searches = likely.searches;
        }
        // Also beside tokens: where only seconds have a price, they decide.
        if usage.audio_ms == 0 {
            usage.audio_ms = likely.audio_ms;
        }
        Metered { usage, source: UsageSource::Upstream, reported_cost: cost }
    }

    /// What a stream used that broke off, as [`metered`](Self::metered). Whoever was drawing goes on, and bills what the client did
    /// not wait for: where nothing was counted, and not all pictures came, under limits all that is held for them.
    #[must_use]
    pub fn broken_off(
        &self,
        reported: Option<Reported>,
        output_tokens: u64,
        images: u64,
        held: Option<Amounts>,
    ) -> Metered {
        match (reported, held) {
            (None, Some(_)) if images < self.beside.images => self.unanswered(held),
            _ => self.metered(reported, output_tokens, images),
        }
    }

    /// What a call used that an upstream took and nobody saw the end of: under limits all that is held for it, since it may be
    /// billed; else its input, for what was written nobody knows.
    #[must_use]
    pub fn unanswered(&self, held: Option<Amounts>) -> Metered {
        let Some(Amounts { input_tokens: input, output_tokens: output, .. }) = held else {
            return self.metered(None, 0, 0);
        };
        // Where something else than text is asked for, that is what the tokens are held for.
        let most = self.beside.most();
        let usage = match most {
            Usage { images: 1.., .. } => {
                let image_input = self.beside.source_tokens().min(input);
                Usage { input: input - image_input, image_input, image_output: output, ..most }
            }
            Usage { characters: 1.., .. } => Usage { input, audio_output: output, ..most },
            Usage { audio_ms: 1.., .. } => Usage { audio_input: input, output, ..most },
            _ => Usage { input, output, ..most },
        };
        Metered { usage, source: UsageSource::Estimated, reported_cost: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::beside::Estimated;

    fn shown(beside: Beside) -> Shown {
        Shown { input_tokens: 9, beside }
    }

    #[test]
    fn what_the_upstream_does_not_say_is_taken_from_the_request_and_the_answer() {
        let heard = Beside { audio_ms: Estimated { likely: 700, most: 900 }, ..Beside::default() };
        let ranked = Beside { searches: Estimated { likely: 1, most: 2 }, ..Beside::default() };
        let none = Usage::default();
        let tokens = Usage { input: 5, ..none };
        let seconds = Usage { audio_ms: 500, ..none };
        for (what, beside, reported, images, expected) in [
            ("text", Beside::default(), None, 0, Usage { input: 9, output: 4, ..none }),
            (
                "pictures",
                Beside::images(3, None, 0),
                None,
                2,
                Usage { input: 9, output: 4, images: 2, ..none },
            ),
            (
                "pictures in tokens",
                Beside::images(3, None, 0),
                Some(tokens),
                2,
                Usage { images: 2, ..tokens },
            ),
            ("a recording", heard, None, 0, Usage { input: 9, output: 4, audio_ms: 700, ..none }),
            ("seconds", heard, Some(seconds), 0, seconds),
            ("a recording in tokens", heard, Some(tokens), 0, Usage { audio_ms: 700, ..tokens }),
            (
                "speech",
                Beside { characters: 6, ..Beside::default() },
                None,
                0,
                Usage { input: 9, output: 4, characters: 6, ..none },
            ),
            ("searches", ranked, Some(tokens), 0, Usage { searches: 1, ..tokens }),
            (
                "searches that are said",
                ranked,
                Some(Usage { searches: 2, ..none }),
                0,
                Usage { input: 9, searches: 2, ..none },
            ),
        ] {
            let reported = reported.map(|usage| Reported { usage, cost: None });
            let is_told = what != "searches that are said" && reported.is_some();
            let source = if is_told { UsageSource::Upstream } else { UsageSource::Estimated };
            let metered = shown(beside).metered(reported, 4, images);
            assert_eq!((metered.usage, metered.source), (expected, source), "{what}");
        }
    }

    #[test]
    fn a_call_whose_end_nobody_saw_used_all_that_is_held() {
        let held = Some(Amounts { input_tokens: 20, output_tokens: 30, ..Amounts::default() });
        let drawn = shown(Beside::images(2, None, 0)).unanswered(held).usage;
        assert_eq!(drawn, Usage { input: 20, image_output: 30, images: 2, ..Usage::default() });
        let changed = shown(Beside { sources: 1, ..Beside::images(1, None, 0) });
        let much = Some(Amounts { input_tokens: 7_000, output_tokens: 30, ..Amounts::default() });
        let used = changed.unanswered(much).usage;
        assert_eq!((used.input, used.image_input, used.image_output), (300, 6_700, 30));
        let text = shown(Beside::default());
        assert_eq!(text.unanswered(held).usage, Usage { input: 20, output: 30, ..Usage::default() });
        assert_eq!(text.unanswered(None).usage, Usage { input: 9, ..Usage::default() });
    }

    #[test]
    fn pictures_that_the_client_did_not_wait_for_are_paid_for() {
        let held = Some(Amounts { input_tokens: 20, output_tokens: 30, ..Amounts::default() });
        let drawn = shown(Beside::images(2, None, 0));
        let all = drawn.unanswered(held);
        assert_eq!(drawn.broken_off(None, 0, 0, held), all);
        assert_eq!(drawn.broken_off(None, 0, 1, held), all);
        assert_eq!(drawn.broken_off(None, 0, 2, held), drawn.metered(None, 0, 2));
        assert_eq!(drawn.broken_off(None, 0, 1, None), drawn.metered(None, 0, 1));
        let said = Some(Reported { usage: Usage { input: 5, ..Usage::default() }, cost: None });
        assert_eq!(drawn.broken_off(said, 0, 1, held), drawn.metered(said, 0, 1));
        let text = shown(Beside::default());
        assert_eq!(text.broken_off(None, 4, 0, held), text.metered(None, 4, 0));
    }
}

//! What the generations of Claude accept, told by a model's name.
//!
//! Anthropic withdraws parameters from newer models, which answer 400 where they are still sent. Sources: the notes on
//! deprecated parameters in Anthropic's `OpenAPI` document, and the migration guides below
//! <https://platform.claude.com/docs/en/about-claude/models/migration-guide>. A model that is no Claude (others serve
//! theirs in this dialect) takes what the dialect had at first, and so far as it is known nothing is withdrawn from it.

use crate::conversation::Effort;

/// A Claude's family, where it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Opus,
    /// Fable and Mythos, which always think.
    Thinker,
    Other,
}

/// Which Claude a model is, if it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Generation(Option<(Family, (u32, u32))>);

impl Generation {
    /// Reads a name as any provider writes it: `claude-sonnet-4-5-20250929`, `claude-3-7-sonnet@20250219`,
    /// `us.anthropic.claude-haiku-4-5-20251001-v1:0`, `anthropic/claude-opus-4.6`. What has no number might be any model.
    pub(super) fn of(model: &str) -> Generation {
        let model = model.to_ascii_lowercase();
        let Some((_, name)) = model.rsplit_once("claude") else { return Generation(None) };
        let mut family = Family::Other;
        let mut version = Vec::with_capacity(2);
        let mut is_over = false;
        for word in name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty())
        {
            match word {
                "opus" => family = Family::Opus,
                "fable" | "mythos" => family = Family::Thinker,
                _ => {}
            }
            // What is longer than two digits is a date.
            match word.parse::<u32>().ok().filter(|_| word.len() <= 2) {
                Some(number) if !is_over => version.push(number),
                _ => is_over |= !version.is_empty(),
            }
        }
        match version.first() {
            Some(major) => Generation(Some((family, (*major, version.get(1).copied().unwrap_or_default())))),
            None if family == Family::Thinker => Generation(Some((family, (5, 0)))),
            None => Generation(None),
        }
    }

    fn is_older_than(self, major: u32, minor: u32) -> bool {
        self.0.is_none_or(|(family, version)| family != Family::Thinker && version < (major, minor))
    }

    fn is_claude_older_than(self, major: u32, minor: u32) -> bool {
        self.0.is_some() && self.is_older_than(major, minor)
    }

    /// It can think at all.
    pub(super) fn thinks(self) -> bool {
        !self.is_claude_older_than(3, 7)
    }

    /// It decides itself how much to think, and is told by `output_config.effort`; the others want a budget.
    pub(super) fn is_adaptive(self) -> bool {
        !self.is_older_than(4, 6)
    }

    /// It thinks unless told not to.
    pub(super) fn thinks_unasked(self) -> bool {
        !self.is_older_than(5, 0)
    }

    /// It takes `thinking.type: disabled`.
    pub(super) fn can_stop_thinking(self) -> bool {
        self.is_older_than(5, 5)
    }

    /// It takes `temperature`, `top_p` and `top_k`.
    pub(super) fn can_be_sampled(self) -> bool {
        self.is_older_than(4, 7)
    }

    /// It takes `temperature` and `top_p` together.
    pub(super) fn can_be_sampled_twice(self) -> bool {
        self.is_older_than(4, 1)
    }

    /// It takes a `tool_choice` that forces a call.
    pub(super) fn can_be_forced(self) -> bool {
        self.is_older_than(5, 5)
    }

    /// It goes on with an assistant's message that stands last.
    pub(super) fn can_be_prefilled(self) -> bool {
        self.is_older_than(4, 6)
    }

    /// It keeps to a JSON Schema, in `output_config.format` and in tools with `strict`
    /// (<https://platform.claude.com/docs/en/build-with-claude/structured-outputs>).
    pub(super) fn has_schemas(self) -> bool {
        let is_opus_4_1 = matches!(self.0, Some((Family::Opus, (4, 1))));
        is_opus_4_1 || !self.is_claude_older_than(4, 5)
    }

    /// What it calls so much effort (<https://platform.claude.com/docs/en/build-with-claude/effort>).
    pub(super) fn effort(self, effort: Effort) -> &'static str {
        match effort {
            Effort::None | Effort::Minimal | Effort::Low => "low",
            Effort::ExtraHigh if self.is_older_than(4, 7) => "high",
            other => other.as_str(),
        }
    }

    /// How much to let it write where nobody says: what it can at least.
    pub(super) fn default_max_tokens(self) -> u64 {
        if self.is_claude_older_than(3, 5) { 4_096 } else { 8_192 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_generation() {
        for (name, version) in [
            ("claude-sonnet-4-5-20250929", (4, 5)),
            ("claude-opus-4-20250514", (4, 0)),
            ("claude-3-7-sonnet@20250219", (3, 7)),
            ("us.anthropic.claude-haiku-4-5-20251001-v1:0", (4, 5)),
            ("anthropic/claude-opus-4.6", (4, 6)),
            ("claude-sonnet-5", (5, 0)),
            ("claude-2.1", (2, 1)),
        ] {
            assert_eq!(Generation::of(name).0.map(|(_, version)| version), Some(version), "{name}");
        }
        for name in ["deepseek-chat", "claude", "claude-latest"] {
            assert_eq!(Generation::of(name), Generation(None), "{name}");
        }
    }

    #[test]
    fn each_generation_refuses_its_own() {
        // thinks, adaptive, can stop, sampled, sampled twice, forced, prefilled, schemas
        let cases = [
            ("deepseek-chat", [true, false, true, true, true, true, true, true]),
            ("claude-3-5-haiku-20241022", [false, false, true, true, true, true, true, false]),
            ("claude-sonnet-4-20250514", [true, false, true, true, true, true, true, false]),
            ("claude-opus-4-1", [true, false, true, true, false, true, true, true]),
            ("claude-haiku-4-5", [true, false, true, true, false, true, true, true]),
            ("claude-opus-4-6", [true, true, true, true, false, true, false, true]),
            ("claude-opus-4-7", [true, true, true, false, false, true, false, true]),
            ("claude-opus-5", [true, true, true, false, false, true, false, true]),
            ("claude-sonnet-5-5", [true, true, false, false, false, false, false, true]),
            ("claude-mythos-preview", [true, true, false, false, false, false, false, true]),
        ];
        for (name, expected) in cases {
            let it = Generation::of(name);
            let found = [
                it.thinks(),
                it.is_adaptive(),
                it.can_stop_thinking(),
                it.can_be_sampled(),
                it.can_be_sampled_twice(),
                it.can_be_forced(),
                it.can_be_prefilled(),
                it.has_schemas(),
            ];
            assert_eq!(found, expected, "{name}");
        }
        assert_eq!(Generation::of("claude-opus-4-6").effort(Effort::ExtraHigh), "high");
        assert_eq!(Generation::of("claude-opus-5").effort(Effort::ExtraHigh), "xhigh");
    }
}

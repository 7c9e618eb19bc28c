//! What a request asks for beside text, as far as it says so itself: pictures, sound, characters to speak, searches.
//!
//! Before the answer it is what may have to be paid; behind it, what was used where the upstream does not say.

use super::Usage;
use crate::money::Sum;

/// The most tokens of a picture for each of its pixels: one for 252 of them, as OpenAI counts its best quality
/// (4,160 for 1024 × 1024, 6,240 for 1536 × 1024: <https://platform.openai.com/docs/guides/image-generation#cost-and-latency>).
const PIXELS_OF_A_TOKEN: u64 = 252;
/// What a picture is taken for whose size is left to the model.
const PIXELS: u64 = 1536 * 1024;
/// What a picture adds that is shown while it takes shape, in tokens (the same page).
const PARTIAL_IMAGE: u64 = 100;
/// What a picture is taken for whose tokens nobody counts: OpenAI's medium quality (the same page).
pub const PICTURE: u64 = 1_056;
/// The most tokens of a picture that is sent along: a wide one in high fidelity, and its tiles
/// (<https://platform.openai.com/docs/guides/images-vision#calculating-costs>).
const SOURCE: u64 = 6_700;
/// The most that a size may name, pixels; a request for more is refused upstream.
const MOST_PIXELS: u64 = 8192 * 8192;

/// How many there are: likely, and at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimated {
    /// Likely.
    pub likely: u64,
    /// At most.
    pub most: u64,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// Pictures to make.
    pub images: u64,
    /// The most tokens of one of them.
    pub image_tokens: u64,
    /// Pictures that are sent along, to be changed or to be like.
    pub sources: u64,
    /// Characters to speak.
    pub characters: u64,
    /// Sound to listen to, ms.
    pub audio_ms: Estimated,
    /// Searches of a reranker.
    pub searches: Estimated,
}

impl Beside {
    /// Pictures of a size (`1024x1536`, or what the model likes), with so many to be shown of each while it takes shape.
    #[must_use]
    pub fn images(images: u64, size: Option<&str>, partial: u64) -> Beside {
        let pixels = size.and_then(pixels).unwrap_or(PIXELS);
        // Never fewer than what they are taken for.
        let whole = pixels.div_ceil(PIXELS_OF_A_TOKEN).max(PICTURE);
        let image_tokens = whole.saturating_add(partial.min(10) * PARTIAL_IMAGE);
        Beside { images, image_tokens, ..Beside::default() }
    }

    /// The most tokens of the pictures that are sent along.
    #[must_use]
    pub fn source_tokens(&self) -> u64 {
        self.sources.saturating_mul(SOURCE)
    }

    /// What was used of it, where the upstream does not say. Pictures are counted as they come, so they are not among it.
    #[must_use]
    pub fn likely(&self) -> Usage {
        Usage {
            characters: self.characters,
            audio_ms: self.audio_ms.likely,
            searches: self.searches.likely,
            ..Usage::default()
        }
    }

    /// The most that can be used of it, where nobody saw the end.
    #[must_use]
    pub fn most(&self) -> Usage {
        Usage {
            images: self.images,
            characters: self.characters,
            audio_ms: self.audio_ms.most,
            searches: self.searches.most,
            ..Usage::default()
        }
    }
}

/// The most that is counted and charged of what a call asks for beside text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Most {
    /// Tokens of what goes in.
    pub input_tokens: u64,
    /// Tokens of what comes out.
    pub output_tokens: u64,
    /// For all of it; `None` where something of it has no price.
    pub cost: Option<Sum>,
}

impl Most {
    /// Where nothing of it costs anything.
    pub const FREE: Most = Most { input_tokens: 0, output_tokens: 0, cost: Some(Sum::NONE) };

    /// The more of two candidates', each.
    #[must_use]
    pub fn or_more(self, other: Most) -> Most {
        Most {
            input_tokens: self.input_tokens.max(other.input_tokens),
            output_tokens: self.output_tokens.max(other.output_tokens),
            cost: self.cost.zip(other.cost).map(|(one, other)| one.max(other)),
        }
    }
}

/// `1024x1536` → pixels.
fn pixels(size: &str) -> Option<u64> {
    let (width, height) = size.split_once(['x', 'X'])?;
    let side = |text: &str| text.parse::<u64>().ok();
    side(width)?.checked_mul(side(height)?).filter(|pixels| (1..=MOST_PIXELS).contains(pixels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_holds_as_many_tokens_as_openai_counts_for_its_best() {
        for (size, partial, tokens) in [
            (Some("1024x1024"), 0, 4_162),
            (Some("1536x1024"), 0, 6_242),
            (Some("256x256"), 0, PICTURE),
            (Some("auto"), 2, 6_442),
            (None, 0, 6_242),
            (Some("0x5"), 0, 6_242),
            (Some("99999999999999999999x1"), 0, 6_242),
        ] {
            assert_eq!(Beside::images(1, size, partial).image_tokens, tokens, "{size:?}");
        }
    }

    #[test]
    fn pictures_are_counted_as_they_come_and_held_beforehand() {
        let asked = Beside { searches: Estimated { likely: 1, most: 3 }, ..Beside::images(2, None, 0) };
        assert_eq!((asked.likely().images, asked.likely().searches), (0, 1));
        assert_eq!((asked.most().images, asked.most().searches), (2, 3));
    }
}

//! Tokens of a text without a tokenizer: for routing, limits and reservations, and where an upstream reports no usage.
//!
//! The tables of a tokenizer are larger than the whole Worker may be, and every model family has its own. So each
//! character is weighed by its kind, and its length in UTF-8 tells scripts apart well enough. Expect ±30 % on prose, more
//! on very short texts; `tests/chat_fixtures.rs` compares it with what providers really counted.

use crate::json::{Item, Raw};

/// What a character weighs, by its first byte, in thousandths of a token; the bytes that continue one weigh nothing.
#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "evaluated by the compiler")]
const WEIGHTS: [u16; 256] = {
    let mut weights = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let character = byte as u8;
        weights[byte] = match character {
            // Words are one token or two; a number is cut into short pieces; punctuation seldom joins its neighbours.
            b'0'..=b'9' => 700,
            _ if character.is_ascii_punctuation() => 500,
            0..0x80 => 220,
            0x80..0xc0 => 0,
            // Two bytes: Cyrillic, Greek, Arabic, Hebrew, accented Latin.
            0xc0..0xe0 => 450,
            // Three: Chinese, Japanese, Korean, Indic scripts.
            0xe0..0xf0 => 900,
            // Four: emoji.
            0xf0.. => 2000,
        };
        byte += 1;
    }
    weights
};

/// What an image counts, whose size is unknown here: a square of 1024 pixels in OpenAI's high detail
/// (<https://platform.openai.com/docs/guides/images-vision#calculating-costs>).
const IMAGE_TOKENS: u64 = 765;

/// Role and separators around a message
/// (<https://github.com/openai/openai-cookbook/blob/main/examples/How_to_count_tokens_with_tiktoken.ipynb>).
const MESSAGE_TOKENS: u64 = 4;

/// How many levels of a conversation are told apart; what nests deeper counts by its length. Each level is scanned
/// again for the level inside it, so this also bounds the work that a body can cause.
const CONTENT_DEPTH: u32 = 8;

/// A running estimate.
///
/// ```
/// use edgeway::usage::estimate::Estimate;
///
/// let mut estimate = Estimate::default();
/// estimate.add_text(b"The quick brown fox jumps over the lazy dog.");
/// assert_eq!(estimate.tokens(), 10);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    thousandths: u64,
    /// Images that were met.
    pub images: u64,
}

impl Estimate {
    /// Tokens, rounded up.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.thousandths.div_ceil(1000)
    }

    /// Nothing has been added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.thousandths == 0
    }

    /// So many whole tokens.
    pub fn add_tokens(&mut self, tokens: u64) {
        self.thousandths = self.thousandths.saturating_add(tokens.saturating_mul(1000));
    }

    /// A text in UTF-8.
    pub fn add_text(&mut self, text: &[u8]) {
        let weight: u64 = text.iter().map(|byte| weight(*byte)).sum();
        self.thousandths = self.thousandths.saturating_add(weight);
    }

    /// The text of a JSON string, between its quotes: an escape counts as the character that it stands for.
    pub fn add_json_text(&mut self, text: &[u8]) {
        let mut rest = text;
        while let Some(backslash) = memchr::memchr(b'\\', rest) {
            self.add_text(rest.get(..backslash).unwrap_or_default());
            rest = rest.get(backslash + 1..).unwrap_or_default();
            let (weight, length) = match rest.first() {
                Some(b'u') => (escaped_weight(rest.get(1..5).unwrap_or_default()), 5),
                Some(escaped @ (b'"' | b'\\' | b'/')) => (weight(*escaped), 1),
                _ => (weight(b' '), 1),
            };
            self.thousandths = self.thousandths.saturating_add(weight);
            rest = rest.get(length..).unwrap_or_default();
        }
        self.add_text(rest);
    }

    /// What a model reads or writes in a piece of a conversation: the strings in it, without ids, roles and types;
    /// an image counts as one, whatever its encoding weighs.
    pub fn add_content(&mut self, value: Raw<'_>) {
        self.add_nested(value, CONTENT_DEPTH);
    }

    fn add_nested(&mut self, value: Raw<'_>, levels: u32) {
        match (value.bytes.first(), levels) {
            (Some(b'"'), _) => self.add_json_text(value.string_text().unwrap_or_default()),
            (Some(b'{' | b'['), 0) => self.add_text(value.bytes),
            (Some(b'{'), _) => value.items().for_each(|member| self.add_member(member, levels - 1)),
            (Some(b'['), _) => value.items().for_each(|element| self.add_nested(element.value, levels - 1)),
            _ => {}
        }
    }

    fn add_member(&mut self, member: Item<'_>, levels: u32) {
        match member.key {
            b"role" | b"type" | b"id" | b"tool_call_id" | b"call_id" | b"index" | b"detail"
            | b"cache_control" => {}
            b"image_url" | b"input_image" => {
                self.images += 1;
                self.add_tokens(IMAGE_TOKENS);
            }
            // Encoded bytes. What they cost depends on seconds or pages; nothing here knows those.
            b"input_audio" | b"audio" | b"file" | b"file_data" | b"video_url" => {}
            _ => self.add_nested(member.value, levels),
        }
    }

    /// A list of messages, each with what surrounds it, and what primes the answer.
    pub fn add_messages(&mut self, messages: Raw<'_>) {
        for message in messages.items() {
            self.add_tokens(MESSAGE_TOKENS);
            self.add_content(message.value);
        }
        self.add_tokens(3);
    }

    /// Definitions of tools, a JSON schema each: models see them in a compact notation of about the length of the JSON
    /// with its keys, less the punctuation.
    pub fn add_schema(&mut self, schema: Raw<'_>) {
        let text = schema
            .bytes
            .iter()
            .filter(|byte| !matches!(byte, b' ' | b'\n' | b'\t' | b'\r' | b'"' | b'{' | b'}'));
        self.thousandths = self.thousandths.saturating_add(text.map(|byte| weight(*byte)).sum());
    }
}

fn weight(byte: u8) -> u64 {
    WEIGHTS.get(usize::from(byte)).copied().unwrap_or_default().into()
}

/// What `\uXXXX` weighs: half of its character for each half of a surrogate pair.
fn escaped_weight(digits: &[u8]) -> u64 {
    let unit = std::str::from_utf8(digits).ok().and_then(|digits| u32::from_str_radix(digits, 16).ok());
    match unit {
        None => 0,
        Some(0xd800..0xe000) => weight(0xf0) / 2,
        Some(unit) => {
            let mut utf8 = [0; 4];
            char::from_u32(unit).map_or(0, |character| {
                weight(character.encode_utf8(&mut utf8).as_bytes().first().copied().unwrap_or_default())
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(text: &str) -> u64 {
        let mut estimate = Estimate::default();
        estimate.add_text(text.as_bytes());
        estimate.tokens()
    }

    #[test]
    fn a_character_weighs_by_its_script() {
        for (text, tokens) in [
            ("", 0),
            ("a", 1),
            ("four", 1),
            ("fives", 2),
            ("2024", 3),
            ("мягких булок", 6),
            ("人工智能", 4),
            ("🦀", 2),
        ] {
            assert_eq!(of(text), tokens, "{text}");
        }
    }

    #[test]
    fn only_what_a_model_reads_is_counted() {
        let tokens = |json: &str| {
            let mut estimate = Estimate::default();
            estimate.add_content(Raw { bytes: json.as_bytes(), start: 0 });
            (estimate.tokens(), estimate.images)
        };
        assert_eq!(tokens(r#"{"role":"assistant","id":"long-long-long-long","content":"four"}"#), (1, 0));
        assert_eq!(tokens(r#"[{"type":"text","text":"four"},{"type":"text","text":"four"}]"#), (2, 0));
        let image = format!(r#"[{{"type":"image_url","image_url":{{"url":"data:{}"}}}}]"#, "A".repeat(9999));
        assert_eq!(tokens(&image), (765, 1));
        assert_eq!(tokens(r#"{"input_audio":{"data":"AAAAAAAAAAAAAAAAAA"}}"#), (0, 0));
    }

    proptest! {
        #[test]
        fn an_escaped_text_counts_like_the_text(text in any::<String>(), ascii in any::<bool>()) {
            let quoted = crate::json::quote(&text);
            let escaped = if ascii {
                let units = |c: char| {
                    let mut buffer = [0; 2];
                    c.encode_utf16(&mut buffer).iter().map(|unit| format!("\\u{unit:04X}")).collect::<String>()
                };
                quoted.chars().map(|c| if c.is_ascii() { c.to_string() } else { units(c) }).collect()
            } else {
                quoted
            };
            let mut estimate = Estimate::default();
            estimate.add_json_text(&escaped.as_bytes()[1..escaped.len() - 1]);
            prop_assert_eq!(estimate.tokens(), of(&text));
        }
    }
}

//! `usageMetadata`, in disjoint buckets and back.
//!
//! `promptTokenCount` holds what was cached, and audio; `toolUsePromptTokenCount` and `thoughtsTokenCount` stand beside the others
//! (reference of `UsageMetadata`; `cached.ruby_llm.json` shows the sum).

use crate::json::Raw;
use crate::json::json;
use crate::usage::Reported;
use crate::usage::Usage;
use serde_json::{Map, Value};

/// More tokens than any call can use; such a number is an upstream's fault and must not be billed.
const ABSURD: u64 = 1_000_000_000;

/// The counts as Google has them.
#[derive(Default)]
struct Counts {
    prompt: Option<u64>,
    cached: u64,
    tool_prompt: u64,
    candidates: Option<u64>,
    response: Option<u64>,
    thoughts: Option<u64>,
    in_prompt: Modalities,
    in_cache: Modalities,
    in_output: Modalities,
}

/// How much of a count is no text.
#[derive(Clone, Copy, Default)]
struct Modalities {
    audio: u64,
    image: u64,
}

impl Modalities {
    fn add(&mut self, modality: &[u8], count: Option<u64>) {
        let count = count.filter(|count| *count < ABSURD).unwrap_or_default();
        match modality {
            b"AUDIO" => self.audio += count,
            b"IMAGE" => self.image += count,
            _ => {}
        }
    }
}

impl Counts {
    fn set(
        &mut self,
        name: &[u8],
        count: impl FnOnce() -> Option<u64>,
        modalities: impl FnOnce() -> Modalities,
    ) {
        match name {
            b"promptTokenCount" => self.prompt = count(),
            b"cachedContentTokenCount" => self.cached = count().unwrap_or_default(),
            b"toolUsePromptTokenCount" => self.tool_prompt = count().unwrap_or_default(),
            b"candidatesTokenCount" => self.candidates = count(),
            b"responseTokenCount" => self.response = count(),
            b"thoughtsTokenCount" => self.thoughts = count(),
            b"promptTokensDetails" => self.in_prompt = modalities(),
            b"cacheTokensDetails" => self.in_cache = modalities(),
            b"candidatesTokensDetails" | b"responseTokensDetails" => self.in_output = modalities(),
            _ => {}
        }
    }

    /// `None` where nothing was counted: Vertex begins a stream so.
    fn usage(self) -> Option<Usage> {
        let candidates = self.candidates.or(self.response);
        if self.prompt.is_none() && candidates.is_none() && self.thoughts.is_none() {
            return None;
        }
        let mut input = self.prompt.unwrap_or_default();
        let cached_input = take(&mut input, self.cached);
        let audio_input = take(&mut input, self.in_prompt.audio.saturating_sub(self.in_cache.audio));
        let image_input = take(&mut input, self.in_prompt.image.saturating_sub(self.in_cache.image));
        let mut output = candidates.unwrap_or_default();
        let audio_output = take(&mut output, self.in_output.audio);
        let image_output = take(&mut output, self.in_output.image);
        Some(Usage {
            input: input + self.tool_prompt,
            cached_input,
            audio_input,
            image_input,
            output,
            reasoning: self.thoughts.unwrap_or_default(),
            audio_output,
            image_output,
            ..Usage::default()
        })
    }
}

/// Moves so much out of `whole`, as far as it goes.
fn take(whole: &mut u64, part: u64) -> u64 {
    let part = part.min(*whole);
    *whole -= part;
    part
}

/// Reads `usageMetadata` as it stands in a body, without a tree.
pub(in crate::dialect::gemini) fn reported(usage: Raw<'_>) -> Option<Reported> {
    let mut counts = Counts::default();
    for member in usage.items() {
        let count = || member.value.as_u64().filter(|count| *count < ABSURD);
        let modalities = || {
            let mut found = Modalities::default();
            for item in member.value.items().map(|item| item.value) {
                let modality = item.member("modality").and_then(|modality| modality.string_text());
                found.add(modality.unwrap_or_default(), item.member("tokenCount").and_then(|it| it.as_u64()));
            }
            found
        };
        counts.set(member.key, count, modalities);
    }
    counts.usage().map(|usage| Reported { usage, cost: None })
}

/// Reads `usageMetadata` of a tree.
pub(in crate::dialect::gemini) fn of_value(usage: &Value) -> Option<Usage> {
    let mut counts = Counts::default();
    for (name, value) in usage.as_object()? {
        let modalities = || {
            let mut found = Modalities::default();
            for item in value.as_array().into_iter().flatten() {
                let modality = item.get("modality").and_then(Value::as_str).unwrap_or_default();
                found.add(modality.as_bytes(), item.get("tokenCount").and_then(Value::as_u64));
            }
            found
        };
        counts.set(name.as_bytes(), || value.as_u64().filter(|count| *count < ABSURD), modalities);
    }
    counts.usage()
}

/// As Gemini's clients know it.
pub(in crate::dialect::gemini) fn encode(usage: &Usage) -> Value {
    let (prompt, output) = (usage.total_input(), usage.total_output().saturating_sub(usage.reasoning));
    let mut written = Map::new();
    written.insert("promptTokenCount".into(), prompt.into());
    written.insert("candidatesTokenCount".into(), output.into());
    if usage.reasoning > 0 {
        written.insert("thoughtsTokenCount".into(), usage.reasoning.into());
    }
    if usage.cached_input > 0 {
        written.insert("cachedContentTokenCount".into(), usage.cached_input.into());
    }
    written.insert("totalTokenCount".into(), prompt.saturating_add(usage.total_output()).into());
    for (name, audio, image, all) in [
        ("promptTokensDetails", usage.audio_input, usage.image_input, prompt),
        ("candidatesTokensDetails", usage.audio_output, usage.image_output, output),
    ] {
        let text = all.saturating_sub(audio).saturating_sub(image);
        if text < all {
            let counted = [("TEXT", text), ("AUDIO", audio), ("IMAGE", image)].into_iter();
            let counted = counted.filter(|(modality, count)| *count > 0 || *modality == "TEXT");
            let of = |(modality, count)| json!({"modality": modality, "tokenCount": count});
            written.insert(name.into(), counted.map(of).collect());
        }
    }
    Value::Object(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_disjoint_and_come_back() {
        let usage = json!({
            "promptTokenCount": 100, "cachedContentTokenCount": 30, "toolUsePromptTokenCount": 7,
            "candidatesTokenCount": 20, "thoughtsTokenCount": 5, "totalTokenCount": 132,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 75}, {"modality": "AUDIO", "tokenCount": 20},
                {"modality": "IMAGE", "tokenCount": 5}],
            "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 8}],
            "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 4}, {"modality": "IMAGE", "tokenCount": 3}],
        });
        let read = of_value(&usage).unwrap();
        let expected = Usage {
            input: 60,
            cached_input: 30,
            audio_input: 12,
            image_input: 5,
            output: 13,
            reasoning: 5,
            audio_output: 4,
            image_output: 3,
            ..Usage::default()
        };
        assert_eq!(read, expected);
        let text = usage.to_string();
        assert_eq!(reported(Raw { bytes: text.as_bytes(), start: 0 }).unwrap().usage, expected);
        let written = encode(&read);
        assert_eq!((&written["promptTokenCount"], &written["totalTokenCount"]), (&json!(107), &json!(132)));
        assert_eq!(of_value(&written), Some(expected));
    }

    #[test]
    fn nothing_counted_is_no_usage() {
        assert_eq!(of_value(&json!({"trafficType": "ON_DEMAND"})), None);
        assert_eq!(of_value(&json!({"promptTokenCount": u64::MAX})), None);
    }
}

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
    audio_prompt: u64,
    audio_cached: u64,
    audio_output: u64,
}

impl Counts {
    fn set(&mut self, name: &[u8], count: impl FnOnce() -> Option<u64>, audio: impl FnOnce() -> u64) {
        match name {
            b"promptTokenCount" => self.prompt = count(),
            b"cachedContentTokenCount" => self.cached = count().unwrap_or_default(),
            b"toolUsePromptTokenCount" => self.tool_prompt = count().unwrap_or_default(),
            b"candidatesTokenCount" => self.candidates = count(),
            b"responseTokenCount" => self.response = count(),
            b"thoughtsTokenCount" => self.thoughts = count(),
            b"promptTokensDetails" => self.audio_prompt = audio(),
            b"cacheTokensDetails" => self.audio_cached = audio(),
            b"candidatesTokensDetails" | b"responseTokensDetails" => self.audio_output = audio(),
            _ => {}
        }
    }

    /// `None` where nothing was counted: Vertex begins a stream so.
    fn usage(self) -> Option<Usage> {
        let candidates = self.candidates.or(self.response);
        if self.prompt.is_none() && candidates.is_none() && self.thoughts.is_none() {
            return None;
        }
        let prompt = self.prompt.unwrap_or_default();
        let cached_input = self.cached.min(prompt);
        let audio_input = self.audio_prompt.saturating_sub(self.audio_cached).min(prompt - cached_input);
        let output = candidates.unwrap_or_default();
        let audio_output = self.audio_output.min(output);
        Some(Usage {
            input: prompt - cached_input - audio_input + self.tool_prompt,
            cached_input,
            audio_input,
            output: output - audio_output,
            reasoning: self.thoughts.unwrap_or_default(),
            audio_output,
            ..Usage::default()
        })
    }
}

/// Reads `usageMetadata` as it stands in a body, without a tree.
pub(in crate::dialect::gemini) fn reported(usage: Raw<'_>) -> Option<Reported> {
    let mut counts = Counts::default();
    for member in usage.items() {
        let count = || member.value.as_u64().filter(|count| *count < ABSURD);
        let audio = || {
            let is_audio = |item: &Raw<'_>| {
                item.member("modality").is_some_and(|modality| modality.string_text() == Some(b"AUDIO"))
            };
            let items = member.value.items().map(|item| item.value).filter(is_audio);
            items.filter_map(|item| item.member("tokenCount")?.as_u64()).filter(|count| *count < ABSURD).sum()
        };
        counts.set(member.key, count, audio);
    }
    counts.usage().map(|usage| Reported { usage, cost: None })
}

/// Reads `usageMetadata` of a tree.
pub(in crate::dialect::gemini) fn of_value(usage: &Value) -> Option<Usage> {
    let mut counts = Counts::default();
    for (name, value) in usage.as_object()? {
        let audio = || {
            let items = value.as_array().into_iter().flatten();
            let items = items.filter(|item| item.get("modality").is_some_and(|modality| modality == "AUDIO"));
            let counts = items.filter_map(|item| item.get("tokenCount")?.as_u64());
            counts.filter(|count| *count < ABSURD).sum()
        };
        counts.set(name.as_bytes(), || value.as_u64().filter(|count| *count < ABSURD), audio);
    }
    counts.usage()
}

/// As Gemini's clients know it.
pub(in crate::dialect::gemini) fn encode(usage: &Usage) -> Value {
    let (prompt, output) = (usage.total_input(), usage.output.saturating_add(usage.audio_output));
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
    for (name, audio, all) in [
        ("promptTokensDetails", usage.audio_input, prompt),
        ("candidatesTokensDetails", usage.audio_output, output),
    ] {
        if audio > 0 {
            let of = |modality: &str, count: u64| json!({"modality": modality, "tokenCount": count});
            written.insert(name.into(), json!([of("TEXT", all - audio), of("AUDIO", audio)]));
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
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 80}, {"modality": "AUDIO", "tokenCount": 20}],
            "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 8}],
            "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 4}],
        });
        let read = of_value(&usage).unwrap();
        let expected = Usage {
            input: 65,
            cached_input: 30,
            audio_input: 12,
            output: 16,
            reasoning: 5,
            audio_output: 4,
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

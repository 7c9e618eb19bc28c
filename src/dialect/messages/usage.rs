//! Anthropic's `usage`: disjoint already, and in a stream told in pieces that each replace what was told before.

use crate::json::Raw;
use crate::json::json;
use crate::usage::Reported;
use crate::usage::Usage;
use serde_json::{Map, Value};

/// More tokens than any call can use; such a number is an upstream's fault and must not be billed.
const ABSURD: u64 = 1_000_000_000;

/// What has been told of a call's usage, raw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    input: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    cache_write_1h: Option<u64>,
    output: Option<u64>,
    thinking: Option<u64>,
}

impl Counters {
    /// Takes a `usage` object, whole or of one event: a counter that it lacks stays as it is.
    pub(super) fn merge(&mut self, usage: Raw<'_>) {
        let set = |counter: &mut Option<u64>, value: Raw<'_>| {
            *counter = value.as_u64().filter(|count| *count < ABSURD).or(*counter);
        };
        for item in usage.is_object().then(|| usage.items()).into_iter().flatten() {
            match item.key {
                b"input_tokens" => set(&mut self.input, item.value),
                b"cache_read_input_tokens" => set(&mut self.cache_read, item.value),
                b"cache_creation_input_tokens" => set(&mut self.cache_write, item.value),
                b"cache_creation" => {
                    if let Some(count) = item.value.member("ephemeral_1h_input_tokens") {
                        set(&mut self.cache_write_1h, count);
                    }
                }
                b"output_tokens" => set(&mut self.output, item.value),
                b"output_tokens_details" => {
                    if let Some(count) = item.value.member("thinking_tokens") {
                        set(&mut self.thinking, count);
                    }
                }
                _ => {}
            }
        }
    }

    /// The buckets; `None` where nothing was told. Thinking is part of `output_tokens`, one-hour writes are part of all
    /// cache writes.
    pub(super) fn usage(&self) -> Option<Usage> {
        self.input.or(self.output)?;
        let output = self.output.unwrap_or_default();
        let reasoning = self.thinking.unwrap_or_default().min(output);
        let cache_write_1h = self.cache_write_1h.unwrap_or_default();
        let cache_write = self.cache_write.unwrap_or_default().saturating_sub(cache_write_1h);
        Some(Usage {
            input: self.input.unwrap_or_default(),
            cached_input: self.cache_read.unwrap_or_default(),
            cache_write,
            cache_write_1h,
            output: output - reasoning,
            reasoning,
            ..Usage::default()
        })
    }

    /// The same, for a log record.
    pub(super) fn reported(&self) -> Option<Reported> {
        self.usage().map(|usage| Reported { usage, cost: None })
    }
}

/// `usage` as a client of this dialect reads it: input beside what the cache holds, output with all thinking in it.
pub(super) fn encode(usage: &Usage) -> Map<String, Value> {
    let cache_write = usage.cache_write.saturating_add(usage.cache_write_1h);
    let value = json!({
        "input_tokens": usage.input.saturating_add(usage.audio_input).saturating_add(usage.image_input),
        "cache_creation_input_tokens": cache_write,
        "cache_read_input_tokens": usage.cached_input,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": usage.total_output(),
    });
    let mut map = if let Value::Object(map) = value { map } else { Map::new() };
    if usage.reasoning > 0 {
        map.insert("output_tokens_details".into(), json!({ "thinking_tokens": usage.reasoning }));
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(told: &[&str]) -> Option<Usage> {
        let mut counters = Counters::default();
        for usage in told {
            counters.merge(Raw { bytes: usage.as_bytes(), start: 0 });
        }
        counters.usage()
    }

    #[test]
    fn buckets_are_disjoint_and_later_counts_replace_earlier_ones() {
        let start = r#"{"input_tokens":9,"cache_creation_input_tokens":30,"cache_read_input_tokens":5,
            "cache_creation":{"ephemeral_5m_input_tokens":20,"ephemeral_1h_input_tokens":10},"output_tokens":1}"#;
        let end = r#"{"output_tokens":40,"output_tokens_details":{"thinking_tokens":15}}"#;
        let expected = Usage {
            input: 9,
            cached_input: 5,
            cache_write: 20,
            cache_write_1h: 10,
            output: 25,
            reasoning: 15,
            ..Usage::default()
        };
        assert_eq!(of(&[start, end]), Some(expected));
        let encoded = Value::Object(encode(&expected)).to_string();
        assert_eq!(of(&[&encoded]), Some(expected));
    }

    #[test]
    fn a_usage_without_a_plausible_count_is_none() {
        for usage in ["null", "{}", "[]", r#"{"input_tokens":-1}"#, r#"{"output_tokens":1e30}"#] {
            assert_eq!(of(&[usage]), None, "{usage}");
        }
    }
}

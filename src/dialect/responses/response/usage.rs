//! `usage` as this dialect writes it: totals that include their parts.

use crate::dialect::chat::response::{self as chat};
use crate::json::Raw;
use crate::json::json;
use crate::usage::Reported;
use crate::usage::Usage;
use serde_json::Value;

/// Reads a `usage` object; `None` where it is `null` or has no plausible count.
#[must_use]
pub fn reported(usage: Raw<'_>) -> Option<Reported> {
    // The totals and the price have the names that OpenAI-style upstreams know everywhere.
    let total = chat::reported(usage)?;
    let value: Value = serde_json::from_slice(usage.bytes).ok()?;
    Some(Reported { usage: buckets(&value).unwrap_or(total.usage), ..total })
}

/// The same for a value that has been read.
pub(in crate::dialect::responses) fn buckets(usage: &Value) -> Option<Usage> {
    let count =
        |path: &str| usage.pointer(path).and_then(Value::as_u64).filter(|count| *count < 1_000_000_000);
    let (input, output) = (count("/input_tokens"), count("/output_tokens"));
    input.or(output)?;
    let (mut input, mut output) = (input.unwrap_or_default(), output.unwrap_or_default());
    let take = |whole: &mut u64, part: Option<u64>| {
        let part = part.unwrap_or_default().min(*whole);
        *whole -= part;
        part
    };
    let cached_input = take(&mut input, count("/input_tokens_details/cached_tokens"));
    let cache_write = take(&mut input, count("/input_tokens_details/cache_write_tokens"));
    let audio_input = take(&mut input, count("/input_tokens_details/audio_tokens"));
    let image_input = take(&mut input, count("/input_tokens_details/image_tokens"));
    let reasoning = take(&mut output, count("/output_tokens_details/reasoning_tokens"));
    let audio_output = take(&mut output, count("/output_tokens_details/audio_tokens"));
    let image_output = take(&mut output, count("/output_tokens_details/image_tokens"));
    Some(Usage {
        input,
        cached_input,
        cache_write,
        cache_write_1h: 0,
        audio_input,
        image_input,
        output,
        reasoning,
        audio_output,
        image_output,
        ..Usage::default()
    })
}

/// Writes a `usage` object.
pub(in crate::dialect::responses) fn encode(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.total_input(),
        "input_tokens_details": {
            "cached_tokens": usage.cached_input,
            "cache_write_tokens": usage.cache_write.saturating_add(usage.cache_write_1h),
        },
        "output_tokens": usage.total_output(),
        "output_tokens_details": { "reasoning_tokens": usage.reasoning },
        "total_tokens": usage.total_input().saturating_add(usage.total_output()),
    })
}

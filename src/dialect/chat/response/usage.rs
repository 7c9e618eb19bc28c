//! An OpenAI-style `usage` object, with what providers make of it, in disjoint buckets.

use crate::json::Raw;
use crate::money::NanoUsd;
use crate::usage::{Reported, Usage};
use serde_json::{Value, json};

/// More tokens than any call can use; such a number is an upstream's fault and must not be billed.
const ABSURD: u64 = 1_000_000_000;

/// Reads a `usage` object; `None` where it is `null` or has no plausible count.
///
/// OpenAI's totals include their parts (<https://platform.openai.com/docs/api-reference/chat/object>): cached, cache-write
/// and audio tokens are taken out of the prompt, reasoning and audio tokens out of the completion, never below zero.
#[must_use]
pub fn reported(usage: Raw<'_>) -> Option<Reported> {
    of(&serde_json::from_slice(usage.bytes).ok()?)
}

/// The same, of a tree.
pub(in crate::dialect) fn of(usage: &Value) -> Option<Reported> {
    let count = |path: &str| usage.pointer(path).and_then(tokens);
    let first = |paths: &[&str]| paths.iter().find_map(|path| count(path));

    let prompt = first(&["/prompt_tokens", "/input_tokens"]);
    let completion = first(&["/completion_tokens", "/output_tokens"]);
    let total = count("/total_tokens");
    let mut input = match (prompt, completion) {
        // Some embedding APIs tell only the total.
        (None, None) => total?,
        (prompt, _) => prompt.unwrap_or_default(),
    };
    let mut output = completion.unwrap_or_default();

    let cached =
        first(&["/prompt_tokens_details/cached_tokens", "/prompt_cache_hit_tokens", "/cached_tokens"]);
    let mut cached_input = take(&mut input, cached);
    let cache_write = first(&["/prompt_tokens_details/cache_write_tokens", "/cache_creation_input_tokens"]);
    let cache_write = take(&mut input, cache_write);
    let audio_input = take(&mut input, count("/prompt_tokens_details/audio_tokens"));
    // GigaChat does not include it in `prompt_tokens`: https://developers.sber.ru/docs/ru/gigachat/api/reference/rest/post-chat
    cached_input += count("/precached_prompt_tokens").unwrap_or_default();

    let reasoning = count("/completion_tokens_details/reasoning_tokens").unwrap_or_default();
    // xAI does not include it in `completion_tokens`; its total tells: https://docs.x.ai/docs/guides/reasoning
    let is_extra = reasoning > 0 && total == Some(prompt.unwrap_or_default() + output + reasoning);
    let reasoning = if is_extra { reasoning } else { take(&mut output, Some(reasoning)) };
    let audio_output = take(&mut output, count("/completion_tokens_details/audio_tokens"));

    let counts = Usage {
        input,
        cached_input,
        cache_write,
        cache_write_1h: 0,
        audio_input,
        output,
        reasoning,
        audio_output,
    };
    Some(Reported { usage: counts, cost: cost(usage) })
}

/// Writes a `usage` object, its totals with their parts in them. `cache_write_tokens` is there where something was
/// written, as OpenRouter has it.
pub(in crate::dialect) fn written(usage: &Usage) -> Value {
    let (input, output) = (usage.total_input(), usage.total_output());
    let mut written = json!({
        "prompt_tokens": input,
        "completion_tokens": output,
        "total_tokens": input.saturating_add(output),
        "prompt_tokens_details": { "cached_tokens": usage.cached_input, "audio_tokens": usage.audio_input },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": usage.audio_output,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    });
    let cache_write = usage.cache_write.saturating_add(usage.cache_write_1h);
    if cache_write > 0
        && let Some(details) = written.get_mut("prompt_tokens_details").and_then(Value::as_object_mut)
    {
        details.insert("cache_write_tokens".into(), cache_write.into());
    }
    written
}

/// Moves so much out of `whole`, as far as it goes.
fn take(whole: &mut u64, part: Option<u64>) -> u64 {
    let part = part.unwrap_or_default().min(*whole);
    *whole -= part;
    part
}

/// A count of tokens; some write whole numbers as floats.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked first")]
fn tokens(value: &Value) -> Option<u64> {
    let float = || value.as_f64().filter(|count| (0.0..1e9).contains(count)).map(|count| count as u64);
    value.as_u64().or_else(float).filter(|count| *count < ABSURD)
}

fn cost(usage: &Value) -> Option<NanoUsd> {
    let usd = usage.get("cost").and_then(|cost| cost.as_f64().or_else(|| cost.get("total_cost")?.as_f64()));
    // A tick is 1e-10 USD.
    let ticks = || Some(usage.get("cost_in_usd_ticks")?.as_f64()? / 1e10);
    usd.or_else(ticks).and_then(NanoUsd::from_usd)
}

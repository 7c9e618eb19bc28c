//! An OpenAI-style `usage` object, with what providers make of it, in disjoint buckets.

use crate::json::json;
use crate::json::{Item, Raw};
use crate::money::NanoUsd;
use crate::usage::{Reported, Usage};
use serde_json::Value;

/// More tokens than any call can use; such a number is an upstream's fault and must not be billed.
const ABSURD: u64 = 1_000_000_000;

/// Reads a `usage` object; `None` where it is `null` or has no plausible count.
///
/// OpenAI's totals include their parts (<https://platform.openai.com/docs/api-reference/chat/object>): cached, cache-write
/// and audio tokens are taken out of the prompt, reasoning and audio tokens out of the completion, never below zero.
#[must_use]
pub fn reported(usage: Raw<'_>) -> Option<Reported> {
    let mut figures = Vec::with_capacity(FIGURES);
    for member in usage.items() {
        match member.value.is_object() {
            true => figures.extend(member.value.items().filter_map(|part| named(member.key, part))),
            false => figures.extend(named(b"", member)),
        }
    }
    of_figures(&figures)
}

/// The same, of a tree.
pub(in crate::dialect) fn of(usage: &Value) -> Option<Reported> {
    let mut figures = Vec::with_capacity(FIGURES);
    for (name, value) in usage.as_object()? {
        match value {
            Value::Object(parts) => figures.extend(
                parts
                    .iter()
                    .filter_map(|(part, value)| Some((name.as_bytes(), part.as_bytes(), Figure::of(value)?))),
            ),
            value => figures.extend(Figure::of(value).map(|figure| (&b""[..], name.as_bytes(), figure))),
        }
    }
    of_figures(&figures)
}

/// A number with its name, behind that of the object that it is in; that is empty for the outermost.
type Named<'a> = (&'a [u8], &'a [u8], Figure);

fn named<'a>(within: &'a [u8], item: Item<'a>) -> Option<Named<'a>> {
    Some((within, item.key, Figure::read(item.value)?))
}

/// As many numbers as OpenAI has.
const FIGURES: usize = 9;

/// A number, whole where it can be.
#[derive(Clone, Copy)]
struct Figure {
    whole: Option<u64>,
    float: f64,
}

impl Figure {
    fn read(value: Raw<'_>) -> Option<Figure> {
        let text = std::str::from_utf8(value.bytes).ok()?;
        // JSON's numbers begin so; `inf` and `nan` are none of them.
        text.starts_with(|first: char| first == '-' || first.is_ascii_digit()).then_some(())?;
        Some(match text.parse() {
            Ok(whole) => Figure { whole: Some(whole), float: 0.0 },
            Err(_) => Figure { whole: None, float: text.parse().ok()? },
        })
    }

    fn of(value: &Value) -> Option<Figure> {
        Some(Figure { whole: value.as_u64(), float: value.as_f64()? })
    }

    /// A count of tokens; some write whole numbers as floats.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked first")]
    fn tokens(self) -> Option<u64> {
        let float = || (0.0..1e9).contains(&self.float).then_some(self.float as u64);
        self.whole.or_else(float).filter(|count| *count < ABSURD)
    }

    #[allow(clippy::cast_precision_loss, reason = "an amount of money is far below 2^53")]
    fn amount(self) -> f64 {
        self.whole.map_or(self.float, |whole| whole as f64)
    }
}

fn of_figures(figures: &[Named<'_>]) -> Option<Reported> {
    let figure = |path: &str| {
        let (within, name) = path.split_once('/').unwrap_or(("", path));
        // Of a name that is there twice the last counts, as with most parsers.
        let mut named = figures.iter().rev().filter(|(_, other, _)| *other == name.as_bytes());
        named.find(|(outer, ..)| *outer == within.as_bytes()).map(|(.., figure)| *figure)
    };
    let count = |path: &str| figure(path).and_then(Figure::tokens);
    let first = |paths: &[&str]| paths.iter().find_map(|path| count(path));

    let prompt = first(&["prompt_tokens", "input_tokens"]);
    let completion = first(&["completion_tokens", "output_tokens"]);
    let total = count("total_tokens");
    let mut input = match (prompt, completion) {
        // Some embedding APIs tell only the total.
        (None, None) => total?,
        (prompt, _) => prompt.unwrap_or_default(),
    };
    let mut output = completion.unwrap_or_default();

    let cached = first(&["prompt_tokens_details/cached_tokens", "prompt_cache_hit_tokens", "cached_tokens"]);
    let mut cached_input = take(&mut input, cached);
    let cache_write = first(&["prompt_tokens_details/cache_write_tokens", "cache_creation_input_tokens"]);
    let cache_write = take(&mut input, cache_write);
    let audio_input = take(&mut input, count("prompt_tokens_details/audio_tokens"));
    let image_input = take(&mut input, count("prompt_tokens_details/image_tokens"));
    // GigaChat does not include it in `prompt_tokens`: https://developers.sber.ru/docs/ru/gigachat/api/reference/rest/post-chat
    cached_input += count("precached_prompt_tokens").unwrap_or_default();

    let reasoning = count("completion_tokens_details/reasoning_tokens").unwrap_or_default();
    // xAI does not include it in `completion_tokens`; its total tells: https://docs.x.ai/docs/guides/reasoning
    let is_extra = reasoning > 0 && total == Some(prompt.unwrap_or_default() + output + reasoning);
    let reasoning = if is_extra { reasoning } else { take(&mut output, Some(reasoning)) };
    let audio_output = take(&mut output, count("completion_tokens_details/audio_tokens"));
    let image_output = take(&mut output, count("completion_tokens_details/image_tokens"));

    let counts = Usage {
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
    };
    // A tick is 1e-10 USD.
    let ticks = || figure("cost_in_usd_ticks").map(|ticks| ticks.amount() / 1e10);
    let usd = figure("cost").or_else(|| figure("cost/total_cost")).map(Figure::amount).or_else(ticks);
    Some(Reported { usage: counts, cost: usd.and_then(NanoUsd::from_usd) })
}

/// Writes a `usage` object, its totals with their parts in them. `cache_write_tokens` and `image_tokens` are there where there are
/// any, as OpenRouter has them.
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
    for (details, name, count) in [
        ("prompt_tokens_details", "cache_write_tokens", cache_write),
        ("prompt_tokens_details", "image_tokens", usage.image_input),
        ("completion_tokens_details", "image_tokens", usage.image_output),
    ] {
        if let Some(details) = written.get_mut(details).and_then(Value::as_object_mut).filter(|_| count > 0) {
            details.insert(name.into(), count.into());
        }
    }
    written
}

/// Moves so much out of `whole`, as far as it goes.
fn take(whole: &mut u64, part: Option<u64>) -> u64 {
    let part = part.unwrap_or_default().min(*whole);
    *whole -= part;
    part
}

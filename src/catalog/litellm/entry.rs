//! One entry of LiteLLM's list: the fields that count, read in whatever order they come.

use crate::catalog::decimal::{self, PER_UNIT};
use crate::cost::{Prices, Tier};
use crate::json;
use crate::money::Price;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// LiteLLM's flag → our capability, in the order in which a row lists them.
const CAPABILITIES: &[(&str, &str)] = &[
    ("supports_function_calling", "tools"),
    ("supports_parallel_function_calling", "parallel_tools"),
    ("supports_vision", "vision"),
    ("supports_reasoning", "reasoning"),
    ("supports_response_schema", "json_schema"),
    ("supports_prompt_caching", "prompt_caching"),
    ("supports_pdf_input", "pdf"),
    ("supports_audio_input", "audio_input"),
    ("supports_audio_output", "audio_output"),
    ("supports_video_input", "video_input"),
    ("supports_web_search", "web_search"),
    ("supports_computer_use", "computer_use"),
];

/// Units other than the token that something may be priced by.
const OTHER_UNITS: &[&str] =
    &["_per_query", "_per_second", "_per_image", "_per_character", "_per_pixel", "_per_request", "_per_page"];

/// What an entry says.
#[derive(Default)]
pub(super) struct Entry {
    pub(super) provider: String,
    pub(super) mode: String,
    pub(super) context_window: Option<u64>,
    pub(super) max_output_tokens: Option<u64>,
    pub(super) capabilities: Vec<&'static str>,
    pub(super) prices: Prices,
    /// What it costs by another unit than the token.
    pub(super) by_unit: ByUnit,
    /// It costs something by another unit, known here or not.
    pub(super) priced_otherwise: bool,
}

/// Prices by other units, as the list has them: what they are of is told by the model's mode.
#[derive(Clone, Copy, Default)]
pub(super) struct ByUnit {
    image_made: Option<Price>,
    image: Option<Price>,
    second_heard: Option<Price>,
    second: Option<Price>,
    character: Option<Price>,
    query: Option<Price>,
}

impl ByUnit {
    fn column(&mut self, field: &str) -> Option<&mut Option<Price>> {
        Some(match field {
            "output_cost_per_image" => &mut self.image_made,
            // xAI's pictures have it; where both are there, it is of those that are sent.
            "input_cost_per_image" => &mut self.image,
            "input_cost_per_second" => &mut self.second_heard,
            // Whisper's has both, and costs it once.
            "output_cost_per_second" => &mut self.second,
            "input_cost_per_character" => &mut self.character,
            "input_cost_per_query" => &mut self.query,
            _ => return None,
        })
    }

    /// Puts what counts of it among the prices of a model of this mode.
    pub(super) fn fill(self, mode: &str, prices: &mut Prices) {
        match mode {
            "image" => prices.image_price = self.image_made.or(self.image),
            "transcription" => prices.audio_second_price = self.second_heard.or(self.second),
            "speech" => prices.character_price = self.character,
            "rerank" => prices.search_price = self.query,
            _ => {}
        }
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entry, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Entry;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the entry of a model")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Entry, A::Error> {
        let mut reading = Reading::default();
        while let Some(name) = fields.next_key::<Cow<'de, str>>()? {
            reading.field(&name, fields.next_value::<&RawValue>()?.get());
        }
        Ok(reading.finish())
    }
}

/// An entry while it is read.
#[derive(Default)]
struct Reading {
    entry: Entry,
    flags: Vec<&'static str>,
    tiers: BTreeMap<u64, Tier>,
    ranges: Vec<Range>,
}

/// A member of `tiered_pricing`: prices from a number of tokens on.
#[derive(Default)]
struct Range {
    from: Option<u64>,
    prices: Prices,
}

impl Reading {
    fn field(&mut self, name: &str, value: &str) {
        let entry = &mut self.entry;
        match name {
            "litellm_provider" => entry.provider = text(value),
            "mode" => entry.mode = text(value),
            "max_input_tokens" => entry.context_window = whole(value).filter(|tokens| *tokens > 0),
            "max_output_tokens" => entry.max_output_tokens = whole(value).filter(|tokens| *tokens > 0),
            "tiered_pricing" => self.ranges = ranges(value),
            _ if name.starts_with("supports_") => {
                let flag = CAPABILITIES.iter().find(|(flag, _)| *flag == name && value == "true");
                self.flags.extend(flag.map(|(_, capability)| *capability));
            }
            _ if !name.contains("cost") => {}
            _ => {
                if let Some(column) = column(&mut entry.prices, name) {
                    *column = decimal::price(value, PER_UNIT);
                } else if let Some(column) = entry.by_unit.column(name) {
                    *column = decimal::price_of_unit(value);
                } else if let (Some((field, above)), Some(price)) =
                    (long(name), decimal::price(value, PER_UNIT))
                {
                    put(&mut self.tiers, above, field, price);
                }
            }
        }
        if !entry.priced_otherwise && OTHER_UNITS.iter().any(|unit| name.contains(unit)) {
            entry.priced_otherwise = value.trim_matches('"').parse::<f64>().is_ok_and(|price| price > 0.0);
        }
    }

    fn finish(mut self) -> Entry {
        for range in self.ranges {
            let Some(from) = range.from else { continue };
            for field in FIELDS {
                let Some(price) = column(&mut Prices::clone(&range.prices), field).and_then(|price| *price)
                else {
                    continue;
                };
                if from > 0 {
                    put(&mut self.tiers, from, field, price);
                }
            }
            if from == 0 {
                fill(&mut self.entry.prices, &range.prices);
            }
        }
        let order = |capability: &&str| CAPABILITIES.iter().position(|(_, known)| known == capability);
        for flag in self.flags {
            let known = &mut self.entry.capabilities;
            known.insert(known.partition_point(|other| order(other) <= order(&flag)), flag);
        }
        self.entry.prices.tiers = self.tiers.into_values().collect();
        self.entry
    }
}

/// LiteLLM's fields that a tier of ours can hold.
const FIELDS: [&str; 4] = [
    "input_cost_per_token",
    "output_cost_per_token",
    "cache_read_input_token_cost",
    "cache_creation_input_token_cost",
];

/// Our column of LiteLLM's price per token.
fn column<'a>(prices: &'a mut Prices, field: &str) -> Option<&'a mut Option<Price>> {
    Some(match field {
        "input_cost_per_token" => &mut prices.input_price,
        "output_cost_per_token" => &mut prices.output_price,
        "cache_read_input_token_cost" => &mut prices.cached_input_price,
        "cache_creation_input_token_cost" => &mut prices.cache_write_price,
        "cache_creation_input_token_cost_above_1hr" => &mut prices.cache_write_1h_price,
        "output_cost_per_reasoning_token" => &mut prices.reasoning_price,
        "input_cost_per_audio_token" => &mut prices.audio_input_price,
        "output_cost_per_audio_token" => &mut prices.audio_output_price,
        "input_cost_per_image_token" => &mut prices.image_input_price,
        "output_cost_per_image_token" => &mut prices.image_output_price,
        _ => return None,
    })
}

/// `input_cost_per_token_above_200k_tokens` → the field, and 200,000.
fn long(name: &str) -> Option<(&'static str, u64)> {
    FIELDS.iter().find_map(|field| {
        let thousands = name.strip_prefix(field)?.strip_prefix("_above_")?.strip_suffix("k_tokens")?;
        Some((*field, thousands.parse::<u64>().ok()?.checked_mul(1000)?))
    })
}

fn put(tiers: &mut BTreeMap<u64, Tier>, above: u64, field: &str, price: Price) {
    let tier = tiers.entry(above).or_insert(Tier { above, ..Tier::default() });
    match field {
        "input_cost_per_token" => tier.input = Some(price),
        "output_cost_per_token" => tier.output = Some(price),
        "cache_read_input_token_cost" => tier.cached_input = Some(price),
        _ => tier.cache_write = Some(price),
    }
}

/// The range that begins at nothing says what the entry itself does not.
fn fill(prices: &mut Prices, base: &Prices) {
    for (price, base) in [
        (&mut prices.input_price, base.input_price),
        (&mut prices.output_price, base.output_price),
        (&mut prices.cached_input_price, base.cached_input_price),
        (&mut prices.cache_write_price, base.cache_write_price),
        (&mut prices.reasoning_price, base.reasoning_price),
    ] {
        *price = price.or(base);
    }
}

/// `tiered_pricing`; some entries price by something else in it, and a range of tokens is told by its name.
fn ranges(value: &str) -> Vec<Range> {
    let members: Vec<BTreeMap<Cow<'_, str>, &RawValue>> =
        serde_json::from_slice(value.as_bytes()).unwrap_or_default();
    let read = |member: BTreeMap<Cow<'_, str>, &RawValue>| {
        let mut range = Range::default();
        for (name, value) in member {
            if name == "range" {
                let ends: Vec<f64> = json::read(value.get().as_bytes()).unwrap_or_default();
                range.from = ends.first().and_then(|from| whole(&from.to_string()));
            } else if let Some(column) = column(&mut range.prices, &name) {
                *column = decimal::price(value.get(), PER_UNIT);
            }
        }
        range
    };
    members.into_iter().map(read).collect()
}

/// A JSON string; empty for anything else.
fn text(value: &str) -> String {
    json::read(value.as_bytes()).unwrap_or_default()
}

/// A whole number of tokens, also where it is written as `8192.0` or in quotes.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked first")]
fn whole(value: &str) -> Option<u64> {
    let number: f64 = value.trim_matches('"').parse().ok()?;
    (number.fract() == 0.0 && (0.0..9e15).contains(&number)).then_some(number as u64)
}

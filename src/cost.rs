//! What a call costs: usage times price, rounded once.
//!
//! A call whose price is not known is not free: it is unpriced, and says so.

mod dearest;
mod find;

pub use dearest::Exposure;
pub use find::{SELECT, find};

use crate::json;
use crate::money::{NanoUsd, Price, Sum};
use crate::store::{Outcome as Found, StoreError};
use crate::usage::Usage;
use serde::{Deserialize, Deserializer, Serialize};
use std::rc::Rc;

/// The prices of one model, a row of the table `models`: nano-USD per million tokens, `None` where none is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prices {
    /// Input that is neither cached nor audio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_price: Option<Price>,
    /// Visible text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_price: Option<Price>,
    /// Input read from a cache; else as input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_input_price: Option<Price>,
    /// Input written to a cache for five minutes; else as input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_price: Option<Price>,
    /// Input written to a cache for an hour; else as a five-minute write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_1h_price: Option<Price>,
    /// Reasoning; else as output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_price: Option<Price>,
    /// Audio input; else as input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_input_price: Option<Price>,
    /// Audio output; else as output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_output_price: Option<Price>,
    /// Prices of long inputs.
    #[serde(default, deserialize_with = "tiers", skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<Tier>,
    /// Valid since, ms.
    #[serde(default, skip_serializing_if = "is_always")]
    pub effective_from: i64,
}

/// What [`find()`] finds of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Its prices.
    pub prices: Rc<Prices>,
    /// The most that it can write, in tokens, where the catalogue knows.
    pub max_output_tokens: Option<u64>,
}

impl Listed {
    /// What [`find()`] gave.
    ///
    /// # Errors
    /// As for [`Outcome::read`](Found::read).
    pub fn found(outcome: &Found) -> Result<Option<Listed>, StoreError> {
        #[derive(Deserialize)]
        struct Most {
            max_output_tokens: Option<u64>,
        }
        let (prices, most) = (outcome.read::<Prices>()?, outcome.read::<Most>()?);
        let listed = |(prices, most): (_, Most)| Listed {
            prices: Rc::new(prices),
            max_output_tokens: most.max_output_tokens,
        };
        Ok(prices.into_iter().zip(most).next().map(listed))
    }
}

/// Prices that hold for a whole request whose total input, cached tokens included, is above a number of tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tier {
    /// Total input tokens.
    pub above: u64,
    /// Replaces `input_price`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Price>,
    /// Replaces `output_price`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Price>,
    /// Replaces `cached_input_price`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<Price>,
    /// Replaces `cache_write_price`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Price>,
}

/// What a call is logged to cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Zero where it is not priced.
    pub cost: NanoUsd,
    /// Whether a price was known for everything that was used.
    pub priced: bool,
}

/// The price of a model that costs nothing wherever it is found: OpenRouter's `:free` variants, and kinds that run on
/// the operator's own machine.
#[must_use]
pub fn is_free(kind: &str, model: &str) -> bool {
    model.ends_with(":free") || matches!(kind, "demo" | "ollama" | "lmstudio")
}

/// The cost of a call; `prices` is what [`find()`] found.
#[must_use]
pub fn outcome(usage: &Usage, prices: Option<&Prices>, kind: &str, model: &str) -> Outcome {
    let cost = match prices {
        Some(prices) => charge(usage, prices),
        None => is_free(kind, model).then_some(NanoUsd(0)),
    };
    Outcome { cost: cost.unwrap_or_default(), priced: cost.is_some() }
}

/// The exact sum of all that was used, rounded half up once; `None` where something was used that has no price.
#[must_use]
pub fn charge(usage: &Usage, prices: &Prices) -> Option<NanoUsd> {
    let total_input = usage.total_input();
    let tier = prices.tiers.iter().filter(|tier| total_input > tier.above).max_by_key(|tier| tier.above);
    let tier = tier.copied().unwrap_or_default();
    let input = tier.input.or(prices.input_price);
    let output = tier.output.or(prices.output_price);
    let cache_write = tier.cache_write.or(prices.cache_write_price).or(input);
    // A dearer tier that lists no price for long-lived writes raises them with the short-lived ones.
    let cache_write_1h = match tier.cache_write {
        Some(price) => Some(price.max(prices.cache_write_1h_price.unwrap_or(price))),
        None => prices.cache_write_1h_price.or(cache_write),
    };
    let parts = [
        (usage.input, input),
        (usage.cached_input, tier.cached_input.or(prices.cached_input_price).or(input)),
        (usage.cache_write, cache_write),
        (usage.cache_write_1h, cache_write_1h),
        (usage.audio_input, prices.audio_input_price.or(input)),
        (usage.output, output),
        (usage.reasoning, prices.reasoning_price.or(output)),
        (usage.audio_output, prices.audio_output_price.or(output)),
    ];
    let sum = parts
        .into_iter()
        .filter(|(units, _)| *units > 0)
        .try_fold(Sum::default(), |sum, (units, price)| price.map(|price| sum.add(units, price)))?;
    // A row without any price prices nothing, even a call that used nothing.
    (input.is_some() || output.is_some()).then(|| sum.total())
}

/// A price that has always held need not say so.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_always(effective_from: &i64) -> bool {
    *effective_from == 0
}

/// Tiers come as JSON text from the database and as a list from everywhere else.
fn tiers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Tier>, D::Error> {
    let list = match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => text,
        list => list.to_string(),
    };
    json::read(list.as_bytes()).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const MILLION: u64 = 1_000_000;

    fn usd(amount: i64) -> Option<Price> {
        Some(Price(amount * 1_000_000_000))
    }

    fn dollars(usage: Usage, prices: &Prices) -> f64 {
        charge(&usage, prices).unwrap().to_usd()
    }

    fn all(count: u64) -> Usage {
        Usage {
            input: count,
            cached_input: count,
            cache_write: count,
            cache_write_1h: count,
            audio_input: count,
            output: count,
            reasoning: count,
            audio_output: count,
        }
    }

    #[test]
    fn each_bucket_has_its_price() {
        let prices = Prices {
            input_price: usd(1),
            cached_input_price: usd(2),
            cache_write_price: usd(4),
            cache_write_1h_price: usd(8),
            audio_input_price: usd(16),
            output_price: usd(32),
            reasoning_price: usd(64),
            audio_output_price: usd(128),
            ..Prices::default()
        };
        assert_eq!(dollars(all(MILLION), &prices), 255.0);
    }

    #[test]
    fn an_absent_price_falls_back_to_the_one_that_it_is_a_kind_of() {
        let prices = Prices { input_price: usd(1), output_price: usd(10), ..Prices::default() };
        assert_eq!(dollars(all(MILLION), &prices), 5.0 + 30.0);
        let writes = Prices { cache_write_price: usd(3), ..prices };
        assert_eq!(dollars(Usage { cache_write_1h: MILLION, ..Usage::default() }, &writes), 3.0);
    }

    #[test]
    fn the_tier_is_chosen_by_all_input_and_holds_for_the_whole_request() {
        // gemini-2.5-pro: above 200k 1.25/10 → 2.5/15 USD
        let prices: Prices = serde_json::from_value(json!({
            "input_price": 1_250_000_000_i64, "output_price": 10_000_000_000_i64,
            "tiers": "[{\"above\":200000,\"input\":2500000000,\"output\":15000000000},{\"above\":9000000,\"input\":1}]",
        }))
        .unwrap();
        let cost = |input, cached_input| {
            dollars(Usage { input, cached_input, output: 1000, ..Usage::default() }, &prices)
        };
        assert_eq!(cost(100_000, 100_000), 0.25 + 0.01);
        assert_eq!(cost(100_000, 100_001), 0.500_002_5 + 0.015);
    }

    #[test]
    fn what_has_no_price_is_not_free() {
        let embedding = Prices { input_price: usd(1), ..Prices::default() };
        let used = |input, output| Usage { input, output, ..Usage::default() };
        assert!(charge(&used(5, 0), &embedding).is_some());
        assert_eq!(charge(&used(5, 1), &embedding), None);
        assert_eq!(charge(&Usage::default(), &Prices::default()), None);
        let unpriced = Outcome { cost: NanoUsd(0), priced: false };
        assert_eq!(outcome(&used(5, 1), None, "openai", "gpt-unknown"), unpriced);
        assert!(outcome(&used(5, 1), None, "openrouter", "x/y:free").priced);
        assert!(outcome(&used(5, 1), None, "ollama", "llama3").priced);
    }

    proptest! {
        #[test]
        fn a_charge_is_the_exact_sum_rounded_once(input in 0..10_000_000_u64, output in 0..10_000_000_u64,
                                                  in_price in 0..10_000_000_000_i64, out_price in 0..100_000_000_000_i64) {
            let prices = Prices { input_price: Some(Price(in_price)), output_price: Some(Price(out_price)), ..Prices::default() };
            let exact = i128::from(input) * i128::from(in_price) + i128::from(output) * i128::from(out_price);
            let cost = charge(&Usage { input, output, ..Usage::default() }, &prices).unwrap();
            prop_assert_eq!(i128::from(cost.0), (exact + 500_000) / 1_000_000);
        }

        #[test]
        fn more_usage_never_costs_less(a in 0..1_000_000_u64, b in 0..1_000_000_u64) {
            let prices = Prices { input_price: usd(1), output_price: usd(3), ..Prices::default() };
            prop_assert!(charge(&all(a.min(b)), &prices) <= charge(&all(a.max(b)), &prices));
        }
    }
}

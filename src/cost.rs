//! What a call costs: usage times price, rounded once.
//!
//! A call whose price is not known is not free: it is unpriced, and says so.

mod dearest;
mod find;
mod sound;

pub use dearest::Exposure;
pub use find::{SELECT, find};

use crate::json;
use crate::money::{NanoUsd, Price, Sum};
use crate::store::{Outcome as Found, StoreError};
use crate::usage::{Usage, UsageSource, beside};
use serde::{Deserialize, Deserializer, Serialize};
use std::rc::Rc;

/// The prices of one model, a row of the table `models`: nano-USD for a million tokens, or for a million of what they are
/// named by; `None` where none is known.
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
    /// Input of pictures; else as input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_input_price: Option<Price>,
    /// Tokens of pictures that are made; else as output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_output_price: Option<Price>,
    /// Pictures that are made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_price: Option<Price>,
    /// Seconds of sound that is listened to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_second_price: Option<Price>,
    /// Characters that are spoken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub character_price: Option<Price>,
    /// Searches of a reranker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search_price: Option<Price>,
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
pub fn outcome(
    usage: &Usage,
    source: UsageSource,
    prices: Option<&Prices>,
    kind: &str,
    model: &str,
) -> Outcome {
    let cost = prices.and_then(|prices| charge(usage, source, prices));
    let cost = cost.or_else(|| is_free(kind, model).then_some(NanoUsd(0)));
    Outcome { cost: cost.unwrap_or_default(), priced: cost.is_some() }
}

/// The exact sum of all that was used, rounded half up once; `None` where something was used that has no price.
///
/// A model has one kind of price, or two for the same thing: by the token, and by the picture, the second, the character or
/// the search. Tokens that the upstream counted decide where they have a price; else what is not counted in tokens does. Where
/// pictures or speech came, and no token of them was counted, only the words that asked for them were.
#[must_use]
pub fn charge(usage: &Usage, source: UsageSource, prices: &Prices) -> Option<NanoUsd> {
    let tokens = prices.of_tokens(usage);
    let is_made = usage.images > 0 || usage.characters > 0;
    let is_counted = if is_made { usage.total_output() > 0 } else { usage.has_tokens() };
    let is_counted = is_counted && source == UsageSource::Upstream;
    if let Some(sum) = tokens.filter(|_| is_counted) {
        return Some(sum.total());
    }
    let sum = match prices.of_units(usage) {
        Units::None => tokens?,
        Units::Priced(sum) => sum,
        Units::InTokens(sum) => tokens?.plus(sum),
        Units::Unpriced => return None,
    };
    Some(sum.total())
}

/// What is not counted in tokens comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Units {
    /// Nothing of it has been used, or only what is priced by the token as well.
    None,
    /// So much, and everything is in it.
    Priced(Sum),
    /// So much, by the tokens that it likely was; those of the text come beside.
    InTokens(Sum),
    /// It has no price.
    Unpriced,
}

impl Prices {
    fn of_tokens(&self, usage: &Usage) -> Option<Sum> {
        let total_input = usage.total_input();
        let tier = self.tiers.iter().filter(|tier| total_input > tier.above).max_by_key(|tier| tier.above);
        let tier = tier.copied().unwrap_or_default();
        let input = tier.input.or(self.input_price);
        let output = tier.output.or(self.output_price);
        let cache_write = tier.cache_write.or(self.cache_write_price).or(input);
        // A dearer tier that lists no price for long-lived writes raises them with the short-lived ones.
        let cache_write_1h = match tier.cache_write {
            Some(price) => Some(price.max(self.cache_write_1h_price.unwrap_or(price))),
            None => self.cache_write_1h_price.or(cache_write),
        };
        let parts = [
            (usage.input, input),
            (usage.cached_input, tier.cached_input.or(self.cached_input_price).or(input)),
            (usage.cache_write, cache_write),
            (usage.cache_write_1h, cache_write_1h),
            (usage.audio_input, self.audio_input_price.or(input)),
            (usage.image_input, self.image_input_price.or(input)),
            // A row of pictures may have no price for words, of which there are few if any beside them: better too dear than for nothing.
            (usage.output, output.or(self.image_output_price)),
            (usage.reasoning, self.reasoning_price.or(output)),
            (usage.audio_output, self.audio_output_price.or(output)),
            (usage.image_output, self.image_output_price.or(output)),
        ];
        let sum = parts
            .into_iter()
            .filter(|(units, _)| *units > 0)
            .try_fold(Sum::default(), |sum, (units, price)| price.map(|price| sum.add(units, price)))?;
        // A row without any price prices nothing, even a call that used nothing.
        (input.is_some() || output.is_some()).then_some(sum)
    }

    fn of_units(&self, usage: &Usage) -> Units {
        let (spoken, heard) = (self.audio_output_price.or(self.output_price), self.heard_price());
        let drawn = self.image_output_price.or(self.output_price);
        match usage {
            Usage { images, .. } if *images > 0 => match (self.image_price, drawn) {
                (Some(price), _) => Units::Priced(Sum::default().add(*images, price)),
                (None, _) if usage.image_output > 0 => Units::None,
                (None, Some(price)) => {
                    Units::InTokens(Sum::default().add(images.saturating_mul(beside::PICTURE), price))
                }
                (None, None) => Units::Unpriced,
            },
            Usage { characters, .. } if *characters > 0 => match (self.character_price, spoken) {
                (Some(price), _) => Units::Priced(Sum::default().add(*characters, price)),
                (None, _) if usage.audio_output > 0 => Units::None,
                (None, Some(price)) => Units::InTokens(Sum::default().add(sound::spoken(*characters), price)),
                (None, None) => Units::Unpriced,
            },
            Usage { audio_ms, .. } if *audio_ms > 0 => match (self.audio_second_price, heard) {
                (Some(price), _) => Units::Priced(Sum::default().add_thousandths(*audio_ms, price)),
                (None, _) if usage.audio_input > 0 => Units::None,
                (None, Some(price)) => Units::InTokens(Sum::default().add(sound::heard(*audio_ms), price)),
                (None, None) => Units::Unpriced,
            },
            Usage { searches, .. } if *searches > 0 => match self.search_price {
                Some(price) => Units::Priced(Sum::default().add(*searches, price)),
                None => Units::None,
            },
            _ => Units::None,
        }
    }

    fn heard_price(&self) -> Option<Price> {
        self.audio_input_price.or(self.input_price)
    }
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
        charge(&usage, UsageSource::Upstream, prices).unwrap().to_usd()
    }

    fn all(count: u64) -> Usage {
        Usage {
            input: count,
            cached_input: count,
            cache_write: count,
            cache_write_1h: count,
            audio_input: count,
            image_input: count,
            output: count,
            reasoning: count,
            audio_output: count,
            image_output: count,
            ..Usage::default()
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
            image_input_price: usd(256),
            image_output_price: usd(512),
            ..Prices::default()
        };
        assert_eq!(dollars(all(MILLION), &prices), 1023.0);
    }

    #[test]
    fn an_absent_price_falls_back_to_the_one_that_it_is_a_kind_of() {
        let prices = Prices { input_price: usd(1), output_price: usd(10), ..Prices::default() };
        assert_eq!(dollars(all(MILLION), &prices), 6.0 + 40.0);
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
        let told = UsageSource::Upstream;
        assert!(charge(&used(5, 0), told, &embedding).is_some());
        assert_eq!(charge(&used(5, 1), told, &embedding), None);
        assert_eq!(charge(&Usage::default(), told, &Prices::default()), None);
        let unpriced = Outcome { cost: NanoUsd(0), priced: false };
        assert_eq!(outcome(&used(5, 1), told, None, "openai", "gpt-unknown"), unpriced);
        assert!(outcome(&used(5, 1), told, None, "openrouter", "x/y:free").priced);
        assert!(outcome(&used(5, 1), told, None, "ollama", "llama3").priced);
    }

    #[test]
    fn what_is_not_counted_in_tokens_has_a_price_of_its_own() {
        let (told, guessed) = (UsageSource::Upstream, UsageSource::Estimated);
        let text = Usage { input: 10, ..Usage::default() };
        let by_token = Prices { input_price: usd(2), output_price: usd(10), ..Prices::default() };
        let by_picture = Prices { image_price: usd(40_000), ..Prices::default() };
        let by_second = Prices { audio_second_price: usd(100), ..Prices::default() };
        let by_character = Prices { character_price: usd(15), ..Prices::default() };
        let by_search = Prices { search_price: usd(2_000), ..Prices::default() };
        let both = Prices { image_price: usd(40_000), image_output_price: usd(30), ..by_token.clone() };
        let drawn = Prices { input_price: usd(2), image_output_price: usd(30), ..Prices::default() };
        let pictures = Usage { images: 2, ..text };
        for (what, usage, source, prices, nano_usd) in [
            ("pictures", pictures, guessed, &by_picture, Some(80_000_000)),
            ("pictures without a price", pictures, guessed, &by_second, None),
            (
                "pictures, as the tokens that they likely are",
                pictures,
                guessed,
                &by_token,
                Some(10 * 2_000 + 2 * 1_056 * 10_000),
            ),
            (
                "tokens of pictures that were counted",
                Usage { image_output: 1_000, ..pictures },
                told,
                &both,
                Some(30_020_000),
            ),
            ("pictures whose tokens were not", pictures, guessed, &both, Some(80_000_000)),
            ("pictures beside counted words", pictures, told, &both, Some(80_000_000)),
            (
                "pictures, as the tokens that they likely are",
                pictures,
                guessed,
                &drawn,
                Some(10 * 2_000 + 2 * 1_056 * 30_000),
            ),
            (
                "words that were written beside a picture",
                Usage { output: 6, image_output: 1_000, ..pictures },
                told,
                &drawn,
                Some(10 * 2_000 + 1_006 * 30_000),
            ),
            ("a second and a half", Usage { audio_ms: 1_500, ..text }, told, &by_second, Some(150_000)),
            (
                "ten seconds, as the tokens that they likely are",
                Usage { audio_ms: 10_000, ..text },
                guessed,
                &by_token,
                Some(10 * 2_000 + 100 * 2_000),
            ),
            ("characters", Usage { characters: 100, ..text }, guessed, &by_character, Some(1_500_000)),
            (
                "characters, as the tokens that they likely are",
                Usage { characters: 30, ..text },
                guessed,
                &by_token,
                Some(10 * 2_000 + 40 * 10_000),
            ),
            ("characters without a price", Usage { characters: 1, ..text }, guessed, &by_second, None),
            ("searches", Usage { searches: 3, ..text }, told, &by_search, Some(6_000_000)),
            (
                "searches that are priced by their text",
                Usage { searches: 3, ..text },
                told,
                &by_token,
                Some(20_000),
            ),
        ] {
            assert_eq!(charge(&usage, source, prices), nano_usd.map(NanoUsd), "{what}");
        }
    }

    proptest! {
        #[test]
        fn a_charge_is_the_exact_sum_rounded_once(input in 0..10_000_000_u64, output in 0..10_000_000_u64,
                                                  in_price in 0..10_000_000_000_i64, out_price in 0..100_000_000_000_i64) {
            let prices = Prices { input_price: Some(Price(in_price)), output_price: Some(Price(out_price)), ..Prices::default() };
            let exact = i128::from(input) * i128::from(in_price) + i128::from(output) * i128::from(out_price);
            let used = Usage { input, output, ..Usage::default() };
            let cost = charge(&used, UsageSource::Upstream, &prices).unwrap();
            prop_assert_eq!(i128::from(cost.0), (exact + 500_000) / 1_000_000);
        }

        #[test]
        fn more_usage_never_costs_less(a in 0..1_000_000_u64, b in 0..1_000_000_u64) {
            let prices = Prices { input_price: usd(1), output_price: usd(3), ..Prices::default() };
            let cost = |count| charge(&all(count), UsageSource::Upstream, &prices);
            prop_assert!(cost(a.min(b)) <= cost(a.max(b)));
        }
    }
}

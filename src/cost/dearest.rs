//! The dearest price that any token of a call may have, for what a call reserves before it is dispatched.

use super::{Prices, Tier, sound};
use crate::money::{Price, Sum};
use crate::usage::beside::{Beside, Most};

/// What a call may be billed for beside text; where it is not known, say that it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// Audio goes in or comes out.
    pub audio: bool,
    /// Pictures go in.
    pub images: bool,
    /// Input is written to a cache.
    pub cache_writes: bool,
}

impl Prices {
    /// The most of what is asked for beside text. A model may have a price by the token and another for the same thing: whichever
    /// its answer lets apply, it is held.
    #[must_use]
    pub fn most_beside(&self, asked: &Beside) -> Most {
        let (heard, written) = (sound::heard(asked.audio_ms.most), sound::most_written(asked.audio_ms.most));
        let image_tokens = asked.images.saturating_mul(asked.image_tokens);
        let none = Sum::default;
        let source_tokens = asked.source_tokens();
        let of_sources = match source_tokens {
            0 => Some(none()),
            tokens => self.image_input_price.or(self.input_price).map(|price| none().add(tokens, price)),
        };
        let spoken = sound::most_spoken(asked.characters);
        // What it is, of how much there is any, what that costs by itself, and the tokens that go in and come out with what they cost.
        let parts = [
            (
                asked.images,
                self.image_price.map(|price| none().add(asked.images, price)),
                (source_tokens, image_tokens),
                self.image_output_price
                    .or(self.output_price)
                    .zip(of_sources)
                    .map(|(price, sources)| sources.add(image_tokens, price)),
            ),
            (
                asked.characters,
                self.character_price.map(|price| none().add(asked.characters, price)),
                (0, spoken),
                self.audio_output_price.or(self.output_price).map(|price| none().add(spoken, price)),
            ),
            (
                asked.audio_ms.most,
                self.audio_second_price.map(|price| none().add_thousandths(asked.audio_ms.most, price)),
                (heard, written),
                self.heard_price().zip(self.output_price).map(|(heard_price, written_price)| {
                    none().add(heard, heard_price).add(written, written_price)
                }),
            ),
            (
                asked.searches.most,
                self.search_price.map(|price| none().add(asked.searches.most, price)),
                (0, 0),
                self.input_price.map(|_| none()), // its text is held anyhow
            ),
        ];
        let mut most = Most::FREE;
        for (count, itself, (input, output), in_tokens) in parts {
            if count == 0 {
                continue;
            }
            // A row without a price for words prices no tokens at all (`of_tokens`).
            let in_tokens = in_tokens.filter(|_| self.prices_text());
            if in_tokens.is_some() {
                most.input_tokens = most.input_tokens.saturating_add(input);
                most.output_tokens = most.output_tokens.saturating_add(output);
            }
            let dearer = itself.into_iter().chain(in_tokens).max();
            most.cost = most.cost.zip(dearer).map(|(one, other)| one.plus(other));
        }
        most
    }

    /// Whether text has a price; a model that is paid for by the picture, say, has none.
    #[must_use]
    pub fn prices_text(&self) -> bool {
        let of_tiers = self.tiers.iter().flat_map(|tier| [tier.input, tier.output]);
        [self.input_price, self.output_price].into_iter().chain(of_tiers).any(|price| price.is_some())
    }

    /// The dearest price of an input and of an output token of a call with at most so much input; `None` where there is
    /// none. [`super::charge`] of such a call is never more than its tokens at these prices.
    #[must_use]
    pub fn dearest(&self, total_input: u64, exposure: Exposure) -> (Option<Price>, Option<Price>) {
        let reachable = self.tiers.iter().filter(|tier| total_input > tier.above).copied();
        let tiers = || std::iter::once(Tier::default()).chain(reachable.clone());
        let input = tiers().map(|tier| self.dearest_input(&tier, exposure)).max().flatten();
        let output = tiers().map(|tier| self.dearest_output(&tier, exposure)).max().flatten();
        (input.filter(|_| self.input_price.is_some()), output.filter(|_| self.output_price.is_some()))
    }

    fn dearest_input(&self, tier: &Tier, exposure: Exposure) -> Option<Price> {
        let writes = [tier.cache_write, self.cache_write_price, self.cache_write_1h_price];
        let writes = writes.into_iter().filter(|_| exposure.cache_writes);
        let audio = self.audio_input_price.filter(|_| exposure.audio);
        let images = self.image_input_price.filter(|_| exposure.images);
        let plain = tier.input.or(self.input_price);
        let cached = tier.cached_input.or(self.cached_input_price);
        writes.chain([plain, cached, audio, images]).max().flatten()
    }

    fn dearest_output(&self, tier: &Tier, exposure: Exposure) -> Option<Price> {
        let audio = self.audio_output_price.filter(|_| exposure.audio);
        let plain = tier.output.or(self.output_price);
        // Whoever can draw draws unasked.
        [plain, self.reasoning_price, audio, self.image_output_price].into_iter().max().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::charge;
    use crate::usage::beside::Estimated;
    use crate::usage::{Usage, UsageSource};
    use proptest::prelude::*;

    const ALL: Exposure = Exposure { audio: true, images: true, cache_writes: true };

    #[test]
    fn a_text_call_is_not_held_at_the_price_of_audio() {
        let prices = Prices {
            input_price: Some(Price(2)),
            audio_input_price: Some(Price(40)),
            cache_write_price: Some(Price(3)),
            output_price: Some(Price(10)),
            audio_output_price: Some(Price(80)),
            ..Prices::default()
        };
        let text = Exposure { audio: false, images: false, cache_writes: false };
        assert_eq!(prices.dearest(1, text), (Some(Price(2)), Some(Price(10))));
        assert_eq!(prices.dearest(1, ALL), (Some(Price(40)), Some(Price(80))));
        assert_eq!(Prices::default().dearest(1, ALL), (None, None));
    }

    fn price() -> impl Strategy<Value = Option<Price>> {
        prop::option::of((0..90_000_000_000_i64).prop_map(Price))
    }

    prop_compose! {
        fn tier()(above in 0..3000_u64, input in price(), output in price(), cached_input in price(), cache_write in price()) -> Tier {
            Tier { above, input, output, cached_input, cache_write }
        }
    }

    prop_compose! {
        fn any_prices()(p in prop::array::uniform14(price()), tiers in prop::collection::vec(tier(), 0..3)) -> Prices {
            let [input_price, output_price, cached_input_price, cache_write_price, cache_write_1h_price, reasoning_price,
                audio_input_price, audio_output_price, image_input_price, image_output_price, image_price,
                audio_second_price, character_price, search_price] = p;
            Prices { input_price, output_price, cached_input_price, cache_write_price, cache_write_1h_price,
                reasoning_price, audio_input_price, audio_output_price, image_input_price, image_output_price, image_price,
                audio_second_price, character_price, search_price, tiers, effective_from: 0 }
        }
    }

    proptest! {
        #[test]
        fn no_call_is_charged_more_than_its_tokens_at_the_dearest_prices(
            prices in any_prices(), units in prop::array::uniform10(0..1000_u64), more in 0..1000_u64,
        ) {
            let [input, cached_input, cache_write, cache_write_1h, audio_input, output, reasoning, audio_output,
                image_input, image_output] = units;
            let usage = Usage { input, cached_input, cache_write, cache_write_1h, audio_input, image_input, output, reasoning,
                audio_output, image_output, ..Usage::default() };
            let most = usage.total_input() + more;
            let charged = charge(&usage, UsageSource::Upstream, &prices);
            if let ((Some(input), Some(output)), Some(charged)) = (prices.dearest(most, ALL), charged) {
                prop_assert!(charged <= Sum::default().add(most, input).add(usage.total_output(), output).total());
            }
        }

        #[test]
        fn nothing_beside_text_is_charged_more_than_is_held_for_it(
            prices in any_prices(), kind in 0..4, count in 1..100_000_u64, is_less in 0..100_u64, text in 0..1000_u64,
        ) {
            let some = |wanted| if kind == wanted { count } else { 0 };
            let estimated = |most| Estimated { likely: most / 2, most };
            let asked = Beside { images: some(0), image_tokens: 4_000, sources: some(0) % 7, characters: some(1),
                audio_ms: estimated(some(2)), searches: estimated(some(3)) };
            let used = Usage { input: text, ..asked.most() };
            let used = Usage { audio_ms: used.audio_ms.saturating_sub(is_less), ..used };
            let Some(beside) = prices.most_beside(&asked).cost else { return Ok(()) };
            let (input, _) = prices.dearest(text, ALL);
            if prices.prices_text() && input.is_none() {
                return Ok(()); // whoever limits such a call refuses it
            }
            let charged = charge(&used, UsageSource::Estimated, &prices);
            prop_assert!(charged.is_some(), "what is held at a price is charged at one");
            let text = Sum::default().add(text, input.unwrap_or_default());
            prop_assert!(charged <= Some(beside.plus(text).total()), "{charged:?} of {beside:?} and {text:?}");
        }
    }
}

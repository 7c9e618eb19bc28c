//! The dearest price that any token of a call may have, for what a call reserves before it is dispatched.

use super::{Prices, Tier};
use crate::money::Price;

/// What a call may be billed for beside text; where it is not known, say that it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// Audio goes in or comes out.
    pub audio: bool,
    /// Input is written to a cache.
    pub cache_writes: bool,
}

impl Prices {
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
        let plain = tier.input.or(self.input_price);
        let cached = tier.cached_input.or(self.cached_input_price);
        writes.chain([plain, cached, audio]).max().flatten()
    }

    fn dearest_output(&self, tier: &Tier, exposure: Exposure) -> Option<Price> {
        let audio = self.audio_output_price.filter(|_| exposure.audio);
        [tier.output.or(self.output_price), self.reasoning_price, audio].into_iter().max().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::charge;
    use crate::money::Sum;
    use crate::usage::Usage;
    use proptest::prelude::*;

    const ALL: Exposure = Exposure { audio: true, cache_writes: true };

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
        let text = Exposure { audio: false, cache_writes: false };
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
        fn any_prices()(p in prop::array::uniform8(price()), tiers in prop::collection::vec(tier(), 0..3)) -> Prices {
            let [input_price, output_price, cached_input_price, cache_write_price, cache_write_1h_price,
                reasoning_price, audio_input_price, audio_output_price] = p;
            Prices { input_price, output_price, cached_input_price, cache_write_price, cache_write_1h_price,
                reasoning_price, audio_input_price, audio_output_price, tiers, effective_from: 0 }
        }
    }

    proptest! {
        #[test]
        fn no_call_is_charged_more_than_its_tokens_at_the_dearest_prices(
            prices in any_prices(), units in prop::array::uniform8(0..1000_u64), more in 0..1000_u64,
        ) {
            let [input, cached_input, cache_write, cache_write_1h, audio_input, output, reasoning, audio_output] = units;
            let usage = Usage { input, cached_input, cache_write, cache_write_1h, audio_input, output, reasoning, audio_output };
            let most = usage.total_input() + more;
            if let ((Some(input), Some(output)), Some(charged)) = (prices.dearest(most, ALL), charge(&usage, &prices)) {
                prop_assert!(charged <= Sum::default().add(most, input).add(usage.total_output(), output).total());
            }
        }
    }
}

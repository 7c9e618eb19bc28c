//! Integer money: nano-USD amounts, and prices per million units.
//!
//! A price such as $0.0375 per million tokens is not a whole number of nano-USD per token, so prices are kept per
//! million units and an amount is rounded once, at the very end of a sum.

use serde::{Deserialize, Serialize};

/// Nano-USD in one USD.
const NANO: f64 = 1e9;

/// An amount of money in nano-USD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NanoUsd(pub i64);

impl NanoUsd {
    /// As the decimal USD number that JSON shows.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "amounts stay far below 2^53 nano-USD, nine million USD")]
    pub fn to_usd(self) -> f64 {
        self.0 as f64 / NANO
    }

    /// As a decimal USD number in text, exact: `0.000123`.
    #[must_use]
    pub fn to_decimal(self) -> String {
        let (sign, nano) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let text = format!("{sign}{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    /// From a decimal USD number; `None` where it is negative, not finite or too large.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "the range is checked first")]
    pub fn from_usd(usd: f64) -> Option<NanoUsd> {
        let nano = (usd * NANO).round();
        (0.0..9.0e18).contains(&nano).then_some(NanoUsd(nano as i64))
    }

    /// A sum that stops at the end of the range instead of wrapping.
    #[must_use]
    pub fn plus(self, other: NanoUsd) -> NanoUsd {
        NanoUsd(self.0.saturating_add(other.0))
    }
}

/// A price: nano-USD for one million units (tokens, characters, …).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Price(pub i64);

/// A sum of `units × price` that has not been rounded yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sum(i128);

impl Sum {
    /// Nothing.
    pub const NONE: Sum = Sum(0);

    /// Adds so many units at this price.
    #[must_use]
    pub fn add(self, units: u64, price: Price) -> Sum {
        Sum(self.0.saturating_add(i128::from(units).saturating_mul(i128::from(price.0))))
    }

    /// Adds so many thousandths of a unit at this price.
    #[must_use]
    pub fn add_thousandths(self, thousandths: u64, price: Price) -> Sum {
        let sum = i128::from(thousandths).saturating_mul(i128::from(price.0));
        // What is rounded away here is below a millionth of a nano-USD.
        Sum(self.0.saturating_add(sum.div_euclid(1_000)))
    }

    /// Both.
    #[must_use]
    pub fn plus(self, other: Sum) -> Sum {
        Sum(self.0.saturating_add(other.0))
    }

    /// The amount, rounded half up, once.
    #[must_use]
    pub fn total(self) -> NanoUsd {
        let nano = self.0.saturating_add(500_000).div_euclid(1_000_000);
        NanoUsd(i64::try_from(nano).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_fraction_of_a_nano_usd_is_rounded_half_up_once() {
        let price = Price(37_500_000); // $0.0375 per million tokens
        assert_eq!(Sum::default().add(1, price).total(), NanoUsd(38));
        assert_eq!(Sum::default().add(1, price).add(1, price).total(), NanoUsd(75));
    }

    #[test]
    fn the_largest_plausible_call_does_not_overflow() {
        let price = Price(1_000_000_000_000); // $1000 per million
        assert_eq!(Sum::default().add(10_000_000, price).total().to_usd(), 10_000.0);
    }

    #[test]
    fn decimals_are_exact() {
        for (nano, text) in [
            (0, "0"),
            (1, "0.000000001"),
            (1_500_000_000, "1.5"),
            (-20, "-0.00000002"),
            (10_000_000_000, "10"),
        ] {
            assert_eq!(NanoUsd(nano).to_decimal(), text);
        }
    }

    proptest! {
        #[test]
        fn usd_round_trips(nano in 0..1_000_000_000_000_000_i64) {
            prop_assert_eq!(NanoUsd::from_usd(NanoUsd(nano).to_usd()), Some(NanoUsd(nano)));
        }

        #[test]
        fn a_sum_is_within_half_a_nano_usd_of_the_truth(units in 0..10_000_000_u64, price in 0..1_000_000_000_000_i64) {
            let exact = i128::from(units) * i128::from(price);
            let total = i128::from(Sum::default().add(units, Price(price)).total().0) * 1_000_000;
            prop_assert!((exact - total).abs() <= 500_000);
        }
    }
}

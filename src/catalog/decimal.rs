//! Prices as the lists write them, decimal numbers in text, turned into whole numbers without float arithmetic.

use crate::money::Price;

/// A list in USD for one unit: nano-USD for a million is × 10^15.
pub(super) const PER_UNIT: i32 = 15;
/// A list in USD for a million units.
pub(super) const PER_MILLION: i32 = 9;

/// No model costs $2,000 for a million tokens: such a price was written for another unit, and so is unknown.
const HIGHEST: i64 = 2_000_000_000_000;
/// Nor a million dollars for a million pictures, seconds, characters or searches.
const HIGHEST_OF_UNITS: i64 = 1_000_000_000_000_000;

/// Of tokens: a JSON number (or the same in quotes) × 10^`exponent`, rounded half up; `None` for anything else, for a negative one
/// and for one above [`HIGHEST`].
pub(super) fn price(text: &str, exponent: i32) -> Option<Price> {
    scaled(text, exponent).filter(|price| *price <= HIGHEST).map(Price)
}

/// Of anything else than tokens, in USD for one; zero says only that something else is priced.
pub(super) fn price_of_unit(text: &str) -> Option<Price> {
    scaled(text, PER_UNIT).filter(|price| (1..=HIGHEST_OF_UNITS).contains(price)).map(Price)
}

fn scaled(text: &str, exponent: i32) -> Option<i64> {
    let text = text.trim_matches('"');
    let (mantissa, power) = match text.split_once(['e', 'E']) {
        Some((mantissa, power)) => (mantissa, power.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() || ![whole, fraction].iter().all(|part| part.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let shift = power.checked_add(exponent)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let size = 10_u128.checked_pow(shift.unsigned_abs());
    let scaled = match (digits, size) {
        (0, _) => 0,
        (_, Some(size)) if shift >= 0 => digits.checked_mul(size)?,
        (_, Some(size)) => digits / size + u128::from(digits % size >= size.div_ceil(2)),
        (_, None) if shift >= 0 => return None,
        (_, None) => 0, // below 10^-38 of what has at most 39 digits
    };
    i64::try_from(scaled).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_price_for_a_token_becomes_a_whole_number_for_a_million() {
        for (text, expected) in [
            ("2.5e-06", Some(2_500_000_000)),
            ("2.5E-6", Some(2_500_000_000)),
            ("\"1.25e-7\"", Some(125_000_000)),
            ("0.0000029999999999999997", Some(3_000_000_000)),
            ("4.0000000000000003e-07", Some(400_000_000)),
            ("7.5e-9", Some(7_500_000)),
            ("0", Some(0)),
            ("0.0", Some(0)),
            ("0.00012", Some(120_000_000_000)),
            ("0.5e-15", Some(1)),
            ("0.4e-15", Some(0)),
            ("1e-99", Some(0)),
            ("0e99", Some(0)),
            ("0.0032", None), // a price for a thousand tokens, taken for one
            ("1e99", None),
            ("1e99999999999", None),
            ("-1e-6", None),
            ("n/a", None),
            ("", None),
            (".5", None),
            ("null", None),
            ("{}", None),
        ] {
            assert_eq!(price(text, PER_UNIT), expected.map(Price), "{text}");
        }
        assert_eq!(price("0.3", PER_MILLION), Some(Price(300_000_000)), "already for a million");
    }

    #[test]
    fn a_picture_may_cost_more_than_a_token() {
        for (text, expected) in
            [("0.04", Some(40_000_000_000_000)), ("1.1", None), ("0", None), ("0.0", None), ("-1", None)]
        {
            assert_eq!(price_of_unit(text), expected.map(Price), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_whole_price_comes_back(nano in 0..=HIGHEST) {
            let usd = format!("{nano}e-15");
            prop_assert_eq!(price(&usd, PER_UNIT), Some(Price(nano)));
        }

        #[test]
        fn no_text_is_too_strange(text in "[0-9.eE+\"-]{0,60}") {
            let _ = price(&text, PER_UNIT);
        }
    }
}

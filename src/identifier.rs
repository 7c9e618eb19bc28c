//! Row and request ids: UUID v7, which sort by the time of their making.

use crate::time::Millis;

/// A new id from the clock and ten random bytes.
#[must_use]
pub fn new_id(now: Millis, random: [u8; 10]) -> String {
    let millis = u64::try_from(now.0).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().hyphenated().to_string()
}

/// Whether this looks like an id that was made here.
#[must_use]
pub fn is_id(text: &str) -> bool {
    uuid::Uuid::try_parse(text).is_ok()
}

/// No id made since then sorts before this: ids are UUID v7, whose first 48 bits are their time. It lets a range of
/// time use the index on ids.
#[must_use]
pub fn first_id(at: Millis) -> String {
    let hex = format!("{:012x}", at.0.clamp(0, (1 << 48) - 1));
    let (high, low) = hex.split_at_checked(8).unwrap_or((&hex, ""));
    format!("{high}-{low}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time() {
        assert!(new_id(Millis(1), [255; 10]) < new_id(Millis(2), [0; 10]));
        assert_eq!(new_id(Millis(0), [0; 10]).len(), 36);
    }

    #[test]
    fn an_id_sorts_after_the_first_of_its_millisecond_and_before_the_next() {
        let id = new_id(Millis(1_800_000_000_123), [0; 10]);
        assert!(first_id(Millis(1_800_000_000_123)) < id);
        assert!(id < first_id(Millis(1_800_000_000_124)));
    }
}

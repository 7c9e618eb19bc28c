//! Row and request ids: UUID v7, which sort by the time of their making.

use crate::time::Millis;

/// A new id from the clock and ten random bytes.
#[must_use]
pub fn new_id(now: Millis, random: [u8; 10]) -> String {
    let millis = u64::try_from(now.0).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().hyphenated().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time() {
        assert!(new_id(Millis(1), [255; 10]) < new_id(Millis(2), [0; 10]));
        assert_eq!(new_id(Millis(0), [0; 10]).len(), 36);
    }
}

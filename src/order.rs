//! Sorting of every type by one instance of the standard sort: each type that is sorted by itself adds 3 KB to the wasm.
//! For the same reason maps are filled by `extend`: `collect` sorts first.

use std::cmp::Ordering;

/// The values in order; equal ones stay as they stand.
pub fn sorted_by<T>(values: Vec<T>, compare: impl Fn(&T, &T) -> Ordering) -> Vec<T> {
    let order = order(values.len(), &|left, right| match (values.get(left), values.get(right)) {
        (Some(left), Some(right)) => compare(left, right),
        _ => Ordering::Equal, // there are as many places as values
    });
    let mut values: Vec<Option<T>> = values.into_iter().map(Some).collect();
    order.into_iter().filter_map(|place| values.get_mut(place)?.take()).collect()
}

fn order(length: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut places: Vec<usize> = (0..length).collect();
    places.sort_by(|left, right| compare(*left, *right));
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_sorts_as_the_standard_sort_does(values: Vec<(u8, u16)>) {
            let mut expected = values.clone();
            expected.sort_by_key(|value| value.0);
            prop_assert_eq!(sorted_by(values, |left, right| left.0.cmp(&right.0)), expected);
        }
    }
}

//! Latency buckets, ten per cent wide, from which percentiles are read without reading the calls.

/// The bucket of a latency: bucket `b` reaches from 1.1^b − 1 ms to 1.1^(b+1) − 1 ms.
#[must_use]
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a logarithm of at most 2^63"
)]
pub fn bucket(latency_ms: i64) -> i64 {
    ((latency_ms.max(0) as f64 + 1.0).ln() / 1.1_f64.ln()).floor() as i64
}

/// The latency in the middle of a bucket, ms.
#[must_use]
#[allow(clippy::cast_possible_truncation, reason = "buckets come from `bucket`")]
pub fn middle(bucket: i64) -> i64 {
    let bucket = i32::try_from(bucket).unwrap_or(i32::MAX);
    let (low, high) = (1.1_f64.powi(bucket) - 1.0, 1.1_f64.powi(bucket.saturating_add(1)) - 1.0);
    ((low + high) / 2.0).round() as i64
}

/// The percentile (0–100) of a histogram of `(bucket, calls)` in rising order; `None` where it is empty.
#[must_use]
pub fn percentile(histogram: &[(i64, u64)], percent: u64) -> Option<i64> {
    let total: u64 = histogram.iter().map(|(_, calls)| calls).sum();
    let rank = total.saturating_mul(percent).div_ceil(100).max(1);
    let mut seen = 0;
    for (bucket, calls) in histogram {
        seen += calls;
        if seen >= rank {
            return Some(middle(*bucket));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentiles_come_from_the_right_bucket() {
        let histogram: Vec<_> =
            [(10, 50), (1000, 45), (9000, 5)].map(|(ms, calls)| (bucket(ms), calls)).into();
        assert!((9..=11).contains(&percentile(&histogram, 50).unwrap()));
        assert!((900..=1100).contains(&percentile(&histogram, 95).unwrap()));
        assert!((8100..=9900).contains(&percentile(&histogram, 99).unwrap()));
        assert_eq!(percentile(&[], 50), None);
    }

    proptest! {
        #[test]
        fn a_bucket_is_ten_per_cent_wide(latency in 0_i64..100_000_000) {
            let middle = middle(bucket(latency));
            prop_assert!((middle - latency).abs() <= latency / 10 + 1);
        }
    }
}

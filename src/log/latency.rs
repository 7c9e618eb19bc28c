//! Latency buckets, ten per cent wide, from which percentiles are read without reading the calls.

/// So many buckets there are; the last one has no end, and begins at a year.
const BUCKETS: usize = 256;

/// The bucket of a latency: bucket `b` reaches from 1.1^b − 1 ms to 1.1^(b+1) − 1 ms.
#[must_use]
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a logarithm of at most 2^63"
)]
pub fn bucket(latency_ms: i64) -> i64 {
    (((latency_ms.max(0) as f64 + 1.0).ln() / 1.1_f64.ln()).floor() as i64).min(BUCKETS as i64 - 1)
}

/// The latency in the middle of a bucket, ms.
#[must_use]
#[allow(clippy::cast_possible_truncation, reason = "buckets come from `bucket`")]
pub fn middle(bucket: i64) -> i64 {
    let bucket = i32::try_from(bucket).unwrap_or(i32::MAX);
    let (low, high) = (1.1_f64.powi(bucket) - 1.0, 1.1_f64.powi(bucket.saturating_add(1)) - 1.0);
    ((low + high) / 2.0).round() as i64
}

/// How many calls are in each bucket.
#[derive(Clone, Debug)]
pub struct Histogram([i64; BUCKETS]);

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram([0; BUCKETS])
    }
}

impl Histogram {
    /// Adds one as the sums of the log have it (schema.sql): numbers of the form 256 · calls + bucket, each followed by a comma.
    pub fn add(&mut self, text: &str) {
        for number in text.split(',').filter_map(|number| number.parse::<i64>().ok()) {
            let bucket =
                usize::try_from(number & (BUCKETS as i64 - 1)).ok().and_then(|at| self.0.get_mut(at));
            if let Some(calls) = bucket {
                *calls += number >> 8;
            }
        }
    }

    /// Adds another.
    pub fn add_all(&mut self, other: &Histogram) {
        self.0.iter_mut().zip(other.0).for_each(|(calls, more)| *calls += more);
    }

    /// The percentile (0–100); `None` where there is no call.
    #[must_use]
    pub fn percentile(&self, percent: i64) -> Option<i64> {
        let total: i64 = self.0.iter().sum();
        let rank = ((total * percent + 99) / 100).max(1);
        let mut seen = 0;
        let bucket = self.0.iter().position(|calls| {
            seen += calls;
            seen >= rank
        });
        bucket.map(|bucket| middle(bucket as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentiles_come_from_the_right_bucket() {
        let text: String = [(10, 50), (1000, 40), (9000, 7), (9000, -2), (1000, 5)]
            .map(|(ms, calls)| format!("{},", calls * 256 + bucket(ms)))
            .concat();
        let mut half = Histogram::default();
        half.add(&text);
        let mut histogram = half.clone();
        histogram.add_all(&half);
        for histogram in [half, histogram] {
            assert!((9..=11).contains(&histogram.percentile(50).unwrap()));
            assert!((900..=1100).contains(&histogram.percentile(95).unwrap()));
            assert!((8100..=9900).contains(&histogram.percentile(99).unwrap()));
        }
        assert_eq!(Histogram::default().percentile(50), None);
        assert_eq!(bucket(i64::MAX), 255);
    }

    proptest! {
        #[test]
        fn a_bucket_is_ten_per_cent_wide(latency in 0_i64..100_000_000) {
            let middle = middle(bucket(latency));
            prop_assert!((middle - latency).abs() <= latency / 10 + 1);
        }
    }
}

//! Points in time and their text form; the clock itself belongs to the edge.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// A point in time, or a span: milliseconds (since 1970 UTC for a point).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub i64);

impl Millis {
    /// One minute.
    pub const MINUTE: Millis = Millis(60_000);
    /// One hour.
    pub const HOUR: Millis = Millis(3_600_000);
    /// One day.
    pub const DAY: Millis = Millis(86_400_000);

    /// ISO 8601 in UTC with milliseconds, as every time in the management API is written.
    #[must_use]
    pub fn to_iso(self) -> String {
        DateTime::<Utc>::from_timestamp_millis(self.0)
            .unwrap_or_default()
            .to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// Reads ISO 8601 (RFC 3339), or a plain date, which means its first moment in UTC.
    #[must_use]
    pub fn from_iso(text: &str) -> Option<Millis> {
        let time = DateTime::parse_from_rfc3339(text)
            .or_else(|_| DateTime::parse_from_rfc3339(&format!("{text}T00:00:00Z")));
        time.ok().map(|time| Millis(time.timestamp_millis()))
    }

    /// Reads the date of an HTTP header (`Wed, 21 Oct 2015 07:28:00 GMT`, RFC 9110 §5.6.7).
    #[must_use]
    pub fn from_http_date(text: &str) -> Option<Millis> {
        // Restated, as chrono's reader of any other format is large.
        const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
        let mut words = text.split_ascii_whitespace();
        let [_, day, month, year, time, zone] = std::array::from_fn(|_| words.next().unwrap_or_default());
        let month = MONTHS.find(month).filter(|at| month.len() == 3 && at % 3 == 0)? / 3 + 1;
        let is_whole = matches!(zone, "GMT" | "UTC" | "+0000") && words.next().is_none();
        is_whole.then(|| Millis::from_iso(&format!("{year}-{month:02}-{day:0>2}T{time}Z"))).flatten()
    }

    /// This point moved by a span, stopping at the ends of the range.
    #[must_use]
    pub fn plus(self, span: Millis) -> Millis {
        Millis(self.0.saturating_add(span.0))
    }

    /// The span since an earlier point; zero where the clock went backwards.
    #[must_use]
    pub fn since(self, earlier: Millis) -> Millis {
        Millis(self.0.saturating_sub(earlier.0).max(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_round_trips() {
        let time = Millis::from_iso("2026-11-20T13:00:00.250Z").unwrap();
        assert_eq!(time.to_iso(), "2026-11-20T13:00:00.250Z");
        assert_eq!(Millis::from_iso("2026-11-20T14:00:00.250+01:00"), Some(time));
    }

    #[test]
    fn a_plain_date_is_its_first_moment() {
        assert_eq!(Millis::from_iso("1970-01-02"), Some(Millis::DAY));
    }

    #[test]
    fn http_dates_are_read() {
        assert_eq!(Millis::from_http_date("Thu, 01 Jan 1970 00:00:01 GMT"), Some(Millis(1000)));
        assert_eq!(
            Millis::from_http_date("Wed, 21 Oct 2015 07:28:00 GMT"),
            Millis::from_iso("2015-10-21T07:28:00Z")
        );
        assert_eq!(
            Millis::from_http_date("Sun, 6 Nov 1994 08:49:37 GMT"),
            Millis::from_iso("1994-11-06T08:49:37Z")
        );
        for text in [
            "soon",
            "",
            "Wed, 21 Oct 2015 07:28:00",
            "Wed, 21 anF 2015 07:28:00 GMT",
            "Wed, 99 Oct 2015 07:28:00 GMT",
        ] {
            assert_eq!(Millis::from_http_date(text), None, "{text}");
        }
    }

    #[test]
    fn a_clock_that_goes_backwards_spans_nothing() {
        assert_eq!(Millis(5).since(Millis(9)), Millis(0));
    }
}

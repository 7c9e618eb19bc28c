//! Calendar windows in UTC: when the one around a moment began, and when it ends.

use crate::config::BudgetWindow;
use crate::time::Millis;
use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

/// A kind of window; the next one begins where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Window {
    /// Sixty seconds, from the full minute.
    Minute,
    /// From the full hour.
    Hour,
    /// From midnight.
    Day,
    /// From Monday.
    Week,
    /// From the first.
    Month,
    /// For ever.
    Total,
}

/// One window of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first moment; 0 for [`Window::Total`].
    pub start: Millis,
    /// The first moment of the next; `None` where there is none.
    pub end: Option<Millis>,
}

impl Window {
    /// All kinds, the shortest first.
    pub const ALL: [Window; 6] =
        [Window::Minute, Window::Hour, Window::Day, Window::Week, Window::Month, Window::Total];

    /// As it is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Window::Minute => "minute",
            Window::Hour => "hour",
            Window::Day => "day",
            Window::Week => "week",
            Window::Month => "month",
            Window::Total => "total",
        }
    }

    /// The window of this kind that holds a moment.
    #[must_use]
    pub fn span(self, at: Millis) -> Span {
        match self {
            Window::Minute => aligned(at, Millis::MINUTE, Millis(0)),
            Window::Hour => aligned(at, Millis::HOUR, Millis(0)),
            Window::Day => aligned(at, Millis::DAY, Millis(0)),
            // 1970 began on a Thursday; the Monday before was three days earlier.
            Window::Week => aligned(at, Millis(7 * Millis::DAY.0), Millis(3 * Millis::DAY.0)),
            Window::Month => month(at),
            Window::Total => Span { start: Millis(0), end: None },
        }
    }
}

impl From<BudgetWindow> for Window {
    fn from(window: BudgetWindow) -> Window {
        match window {
            BudgetWindow::Day => Window::Day,
            BudgetWindow::Week => Window::Week,
            BudgetWindow::Month => Window::Month,
            BudgetWindow::Total => Window::Total,
        }
    }
}

/// Windows of one length, of which one began so long before 1970.
fn aligned(at: Millis, length: Millis, before: Millis) -> Span {
    let start = Millis(at.0.saturating_sub(at.0.saturating_add(before.0).rem_euclid(length.0)));
    Span { start, end: Some(start.plus(length)) }
}

fn month(at: Millis) -> Span {
    let first = DateTime::<Utc>::from_timestamp_millis(at.0).and_then(|time| time.date_naive().with_day(1));
    let next = first.and_then(|first| first.checked_add_months(Months::new(1)));
    match first.zip(next) {
        Some((first, next)) => Span { start: midnight(first), end: Some(midnight(next)) },
        // 260,000 years from now.
        None => Span { start: at, end: None },
    }
}

fn midnight(date: NaiveDate) -> Millis {
    Millis(date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn windows_are_those_of_the_calendar_in_utc() {
        for (window, at, start, end) in [
            (Window::Minute, "2026-11-20T13:14:15.678Z", "2026-11-20T13:14:00Z", "2026-11-20T13:15:00Z"),
            (Window::Minute, "2026-12-31T23:59:59.999Z", "2026-12-31T23:59:00Z", "2027-01-01"),
            (Window::Hour, "2026-11-20T13:00:00Z", "2026-11-20T13:00:00Z", "2026-11-20T14:00:00Z"),
            (Window::Day, "2026-11-20T23:59:59.999Z", "2026-11-20", "2026-11-21"),
            (Window::Day, "2024-02-28T12:00:00Z", "2024-02-28", "2024-02-29"),
            // Clocks in Europe were set forward on that day; UTC knows nothing of it.
            (Window::Day, "2026-03-29T01:30:00Z", "2026-03-29", "2026-03-30"),
            (Window::Week, "2026-11-20T12:00:00Z", "2026-11-16", "2026-11-23"),
            (Window::Week, "2026-11-22T23:59:59.999Z", "2026-11-16", "2026-11-23"),
            (Window::Week, "2026-11-23T00:00:00Z", "2026-11-23", "2026-11-30"),
            (Window::Week, "2024-02-29T12:00:00Z", "2024-02-26", "2024-03-04"),
            (Window::Week, "2027-01-01T00:00:00Z", "2026-12-28", "2027-01-04"),
            (Window::Week, "1970-01-01T00:00:00Z", "1969-12-29", "1970-01-05"),
            (Window::Month, "2024-02-29T23:59:59.999Z", "2024-02-01", "2024-03-01"),
            (Window::Month, "2026-02-28T23:59:59.999Z", "2026-02-01", "2026-03-01"),
            (Window::Month, "2100-02-28T00:00:00Z", "2100-02-01", "2100-03-01"),
            (Window::Month, "2026-12-31T12:00:00Z", "2026-12-01", "2027-01-01"),
        ] {
            let time = |text| Millis::from_iso(text).unwrap();
            let expected = Span { start: time(start), end: Some(time(end)) };
            assert_eq!(window.span(time(at)), expected, "{window:?} {at}");
        }
    }

    #[test]
    fn the_total_never_ends() {
        assert_eq!(Window::Total.span(Millis(-5)), Window::Total.span(Millis(i64::MAX)));
        assert_eq!(Window::Total.span(Millis(5)).end, None);
    }

    proptest! {
        #[test]
        fn a_moment_lies_in_its_window_and_windows_touch(at in -10_000_000_000_000_i64..10_000_000_000_000) {
            for window in [Window::Minute, Window::Hour, Window::Day, Window::Week, Window::Month] {
                let span = window.span(Millis(at));
                let end = span.end.unwrap();
                prop_assert!(span.start.0 <= at && at < end.0);
                prop_assert_eq!(window.span(span.start), span);
                prop_assert_eq!(window.span(Millis(end.0 - 1)), span);
                prop_assert_eq!(window.span(end).start, end);
            }
        }

        #[test]
        fn no_time_is_too_strange(at in any::<i64>()) {
            for window in Window::ALL {
                let _ = window.span(Millis(at));
            }
        }
    }
}

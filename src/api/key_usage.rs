//! How much of each of its limits a gateway key has used, in the limit's own unit.
//!
//! Days, hours and budgets are calendar windows in UTC, summed from the hourly rollup; minutes are the last sixty
//! seconds of the log. The log is written a moment after a call ends, so these sums trail what the gateway enforces.

use super::keys::Row;
use super::row::Time;
use crate::config::BudgetWindow;
use crate::identifier::first_id;
use crate::money::NanoUsd;
use crate::store::{Statement, Store, StoreError};
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use serde_json::Number;

/// One limit and its use.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    limit: &'static str,
    window: &'static str,
    used: Number,
    max: Number,
    /// When `used` is 0 again; `None` for what never is, or is counted for each call alone.
    resets_at: Option<Time>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
struct Sums {
    requests: u64,
    input_tokens: u64,
    output_tokens: u64,
    cost: NanoUsd,
}

/// A key's sums from an hour on.
#[must_use]
pub fn since_hour(user_id: &str, key_id: &str, hour: Millis) -> Statement {
    Statement::new(
        "SELECT coalesce(sum(requests), 0) AS requests, coalesce(sum(input_tokens), 0) AS input_tokens, \
         coalesce(sum(output_tokens), 0) AS output_tokens, coalesce(sum(cost), 0) AS cost \
         FROM usage_hourly WHERE user_id = ?1 AND key_id = ?2 AND hour >= ?3",
    )
    .bind(user_id)
    .bind(key_id)
    .bind(hour)
}

/// A key's sums from a moment on, of the log itself.
#[must_use]
pub fn since_moment(key_id: &str, moment: Millis) -> Statement {
    Statement::new(
        "SELECT count(*) AS requests, coalesce(sum(input_tokens), 0) AS input_tokens, \
         coalesce(sum(output_tokens), 0) AS output_tokens, coalesce(sum(cost), 0) AS cost \
         FROM request_logs WHERE key_id = ?1 AND id >= ?2",
    )
    .bind(key_id)
    .bind(first_id(moment))
}

/// A calendar window in UTC.
#[derive(Clone, Copy)]
struct Window {
    name: &'static str,
    start: Millis,
    end: Option<Millis>,
}

fn fixed(name: &'static str, length: Millis, now: Millis) -> Window {
    let start = Millis(now.0 - now.0.rem_euclid(length.0));
    Window { name, start, end: Some(start.plus(length)) }
}

fn budget_window(window: BudgetWindow, now: Millis) -> Window {
    let day = fixed("day", Millis::DAY, now);
    match window {
        BudgetWindow::Day => day,
        BudgetWindow::Week => {
            // The first day of 1970 was a Thursday.
            let since_monday = (day.start.0 / Millis::DAY.0 + 3).rem_euclid(7);
            let start = Millis(day.start.0 - since_monday * Millis::DAY.0);
            Window { name: "week", start, end: Some(start.plus(Millis(7 * Millis::DAY.0))) }
        }
        BudgetWindow::Month => {
            let start = first_of_month(now);
            let end = first_of_month(start.plus(Millis(32 * Millis::DAY.0)));
            Window { name: "month", start, end: Some(end) }
        }
        BudgetWindow::Total => Window { name: "total", start: Millis(0), end: None },
    }
}

fn first_of_month(at: Millis) -> Millis {
    let iso = at.to_iso();
    let month = iso.get(..7).unwrap_or_default();
    Millis::from_iso(&format!("{month}-01")).unwrap_or(at)
}

/// All limits of a key and what is used of them.
pub(super) async fn of(store: &impl Store, key: &Row, now: Millis) -> Result<Vec<Entry>, StoreError> {
    let hour = fixed("hour", Millis::HOUR, now);
    let day = fixed("day", Millis::DAY, now);
    let budget = key.budget.as_ref().map(|budget| (budget.0, budget_window(budget.0.window, now)));
    let from_hour = |window: Window| since_hour(&key.user_id, &key.id, window.start);
    let mut statements =
        vec![since_moment(&key.id, Millis(now.0 - Millis::MINUTE.0)), from_hour(hour), from_hour(day)];
    statements.extend(budget.map(|(_, window)| from_hour(window)));
    let mut sums = Vec::new();
    for outcome in store.batch(statements).await? {
        sums.push(outcome.read::<Sums>()?.into_iter().next().unwrap_or_default());
    }
    let [in_minute, in_hour, in_day, in_budget] =
        [0, 1, 2, 3].map(|index| sums.get(index).copied().unwrap_or_default());

    let minute = Window { name: "minute", start: now, end: Some(now.plus(Millis::MINUTE)) };
    let each = |name| Window { name, start: now, end: None };
    let (rates, quotas) = (key.rate_limits.0, key.quotas.0);
    let tokens = |sums: Sums| sums.input_tokens.saturating_add(sums.output_tokens);
    let counted = [
        ("requests_per_minute", minute, in_minute.requests, rates.requests_per_minute),
        ("requests_per_hour", hour, in_hour.requests, rates.requests_per_hour),
        ("requests_per_day", day, in_day.requests, rates.requests_per_day),
        ("tokens_per_minute", minute, tokens(in_minute), rates.tokens_per_minute),
        // Calls under way are known to the ledger alone, not to the log.
        ("concurrent", each("now"), 0, rates.concurrent),
        ("input_tokens_per_day", day, in_day.input_tokens, quotas.input_tokens_per_day),
        ("output_tokens_per_day", day, in_day.output_tokens, quotas.output_tokens_per_day),
        ("requests_per_day", day, in_day.requests, quotas.requests_per_day),
        ("max_input_tokens", each("request"), 0, quotas.max_input_tokens),
        ("max_output_tokens", each("request"), 0, quotas.max_output_tokens),
    ];
    let mut entries: Vec<Entry> = counted
        .into_iter()
        .filter_map(|(limit, window, used, max)| Some(entry(limit, window, used.into(), max?.into())))
        .collect();
    if let Some((budget, window)) = budget {
        let usd = |amount: NanoUsd| Number::from_f64(amount.to_usd()).unwrap_or_else(|| 0.into());
        entries.push(entry("budget", window, usd(in_budget.cost), usd(budget.nano_usd)));
    }
    Ok(entries)
}

fn entry(limit: &'static str, window: Window, used: Number, max: Number) -> Entry {
    Entry { limit, window: window.name, used, max, resets_at: window.end.map(Time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budget_windows_are_calendar_windows_in_utc() {
        let now = Millis::from_iso("2026-11-20T13:14:15Z").unwrap(); // a Friday
        for (window, start, end) in [
            (BudgetWindow::Day, "2026-11-20", Some("2026-11-21")),
            (BudgetWindow::Week, "2026-11-16", Some("2026-11-23")),
            (BudgetWindow::Month, "2026-11-01", Some("2026-12-01")),
            (BudgetWindow::Total, "1970-01-01", None),
        ] {
            let found = budget_window(window, now);
            assert_eq!(Some(found.start), Millis::from_iso(start), "{window:?}");
            assert_eq!(found.end, end.and_then(Millis::from_iso), "{window:?}");
        }
        assert_eq!(
            first_of_month(Millis::from_iso("2026-12-31").unwrap()),
            Millis::from_iso("2026-12-01").unwrap()
        );
    }
}

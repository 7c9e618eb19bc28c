//! What is deleted when it is old, in bites that leave the database time for its callers.

use crate::identifier::first_id;
use crate::store::Statement;
use crate::time::Millis;

/// Rows deleted by one statement.
pub const BITE: i64 = 2_000;
/// Hourly sums are small, and last this long.
const SUMS: Millis = Millis(400 * Millis::DAY.0);
/// Activity lasts this long.
const ACTIVITY: Millis = Millis(400 * Millis::DAY.0);
/// Failed sign-ins count for fifteen minutes; an hour is plenty.
const LOGIN_FAILURES: Millis = Millis::HOUR;

/// A record that the ledger wrote for one that was lost counts in /metrics when nothing will take its place any more: a trigger
/// counts it (schema.sql). Queues give up what they could not deliver after seventeen hours.
const COUNT_LOST: &str = "UPDATE request_logs SET batch = -batch WHERE id IN \
     (SELECT id FROM request_logs WHERE endpoint = '' AND batch > 0 AND id < ?1 ORDER BY id LIMIT ?2)";
const DELETE_LOGS: &str = "DELETE FROM request_logs WHERE id IN \
     (SELECT id FROM request_logs WHERE id < ?1 ORDER BY id LIMIT ?2)";
const DELETE_BODIES: &str = "DELETE FROM request_log_bodies WHERE id IN \
     (SELECT id FROM request_log_bodies WHERE id < ?1 ORDER BY id LIMIT ?2)";
const DELETE_USAGE: &str = "DELETE FROM usage_hourly WHERE hour < ?1 AND ?2 > 0";
const DELETE_USAGE_OF_DAYS: &str = "DELETE FROM usage_daily WHERE day < ?1 AND ?2 > 0";
const DELETE_ACTIVITY: &str = "DELETE FROM activity_logs WHERE id IN \
     (SELECT id FROM activity_logs WHERE created_at < ?1 ORDER BY created_at LIMIT ?2)";
const DELETE_SESSIONS: &str = "DELETE FROM sessions WHERE id IN \
     (SELECT id FROM sessions WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)";
const DELETE_ALERTS: &str = "DELETE FROM alerts WHERE created_at < ?1 AND ?2 > 0";
const DELETE_SPEND: &str = "DELETE FROM budget_spend WHERE period > 0 AND period < ?1 AND ?2 > 0";
const DELETE_LOGIN_FAILURES: &str = "DELETE FROM login_failures WHERE at < ?1 AND ?2 > 0";

/// One bite of everything that is too old, where calls are kept for `days`. A bite that changes [`BITE`] rows may have
/// left some: run it again.
#[must_use]
pub fn bite(now: Millis, days: u32) -> Vec<Statement> {
    let before = |span: Millis| Millis(now.0.saturating_sub(span.0));
    let logs = first_id(before(Millis(i64::from(days).saturating_mul(Millis::DAY.0))));
    let lost = first_id(before(Millis::DAY));
    let by_id = [(COUNT_LOST, &lost), (DELETE_LOGS, &logs), (DELETE_BODIES, &logs)];
    let by_id = by_id.map(|(sql, before)| Statement::new(sql).bind(before.as_str()).bind(BITE));
    let by_time = [
        (DELETE_USAGE, before(SUMS)),
        (DELETE_USAGE_OF_DAYS, before(SUMS)),
        (DELETE_ACTIVITY, before(ACTIVITY)),
        (DELETE_ALERTS, before(ACTIVITY)),
        (DELETE_SPEND, before(ACTIVITY)),
        (DELETE_SESSIONS, now),
        (DELETE_LOGIN_FAILURES, before(LOGIN_FAILURES)),
    ];
    let by_time = by_time.map(|(sql, before)| Statement::new(sql).bind(before).bind(BITE));
    by_id.into_iter().chain(by_time).collect()
}

//! What isolates and the consumer of the log's queue say of themselves, for whoever scrapes: rows that they write, and read.

use crate::store::Statement;
use crate::time::Millis;

/// An isolate has so many calls open of keys without limits; it is believed until a time. Those whose time is over are gone.
#[must_use]
pub fn report(isolate: &str, calls: u32, now: Millis, until: Millis) -> Vec<Statement> {
    let tell = Statement::new(
        "INSERT INTO isolates (id, calls, expires_at) VALUES (?1, ?2, ?3) \
         ON CONFLICT DO UPDATE SET calls = excluded.calls, expires_at = excluded.expires_at",
    );
    let forget = Statement::new("DELETE FROM isolates WHERE calls = 0 OR expires_at <= ?1");
    vec![tell.bind(isolate).bind(i64::from(calls)).bind(until), forget.bind(now)]
}

/// How many calls all isolates have open, as far as they have said.
#[must_use]
pub fn open_calls(now: Millis) -> Statement {
    Statement::new("SELECT coalesce(sum(calls), 0) AS calls FROM isolates WHERE expires_at > ?1").bind(now)
}

/// Log messages were stored that had to be delivered again, or came through the dead-letter queue.
#[must_use]
pub fn delivered_late(redeliveries: u32, dead_letters: u32) -> Statement {
    Statement::new(
        "INSERT INTO metric_log_queue (id, redeliveries, dead_letters) VALUES (1, ?1, ?2) ON CONFLICT DO UPDATE SET \
         redeliveries = redeliveries + excluded.redeliveries, dead_letters = dead_letters + excluded.dead_letters",
    )
    .bind(i64::from(redeliveries))
    .bind(i64::from(dead_letters))
}

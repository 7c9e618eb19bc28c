//! Alerts: what somebody should know at once, kept in the database until a webhook has taken it.
//!
//! Triggers of schema.sql write them, in the transaction that makes them true, once for each period, whichever isolates
//! meet the cause; so nothing on a call's path knows of them. Whoever has just written what may have caused one sends what waits.

use crate::json;
use crate::json::json;
use crate::store::{Outcome, Statement, StoreError};
use crate::time::Millis;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The setting that holds the webhook's URL, as a JSON string.
pub const WEBHOOK: &str = "alert_webhook_url";
/// Alerts that are sent in one go.
pub const TOGETHER: i64 = 10;
/// One that was not delivered is sent again after this time.
pub const AGAIN: Millis = Millis::MINUTE;
/// And for so long.
pub const LIFE: Millis = Millis::DAY;

/// An alert to be sent.
#[derive(Debug, Deserialize)]
pub struct Alert {
    kind: String,
    subject: String,
    period: i64,
    created_at: Millis,
    detail: String,
    webhook: String,
}

/// Takes what waits: another isolate that asks at the same time gets none of it. [`read`] reads it.
#[must_use]
pub fn take(now: Millis) -> Statement {
    Statement::new(
        "UPDATE alerts SET taken_at = ?1 WHERE (kind, subject, period) IN (SELECT kind, subject, period FROM alerts \
         WHERE sent_at IS NULL AND created_at > ?2 AND coalesce(taken_at, 0) < ?3 ORDER BY created_at LIMIT ?4) \
         AND EXISTS (SELECT 1 FROM settings WHERE name = ?5) RETURNING kind, subject, period, created_at, detail, \
         (SELECT value FROM settings WHERE name = ?5) AS webhook",
    )
    .bind(now)
    .bind(Millis(now.0 - LIFE.0))
    .bind(Millis(now.0 - AGAIN.0))
    .bind(TOGETHER)
    .bind(WEBHOOK)
}

/// What [`take`] gave.
///
/// # Errors
/// A row has another shape.
pub fn read(outcome: &Outcome) -> Result<Vec<Alert>, StoreError> {
    outcome.read()
}

impl Alert {
    /// Where it goes.
    #[must_use]
    pub fn url(&self) -> String {
        json::read(self.webhook.as_bytes()).unwrap_or_default()
    }

    /// The body of the POST: `{"type": "alert", "kind", "at", …}` and what belongs to its kind.
    #[must_use]
    pub fn body(&self) -> String {
        let mut body = Map::new();
        body.insert("type".into(), json!("alert"));
        body.insert("kind".into(), json!(self.kind));
        body.insert("at".into(), json!(self.created_at.to_iso()));
        if let Ok(Value::Object(detail)) = json::read(self.detail.as_bytes()) {
            body.extend(detail);
        }
        Value::Object(body).to_string()
    }

    /// The webhook has it.
    #[must_use]
    pub fn sent(&self, now: Millis) -> Statement {
        Statement::new("UPDATE alerts SET sent_at = ?4 WHERE kind = ?1 AND subject = ?2 AND period = ?3")
            .bind(self.kind.as_str())
            .bind(self.subject.as_str())
            .bind(self.period)
            .bind(now)
    }
}

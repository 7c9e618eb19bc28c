//! `GET /metrics`: what the gateway has counted, in Prometheus' text format, for whoever has the credentials.
//!
//! Every figure comes from what all isolates share: the counters that a trigger of schema.sql keeps beside the log, and the
//! ledgers. [`families`] says which metrics there are; [`text`] writes them.

pub mod families;
pub mod health;
pub mod text;

use super::sessions;
use super::{ApiResponse, Body, Call, Platform};
use crate::auth::Role;
use crate::auth::login::{self, Attempt};
use crate::auth::password;
use crate::error::ApiError;
use crate::json;
use crate::json::json;
use crate::limit::{Message, Reply};
use crate::secret::{Secret, equal};
use crate::store::{Outcome, Statement, Store};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use families::Sample;

/// As Prometheus names its text format.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Ledgers that one scrape asks at most.
const LEDGERS: i64 = 100;

/// `GET /metrics`
pub(super) async fn get<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    if let Err(error) = authorise(call).await {
        let challenge = "Basic realm=\"metrics\", charset=\"UTF-8\"";
        return match error.status {
            401 => Ok(ApiResponse::error(&error).header("www-authenticate", challenge)),
            _ => Err(error),
        };
    }
    let mut statements = families::statements(call.now);
    statements.extend([health::open_calls(call.now), owners()]);
    let mut outcomes = call.store().batch(statements).await?;
    let owners = outcomes.pop().unwrap_or_default();
    let open = outcomes.pop().unwrap_or_default().values();
    let open = open.first().and_then(|row| row.get("calls")?.as_u64()).unwrap_or_default();
    let mut page = text::Page::default();
    for (table, outcome) in families::TABLES.iter().zip(&outcomes) {
        page.table(table, &samples(outcome)?);
    }
    page.table(&families::LEDGERS, &[ledgers(call, &owners, open).await]);
    let waiting = call.context.platform.backlogs().await;
    page.table(&families::QUEUES, &json::read::<Vec<Sample>>(waiting.as_bytes()).unwrap_or_default());
    Ok(ApiResponse {
        status: 200,
        headers: vec![("content-type", CONTENT_TYPE.into()), ("cache-control", "no-store".into())],
        body: Body::Bytes(page.finish().into_bytes()),
    })
}

/// Lets in whoever has `METRICS_USERNAME` and `METRICS_PASSWORD`, and administrators by theirs, whose sign-in is throttled.
async fn authorise<P: Platform>(call: &Call<'_, P>) -> Result<(), ApiError> {
    let variables = call.context.variables;
    let unauthenticated =
        || ApiError::new(401, "unauthenticated", "send the credentials for metrics by HTTP Basic");
    let header = (call.request.header)("authorization").unwrap_or_default();
    let (username, password) = basic(&header).ok_or_else(unauthenticated)?;
    if let Some((name, expected)) = &variables.metrics {
        // Both are compared, whatever the first comparison says.
        if equal(name, &username) & equal(expected.reveal(), password.reveal()) {
            return Ok(());
        }
    }
    if username.len() > 128 || password.reveal().len() > password::MAXIMUM_LENGTH {
        return Err(unauthenticated());
    }
    let attempt = Attempt {
        username: &username,
        password: &password,
        address: &call.request.address(),
        salt: call.random(),
        new_user_id: call.new_id(),
        now: call.now,
    };
    let principal = login::login(call.store(), call.context.platform, variables, attempt)
        .await
        .map_err(|error| sessions::explain(error, call.now, 401, "authorization"))?;
    match principal.role {
        Role::Admin => Ok(()),
        Role::Member => Err(ApiError::forbidden("only an administrator may do this")),
    }
}

/// The name and the password of HTTP Basic (RFC 7617).
fn basic(header: &str) -> Option<(String, Secret)> {
    let (scheme, encoded) = header.split_once(' ')?;
    let bytes = STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let text = String::from_utf8(bytes).ok()?;
    let (username, password) = text.split_once(':')?;
    Some((username.into(), Secret::new(password)))
}

/// Each row holds an array of samples: a value for each row and column would cost more than all the rest of a scrape.
fn samples(outcome: &Outcome) -> Result<Vec<Sample>, ApiError> {
    let mut samples = Vec::new();
    for row in &outcome.values() {
        let array = row.get("samples").and_then(|text| text.as_str()).unwrap_or("[]");
        let read = json::read::<Vec<Sample>>(array.as_bytes());
        samples.extend(read.map_err(|_| ApiError::new(500, "internal", "the counters cannot be read"))?);
    }
    Ok(samples)
}

/// The owners whose keys have limits: those who have a ledger.
#[must_use]
pub fn owners() -> Statement {
    Statement::new(
        "SELECT DISTINCT user_id FROM gateway_keys WHERE is_active = 1 AND \
         (rate_limits <> '{}' OR quotas <> '{}' OR budget IS NOT NULL) LIMIT ?1",
    )
    .bind(LEDGERS)
}

/// How many ledgers there are, how many of them do not answer, and how many calls the others have open, beside those that isolates
/// have.
async fn ledgers<P: Platform>(call: &Call<'_, P>, owners: &Outcome, mut open: u64) -> Sample {
    let owners = owners.values();
    let owners: Vec<&str> = owners.iter().filter_map(|row| row.get("user_id")?.as_str()).collect();
    let mut silent = 0_u64;
    for reply in call.context.platform.ledgers(&owners, &Message::Open).await {
        match reply {
            Ok(Reply::Open { calls }) => open = open.saturating_add(calls),
            _ => silent += 1,
        }
    }
    vec![json!(open), json!(owners.len()), json!(silent)]
}

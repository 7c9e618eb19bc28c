//! `GET /debug/db`: what is in the database, for an administrator who wonders.

use super::{ApiResponse, Call, Platform};
use crate::error::ApiError;
use crate::json::json;
use crate::secret::sha256_hex;
use crate::store::{Statement, Store};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Counts of all tables. Calls are counted by their rollup, since counting the log itself would read all of it.
const COUNTS: &str = "SELECT (SELECT count(*) FROM users) AS users, (SELECT count(*) FROM sessions) AS sessions, \
     (SELECT count(*) FROM login_failures) AS login_failures, (SELECT count(*) FROM providers) AS providers, \
     (SELECT count(*) FROM provider_keys) AS provider_keys, (SELECT count(*) FROM routers) AS routers, \
     (SELECT count(*) FROM rules) AS rules, (SELECT count(*) FROM gateway_keys) AS gateway_keys, \
     (SELECT count(*) FROM models) AS models, (SELECT count(*) FROM activity_logs) AS activity_logs, \
     (SELECT count(*) FROM settings) AS settings, (SELECT count(*) FROM usage_hourly) AS usage_hourly, \
     (SELECT coalesce(sum(requests), 0) FROM usage_daily) AS calls_ever";

#[derive(Deserialize)]
struct Definition {
    sql: String,
}

/// The handler. `schema` is a fingerprint: two databases with the same one have the same tables, indexes and triggers.
pub(super) async fn report<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let mut outcomes = call
        .store()
        .batch(vec![
            Statement::new(COUNTS),
            crate::config::load::version(),
            Statement::new(
                "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE '!_cf!_%' ESCAPE '!' \
                 AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY type, name",
            ),
        ])
        .await?
        .into_iter();
    let counts = outcomes.next().and_then(|outcome| outcome.values().into_iter().next()).unwrap_or_default();
    let version = outcomes.next().and_then(|outcome| outcome.values().into_iter().next()).unwrap_or_default();
    let definitions = outcomes.next().unwrap_or_default().read::<Definition>()?;
    let words: Vec<&str> = definitions.iter().flat_map(|row| row.sql.split_whitespace()).collect();
    let fingerprint: String = sha256_hex(&words.join(" ")).chars().take(16).collect();
    let tables: Map<String, Value> = counts.as_object().cloned().unwrap_or_default();
    Ok(ApiResponse::ok(&json!({
        "tables": tables,
        "config_version": version.get("version"),
        "schema": fingerprint,
    })))
}

//! `/api/settings`: what an administrator may change while the Worker runs. A setting wins over its variable.

use super::{ApiResponse, Call, Platform};
use crate::alert::WEBHOOK;
use crate::error::ApiError;
use crate::json;
use crate::json::json;
use crate::provider::base_url;
use crate::store::{Statement, Store, StoreError};
use crate::time::Millis;
use serde::Deserialize;

const RETENTION: &str = "log_retention_days";

/// The settings that may be changed; `null` goes back to the variable.
#[derive(Default, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct Input {
    #[serde(deserialize_with = "super::request::present")]
    log_retention_days: Option<Option<u32>>,
    #[serde(deserialize_with = "super::request::present")]
    alert_webhook_url: Option<Option<String>>,
}

#[derive(Deserialize)]
struct Setting {
    value: String,
}

/// How many days logs are kept: the setting, or else the variable's. For the cron job too.
///
/// # Errors
/// As the store's.
pub async fn log_retention_days(store: &impl Store, variable: u32) -> Result<u32, StoreError> {
    let setting: Option<Setting> =
        store.first(Statement::new("SELECT value FROM settings WHERE name = ?1").bind(RETENTION)).await?;
    Ok(setting.and_then(|setting| setting.value.parse().ok()).unwrap_or(variable))
}

/// `GET /api/settings`
pub(super) async fn get<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let days = log_retention_days(call.store(), call.context.variables.log_retention_days).await?;
    let webhook: Option<Setting> = call
        .store()
        .first(Statement::new("SELECT value FROM settings WHERE name = ?1").bind(WEBHOOK))
        .await?;
    let webhook = webhook.and_then(|setting| json::read::<String>(setting.value.as_bytes()).ok());
    Ok(ApiResponse::ok(&json!({ RETENTION: days, WEBHOOK: webhook })))
}

/// `PUT /api/settings`: what is given changes.
pub(super) async fn update<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let input: Input = call.request.body()?;
    let mut statements = Vec::new();
    match input.log_retention_days {
        None => {}
        Some(None) => statements.push(delete(RETENTION)),
        Some(Some(days @ 1..=3650)) => statements.push(write(RETENTION, &days.to_string(), call.now)),
        Some(Some(_)) => return Err(ApiError::invalid(RETENTION, "must be from 1 to 3650")),
    }
    match input.alert_webhook_url {
        None => {}
        Some(None) => statements.push(delete(WEBHOOK)),
        Some(Some(url)) => {
            let url = base_url::webhook(&url, call.context.variables.allow_private_upstreams)
                .map_err(|problem| ApiError::invalid(WEBHOOK, problem))?;
            statements.push(write(WEBHOOK, &json!(url).to_string(), call.now));
        }
    }
    if !statements.is_empty() {
        call.store().batch(statements).await?;
    }
    get(call).await
}

fn delete(name: &str) -> Statement {
    Statement::new("DELETE FROM settings WHERE name = ?1").bind(name)
}

/// Stores a setting; `value` is JSON.
fn write(name: &str, value: &str, now: Millis) -> Statement {
    Statement::new(
        "INSERT INTO settings (name, value, updated_at) VALUES (?1, ?2, ?3) \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
    )
    .bind(name)
    .bind(value)
    .bind(now)
}

//! Asking a provider for its models: to test an account, and to keep the list.

use super::providers::{self, Row};
use super::row::text;
use super::{ApiResponse, Call, Context, Platform};
use crate::config::{Provider, ProviderKey, environment};
use crate::error::ApiError;
use crate::json::json;
use crate::provider::{demo, listing, table};
use crate::secret::Secret;
use crate::store::{Statement, Store};
use crate::time::Millis;
use serde::Deserialize;
use serde_json::Value;

/// `POST /api/providers/{id}/test` → `{ok, latency_ms, status, error?}`
pub(super) async fn test<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let row = providers::find(call, call.id()).await?;
    let begun = call.context.platform.now();
    let answer = ask(call.context, &row).await?;
    let latency_ms = call.context.platform.now().since(begun).0;
    Ok(ApiResponse::ok(&match answer {
        Ok((status, _)) if (200..300).contains(&status) => {
            json!({ "ok": true, "latency_ms": latency_ms, "status": status })
        }
        Ok((status, body)) => {
            let error = upstream_message(&body).unwrap_or_else(|| format!("the provider answered {status}"));
            json!({ "ok": false, "latency_ms": latency_ms, "status": status, "error": error })
        }
        Err(problem) => json!({ "ok": false, "latency_ms": latency_ms, "status": null, "error": problem }),
    }))
}

/// `POST /api/providers/{id}/models/refresh` → `{count}`
pub(super) async fn refresh_models<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let row = providers::find(call, call.id()).await?;
    let bad = |message: String| ApiError::new(502, "upstream_failed", message);
    let (status, body) = ask(call.context, &row).await?.map_err(bad)?;
    if !(200..300).contains(&status) {
        return Err(bad(format!("the provider answered {status}")));
    }
    let models =
        listing::names(&body).ok_or_else(|| bad("the provider's answer is not a list of models".into()))?;
    call.commit(&row.user_id, vec![keep(&row, &models, call.now)]).await?;
    Ok(ApiResponse::ok(&json!({ "count": models.len() })))
}

/// Asks anew for the lists that were stored before this time, some of them a run; one that cannot be had stays as it is.
///
/// # Errors
/// The database does not answer.
pub async fn refresh_stored<P: Platform>(context: &Context<'_, P>, before: Millis) -> Result<(), ApiError> {
    let rows: Vec<Row> = context.platform.store().all(stored(before)).await?;
    for row in rows {
        let names = match ask(context, &row).await? {
            Ok((status, body)) if (200..300).contains(&status) => listing::names(&body),
            _ => None,
        };
        let names = names.filter(|names| !names.is_empty()).unwrap_or_else(|| row.models.0.clone());
        context.platform.store().batch(vec![keep(&row, &names, context.platform.now())]).await?;
    }
    Ok(())
}

/// The providers whose lists were stored before this time, as many as one run asks.
#[must_use]
pub fn stored(before: Millis) -> Statement {
    let query = providers::providers().filter("enabled AND models_refreshed_at < ?", before);
    query.then(" ORDER BY models_refreshed_at LIMIT 30").build()
}

fn keep(row: &Row, models: &[String], now: Millis) -> Statement {
    Statement::new("UPDATE providers SET models = ?2, models_refreshed_at = ?3 WHERE id = ?1")
        .bind(row.id.as_str())
        .bind(text(&models))
        .bind(now)
}

#[derive(Deserialize)]
struct Sealed {
    id: String,
    ciphertext: String,
}

/// Asks with the key that a call would use first: its own, or the operator's where a call would get that. → status and
/// body, or a sentence why there is none.
async fn ask<P: Platform>(
    context: &Context<'_, P>,
    row: &Row,
) -> Result<Result<(u16, Vec<u8>), String>, ApiError> {
    let kind = table::kind_or_generic(&row.kind);
    if kind.quirks.built_in {
        return Ok(Ok((200, demo::models().to_string().into_bytes())));
    }
    let sealed: Option<Sealed> = context
        .platform
        .store()
        .first(
            Statement::new(
                "SELECT id, ciphertext FROM provider_keys WHERE provider_id = ?1 AND enabled \
                 ORDER BY is_selected DESC, id LIMIT 1",
            )
            .bind(row.id.as_str()),
        )
        .await?;
    let stored = |Sealed { id, ciphertext }| ProviderKey { id, ciphertext, ..ProviderKey::default() };
    let mut provider = Provider {
        id: row.id.clone(),
        name: row.name.clone(),
        kind: row.kind.clone(),
        base_url: row.base_url.clone(),
        headers: row.headers.0.clone(),
        config: row.config.0.clone(),
        keys: sealed.map(stored).into_iter().collect(),
    };
    let variables = context.variables;
    environment::lend(&mut provider, variables);
    let key = match provider.keys.first() {
        Some(key) => Some(environment::open(key, variables).ok_or_else(unsealing_failed)?),
        None => None,
    };
    let target = match context.platform.list_target(&provider, key.clone()).await {
        Ok(Some(target)) => target,
        Ok(None) => return Ok(Err("this kind of provider has no list of models to ask for".into())),
        Err(problem) => return Ok(Err(problem)),
    };
    // A provider may repeat the key that it refuses, or the token in its place.
    let sent = target.headers.iter().filter_map(|(_, value)| value.strip_prefix("Bearer ").map(Secret::new));
    let secrets: Vec<Secret> = key.into_iter().chain(sent).collect();
    let redacted =
        |body: Vec<u8>| secrets.iter().fold(body, |body, secret| secret.redact(&body).into_owned());
    Ok(context.platform.get(&target).await.map(|answer| (answer.status, redacted(answer.body))))
}

fn unsealing_failed() -> ApiError {
    let message = "the provider's key does not open under this MASTER_KEY; replace the key";
    ApiError::new(500, "unsealing_failed", message)
}

/// `error.message` (OpenAI, Anthropic, Gemini) or `message`, cut to 300 characters.
fn upstream_message(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let message = value.pointer("/error/message").or_else(|| value.get("message"))?;
    Some(message.as_str()?.chars().take(300).collect())
}

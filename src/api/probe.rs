//! Asking a provider for its models: to test an account, and to keep the list.

use super::providers::{self, Row};
use super::row::text;
use super::{ApiResponse, Call, Context, Platform};
use crate::config::{Provider, ProviderKey, environment};
use crate::error::ApiError;
use crate::json::json;
use crate::provider::listing::{Listing, Refusal};
use crate::provider::outbound::Target;
use crate::provider::{demo, table};
use crate::secret::Secret;
use crate::store::{Statement, Store};
use crate::time::Millis;
use serde::Deserialize;

/// `POST /api/providers/{id}/test` → `{ok, latency_ms, status, error?}`
pub(super) async fn test<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let row = providers::find(call, call.id()).await?;
    let begun = call.context.platform.now();
    let answer = ask(call.context, &row).await?;
    let latency_ms = call.context.platform.now().since(begun).0;
    let refusal = match answer {
        Ok(_) => Refusal { status: Some(200), ..Refusal::default() },
        Err(refusal) => refusal,
    };
    let status = refusal.status;
    Ok(ApiResponse::ok(&match status {
        Some(200..=299) => json!({ "ok": true, "latency_ms": latency_ms, "status": status }),
        _ => {
            let error = refusal.said.unwrap_or(refusal.message);
            json!({ "ok": false, "latency_ms": latency_ms, "status": status, "error": error })
        }
    }))
}

/// `POST /api/providers/{id}/models/refresh` → `{count}`
pub(super) async fn refresh_models<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let row = providers::find(call, call.id()).await?;
    let models = ask(call.context, &row).await?;
    let models = models.map_err(|refusal| ApiError::new(502, "upstream_failed", refusal.message))?;
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
        let names = ask(context, &row).await?.ok();
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

/// Asks with the key that a call would use first: its own, or the operator's where a call would get that.
async fn ask<P: Platform>(
    context: &Context<'_, P>,
    row: &Row,
) -> Result<Result<Vec<String>, Refusal>, ApiError> {
    let kind = table::kind_or_generic(&row.kind);
    let none = |message: String| Ok(Err(Refusal { message, ..Refusal::default() }));
    if kind.quirks.built_in {
        let mut listing = Listing::of(kind, Vec::new());
        listing.take(Target::default(), Ok((200, demo::models().to_string().as_bytes())));
        return Ok(listing.finish());
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
    let targets = match context.platform.list_targets(&provider, key.clone()).await {
        Ok(targets) if targets.is_empty() => {
            return none("this kind of provider has no list of models to ask for".into());
        }
        Ok(targets) => targets,
        Err(problem) => return none(problem),
    };
    // A provider may repeat the key that it refuses, or the token in its place.
    let sent = targets.iter().flat_map(|target| &target.headers);
    let sent = sent.filter_map(|(_, value)| value.strip_prefix("Bearer ").map(Secret::new));
    let secrets: Vec<Secret> = key.into_iter().chain(sent).collect();
    let redacted =
        |body: Vec<u8>| secrets.iter().fold(body, |body, secret| secret.redact(&body).into_owned());
    let mut listing = Listing::of(kind, targets);
    while let Some(target) = listing.next_target() {
        let answer = context.platform.get(&target).await.map(|it| (it.status, redacted(it.body)));
        let answer = answer.as_ref().map(|(status, body)| (*status, body.as_slice()));
        listing.take(target, answer.map_err(Clone::clone));
    }
    Ok(listing.finish())
}

fn unsealing_failed() -> ApiError {
    let message = "the provider's key does not open under this MASTER_KEY; replace the key";
    ApiError::new(500, "unsealing_failed", message)
}

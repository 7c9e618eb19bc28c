//! Answers of the Responses API that the gateway stores itself, whoever gave them.
//!
//! Tenants share upstream accounts, and the provider behind a model may change from one turn to the next, so no upstream is
//! asked for what it stored: [`history`] puts the conversation before a call from here, and what a client asks about stored
//! answers is answered from here. A turn is kept as its own `input`, as it came, and the response object as the client got
//! it; what was before it is found through `previous_id`. Everything belongs to one [`owner`]: of any other's, nothing exists.

pub mod history;
pub mod keep;
pub mod list;
pub mod rows;

pub use history::History;

use crate::auth::gateway;
use crate::config::Key;
use crate::config::variables::Variables;
use crate::dialect::responses::store;
use crate::error::ApiError;
use crate::json::json;
use crate::secret::{Secret, sha256_hex};
use crate::store::Store;
use crate::time::Millis;
use serde_json::Value;

/// Stored answers that are deleted by one statement: each may be of several megabytes.
pub const BITE: i64 = 200;

/// What the static keys share.
const STATIC: &str = "static";

/// An answer to a question about stored answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// JSON.
    Json(Vec<u8>),
    /// A stream's events.
    Events(Vec<u8>),
}

/// Whose answers this caller may see: those of its key's user, of all static keys, or of the provider's key that it brought.
#[must_use]
pub fn owner(key: &Key, variables: &Variables, credential: impl FnOnce() -> Option<Secret>) -> String {
    if !key.id.is_empty() {
        return key.user_id.clone();
    }
    match credential() {
        Some(credential) if !gateway::is_static_key(variables, &credential) => {
            format!("key:{}", sha256_hex(credential.reveal()))
        }
        _ => STATIC.to_owned(),
    }
}

/// `GET /v1/responses/{id}`, with `stream=true` as the stream that it was or would have been, from the event behind
/// `starting_after` on.
///
/// # Errors
/// 404, 400 for a parameter, 503.
pub async fn get(store: &impl Store, owner: &str, id: &str, query: &str) -> Result<Found, ApiError> {
    let text = rows::response(store, owner, id).await?.ok_or_else(|| unknown(id))?;
    if list::parameter(query, "stream").as_deref() != Some("true") {
        return Ok(Found::Json(text.into_bytes()));
    }
    let after = list::parameter(query, "starting_after").map(|text| text.parse::<u64>());
    let after =
        after.transpose().map_err(|_| ApiError::invalid("starting_after", "must be a whole number"))?;
    let response: Value = serde_json::from_slice(text.as_bytes()).map_err(|_| unreadable(id))?;
    Ok(Found::Events(store::replay(&response, after)))
}

/// `DELETE /v1/responses/{id}`
///
/// # Errors
/// 404, 503.
pub async fn delete(store: &impl Store, owner: &str, id: &str) -> Result<Found, ApiError> {
    if store.run(rows::delete(owner, id)).await?.changes() == 0 {
        return Err(unknown(id));
    }
    Ok(json(&store::deleted(id)))
}

/// `DELETE /v1/responses/all`
///
/// # Errors
/// 503.
pub async fn delete_all(store: &impl Store, owner: &str) -> Result<Found, ApiError> {
    let count = store.run(rows::delete_all(owner)).await?.count();
    Ok(json(&json!({"object": "response", "deleted": true, "count": count})))
}

/// `POST /v1/responses/{id}/cancel`: only what runs in the background could be cancelled, and nothing here does. The words
/// are OpenAI's.
///
/// # Errors
/// Always: 404, 400 or 503.
pub async fn cancel(store: &impl Store, owner: &str, id: &str) -> Result<Found, ApiError> {
    rows::response(store, owner, id).await?.ok_or_else(|| unknown(id))?;
    Err(ApiError::new(400, "invalid_request", "Cannot cancel a synchronous response."))
}

/// `GET /v1/responses/{id}/input_items`: what went into it, with all turns before it.
///
/// # Errors
/// 404, 400 for a parameter, 503.
pub async fn input_items(store: &impl Store, owner: &str, id: &str, query: &str) -> Result<Found, ApiError> {
    let page = list::Page::of_items(query)?;
    let turns = rows::chain(store, owner, id).await?;
    let items = history::items_before_answer(turns).ok_or_else(|| unknown(id))?;
    Ok(json(&page.of(items)))
}

/// Stored answers that are too old, but for those of a conversation that still goes on: so many days after its last turn, all
/// of it goes at once. A statement that deletes [`BITE`] may have left some: run it again.
#[must_use]
pub fn bite(now: Millis, days: u32) -> crate::store::Statement {
    rows::expire(Millis(now.0.saturating_sub(i64::from(days) * Millis::DAY.0)))
}

fn json(value: &Value) -> Found {
    Found::Json(value.to_string().into_bytes())
}

fn unknown(id: &str) -> ApiError {
    ApiError::new(404, "response_not_found", format!("Response with id '{id}' not found."))
}

fn unreadable(id: &str) -> ApiError {
    ApiError::new(500, "unreadable_response", format!("Response with id '{id}' cannot be read any more."))
}

//! `/api/keys`: gateway keys, shown once and stored as a hash.

use super::key_input::{BudgetView, Input, Prefix};
use super::page::Page;
use super::query::Query;
use super::row::{Embedded, Flag, Time};
use super::{ApiResponse, Call, Platform, key_usage};
use crate::config::policy::Policy;
use crate::config::{Budget, Quotas, RateLimits};
use crate::error::ApiError;
use crate::limit::Limits;
use crate::order::sorted_by;
use crate::secret::{Secret, random_key, sha256_hex};
use crate::store::{Outcome, Statement, Store, Value};
use crate::time::Millis;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;

/// A key, as stored and as shown.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(rename = "GatewayKey"))]
pub struct Row {
    pub(super) id: String,
    pub(super) user_id: String,
    name: String,
    hint: String,
    key_prefix: Prefix,
    is_active: Flag,
    router_id: Option<String>,
    provider_id: Option<String>,
    default_model: Option<String>,
    allowed_models: Embedded<Vec<String>>,
    denied_models: Embedded<Vec<String>>,
    system_prompt: Option<String>,
    tool_mode: String,
    base_url: Option<String>,
    rate_limits: Embedded<RateLimits>,
    quotas: Embedded<Quotas>,
    #[serde(serialize_with = "budget_in_usd")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(with = "Option<BudgetView>"))]
    budget: Option<Embedded<Budget>>,
    policy: Embedded<Policy>,
    expires_at: Option<Time>,
    /// Until when the key before the last rotation is honoured.
    previous_expires_at: Option<Time>,
    log_bodies: Flag,
    metadata: Embedded<BTreeMap<String, String>>,
    created_at: Time,
    updated_at: Time,
}

impl Row {
    /// What the ledger is to hold it to.
    pub(super) fn limits(&self) -> Limits {
        let (rates, quotas) = (self.rate_limits.0, self.quotas.0);
        Limits { rates, quotas, budget: self.budget.as_ref().map(|budget| budget.0) }
    }
}

fn budget_in_usd<S: Serializer>(budget: &Option<Embedded<Budget>>, serializer: S) -> Result<S::Ok, S::Error> {
    budget.as_ref().map(|budget| BudgetView::from(budget.0)).serialize(serializer)
}

fn gateway_keys() -> Query {
    Query::new(
        "SELECT id, user_id, name, hint, key_prefix, is_active, router_id, provider_id, default_model, \
         allowed_models, denied_models, system_prompt, tool_mode, base_url, rate_limits, quotas, budget, policy, expires_at, \
         previous_expires_at, log_bodies, metadata, created_at, updated_at FROM gateway_keys",
    )
}

/// The hashes of an owner's keys, for [`super::Change`].
#[must_use]
pub fn hashes_of(owner: &str) -> Statement {
    Statement::new(
        "SELECT hash FROM gateway_keys WHERE user_id = ?1 UNION ALL \
         SELECT previous_hash FROM gateway_keys WHERE user_id = ?1 AND previous_hash IS NOT NULL",
    )
    .bind(owner)
}

/// What [`hashes_of`] gave.
#[must_use]
pub fn hashes(outcome: &Outcome) -> Vec<String> {
    let hash = |row: &serde_json::Value| Some(row.get("hash")?.as_str()?.to_owned());
    outcome.values().iter().filter_map(hash).collect()
}

async fn find<P: Platform>(call: &Call<'_, P>, id: &str) -> Result<Row, ApiError> {
    let query = gateway_keys().filter("id = ?", id).filter_some("user_id = ?", call.principal()?.scope());
    call.store().first(query.build()).await?.ok_or_else(|| ApiError::not_found("key"))
}

/// The list of one owner, or all.
#[must_use]
pub fn listing(scope: Option<&str>, page: &Page) -> Statement {
    page.ascending(gateway_keys().filter_some("user_id = ?", scope))
}

/// `GET /api/keys`
pub(super) async fn list<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let page = Page::read(call.request)?;
    let rows: Vec<Row> = call.store().all(listing(call.principal()?.scope(), &page)).await?;
    Ok(page.answer(rows, |row| row.id.clone()))
}

#[derive(Serialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(rename = "GatewayKeyWithUsage")
)]
pub(super) struct WithUsage {
    #[serde(flatten)]
    key: Row,
    #[cfg_attr(not(target_arch = "wasm32"), schemars(with = "Vec<super::openapi::shown::LimitUse>"))]
    usage: Vec<serde_json::Value>,
}

/// `GET /api/keys/{id}`
pub(super) async fn get<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let key = find(call, call.id()).await?;
    let usage = key_usage::of(call, &key).await?;
    Ok(ApiResponse::ok(&WithUsage { key, usage }))
}

/// A key together with the secret itself, which is shown this once.
#[derive(Serialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(rename = "GatewayKeyWithSecret")
)]
pub(super) struct WithSecret<'a> {
    #[serde(flatten)]
    row: Row,
    key: &'a str,
}

/// `POST /api/keys`
pub(super) async fn create<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let input: Input = call.request.body()?;
    let owner = call.principal()?.user_id.as_str();
    input.check(call, owner).await?;
    let name = input.name.clone().ok_or_else(|| ApiError::invalid("name", "missing field `name`"))?;
    let prefix = input.key_prefix.unwrap_or_default();
    let (id, secret) = (call.new_id(), random_key(prefix.as_str(), call.random()));
    let insert = Statement::new(
        "INSERT INTO gateway_keys (id, user_id, name, hash, hint, key_prefix, created_at, updated_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
    )
    .bind(id.as_str())
    .bind(owner)
    .bind(name)
    .bind(sha256_hex(secret.reveal()))
    .bind(hint(prefix, &secret))
    .bind(prefix.as_str())
    .bind(call.now);
    call.commit(owner, vec![insert, input.change(&id, call.now)]).await?;
    Ok(ApiResponse::created(&WithSecret { row: find(call, &id).await?, key: secret.reveal() }))
}

/// The prefix says what a key is for, the last four characters which one it is.
fn hint(prefix: Prefix, secret: &Secret) -> String {
    let tail: String = secret.reveal().chars().rev().take(4).collect();
    format!("{}...{}", prefix.as_str(), tail.chars().rev().collect::<String>())
}

/// `PUT /api/keys/{id}`: what is given changes.
pub(super) async fn update<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let input: Input = call.request.body()?;
    let row = find(call, call.id()).await?;
    if input.key_prefix.is_some_and(|prefix| prefix != row.key_prefix) {
        return Err(ApiError::invalid("key_prefix", "belongs to the key itself, so it cannot change"));
    }
    input.check(call, &row.user_id).await?;
    let is_active = input.is_active;
    call.commit(&row.user_id, vec![input.change(&row.id, call.now)]).await?;
    match is_active {
        // A key that is on here and refused there would stay so: whoever asked must ask again.
        Some(true) => key_usage::revoke(call, &row, false).await?,
        // What is off here is refused soon in any case.
        Some(false) => drop(key_usage::revoke(call, &row, true).await),
        None => {}
    }
    Ok(ApiResponse::ok(&find(call, &row.id).await?))
}

/// `DELETE /api/keys/{id}`
pub(super) async fn delete<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let row = find(call, call.id()).await?;
    let statement = Statement::new("DELETE FROM gateway_keys WHERE id = ?1").bind(row.id.as_str());
    revoke(call, &row, statement).await?;
    drop(key_usage::revoke(call, &row, true).await); // it is gone from here, and soon from every cache
    Ok(ApiResponse::deleted(&row.id))
}

#[derive(Default, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct Rotation {
    grace_seconds: Option<i64>,
}

/// The longest that an old key may be honoured beside its successor, seconds.
const MAXIMUM_GRACE: i64 = 30 * 86_400;

/// `POST /api/keys/{id}/rotate {grace_seconds?}`: a new key; the old one is honoured for the grace, 0 by default.
pub(super) async fn rotate<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let grace = call.request.optional_body::<Rotation>()?.grace_seconds.unwrap_or(0);
    if !(0..=MAXIMUM_GRACE).contains(&grace) {
        return Err(ApiError::invalid("grace_seconds", format!("must be from 0 to {MAXIMUM_GRACE}")));
    }
    let row = find(call, call.id()).await?;
    let secret = random_key(row.key_prefix.as_str(), call.random());
    let until = (grace > 0).then(|| call.now.plus(Millis(grace * 1000)));
    let statement = Statement::new(
        "UPDATE gateway_keys SET previous_hash = iif(?2 IS NULL, NULL, hash), previous_expires_at = ?2, hash = ?3, \
         hint = ?4, updated_at = ?5 WHERE id = ?1",
    )
    .bind(row.id.as_str())
    .bind(until)
    .bind(sha256_hex(secret.reveal()))
    .bind(hint(row.key_prefix, &secret))
    .bind(call.now);
    revoke(call, &row, statement).await?;
    Ok(ApiResponse::ok(&WithSecret { row: find(call, &row.id).await?, key: secret.reveal() }))
}

/// Runs a statement after which some hashes of the key mean nothing any more: those are told to the caches too.
async fn revoke<P: Platform>(call: &Call<'_, P>, row: &Row, statement: Statement) -> Result<(), ApiError> {
    let outcomes =
        call.store().batch(vec![hashes_of(&row.user_id), statement, hashes_of(&row.user_id)]).await?;
    let mut key_hashes = sorted_by(outcomes.iter().flat_map(hashes).collect(), Ord::cmp);
    key_hashes.dedup();
    call.context.platform.invalidate(super::Change { owner: row.user_id.clone(), key_hashes }).await;
    Ok(())
}

/// JSON `null` is SQL NULL.
pub(super) fn nullable<T: Serialize>(value: Option<T>) -> Value {
    value.map_or(Value::Null, |value| super::row::text(&value).into())
}

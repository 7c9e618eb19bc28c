//! Compiles a [`Snapshot`] from the database, in one round trip.
//!
//! Each statement builds the JSON of the value that it loads, so that a row *is* the stored form of the settings and
//! no second set of types stands between the two.

use super::{Key, Router, Rule, Snapshot};
use crate::json;
use crate::store::{Outcome, Statement, Store, StoreError, Value};
use crate::time::Millis;
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Deserialize)]
struct Row {
    value: String,
}

/// What a key with this hash may do now; `None` where there is no such key. Its previous hash counts until its grace is
/// over, and then the snapshot has expired too, wherever it is cached. A key that is switched off or has expired is loaded too, so that its holder can be told.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn load(store: &impl Store, hash: &str, now: Millis) -> Result<Option<Snapshot>, StoreError> {
    let outcomes = store.batch(statements(hash, now)).await?;
    let [key, router, rules, providers, version] = five(outcomes)?;
    let Some(key) = values::<Key>(&key)?.into_iter().next() else { return Ok(None) };
    let rules = values::<Rule>(&rules)?;
    let router = values::<Router>(&router)?.into_iter().next().map(|router| Router { rules, ..router });
    Ok(Some(Snapshot { version: number(&version), key, router, providers: values(&providers)? }))
}

/// The workspace in which the static keys (`PASSWORD`, `GATEWAY_API_KEYS`) act: all providers of the first
/// administrator, no router. Empty where there is none yet.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn load_static(store: &impl Store) -> Result<Snapshot, StoreError> {
    let outcomes = store.batch(static_statements().into()).await?;
    let mut outcomes = outcomes.into_iter();
    let users = outcomes.next().unwrap_or_default().read::<Row>()?;
    let key = Key {
        user_id: users.into_iter().next().map(|row| row.value).unwrap_or_default(),
        name: "static key".into(),
        is_active: true,
        ..Key::default()
    };
    let providers = values(&outcomes.next().unwrap_or_default())?;
    let version = number(&outcomes.next().unwrap_or_default());
    Ok(Snapshot { version, key, router: None, providers })
}

/// The workspace of somebody who is signed in: their own providers, no router.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn load_user(store: &impl Store, user_id: &str) -> Result<Snapshot, StoreError> {
    let mut outcomes = store.batch(user_statements(user_id).into()).await?.into_iter();
    let providers = values(&outcomes.next().unwrap_or_default())?;
    let version = number(&outcomes.next().unwrap_or_default());
    let key = Key { user_id: user_id.into(), name: "session".into(), is_active: true, ..Key::default() };
    Ok(Snapshot { version, key, router: None, providers })
}

/// What a key bound to this router would see: for [`explain`](crate::api). `None` where there is no such router.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn load_router(store: &impl Store, router_id: &str) -> Result<Option<Snapshot>, StoreError> {
    let outcomes = store.batch(router_statements(router_id)).await?;
    let [key, router, rules, providers, version] = five(outcomes)?;
    let Some(router) = values::<Router>(&router)?.into_iter().next() else { return Ok(None) };
    let router = Some(Router { rules: values(&rules)?, ..router });
    let key = values::<Key>(&key)?.into_iter().next().unwrap_or_default();
    Ok(Some(Snapshot { version: number(&version), key, router, providers: values(&providers)? }))
}

/// The hash `?1`, or the one before it until `?2` is past its grace.
const KEY_MATCHES: &str = "(hash = ?1 OR (previous_hash = ?1 AND previous_expires_at > ?2))";

/// The statements of [`load`], in its order.
#[must_use]
pub fn statements(hash: &str, now: Millis) -> Vec<Statement> {
    let of_key = |column: &str| format!("(SELECT {column} FROM gateway_keys WHERE {KEY_MATCHES})");
    let key = format!(
        "SELECT json_object('id', id, 'user_id', user_id, 'name', name, 'hint', hint, \
         'is_active', json(iif(is_active, 'true', 'false')), \
         'expires_at', iif(hash = ?1, expires_at, min(previous_expires_at, coalesce(expires_at, previous_expires_at))), \
         'provider_id', provider_id, \
         'default_model', default_model, 'allowed_models', json(allowed_models), \
         'denied_models', json(denied_models), 'system_prompt', system_prompt, 'base_url', base_url, \
         'rate_limits', json(rate_limits), 'quotas', json(quotas), 'budget', json(budget), 'policy', json(policy), \
         'log_bodies', json(iif(log_bodies, 'true', 'false')), 'metadata', json(metadata)) AS value \
         FROM gateway_keys WHERE {KEY_MATCHES}"
    );
    let bound = |statement: Statement| Statement {
        parameters: vec![Value::from(hash), Value::from(now)],
        ..statement
    };
    vec![
        bound(Statement::new(key)),
        bound(router_with(&of_key("router_id"))),
        bound(rules_of(&of_key("router_id"))),
        bound(providers_of(&of_key("user_id"))),
        version(),
    ]
}

/// The statements of [`load_static`], in its order.
#[must_use]
pub fn static_statements() -> [Statement; 3] {
    let first = "SELECT id AS value FROM users WHERE role = 'admin' ORDER BY id LIMIT 1";
    [Statement::new(first), providers_of(&format!("({first})")), version()]
}

/// The statements of [`load_user`], in its order.
#[must_use]
pub fn user_statements(user_id: &str) -> [Statement; 2] {
    [providers_of("?1").bind(user_id), version()]
}

/// The statements of [`load_router`], in its order.
#[must_use]
pub fn router_statements(router_id: &str) -> Vec<Statement> {
    let owner = "SELECT json_object('user_id', user_id) AS value FROM routers WHERE id = ?1";
    let bound = [
        Statement::new(owner),
        router_with("?1"),
        rules_of("?1"),
        providers_of("(SELECT user_id FROM routers WHERE id = ?1)"),
    ];
    bound.map(|statement| statement.bind(router_id)).into_iter().chain([version()]).collect()
}

/// The router with this id, an SQL expression.
fn router_with(id: &str) -> Statement {
    Statement::new(format!(
        "SELECT json_object('id', id, 'name', name, \
         'retry', json_object('max_retries', max_retries, 'base_delay_ms', base_delay_ms), \
         'timeouts', json_object('headers_ms', headers_ms, 'first_content_ms', first_content_ms, \
         'idle_ms', idle_ms, 'total_ms', total_ms), 'rules', json('[]')) AS value FROM routers WHERE id = {id}"
    ))
}

/// The enabled rules of a router whose provider is enabled, in order.
fn rules_of(router_id: &str) -> Statement {
    Statement::new(format!(
        "SELECT json_object('id', rules.id, 'model_pattern', model_pattern, 'provider_id', provider_id, \
         'target_model', target_model, 'priority', priority, 'weight', weight, 'conditions', json(conditions)) \
         AS value FROM rules JOIN providers ON providers.id = provider_id \
         WHERE router_id = {router_id} AND rules.enabled AND providers.enabled ORDER BY priority, rules.id"
    ))
}

/// The enabled providers of a user, in order of creation, with their enabled keys: from the selected one on, in
/// order of creation, and round to those before it.
fn providers_of(user_id: &str) -> Statement {
    Statement::new(format!(
        "SELECT json_object('id', id, 'name', name, 'kind', kind, 'base_url', base_url, 'headers', json(headers), \
         'config', json(config), 'keys', json((SELECT json_group_array(json(value)) FROM \
         (SELECT json_object('id', k.id, 'hint', hint, 'ciphertext', ciphertext, 'disabled_until', disabled_until, \
         'disabled_reason', disabled_reason) \
         AS value FROM provider_keys AS k WHERE k.provider_id = providers.id AND k.enabled \
         ORDER BY k.id < (SELECT s.id FROM provider_keys AS s WHERE s.provider_id = k.provider_id AND s.is_selected), \
         k.id)))) AS value \
         FROM providers WHERE user_id = {user_id} AND enabled ORDER BY id"
    ))
}

/// The counter that moves with every change of a setting.
#[must_use]
pub fn version() -> Statement {
    Statement::new("SELECT version FROM config_version")
}

fn values<T: DeserializeOwned>(outcome: &Outcome) -> Result<Vec<T>, StoreError> {
    let parse = |row: Row| {
        json::read(row.value.as_bytes()).map_err(|error| StoreError::Unavailable(error.to_string()))
    };
    outcome.read::<Row>()?.into_iter().map(parse).collect()
}

/// What [`version`] gave.
#[must_use]
pub fn number(outcome: &Outcome) -> i64 {
    outcome.values().first().and_then(|row| row.get("version")?.as_i64()).unwrap_or_default()
}

fn five(outcomes: Vec<Outcome>) -> Result<[Outcome; 5], StoreError> {
    outcomes.try_into().map_err(|_| StoreError::Unavailable("a batch gave too few results".into()))
}

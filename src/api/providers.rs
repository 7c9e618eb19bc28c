//! `/api/providers`: upstream accounts.

use super::activity::Action;
use super::page::{Listed, Page};
use super::provider_keys::{NewKey, delete_keys, insert_keys};
use super::query::Query;
use super::request::present;
use super::row::{Embedded, Flag, Time, text};
use super::{ApiResponse, Call, Platform, validate};
use crate::config::ProviderConfig;
use crate::error::ApiError;
use crate::provider::base_url;
use crate::provider::table::{KINDS, is_label};
use crate::secret::Secret;
use crate::store::{Statement, Store};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A provider, as stored and as shown.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(rename = "Provider"))]
pub struct Row {
    pub(super) id: String,
    pub(super) user_id: String,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) base_url: Option<String>,
    enabled: Flag,
    pub(super) headers: Embedded<BTreeMap<String, String>>,
    pub(super) config: Embedded<ProviderConfig>,
    /// What its own list of models said last.
    pub(super) models: Embedded<Vec<String>>,
    models_refreshed_at: Option<Time>,
    key_count: i64,
    created_at: Time,
    updated_at: Time,
}

pub(super) fn providers() -> Query {
    Query::new(
        "SELECT id, user_id, name, kind, base_url, enabled, headers, config, models, models_refreshed_at, \
         (SELECT count(*) FROM provider_keys WHERE provider_id = providers.id) AS key_count, \
         created_at, updated_at FROM providers",
    )
}

/// The provider, where the caller may see it.
pub(super) async fn find<P: Platform>(call: &Call<'_, P>, id: &str) -> Result<Row, ApiError> {
    let query = providers().filter("id = ?", id).filter_some("user_id = ?", call.principal()?.scope());
    call.store().first(query.build()).await?.ok_or_else(|| ApiError::not_found("provider"))
}

/// The caller's own provider of this id or name.
pub(super) async fn find_own<P: Platform>(
    call: &Call<'_, P>,
    reference: &str,
) -> Result<Option<Row>, ApiError> {
    let query = providers()
        .filter("user_id = ?", call.principal()?.user_id.as_str())
        .filter("(id = ?", reference)
        .then(" OR name = ?)")
        .bind(reference);
    Ok(call.store().first(query.build()).await?)
}

/// `GET /api/provider-kinds`
pub(super) async fn kinds<P: Platform>(_: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    Ok(ApiResponse::ok(&Listed { data: KINDS, next_cursor: None }))
}

/// The list of one owner, or all.
#[must_use]
pub fn listing(scope: Option<&str>, page: &Page) -> Statement {
    page.ascending(providers().filter_some("user_id = ?", scope))
}

/// `GET /api/providers`
pub(super) async fn list<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let page = Page::read(call.request)?;
    let rows: Vec<Row> = call.store().all(listing(call.principal()?.scope(), &page)).await?;
    Ok(page.answer(rows, |row| row.id.clone()))
}

/// `GET /api/providers/{id}`
pub(super) async fn get<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    Ok(ApiResponse::ok(&find(call, call.id()).await?))
}

#[derive(Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct NewProvider {
    name: String,
    kind: String,
    base_url: Option<String>,
    api_key: Option<String>,
    #[serde(default)]
    api_keys: Vec<String>,
    enabled: Option<bool>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    config: ProviderConfig,
}

/// `POST /api/providers`
pub(super) async fn create<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let input: NewProvider = call.request.body()?;
    validate::provider_name("name", &input.name)?;
    validate::headers(&input.headers)?;
    check_kind(call, &input.kind, input.base_url.as_deref(), &input.config)?;
    let keys = read_keys(input.api_key.as_deref(), &input.api_keys)?;
    let owner = call.principal()?.user_id.clone();
    let id = call.new_id();
    let mut statements = vec![
        insert(&id, &owner, &input.name, &input.kind, call.now)
            .bind(input.base_url)
            .bind(input.enabled.unwrap_or(true))
            .bind(text(&input.headers))
            .bind(text(&input.config)),
    ];
    add_keys(call, &mut statements, &owner, &id, &input.name, &keys)?;
    call.commit(&owner, statements).await?;
    Ok(ApiResponse::created(&find(call, &id).await?))
}

/// To be bound further: base URL, enabled, headers, config.
pub(super) fn insert(id: &str, owner: &str, name: &str, kind: &str, now: crate::time::Millis) -> Statement {
    Statement::new(
        "INSERT INTO providers (id, user_id, name, kind, created_at, updated_at, base_url, enabled, headers, config) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7, ?8, ?9)",
    )
    .bind(id)
    .bind(owner)
    .bind(name)
    .bind(kind)
    .bind(now)
}

#[derive(Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct ProviderChange {
    name: Option<String>,
    kind: Option<String>,
    #[serde(default, deserialize_with = "present")]
    base_url: Option<Option<String>>,
    api_key: Option<String>,
    api_keys: Option<Vec<String>>,
    enabled: Option<bool>,
    headers: Option<BTreeMap<String, String>>,
    config: Option<ProviderConfig>,
}

/// `PUT /api/providers/{id}`: what is given changes; `api_key` and `api_keys` replace all keys.
pub(super) async fn update<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let input: ProviderChange = call.request.body()?;
    let row = find(call, call.id()).await?;
    if let Some(name) = &input.name {
        validate::provider_name("name", name)?;
    }
    if let Some(headers) = &input.headers {
        validate::headers(headers)?;
    }
    let base_url = input.base_url.as_ref().unwrap_or(&row.base_url);
    let kind = input.kind.as_ref().unwrap_or(&row.kind);
    check_kind(call, kind, base_url.as_deref(), input.config.as_ref().unwrap_or(&row.config.0))?;

    let mut statements = Vec::new();
    if input.api_key.is_some() || input.api_keys.is_some() {
        let keys = read_keys(input.api_key.as_deref(), &input.api_keys.unwrap_or_default())?;
        statements.extend(delete_keys(call, &row.id));
        let name = input.name.as_deref().unwrap_or(&row.name);
        add_keys(call, &mut statements, &row.user_id, &row.id, name, &keys)?;
    }
    statements.push(
        Query::new("UPDATE providers SET updated_at = ?")
            .bind(call.now)
            .then_some(", name = ?", input.name)
            .then_some(", kind = ?", input.kind)
            .then_some(", base_url = ?", input.base_url)
            .then_some(", enabled = ?", input.enabled)
            .then_some(", headers = ?", input.headers.as_ref().map(text))
            .then_some(", config = ?", input.config.as_ref().map(text))
            .filter("id = ?", row.id.as_str())
            .build(),
    );
    call.commit(&row.user_id, statements).await?;
    Ok(ApiResponse::ok(&find(call, &row.id).await?))
}

/// `DELETE /api/providers/{id}`: refused while a rule or a gateway key refers to it.
pub(super) async fn delete<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let row = find(call, call.id()).await?;
    let mut delete = Vec::from(delete_keys(call, &row.id));
    delete.push(Statement::new("DELETE FROM providers WHERE id = ?1").bind(row.id.as_str()));
    let holders = Statement::new(
        "SELECT DISTINCT 'router ' || routers.name AS holder FROM rules JOIN routers ON routers.id = rules.router_id \
         WHERE rules.provider_id = ?1 UNION ALL \
         SELECT 'key ' || name FROM gateway_keys WHERE provider_id = ?1 LIMIT 5",
    );
    call.delete(&row.user_id, delete, holders.bind(row.id.as_str())).await?;
    Ok(ApiResponse::deleted(&row.id))
}

/// The kind must exist, have a base URL from somewhere, and speak what the configuration says.
fn check_kind<P: Platform>(
    call: &Call<'_, P>,
    kind: &str,
    base_url: Option<&str>,
    config: &ProviderConfig,
) -> Result<(), ApiError> {
    let kind = validate::kind("kind", kind)?;
    let variables = call.context.variables;
    let regional = kind.regional_address(config.region.as_deref(), config.project.as_deref());
    if let Some(region) = &config.region
        && !(is_label(region) && (base_url.is_some() || regional.is_some()))
    {
        let message = "is not one that this kind of provider has, or config.project is missing";
        return Err(ApiError::invalid("config.region", message));
    }
    let is_version = |version: &str| kind.quirks.deployments && is_label(version);
    if config.api_version.as_deref().is_some_and(|version| !is_version(version)) {
        let message = "must be one such as 2024-10-21, and only Azure OpenAI has them";
        return Err(ApiError::invalid("config.api_version", message));
    }
    let of_variables =
        || variables.providers.get(kind.name).and_then(|settings| settings.base_url.as_deref());
    // What the operator set was checked when the variables were read, and may be private.
    if base_url.is_some() || (of_variables().is_none() && !kind.quirks.built_in) {
        validate::base_url(variables, "base_url", kind, base_url.or(regional.as_deref()))?;
    }
    if let Some(url) = &config.token_url {
        base_url::checked(url, variables.allow_private_upstreams)
            .map_err(|_| ApiError::invalid("config.token_url", "must be a public http(s) URL"))?;
    }
    if config.dialect.is_some_and(|dialect| !kind.dialects.contains(&dialect)) {
        let spoken: Vec<_> = kind.dialects.iter().map(|dialect| dialect.as_str()).collect();
        return Err(ApiError::invalid("config.dialect", format!("this kind speaks {}", spoken.join(", "))));
    }
    Ok(())
}

fn read_keys(one: Option<&str>, several: &[String]) -> Result<Vec<Secret>, ApiError> {
    if several.len() > 100 {
        return Err(ApiError::invalid("api_keys", "may hold at most 100 keys"));
    }
    let mut keys = Vec::new();
    let fields = several.iter().enumerate().map(|(index, key)| (format!("api_keys[{index}]"), key.as_str()));
    for (field, key) in one.map(|key| ("api_key".into(), key)).into_iter().chain(fields) {
        let key = validate::api_key(&field, key)?;
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    Ok(keys)
}

fn add_keys<P: Platform>(
    call: &Call<'_, P>,
    statements: &mut Vec<Statement>,
    owner: &str,
    provider_id: &str,
    provider: &str,
    keys: &[Secret],
) -> Result<(), ApiError> {
    let new = |key| NewKey { id: call.new_id(), provider_id, provider, name: "", key, action: Action::Add };
    if !keys.is_empty() {
        let all: Vec<_> = keys.iter().map(new).collect();
        statements.extend(insert_keys(call, owner, &all)?);
    }
    Ok(())
}

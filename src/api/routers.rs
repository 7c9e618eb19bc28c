//! `/api/routers`: named sets of rules, and what one would do with a call.

use super::page::Page;
use super::query::Query;
use super::request::present;
use super::row::Time;
use super::{ApiResponse, Call, Platform, rules, validate};
use crate::config::{RetrySettings, TimeoutSettings};
use crate::error::ApiError;
use crate::store::{Statement, Store};
use serde::{Deserialize, Serialize};

/// As stored.
#[derive(Deserialize)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) user_id: String,
    name: String,
    description: String,
    max_retries: Option<u32>,
    base_delay_ms: Option<u64>,
    headers_ms: Option<u64>,
    first_content_ms: Option<u64>,
    idle_ms: Option<u64>,
    total_ms: Option<u64>,
    rule_count: i64,
    created_at: Time,
    updated_at: Time,
}

/// As shown.
#[derive(Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(rename = "Router"))]
pub(super) struct View {
    id: String,
    user_id: String,
    name: String,
    description: String,
    retry: RetrySettings,
    timeouts: TimeoutSettings,
    rule_count: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<Vec<rules::Row>>,
    created_at: Time,
    updated_at: Time,
}

impl Row {
    fn view(self, rules: Option<Vec<rules::Row>>) -> View {
        let Row { max_retries, base_delay_ms, headers_ms, first_content_ms, idle_ms, total_ms, .. } = self;
        View {
            id: self.id,
            user_id: self.user_id,
            name: self.name,
            description: self.description,
            retry: RetrySettings { max_retries, base_delay_ms },
            timeouts: TimeoutSettings { headers_ms, first_content_ms, idle_ms, total_ms },
            rule_count: self.rule_count,
            rules,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

fn routers() -> Query {
    Query::new(
        "SELECT id, user_id, name, description, max_retries, base_delay_ms, headers_ms, first_content_ms, idle_ms, \
         total_ms, (SELECT count(*) FROM rules WHERE router_id = routers.id) AS rule_count, created_at, updated_at \
         FROM routers",
    )
}

/// The router, where the caller may see it.
pub(super) async fn find<P: Platform>(call: &Call<'_, P>, id: &str) -> Result<Row, ApiError> {
    let query = routers().filter("id = ?", id).filter_some("user_id = ?", call.principal()?.scope());
    call.store().first(query.build()).await?.ok_or_else(|| ApiError::not_found("router"))
}

/// The list of one owner, or all.
#[must_use]
pub fn listing(scope: Option<&str>, page: &Page) -> Statement {
    page.ascending(routers().filter_some("user_id = ?", scope))
}

/// `GET /api/routers`
pub(super) async fn list<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let page = Page::read(call.request)?;
    let rows: Vec<Row> = call.store().all(listing(call.principal()?.scope(), &page)).await?;
    Ok(page.answer(rows.into_iter().map(|row| row.view(None)).collect(), |view| view.id.clone()))
}

/// `GET /api/routers/{id}`
pub(super) async fn get<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    Ok(ApiResponse::ok(&view(call, call.id()).await?))
}

async fn view<P: Platform>(call: &Call<'_, P>, id: &str) -> Result<View, ApiError> {
    let row = find(call, id).await?;
    let rules = call.store().all(rules::of_router(id)).await?;
    Ok(row.view(Some(rules)))
}

/// A router's fields; all are optional in a change, a new one needs a name. `null` goes back to the variables.
#[derive(Default, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct Input {
    name: Option<String>,
    description: Option<String>,
    #[serde(deserialize_with = "present")]
    retry: Option<Option<RetrySettings>>,
    #[serde(deserialize_with = "present")]
    timeouts: Option<Option<TimeoutSettings>>,
}

impl Input {
    fn check(&self) -> Result<(), ApiError> {
        if let Some(name) = &self.name {
            validate::name("name", name)?;
        }
        validate::length("description", self.description.as_deref().unwrap_or_default(), 2000)?;
        let retry = self.retry.flatten().unwrap_or_default();
        if retry.max_retries.is_some_and(|retries| retries > 20) {
            return Err(ApiError::invalid("retry.max_retries", "must be from 0 to 20"));
        }
        if retry.base_delay_ms.is_some_and(|delay| delay > 60_000) {
            return Err(ApiError::invalid("retry.base_delay_ms", "must be from 0 to 60000"));
        }
        let timeouts = self.timeouts.flatten().unwrap_or_default();
        let fields = [
            ("timeouts.headers_ms", timeouts.headers_ms),
            ("timeouts.first_content_ms", timeouts.first_content_ms),
            ("timeouts.idle_ms", timeouts.idle_ms),
            ("timeouts.total_ms", timeouts.total_ms),
        ];
        validate::positive(fields)?;
        match fields.into_iter().find(|(_, ms)| ms.is_some_and(|ms| ms > 3_600_000)) {
            Some((field, _)) => Err(ApiError::invalid(field, "must be at most 3600000, an hour")),
            None => Ok(()),
        }
    }

    /// The statement that writes what is given.
    fn change(self, id: &str, now: crate::time::Millis) -> Statement {
        let number = |value: Option<u64>| value.and_then(|number| i64::try_from(number).ok());
        let mut query = Query::new("UPDATE routers SET updated_at = ?")
            .bind(now)
            .then_some(", name = ?", self.name)
            .then_some(", description = ?", self.description);
        if let Some(retry) = self.retry {
            let retry = retry.unwrap_or_default();
            query = query
                .then(", max_retries = ?")
                .bind(retry.max_retries.map(i64::from))
                .then(", base_delay_ms = ?")
                .bind(number(retry.base_delay_ms));
        }
        if let Some(timeouts) = self.timeouts {
            let timeouts = timeouts.unwrap_or_default();
            query = query
                .then(", headers_ms = ?, first_content_ms = ?, idle_ms = ?, total_ms = ?")
                .bind(number(timeouts.headers_ms))
                .bind(number(timeouts.first_content_ms))
                .bind(number(timeouts.idle_ms))
                .bind(number(timeouts.total_ms));
        }
        query.filter("id = ?", id).build()
    }
}

/// `POST /api/routers`
pub(super) async fn create<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let input: Input = call.request.body()?;
    input.check()?;
    let name = input.name.clone().ok_or_else(|| ApiError::invalid("name", "missing field `name`"))?;
    let owner = call.principal()?.user_id.as_str();
    let id = call.new_id();
    let insert = Statement::new(
        "INSERT INTO routers (id, user_id, name, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?4)",
    )
    .bind(id.as_str())
    .bind(owner)
    .bind(name)
    .bind(call.now);
    call.commit(owner, vec![insert, input.change(&id, call.now)]).await?;
    Ok(ApiResponse::created(&view(call, &id).await?))
}

/// `PUT /api/routers/{id}`: what is given changes.
pub(super) async fn update<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let input: Input = call.request.body()?;
    input.check()?;
    let row = find(call, call.id()).await?;
    call.commit(&row.user_id, vec![input.change(&row.id, call.now)]).await?;
    Ok(ApiResponse::ok(&view(call, &row.id).await?))
}

/// `DELETE /api/routers/{id}`: with its rules; refused while a gateway key is bound to it.
pub(super) async fn delete<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let row = find(call, call.id()).await?;
    let delete = Statement::new("DELETE FROM routers WHERE id = ?1").bind(row.id.as_str());
    let holders = Statement::new(
        "SELECT 'key ' || name AS holder FROM gateway_keys WHERE router_id = ?1 ORDER BY id LIMIT 5",
    );
    call.delete(&row.user_id, vec![delete], holders.bind(row.id.as_str())).await?;
    Ok(ApiResponse::deleted(&row.id))
}

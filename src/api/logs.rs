//! `/api/logs`: finished calls.

pub mod export;
pub mod summary;

use super::page::{LAST, Page};
use super::query::Query;
use super::row::{Blank, Embedded, Flag, Time, Usd};
use super::{ApiRequest, ApiResponse, Call, Platform};
use crate::error::ApiError;
use crate::identifier::{first_id, is_id};
use crate::log::{Attempt, End};
use crate::store::{Statement, Store};
use crate::time::Millis;
use crate::usage::{Units, UsageSource};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A call, as stored and as shown.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(rename = "Call"))]
pub struct Row {
    id: String,
    created_at: Time,
    key_id: Blank,
    user_id: Blank,
    endpoint: String,
    dialect: String,
    model: Blank,
    provider: Blank,
    target_model: Blank,
    status: u16,
    error: Option<String>,
    stream: Flag,
    input_tokens: u64,
    output_tokens: u64,
    cached_input_tokens: u64,
    cache_write_tokens: u64,
    reasoning_tokens: u64,
    usage_source: UsageSource,
    cost: Usd,
    priced: Flag,
    latency_ms: i64,
    first_content_ms: Option<i64>,
    end: End,
    metadata: Embedded<BTreeMap<String, String>>,
    attempts: Embedded<Vec<Attempt>>,
    dropped_params: Embedded<Vec<String>>,
    /// What was used beside text; `null` where nothing was.
    units: Option<Embedded<Units>>,
}

/// Which calls.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// One owner's.
    pub scope: Option<String>,
    /// One key's.
    pub key_id: Option<String>,
    /// Those that this provider answered.
    pub provider: Option<String>,
    /// By the name that the client gave.
    pub model: Option<String>,
    /// From the first to before the second.
    pub status: Option<(i64, i64)>,
    /// From then on.
    pub since: Option<Millis>,
    /// Until before then.
    pub until: Option<Millis>,
    /// Part of the model, the error, the metadata or the id.
    pub search: Option<String>,
    /// A search that nothing else narrows looks at the latest 200,000 calls before the page or `until`, and no further: no
    /// index helps to find a part of a text, and a page must not wait for a million calls that do not have it.
    pub is_bounded: bool,
}

impl Filter {
    /// Reads the query.
    ///
    /// # Errors
    /// 400 naming the parameter.
    pub fn read(request: &ApiRequest<'_>, scope: Option<&str>) -> Result<Filter, ApiError> {
        Ok(Filter {
            scope: scope.map(str::to_owned),
            key_id: request.parameter("key_id"),
            provider: request.parameter("provider"),
            model: request.parameter("model"),
            status: request.parameter("status").map(|text| statuses(&text)).transpose()?,
            since: request.time("since")?,
            until: request.time("until")?,
            search: request.parameter("search"),
            is_bounded: false,
        })
    }
}

/// `404` is that status, `4xx` is its class.
fn statuses(text: &str) -> Result<(i64, i64), ApiError> {
    let wrong = || ApiError::invalid("status", "must be a status such as 429, or a class such as 4xx");
    let class = text.to_ascii_lowercase();
    let (first, width) = match class.strip_suffix("xx") {
        Some(digit) => (digit.parse::<i64>().map(|digit| digit * 100), 100),
        None => (class.parse::<i64>(), 1),
    };
    let first = first.ok().filter(|first| (100..600).contains(first)).ok_or_else(wrong)?;
    Ok((first, first + width))
}

fn calls() -> Query {
    Query::new(
        "SELECT id, created_at, key_id, user_id, endpoint, dialect, model, provider, target_model, status, error, \
         stream, input_tokens, output_tokens, cached_input_tokens, cache_write_tokens, reasoning_tokens, usage_source, \
         cost, priced, latency_ms, first_content_ms, end_reason AS \"end\", metadata, attempts, dropped_params, \
         units \
         FROM request_logs",
    )
}

fn by_id(id: &str, scope: Option<&str>) -> Statement {
    calls().filter("id = ?", id).filter_some("user_id = ?", scope).build()
}

/// A page of calls, newest first. Times bound the id too, which every index ends with; a plus keeps the planner from
/// an index that would need sorting.
#[must_use]
pub fn listing(filter: &Filter, page: &Page) -> Statement {
    let mut query = calls()
        .filter_some("user_id = ?", filter.scope.clone())
        .filter_some("key_id = ?", filter.key_id.clone())
        .filter_some("provider = ?", filter.provider.clone())
        .filter_some("model = ?", filter.model.clone());
    if let Some((first, end)) = filter.status {
        query = if end == first + 1 {
            query.filter(if first >= 400 { "status >= 400 AND status = ?" } else { "+status = ?" }, first)
        } else {
            query.filter("+status >= ?", first).filter("+status < ?", end)
        };
    }
    if let Some(since) = filter.since {
        query = query.filter("+created_at >= ?", since).filter("id >= ?", first_id(since));
    }
    if let Some(until) = filter.until {
        query = query.filter("+created_at < ?", until).filter("id < ?", first_id(until));
    }
    let is_narrow = [&filter.key_id, &filter.provider, &filter.model].into_iter().any(Option::is_some);
    if filter.search.is_some() && filter.is_bounded && !is_narrow {
        let until = filter.until.map(first_id);
        let end = page.cursor.iter().chain(&until).min().map_or(LAST, String::as_str);
        query = query.filter(
            "id >= coalesce((SELECT id FROM request_logs WHERE id < ? ORDER BY id DESC LIMIT 1 OFFSET 200000), '')",
            end,
        );
    }
    query = query.filter_some(
        "instr(lower(id || ' ' || model || ' ' || target_model || ' ' || coalesce(error, '') || ' ' || metadata), \
         lower(?)) > 0",
        filter.search.clone(),
    );
    page.descending(query)
}

/// `GET /api/logs`
pub(super) async fn list<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let filter = Filter { is_bounded: true, ..Filter::read(call.request, call.principal()?.scope())? };
    let page = Page::read(call.request)?;
    // Whoever looks for a call by its id means that one.
    if let Some(id) = filter.search.as_deref().filter(|text| is_id(text)) {
        let rows: Vec<Row> = call.store().all(by_id(id, filter.scope.as_deref())).await?;
        if !rows.is_empty() {
            return Ok(page.answer(rows, |row| row.id.clone()));
        }
    }
    let rows: Vec<Row> = call.store().all(listing(&filter, &page)).await?;
    Ok(page.answer(rows, |row| row.id.clone()))
}

#[derive(Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(rename = "CallWithBodies"))]
pub(super) struct WithBodies {
    #[serde(flatten)]
    row: Row,
    request_body: Option<Value>,
    response_body: Option<Value>,
}

#[derive(Default, Deserialize)]
struct Bodies {
    request: Option<String>,
    response: Option<String>,
}

/// `GET /api/logs/{id}`, with bodies where they were kept: JSON as JSON, anything else as text.
pub(super) async fn get<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let row: Option<Row> = call.store().first(by_id(call.id(), call.principal()?.scope())).await?;
    let row = row.ok_or_else(|| ApiError::not_found("log record"))?;
    let bodies: Option<Bodies> = call
        .store()
        .first(
            Statement::new("SELECT request, response FROM request_log_bodies WHERE id = ?1")
                .bind(row.id.as_str()),
        )
        .await?;
    let bodies = bodies.unwrap_or_default();
    let value = |text: String| serde_json::from_slice(text.as_bytes()).unwrap_or(Value::String(text));
    Ok(ApiResponse::ok(&WithBodies {
        row,
        request_body: bodies.request.map(value),
        response_body: bodies.response.map(value),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_exact_or_a_class() {
        for (text, expected) in [
            ("404", Some((404, 405))),
            ("4xx", Some((400, 500))),
            ("5XX", Some((500, 600))),
            ("xx", None),
            ("9xx", None),
            ("1e2", None),
            ("-4xx", None),
        ] {
            assert_eq!(statuses(text).ok(), expected, "{text}");
        }
    }
}

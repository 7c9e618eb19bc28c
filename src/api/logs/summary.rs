//! `GET /api/logs/summary`: sums and percentiles from the hourly rollups, never from the calls themselves, so that it
//! is as fast on a million calls as on ten.
//!
//! Times are honoured to the hour: `since` is rounded down and `until` up. Without them it is the last thirty days.

use crate::api::query::Query;
use crate::api::row::Usd;
use crate::api::{ApiRequest, ApiResponse, Call, Platform};
use crate::error::ApiError;
use crate::log::latency;
use crate::money::NanoUsd;
use crate::store::{Statement, Store};
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a series is split by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is its name")]
pub enum Group {
    Day,
    Hour,
    Provider,
    Model,
    Key,
}

/// All of them, for the tests of the statements.
pub const GROUPS: [Group; 5] = [Group::Day, Group::Hour, Group::Provider, Group::Model, Group::Key];

impl Group {
    fn read(name: Option<&str>) -> Result<Group, ApiError> {
        Ok(match name {
            None | Some("day") => Group::Day,
            Some("hour") => Group::Hour,
            Some("provider") => Group::Provider,
            Some("model") => Group::Model,
            Some("key") => Group::Key,
            Some(_) => {
                return Err(ApiError::invalid("group_by", "must be day, hour, provider, model or key"));
            }
        })
    }

    /// The expression, of either rollup, that gives a row's group.
    fn expression(self) -> &'static str {
        match self {
            Group::Day => "hour - hour % 86400000 AS series",
            Group::Hour => "hour AS series",
            Group::Provider => "provider AS series",
            Group::Model => "model AS series",
            Group::Key => "key_id AS series",
        }
    }

    /// As shown: days and hours as ISO 8601, anything else as it is.
    fn label(self, value: &Value) -> String {
        let time = || Millis(value.as_i64().unwrap_or_default()).to_iso();
        match self {
            Group::Day => time().get(..10).unwrap_or_default().to_owned(),
            Group::Hour => time(),
            _ => value.as_str().unwrap_or_default().to_owned(),
        }
    }
}

/// Which calls are summed.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// One owner's.
    pub scope: Option<String>,
    /// One key's.
    pub key_id: Option<String>,
    /// One provider's.
    pub provider: Option<String>,
    /// One model's.
    pub model: Option<String>,
    /// From this hour on.
    pub since: Millis,
    /// Until before this hour.
    pub until: Millis,
}

impl Filter {
    fn read(request: &ApiRequest<'_>, scope: Option<&str>, now: Millis) -> Result<Filter, ApiError> {
        let until = request.time("until")?.unwrap_or(now.plus(Millis::HOUR));
        let since = request.time("since")?.unwrap_or(Millis(until.0 - 30 * Millis::DAY.0));
        let floor = |time: Millis| Millis(time.0 - time.0.rem_euclid(Millis::HOUR.0));
        Ok(Filter {
            scope: scope.map(str::to_owned),
            key_id: request.parameter("key_id"),
            provider: request.parameter("provider"),
            model: request.parameter("model"),
            since: floor(since),
            until: floor(Millis(until.0.saturating_add(Millis::HOUR.0 - 1))),
        })
    }

    fn apply(&self, query: Query) -> Query {
        query
            .filter("hour >= ?", self.since)
            .filter("hour < ?", self.until)
            .filter_some("user_id = ?", self.scope.clone())
            .filter_some("key_id = ?", self.key_id.clone())
            .filter_some("provider = ?", self.provider.clone())
            .filter_some("model = ?", self.model.clone())
    }
}

/// The sums of each group, then the latency histogram of each group.
#[must_use]
pub fn statements(filter: &Filter, group: Group) -> [Statement; 2] {
    let sums = Query::new("SELECT ").then(group.expression()).then(
        ", sum(requests) AS requests, sum(errors) AS errors, sum(input_tokens) AS input_tokens, \
         sum(output_tokens) AS output_tokens, sum(cached_input_tokens) AS cached_input_tokens, \
         sum(cache_write_tokens) AS cache_write_tokens, sum(reasoning_tokens) AS reasoning_tokens, \
         sum(cost) AS cost FROM usage_hourly",
    );
    let histogram = Query::new("SELECT ")
        .then(group.expression())
        .then(", bucket, sum(requests) AS requests FROM latency_hourly");
    [
        filter.apply(sums).then(" GROUP BY 1 ORDER BY 1").build(),
        filter.apply(histogram).then(" GROUP BY 1, bucket ORDER BY 1, bucket").build(),
    ]
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub(in crate::api) struct Sums {
    requests: u64,
    errors: u64,
    input_tokens: u64,
    output_tokens: u64,
    cached_input_tokens: u64,
    cache_write_tokens: u64,
    reasoning_tokens: u64,
    cost: Usd,
}

impl Sums {
    fn add(&mut self, other: &Sums) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.cached_input_tokens += other.cached_input_tokens;
        self.cache_write_tokens += other.cache_write_tokens;
        self.reasoning_tokens += other.reasoning_tokens;
        self.cost = Usd(NanoUsd::plus(self.cost.0, other.cost.0));
    }
}

#[derive(Deserialize)]
struct Series {
    series: Value,
}

#[derive(Deserialize)]
struct BucketRow {
    series: Value,
    bucket: i64,
    requests: u64,
}

#[derive(Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(rename = "Sums"))]
pub(in crate::api) struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(flatten)]
    sums: Sums,
    p50_latency_ms: Option<i64>,
    p95_latency_ms: Option<i64>,
}

impl Line {
    fn new(group: Option<String>, sums: Sums, histogram: &BTreeMap<i64, u64>) -> Line {
        let histogram: Vec<_> = histogram.iter().map(|(bucket, calls)| (*bucket, *calls)).collect();
        let percentile = |percent| latency::percentile(&histogram, percent);
        Line { group, sums, p50_latency_ms: percentile(50), p95_latency_ms: percentile(95) }
    }
}

/// The handler.
pub(in crate::api) async fn summary<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let group = Group::read(call.request.parameter("group_by").as_deref())?;
    let filter = Filter::read(call.request, call.principal()?.scope(), call.now)?;
    let mut outcomes = call.store().batch(statements(&filter, group).into()).await?.into_iter();
    let sums = outcomes.next().unwrap_or_default();
    let rows = sums.read::<Series>()?.into_iter().zip(sums.read::<Sums>()?);
    let buckets = outcomes.next().unwrap_or_default().read::<BucketRow>()?;

    let (mut all, mut total) = (BTreeMap::new(), Sums::default());
    let mut histograms: BTreeMap<String, BTreeMap<i64, u64>> = BTreeMap::new();
    for row in buckets {
        *all.entry(row.bucket).or_default() += row.requests;
        *histograms.entry(group.label(&row.series)).or_default().entry(row.bucket).or_default() +=
            row.requests;
    }
    let mut series = Vec::new();
    for (row, sums) in rows {
        total.add(&sums);
        let label = group.label(&row.series);
        let histogram = histograms.remove(&label).unwrap_or_default();
        series.push(Line::new(Some(label), sums, &histogram));
    }
    Ok(ApiResponse::ok(&Summary { totals: Line::new(None, total, &all), series }))
}

/// Sums of all calls, and of each group of them.
#[derive(Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub(in crate::api) struct Summary {
    totals: Line,
    series: Vec<Line>,
}

//! `GET /api/logs/summary`: sums and percentiles from the rollups, never from the calls themselves, so that it is as fast on a
//! million calls as on ten. Whole days come from the sums of days; only what is left at the ends comes from those of hours.
//!
//! Times are honoured to the hour: `since` is rounded down and `until` up. Without them it is the last thirty days.

use crate::api::query::Query;
use crate::api::row::Usd;
use crate::api::{ApiRequest, ApiResponse, Call, Platform};
use crate::error::ApiError;
use crate::log::latency::Histogram;
use crate::money::NanoUsd;
use crate::store::{Statement, Store};
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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

    /// The expression that gives a row's group, of `usage_daily` and of `usage_hourly`.
    fn expressions(self) -> [&'static str; 2] {
        match self {
            Group::Day => ["day", "hour - hour % 86400000"],
            Group::Hour => ["NULL", "hour"],
            Group::Provider => ["provider"; 2],
            Group::Model => ["model"; 2],
            Group::Key => ["key_id"; 2],
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

    /// The whole days between both ends, first and end; both are the end where there is none.
    fn days(&self, group: Group) -> [Millis; 2] {
        let floor = |time: i64| time - time.rem_euclid(Millis::DAY.0);
        let (first, end) = (floor(self.since.0.saturating_add(Millis::DAY.0 - 1)), floor(self.until.0));
        if first < end && group != Group::Hour { [Millis(first), Millis(end)] } else { [self.until; 2] }
    }

    fn apply(&self, query: Query) -> Query {
        query
            .filter_some("user_id = ?", self.scope.clone())
            .filter_some("key_id = ?", self.key_id.clone())
            .filter_some("provider = ?", self.provider.clone())
            .filter_some("model = ?", self.model.clone())
    }
}

const COLUMNS: &str = ", requests, errors, input_tokens, output_tokens, cached_input_tokens, cache_write_tokens, \
     reasoning_tokens, cost, latencies FROM ";

/// The sums of each group and its latency histogram, in a row for each of its days: all of its histogram together could be
/// more than a row may hold.
#[must_use]
pub fn statement(filter: &Filter, group: Group) -> Statement {
    let [by_day, by_hour] = group.expressions();
    let [first, end] = filter.days(group);
    let mut query = Query::new("SELECT ").then(
        "series, sum(requests) AS requests, sum(errors) AS errors, sum(input_tokens) AS input_tokens, \
         sum(output_tokens) AS output_tokens, sum(cached_input_tokens) AS cached_input_tokens, \
         sum(cache_write_tokens) AS cache_write_tokens, sum(reasoning_tokens) AS reasoning_tokens, \
         sum(cost) AS cost, group_concat(latencies, '') AS latencies FROM (",
    );
    if first < end {
        query = query.then("SELECT ").then("day, ").then(by_day).then(" AS series").then(COLUMNS);
        query =
            filter.apply(query.then_select("usage_daily").filter("day >= ?", first).filter("day < ?", end));
        query = query.then(" UNION ALL ");
    }
    for (from, to, then) in [(filter.since, first, " UNION ALL "), (end, filter.until, "")] {
        query = query
            .then("SELECT hour - hour % 86400000 AS day, ")
            .then(by_hour)
            .then(" AS series")
            .then(COLUMNS);
        query = query.then_select("usage_hourly").filter("hour >= ?", from).filter("hour < ?", to);
        query = filter.apply(query).then(then);
    }
    query.then(") GROUP BY series, day ORDER BY series").build()
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
    latencies: String,
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
    fn new(group: Option<String>, sums: Sums, histogram: &Histogram) -> Line {
        let [p50_latency_ms, p95_latency_ms] = [50, 95].map(|percent| histogram.percentile(percent));
        Line { group, sums, p50_latency_ms, p95_latency_ms }
    }
}

/// The handler.
pub(in crate::api) async fn summary<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let group = Group::read(call.request.parameter("group_by").as_deref())?;
    let filter = Filter::read(call.request, call.principal()?.scope(), call.now)?;
    let found = call.store().run(statement(&filter, group)).await?;
    let mut rows = found.read::<Series>()?.into_iter().zip(found.read::<Sums>()?).peekable();

    let (mut all, mut total, mut series) = (Histogram::default(), Sums::default(), Vec::new());
    while let Some((row, mut sums)) = rows.next() {
        let mut histogram = Histogram::default();
        histogram.add(&row.latencies);
        while let Some((next, more)) = rows.next_if(|(next, _)| next.series == row.series) {
            sums.add(&more);
            histogram.add(&next.latencies);
        }
        total.add(&sums);
        all.add_all(&histogram);
        // A stand-in that gave way leaves nothing.
        if sums.requests > 0 {
            series.push(Line::new(Some(group.label(&row.series)), sums, &histogram));
        }
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

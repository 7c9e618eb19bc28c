//! `/api/user-models`: the catalogue of models and prices, as the caller sees it with their own prices over it.

use super::page::{NO_CURSOR, Page};
use super::query::Query;
use super::row::{Embedded, Time};
use super::{ApiRequest, ApiResponse, Call, Change, Platform, keys};
use crate::error::ApiError;
use crate::json;
use crate::json::json;
use crate::money::NanoUsd;
use crate::store::{Statement, Store};
use crate::time::Millis;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

/// A price in a row, USD per million units in JSON.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct PerMillion(i64);

impl Serialize for PerMillion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        NanoUsd(self.0).to_usd().serialize(serializer)
    }
}

/// A model; prices are USD per million tokens, or per million of what they are named by; `null` where none is known.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(rename = "Model"))]
pub(super) struct Row {
    id: String,
    provider: String,
    model: String,
    mode: String,
    context_window: Option<i64>,
    max_output_tokens: Option<i64>,
    capabilities: Embedded<Vec<String>>,
    input_price: Option<PerMillion>,
    output_price: Option<PerMillion>,
    cached_input_price: Option<PerMillion>,
    cache_write_price: Option<PerMillion>,
    cache_write_1h_price: Option<PerMillion>,
    reasoning_price: Option<PerMillion>,
    audio_input_price: Option<PerMillion>,
    audio_output_price: Option<PerMillion>,
    image_input_price: Option<PerMillion>,
    image_output_price: Option<PerMillion>,
    /// Of pictures that are made.
    image_price: Option<PerMillion>,
    /// Of seconds of sound that is listened to.
    audio_second_price: Option<PerMillion>,
    /// Of characters that are spoken.
    character_price: Option<PerMillion>,
    /// Of searches.
    search_price: Option<PerMillion>,
    /// `catalog`, `refresh`, or `override` for the caller's own.
    source: String,
    effective_from: Time,
    /// Where the list is sorted by something else than the name.
    #[serde(skip_serializing)]
    sort_key: Value,
}

/// Only the row that counts for the caller: the newest that has begun, their own before the catalogue's.
const CURRENT: &str = "(models.user_id = '' OR models.user_id = ?";
const CURRENT_REST: &str = ") AND models.effective_from <= ?";
const NEWEST: &str = " AND NOT EXISTS (SELECT 1 FROM models AS newer WHERE newer.model = models.model \
     AND newer.kind = models.kind AND (newer.user_id = '' OR newer.user_id = ?";
const NEWEST_REST: &str = ") AND newer.effective_from <= ?";
const NEWEST_END: &str =
    " AND (newer.user_id, newer.effective_from) > (models.user_id, models.effective_from))";

/// Begins a query over them.
pub(super) fn current(base: &'static str, user_id: &str, now: Millis) -> Query {
    Query::new(base)
        .filter(CURRENT, user_id)
        .then(CURRENT_REST)
        .bind(now)
        .then(NEWEST)
        .bind(user_id)
        .then(NEWEST_REST)
        .bind(now)
        .then(NEWEST_END)
}

/// What a list is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is its name")]
pub enum Sort {
    #[default]
    Model,
    Provider,
    InputPrice,
    OutputPrice,
    ContextWindow,
}

/// All of them, for the tests of the statements.
pub const SORTS: [Sort; 5] =
    [Sort::Model, Sort::Provider, Sort::InputPrice, Sort::OutputPrice, Sort::ContextWindow];

impl Sort {
    fn read(name: &str) -> Result<(Sort, bool), ApiError> {
        let (name, descending) = name.strip_prefix('-').map_or((name, false), |name| (name, true));
        let sort = match name {
            "model" | "name" => Sort::Model,
            "provider" => Sort::Provider,
            "input_price" | "price" => Sort::InputPrice,
            "output_price" => Sort::OutputPrice,
            "context_window" | "context" => Sort::ContextWindow,
            _ => {
                let known = "must be model, provider, input_price, output_price or context_window, with - for descending";
                return Err(ApiError::invalid("sort", known));
            }
        };
        Ok((sort, descending))
    }

    pub(super) fn base(self) -> &'static str {
        match self {
            Sort::Model => "SELECT *, kind AS provider, model AS sort_key FROM models",
            Sort::Provider => "SELECT *, kind AS provider, kind || ' ' || model AS sort_key FROM models",
            Sort::InputPrice => {
                "SELECT *, kind AS provider, coalesce(input_price, -1) AS sort_key FROM models"
            }
            Sort::OutputPrice => {
                "SELECT *, kind AS provider, coalesce(output_price, -1) AS sort_key FROM models"
            }
            Sort::ContextWindow => {
                "SELECT *, kind AS provider, coalesce(context_window, -1) AS sort_key FROM models"
            }
        }
    }
}

/// What to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Whose prices.
    pub user_id: String,
    /// Part of a model's name.
    pub search: Option<String>,
    /// A kind, or the name of one of the caller's providers.
    pub provider: Option<String>,
    /// `tools`, `vision`, …
    pub capability: Option<String>,
    /// Costs nothing, or costs something.
    pub free: Option<bool>,
    /// Sorted by this.
    pub sort: Sort,
    /// The largest first.
    pub descending: bool,
    /// How many.
    pub limit: i64,
    /// The sort key and id at which the page before ended.
    pub after: Option<(Value, String)>,
}

/// The models, sorted by the key and then by id.
#[must_use]
pub fn listing(filter: &Filter, now: Millis) -> Statement {
    let mut query = current(filter.sort.base(), &filter.user_id, now)
        .filter_some("instr(lower(model), lower(?)) > 0", filter.search.clone())
        .filter_some(
            "EXISTS (SELECT 1 FROM json_each(capabilities) WHERE value = ?)",
            filter.capability.clone(),
        );
    if let Some(provider) = &filter.provider {
        query = query
            .filter("(kind = ?", provider.as_str())
            .then(" OR kind IN (SELECT kind FROM providers WHERE name = ?")
            .bind(provider.as_str())
            .then(" AND providers.user_id = ?))")
            .bind(filter.user_id.as_str());
    }
    query = match filter.free {
        Some(true) => query.then(
            " AND input_price = 0 AND output_price = 0 AND max(coalesce(image_price, 0), \
             coalesce(audio_second_price, 0), coalesce(character_price, 0), coalesce(search_price, 0)) = 0",
        ),
        Some(false) => query.then(
            " AND max(coalesce(input_price, 0), coalesce(output_price, 0), coalesce(image_price, 0), \
             coalesce(audio_second_price, 0), coalesce(character_price, 0), coalesce(search_price, 0)) > 0",
        ),
        None => query,
    };
    if let Some((key, id)) = &filter.after {
        let key = key.as_i64().map_or_else(
            || crate::store::Value::from(key.as_str().unwrap_or_default()),
            crate::store::Value::from,
        );
        let after = if filter.descending { "(sort_key, id) < (?" } else { "(sort_key, id) > (?" };
        query = query.filter(after, key).then(", ?)").bind(id.as_str());
    }
    let order = if filter.descending {
        " ORDER BY sort_key DESC, id DESC LIMIT ?"
    } else {
        " ORDER BY sort_key, id LIMIT ?"
    };
    query.then(order).bind(filter.limit + 1).build()
}

fn read_filter(request: &ApiRequest<'_>, user_id: &str) -> Result<Filter, ApiError> {
    let page = Page::with_any_cursor(request)?;
    let (sort, descending) =
        request.parameter("sort").map_or(Ok((Sort::Model, false)), |s| Sort::read(&s))?;
    let free = match request.parameter("free").as_deref() {
        None => None,
        Some("true" | "1") => Some(true),
        Some("false" | "0") => Some(false),
        Some(_) => return Err(ApiError::invalid("free", "must be true or false")),
    };
    let after = page.cursor.map(|cursor| {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
        let read = |bytes: Vec<u8>| json::read(&bytes).ok();
        bytes.and_then(read).ok_or_else(|| ApiError::invalid("cursor", NO_CURSOR))
    });
    Ok(Filter {
        user_id: user_id.into(),
        search: request.parameter("search"),
        provider: request.parameter("provider"),
        capability: request.parameter("capability"),
        free,
        sort,
        descending,
        limit: page.limit,
        after: after.transpose()?,
    })
}

/// `GET /api/user-models/global`
pub(super) async fn list<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let filter = read_filter(call.request, &call.principal()?.user_id)?;
    let rows: Vec<Row> = call.store().all(listing(&filter, call.now)).await?;
    let page = Page { limit: filter.limit, cursor: None };
    Ok(page.answer(rows, |row| URL_SAFE_NO_PAD.encode(json!([row.sort_key, row.id]).to_string())))
}

/// How many there are, of each kind.
#[must_use]
pub fn counts(user_id: &str, now: Millis) -> Statement {
    let base = "SELECT kind AS provider, count(*) AS models, \
         coalesce(sum(coalesce(input_price, output_price, image_price, audio_second_price, character_price, \
         search_price) IS NOT NULL), 0) AS priced, \
         coalesce(sum(input_price = 0 AND output_price = 0 AND max(coalesce(image_price, 0), \
         coalesce(audio_second_price, 0), coalesce(character_price, 0), coalesce(search_price, 0)) = 0), 0) AS free, \
         coalesce(sum(source = 'override'), 0) AS overridden, max(updated_at) AS updated_at FROM models";
    current(base, user_id, now).then(" GROUP BY kind ORDER BY kind").build()
}

#[derive(Deserialize, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
struct Count {
    provider: String,
    models: u64,
    priced: u64,
    free: u64,
    overridden: u64,
    updated_at: Time,
}

/// `GET /api/user-models/stats`
pub(super) async fn stats<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let providers: Vec<Count> = call.store().all(counts(&call.principal()?.user_id, call.now)).await?;
    let sum = |field: fn(&Count) -> u64| providers.iter().map(field).sum::<u64>();
    Ok(ApiResponse::ok(&Stats {
        models: sum(|count| count.models),
        priced: sum(|count| count.priced),
        free: sum(|count| count.free),
        overridden: sum(|count| count.overridden),
        updated_at: providers.iter().map(|count| count.updated_at).max(),
        providers,
    }))
}

/// How many models there are, and of each provider.
#[derive(Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(rename = "ModelStats"))]
pub(super) struct Stats {
    models: u64,
    priced: u64,
    free: u64,
    overridden: u64,
    updated_at: Option<Time>,
    providers: Vec<Count>,
}

/// `POST /api/user-models/refresh` → `{count}`
pub(super) async fn refresh<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let count = call.context.platform.refresh_catalogue().await?;
    let owner = call.principal()?.user_id.clone();
    let key_hashes = keys::hashes(&call.store().run(keys::hashes_of(&owner)).await?);
    call.context.platform.invalidate(Change { owner, key_hashes }).await;
    Ok(ApiResponse::ok(&json!({ "count": count })))
}

//! `PUT /api/user-models/{id}`: a caller's own price, over the catalogue's.

use super::models::{Row, Sort, current};
use super::query::Query;
use super::request::present;
use super::{ApiResponse, Call, Platform, validate};
use crate::error::ApiError;
use crate::money::NanoUsd;
use crate::store::{Statement, Store};
use crate::time::Millis;
use serde::Deserialize;

/// Prices in USD per million tokens, or per million of what they are named by: `image_price` 40000 is four cents a picture. What
/// is left out stays, `null` takes it away.
#[derive(Default, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct Prices {
    /// With it, the id in the path is the name of a model, which the catalogue need not know: a kind, or `*` for any.
    provider: Option<String>,
    #[serde(deserialize_with = "present")]
    input_price: Option<Option<f64>>,
    #[serde(deserialize_with = "present")]
    output_price: Option<Option<f64>>,
    #[serde(deserialize_with = "present")]
    cached_input_price: Option<Option<f64>>,
    #[serde(deserialize_with = "present")]
    cache_write_price: Option<Option<f64>>,
    #[serde(deserialize_with = "present")]
    cache_write_1h_price: Option<Option<f64>>,
    #[serde(deserialize_with = "present")]
    reasoning_price: Option<Option<f64>>,
    #[serde(deserialize_with = "present")]
    audio_input_price: Option<Option<f64>>,
    #[serde(deserialize_with = "present")]
    audio_output_price: Option<Option<f64>>,
    #[serde(deserialize_with = "present")]
    image_input_price: Option<Option<f64>>,
    #[serde(deserialize_with = "present")]
    image_output_price: Option<Option<f64>>,
    #[serde(deserialize_with = "present")]
    image_price: Option<Option<f64>>,
    #[serde(deserialize_with = "present")]
    audio_second_price: Option<Option<f64>>,
    #[serde(deserialize_with = "present")]
    character_price: Option<Option<f64>>,
    #[serde(deserialize_with = "present")]
    search_price: Option<Option<f64>>,
}

impl Prices {
    /// The statement that writes what is given into a row.
    fn change(&self, id: &str) -> Result<Statement, ApiError> {
        let mut change = Query::new("UPDATE models SET source = 'override'");
        for (field, fragment, price) in [
            ("input_price", ", input_price = ?", self.input_price),
            ("output_price", ", output_price = ?", self.output_price),
            ("cached_input_price", ", cached_input_price = ?", self.cached_input_price),
            ("cache_write_price", ", cache_write_price = ?", self.cache_write_price),
            ("cache_write_1h_price", ", cache_write_1h_price = ?", self.cache_write_1h_price),
            ("reasoning_price", ", reasoning_price = ?", self.reasoning_price),
            ("audio_input_price", ", audio_input_price = ?", self.audio_input_price),
            ("audio_output_price", ", audio_output_price = ?", self.audio_output_price),
            ("image_input_price", ", image_input_price = ?", self.image_input_price),
            ("image_output_price", ", image_output_price = ?", self.image_output_price),
            ("image_price", ", image_price = ?", self.image_price),
            ("audio_second_price", ", audio_second_price = ?", self.audio_second_price),
            ("character_price", ", character_price = ?", self.character_price),
            ("search_price", ", search_price = ?", self.search_price),
        ] {
            let Some(price) = price else { continue };
            let wrong = || ApiError::invalid(field, "must be USD per million units, from 0 to 1000000");
            let amount = |usd: f64| NanoUsd::from_usd(usd).filter(|_| usd <= 1e6).ok_or_else(wrong);
            change = change.then(fragment).bind(price.map(amount).transpose()?);
        }
        Ok(change.filter("id = ?", id).build())
    }
}

/// The price that counts now for the model that a row is of, whether or not that row still counts.
fn beside(id: &str, owner: &str, now: Millis) -> Statement {
    current(Sort::Model.base(), owner, now)
        .filter(
            "(kind, model) IN (SELECT named.kind, named.model FROM models AS named WHERE named.id = ?",
            id,
        )
        .then(" AND (named.user_id = '' OR named.user_id = ?))")
        .bind(owner)
        .build()
}

/// A copy of a price, or an empty one, as the owner's own from now on.
fn begin(id: &str, owner: &str, base: Option<&str>, named: (&str, &str), now: Millis) -> Statement {
    match base {
        Some(base) => Statement::new(
            "INSERT OR REPLACE INTO models (id, user_id, kind, model, mode, context_window, max_output_tokens, \
             capabilities, input_price, output_price, cached_input_price, cache_write_price, cache_write_1h_price, \
             reasoning_price, audio_input_price, audio_output_price, image_input_price, image_output_price, \
             image_price, audio_second_price, character_price, search_price, tiers, effective_from, source, \
             updated_at) \
             SELECT ?1, ?2, kind, model, mode, context_window, max_output_tokens, capabilities, input_price, \
             output_price, cached_input_price, cache_write_price, cache_write_1h_price, reasoning_price, \
             audio_input_price, audio_output_price, image_input_price, image_output_price, image_price, \
             audio_second_price, character_price, search_price, '[]', ?3, 'override', ?3 FROM models WHERE id = ?4",
        )
        .bind(id)
        .bind(owner)
        .bind(now)
        .bind(base),
        None => Statement::new(
            "INSERT INTO models (id, user_id, effective_from, updated_at, source, kind, model) \
             VALUES (?1, ?2, ?3, ?3, 'override', ?4, ?5)",
        )
        .bind(id)
        .bind(owner)
        .bind(now)
        .bind(named.0)
        .bind(named.1),
    }
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

/// `PUT /api/user-models/{id}`: the caller's own price, in effect from now on for their calls alone. Price tiers of
/// the catalogue do not apply to it. With `provider`, the path names a model instead.
pub(super) async fn override_price<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let prices: Prices = call.request.body()?;
    let owner = call.principal()?.user_id.as_str();
    let id = call.new_id();
    let change = prices.change(&id)?;
    let model = decoded(call.id());
    let (kind, found) = match &prices.provider {
        Some(kind) => {
            validate::model("id", &model)?;
            if kind != "*" && validate::kind("provider", kind).is_err() {
                return Err(ApiError::invalid("provider", "must be a kind of provider, or * for any"));
            }
            let query = current(Sort::Model.base(), owner, call.now).filter("kind = ?", kind.as_str());
            (kind.as_str(), query.filter("model = ?", model.as_str()).build())
        }
        None => ("", beside(&model, owner, call.now)),
    };
    let base: Option<Id> = call.store().first(found).await?;
    if base.is_none() && prices.provider.is_none() {
        return Err(ApiError::not_found("model"));
    }
    let base = base.map(|row| row.id);
    let begun = begin(&id, owner, base.as_deref(), (kind, &model), call.now);
    call.commit(owner, vec![begun, change]).await?;
    let written = current(Sort::Model.base(), owner, call.now).filter("id = ?", id.as_str()).build();
    let row: Option<Row> = call.store().first(written).await?;
    row.map(|row| ApiResponse::ok(&row)).ok_or_else(|| ApiError::not_found("model"))
}

/// A segment of a path without its percent signs: names of models hold slashes.
fn decoded(segment: &str) -> String {
    // Only percent signs mean something in a path, so the other signs of a query are kept from its parser.
    let quoted = segment.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(quoted.as_bytes()).map(|(name, _)| name.into_owned()).collect()
}

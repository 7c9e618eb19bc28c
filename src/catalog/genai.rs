//! genai-prices' `data.json` (v2) → models in our terms. It fills in what LiteLLM's list lacks: OpenRouter, Hugging Face,
//! and models that LiteLLM no longer lists.
//!
//! Only the generator of `catalog/models.json` reads it, so it may be read as a tree.

use super::decimal::{self, PER_MILLION};
use super::{CatalogError, Model, without_false_zeros};
use crate::cost::{Prices, Tier};
use crate::json;
use crate::money::Price;
use crate::time::Millis;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// genai-prices' provider → our kind. DeepSeek is missing: its prices there depend on the time of day.
const PROVIDERS: &[(&str, &str)] = &[
    ("openrouter", "openrouter"),
    ("openai", "openai"),
    ("anthropic", "anthropic"),
    ("groq", "groq"),
    ("cerebras", "cerebras"),
    ("cohere", "cohere"),
    ("mistral", "mistral"),
    ("perplexity", "perplexity"),
    ("x-ai", "xai"),
    ("moonshotai", "moonshot"),
];

#[derive(Deserialize)]
struct Provider {
    id: String,
    models: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
    #[serde(rename = "match", default)]
    matches: Match,
    context_window: Option<u64>,
    prices: Value,
}

/// Which names a model answers to; only the exact ones can be rows.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Match {
    equals: Option<String>,
    or: Vec<Match>,
}

impl Match {
    fn exact(&self) -> Vec<&str> {
        match &self.equals {
            Some(name) => vec![name],
            None => self.or.iter().flat_map(Match::exact).collect(),
        }
    }
}

type Fields = Map<String, Value>;

/// Every model of the list that a kind of ours serves: a row for each name that it answers to, and for each date from
/// which a price holds. A name may come twice; the first counts.
///
/// # Errors
/// [`CatalogError::Unreadable`] where the file is not of that form.
pub fn models(list: &[u8]) -> Result<Vec<Model>, CatalogError> {
    let providers: Vec<Provider> = json::read(list).map_err(|error| CatalogError::unreadable(&error))?;
    let mut models = Vec::new();
    for provider in &providers {
        // Hugging Face's router takes `model:provider`, and its names keep their case.
        let router = provider.id.strip_prefix("huggingface_").filter(|router| !router.is_empty());
        let known = PROVIDERS.iter().find(|(id, _)| *id == provider.id).map(|(_, kind)| *kind);
        let Some(kind) = router.map(|_| "huggingface").or(known) else { continue };
        for listed in &provider.models {
            rows(&mut models, kind, listed, router);
        }
    }
    Ok(models)
}

fn rows<'l>(models: &mut Vec<Model>, kind: &'static str, listed: &'l Listed, router: Option<&str>) {
    let mut names = vec![listed.id.as_str()];
    if router.is_none() {
        names.extend(listed.matches.exact());
    }
    // A price may hold from a date on, or at a time of day, which no row can say.
    let version = |version: &'l Value| {
        let constraint = version.get("constraint").filter(|constraint| !constraint.is_null());
        Some((version.get("prices")?.as_object()?, constraint))
    };
    let versions: Vec<(&Fields, Option<&Value>)> = match &listed.prices {
        Value::Object(fields) => vec![(fields, None)],
        Value::Array(versions) => versions.iter().filter_map(version).collect(),
        _ => Vec::new(),
    };
    for (fields, constraint) in versions {
        let date = constraint.and_then(|it| Millis::from_iso(it.get("start_date")?.as_str()?));
        if constraint.is_some() && date.is_none() {
            continue;
        }
        for name in &names {
            let mut model = Model {
                kind,
                model: router.map_or_else(|| (*name).to_owned(), |router| format!("{name}:{router}")),
                mode: if name.contains("embed") { "embedding" } else { "chat" },
                context_window: listed.context_window.filter(|tokens| *tokens > 0),
                max_output_tokens: None,
                capabilities: Vec::new(),
                prices: prices(fields, name.ends_with(":free")),
            };
            model.prices.effective_from = date.unwrap_or_default().0;
            without_false_zeros(&mut model, false);
            models.push(model);
        }
    }
}

fn prices(fields: &Fields, is_free: bool) -> Prices {
    let price = |name: &str| {
        let value = fields.get(name)?;
        amount(value.get("base").unwrap_or(value))
    };
    let paid = |name: &str| if is_free { Some(Price(0)) } else { price(name) };
    Prices {
        input_price: paid("input_mtok"),
        output_price: paid("output_mtok"),
        cached_input_price: price("cache_read_mtok"),
        cache_write_price: price("cache_write_mtok"),
        cache_write_1h_price: price("cache_write_1h_mtok"),
        reasoning_price: price("output_reasoning_mtok"),
        tiers: tiers(fields),
        ..Prices::default()
    }
}

fn tiers(fields: &Fields) -> Vec<Tier> {
    let mut found = BTreeMap::new();
    for (name, column) in [
        ("input_mtok", (|tier| &mut tier.input) as fn(&mut Tier) -> &mut Option<Price>),
        ("output_mtok", |tier| &mut tier.output),
        ("cache_read_mtok", |tier| &mut tier.cached_input),
        ("cache_write_mtok", |tier| &mut tier.cache_write),
    ] {
        let tiers = fields.get(name).and_then(|field| field.get("tiers")).and_then(Value::as_array);
        for step in tiers.into_iter().flatten() {
            let Some(above) = step.get("start").and_then(Value::as_u64) else { continue };
            let tier = found.entry(above).or_insert(Tier { above, ..Tier::default() });
            *column(tier) = step.get("price").and_then(amount);
        }
    }
    found.into_values().collect()
}

/// A number's shortest decimal text is what the list was written with.
fn amount(value: &Value) -> Option<Price> {
    decimal::price(&value.as_number()?.to_string(), PER_MILLION)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(list: &Value) -> Vec<(String, String, Option<i64>, i64)> {
        let models = models(list.to_string().as_bytes()).unwrap();
        let shown = |model: Model| {
            let price = model.prices.input_price.map(|price| price.0);
            (model.kind.to_owned(), model.model, price, model.prices.effective_from)
        };
        models.into_iter().map(shown).collect()
    }

    #[test]
    fn a_row_is_made_for_each_exact_name_and_date() {
        let list = json!([{ "id": "openai", "models": [{
            "id": "gpt", "match": { "or": [{ "equals": "gpt-1" }, { "starts_with": "gpt-" }] },
            "prices": [
                { "prices": { "input_mtok": 2 } },
                { "constraint": { "start_date": "1970-01-02" }, "prices": { "input_mtok": { "base": 0.5, "tiers": [] } } },
                { "constraint": { "start_time": "16:30:00Z" }, "prices": { "input_mtok": 9 } },
            ],
        }] }]);
        let row = |name: &str, price, date| ("openai".to_owned(), name.to_owned(), Some(price), date);
        assert_eq!(
            read(&list),
            [
                row("gpt", 2_000_000_000, 0),
                row("gpt-1", 2_000_000_000, 0),
                row("gpt", 500_000_000, 86_400_000),
                row("gpt-1", 500_000_000, 86_400_000),
            ]
        );
    }

    #[test]
    fn routers_are_suffixes_free_is_zero_and_an_unknown_zero_is_none() {
        let model =
            |id: &str| json!({ "id": id, "match": { "equals": "other" }, "prices": { "input_mtok": 0 } });
        let list = json!([
            { "id": "huggingface_novita", "models": [{ "id": "A/b", "prices": { "input_mtok": 1 } }] },
            { "id": "openrouter", "models": [{ "id": "x/y:free", "prices": {} }] },
            { "id": "x-ai", "models": [model("grok")] },
            { "id": "skynet", "models": [model("t")] },
        ]);
        let row = |kind: &str, name: &str, price| (kind.to_owned(), name.to_owned(), price, 0);
        assert_eq!(
            read(&list),
            [
                row("huggingface", "A/b:novita", Some(1_000_000_000)),
                row("openrouter", "x/y:free", Some(0)),
                row("xai", "grok", None),
                row("xai", "other", None),
            ]
        );
    }
}

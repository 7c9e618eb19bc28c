//! The catalogue: which models there are, with their limits, capabilities and prices, read from public lists.
//!
//! One mapping serves both uses: the generator of `catalog/models.json` (`examples/catalog.rs`), which seeds a database,
//! and the refresh by which a running Worker follows the live list. `docs/adr/0008-catalogue-refresh.md` says why.

mod decimal;
pub mod genai;
pub mod litellm;
pub mod refresh;

use crate::cost::Prices;
use crate::money::Price;
use crate::store::StoreError;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};

/// A row of table `models`, as the catalogue knows it; what is unknown is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Model {
    /// The provider kind.
    pub kind: &'static str,
    /// As sent upstream.
    pub model: String,
    /// `chat`, `embedding`, `image`, …
    pub mode: &'static str,
    /// Tokens of input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    /// Tokens of output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// `tools`, `vision`, `reasoning`, …
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<&'static str>,
    /// Nano-USD for a million units, and since when.
    #[serde(flatten)]
    pub prices: Prices,
}

/// Why a catalogue was not made or not taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// The list is not of the form that is known: it changed, or something else was served in its place.
    #[error("the price list cannot be read: {0}")]
    Unreadable(String),
    /// So much of it is gone that it is rather broken.
    #[error("the price list has only {listed} models where {held} are held")]
    TooFew {
        /// In the list.
        listed: u64,
        /// Before.
        held: u64,
    },
    /// A well-known price has moved further than prices do.
    #[error("the price list moves a well-known price too far: {0}")]
    Implausible(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CatalogError {
    fn unreadable(error: &serde_json::Error) -> CatalogError {
        CatalogError::Unreadable(error.to_string())
    }
}

/// Kinds where a price of zero means free. Elsewhere the lists write zero for what they do not know, and unknown is not
/// free.
const FREE_KINDS: &[&str] = &["ollama", "zai", "gemini"];

/// Takes back a price of zero that only says that the model is not priced by the token, or not known.
fn without_false_zeros(model: &mut Model, priced_otherwise: bool) {
    let free =
        model.mode == "moderation" || FREE_KINDS.contains(&model.kind) || model.model.ends_with(":free");
    let zero = |price: Option<Price>| price.unwrap_or_default() == Price(0);
    let prices = &mut model.prices;
    if zero(prices.input_price) && zero(prices.output_price) && (priced_otherwise || !free) {
        (prices.input_price, prices.output_price) = (None, None);
    }
}

/// The built-in provider's models. Their prices are made up, so that the first calls already show a cost.
fn demos() -> impl Iterator<Item = Model> {
    let chat = (Some(Price(100_000_000)), Some(Price(400_000_000)));
    let embedding = (Some(Price(20_000_000)), Some(Price(0)));
    let rows =
        [("demo", "chat", chat), ("demo-chat", "chat", chat), ("demo-embedding", "embedding", embedding)];
    rows.into_iter().map(|(model, mode, (input_price, output_price))| Model {
        kind: "demo",
        model: model.to_owned(),
        mode,
        prices: Prices { input_price, output_price, ..Prices::default() },
        ..Model::default()
    })
}

/// The whole catalogue from both lists, sorted by kind, model and date: LiteLLM's, and of genai-prices the models that
/// LiteLLM does not have.
///
/// # Errors
/// [`CatalogError::Unreadable`] where one of them is not of the form that is known.
pub fn compose(litellm: &[u8], genai: &[u8]) -> Result<Vec<Model>, CatalogError> {
    let base: Vec<Model> = demos().chain(litellm::models(litellm)?).collect();
    let listed: HashSet<(&str, String)> =
        base.iter().map(|model| (model.kind, model.model.clone())).collect();
    let others = genai::models(genai)?.into_iter();
    let missing = others.filter(|model| !listed.contains(&(model.kind, model.model.clone())));
    let mut rows = BTreeMap::new();
    for model in base.into_iter().chain(missing) {
        rows.entry((model.kind, model.model.clone(), model.prices.effective_from)).or_insert(model);
    }
    Ok(rows.into_values().collect())
}

/// JSON, one row a line, so that a diff shows which prices moved.
///
/// # Errors
/// None that can happen: a row is plain data.
pub fn format(models: &[Model]) -> serde_json::Result<String> {
    let lines: Vec<String> = models.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
    Ok(format!("[\n{}\n]\n", lines.join(",\n")))
}

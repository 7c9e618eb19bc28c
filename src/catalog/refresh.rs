//! Bringing the stored catalogue up to the live list: a price that moved begins a new row, nothing else is touched.
//!
//! The list is somebody else's file, so a change that is not plausible is refused as a whole and the old prices stay.

use super::{CatalogError, Model, litellm};
use crate::json;
use crate::json::{json, tree_of};
use crate::money::{NanoUsd, Price};
use crate::secret::sha256_hex;
use crate::store::{Outcome, Statement, Store, StoreError};
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// The most JSON of one statement, bytes; D1 takes 2 MB a parameter.
const CHUNK: usize = 1_000_000;

/// Of the rows of the list before, at least these in a hundred must still be there.
const ENOUGH: u64 = 80;

/// A well-known price may move up or down by this factor.
const FARTHEST: i64 = 5;

/// Models that everybody knows: whoever tampers with the list for profit moves these.
pub const PINNED: &[[&str; 2]] = &[
    ["openai", "gpt-4o"],
    ["openai", "gpt-4o-mini"],
    ["openai", "gpt-4.1"],
    ["openai", "gpt-5"],
    ["openai", "gpt-5-mini"],
    ["openai", "text-embedding-3-small"],
    ["anthropic", "claude-sonnet-4-5"],
    ["anthropic", "claude-haiku-4-5"],
    ["anthropic", "claude-opus-4-5"],
    ["gemini", "gemini-2.5-pro"],
    ["gemini", "gemini-2.5-flash"],
    ["deepseek", "deepseek-chat"],
    ["mistral", "mistral-large-latest"],
    ["groq", "openai/gpt-oss-120b"],
    ["xai", "grok-4"],
];

/// The setting that remembers what was taken over last; by its name it does not count `config_version` up.
const SETTING: &str = "catalog_source";

/// Where a list came from, and how large it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its address.
    pub url: String,
    /// The server's mark of this version.
    pub etag: Option<String>,
    /// Models in it that are ours.
    pub models: u64,
}

/// What a refresh did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Models in the list.
    pub models: u64,
    /// Rows that were begun.
    pub begun: Vec<Begun>,
}

/// A row that a refresh began.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Begun {
    /// The provider kind.
    pub kind: String,
    /// The model.
    pub model: String,
    /// For a million units.
    pub input_price: Option<Price>,
    /// For a million units.
    pub output_price: Option<Price>,
}

impl Report {
    /// A line for the Worker's log: how many, and the first of them.
    #[must_use]
    pub fn summary(&self) -> String {
        let usd = |price: Option<Price>| price.map_or("?".into(), |price| NanoUsd(price.0).to_decimal());
        let shown = self.begun.iter().take(50).map(|row| {
            format!("{}/{} {}/{}", row.kind, row.model, usd(row.input_price), usd(row.output_price))
        });
        let shown: Vec<_> = shown.collect();
        let more = if self.begun.len() > shown.len() { ", …" } else { "" };
        format!("{} models listed, {} rows begun: {}{more}", self.models, self.begun.len(), shown.join(", "))
    }
}

#[derive(Deserialize)]
struct Setting {
    value: String,
}

/// What was taken over last.
///
/// # Errors
/// As the store's.
pub async fn last(store: &impl Store) -> Result<Option<Source>, StoreError> {
    let statement = Statement::new("SELECT value FROM settings WHERE name = ?1").bind(SETTING);
    let setting: Option<Setting> = store.first(statement).await?;
    Ok(setting.and_then(|setting| json::read(setting.value.as_bytes()).ok()))
}

/// Takes a list over, or refuses it whole. `url` and `etag` say where it is from.
///
/// # Errors
/// [`CatalogError`]; the stored catalogue is then what it was.
pub async fn refresh(
    store: &impl Store,
    list: &[u8],
    url: &str,
    etag: Option<String>,
    now: Millis,
) -> Result<Report, CatalogError> {
    let models = litellm::models(list)?;
    let source = Source { url: url.to_owned(), etag, models: models.len() as u64 };
    guard(store, &models, now).await?;
    let mut statements: Vec<_> = chunks(&models, now).into_iter().map(|chunk| begin(chunk, now)).collect();
    let inserts = statements.len();
    statements.push(count_version(now));
    statements.push(remember(&source, now));
    let outcomes = store.batch(statements).await?;
    let begun = outcomes.iter().take(inserts).map(Outcome::read::<Begun>).collect::<Result<Vec<_>, _>>()?;
    Ok(Report { models: source.models, begun: begun.concat() })
}

/// Refuses what is not plausible beside what is held.
async fn guard(store: &impl Store, models: &[Model], now: Millis) -> Result<(), CatalogError> {
    let listed = models.len() as u64;
    let held = match last(store).await? {
        Some(source) => source.models,
        None => store.first(held(models)).await?.map_or(0, |Count { models }| models),
    };
    if listed == 0 || listed * 100 < held * ENOUGH {
        return Err(CatalogError::TooFew { listed, held });
    }
    let known: Vec<Begun> = store.all(pinned(now)).await?;
    for before in known {
        let is_same = |model: &&Model| model.kind == before.kind && model.model == before.model;
        let Some(after) = models.iter().find(is_same) else { continue }; // withdrawn: its row stays
        let prices = &after.prices;
        for (what, from, to) in [
            ("input", before.input_price, prices.input_price),
            ("output", before.output_price, prices.output_price),
        ] {
            let Some(from) = from.filter(|price| price.0 > 0) else { continue };
            let is_far = |to: Price| to.0 > from.0 * FARTHEST || to.0 * FARTHEST < from.0;
            if to.is_none_or(is_far) {
                let usd = |price: Price| NanoUsd(price.0).to_decimal();
                let to = to.map_or_else(|| "none".to_owned(), usd);
                let (kind, model) = (&before.kind, &before.model);
                let moved = format!("{kind}/{model}, {what}, from {} to {to} USD per million", usd(from));
                return Err(CatalogError::Implausible(moved));
            }
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct Count {
    models: u64,
}

/// How many models are held of the kinds that are listed: what a list is measured by where none was taken over before.
fn held(models: &[Model]) -> Statement {
    let mut kinds: Vec<&str> = Vec::new();
    for model in models {
        if !kinds.contains(&model.kind) {
            kinds.push(model.kind);
        }
    }
    Statement::new(
        "SELECT count(DISTINCT kind || ' ' || model) AS models FROM models \
         WHERE user_id = '' AND kind IN (SELECT value FROM json_each(?1))",
    )
    .bind(json!(kinds).to_string())
}

/// The prices of the well-known models that count now.
fn pinned(now: Millis) -> Statement {
    Statement::new(
        "SELECT held.kind, held.model, held.input_price, held.output_price FROM json_each(?1) AS pin \
         JOIN models AS held ON held.id = (SELECT id FROM models WHERE model = pin.value ->> 1 \
         AND kind = pin.value ->> 0 AND user_id = '' AND effective_from <= ?2 ORDER BY effective_from DESC LIMIT 1)",
    )
    .bind(json!(PINNED).to_string())
    .bind(now)
}

/// Begins a row for every listed model whose catalogue row that counts now says something else, or that has none.
#[must_use]
pub fn begin(rows: String, now: Millis) -> Statement {
    Statement::new(
        "INSERT INTO models (id, kind, model, mode, context_window, max_output_tokens, capabilities, input_price, \
         output_price, cached_input_price, cache_write_price, cache_write_1h_price, reasoning_price, \
         audio_input_price, audio_output_price, image_input_price, image_output_price, image_price, \
         audio_second_price, character_price, search_price, tiers, effective_from, source, updated_at) \
         SELECT fresh.value ->> 'id', fresh.value ->> 'kind', fresh.value ->> 'model', fresh.value ->> 'mode', \
         fresh.value ->> 'context_window', fresh.value ->> 'max_output_tokens', \
         coalesce(fresh.value ->> 'capabilities', '[]'), fresh.value ->> 'input_price', \
         fresh.value ->> 'output_price', fresh.value ->> 'cached_input_price', fresh.value ->> 'cache_write_price', \
         fresh.value ->> 'cache_write_1h_price', fresh.value ->> 'reasoning_price', \
         fresh.value ->> 'audio_input_price', fresh.value ->> 'audio_output_price', \
         fresh.value ->> 'image_input_price', fresh.value ->> 'image_output_price', \
         fresh.value ->> 'image_price', fresh.value ->> 'audio_second_price', \
         fresh.value ->> 'character_price', fresh.value ->> 'search_price', \
         coalesce(fresh.value ->> 'tiers', '[]'), ?2, 'refresh', ?2 \
         FROM json_each(?1) AS fresh LEFT JOIN models AS held ON held.id = (SELECT id FROM models \
         WHERE model = fresh.value ->> 'model' AND kind = fresh.value ->> 'kind' AND user_id = '' \
         AND effective_from <= ?2 ORDER BY effective_from DESC LIMIT 1) \
         WHERE held.id IS NULL OR (held.mode, held.context_window, held.max_output_tokens, held.capabilities, \
         held.input_price, held.output_price, held.cached_input_price, held.cache_write_price, \
         held.cache_write_1h_price, held.reasoning_price, held.audio_input_price, held.audio_output_price, \
         held.image_input_price, held.image_output_price, held.image_price, held.audio_second_price, \
         held.character_price, held.search_price, held.tiers) IS NOT (fresh.value ->> 'mode', fresh.value ->> 'context_window', \
         fresh.value ->> 'max_output_tokens', coalesce(fresh.value ->> 'capabilities', '[]'), \
         fresh.value ->> 'input_price', fresh.value ->> 'output_price', fresh.value ->> 'cached_input_price', \
         fresh.value ->> 'cache_write_price', fresh.value ->> 'cache_write_1h_price', \
         fresh.value ->> 'reasoning_price', fresh.value ->> 'audio_input_price', \
         fresh.value ->> 'audio_output_price', fresh.value ->> 'image_input_price', \
         fresh.value ->> 'image_output_price', fresh.value ->> 'image_price', \
         fresh.value ->> 'audio_second_price', fresh.value ->> 'character_price', \
         fresh.value ->> 'search_price', coalesce(fresh.value ->> 'tiers', '[]')) \
         ON CONFLICT DO NOTHING RETURNING kind, model, input_price, output_price",
    )
    .bind(rows)
    .bind(now)
}

/// Makes the isolates drop their prices, where a row was begun at all.
fn count_version(now: Millis) -> Statement {
    Statement::new(
        "UPDATE config_version SET version = version + 1 WHERE EXISTS \
         (SELECT 1 FROM models WHERE user_id = '' AND source = 'refresh' AND effective_from = ?1)",
    )
    .bind(now)
}

fn remember(source: &Source, now: Millis) -> Statement {
    Statement::new(
        "INSERT INTO settings (name, value, updated_at) VALUES (?1, ?2, ?3) \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
    )
    .bind(SETTING)
    .bind(tree_of(source).to_string())
    .bind(now)
}

/// The rows as JSON arrays of at most [`CHUNK`] bytes, each row with its id.
fn chunks(models: &[Model], now: Millis) -> Vec<String> {
    #[derive(Serialize)]
    struct Identified<'a> {
        id: String,
        #[serde(flatten)]
        model: &'a Model,
    }
    let mut chunks: Vec<String> = Vec::new();
    for model in models {
        // A row is plain data, which always serialises.
        let Ok(row) = serde_json::to_string(&Identified { id: id(model, now), model }) else { continue };
        match chunks.last_mut().filter(|chunk| chunk.len() + row.len() < CHUNK) {
            Some(chunk) => {
                chunk.push(',');
                chunk.push_str(&row);
            }
            None => chunks.push(format!("[{row}")),
        }
    }
    chunks.iter_mut().for_each(|chunk| chunk.push(']'));
    chunks
}

/// A UUID (version 8: made by hashing) that follows from kind, model and date, as `scripts/seed.mjs` makes it.
fn id(model: &Model, now: Millis) -> String {
    let hash = sha256_hex(&format!("{}\0{}\0{}", model.kind, model.model, now.0));
    let part = |from: usize, to: usize| hash.get(from..to).unwrap_or_default();
    format!("{}-{}-8{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_one_that_seeding_would_give() {
        let model = Model { kind: "openai", model: "gpt-4o".into(), ..Model::default() };
        assert_eq!(id(&model, Millis(0)), "58f6f315-9fc1-8ba1-8b3c-80a1e9f90400");
        assert_ne!(id(&model, Millis(0)), id(&model, Millis(1)));
    }

    #[test]
    fn chunks_are_whole_arrays_below_their_size() {
        let name = |index: usize| format!("{index:0200}");
        let models: Vec<_> = (0..6_000)
            .map(|index| Model { kind: "openai", model: name(index), ..Model::default() })
            .collect();
        let chunks = chunks(&models, Millis(1));
        assert!(chunks.len() > 1 && chunks.iter().all(|chunk| chunk.len() <= CHUNK));
        let rows: Vec<serde_json::Value> =
            chunks.iter().flat_map(|chunk| serde_json::from_str::<Vec<_>>(chunk).unwrap()).collect();
        assert!(
            rows.iter().enumerate().all(|(index, row)| row["model"] == name(index)) && rows.len() == 6_000
        );
    }

    #[test]
    fn the_summary_names_what_moved() {
        let begun = Begun {
            kind: "openai".into(),
            model: "gpt-4o".into(),
            input_price: Some(Price(2_500_000_000)),
            output_price: None,
        };
        let report = Report { models: 2, begun: vec![begun] };
        assert_eq!(report.summary(), "2 models listed, 1 rows begun: openai/gpt-4o 2.5/?");
    }
}

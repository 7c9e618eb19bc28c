//! The catalogue over the project's schema: it is generated as committed, and a refresh versions what moved and no more.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what stands around the tests may fail like the tests"
)]

#[path = "support/sqlite.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared with the stories of the management plane")]
mod sqlite;

use edgeway::catalog::refresh::{self, PINNED, Report, Source};
use edgeway::catalog::{self, CatalogError};
use edgeway::cost::{self, Prices};
use edgeway::store::{Statement, Store};
use edgeway::time::Millis;
use futures::executor::block_on;
use serde_json::{Value, json};
use sqlite::{Health, Sqlite};
use std::path::{Path, PathBuf};

const URL: &str = "https://prices.test/list.json";
const NOW: Millis = Millis(1_800_000_000_000);

/// The lists that the committed catalogue was made of; they stay outside the project.
fn source(name: &str) -> Option<Vec<u8>> {
    let folder = std::env::var_os("EDGEWAY_PRICES")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/prices"), PathBuf::from);
    let content = std::fs::read(folder.join(name)).ok();
    if content.is_none() {
        println!("skipped: no {name} at {}; EDGEWAY_PRICES may name the folder", folder.display());
    }
    content
}

fn litellm() -> Option<Vec<u8>> {
    source("litellm-1.109.1.model_prices.json")
}

fn committed() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog/models.json")).unwrap()
}

/// Puts rows into the database as `scripts/seed.mjs` does.
fn seed(database: &Sqlite, rows: &str) {
    let statement = "INSERT INTO models SELECT (value ->> 'kind') || (value ->> 'model') || coalesce(value ->> 'effective_from', 0), \
         '', value ->> 'kind', value ->> 'model', coalesce(value ->> 'mode', 'chat'), value ->> 'context_window', \
         value ->> 'max_output_tokens', coalesce(value ->> 'capabilities', '[]'), value ->> 'input_price', \
         value ->> 'output_price', value ->> 'cached_input_price', value ->> 'cache_write_price', \
         value ->> 'cache_write_1h_price', value ->> 'reasoning_price', value ->> 'audio_input_price', \
         value ->> 'audio_output_price', value ->> 'image_input_price', value ->> 'image_output_price', \
         value ->> 'image_price', value ->> 'audio_second_price', value ->> 'character_price', \
         value ->> 'search_price', coalesce(value ->> 'tiers', '[]'), coalesce(value ->> 'effective_from', 0), \
         'catalog', 0 FROM json_each(?1)";
    database.0.execute(statement, [rows]).unwrap();
}

/// A small list of LiteLLM's form: every pinned model, and as many others.
fn list() -> Value {
    let entry = |kind: &str| {
        json!({ "litellm_provider": kind, "mode": "chat", "max_input_tokens": 1000,
                "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "supports_vision": true })
    };
    let pinned = PINNED.iter().map(|[kind, model]| (format!("{kind}/{model}"), entry(kind)));
    let others = (0..PINNED.len()).map(|index| (format!("ollama/other-{index}"), entry("ollama")));
    Value::Object(pinned.chain(others).collect())
}

/// A database that was seeded with that list.
fn seeded() -> Sqlite {
    let database = Sqlite::new();
    let models = catalog::litellm::models(list().to_string().as_bytes()).unwrap();
    seed(&database, &catalog::format(&models).unwrap());
    database
}

fn take_over(database: &Sqlite, list: &Value, now: Millis) -> Result<Report, CatalogError> {
    block_on(refresh::refresh(database, list.to_string().as_bytes(), URL, Some("\"1\"".into()), now))
}

fn names(report: &Report) -> Vec<&str> {
    report.begun.iter().map(|begun| begun.model.as_str()).collect()
}

fn version(database: &Sqlite) -> i64 {
    database.0.query_row("SELECT version FROM config_version", [], |row| row.get(0)).unwrap()
}

/// `effective_from`, source and input price of all rows of a model, the oldest first.
fn rows(database: &Sqlite, model: &str) -> Vec<(i64, String, Option<i64>)> {
    let sql =
        "SELECT effective_from, source, input_price FROM models WHERE model = ?1 AND user_id = '' ORDER BY 1";
    let mut prepared = database.0.prepare(sql).unwrap();
    let rows = prepared.query_map([model], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

fn price(database: &Sqlite, kind: &str, model: &str, at: Millis) -> i64 {
    let found: Option<Prices> = block_on(database.first(cost::find("", kind, model, at))).unwrap();
    found.unwrap().input_price.unwrap().0
}

#[test]
fn the_committed_catalogue_is_what_its_sources_give() {
    let (Some(litellm), Some(genai)) = (litellm(), source("genai-prices.v2.data.json")) else { return };
    let made = catalog::format(&catalog::compose(&litellm, &genai).unwrap()).unwrap();
    for (made, committed) in made.lines().zip(committed().lines()) {
        assert_eq!(made, committed);
    }
    assert_eq!(made.len(), committed().len());
}

#[test]
fn the_list_that_the_catalogue_was_made_of_changes_nothing() {
    let Some(litellm) = litellm() else { return };
    let database = Sqlite::new();
    seed(&database, &committed());
    let before = version(&database);
    let report = block_on(refresh::refresh(&database, &litellm, URL, None, NOW)).unwrap();
    assert_eq!(names(&report), Vec::<&str>::new());
    assert!(report.models > 1_900, "{}", report.models);
    assert_eq!(version(&database), before);
}

#[test]
fn the_whole_list_fills_an_empty_database_and_is_then_known() {
    let Some(litellm) = litellm() else { return };
    let database = Sqlite::new();
    let refresh = |now| block_on(refresh::refresh(&database, &litellm, URL, None, now)).unwrap();
    let report = refresh(NOW);
    assert_eq!(report.begun.len() as u64, report.models);
    assert_eq!(refresh(NOW.plus(Millis::DAY)).begun, []);
    assert_eq!(price(&database, "openai", "gpt-4o", NOW), 2_500_000_000);
}

#[test]
fn a_price_that_moved_begins_a_row_and_the_old_one_stays() {
    let database = seeded();
    let (mut list, before) = (list(), version(&database));
    list["openai/gpt-4o"]["input_cost_per_token"] = json!(3e-6);
    let report = take_over(&database, &list, NOW).unwrap();
    assert_eq!(names(&report), ["gpt-4o"]);
    assert_eq!(
        rows(&database, "gpt-4o"),
        [(0, "catalog".into(), Some(1_000_000_000)), (NOW.0, "refresh".into(), Some(3_000_000_000))]
    );
    assert_eq!(price(&database, "openai", "gpt-4o", Millis(NOW.0 - 1)), 1_000_000_000);
    assert_eq!(price(&database, "openai", "gpt-4o", NOW), 3_000_000_000);
    assert_eq!(version(&database), before + 1, "counted once");

    let again = take_over(&database, &list, NOW.plus(Millis::DAY)).unwrap();
    assert_eq!((again.models, names(&again)), (30, vec![]));
    assert_eq!(version(&database), before + 1, "and not for nothing");
}

#[test]
fn limits_capabilities_and_tiers_are_followed_too() {
    for (field, value) in [
        ("max_input_tokens", json!(2000)),
        ("supports_vision", json!(false)),
        ("input_cost_per_token_above_200k_tokens", json!(2e-6)),
        ("cache_read_input_token_cost", json!(5e-7)),
        ("mode", json!("responses")),
    ] {
        let (database, mut list) = (seeded(), list());
        list["openai/gpt-5"][field] = value;
        assert_eq!(names(&take_over(&database, &list, NOW).unwrap()), ["gpt-5"], "{field}");
    }
}

#[test]
fn a_new_model_is_added_a_withdrawn_one_stays_and_own_prices_are_nobodys_business() {
    let database = seeded();
    let own = "INSERT INTO models (id, user_id, kind, model, input_price, effective_from, source, updated_at) \
               VALUES ('own', 'ada', 'openai', 'gpt-5', 7, 0, 'override', 0)";
    block_on(database.run(Statement::new(own))).unwrap();
    let mut list = list();
    list["openai/brand-new"] = list["openai/gpt-4o"].clone();
    list.as_object_mut().unwrap().remove("openai/gpt-4o").unwrap();
    assert_eq!(names(&take_over(&database, &list, NOW).unwrap()), ["brand-new"]);
    assert_eq!(rows(&database, "gpt-4o").len(), 1);
    assert_eq!(rows(&database, "gpt-5").len(), 1);
}

#[test]
fn what_is_not_plausible_is_refused_whole() {
    let far = |price: f64| {
        let mut list = list();
        list["openai/gpt-4o"]["output_cost_per_token"] = json!(price);
        list["ollama/other-1"]["input_cost_per_token"] = json!(1.5e-6);
        list
    };
    let mut unpriced = list();
    unpriced["anthropic/claude-sonnet-4-5"].as_object_mut().unwrap().remove("input_cost_per_token").unwrap();
    let mut short = list();
    short.as_object_mut().unwrap().retain(|key, _| !key.starts_with("ollama"));
    for (what, list) in [
        ("five times dearer and more", far(1.1e-5)),
        ("five times cheaper and more", far(3.9e-7)),
        ("free", far(0.0)),
        ("without its price", unpriced),
        ("half of it", short),
        ("nothing of it", json!({})),
        ("something else", json!([1])),
    ] {
        let database = seeded();
        let before = version(&database);
        // A list that was taken over before is the measure of the next.
        take_over(&database, &self::list(), Millis(1)).unwrap();
        let count = |database: &Sqlite| {
            database.0.query_row("SELECT count(*) FROM models", [], |row| row.get::<_, i64>(0)).unwrap()
        };
        let held = count(&database);
        let refused = take_over(&database, &list, NOW).unwrap_err();
        assert!(!matches!(refused, CatalogError::Store(_)), "{what}: {refused}");
        assert_eq!((count(&database), version(&database)), (held, before), "{what}");
    }
    let database = seeded();
    assert_eq!(
        names(&take_over(&database, &far(9e-6), NOW).unwrap()).len(),
        2,
        "below five times is a price"
    );
}

#[test]
fn the_first_list_is_measured_by_what_was_seeded() {
    let database = seeded();
    let (mut list, mut kept) = (list(), 0);
    list.as_object_mut().unwrap().retain(|key, _| {
        kept += i32::from(key.starts_with("ollama"));
        !key.starts_with("ollama") || kept <= 3
    });
    let refused = take_over(&database, &list, NOW).unwrap_err();
    assert_eq!(refused, CatalogError::TooFew { listed: 18, held: 30 });
}

#[test]
fn where_the_list_came_from_is_remembered_without_counting_as_a_change() {
    let database = seeded();
    assert_eq!(block_on(refresh::last(&database)).unwrap(), None);
    let before = version(&database);
    take_over(&database, &list(), NOW).unwrap();
    let source = Source { url: URL.into(), etag: Some("\"1\"".into()), models: 30 };
    assert_eq!(block_on(refresh::last(&database)).unwrap(), Some(source));
    assert_eq!(version(&database), before);
}

#[test]
fn a_database_that_fails_is_said_to_fail() {
    let database = seeded();
    database.1.set(Health::Fails);
    assert!(matches!(take_over(&database, &list(), NOW), Err(CatalogError::Store(_))));
}

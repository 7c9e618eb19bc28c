//! Every statement of the code is prepared against the schema, and those that read much use an index.
//!
//! Whole statements are found in the sources themselves: a string that begins with a verb of SQL, be it after a line break. Those that are put
//! together from fragments are asked of the functions that do it, in every combination of filters.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what stands around the tests may fail like the tests"
)]

#[path = "support/sqlite.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared with the stories of the management plane")]
mod sqlite;

use edgeway::api::logs::summary::{self, GROUPS};
use edgeway::api::models::{self, SORTS};
use edgeway::api::page::Page;
use edgeway::api::{activity, keys, logs, metrics, probe, provider_keys, providers, routers, rules};
use edgeway::call::replay;
use edgeway::call::stored::{list, rows};
use edgeway::catalog::refresh;
use edgeway::config::{Snapshot, load};
use edgeway::log::retention;
use edgeway::store::{Statement, Value};
use edgeway::time::Millis;
use edgeway::{alert, call, cost, log};
use serde_json::json;
use sqlite::Sqlite;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const VERBS: &[&str] = &["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH ", "REPLACE ", "PRAGMA "];

/// The string literals of the sources that begin with a verb, with the file that holds them.
fn literals() -> Vec<(String, String)> {
    let mut found = Vec::new();
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found
}

fn visit(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let own = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        for verb in VERBS {
            for (at, _) in own.match_indices(verb) {
                let before = own.split_at(at).0.trim_end_matches(|c: char| c.is_whitespace() || c == '\\');
                let literal = before.ends_with('"').then(|| unquote(own.split_at(before.len()).1));
                if let Some(literal) = literal.filter(|literal| literal != verb) {
                    found.push((path.display().to_string(), literal));
                }
            }
        }
    }
}

/// The literal that begins here, its escapes resolved.
fn unquote(text: &str) -> String {
    let (mut literal, mut characters) = (String::new(), text.chars().peekable());
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => match characters.next() {
                Some('\n') => while characters.next_if(|next| next.is_whitespace()).is_some() {},
                Some(escaped) => literal.push(escaped),
                None => break,
            },
            plain => literal.push(plain),
        }
    }
    literal
}

#[test]
fn every_statement_in_the_sources_can_be_prepared() {
    let database = Sqlite::new();
    let literals = literals();
    assert!(literals.len() > 50, "only {} statements were found", literals.len());
    for file in [
        "api/keys.rs",
        "auth/login.rs",
        "call/models.rs",
        "replay/rows.rs",
        "stored/rows.rs",
        "cost/find.rs",
        "log.rs",
        "log/retention.rs",
    ] {
        assert!(literals.iter().any(|(path, _)| path.ends_with(file)), "no statement was found in {file}");
    }
    for (file, sql) in literals {
        if file.ends_with("limit/rows.rs") {
            continue; // a ledger has a schema of its own; tests/limit.rs runs these
        }
        if sql.contains('{') && !sql.contains("'{}'") {
            let may = ["config/load.rs", "api/key_change.rs", "call/limits.rs"]
                .iter()
                .any(|name| file.ends_with(name));
            assert!(may, "{file} formats a statement: {sql}");
            continue; // they are prepared below
        }
        if let Err(error) = database.0.prepare(&sql) {
            panic!("{file}: {error} in {sql}");
        }
    }
}

fn check(database: &Sqlite, statement: &Statement) {
    let prepared = database.0.prepare(&statement.sql);
    let prepared = prepared.unwrap_or_else(|error| panic!("{error} in {}", statement.sql));
    assert_eq!(prepared.parameter_count(), statement.parameters.len(), "{}", statement.sql);
}

#[test]
fn a_key_is_compiled_by_its_hashes() {
    let database = Sqlite::new();
    for statement in load::statements("hash", Millis(1)) {
        check(&database, &statement);
        let plan = plan(&database, &statement);
        for table in ["gateway_keys", "routers", "rules", "providers", "k"] {
            assert!(!plan.contains(&format!("SCAN {table}")), "{}\n{plan}", statement.sql);
        }
    }
    let of_user = load::user_statements("id");
    for statement in load::static_statements().iter().chain(&load::router_statements("id")).chain(&of_user) {
        check(&database, statement);
    }
}

#[test]
fn what_calls_and_their_logs_need_is_bound_as_it_is_written() {
    let database = Sqlite::new();
    let catalogue = call::models::select(&Snapshot::default(), "", &BTreeMap::new());
    let price = cost::find("user", "openai", "gpt-5", Millis(1));
    let own = [load::version(), catalogue, price];
    let inserts =
        [log::Table::Records, log::Table::Bodies].map(|table| Statement::new(table.insert()).bind("[]"));
    for statement in own.iter().chain(&inserts).chain(&retention::bite(Millis(1), 30)) {
        check(&database, statement);
    }
}

fn plan(database: &Sqlite, statement: &Statement) -> String {
    let mut prepared = database.0.prepare(&format!("EXPLAIN QUERY PLAN {}", statement.sql)).unwrap();
    let parameters = statement.parameters.iter().map(|value| match value {
        Value::Null => rusqlite::types::Value::Null,
        Value::Integer(number) => (*number).into(),
        Value::Text(text) => text.clone().into(),
    });
    let rows =
        prepared.query_map(rusqlite::params_from_iter(parameters), |row| row.get::<_, String>(3)).unwrap();
    rows.map(Result::unwrap).collect::<Vec<_>>().join("\n")
}

/// No table is read from end to end, and nothing is sorted that an index could have sorted.
#[track_caller]
fn uses_an_index(database: &Sqlite, statement: &Statement, may_sort: bool) {
    check(database, statement);
    let plan = plan(database, statement);
    for line in plan.lines() {
        // A list that is a parameter is read from end to end, of course.
        let scan = line.starts_with("SCAN ") && !line.contains("VIRTUAL TABLE");
        assert!(!scan && (may_sort || !line.contains("TEMP B-TREE")), "{}\n{plan}", statement.sql);
    }
}

/// `value` where the bit is set: so that a counter runs through all combinations.
fn on(bits: u32, bit: u32, value: &str) -> Option<String> {
    (bits & (1 << bit) != 0).then(|| value.to_owned())
}

#[test]
fn calls_are_listed_by_an_index_whatever_is_asked() {
    let database = Sqlite::new();
    for bits in 0..1 << 9 {
        let filter = logs::Filter {
            scope: on(bits, 0, "user"),
            key_id: on(bits, 1, "key"),
            provider: on(bits, 2, "openai"),
            model: on(bits, 3, "gpt-5"),
            status: match (bits & 1 << 4, bits & 1 << 5) {
                (0, _) => None,
                (_, 0) => Some((404, 405)),
                _ => Some((400, 500)),
            },
            since: on(bits, 6, "").map(|_| Millis(1)),
            until: on(bits, 7, "").map(|_| Millis(2)),
            search: on(bits, 8, "text"),
            is_bounded: true,
        };
        for cursor in [None, Some("0199".to_owned())] {
            uses_an_index(&database, &logs::listing(&filter, &Page { limit: 50, cursor }), false);
        }
    }
}

#[test]
fn activities_are_listed_by_an_index_whatever_is_asked() {
    let database = Sqlite::new();
    for bits in 0..1 << 6 {
        let filter = activity::Filter {
            scope: on(bits, 0, "user"),
            action: on(bits, 1, "").map(|_| activity::Action::Add),
            provider: on(bits, 2, "openai"),
            since: on(bits, 3, "").map(|_| Millis(1)),
            until: on(bits, 4, "").map(|_| Millis(2)),
            page: Page { limit: 50, cursor: on(bits, 5, "0199") },
        };
        uses_an_index(&database, &activity::entries(&filter), false);
    }
}

#[test]
fn a_ledger_compares_its_calls_with_the_log_by_their_ids() {
    let database = Sqlite::new();
    uses_an_index(&database, &edgeway::call::limits::compare(&[]), false);
    let passed = edgeway::call::limits::passed("owner", "");
    uses_an_index(&database, &passed, false);
    let plan = plan(&database, &passed);
    assert!(plan.contains("request_logs_past_ledger"), "{plan}");
    uses_an_index(&database, &edgeway::call::limits::counted(&[]), false);
}

#[test]
fn summaries_read_the_rollups_by_an_index() {
    let database = Sqlite::new();
    for bits in 0..1 << 4 {
        let filter = summary::Filter {
            scope: on(bits, 0, "user"),
            key_id: on(bits, 1, "key"),
            provider: on(bits, 2, "openai"),
            model: on(bits, 3, "gpt-5"),
            since: Millis(1),
            until: Millis(2),
        };
        for group in GROUPS {
            for until in [Millis(2), Millis(30 * Millis::DAY.0)] {
                let statement = summary::statement(&summary::Filter { until, ..filter.clone() }, group);
                check(&database, &statement);
                let plan = plan(&database, &statement);
                assert!(!plan.contains("SCAN usage_"), "{}\n{plan}", statement.sql);
                assert!(!statement.sql.contains("request_logs"));
            }
        }
    }
}

#[test]
fn a_scrape_reads_its_counters_and_no_calls() {
    let database = Sqlite::new();
    for statement in metrics::families::statements(Millis(1)) {
        check(&database, &statement);
        let plan = plan(&database, &statement);
        let scans = plan.lines().filter(|line| line.starts_with("SCAN ") || line.starts_with("SEARCH "));
        for line in scans {
            let table = line.split(' ').nth(1).unwrap();
            let is_counted = table.starts_with("metric_") || table.starts_with('(') || table == "CONSTANT";
            assert!(is_counted, "{}\n{plan}", statement.sql);
        }
    }
    check(&database, &metrics::owners());
    check(&database, &metrics::health::open_calls(Millis(1)));
    check(&database, &metrics::health::delivered_late(1, 1));
    for statement in metrics::health::report("isolate", 1, Millis(1), Millis(2)) {
        check(&database, &statement);
    }
}

/// The statements of a trigger, with values in place of what it is fired with.
fn body(database: &Sqlite, trigger: &str) -> Vec<String> {
    let sql: String = database
        .0
        .query_row("SELECT sql FROM sqlite_schema WHERE name = ?1", [trigger], |row| row.get(0))
        .unwrap();
    let body = sql.split_once("BEGIN").unwrap().1.trim_end().trim_end_matches("END");
    let body: Vec<&str> = body.lines().filter(|line| !line.trim().starts_with("--")).collect();
    let mut statements = Vec::new();
    for statement in body.join("\n").split(';').map(str::trim).filter(|sql| !sql.is_empty()) {
        let mut pieces = statement.split("NEW.");
        let mut sql = pieces.next().unwrap().to_owned();
        for piece in pieces {
            let end = piece.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(piece.len());
            let (name, rest) = piece.split_at(end);
            let is_text =
                ["records", "latencies", "failed", "key_id", "user_id", "provider", "model", "target_model"];
            sql.push_str(if is_text.contains(&name) { "'[]'" } else { "1" });
            sql.push_str(rest);
        }
        statements.push(sql);
    }
    statements
}

#[test]
fn storing_a_batch_searches_by_index() {
    let database = Sqlite::new();
    for (trigger, count) in [
        ("log_batches_store", 3),
        ("log_sums_roll_up", 2),
        ("log_sums_count", 4),
        ("log_sums_alert_unpriced", 1),
        ("log_sums_alert_budget", 2),
    ] {
        let statements = body(&database, trigger);
        assert_eq!(statements.len(), count, "{trigger}");
        for sql in statements {
            let plan = plan(&database, &Statement::new(sql.clone()));
            for table in
                ["request_logs", "metric_labels", "labels", "gateway_keys", "k", "spend", "models", "listed"]
            {
                assert!(!plan.lines().any(|line| line.trim() == format!("SCAN {table}")), "{sql}\n{plan}");
            }
        }
    }
}

#[test]
fn alerts_that_wait_are_found_by_an_index() {
    let database = Sqlite::new();
    let take = alert::take(Millis(1));
    check(&database, &take);
    let plan = plan(&database, &take);
    assert!(plan.contains("alerts_to_send") && !plan.contains("SCAN alerts"), "{plan}");
}

#[test]
fn resources_are_listed_by_an_index() {
    let database = Sqlite::new();
    for scope in [None, Some("user")] {
        for page in [Page { limit: 50, cursor: None }, Page { limit: 50, cursor: Some("id".into()) }] {
            for statement in [
                providers::listing(scope, &page),
                routers::listing(scope, &page),
                keys::listing(scope, &page),
                provider_keys::listing(scope, None, &page),
            ] {
                uses_an_index(&database, &statement, true);
            }
            check(&database, &provider_keys::listing(scope, Some("openai"), &page));
        }
    }
    uses_an_index(&database, &rules::of_router("router"), false);
    uses_an_index(&database, &keys::hashes_of("user"), false);
}

#[test]
fn stored_responses_are_found_by_an_index() {
    let database = Sqlite::new();
    for query in ["", "order=asc", "prefix=resp_a", "prefix=resp_a&order=asc"] {
        let page = list::Page::of_responses(query).unwrap();
        for place in [None, Some((Millis(1), "resp_1".to_owned()))] {
            let statement = list::select("owner", &page, place.clone(), place);
            uses_an_index(&database, &statement, query.contains("prefix"));
        }
    }
    for statement in [
        list::find("owner", "resp_1"),
        rows::links("owner", "resp_1"),
        rows::bodies("owner", &["resp_1"]),
        rows::bodies_with_items("owner", &["msg_1"]),
        rows::delete("owner", "resp_1"),
        rows::delete_all("owner"),
        rows::expire(Millis(1)),
    ] {
        check(&database, &statement);
        let plan = plan(&database, &statement);
        for table in ["responses", "old", "later", "earlier", "chunk", "response_chunks", "response_items"] {
            let scans = plan.lines().any(|line| line.trim() == format!("SCAN {table}"));
            assert!(!scans, "{}\n{plan}", statement.sql);
        }
    }
    let row = rows::Row { owner: "owner", id: "resp_1", ..rows::Row::default() };
    for statement in rows::insert(&row, "\"x\"", "{}", &["msg_1".to_owned()]) {
        check(&database, &statement);
    }
}

#[test]
fn replays_are_found_by_an_index() {
    let database = Sqlite::new();
    let asked = replay::Asked { endpoint: "chat", model: "m", stream: false, body: b"{}" };
    let claim = replay::Claim::new("caller", "key", asked, "holder");
    let answer = replay::Answer { status: 200, body: b"{}".to_vec(), ..replay::Answer::default() };
    let others = [
        replay::rows::renew(&claim, Millis(1)),
        replay::rows::release(&claim),
        replay::rows::expire(Millis(1)),
    ];
    let keeps = replay::rows::keep(&claim, &answer, Millis(1));
    for statement in replay::rows::claim(&claim, Millis(1)).iter().chain(&keeps).chain(&others) {
        check(&database, statement);
        let plan = plan(&database, statement);
        assert!(
            !plan.contains("SCAN replays") && !plan.contains("SCAN replay_chunks"),
            "{}\n{plan}",
            statement.sql
        );
        assert!(!plan.contains("TEMP B-TREE"), "{}\n{plan}", statement.sql);
    }
}

#[test]
fn models_are_listed_whatever_is_asked() {
    let database = Sqlite::new();
    for bits in 0..1 << 6 {
        for sort in SORTS {
            let filter = models::Filter {
                user_id: "user".into(),
                search: on(bits, 0, "gpt"),
                provider: on(bits, 1, "openai"),
                capability: on(bits, 2, "tools"),
                free: match bits & 0b11_000 {
                    0b01_000 => Some(true),
                    0b11_000 => Some(false),
                    _ => None,
                },
                sort,
                descending: bits & 1 << 5 != 0,
                limit: 50,
                after: on(bits, 3, "id").map(|id| (json!(1), id)),
            };
            check(&database, &models::listing(&filter, Millis(1)));
        }
    }
    check(&database, &models::counts("user", Millis(1)));
    check(&database, &probe::stored(Millis(1)));
}

#[test]
fn the_schema_may_be_applied_again() {
    let database = Sqlite::new();
    database.0.execute_batch(sqlite::SCHEMA).unwrap();
    let version: i64 =
        database.0.query_row("SELECT version FROM config_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 1);
}

#[test]
fn a_refresh_finds_what_is_held_by_an_index() {
    let database = Sqlite::new();
    let statement = refresh::begin("[]".into(), Millis(1));
    check(&database, &statement);
    let plan = plan(&database, &statement);
    assert!(!plan.contains("SCAN models") && !plan.contains("SCAN held"), "{plan}");
}

/// wrangler's splitter does not find the end of a trigger behind `END,` or `END)`: all that follows is one statement to it.
#[test]
fn no_trigger_has_a_case() {
    assert!(!sqlite::SCHEMA.split_whitespace().any(|word| word == "CASE"), "write iif()");
}

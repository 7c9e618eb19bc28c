//! Logs, their summary and their export.

use crate::world::{NOW, World};
use edgeway::log::{Attempt, Record, encode};
use edgeway::money::NanoUsd;
use edgeway::time::Millis;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn store(world: &World, records: &[Record]) {
    let texts: Vec<_> = records.iter().map(encode).collect();
    world.store.store_logs(&texts);
}

fn record(user_id: &str, number: u8) -> Record {
    let at = Millis(NOW.0 - 3 * Millis::DAY.0 + i64::from(number) * Millis::HOUR.0);
    Record {
        id: edgeway::identifier::new_id(at, [number; 10]),
        created_at: at,
        user_id: user_id.into(),
        key_id: format!("key-{}", number % 2),
        endpoint: "chat.completions".into(),
        dialect: "chat".into(),
        model: if number.is_multiple_of(3) { "claude" } else { "gpt-5" }.into(),
        provider: if number.is_multiple_of(3) { "anthropic" } else { "openai" }.into(),
        target_model: "target".into(),
        status: [200, 200, 429, 500][usize::from(number) % 4],
        error: (number % 4 > 1).then(|| "Overloaded".into()),
        input_tokens: 10,
        output_tokens: 4,
        cost: NanoUsd(1_500_000),
        priced: true,
        latency_ms: 100 * (i64::from(number) + 1),
        ..Record::default()
    }
}

fn filled() -> (World, String) {
    let world = World::new();
    let id = world.admin().get("/api/auth/me").expect(200)["id"].as_str().unwrap().to_owned();
    store(&world, &(0..12).map(|number| record(&id, number)).collect::<Vec<_>>());
    (world, id)
}

fn count(list: &Value) -> usize {
    list["data"].as_array().unwrap().len()
}

#[test]
fn calls_are_listed_newest_first_and_filtered() {
    let (world, _) = filled();
    let admin = world.admin();
    for (query, expected) in [
        ("", 12),
        ("key_id=key-1", 6),
        ("provider=anthropic", 4),
        ("model=gpt-5", 8),
        ("status=429", 3),
        ("status=4xx", 3),
        ("status=2xx", 6),
        ("status=5xx&provider=anthropic", 1),
        ("search=overLOADED", 6),
        ("search=claude", 4),
        ("search=%25", 0),
        ("since=2026-11-17T18:00:00Z", 7),
        ("until=2026-11-17T18:00:00Z", 5),
        ("since=2026-11-17T20:00:00%2B02:00", 7),
        ("since=2026-11-17T14:00:00Z&until=2026-11-17T16:00:00Z&key_id=key-1", 1),
        ("since=2030-01-01", 0),
    ] {
        let list = admin.get(&format!("/api/logs?{query}")).expect(200);
        assert_eq!(count(&list), expected, "{query}");
        let ids: Vec<_> = list["data"].as_array().unwrap().iter().map(|row| row["id"].as_str()).collect();
        assert!(ids.is_sorted_by(|a, b| a > b), "newest first: {query}");
    }
    let all = admin.get("/api/logs").expect(200);
    let id = all["data"][7]["id"].as_str().unwrap();
    let found = admin.get(&format!("/api/logs?search={id}&limit=1")).expect(200);
    assert_eq!((count(&found), found["data"][0]["id"].as_str()), (1, Some(id)));
    for (query, field) in [("status=abc", "status"), ("since=soon", "since"), ("limit=1000", "limit")] {
        assert_eq!(admin.get(&format!("/api/logs?{query}")).refused(400), field);
    }
    let first = admin.get("/api/logs?limit=5").expect(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = admin.get(&format!("/api/logs?limit=7&cursor={cursor}")).expect(200);
    assert_eq!((count(&first), count(&second), &second["next_cursor"]), (5, 7, &json!(null)));
}

#[test]
fn a_call_is_shown_with_its_attempts_and_bodies() {
    let (world, id) = filled();
    let attempt = Attempt { provider: "openai".into(), status: Some(500), ..Attempt::default() };
    let full = Record {
        id: "0199ffff-0000-7000-8000-000000000000".into(),
        attempts: vec![attempt],
        metadata: BTreeMap::from([("team".to_owned(), "red".to_owned())]),
        request_body: Some(r#"{"model":"gpt-5"}"#.into()),
        response_body: Some("data: hello".into()),
        ..record(&id, 50)
    };
    store(&world, &[full]);
    let shown = world.admin().get("/api/logs/0199ffff-0000-7000-8000-000000000000").expect(200);
    assert_eq!(shown["attempts"][0]["status"], 500);
    assert_eq!(shown["metadata"], json!({ "team": "red" }));
    assert_eq!(shown["request_body"], json!({ "model": "gpt-5" }));
    assert_eq!(shown["response_body"], "data: hello");
    assert_eq!(
        (&shown["cost"], &shown["priced"], &shown["stream"]),
        (&json!(0.0015), &json!(true), &json!(false))
    );
    assert_eq!((&shown["end"], &shown["usage_source"]), (&json!("done"), &json!("none")));
    let member = world.member("mia");
    assert_eq!(member.get("/api/logs/0199ffff-0000-7000-8000-000000000000").status, 404);
    assert_eq!(count(&member.get("/api/logs").expect(200)), 0);
}

#[test]
fn a_summary_sums_and_splits() {
    let (world, _) = filled();
    let admin = world.admin();
    let by_provider = admin.get("/api/logs/summary?group_by=provider").expect(200);
    let totals = &by_provider["totals"];
    assert_eq!((&totals["requests"], &totals["errors"]), (&json!(12), &json!(6)));
    assert_eq!((&totals["input_tokens"], &totals["cost"]), (&json!(120), &json!(0.018)));
    let p50 = totals["p50_latency_ms"].as_i64().unwrap();
    assert!((540..=660).contains(&p50), "{p50}");
    assert!(totals.get("group").is_none());
    let series = by_provider["series"].as_array().unwrap();
    assert_eq!((&series[0]["group"], &series[0]["requests"]), (&json!("anthropic"), &json!(4)));
    let p95 = series[0]["p95_latency_ms"].as_i64().unwrap();
    assert!((900..=1100).contains(&p95), "{p95}");

    for (query, groups, requests) in [
        ("group_by=day", 2, 12),
        ("", 2, 12),
        ("group_by=hour", 12, 12),
        ("group_by=model", 2, 12),
        ("group_by=key", 2, 12),
        ("group_by=key&key_id=key-1", 1, 6),
        ("group_by=hour&since=2026-11-17T18:30:00Z", 7, 7),
        ("group_by=hour&until=2026-11-17T18:30:00Z", 6, 6),
        ("group_by=hour&since=2030-01-01&until=2031-01-01", 0, 0),
    ] {
        let summary = admin.get(&format!("/api/logs/summary?{query}")).expect(200);
        assert_eq!(summary["series"].as_array().unwrap().len(), groups, "{query}");
        assert_eq!(summary["totals"]["requests"], requests, "{query}");
    }
    let days = admin.get("/api/logs/summary?group_by=day").expect(200);
    assert_eq!(days["series"][0]["group"], "2026-11-17");
    assert_eq!(admin.get("/api/logs/summary?group_by=mood").refused(400), "group_by");
    let none = world.member("mia").get("/api/logs/summary").expect(200);
    assert_eq!((&none["totals"]["requests"], &none["totals"]["p50_latency_ms"]), (&json!(0), &json!(null)));
}

#[test]
fn an_export_goes_on_past_its_first_page_and_is_no_formula() {
    let world = World::new();
    let id = world.admin().get("/api/auth/me").expect(200)["id"].as_str().unwrap().to_owned();
    let mut records: Vec<Record> = (0..1200_u16)
        .map(|number| {
            let mut random = [0; 10];
            random[..2].copy_from_slice(&number.to_be_bytes());
            Record { id: edgeway::identifier::new_id(NOW, random), ..record(&id, 1) }
        })
        .collect();
    records[7].model = "=cmd|'/C calc'!A0".into();
    store(&world, &records);
    let admin = world.admin();
    let csv = admin.get("/api/logs/export?format=csv");
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(csv.text.lines().count(), 1201);
    assert!(csv.text.starts_with("id,created_at,key_id,"));
    assert!(csv.text.contains(",\"'=cmd|"), "a formula is disarmed");
    let lines = admin.get("/api/logs/export?format=ndjson&model=gpt-5").text;
    assert_eq!(lines.lines().count(), 1199);
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(last["id"], records[0].id);
    assert_eq!(world.member("mia").get("/api/logs/export?format=ndjson").text, "");
    assert_eq!(admin.get("/api/logs/export?format=xml").refused(400), "format");
}

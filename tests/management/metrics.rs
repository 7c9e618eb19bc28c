//! `GET /metrics`: who may read it, and that it counts each call once and forgets none.

use crate::world::{Answer, NOW, Sent, World};
use base64::Engine;
use edgeway::api::Platform;
use edgeway::api::metrics::health;
use edgeway::identifier::new_id;
use edgeway::limit::message::Reserve;
use edgeway::limit::{Amounts, Message};
use edgeway::log::{Attempt, End, Record, encode, retention};
use edgeway::money::NanoUsd;
use edgeway::store::Store;
use edgeway::time::Millis;
use futures::executor::block_on;
use serde_json::json;
use std::collections::BTreeMap;

fn scrape(world: &World, credentials: Option<(&str, &str)>) -> Answer {
    let header = credentials.map(|(name, password)| {
        let text = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
        ("authorization", format!("Basic {text}"))
    });
    world.send(Sent {
        method: "GET",
        target: "/metrics",
        headers: header.into_iter().collect(),
        body: vec![],
    })
}

/// The samples, by name and labels.
#[track_caller]
fn samples(world: &World) -> BTreeMap<String, f64> {
    let answer = scrape(world, Some(("admin", "the first password")));
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let lines = answer.text.lines().filter(|line| !line.starts_with('#'));
    let pair = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    lines.map(pair).collect()
}

fn call(number: u8, model: &str, status: u16) -> Record {
    Record {
        id: new_id(NOW, [number; 10]),
        created_at: NOW,
        endpoint: "chat.completions".into(),
        model: format!("asked-{model}"),
        target_model: model.into(),
        provider: "p".into(),
        status,
        attempts: vec![Attempt { provider: "p".into(), status: Some(status), ..Attempt::default() }],
        priced: true,
        ..Record::default()
    }
}

fn store(world: &World, records: &[Record]) {
    let encoded: Vec<_> = records.iter().map(encode).collect();
    world.store.store_logs(&encoded);
}

#[test]
fn only_who_has_the_credentials_may_read() {
    let world = World::with(&[("METRICS_USERNAME", "prometheus"), ("METRICS_PASSWORD", "scrape: it")]);
    world.member("mia");
    for (credentials, status) in [
        (None, 401),
        (Some(("prometheus", "scrape: it")), 200),
        (Some(("prometheus", "scrape: i")), 401),
        (Some(("admin", "scrape: it")), 401),
        (Some(("admin", "the first password")), 200),
        (Some(("mia", "a member's password")), 403),
    ] {
        let answer = scrape(&world, credentials);
        assert_eq!(answer.status, status, "{credentials:?}: {}", answer.text);
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{credentials:?}");
    }
    for header in ["Basic", "Basic ?", "Bearer x", "Basic bm9jb2xvbg==", "Basic /w=="] {
        let headers = vec![("authorization", header.to_owned())];
        let answer = world.send(Sent { method: "GET", target: "/metrics", headers, body: vec![] });
        assert_eq!(answer.status, 401, "{header}");
    }
}

#[test]
fn guessing_the_password_is_throttled() {
    let world = World::new();
    for _ in 0..10 {
        assert_eq!(scrape(&world, Some(("admin", "a guess"))).status, 401);
    }
    let answer = scrape(&world, Some(("admin", "the first password")));
    assert_eq!((answer.status, answer.header("retry-after").is_some()), (429, true));
}

#[test]
fn every_outcome_is_counted_with_its_labels() {
    let world = World::new();
    let admin = world.admin();
    let key = admin.create("/api/keys", json!({ "name": "web \"shop\"" }));
    let of_key = |record: Record| Record { key_id: key.clone(), ..record };
    let used = Record {
        input_tokens: 10,
        output_tokens: 4,
        cost: NanoUsd(1_500_000),
        latency_ms: 700,
        ..of_key(call(1, "gpt-5", 200))
    };
    let failed = Attempt { provider: "q".into(), error: Some("502".into()), ..Attempt::default() };
    let fell_over = Record {
        attempts: vec![failed.clone(), failed, Attempt { provider: "p".into(), ..Attempt::default() }],
        latency_ms: 70_000,
        ..of_key(call(3, "gpt-5", 200))
    };
    let died = Record { end_reason: End::UpstreamError, ..of_key(call(4, "gpt-5", 200)) };
    let refused = |number, status| Record {
        attempts: vec![],
        target_model: String::new(),
        ..of_key(call(number, "x", status))
    };
    let unpriced = Record { priced: false, ..call(7, "mystery", 200) };
    store(&world, &[used.clone(), Record { id: new_id(NOW, [2; 10]), ..used.clone() }, fell_over, died]);
    // The queue delivers at least once; what is there already counts once.
    store(&world, &[refused(5, 429), refused(6, 402), unpriced, used, of_key(call(8, "gpt-5", 429))]);

    let samples = samples(&world);
    let client = r#"client="web \"shop\"""#;
    for (name, labels, expected) in [
        ("requests_total", format!("{{{client},model=\"gpt-5\",status=\"200\"}}"), 4.0),
        ("requests_total", format!("{{{client},model=\"gpt-5\",status=\"429\"}}"), 1.0),
        ("requests_total", format!("{{{client},model=\"asked-x\",status=\"429\"}}"), 1.0),
        ("requests_total", "{client=\"\",model=\"mystery\",status=\"200\"}".into(), 1.0),
        ("input_tokens_total", format!("{{{client},model=\"gpt-5\"}}"), 20.0),
        ("output_tokens_total", format!("{{{client},model=\"gpt-5\"}}"), 8.0),
        ("cost_usd_total", format!("{{{client},model=\"gpt-5\"}}"), 0.003),
        ("unpriced_requests_total", "{client=\"\",model=\"mystery\"}".into(), 1.0),
        ("unpriced_requests_total", format!("{{{client},model=\"gpt-5\"}}"), 0.0),
        ("upstream_errors_total", format!("{{{client},provider=\"q\"}}"), 2.0),
        ("upstream_errors_total", format!("{{{client},provider=\"p\"}}"), 1.0),
        ("ratelimit_refusals_total", format!("{{{client},reason=\"rate\"}}"), 1.0),
        ("ratelimit_refusals_total", format!("{{{client},reason=\"budget\"}}"), 1.0),
        ("request_duration_seconds_bucket", "{model=\"gpt-5\",le=\"0.5\"}".into(), 2.0),
        ("request_duration_seconds_bucket", "{model=\"gpt-5\",le=\"1\"}".into(), 4.0),
        ("request_duration_seconds_bucket", "{model=\"gpt-5\",le=\"+Inf\"}".into(), 5.0),
        ("request_duration_seconds_count", "{model=\"gpt-5\"}".into(), 5.0),
        ("request_duration_seconds_sum", "{model=\"gpt-5\"}".into(), 71.4),
        ("active_clients", String::new(), 2.0),
        ("log_last_record_timestamp_seconds", String::new(), (NOW.0 + 70_000) as f64 / 1000.0),
    ] {
        let name = format!("ai_gateway_{name}{labels}");
        assert_eq!(samples.get(&name), Some(&expected), "{name}: {samples:#?}");
    }
    world.pass(Millis(10 * Millis::MINUTE.0));
    assert_eq!(self::samples(&world)["ai_gateway_active_clients"], 0.0);
}

#[test]
fn counters_outlive_the_logs_and_the_keys() {
    let world = World::new();
    let admin = world.admin();
    let key = admin.create("/api/keys", json!({ "name": "k" }));
    store(&world, &[Record { key_id: key.clone(), ..call(1, "m", 200) }]);
    let counters = |world: &World| {
        let mut samples = samples(world);
        samples.retain(|name, _| name.contains("_total") || name.contains("_bucket"));
        samples
    };
    let before = counters(&world);
    assert_eq!(before[r#"ai_gateway_requests_total{client="k",model="m",status="200"}"#], 1.0);
    assert_eq!(admin.delete(&format!("/api/keys/{key}")).status, 200);
    let late = NOW.plus(Millis(500 * Millis::DAY.0));
    block_on(world.store.batch(retention::bite(late, 30))).unwrap();
    let left: i64 =
        world.store.0.query_row("SELECT count(*) FROM request_logs", [], |row| row.get(0)).unwrap();
    assert_eq!((left, counters(&world)), (0, before));
}

#[test]
fn invented_models_get_few_series_and_push_no_real_one_out() {
    let world = World::new();
    let invented: Vec<Record> =
        (0..250_u8).map(|number| call(number, &format!("invented-{number}"), 404)).collect();
    store(&world, &invented);
    let real = Record { id: new_id(NOW.plus(Millis(1)), [1; 10]), ..call(0, "real", 200) };
    store(&world, &[real]);
    let samples = samples(&world);
    let series = samples.keys().filter(|name| name.starts_with("ai_gateway_requests_total")).count();
    assert_eq!(series, 102, "a hundred, the real one, and all others");
    assert_eq!(samples[r#"ai_gateway_requests_total{client="",model="other",status="404"}"#], 150.0);
    assert_eq!(samples[r#"ai_gateway_requests_total{client="",model="real",status="200"}"#], 1.0);
}

#[test]
fn calls_under_way_are_those_that_the_ledgers_hold() {
    let world = World::new();
    let admin = world.admin();
    assert_eq!(samples(&world)["ai_gateway_ledgers"], 0.0);
    let key = admin.create("/api/keys", json!({ "name": "k", "rate_limits": { "concurrent": 5 } }));
    let owner = admin.get("/api/auth/me").expect(200)["id"].as_str().unwrap().to_owned();
    for number in 1..=3 {
        let reserve = Reserve {
            id: new_id(world.clock.get(), [number; 10]),
            key: key.clone(),
            bound: Amounts::default(),
            time_to_live: Millis(if number == 3 { 1_000 } else { 60_000 }),
            ..Reserve::default()
        };
        block_on(world.ledger(&owner, Message::Reserve(Box::new(reserve)))).unwrap();
    }
    world.pass(Millis(2_000));
    let samples = samples(&world);
    assert_eq!(samples["ai_gateway_requests_in_progress"], 2.0, "the third one's time is over");
    assert_eq!((samples["ai_gateway_ledgers"], samples["ai_gateway_ledgers_unreachable"]), (1.0, 0.0));
}

#[test]
fn calls_of_keys_without_limits_are_in_progress_as_long_as_their_isolate_is_believed() {
    let world = World::new();
    let tell = |isolate: &str, calls, until: i64| {
        let until = Millis(NOW.0 + until);
        block_on(world.store.batch(health::report(isolate, calls, NOW, until))).unwrap();
        samples(&world)["ai_gateway_requests_in_progress"]
    };
    assert_eq!(tell("a", 2, 30_000), 2.0);
    assert_eq!(tell("b", 3, 900_000), 5.0);
    assert_eq!(tell("a", 1, 30_000), 4.0, "it has said something newer");
    assert_eq!(tell("b", 0, 30_000), 1.0);
    world.pass(Millis(30_000));
    assert_eq!(samples(&world)["ai_gateway_requests_in_progress"], 0.0, "it was killed");
    assert_eq!(tell("c", 0, 60_000), 0.0);
}

#[test]
fn what_waits_for_the_log_and_what_came_late_is_told() {
    let world = World::new();
    let late = |redeliveries, dead_letters| {
        block_on(world.store.run(health::delivered_late(redeliveries, dead_letters))).unwrap();
    };
    let total = |what: &str| samples(&world)[&*format!("ai_gateway_log_{what}_total")];
    assert_eq!((total("redeliveries"), total("dead_letters")), (0.0, 0.0));
    late(20, 0);
    late(3, 2);
    assert_eq!((total("redeliveries"), total("dead_letters")), (23.0, 2.0));
    let samples = samples(&world);
    assert_eq!(samples["ai_gateway_log_queue_messages{queue=\"logs\"}"], 3.0);
    assert_eq!(samples["ai_gateway_log_queue_oldest_age_seconds{queue=\"logs\"}"], 1.5);
    assert_eq!(samples["ai_gateway_log_queue_messages{queue=\"logs-dead\"}"], 0.0);
}

#[test]
fn the_dashboard_and_the_gateway_name_the_same_metrics() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/grafana-dashboard.json");
    let text = std::fs::read_to_string(path).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 39);
    let page = scrape(&World::new(), Some(("admin", "the first password"))).text;
    let mut named = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            for rest in expression.split("ai_gateway_").skip(1) {
                let name: String =
                    rest.chars().take_while(|c| *c == '_' || c.is_ascii_alphanumeric()).collect();
                let family = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
                let family = family.unwrap_or(&name);
                assert!(
                    page.contains(&format!("# TYPE ai_gateway_{family} ")),
                    "{name} in {}",
                    panel["title"]
                );
                named += 1;
            }
        }
    }
    assert!(named >= 10, "only {named} metrics are shown");
}

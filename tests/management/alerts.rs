//! Alerts: written once in their period, by what makes them true, and given to one who sends them.

use crate::world::{NOW, World};
use edgeway::alert;
use edgeway::api::key_change;
use edgeway::identifier::new_id;
use edgeway::log::{Attempt, Record, encode};
use edgeway::money::NanoUsd;
use edgeway::route::keys::Change;
use edgeway::store::Store;
use edgeway::time::Millis;
use futures::executor::block_on;
use serde_json::{Value, json};

/// With a webhook.
fn listening() -> World {
    let world = World::new();
    let webhook = json!({ "alert_webhook_url": "https://hooks.test/edgeway?token=1" });
    let settings = world.admin().put("/api/settings", webhook).expect(200);
    assert_eq!(settings["alert_webhook_url"], "https://hooks.test/edgeway?token=1");
    world
}

/// What the webhook is sent now, and takes.
fn sent(world: &World) -> Vec<Value> {
    let now = world.clock.get();
    let alerts = alert::read(&block_on(world.store.run(alert::take(now))).unwrap()).unwrap();
    for alert in &alerts {
        assert_eq!(alert.url(), "https://hooks.test/edgeway?token=1");
        assert_eq!(block_on(world.store.run(alert.sent(now))).unwrap().changes(), 1);
    }
    alerts.iter().map(|alert| serde_json::from_str(&alert.body()).unwrap()).collect()
}

fn store(world: &World, record: Record) {
    let at = world.clock.get();
    world.pass(Millis(1));
    let attempts = if record.status == 402 { vec![] } else { vec![Attempt::default()] };
    let record = Record { id: new_id(at, [7; 10]), created_at: at, attempts, ..record };
    world.store.store_logs(&[encode(&record), encode(&record)]);
}

fn spends(world: &World, key: &str, usd: f64) {
    #[allow(clippy::cast_possible_truncation, reason = "cents")]
    let cost = NanoUsd((usd * 1e9) as i64);
    store(world, Record { key_id: key.into(), status: 200, cost, priced: true, ..Record::default() });
}

#[test]
fn a_budget_tells_of_four_fifths_and_of_its_end_once_in_each_window() {
    let world = listening();
    let admin = world.admin();
    let key = admin.create("/api/keys", json!({ "name": "shop", "budget": { "usd": 1, "window": "day" } }));
    let kinds = |world: &World| {
        let mut kinds: Vec<String> =
            sent(world).iter().map(|body| body["kind"].as_str().unwrap().to_owned()).collect();
        kinds.sort();
        kinds
    };
    spends(&world, &key, 0.79);
    assert_eq!(sent(&world), Vec::<Value>::new());
    spends(&world, &key, 0.02);
    let told = sent(&world);
    assert_eq!(told.len(), 1);
    for (field, value) in [
        ("type", json!("alert")),
        ("kind", json!("budget_80")),
        ("at", json!("2026-11-20T13:00:00.002Z")),
        ("key", json!("shop")),
        ("key_id", json!(key)),
        ("used_usd", json!(0.81)),
        ("budget_usd", json!(1.0)),
        ("window", json!("day")),
        ("refuses", json!(false)),
    ] {
        assert_eq!(told[0][field], value, "{field}: {}", told[0]);
    }
    spends(&world, &key, 0.1);
    assert_eq!(kinds(&world), [""; 0]);
    // The ledger refuses what no longer fits.
    store(&world, Record { key_id: key.clone(), status: 402, priced: true, ..Record::default() });
    assert_eq!(kinds(&world), ["budget_100"]);
    spends(&world, &key, 0.09);
    assert_eq!(kinds(&world), [""; 0]);
    world.pass(Millis::DAY);
    spends(&world, &key, 0.5);
    assert_eq!(kinds(&world), [""; 0]);
    spends(&world, &key, 0.6);
    assert_eq!(kinds(&world), ["budget_100", "budget_80"]);
}

#[test]
fn windows_begin_when_those_of_the_ledger_do() {
    // Friday, 2026-11-20.
    for (window, start) in [
        ("day", "2026-11-20T00:00:00.000Z"),
        ("week", "2026-11-16T00:00:00.000Z"),
        ("month", "2026-11-01T00:00:00.000Z"),
        ("total", "1970-01-01T00:00:00.000Z"),
    ] {
        let world = listening();
        let budget = json!({ "name": "k", "budget": { "usd": 1, "window": window } });
        let key = world.admin().create("/api/keys", budget);
        spends(&world, &key, 0.1);
        let period =
            world.store.0.query_row("SELECT period FROM budget_spend", [], |row| row.get(0)).unwrap();
        assert_eq!(Millis(period).to_iso(), start, "{window}");
    }
}

#[test]
fn a_model_without_a_price_is_told_of_once_a_day() {
    let world = listening();
    let mystery = Record { provider: "p".into(), target_model: "m".into(), status: 200, ..Record::default() };
    store(&world, mystery.clone());
    store(&world, mystery.clone());
    store(&world, Record { priced: true, target_model: "known".into(), ..mystery.clone() });
    let told = sent(&world);
    assert_eq!(told.len(), 1);
    assert_eq!(
        (&told[0]["kind"], &told[0]["provider"], &told[0]["model"]),
        (&json!("model_unpriced"), &json!("p"), &json!("m"))
    );
    world.pass(Millis::DAY);
    store(&world, mystery);
    assert_eq!(sent(&world).len(), 1);
}

#[test]
fn a_provider_key_that_dies_is_told_of_once() {
    let world = listening();
    world.admin().provider("p");
    let row = "SELECT id, ciphertext FROM provider_keys";
    let (key, ciphertext) = world.store.0.query_row(row, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    // The alert has the database's own time, which is not this world's.
    let real: i64 = world.store.0.query_row("SELECT unixepoch() * 1000", [], |row| row.get(0)).unwrap();
    world.clock.set(Millis(real + 1000));
    let at = world.clock.get();
    let rests =
        Change { key, ciphertext, until: Some(at.plus(Millis::HOUR)), reason: "limits it".into(), at };
    let dies = Change { until: None, reason: "refused it (401)".into(), ..rests.clone() };
    for change in [&rests, &dies, &dies] {
        let ids = [1, 2, 3].map(|number| new_id(change.at, [number; 10]));
        block_on(world.store.batch(key_change::statements(change, ids))).unwrap();
    }
    let told = sent(&world);
    assert_eq!(told.len(), 1);
    assert_eq!(
        [&told[0]["kind"], &told[0]["provider"], &told[0]["key_hint"], &told[0]["reason"]],
        ["provider_key_dead", "p", "sk-...6789", "refused it (401)"]
    );
}

#[test]
fn what_the_webhook_does_not_take_is_sent_again_for_a_day() {
    let world = listening();
    store(&world, Record { target_model: "m".into(), status: 200, ..Record::default() });
    let taken = |world: &World| block_on(world.store.run(alert::take(world.clock.get()))).unwrap().count();
    assert_eq!(taken(&world), 1);
    assert_eq!(taken(&world), 0, "somebody is at it");
    world.pass(Millis(2 * Millis::MINUTE.0));
    assert_eq!(taken(&world), 1);
    world.pass(Millis(2 * Millis::DAY.0));
    assert_eq!(taken(&world), 0);
}

#[test]
fn without_a_webhook_there_are_no_alerts_and_it_must_be_one_that_may_be_called() {
    let world = listening();
    let admin = world.admin();
    for url in [
        "http://127.0.0.1/x",
        "ftp://hooks.test",
        "nothing",
        "https://10.0.0.1/",
        "https://hooks.test/#x",
        "https://hooks.test/?a b",
    ] {
        let set = json!({ "alert_webhook_url": url, "log_retention_days": 3 });
        assert_eq!(admin.put("/api/settings", set).refused(400), "alert_webhook_url", "{url}");
    }
    let settings = admin.put("/api/settings", json!({ "alert_webhook_url": null })).expect(200);
    assert_eq!((&settings["alert_webhook_url"], &settings["log_retention_days"]), (&Value::Null, &json!(30)));
    store(&world, Record { target_model: "m".into(), status: 200, ..Record::default() });
    let count: i64 = world.store.0.query_row("SELECT count(*) FROM alerts", [], |row| row.get(0)).unwrap();
    assert_eq!((count, NOW.0 < world.clock.get().0), (0, true));
}

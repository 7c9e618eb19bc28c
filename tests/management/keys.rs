//! Gateway keys: what they may, their rotation, and their use.

use crate::world::{NOW, World};
use edgeway::api::Platform;
use edgeway::config::load;
use edgeway::limit::message::{Outcome, Reserve, Settlement};
use edgeway::limit::{Amounts, Message, Reply};
use edgeway::money::NanoUsd;
use edgeway::secret::sha256_hex;
use edgeway::time::Millis;
use futures::executor::block_on;
use serde_json::{Value, json};

fn loads(world: &World, key: &Value) -> bool {
    let hash = sha256_hex(key["key"].as_str().unwrap());
    block_on(load::load(&world.store, &hash, world.clock.get())).unwrap().is_some()
}

#[test]
fn a_key_is_shown_once_and_stored_as_a_hash() {
    let world = World::new();
    let admin = world.admin();
    let created = admin.post("/api/keys", json!({ "name": "k" })).expect(201);
    let secret = created["key"].as_str().unwrap();
    assert!(secret.starts_with("gw_") && secret.len() == 46, "256 bits: {secret}");
    assert_eq!(created["hint"].as_str().unwrap(), format!("gw_...{}", secret.split_at(42).1));
    let target = format!("/api/keys/{}", created["id"].as_str().unwrap());
    let shown = admin.get(&target).expect(200);
    assert!(shown.get("key").is_none() && !shown.to_string().contains(secret));
    assert_eq!(shown["usage"], json!([]));
    assert_eq!(shown["is_active"], true);
    assert!(loads(&world, &created));
    for prefix in ["sk-", "sk-ant-", "gm_"] {
        let key = admin.post("/api/keys", json!({ "name": "k", "key_prefix": prefix })).expect(201);
        assert!(key["key"].as_str().unwrap().starts_with(prefix));
    }
}

#[test]
fn all_settings_are_kept_and_may_be_taken_away() {
    let world = World::new();
    let admin = world.admin();
    let settings = json!({
        "name": "k", "default_model": "gpt-5", "allowed_models": ["gpt-*"], "denied_models": ["*-pro"],
        "system_prompt": "Be brief.", "tool_mode": "gateway", "base_url": "https://proxy.test/v1",
        "rate_limits": { "requests_per_minute": 10, "concurrent": 2 },
        "quotas": { "input_tokens_per_day": 1000, "max_output_tokens": 50 },
        "budget": { "usd": 12.5, "window": "month" },
        "policy": { "unknown_output": { "cap": 100 }, "unknown_price": "refuse", "unreachable": "closed" },
        "expires_at": "2027-01-01T00:00:00.000Z",
        "log_bodies": true, "metadata": { "team": "blue" },
    });
    let created = admin.post("/api/keys", settings.clone()).expect(201);
    for (field, value) in settings.as_object().unwrap() {
        assert_eq!(&created[field], value, "{field}");
    }
    let target = format!("/api/keys/{}", created["id"].as_str().unwrap());
    let taken = json!({
        "default_model": null, "allowed_models": null, "denied_models": [], "system_prompt": null, "base_url": null,
        "rate_limits": null, "quotas": {}, "budget": null, "policy": null, "expires_at": null, "metadata": null,
        "tool_mode": "pass-through", "log_bodies": false, "is_active": false,
    });
    let changed = admin.put(&target, taken).expect(200);
    assert_eq!(changed["name"], "k");
    for field in ["default_model", "system_prompt", "base_url", "budget", "expires_at"] {
        assert_eq!(changed[field], json!(null), "{field}");
    }
    for field in ["rate_limits", "quotas", "metadata"] {
        assert_eq!(changed[field], json!({}), "{field}");
    }
    assert_eq!(changed["policy"], json!({ "unknown_output": { "cap": 4096 }, "unknown_price": "refuse" }));
    assert_eq!((&changed["allowed_models"], &changed["is_active"]), (&json!([]), &json!(false)));
}

#[test]
fn what_is_wrong_with_a_key_is_named() {
    let world = World::new();
    let admin = world.admin();
    for (field, value, named) in [
        ("rate_limits", json!({ "requests_per_minute": 0 }), "rate_limits.requests_per_minute"),
        ("rate_limits", json!({ "requests_per_minute": -1 }), "rate_limits.requests_per_minute"),
        ("rate_limits", json!({ "per_minute": 1 }), "rate_limits.per_minute"),
        ("quotas", json!({ "max_input_tokens": 1.5 }), "quotas.max_input_tokens"),
        ("budget", json!({ "usd": 0, "window": "day" }), "budget.usd"),
        ("budget", json!({ "usd": -1, "window": "day" }), "budget.usd"),
        ("budget", json!({ "usd": 1e12, "window": "day" }), "budget.usd"),
        ("budget", json!({ "usd": 1, "window": "year" }), "budget.window"),
        ("budget", json!({ "usd": 1 }), "budget.window"),
        ("expires_at", json!("tomorrow"), "expires_at"),
        ("allowed_models", json!(["ok", ""]), "allowed_models[1]"),
        ("allowed_models", json!("gpt-*"), "allowed_models"),
        ("key_prefix", json!("pk-"), "key_prefix"),
        ("tool_mode", json!("none"), "tool_mode"),
        ("base_url", json!("http://127.0.0.1"), "base_url"),
        ("router_id", json!("no-such"), "router_id"),
        ("provider_id", json!("no-such"), "provider_id"),
        ("metadata", json!({ "a": "x".repeat(2048) }), "metadata"),
        ("metadata", json!({ "a": 1 }), "metadata.a"),
        ("naem", json!("x"), "naem"),
    ] {
        let body = json!({ "name": "k", field: value });
        assert_eq!(admin.post("/api/keys", body.clone()).refused(400), named, "{body}");
    }
    assert_eq!(admin.post("/api/keys", json!({})).refused(400), "name");
    assert_eq!(admin.get("/api/keys").expect(200)["data"], json!([]));
}

#[test]
fn a_rotated_key_works_beside_the_old_one_for_its_grace() {
    let world = World::new();
    let admin = world.admin();
    let first = admin.post("/api/keys", json!({ "name": "k" })).expect(201);
    let target = format!("/api/keys/{}/rotate", first["id"].as_str().unwrap());
    let second = admin.post(&target, json!({ "grace_seconds": 60 })).expect(200);
    assert_eq!(second["previous_expires_at"], NOW.plus(Millis::MINUTE).to_iso());
    assert!(loads(&world, &first) && loads(&world, &second));
    world.pass(Millis::MINUTE);
    assert!(!loads(&world, &first) && loads(&world, &second));

    let third = admin.request("POST", &target, None).expect(200);
    assert!(!loads(&world, &second) && loads(&world, &third), "without a grace the old one stops at once");
    let change = world.changes.borrow_mut().pop().unwrap();
    assert!(change.key_hashes.contains(&sha256_hex(second["key"].as_str().unwrap())), "the caches are told");
    assert_eq!(admin.post(&target, json!({ "grace_seconds": -1 })).refused(400), "grace_seconds");
}

#[test]
fn what_was_loaded_by_the_old_key_expires_with_its_grace() {
    let world = World::new();
    let admin = world.admin();
    let (soon, late) = (NOW.plus(Millis(30_000)), NOW.plus(Millis::DAY));
    let grace = NOW.plus(Millis::MINUTE);
    for (own, old) in [(None, grace), (Some(late), grace), (Some(soon), soon)] {
        let body = json!({ "name": format!("{own:?}"), "expires_at": own.map(Millis::to_iso) });
        let first = admin.post("/api/keys", body).expect(201);
        let target = format!("/api/keys/{}/rotate", first["id"].as_str().unwrap());
        let second = admin.post(&target, json!({ "grace_seconds": 60 })).expect(200);
        for (key, expected) in [(first, Some(old)), (second, own)] {
            let hash = sha256_hex(key["key"].as_str().unwrap());
            let snapshot = block_on(load::load(&world.store, &hash, NOW)).unwrap().unwrap();
            assert_eq!(snapshot.key.expires_at, expected, "{own:?}");
        }
    }
}

#[test]
fn usage_is_counted_for_every_limit_in_its_own_unit() {
    let world = World::new();
    let admin = world.admin();
    let key = admin
        .post(
            "/api/keys",
            json!({
                "name": "k",
                "rate_limits": { "requests_per_minute": 10, "tokens_per_minute": 100, "requests_per_day": 9, "concurrent": 2 },
                "quotas": { "input_tokens_per_day": 1000, "requests_per_day": 8, "max_output_tokens": 50 },
                "budget": { "usd": 2, "window": "week" },
            }),
        )
        .expect(201);
    let id = key["id"].as_str().unwrap().to_owned();
    let owner = key["user_id"].as_str().unwrap();
    let used =
        |input_tokens| Amounts { requests: 1, input_tokens, output_tokens: 5, cost: NanoUsd(250_000_000) };
    let (yesterday, now) = (Millis(NOW.0 - Millis::DAY.0), NOW);
    for (call, at) in [("a", yesterday), ("b", now)] {
        world.clock.set(at);
        let outcome = Outcome::Used(used(10));
        let call = Settlement { id: call.into(), key: id.clone(), began: at, outcome };
        block_on(world.ledger(owner, Message::Settle { calls: vec![call] })).unwrap();
    }
    let open = Reserve { id: "c".into(), key: id, bound: used(90), time_to_live: NOW, ..Reserve::default() };
    block_on(world.ledger(owner, Message::Reserve(Box::new(open)))).unwrap();
    let shown = admin.get(&format!("/api/keys/{}", key["id"].as_str().unwrap())).expect(200);
    let midnight = "2026-11-21T00:00:00.000Z";
    let minute = "2026-11-20T13:01:00.000Z";
    assert_eq!(
        shown["usage"],
        json!([
            { "limit": "concurrent", "setting": "rate_limits", "window": "now", "used": 1, "max": 2, "resets_at": null },
            { "limit": "requests_per_minute", "setting": "rate_limits", "window": "minute", "used": 2, "max": 10, "resets_at": minute },
            { "limit": "requests_per_day", "setting": "rate_limits", "window": "day", "used": 2, "max": 9, "resets_at": midnight },
            { "limit": "tokens_per_minute", "setting": "rate_limits", "window": "minute", "used": 110, "max": 100, "resets_at": minute },
            { "limit": "requests_per_day", "setting": "quotas", "window": "day", "used": 2, "max": 8, "resets_at": midnight },
            { "limit": "input_tokens_per_day", "setting": "quotas", "window": "day", "used": 100, "max": 1000, "resets_at": midnight },
            { "limit": "budget", "setting": "budget", "window": "week", "used": 0.75, "max": 2.0, "resets_at": "2026-11-23T00:00:00.000Z" },
            { "limit": "max_output_tokens", "setting": "quotas", "window": "request", "used": 0, "max": 50, "resets_at": null },
        ])
    );
}

#[test]
fn a_key_that_is_switched_off_is_refused_by_the_ledger_until_it_is_on_again() {
    let world = World::new();
    let admin = world.admin();
    let key = admin.post("/api/keys", json!({ "name": "k", "rate_limits": { "concurrent": 1 } })).expect(201);
    let (id, owner) = (key["id"].as_str().unwrap(), key["user_id"].as_str().unwrap());
    let target = format!("/api/keys/{id}");
    let is_refused = |call: &str| {
        let call = Reserve { id: call.into(), key: id.into(), ..Reserve::default() };
        block_on(world.ledger(owner, Message::Reserve(Box::new(call)))).unwrap() == Reply::Revoked
    };
    assert!(!is_refused("a"));
    admin.put(&target, json!({ "is_active": false })).expect(200);
    assert!(is_refused("b"));
    admin.put(&target, json!({ "is_active": true })).expect(200);
    assert!(!is_refused("c"));
    admin.delete(&target).expect(200);
    assert!(is_refused("d"));
}

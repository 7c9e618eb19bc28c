//! Routers, their rules, and what would be tried.

use crate::world::{NOW, World};
use edgeway::config::load;
use edgeway::route::health::{Target, Trouble};
use edgeway::secret::sha256_hex;
use edgeway::time::Millis;
use futures::executor::block_on;
use serde_json::json;

#[test]
fn a_router_is_created_changed_and_deleted() {
    let world = World::new();
    let admin = world.admin();
    let created = admin
        .post(
            "/api/routers",
            json!({
                "name": "main", "description": "both", "retry": { "max_retries": 3, "base_delay_ms": 100 },
                "timeouts": { "headers_ms": 5000 },
            }),
        )
        .expect(201);
    assert_eq!(created["retry"], json!({ "max_retries": 3, "base_delay_ms": 100 }));
    assert_eq!(created["timeouts"]["headers_ms"], 5000);
    assert_eq!(created["rules"], json!([]));
    let target = format!("/api/routers/{}", created["id"].as_str().unwrap());
    let changed = admin.put(&target, json!({ "retry": null, "name": "renamed" })).expect(200);
    assert_eq!(changed["retry"]["max_retries"], json!(null));
    assert_eq!(changed["timeouts"]["headers_ms"], 5000, "what is not given stays");
    assert_eq!(changed["name"], "renamed");
    assert_eq!(admin.post("/api/routers", json!({ "name": "renamed" })).status, 409);
    for (body, field) in [
        (json!({ "name": "" }), "name"),
        (json!({ "description": "x" }), "name"),
        (json!({ "name": "x", "retry": { "max_retries": 21 } }), "retry.max_retries"),
        (json!({ "name": "x", "retry": { "retries": 1 } }), "retry.retries"),
        (json!({ "name": "x", "retry": { "max_retries": -1 } }), "retry.max_retries"),
        (json!({ "name": "x", "timeouts": { "idle_ms": 0 } }), "timeouts.idle_ms"),
        (json!({ "name": "x", "timeouts": { "idle_ms": 1.5 } }), "timeouts.idle_ms"),
    ] {
        assert_eq!(admin.post("/api/routers", body.clone()).refused(400), field, "{body}");
    }
    admin.delete(&target).expect(200);
    assert_eq!(admin.get(&target).status, 404);
}

#[test]
fn rules_are_kept_in_the_order_in_which_they_are_looked_at() {
    let world = World::new();
    let admin = world.admin();
    let provider = admin.provider("p");
    let router = admin.create("/api/routers", json!({ "name": "r" }));
    let target = format!("/api/routers/{router}/rules");
    let mut ids = vec![];
    for priority in [20, 10, 10] {
        let body = json!({ "model_pattern": "gpt-*", "provider_id": provider, "priority": priority });
        ids.push(admin.create(&target, body));
    }
    let rule = format!("{target}/{}", ids[0]);
    let change = json!({
        "priority": 0, "weight": 3, "target_model": "gpt-5", "enabled": false,
        "conditions": { "stream": true, "input_tokens": { "gte": 1000 } },
    });
    let changed = admin.put(&rule, change).expect(200);
    assert_eq!((&changed["weight"], &changed["enabled"]), (&json!(3), &json!(false)));
    assert_eq!(changed["conditions"]["input_tokens"]["gte"], 1000);
    assert_eq!(admin.put(&rule, json!({ "target_model": null })).expect(200)["target_model"], json!(null));
    let rules = admin.get(&format!("/api/routers/{router}")).expect(200)["rules"].clone();
    let order: Vec<_> = rules.as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(order, [&ids[0], &ids[1], &ids[2]]);

    for (body, field) in [
        (json!({ "model_pattern": "*", "provider_id": "no", "priority": 1 }), "provider_id"),
        (json!({ "model_pattern": "*", "provider_id": "env:openai", "priority": 1 }), "provider_id"),
        (json!({ "model_pattern": "*", "provider_id": provider }), "priority"),
        (json!({ "provider_id": provider, "priority": 1 }), "model_pattern"),
        (json!({ "model_pattern": "a\nb", "provider_id": provider, "priority": 1 }), "model_pattern"),
        (json!({ "model_pattern": "*", "provider_id": provider, "priority": "first" }), "priority"),
        (json!({ "model_pattern": "*", "provider_id": provider, "priority": 1, "weight": -1 }), "weight"),
        (
            json!({ "model_pattern": "*", "provider_id": provider, "priority": 1, "conditions": { "steam": true } }),
            "conditions.steam",
        ),
    ] {
        assert_eq!(admin.post(&target, body.clone()).refused(400), field, "{body}");
    }
    assert_eq!(admin.delete(&format!("/api/providers/{provider}")).status, 409, "rules refer to it");
    for id in ids {
        admin.delete(&format!("{target}/{id}")).expect(200);
    }
    admin.delete(&format!("/api/providers/{provider}")).expect(200);
}

#[test]
fn a_snapshot_holds_the_enabled_rules_of_enabled_providers() {
    let world = World::new();
    let admin = world.admin();
    let (on, off) = (admin.provider("on"), admin.provider("off"));
    let retry = json!({ "name": "r", "retry": { "max_retries": 1 }, "timeouts": { "total_ms": 9000 } });
    let router = admin.create("/api/routers", retry);
    let target = format!("/api/routers/{router}/rules");
    let rule = |provider: &str, priority: i64, enabled: bool| {
        let conditions = json!({ "stream": false, "metadata.team": { "in": ["red"] } });
        let body = json!({
            "model_pattern": "*", "provider_id": provider, "priority": priority, "enabled": enabled,
            "conditions": conditions,
        });
        admin.create(&target, body)
    };
    let (second, first) = (rule(&on, 5, true), rule(&on, 1, true));
    rule(&on, 0, false);
    rule(&off, 0, true);
    admin.put(&format!("/api/providers/{off}"), json!({ "enabled": false })).expect(200);
    let body = json!({
        "name": "k", "router_id": router, "budget": { "usd": 1.25, "window": "month" }, "metadata": { "team": "red" },
        "rate_limits": { "requests_per_minute": 5 }, "allowed_models": ["gpt-*"],
    });
    let key = admin.post("/api/keys", body).expect(201);
    let hash = sha256_hex(key["key"].as_str().unwrap());
    let snapshot = block_on(load::load(&world.store, &hash, world.clock.get())).unwrap().unwrap();
    let loaded = snapshot.router.unwrap();
    assert_eq!(loaded.rules.iter().map(|rule| &rule.id).collect::<Vec<_>>(), [&first, &second]);
    assert_eq!((loaded.retry.max_retries, loaded.timeouts.total_ms), (Some(1), Some(9000)));
    assert_eq!(loaded.rules[0].conditions.len(), 2);
    assert_eq!(snapshot.providers.iter().map(|p| p.id.as_str()).collect::<Vec<_>>(), [on.as_str()]);
    assert_eq!(snapshot.key.budget.unwrap().nano_usd.0, 1_250_000_000);
    assert_eq!(snapshot.key.rate_limits.requests_per_minute, Some(5));
    assert_eq!(snapshot.key.metadata["team"], "red");
    assert_eq!(admin.delete(&format!("/api/routers/{router}")).status, 409, "a key is bound to it");

    let question = json!({ "model": "gpt-5", "metadata": { "team": "red" } });
    let explain = |question: &serde_json::Value| {
        admin.post(&format!("/api/routers/{router}/explain"), question.clone()).expect(200)
    };
    let explained = explain(&question);
    let ids: Vec<_> =
        explained["candidates"].as_array().unwrap().iter().map(|c| c["rule_id"].clone()).collect();
    assert_eq!(ids, [json!(first), json!(second)]);
    assert_eq!(explained["candidates"][0]["state"], "ready");
    let other = explain(&json!({ "model": "on/gpt-5" }));
    assert_eq!(
        other["candidates"],
        json!([{
            "provider": "on", "provider_id": on, "model": "gpt-5", "priority": 0, "weight": 1, "rule_id": null,
            "state": "ready", "reason": "the model's prefix names on",
        }]),
        "no rule is for this team"
    );
    let target = Target { provider: &on, key: &snapshot.providers[0].keys[0].id, model: "gpt-5" };
    world.health.borrow_mut().failed(target, Trouble::Busy(Millis::MINUTE), NOW, world.clock.get());
    assert_eq!(explain(&question)["candidates"][0]["state"], "cooling", "as this isolate knows");
    assert_eq!(
        admin.post(&format!("/api/routers/{router}/explain"), json!({ "modle": "x" })).refused(400),
        "modle"
    );
}

#[test]
fn every_change_counts_the_version_up_and_tells_the_caches() {
    let world = World::new();
    let admin = world.admin();
    let key = admin.post("/api/keys", json!({ "name": "k" })).expect(201);
    let hash = sha256_hex(key["key"].as_str().unwrap());
    let version = || block_on(load::load_static(&world.store)).unwrap().version;
    let mut last = version();
    let mut moved = |what: &str| {
        let now = version();
        assert!(now > last, "{what}");
        last = now;
        let change = world.changes.borrow_mut().pop().unwrap();
        assert!(change.key_hashes.contains(&hash), "{what}");
    };
    let provider = admin.provider("p");
    moved("a provider");
    admin.create("/api/v1/provider-keys", json!({ "provider": "p", "api_key": "sk-0123456789" }));
    moved("a provider's key");
    let router = admin.create("/api/routers", json!({ "name": "r" }));
    moved("a router");
    let rule = json!({ "model_pattern": "*", "provider_id": provider, "priority": 1 });
    admin.create(&format!("/api/routers/{router}/rules"), rule);
    moved("a rule");
    let target = format!("/api/keys/{}", key["id"].as_str().unwrap());
    admin.put(&target, json!({ "is_active": false })).expect(200);
    moved("a key");
    admin.post(&format!("{target}/rotate"), json!({})).expect(200);
    moved("a rotated key: its old hash");
}

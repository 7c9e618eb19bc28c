//! Who sees what: administrators, members, nobody; and the administration of people.

use crate::world::{Sent, World};
use edgeway::api::routes::{Access, ROUTES};
use serde_json::json;

fn filled(pattern: &str) -> String {
    pattern.replace("{id}", "some-id").replace("{rule_id}", "some-rule")
}

#[test]
fn nobody_gets_anywhere_without_a_session() {
    let world = World::new();
    for route in ROUTES.iter().filter(|route| route.access != Access::Anyone) {
        let target = filled(route.pattern);
        let answer =
            world.send(Sent { method: route.method, target: &target, headers: vec![], body: vec![] });
        assert_eq!(answer.status, 401, "{} {target}", route.method);
    }
}

#[test]
fn a_member_is_kept_out_of_administration() {
    let world = World::new();
    let member = world.member("mia");
    for route in ROUTES.iter().filter(|route| route.access == Access::Admin) {
        let target = filled(route.pattern);
        assert_eq!(member.request(route.method, &target, None).status, 403, "{} {target}", route.method);
    }
}

#[test]
fn a_member_sees_and_changes_only_its_own() {
    let world = World::new();
    let (admin, member) = (world.admin(), world.member("mia"));
    let provider = admin.provider("p");
    let router = admin.create("/api/routers", json!({ "name": "r" }));
    let rule_body = json!({ "model_pattern": "*", "provider_id": provider, "priority": 1 });
    let rule = admin.create(&format!("/api/routers/{router}/rules"), rule_body.clone());
    let key = admin.create("/api/keys", json!({ "name": "k" }));
    let listed = admin.get("/api/v1/provider-keys").expect(200);
    let provider_key = listed["data"][0]["id"].as_str().unwrap();

    for (method, target, body) in [
        ("GET", format!("/api/providers/{provider}"), None),
        ("PUT", format!("/api/providers/{provider}"), Some(json!({ "name": "mine" }))),
        ("DELETE", format!("/api/providers/{provider}"), None),
        ("POST", format!("/api/providers/{provider}/test"), None),
        ("POST", format!("/api/providers/{provider}/models/refresh"), None),
        ("PUT", format!("/api/v1/provider-keys/{provider_key}"), Some(json!({ "is_selected": true }))),
        ("DELETE", format!("/api/v1/provider-keys/{provider_key}"), None),
        ("GET", format!("/api/routers/{router}"), None),
        ("PUT", format!("/api/routers/{router}"), Some(json!({ "name": "mine" }))),
        ("DELETE", format!("/api/routers/{router}"), None),
        ("POST", format!("/api/routers/{router}/explain"), Some(json!({ "model": "m" }))),
        ("POST", format!("/api/routers/{router}/rules"), Some(rule_body.clone())),
        ("PUT", format!("/api/routers/{router}/rules/{rule}"), Some(json!({ "priority": 0 }))),
        ("DELETE", format!("/api/routers/{router}/rules/{rule}"), None),
        ("GET", format!("/api/keys/{key}"), None),
        ("PUT", format!("/api/keys/{key}"), Some(json!({ "is_active": false }))),
        ("DELETE", format!("/api/keys/{key}"), None),
        ("POST", format!("/api/keys/{key}/rotate"), None),
    ] {
        assert_eq!(member.request(method, &target, body).status, 404, "{method} {target}");
    }
    for list in ["providers", "v1/provider-keys", "routers", "keys", "v1/activity-logs", "logs"] {
        let rows = member.get(&format!("/api/{list}")).expect(200);
        assert_eq!(rows["data"], json!([]), "{list}");
    }
    assert_eq!(
        member.post("/api/keys", json!({ "name": "k", "router_id": router })).refused(400),
        "router_id"
    );
    assert_eq!(
        member.post("/api/keys", json!({ "name": "k", "provider_id": provider })).refused(400),
        "provider_id"
    );
    let own = member.create("/api/routers", json!({ "name": "r" }));
    assert_eq!(
        member.post(&format!("/api/routers/{own}/rules"), rule_body).refused(400),
        "provider_id",
        "another's provider cannot be used"
    );
    assert_eq!(admin.get(&format!("/api/routers/{own}")).status, 200, "an administrator sees all");
    let routers = admin.get("/api/routers").expect(200);
    assert_eq!(routers["data"].as_array().unwrap().len(), 2);
}

#[test]
fn people_are_created_changed_and_deleted_with_all_they_own() {
    let world = World::new();
    let (admin, member) = (world.admin(), world.member("mia"));
    let id = member.get("/api/auth/me").expect(200)["id"].as_str().unwrap().to_owned();
    let provider = member.provider("p");
    let router = member.create("/api/routers", json!({ "name": "r" }));
    let rule = json!({ "model_pattern": "*", "provider_id": provider, "priority": 1 });
    member.create(&format!("/api/routers/{router}/rules"), rule);
    member.create("/api/keys", json!({ "name": "k", "router_id": router, "provider_id": provider }));

    let taken = json!({ "username": "MIA", "password": "long enough" });
    assert_eq!(admin.post("/api/users", taken).expect(409)["error"]["code"], "name_taken");
    for (body, field) in [
        (json!({ "username": "x", "password": "short" }), "password"),
        (json!({ "username": "x", "password": "long enough", "role": "owner" }), "role"),
        (json!({ "username": "", "password": "long enough" }), "username"),
    ] {
        assert_eq!(admin.post("/api/users", body).refused(400), field);
    }
    let target = format!("/api/users/{id}");
    let changed = admin.put(&target, json!({ "role": "admin", "username": "Mia B." })).expect(200);
    assert_eq!((&changed["role"], &changed["username"]), (&json!("admin"), &json!("Mia B.")));
    assert_eq!(member.get("/api/auth/me").status, 401, "a new role needs a new session");
    admin.delete(&target).expect(200);
    assert_eq!(admin.get("/api/providers").expect(200)["data"], json!([]));
    assert_eq!(admin.get("/api/keys").expect(200)["data"], json!([]));
    assert_eq!(world.changes.borrow().last().unwrap().key_hashes.len(), 1, "its keys stop at once");

    let own = admin.get("/api/auth/me").expect(200)["id"].as_str().unwrap().to_owned();
    assert_eq!(admin.delete(&format!("/api/users/{own}")).status, 409);
    assert_eq!(admin.put(&format!("/api/users/{own}"), json!({ "role": "member" })).status, 409);
}

#[test]
fn an_administrator_looks_into_the_database_and_changes_settings() {
    let world = World::new();
    let admin = world.admin();
    admin.provider("p");
    let report = admin.get("/debug/db").expect(200);
    assert_eq!(report["tables"]["providers"], 1);
    assert!(report["config_version"].as_i64().unwrap() > 1);
    assert_eq!(report["schema"].as_str().unwrap().len(), 16);

    assert_eq!(admin.get("/api/settings").expect(200)["log_retention_days"], 30);
    admin.put("/api/settings", json!({ "log_retention_days": 7 })).expect(200);
    assert_eq!(admin.get("/api/settings").expect(200)["log_retention_days"], 7);
    assert_eq!(
        admin.put("/api/settings", json!({ "log_retention_days": 0 })).refused(400),
        "log_retention_days"
    );
    assert_eq!(
        admin.put("/api/settings", json!({ "admin_password_fingerprint": "x" })).refused(400),
        "admin_password_fingerprint"
    );
    admin.put("/api/settings", json!({ "log_retention_days": null })).expect(200);
    assert_eq!(admin.get("/api/settings").expect(200)["log_retention_days"], 30);
}

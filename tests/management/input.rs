//! Bad input and other origins: a clear answer in the right shape, and nothing lost.

use crate::sqlite::Health;
use crate::world::{Sent, World};
use serde_json::{Value, json};

fn send(
    world: &World,
    method: &str,
    target: &str,
    headers: &[(&'static str, &str)],
    body: &[u8],
) -> (u16, Value) {
    let token = world.admin().token;
    let mut all = vec![("authorization", format!("Bearer {token}"))];
    all.extend(headers.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let answer = world.send(Sent { method, target, headers: all, body: body.to_vec() });
    (answer.status, answer.json())
}

#[test]
fn malformed_requests_get_a_clear_answer() {
    let world = World::new();
    let json_type = [("content-type", "application/json; charset=utf-8")];
    for (method, target, headers, body, status, code) in [
        ("POST", "/api/keys", &json_type[..], &b"{"[..], 400, "invalid_json"),
        ("POST", "/api/keys", &json_type, b"", 400, "invalid_json"),
        ("POST", "/api/keys", &json_type, b"\xff\xfe", 400, "invalid_json"),
        ("POST", "/api/keys", &json_type, b"[]", 400, "invalid_request"),
        ("POST", "/api/keys", &json_type, b"{\"name\":\"x\",\"name\":\"y\"}", 400, "invalid_request"),
        ("POST", "/api/keys", &[("content-type", "text/plain")], b"{}", 415, "unsupported_media_type"),
        ("POST", "/api/keys", &[], b"{}", 415, "unsupported_media_type"),
        ("PATCH", "/api/keys", &json_type, b"{}", 405, "method_not_allowed"),
        ("GET", "/api/nothing", &[], b"", 404, "not_found"),
        ("GET", "/api/keys/%27%20OR%201=1", &[], b"", 404, "not_found"),
    ] {
        let (found, body) = send(&world, method, target, headers, body);
        assert_eq!(
            (found, body["error"]["code"].as_str()),
            (status, Some(code)),
            "{method} {target}: {body}"
        );
    }
    let large = vec![b' '; 256 * 1024 + 1];
    assert_eq!(send(&world, "POST", "/api/keys", &json_type, &large).0, 413);
    let deep = "[".repeat(100_000);
    assert_eq!(send(&world, "POST", "/api/keys", &json_type, deep.as_bytes()).0, 400);
}

#[test]
fn a_database_that_is_down_is_told_without_its_words() {
    let world = World::new();
    let admin = world.admin();
    world.store.1.set(Health::Fails);
    let login = world.login_from("192.0.2.1", "admin", "the first password");
    for answer in [admin.get("/api/keys"), admin.post("/api/keys", json!({ "name": "k" })), login] {
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
        assert!(!answer.text.contains("secret-host"), "{}", answer.text);
    }
    world.store.1.set(Health::Answers);
    assert_eq!(admin.get("/api/keys").expect(200)["data"], json!([]));
}

#[test]
fn a_405_says_what_is_allowed() {
    let world = World::new();
    let answer = world.send(Sent { method: "PATCH", target: "/api/keys", headers: vec![], body: vec![] });
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, POST")));
}

#[test]
fn sql_in_a_text_is_only_a_text() {
    let world = World::new();
    let admin = world.admin();
    let evil = "'); DROP TABLE users; -- \" ?1 %_";
    let provider = admin.post("/api/providers", json!({ "name": evil, "kind": "openai" })).expect(201);
    assert_eq!(provider["name"], evil);
    let provider_id = provider["id"].as_str().unwrap();
    let router = admin.create("/api/routers", json!({ "name": evil, "description": evil }));
    let pattern = "';DROP/**/TABLE/**/users;--";
    let rule = json!({
        "model_pattern": pattern, "target_model": pattern, "provider_id": provider_id, "priority": 1,
        "conditions": { "metadata.'x'": evil },
    });
    admin.create(&format!("/api/routers/{router}/rules"), rule);
    let key = json!({
        "name": evil, "router_id": router, "system_prompt": evil, "default_model": pattern,
        "allowed_models": [pattern], "metadata": { evil: evil },
    });
    let key = admin.post("/api/keys", key).expect(201);
    assert_eq!(key["metadata"][evil], evil);
    admin.post("/api/users", json!({ "username": evil, "password": evil })).expect(201);
    let text = json!({ "provider": provider_id, "name": evil, "api_key": evil });
    admin.post("/api/v1/provider-keys", text).expect(201);
    assert_eq!(world.login_from(evil, evil, evil).status, 200);
    assert_eq!(world.login_from(evil, evil, "wrong").status, 401);

    let encoded: String = url::form_urlencoded::byte_serialize(evil.as_bytes()).collect();
    for (list, parameters) in [
        ("logs", &["key_id", "provider", "model", "search"][..]),
        ("logs/summary", &["key_id", "provider", "model"]),
        ("v1/activity-logs", &["provider"]),
        ("v1/provider-keys", &["provider"]),
        ("user-models/global", &["search", "provider", "capability"]),
    ] {
        for parameter in parameters {
            admin.get(&format!("/api/{list}?{parameter}={encoded}")).expect(200);
        }
    }
    assert_eq!(admin.get("/api/users").expect(200)["data"].as_array().unwrap().len(), 2);
}

#[test]
fn an_action_that_there_is_not_is_no_empty_list() {
    let world = World::new();
    let answer = world.admin().get("/api/v1/activity-logs?action=REMOVE");
    assert_eq!(answer.refused(400), "action");
    world.admin().get("/api/v1/activity-logs?action=delete").expect(200);
}

#[test]
fn a_cursor_that_no_list_gave_is_refused() {
    let world = World::new();
    for list in ["logs", "keys", "providers", "routers", "v1/activity-logs", "v1/provider-keys"] {
        let answer = world.admin().get(&format!("/api/{list}?cursor=garbage"));
        assert_eq!(answer.refused(400), "cursor", "{list}");
    }
}

#[test]
fn lists_are_paged_by_limit_and_cursor() {
    let world = World::new();
    let admin = world.admin();
    let created: Vec<String> =
        (0..5).map(|number| admin.create("/api/keys", json!({ "name": format!("k{number}") }))).collect();
    let (mut ids, mut cursor) = (vec![], String::new());
    loop {
        let page = admin.get(&format!("/api/keys?limit=2&cursor={cursor}")).expect(200);
        let rows = page["data"].as_array().unwrap();
        assert!(rows.len() <= 2);
        ids.extend(rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = next.into();
    }
    assert_eq!(ids, created);
}

#[test]
fn another_origin_reads_only_where_it_is_named() {
    let preflight = |origins: &str, origin: &str| {
        let world = World::with(&[("CORS_ORIGINS", origins)]);
        let headers =
            vec![("origin", origin.to_owned()), ("access-control-request-method", "PUT".to_owned())];
        let answer = world.send(Sent { method: "OPTIONS", target: "/api/keys", headers, body: vec![] });
        assert_eq!(answer.status, 204);
        (
            answer.header("access-control-allow-origin").map(str::to_owned),
            answer.header("access-control-allow-credentials").is_some(),
            answer.header("access-control-allow-methods").is_some(),
        )
    };
    let origin = "https://front.test";
    assert_eq!(preflight("", origin), (None, false, false));
    assert_eq!(preflight("https://other.test", origin), (None, false, false));
    assert_eq!(preflight("https://other.test,https://front.test", origin), (Some(origin.into()), true, true));
    assert_eq!(preflight("*", origin), (Some("*".into()), false, true));

    let world = World::with(&[("CORS_ORIGINS", origin)]);
    let headers = vec![("origin", origin.to_owned())];
    let answer = world.send(Sent { method: "GET", target: "/api/keys", headers, body: vec![] });
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("access-control-allow-origin"), Some(origin), "errors can be read too");
    assert_eq!(answer.header("vary"), Some("origin"));
}

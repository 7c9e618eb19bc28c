//! Providers and their keys.

use crate::world::{Session, World};
use edgeway::api::platform::ProbeAnswer;
use edgeway::api::{Context, probe};
use edgeway::config::load;
use edgeway::identifier::is_id;
use edgeway::secret::sha256_hex;
use edgeway::time::Millis;
use futures::executor::block_on;
use serde_json::{Value, json};

#[test]
fn a_provider_is_created_changed_and_deleted() {
    let world = World::new();
    let admin = world.admin();
    let created = admin
        .post(
            "/api/providers",
            json!({
                "name": "main", "kind": "openai-compatible", "base_url": "https://llm.test/v1",
                "api_key": "sk-one-0123456789", "api_keys": ["sk-two-0123456789", "sk-one-0123456789"],
                "headers": { "x-team": "blue" }, "config": { "dialect": "chat" },
            }),
        )
        .expect(201);
    assert_eq!(created["key_count"], 2, "a key that is given twice is one key");
    assert_eq!(created["enabled"], true);
    assert_eq!(created["headers"]["x-team"], "blue");
    assert_eq!(created["config"], json!({ "dialect": "chat" }));
    assert_eq!(created["created_at"], "2026-11-20T13:00:00.000Z");
    assert!(!created.to_string().contains("sk-one-0"), "keys never come back");

    let target = format!("/api/providers/{}", created["id"].as_str().unwrap());
    let changed = admin.put(&target, json!({ "enabled": false, "headers": {} })).expect(200);
    assert_eq!((&changed["enabled"], &changed["headers"]), (&json!(false), &json!({})));
    assert_eq!(changed["base_url"], "https://llm.test/v1", "what is not given stays");
    let changed = admin.put(&target, json!({ "api_key": "sk-three-0123456789" })).expect(200);
    assert_eq!(changed["key_count"], 1, "a key replaces all keys");
    assert_eq!(admin.put(&target, json!({ "base_url": null })).refused(400), "base_url");
    admin.delete(&target).expect(200);
    assert_eq!(admin.get(&target).status, 404);
}

#[test]
fn what_is_wrong_with_a_provider_is_named() {
    let admin_world = World::new();
    let admin = admin_world.admin();
    admin.provider("taken");
    for (body, status, field) in [
        (json!({ "name": "taken", "kind": "openai" }), 409, ""),
        (json!({ "name": "a/b", "kind": "openai" }), 400, "name"),
        (json!({ "name": "x", "kind": "skynet" }), 400, "kind"),
        (json!({ "name": "x", "kind": "openai-compatible" }), 400, "base_url"),
        (json!({ "name": "x", "kind": "azure" }), 400, "base_url"),
        (json!({ "name": "x", "kind": "openai", "base_url": "" }), 400, "base_url"),
        (json!({ "name": "x", "kind": "openai", "base_url": "http://127.0.0.1/" }), 400, "base_url"),
        (json!({ "name": "x", "kind": "ollama" }), 400, "base_url"),
        (
            json!({ "name": "x", "kind": "anthropic", "config": { "dialect": "gemini" } }),
            400,
            "config.dialect",
        ),
        (json!({ "name": "x", "kind": "openai", "config": { "dialekt": "chat" } }), 400, "config.dialekt"),
        (json!({ "name": "x", "kind": "openai", "headers": { "Host": "evil" } }), 400, "headers.Host"),
        (
            json!({ "name": "x", "kind": "openai", "api_keys": ["ok-0123456789", "a\r\nb: c"] }),
            400,
            "api_keys[1]",
        ),
        (json!({ "name": "x", "kind": "openai", "api_kye": "sk" }), 400, "api_kye"),
        (json!({ "name": "x" }), 400, "kind"),
    ] {
        assert_eq!(admin.post("/api/providers", body.clone()).refused(status), field, "{body}");
    }
    assert_eq!(admin.get("/api/providers").expect(200)["data"].as_array().unwrap().len(), 1);
}

#[test]
fn a_provider_that_something_refers_to_stays() {
    let world = World::new();
    let admin = world.admin();
    let provider = admin.provider("p");
    let key = admin.create("/api/keys", json!({ "name": "k", "provider_id": provider }));
    let answer = admin.delete(&format!("/api/providers/{provider}")).expect(409);
    assert_eq!(answer["error"]["code"], "still_referenced");
    assert_eq!(answer["error"]["message"], "still in use by key k");
    admin.delete(&format!("/api/keys/{key}")).expect(200);
    admin.delete(&format!("/api/providers/{provider}")).expect(200);
}

#[test]
fn a_provider_is_tested_with_its_own_key_or_the_variables() {
    let world = World::with(&[("OPENAI_API_KEY", "sk-env")]);
    let admin = world.admin();
    let target = format!("/api/providers/{}/test", admin.provider("p"));
    assert_eq!(
        admin.post(&target, json!({})).expect(200),
        json!({ "ok": false, "latency_ms": 25, "status": null, "error": "connection refused" })
    );
    let body = br#"{"error":{"message":"bad key"}}"#.to_vec();
    *world.upstream.borrow_mut() = Ok(ProbeAnswer { status: 401, body });
    assert_eq!(
        admin.post(&target, json!({})).expect(200),
        json!({ "ok": false, "latency_ms": 25, "status": 401, "error": "bad key" })
    );
    let body = br#"{"data":[{"id":"gpt-4o"},{"id":"gpt-5"}]}"#.to_vec();
    *world.upstream.borrow_mut() = Ok(ProbeAnswer { status: 200, body });
    assert_eq!(admin.post(&target, json!({})).expect(200)["ok"], true);

    let silent = admin.create("/api/providers", json!({ "name": "silent", "kind": "perplexity" }));
    let answer = admin.post(&format!("/api/providers/{silent}/test"), json!({})).expect(200);
    assert_eq!(
        (&answer["ok"], &answer["status"]),
        (&json!(false), &json!(null)),
        "it has no list to ask for"
    );

    let without_keys = admin.create("/api/providers", json!({ "name": "bare", "kind": "openai" }));
    let refreshed =
        admin.post(&format!("/api/providers/{without_keys}/models/refresh"), json!({})).expect(200);
    assert_eq!(refreshed, json!({ "count": 2 }));
    let row = admin.get(&format!("/api/providers/{without_keys}")).expect(200);
    assert_eq!(row["models"], json!(["gpt-4o", "gpt-5"]));
    let sent = world.sent();
    assert_eq!(sent.first().unwrap().1.as_deref(), Some("Bearer sk-p-0123456789"));
    assert_eq!(sent.last().unwrap().1.as_deref(), Some("Bearer sk-env"));
}

#[test]
fn the_operators_key_goes_to_the_operators_address_and_nowhere_else() {
    let world = World::with(&[("OPENAI_API_KEY", "sk-env"), ("OPENAI_BASE_URL", "https://operator.test/v1")]);
    let member = world.member("mallory");
    let test = |body: serde_json::Value| {
        let id = member.create("/api/providers", body);
        member.post(&format!("/api/providers/{id}/test"), json!({})).expect(200)
    };
    let here = "https://mallory.test/v1";
    let answer = test(json!({ "name": "theft", "kind": "openai", "base_url": here }));
    assert_eq!(answer["ok"], false);
    assert!(answer["error"].as_str().unwrap().contains("no API key"), "{answer}");
    assert_eq!(world.sent(), [], "nothing left");
    test(json!({ "name": "lent", "kind": "openai" }));
    test(json!({ "name": "own", "kind": "openai", "base_url": here, "api_key": "sk-own-0123456789" }));
    assert_eq!(
        world.sent(),
        [
            ("https://operator.test/v1/models".to_owned(), Some("Bearer sk-env".to_owned())),
            ("https://mallory.test/v1/models".to_owned(), Some("Bearer sk-own-0123456789".to_owned())),
        ]
    );
}

#[test]
fn a_key_that_another_master_key_sealed_is_told_of() {
    let world = World::new();
    let admin = world.admin();
    let provider = admin.provider("p");
    world.store.0.execute_batch("UPDATE provider_keys SET ciphertext = 'v1.AAAA'").unwrap();
    let answer = admin.post(&format!("/api/providers/{provider}/test"), json!({})).expect(500);
    assert_eq!(answer["error"]["code"], "unsealing_failed");
}

#[test]
fn the_demo_needs_nothing_and_passes_its_test() {
    let world = World::new();
    let admin = world.admin();
    let demo = admin.create("/api/providers", json!({ "name": "demo", "kind": "demo" }));
    assert_eq!(admin.post(&format!("/api/providers/{demo}/test"), json!({})).expect(200)["ok"], true);
    let refreshed = admin.post(&format!("/api/providers/{demo}/models/refresh"), json!({})).expect(200);
    assert_eq!(refreshed, json!({ "count": 2 }));
}

#[test]
fn a_stored_list_is_asked_for_anew_when_it_is_old() {
    let world = World::new();
    let admin = world.admin();
    let provider = admin.provider("p");
    let lists = |ids: &[&str]| {
        let data: Vec<_> = ids.iter().map(|id| json!({ "id": id })).collect();
        Ok(ProbeAnswer { status: 200, body: json!({ "data": data }).to_string().into_bytes() })
    };
    let refresh = |before| {
        let context = Context { platform: &world, variables: &world.variables };
        block_on(probe::refresh_stored(&context, before)).unwrap();
        admin.get(&format!("/api/providers/{provider}")).expect(200)["models"].clone()
    };
    *world.upstream.borrow_mut() = lists(&["old"]);
    let stored_at = world.clock.get();
    assert_eq!(
        refresh(stored_at.plus(Millis(1_000_000))),
        json!([]),
        "one that nobody asked for is not stored"
    );
    admin.post(&format!("/api/providers/{provider}/models/refresh"), json!({})).expect(200);
    *world.upstream.borrow_mut() = lists(&["new"]);
    assert_eq!(refresh(stored_at), json!(["old"]));
    assert_eq!(refresh(stored_at.plus(Millis(1_000_000))), json!(["new"]));
    *world.upstream.borrow_mut() = Err("the provider did not answer".into());
    assert_eq!(refresh(stored_at.plus(Millis(2_000_000))), json!(["new"]), "the old one stays");
}

#[test]
fn an_account_without_an_address_uses_the_variables() {
    let world = World::with(&[("AZURE_BASE_URL", "https://operator.openai.azure.com")]);
    world.admin().create("/api/providers", json!({ "name": "x", "kind": "azure", "api_key": "0123456789" }));
}

#[test]
fn the_kinds_are_the_table() {
    let world = World::new();
    let answer = world.admin().get("/api/provider-kinds").expect(200);
    let kinds = answer["data"].as_array().unwrap();
    assert_eq!(kinds.len(), edgeway::provider::table::KINDS.len());
    let openai = kinds.iter().find(|kind| kind["kind"] == "openai").unwrap();
    assert_eq!(openai["title"], "OpenAI");
    assert_eq!(openai["base_url"], "https://api.openai.com/v1");
    assert_eq!(openai["dialects"], json!(["chat", "responses"]));
    assert_eq!(openai["auth"], "bearer");
    assert_eq!(openai["env"], "OPENAI_API_KEY");
}

#[test]
fn provider_keys_are_added_selected_and_deleted_and_all_of_it_is_written_down() {
    let world = World::new();
    let admin = world.admin();
    let provider = admin.provider("p");
    let added = admin
        .post(
            "/api/v1/provider-keys",
            json!({ "provider": "p", "name": "spare", "api_key": "sk-spare-987654" }),
        )
        .expect(201);
    assert_eq!(added["provider"], "p");
    assert_eq!(added["hint"], "sk-...7654");
    world.pass(Millis(1)); // ids of one millisecond sort by their place in their request
    assert_eq!((&added["is_selected"], &added["disabled_until"]), (&json!(false), &json!(null)));
    let again = json!({ "provider": provider, "api_key": "sk-spare-987654" });
    assert_eq!(admin.post("/api/v1/provider-keys", again).expect(409)["error"]["code"], "key_exists");

    let listed = admin.get("/api/v1/provider-keys?provider=p").expect(200);
    let first = listed["data"][0]["id"].as_str().unwrap().to_owned();
    let second = added["id"].as_str().unwrap();
    for id in [first.as_str(), second] {
        let target = format!("/api/v1/provider-keys/{id}");
        assert_eq!(admin.put(&target, json!({ "is_selected": true })).expect(200)["is_selected"], true);
    }
    let selected: Vec<_> = admin.get("/api/v1/provider-keys").expect(200)["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["is_selected"].clone())
        .collect();
    assert_eq!(selected, [json!(false), json!(true)], "one is selected");
    let target = format!("/api/v1/provider-keys/{second}");
    admin.put(&target, json!({ "is_selected": false, "name": "renamed" })).expect(200);
    admin.delete(&target).expect(200);

    let actions: Vec<_> = admin.get("/api/v1/activity-logs").expect(200)["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["action"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(actions, ["DELETE", "UNSELECT", "SELECT", "SELECT", "ADD", "ADD"]);
    let only = admin.get("/api/v1/activity-logs?action=DELETE&provider=p&since=2026-11-20").expect(200);
    assert_eq!(only["data"].as_array().unwrap().len(), 1);
    assert_eq!(only["data"][0]["key_hint"], "sk-...7654");
}

/// What happened to provider keys, the newest first.
fn activities(admin: &Session<'_>) -> Vec<String> {
    let listed = admin.get("/api/v1/activity-logs").expect(200);
    let entry = |row: &Value| {
        let field = |name: &str| row[name].as_str().unwrap().to_owned();
        [field("action"), field("provider"), field("key_hint"), field("description")].join(" | ")
    };
    listed["data"].as_array().unwrap().iter().map(entry).collect()
}

#[test]
fn keys_that_go_with_their_replacement_or_their_provider_are_written_down() {
    let world = World::new();
    let admin = world.admin();
    admin.provider("another");
    let keys = json!(["sk-one-0000001111", "sk-two-0000002222"]);
    let made = json!({ "name": "p", "kind": "openai", "api_keys": keys });
    let target = format!("/api/providers/{}", admin.create("/api/providers", made));
    let before = activities(&admin).len();
    let new = || activities(&admin).into_iter().rev().skip(before).collect::<Vec<_>>();

    world.pass(Millis(1));
    let change = json!({ "name": "q", "api_keys": ["sk-three-00003333", "sk-four-000004444"] });
    assert_eq!(admin.put(&target, change).expect(200)["key_count"], 2);
    let mut written = new();
    written.split_at_mut(2).0.sort();
    let replaced = [
        "DELETE | p | sk-...1111 | deleted a key of p",
        "DELETE | p | sk-...2222 | deleted a key of p",
        "ADD | q | sk-...3333 | added a key for q",
        "ADD | q | sk-...4444 | added a key for q",
    ];
    assert_eq!(written, replaced, "what goes is written down before what comes");

    world.pass(Millis(1));
    let id = target.rsplit('/').next().unwrap();
    let key = admin.create("/api/keys", json!({ "name": "k", "provider_id": id }));
    admin.delete(&target).expect(409);
    assert_eq!(new().len(), 4, "a provider that stays keeps its keys");
    admin.delete(&format!("/api/keys/{key}")).expect(200);
    admin.delete(&target).expect(200);
    let mut written = new().split_off(4);
    written.sort();
    let deleted =
        ["DELETE | q | sk-...3333 | deleted a key of q", "DELETE | q | sk-...4444 | deleted a key of q"];
    assert_eq!(written, deleted);
    let listed = admin.get("/api/v1/activity-logs?action=DELETE").expect(200);
    assert!(listed["data"].as_array().unwrap().iter().all(|row| is_id(row["id"].as_str().unwrap())));
}

#[test]
fn a_key_for_a_kind_creates_its_provider() {
    let world = World::new();
    let admin = world.admin();
    let body = json!({ "provider": "anthropic", "api_key": "sk-ant-0123456789" });
    assert_eq!(admin.post("/api/v1/provider-keys", body).expect(201)["provider"], "anthropic");
    let providers = admin.get("/api/providers").expect(200);
    assert_eq!(providers["data"][0]["kind"], "anthropic");
    let body = json!({ "provider": "openai-compatible", "api_key": "sk-0123456789" });
    assert_eq!(admin.post("/api/v1/provider-keys", body).refused(400), "provider");
}

#[test]
fn an_import_takes_what_it_can_and_says_what_it_skipped() {
    let world = World::new();
    let admin = world.admin();
    admin.provider("p");
    let text = "# keys\n\np=sk-p-0123456789\np,sk-new-0123456789,spare\np=sk-new-0123456789\nnonsense\nq=sk-1\nopenai=sk-2";
    let result = admin.post("/api/v1/provider-keys/import", json!({ "text": text })).expect(200);
    assert_eq!(result["imported"], 2);
    let lines: Vec<_> =
        result["skipped"].as_array().unwrap().iter().map(|skip| skip["line"].clone()).collect();
    assert_eq!(lines, [3, 5, 6, 7]);
    assert!(result["skipped"][0]["reason"].as_str().unwrap().contains("duplicate"));
    let keys = json!({ "keys": [{ "provider": "p", "api_key": "sk-list-0123456789", "name": "n" }] });
    assert_eq!(admin.post("/api/v1/provider-keys/import", keys).expect(200)["imported"], 1);
    assert_eq!(admin.post("/api/v1/provider-keys/import", json!({})).refused(400), "text");
    let keys = admin.get("/api/v1/provider-keys?provider=p").expect(200);
    assert_eq!(keys["data"].as_array().unwrap().len(), 3);
}

#[test]
fn an_import_says_what_is_empty_and_takes_a_name_in_any_case() {
    let world = World::new();
    let admin = world.admin();
    for name in ["My Groq", "Twin", "twin"] {
        admin.provider(name);
    }
    let text = "groq=\n=sk-1\n , \n my groq =sk-in-0123456789\nOpenAI=sk-of-0123456789\nopenai=sk-of-9876543210\n\
                TWIN=sk-to-0123456789\nTwin=sk-to-0123456789";
    let result = admin.post("/api/v1/provider-keys/import", json!({ "text": text })).expect(200);
    let several = "there are several such providers, whose names differ by case alone";
    let skipped = json!([
        { "line": 1, "reason": "the key is empty" },
        { "line": 2, "reason": "the provider is empty" },
        { "line": 3, "reason": "the provider is empty" },
        { "line": 7, "reason": several },
    ]);
    assert_eq!((&result["imported"], &result["skipped"]), (&json!(4), &skipped));
    let keys = json!({ "keys": [
        { "provider": " MY GROQ ", "api_key": "sk-ls-0123456789" },
        { "provider": "", "api_key": "sk-ls-0123456789" },
        { "provider": "my groq", "api_key": " " },
    ] });
    let result = admin.post("/api/v1/provider-keys/import", keys).expect(200);
    let reasons = [&result["skipped"][0]["reason"], &result["skipped"][1]["reason"]];
    assert_eq!(
        (&result["imported"], reasons),
        (&json!(1), [&json!("the provider is empty"), &json!("the key is empty")])
    );
    let providers = admin.get("/api/providers").expect(200);
    let counts: Vec<_> =
        providers["data"].as_array().unwrap().iter().map(|row| [&row["name"], &row["key_count"]]).collect();
    let expected = json!([["My Groq", 3], ["Twin", 2], ["twin", 1], ["openai", 2]]);
    assert_eq!(json!(counts), expected);
}

#[test]
fn a_large_import_is_taken_whole_and_only_once() {
    let world = World::new();
    let admin = world.admin();
    let text: String = (0..1000).map(|number| format!("openai=sk-{number:04}-0123456789\n")).collect();
    let result = admin.post("/api/v1/provider-keys/import", json!({ "text": text })).expect(200);
    assert_eq!((&result["imported"], &result["skipped"]), (&json!(1000), &json!([])));
    let again = admin.post("/api/v1/provider-keys/import", json!({ "text": text })).expect(200);
    assert_eq!((&again["imported"], again["skipped"].as_array().unwrap().len()), (&json!(0), 1000));
    let provider = admin.get("/api/providers").expect(200)["data"][0].clone();
    assert_eq!((&provider["name"], &provider["key_count"]), (&json!("openai"), &json!(1000)));
    let activities = admin.get("/api/v1/activity-logs?action=IMPORT&limit=200").expect(200);
    assert_eq!(activities["data"].as_array().unwrap().len(), 200);
}

#[test]
fn a_snapshot_holds_the_enabled_keys_the_selected_one_first() {
    let world = World::new();
    let admin = world.admin();
    let provider = admin.provider("p");
    let key = admin.post("/api/keys", json!({ "name": "k" })).expect(201);
    let mut ids = vec![];
    for number in 0..3 {
        let body = json!({ "provider": "p", "api_key": format!("sk-{number}-0123456789") });
        ids.push(admin.create("/api/v1/provider-keys", body));
    }
    admin.put(&format!("/api/v1/provider-keys/{}", ids[1]), json!({ "is_selected": true })).expect(200);
    admin.put(&format!("/api/v1/provider-keys/{}", ids[0]), json!({ "enabled": false })).expect(200);
    let hash = sha256_hex(key["key"].as_str().unwrap());
    let snapshot = block_on(load::load(&world.store, &hash, world.clock.get())).unwrap().unwrap();
    let loaded: Vec<_> = snapshot.providers[0].keys.iter().map(|key| key.id.clone()).collect();
    assert_eq!((loaded.len(), &loaded[0], &loaded[1]), (3, &ids[1], &ids[2]));
    let sealed = &snapshot.providers[0].keys[0];
    let opened = world.variables.master_key.open(&sealed.ciphertext, &sealed.id).unwrap();
    assert_eq!(opened.reveal(), "sk-1-0123456789");

    let shared = block_on(load::load_static(&world.store)).unwrap();
    assert_eq!(shared.providers, snapshot.providers);
    assert!(shared.router.is_none() && shared.key.is_active);
    admin.put(&format!("/api/providers/{provider}"), json!({ "enabled": false })).expect(200);
    assert!(block_on(load::load_static(&world.store)).unwrap().providers.is_empty());
    assert!(block_on(load::load(&world.store, "nothing", world.clock.get())).unwrap().is_none());
}

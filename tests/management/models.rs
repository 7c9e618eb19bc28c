//! The catalogue of models, and a caller's own prices over it.

use crate::world::{NOW, World};
use edgeway::store::{Statement, Store};
use edgeway::time::Millis;
use futures::executor::block_on;
use serde_json::{Value, json};

/// kind, model, capabilities, input price in USD, effective from
fn seed(world: &World, rows: &[(&str, &str, &str, Option<i64>, Millis)]) {
    for (kind, model, capabilities, price, from) in rows {
        let statement = Statement::new(
            "INSERT INTO models (id, kind, model, capabilities, input_price, output_price, effective_from, source, \
             updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, 'catalog', ?6)",
        )
        .bind(format!("{kind}-{model}-{}", from.0))
        .bind(*kind)
        .bind(*model)
        .bind(*capabilities)
        .bind(price.map(|usd| usd * 1_000_000_000))
        .bind(*from);
        block_on(world.store.run(statement)).unwrap();
    }
}

fn names(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|row| row["model"].as_str().unwrap()).collect()
}

fn catalogue() -> World {
    let world = World::new();
    let later = NOW.plus(Millis::DAY);
    seed(
        &world,
        &[
            ("openai", "gpt-5", r#"["tools","vision"]"#, Some(2), Millis(1)),
            ("openai", "gpt-5", r#"["tools","vision"]"#, Some(1), Millis(2)),
            ("openai", "gpt-5", r#"["tools"]"#, Some(9), later),
            ("openai", "gpt-mini", r#"["tools"]"#, Some(0), Millis(1)),
            ("anthropic", "claude", r#"["tools","reasoning"]"#, Some(3), Millis(1)),
            ("anthropic", "old", "[]", None, Millis(1)),
        ],
    );
    world
}

#[test]
fn the_price_that_counts_now_is_shown() {
    let world = catalogue();
    let list = world.admin().get("/api/user-models/global?search=GPT-5").expect(200);
    assert_eq!(names(&list), ["gpt-5"]);
    assert_eq!(list["data"][0]["input_price"], 1.0);
    assert_eq!(list["data"][0]["provider"], "openai");
    assert_eq!(list["data"][0]["capabilities"], json!(["tools", "vision"]));
}

#[test]
fn a_model_that_costs_something_by_the_picture_is_not_free() {
    let world = catalogue();
    let priced = Statement::new("UPDATE models SET image_price = 1 WHERE model = 'gpt-mini'");
    block_on(world.store.run(priced)).unwrap();
    let admin = world.admin();
    assert_eq!(names(&admin.get("/api/user-models/global?free=true").expect(200)), [""; 0]);
    let stats = admin.get("/api/user-models/stats").expect(200);
    assert!(!stats.to_string().contains("\"free\":1"), "{stats}");
}

#[test]
fn models_are_searched_filtered_sorted_and_paged() {
    let world = catalogue();
    let admin = world.admin();
    admin.provider("main");
    for (query, expected) in [
        ("", &["claude", "gpt-5", "gpt-mini", "old"][..]),
        ("provider=anthropic", &["claude", "old"]),
        ("provider=main", &["gpt-5", "gpt-mini"]),
        ("capability=vision", &["gpt-5"]),
        ("free=true", &["gpt-mini"]),
        ("free=false", &["claude", "gpt-5"]),
        ("sort=-input_price", &["claude", "gpt-5", "gpt-mini", "old"]),
        ("sort=input_price", &["old", "gpt-mini", "gpt-5", "claude"]),
        ("sort=provider", &["claude", "old", "gpt-5", "gpt-mini"]),
        ("search=%25", &[]),
    ] {
        let list = admin.get(&format!("/api/user-models/global?{query}")).expect(200);
        assert_eq!(names(&list), expected, "{query}");
        let (mut paged, mut cursor) = (vec![], String::new());
        loop {
            let page =
                admin.get(&format!("/api/user-models/global?{query}&limit=1&cursor={cursor}")).expect(200);
            paged.extend(names(&page).into_iter().map(str::to_owned));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = next.into();
        }
        assert_eq!(paged, expected, "{query}, page by page");
    }
    for query in ["sort=beauty", "free=maybe", "cursor=%00", "limit=0", "limit=201", "limit=x"] {
        let field = query.split('=').next().unwrap();
        assert_eq!(admin.get(&format!("/api/user-models/global?{query}")).refused(400), field);
    }
}

#[test]
fn an_own_price_wins_for_its_owner_alone() {
    let world = catalogue();
    let (admin, member) = (world.admin(), world.member("mia"));
    let list = member.get("/api/user-models/global?search=claude").expect(200);
    let target = format!("/api/user-models/{}", list["data"][0]["id"].as_str().unwrap());
    let own = member.put(&target, json!({ "input_price": 0.25 })).expect(200);
    assert_eq!((&own["input_price"], &own["output_price"]), (&json!(0.25), &json!(3.0)));
    assert_eq!(own["source"], "override");
    world.pass(Millis(1));
    let target = format!("/api/user-models/{}", own["id"].as_str().unwrap());
    member.put(&target, json!({ "output_price": null })).expect(200);
    let list = member.get("/api/user-models/global?search=claude").expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    assert_eq!(list["data"][0]["input_price"], 0.25);
    assert_eq!(list["data"][0]["output_price"], json!(null));
    let others = admin.get("/api/user-models/global?search=claude").expect(200);
    assert_eq!(others["data"][0]["input_price"], 3.0);
    assert_eq!(admin.put(&target, json!({ "input_price": 1 })).status, 404, "another's price");
    assert_eq!(member.put(&target, json!({ "input_price": -1 })).refused(400), "input_price");

    let stats = member.get("/api/user-models/stats").expect(200);
    assert_eq!((&stats["models"], &stats["free"]), (&json!(4), &json!(1)));
    assert_eq!((&stats["priced"], &stats["overridden"]), (&json!(3), &json!(1)));
    assert_eq!(admin.post("/api/user-models/refresh", json!({})).expect(200), json!({ "count": 7 }));
}

#[test]
fn a_model_that_the_catalogue_does_not_know_is_priced_by_name() {
    let world = catalogue();
    let admin = world.admin();
    let target = "/api/user-models/acme%2Fbrand+new";
    let body = json!({ "provider": "*", "input_price": 1.5, "output_price": 2 });
    let own = admin.put(target, body).expect(200);
    assert_eq!((&own["model"], &own["provider"]), (&json!("acme/brand+new"), &json!("*")));
    assert_eq!((&own["input_price"], &own["cached_input_price"]), (&json!(1.5), &json!(null)));
    world.pass(Millis(1));
    let own = admin.put(target, json!({ "provider": "*", "output_price": 3 })).expect(200);
    assert_eq!(
        (&own["input_price"], &own["output_price"]),
        (&json!(1.5), &json!(3.0)),
        "what is left out stays"
    );
    let known = admin
        .put("/api/user-models/claude", json!({ "provider": "anthropic", "input_price": 1 }))
        .expect(200);
    assert_eq!(
        (&known["output_price"], &known["capabilities"]),
        (&json!(3.0), &json!(["tools", "reasoning"]))
    );
    assert_eq!(admin.put(target, json!({ "provider": "skynet" })).refused(400), "provider");
    assert_eq!(admin.put(target, json!({ "input_price": 1 })).status, 404, "without a provider it is an id");
}

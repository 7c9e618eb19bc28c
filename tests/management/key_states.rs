//! What the data plane stores of provider keys, and what the management plane makes of it.

use crate::world::{NOW, World};
use edgeway::api::key_change;
use edgeway::config::load;
use edgeway::identifier::new_id;
use edgeway::route::keys::Change;
use edgeway::store::Store;
use edgeway::time::Millis;
use futures::executor::block_on;
use serde_json::{Value, json};

struct Keys {
    world: World,
    ids: Vec<String>,
}

impl Keys {
    /// A provider with these keys.
    fn new(count: usize) -> Keys {
        let world = World::new();
        let admin = world.admin();
        let keys: Vec<String> = (0..count).map(|number| format!("sk-number-{number:04}")).collect();
        let made = json!({ "name": "p", "kind": "openai", "api_keys": keys });
        admin.post("/api/providers", made).expect(201);
        let ids = Keys::rows(&world).iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
        Keys { world, ids }
    }

    fn rows(world: &World) -> Vec<Value> {
        world.admin().get("/api/v1/provider-keys").expect(200)["data"].as_array().unwrap().clone()
    }

    /// A key is dead, or rests until then; gives what the settings say after.
    fn changes(&self, key: usize, until: Option<i64>, at: i64) {
        let id = &self.ids[key];
        let ciphertext = "SELECT ciphertext FROM provider_keys WHERE id = ?1";
        let ciphertext = self.world.store.0.query_row(ciphertext, [id], |row| row.get(0)).unwrap();
        let (at, until) = (NOW.plus(Millis(at)), until.map(|until| NOW.plus(Millis(until))));
        let change = Change { key: id.clone(), ciphertext, until, reason: "refused it".into(), at };
        self.store(&change);
    }

    fn store(&self, change: &Change) {
        let ids = [1, 2, 3].map(|number| new_id(change.at, [number; 10]));
        let statements = key_change::statements(change, ids);
        for statement in &statements {
            let prepared = self.world.store.0.prepare(&statement.sql).unwrap();
            assert_eq!(prepared.parameter_count(), statement.parameters.len(), "{}", statement.sql);
        }
        let outcomes = block_on(self.world.store.batch(statements)).unwrap();
        assert!(load::number(outcomes.last().unwrap()) > 1);
    }

    /// `!` is selected.
    fn states(&self) -> Vec<String> {
        let rows = Keys::rows(&self.world);
        let mark = |row: &Value| if row["is_selected"] == true { "!" } else { "" };
        rows.iter().map(|row| format!("{}{}", row["state"].as_str().unwrap(), mark(row))).collect()
    }

    /// Of the log, the oldest first, without what the setup wrote.
    fn log(&self) -> Vec<String> {
        let listed = self.world.admin().get("/api/v1/activity-logs").expect(200);
        let entry = |row: &Value| {
            assert_eq!(row["provider"], "p");
            format!("{} {}", row["action"].as_str().unwrap(), row["key_hint"].as_str().unwrap())
        };
        let entries = listed["data"].as_array().unwrap().iter().rev().map(entry);
        entries.filter(|entry| !entry.starts_with("ADD")).collect()
    }
}

#[test]
fn a_dead_key_gives_its_place_to_the_next_and_is_written_down_once() {
    let keys = Keys::new(3);
    keys.changes(0, None, 0);
    keys.changes(0, None, 1);
    assert_eq!(keys.states(), ["exhausted", "ready!", "ready"]);
    assert_eq!(keys.log(), ["EXHAUSTED sk-...0000", "UNSELECT sk-...0000", "SELECT sk-...0001"]);
}

#[test]
fn a_resting_key_gives_its_place_away_and_the_order_goes_round() {
    let keys = Keys::new(3);
    keys.changes(0, Some(60_000), 0);
    keys.changes(1, None, 1);
    keys.changes(2, None, 70_000);
    keys.world.pass(Millis(70_000));
    assert_eq!(keys.states(), ["ready!", "exhausted", "exhausted"]);
    let selections: Vec<_> = keys.log().into_iter().filter(|entry| entry.starts_with("SELECT")).collect();
    assert_eq!(selections, ["SELECT sk-...0001", "SELECT sk-...0002", "SELECT sk-...0000"]);
}

#[test]
fn a_key_that_was_not_in_use_takes_no_ones_place() {
    let keys = Keys::new(3);
    keys.changes(1, None, 0);
    assert_eq!(keys.states(), ["ready", "exhausted", "ready"]);
    keys.changes(0, None, 1);
    assert_eq!(keys.states(), ["exhausted", "exhausted", "ready!"]);
    keys.changes(2, None, 2);
    keys.changes(2, None, 3);
    assert_eq!(keys.states(), ["exhausted", "exhausted", "exhausted"], "there is none to take its place");
    assert_eq!(keys.log().split_off(4), ["EXHAUSTED sk-...0002", "UNSELECT sk-...0002"]);
}

#[test]
fn a_selected_key_that_rests_without_another_stays_selected_and_one_that_comes_back_is_used() {
    let keys = Keys::new(2);
    let admin = keys.world.admin();
    let target = |key: usize| format!("/api/v1/provider-keys/{}", keys.ids[key]);
    admin.put(&target(1), json!({ "is_selected": true })).expect(200);
    keys.changes(0, None, 0);
    keys.changes(1, Some(60_000), 1);
    assert_eq!(keys.states(), ["exhausted", "resting!"]);
    keys.changes(1, None, 2);
    assert_eq!(keys.states(), ["exhausted", "exhausted"]);
    admin.put(&target(1), json!({ "enabled": true })).expect(200);
    assert_eq!(keys.states(), ["exhausted", "ready"]);
    let settings = block_on(load::load_static(&keys.world.store)).unwrap();
    let states: Vec<_> =
        settings.providers[0].keys.iter().map(|key| (key.id.clone(), key.is_dead())).collect();
    assert_eq!(states, [(keys.ids[0].clone(), true), (keys.ids[1].clone(), false)], "routing has both");
}

#[test]
fn what_was_found_out_of_a_value_is_nothing_to_another() {
    let keys = Keys::new(2);
    let change = Change {
        key: keys.ids[0].clone(),
        ciphertext: "of another value".into(),
        until: None,
        reason: "refused it".into(),
        at: NOW,
    };
    keys.store(&change);
    assert_eq!(keys.states(), ["ready", "ready"]);
    assert!(keys.log().is_empty());
}

#[test]
fn another_value_or_being_enabled_clears_a_keys_state() {
    let keys = Keys::new(2);
    let admin = keys.world.admin();
    for (at, change) in [(0, json!({ "enabled": true })), (1, json!({ "api_key": "sk-of-another-value" }))] {
        keys.changes(1, None, at);
        assert_eq!(keys.states(), ["ready", "exhausted"]);
        let shown = admin.put(&format!("/api/v1/provider-keys/{}", keys.ids[1]), change).expect(200);
        assert_eq!((&shown["state"], &shown["disabled_reason"]), (&json!("ready"), &Value::Null));
    }
    assert_eq!(Keys::rows(&keys.world)[1]["hint"], "sk-...alue");
    let taken = json!({ "api_key": "sk-number-0000" });
    let target = format!("/api/v1/provider-keys/{}", keys.ids[1]);
    assert_eq!(admin.put(&target, taken).expect(409)["error"]["code"], "key_exists");
}

#[test]
fn settings_have_a_providers_keys_from_the_selected_one_on_and_round() {
    let keys = Keys::new(3);
    let admin = keys.world.admin();
    admin.put(&format!("/api/v1/provider-keys/{}", keys.ids[1]), json!({ "is_selected": true })).expect(200);
    keys.changes(2, None, 0);
    let settings = block_on(load::load_static(&keys.world.store)).unwrap();
    let loaded: Vec<_> = settings.providers[0].keys.iter().map(|key| key.id.clone()).collect();
    assert_eq!(loaded, [keys.ids[1].clone(), keys.ids[2].clone(), keys.ids[0].clone()]);
    assert!(settings.providers[0].keys[1].is_dead());
}

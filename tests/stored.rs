//! Stored Responses over SQLite, as D1 is at the edge: kept, continued, listed, replayed, deleted, and nobody else's.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what stands around the tests may fail like the tests"
)]

#[path = "support/sqlite.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared with the stories of the management plane")]
mod sqlite;

use edgeway::call::accept::Accepted;
use edgeway::call::stored::keep::{KeepError, Keeping};
use edgeway::call::stored::{self, Found, History, history, list, rows};
use edgeway::call::translation::{Exchange, InPath};
use edgeway::config::Key;
use edgeway::config::variables::Variables;
use edgeway::conversation::StreamError;
use edgeway::dialect::relay::{End, Pushed, Relay};
use edgeway::dialect::translate::{Reply, Target};
use edgeway::dialect::{Dialect, Endpoint};
use edgeway::error::ApiError;
use edgeway::secret::Secret;
use edgeway::store::Store;
use edgeway::time::Millis;
use futures::executor::block_on;
use serde_json::{Value, json};
use sqlite::{Health, Sqlite};

const ADA: &str = "ada";
const BOB: &str = "bob";
const NOW: Millis = Millis(1_795_179_600_000);

fn accepted(body: &Value) -> Accepted {
    Accepted::read(Endpoint::Responses, body.to_string().as_bytes(), InPath::default(), &Key::default())
        .unwrap()
}

fn history(store: &Sqlite, owner: &str, body: &Value) -> Result<Option<History>, ApiError> {
    let (call, body) = (accepted(body), body.to_string());
    block_on(history::read(store, owner, call.as_responses().unwrap(), body.as_bytes()))
}

/// One turn: the request is accepted and its answer stored.
fn turn_at(store: &Sqlite, owner: &str, at: i64, request: &Value, answer: &Value) {
    let mut call = accepted(request);
    if let Some(history) = history(store, owner, request).unwrap() {
        call.continue_from(history);
    }
    let keeping =
        Keeping::of(&call, request.to_string().as_bytes(), owner, "key", NOW.plus(Millis(at))).unwrap();
    block_on(keeping.keep(store, answer.to_string().as_bytes())).unwrap();
}

fn turn(store: &Sqlite, id: &str, input: &str, previous: Option<&str>) {
    turn_at(store, ADA, 0, &asks(input, previous), &says(id, "Yes."));
}

fn asks(input: &str, previous: Option<&str>) -> Value {
    json!({"model": "m", "input": input, "previous_response_id": previous})
}

fn says(id: &str, text: &str) -> Value {
    let part = json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
    let message = json!({"type": "message", "id": format!("msg_{id}"), "role": "assistant", "status": "completed", "content": [part]});
    json!({"id": id, "object": "response", "status": "completed", "model": "m", "output": [message]})
}

fn body(found: Found) -> Value {
    match found {
        Found::Json(bytes) => serde_json::from_slice(&bytes).unwrap(),
        Found::Events(_) => panic!("JSON was expected"),
    }
}

fn listed(store: &Sqlite, owner: &str, query: &str) -> Value {
    body(block_on(list::responses(store, owner, query)).unwrap())
}

fn ids(page: &Value) -> Vec<&str> {
    page["data"].as_array().unwrap().iter().map(|each| each["id"].as_str().unwrap()).collect()
}

/// The texts of a request's messages as an upstream of the Chat dialect gets them.
fn sent(store: &Sqlite, request: &Value, upstream: Dialect) -> Value {
    let mut call = accepted(request);
    call.continue_from(history(store, ADA, request).unwrap().unwrap());
    let (body, target) = (request.to_string(), Target { model: "m", ..Target::default() });
    let prepared = call
        .prepare(body.as_bytes(), Endpoint::of_dialect(upstream), &target, &Key::default(), Reply::default)
        .unwrap();
    serde_json::from_slice(&prepared.body).unwrap()
}

#[test]
fn a_body_of_three_megabytes_comes_back_in_one_piece() {
    let store = Sqlite::new();
    let text = "€uro-".repeat(430_000);
    turn_at(&store, ADA, 0, &asks(&text, None), &says("resp_1", &text));
    let (count, longest): (i64, i64) = store
        .0
        .query_row("SELECT COUNT(*), MAX(LENGTH(CAST(text AS BLOB))) FROM response_chunks", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert!(count > 12 && longest <= 500_000, "{count} pieces of up to {longest} bytes");
    let found = body(block_on(stored::get(&store, ADA, "resp_1", "")).unwrap());
    assert_eq!(found, says("resp_1", &text));
    let items = body(block_on(stored::input_items(&store, ADA, "resp_1", "")).unwrap());
    assert_eq!(items["data"][0]["content"][0]["text"], text);
}

#[test]
fn what_is_another_owners_is_not_there() {
    let store = Sqlite::new();
    turn(&store, "resp_1", "Hi", None);
    // The same id may be anybody's: upstreams give them.
    turn_at(&store, BOB, 0, &asks("Mine", None), &says("resp_2", "Yours"));
    for answer in [
        block_on(stored::get(&store, BOB, "resp_1", "")),
        block_on(stored::delete(&store, BOB, "resp_1")),
        block_on(stored::cancel(&store, BOB, "resp_1")),
        block_on(stored::input_items(&store, BOB, "resp_1", "")),
    ] {
        assert_eq!(answer.unwrap_err().status, 404);
    }
    let error = history(&store, BOB, &asks("And?", Some("resp_1"))).unwrap_err();
    assert_eq!((error.status, error.code), (400, "previous_response_not_found"));
    assert_eq!(error.field.as_deref(), Some("previous_response_id"));
    assert_eq!(ids(&listed(&store, BOB, "")), ["resp_2"]);
    let refers = json!({"model": "m", "input": [{"type": "item_reference", "id": "msg_resp_1"}]});
    assert_eq!(history(&store, BOB, &refers).unwrap(), None);
    assert_eq!(body(block_on(stored::delete_all(&store, BOB)).unwrap())["count"], 1);
    assert!(block_on(stored::get(&store, ADA, "resp_1", "")).is_ok());
}

#[test]
fn a_conversation_is_put_before_its_next_turn_in_any_dialect() {
    let store = Sqlite::new();
    turn(&store, "resp_1", "One", None);
    turn(&store, "resp_2", "Two", Some("resp_1"));
    let third = asks("Three", Some("resp_2"));
    let said: Vec<Value> = ["One", "Yes.", "Two", "Yes.", "Three"].map(Value::from).into();
    let texts = |body: &Value, list: &str| -> Vec<Value> {
        let text = |each: &Value| match &each["content"] {
            Value::Array(parts) => parts[0]["text"].clone(),
            text => text.clone(),
        };
        body[list].as_array().unwrap().iter().map(text).collect()
    };
    assert_eq!(texts(&sent(&store, &third, Dialect::Chat), "messages"), said);
    assert_eq!(texts(&sent(&store, &third, Dialect::Messages), "messages"), said);
    let responses = sent(&store, &third, Dialect::Responses);
    assert_eq!(texts(&responses, "input"), said);
    assert_eq!(responses.get("previous_response_id"), None);
    let mut plain = accepted(&asks("Three", None));
    let before = plain.asked.input_tokens;
    plain.continue_from(history(&store, ADA, &third).unwrap().unwrap());
    assert!(plain.asked.input_tokens > before, "routing sees how long the conversation is");

    let items = body(block_on(stored::input_items(&store, ADA, "resp_2", "order=asc")).unwrap());
    assert_eq!(texts(&items, "data"), said[..3]);
    let two = body(block_on(stored::input_items(&store, ADA, "resp_2", "limit=2")).unwrap());
    assert_eq!(texts(&two, "data"), ["Two", "Yes."].map(Value::from));
    assert_eq!(two["has_more"], true);
    let query = format!("after={}", two["last_id"].as_str().unwrap());
    let rest = body(block_on(stored::input_items(&store, ADA, "resp_2", &query)).unwrap());
    assert_eq!(texts(&rest, "data"), [Value::from("One")]);
}

#[test]
fn a_conversation_with_a_gap_is_refused_rather_than_shortened() {
    let store = Sqlite::new();
    turn(&store, "resp_1", "One", None);
    turn(&store, "resp_2", "Two", Some("resp_1"));
    block_on(stored::delete(&store, ADA, "resp_1")).unwrap();
    let error = history(&store, ADA, &asks("Three", Some("resp_2"))).unwrap_err();
    assert_eq!(error.code, "previous_response_not_found");
    assert!(error.message.contains("'resp_1'"), "{}", error.message);
}

#[test]
fn references_to_stored_items_become_the_items() {
    let store = Sqlite::new();
    let mut answer = says("resp_1", "Forty-two.");
    let thought = json!({"type": "reasoning", "id": "rs_1", "summary": []});
    answer["output"].as_array_mut().unwrap().insert(0, thought);
    turn_at(&store, ADA, 0, &asks("How much?", None), &answer);
    let refers = json!({"model": "m", "input": [
        {"role": "user", "content": "How much?"}, {"type": "item_reference", "id": "rs_1"},
        {"type": "item_reference", "id": "msg_resp_1"}, {"role": "user", "content": "Why?"},
    ]});
    let chat = sent(&store, &refers, Dialect::Chat);
    let contents: Vec<&Value> =
        chat["messages"].as_array().unwrap().iter().map(|each| &each["content"]).collect();
    assert_eq!(contents, ["How much?", "Forty-two.", "Why?"]);
    // A thought without its state means something only to the provider that keeps it.
    let responses = sent(&store, &refers, Dialect::Responses);
    assert_eq!(responses["input"].as_array().unwrap().len(), 3, "{responses}");
    let unknown = json!({"model": "m", "input": [{"type": "item_reference", "id": "msg_upstreams"}]});
    assert_eq!(history(&store, ADA, &unknown).unwrap(), None, "that is for the upstream to know");
}

#[test]
fn pages_of_the_list_follow_one_another_in_both_orders() {
    let store = Sqlite::new();
    for (at, id) in ["resp_a1", "resp_b1", "resp_a2", "resp_b2", "resp_a3"].iter().enumerate() {
        // Two of them in the same millisecond.
        turn_at(&store, ADA, i64::try_from(at / 2).unwrap(), &asks("Hi", None), &says(id, "Yes."));
    }
    let all = ["resp_a3", "resp_b2", "resp_a2", "resp_b1", "resp_a1"];
    for (order, expected) in [("desc", all.to_vec()), ("asc", all.iter().rev().copied().collect())] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = listed(&store, ADA, &format!("order={order}&limit=2&cursor={cursor}"));
            seen.extend(ids(&page).into_iter().map(str::to_owned));
            assert_eq!(page["has_more"], !page["next_cursor"].is_null());
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = next.to_owned();
        }
        assert_eq!(seen, expected, "{order}");
    }
    assert_eq!(ids(&listed(&store, ADA, "prefix=resp_a")), ["resp_a3", "resp_a2", "resp_a1"]);
    assert_eq!(ids(&listed(&store, ADA, "prefix=resp_a&order=asc&after=resp_a1")), ["resp_a2", "resp_a3"]);
    assert_eq!(ids(&listed(&store, ADA, "prefix=resp_%")), Vec::<&str>::new());
    assert_eq!(ids(&listed(&store, ADA, "before=resp_b2")), ["resp_a3"]);
    assert_eq!(listed(&store, ADA, "limit=1")["data"][0], says("resp_a3", "Yes."), "whole objects");
    for (query, field) in
        [("limit=0", "limit"), ("limit=x", "limit"), ("order=up", "order"), ("after=resp_9", "after")]
    {
        let error = block_on(list::responses(&store, ADA, query)).unwrap_err();
        assert_eq!((error.status, error.field.as_deref()), (400, Some(field)), "{query}");
    }
}

#[test]
fn a_page_ends_before_it_is_too_heavy_to_be_held() {
    let store = Sqlite::new();
    for (at, id) in ["resp_1", "resp_2"].iter().enumerate() {
        turn_at(&store, ADA, i64::try_from(at).unwrap(), &asks("Hi", None), &says(id, "Yes."));
    }
    weigh(&store, 5_000_000);
    let page = listed(&store, ADA, "");
    assert_eq!((ids(&page), &page["has_more"]), (vec!["resp_2"], &json!(true)));
    assert_eq!(ids(&listed(&store, ADA, "after=resp_2")), ["resp_1"]);
}

#[test]
fn what_is_deleted_leaves_nothing_behind() {
    let store = Sqlite::new();
    turn(&store, "resp_1", "One", None);
    turn(&store, "resp_1", "One again, under the same id", None);
    turn(&store, "resp_2", "Two", Some("resp_1"));
    let deleted = body(block_on(stored::delete(&store, ADA, "resp_2")).unwrap());
    assert_eq!(deleted, json!({"id": "resp_2", "object": "response", "deleted": true}));
    assert_eq!(block_on(stored::delete(&store, ADA, "resp_2")).unwrap_err().status, 404);
    assert_eq!(body(block_on(stored::delete_all(&store, ADA)).unwrap())["count"], 1);
    for table in ["responses", "response_chunks", "response_items"] {
        let count: i64 =
            store.0.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(count, 0, "{table}");
    }
}

#[test]
fn a_conversation_is_deleted_as_a_whole_once_it_has_rested_long_enough() {
    let store = Sqlite::new();
    let day = Millis::DAY.0;
    turn_at(&store, ADA, 0, &asks("One", None), &says("resp_1", "Yes."));
    turn_at(&store, ADA, 20 * day, &asks("Two", Some("resp_1")), &says("resp_2", "Yes."));
    turn_at(&store, ADA, 0, &asks("Alone", None), &says("resp_3", "Yes."));
    let left_after = |days: i64| {
        block_on(store.run(stored::bite(NOW.plus(Millis(days * day + 1)), 30))).unwrap();
        let page = listed(&store, ADA, "order=asc");
        ids(&page).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(left_after(29).len(), 3);
    assert_eq!(left_after(31), ["resp_1", "resp_2"], "the second turn still needs the first");
    assert!(left_after(50).is_empty());
}

#[test]
fn a_synchronous_response_cannot_be_cancelled_in_openais_words() {
    let store = Sqlite::new();
    turn(&store, "resp_1", "One", None);
    let error = block_on(stored::cancel(&store, ADA, "resp_1")).unwrap_err();
    assert_eq!((error.status, error.message.as_str()), (400, "Cannot cancel a synchronous response."));
    assert_eq!(block_on(stored::cancel(&store, ADA, "resp_2")).unwrap_err().status, 404);
}

#[test]
fn a_stream_is_replayed_from_where_it_is_asked_for() {
    let store = Sqlite::new();
    turn(&store, "resp_1", "One", None);
    let events = |query: &str| match block_on(stored::get(&store, ADA, "resp_1", query)).unwrap() {
        Found::Events(bytes) => String::from_utf8(bytes).unwrap(),
        Found::Json(_) => panic!("events were expected"),
    };
    let all = events("stream=true");
    assert!(all.starts_with("event: response.created") && all.contains("event: response.completed"));
    assert!(all.ends_with(&events("stream=true&starting_after=3")));
    let error = block_on(stored::get(&store, ADA, "resp_1", "stream=true&starting_after=x")).unwrap_err();
    assert_eq!(error.field.as_deref(), Some("starting_after"));
}

#[test]
fn only_what_is_to_be_stored_is_stored() {
    let keeps = |body: Value| {
        let call = accepted(&body);
        Keeping::of(&call, body.to_string().as_bytes(), ADA, "key", NOW).is_some()
    };
    assert!(keeps(json!({"model": "m", "input": "x"})) && keeps(json!({"model": "m", "store": true})));
    assert!(!keeps(json!({"model": "m", "store": false})));
    let background = json!({"model": "m", "input": "x", "background": true}).to_string();
    let error =
        Accepted::read(Endpoint::Responses, background.as_bytes(), InPath::default(), &Key::default())
            .unwrap_err();
    assert_eq!((error.status, error.field.as_deref()), (400, Some("background")));
}

#[test]
fn a_database_that_does_not_answer_is_told_apart_from_an_answer_that_is_none() {
    let store = Sqlite::new();
    let keep = |answer: &str| {
        let call = accepted(&asks("Hi", None));
        let keeping = Keeping::of(&call, b"{}", ADA, "key", NOW).unwrap();
        block_on(keeping.keep(&store, answer.as_bytes()))
    };
    assert_eq!(keep("{}"), Err(KeepError::NoId));
    store.1.set(Health::Fails);
    assert!(matches!(keep(r#"{"id":"resp_1"}"#), Err(KeepError::Store(_))));
    assert_eq!(block_on(stored::get(&store, ADA, "resp_1", "")).unwrap_err().status, 503);
    assert_eq!(history(&store, ADA, &asks("Hi", Some("resp_1"))).unwrap_err().status, 503);
}

#[test]
fn a_chain_that_is_too_long_is_refused() {
    let store = Sqlite::new();
    let mut previous: Option<String> = None;
    for index in 1..=4 {
        let id = format!("resp_{index}");
        turn(&store, &id, "Go on.", previous.as_deref());
        previous = Some(id);
    }
    weigh(&store, 6_000_000);
    let continues = |id: &str| history(&store, ADA, &asks("And?", Some(id)));
    assert!(
        continues("resp_3").unwrap().is_some(),
        "the turn that passes the bound is the last that is read"
    );
    let error = continues("resp_4").unwrap_err();
    assert!(error.message.contains("too long"), "{}", error.message);
    assert_eq!(block_on(rows::chain(&store, ADA, "resp_4")).unwrap().len(), 3);
}

/// Makes each stored turn as heavy as this, bytes.
fn weigh(store: &Sqlite, size: i64) {
    store.0.execute("UPDATE responses SET size = ?1", [size]).unwrap();
}

#[test]
fn an_owner_is_a_user_or_all_static_keys_or_a_key_that_its_caller_brought() {
    let set = |name: &str| match name {
        "MASTER_KEY" => Some("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned()),
        "GATEWAY_API_KEYS" => Some("static-1,static-2".to_owned()),
        _ => None,
    };
    let variables = Variables::read(set, &[]).unwrap();
    let of = |key: &Key, credential: &str| stored::owner(key, &variables, || Some(Secret::new(credential)));
    let user = Key { id: "key".into(), user_id: "user".into(), ..Key::default() };
    // The static keys work with the first administrator's providers, and still do not see what that user has stored.
    let shared = Key { user_id: "user".into(), ..Key::default() };
    assert_eq!(of(&user, "gw_1"), "user");
    assert_eq!((of(&shared, "static-1"), of(&shared, "static-2")), ("static".into(), "static".into()));
    let brought = of(&Key::default(), "sk-1");
    assert_ne!(brought, of(&Key::default(), "sk-2"));
    assert!(!brought.contains("sk-1"));
}

/// What a stream of these events hands over to be stored, and the `response` of the last event that went to the client.
fn streamed(exchange: &Exchange, events: &[Value]) -> (Value, Value) {
    let mut relay = Relay::new(exchange.watch());
    let mut sent = Vec::new();
    for event in events {
        let frame = format!("data: {event}\n\n").into_bytes();
        match relay.push(&frame).unwrap() {
            Pushed::AsIs => sent.extend(frame),
            Pushed::Bytes(bytes) => sent.extend(bytes),
            Pushed::Nothing => {}
        }
    }
    match relay.finish() {
        (End::Complete, tail) => sent.extend(tail),
        _ => sent.extend(relay.error(&StreamError { message: "cut".into(), ..StreamError::default() })),
    }
    let sent = String::from_utf8(sent).unwrap();
    let last = sent.trim_end().rsplit("data: ").next().unwrap();
    let answer = relay.take_answer().unwrap();
    assert_eq!(relay.take_answer(), None, "it is handed over once");
    (
        serde_json::from_slice(&answer).unwrap(),
        serde_json::from_str::<Value>(last).unwrap()["response"].clone(),
    )
}

#[test]
fn a_stream_hands_over_what_its_last_event_told_the_client() {
    let passing = Exchange::same(Endpoint::Responses, false, false);
    let created = json!({"type": "response.created", "sequence_number": 0, "response": {"id": "resp_1", "status": "in_progress", "output": []}});
    let delta = json!({"type": "response.output_text.delta", "sequence_number": 1, "delta": "Hi"});
    let completed =
        json!({"type": "response.completed", "sequence_number": 2, "response": says("resp_1", "Hi")});
    let request = asks("Hi", None).to_string();
    let translated = |upstream| {
        let call = accepted(&asks("Hi", None));
        let (target, key) = (Target { model: "m", ..Target::default() }, Key::default());
        let reply = || Reply { id: "call".into(), ..Reply::default() };
        call.prepare(request.as_bytes(), upstream, &target, &key, reply).unwrap().exchange
    };
    let chunk = |delta: Value, finish: Value| {
        json!({"id": "c", "object": "chat.completion.chunk", "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    let (hi, stop) = (chunk(json!({"content": "Hi"}), Value::Null), chunk(json!({}), "stop".into()));
    for (exchange, events, status) in [
        (passing.clone(), vec![created.clone(), delta.clone(), completed], "completed"),
        (passing, vec![created, delta], "failed"),
        (translated(Endpoint::ChatCompletions), vec![hi.clone(), stop], "completed"),
        (translated(Endpoint::ChatCompletions), vec![hi], "failed"),
    ] {
        let (kept, told) = streamed(&exchange, &events);
        assert_eq!(kept, told);
        assert_eq!(kept["status"], status);
    }
}

#[test]
fn a_user_that_is_deleted_takes_its_answers_along() {
    let store = Sqlite::new();
    let user = "INSERT INTO users VALUES ('ada', 'ada', 'hash', 'member', 1, 1)";
    store.0.execute(user, []).unwrap();
    turn(&store, "resp_1", "Hi", None);
    turn_at(&store, BOB, 0, &asks("Hi", None), &says("resp_1", "Yes."));
    store.0.execute("DELETE FROM users WHERE id = 'ada'", []).unwrap();
    assert_eq!(block_on(stored::get(&store, ADA, "resp_1", "")).unwrap_err().status, 404);
    assert!(block_on(stored::get(&store, BOB, "resp_1", "")).is_ok());
}

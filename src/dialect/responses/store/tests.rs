//! Turns that go on from stored ones.

use super::*;
use crate::conversation::{Content, Opaque, Role};
use crate::dialect::responses::request::decode;

fn request(body: &Value) -> Request {
    decode(body.to_string().as_bytes()).unwrap()
}

#[test]
fn input_items_have_the_shape_of_the_api() {
    let items = input_items(&request(&json!({"input": [
        {"role": "user", "content": "Hi"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "id": "fc_1"},
        {"type": "function_call_output", "call_id": "c", "output": "5"},
        {"type": "item_reference", "id": "msg_1"},
    ]})));
    let id = |index: usize| items[index]["id"].as_str().unwrap();
    assert!(id(0).starts_with("msg_ew") && id(2).starts_with("fco_ew"), "{items:?}");
    assert_eq!((id(1), id(3)), ("fc_1", "msg_1"));
    assert_eq!(items[0]["content"], json!([{"type": "input_text", "text": "Hi"}]));
    assert_eq!(items[0]["status"], "completed");
    assert!(is_own_item(id(0)) && !is_own_item("msg_0081798b"));
    assert_eq!(input_items(&request(&json!({"input": [{"role": "user", "content": "Hi"}]})))[0], items[0]);
}

#[test]
fn a_turn_goes_on_from_one_that_another_provider_answered() {
    let state = Opaque::new(Dialect::Gemini, "sig");
    let attached = Opaque { is_attached: true, ..state.clone() }.carried_by(Dialect::Responses).into_owned();
    let stored = StoredTurn {
        input: input_items(&request(&json!({"input": "Weather?"}))),
        output: vec![
            json!({"type": "reasoning", "id": "rs_ew1", "summary": [], "encrypted_content": attached}),
            json!({"type": "function_call", "id": "fc_ew2", "call_id": "c", "name": "f", "arguments": "{}"}),
            json!({"type": "message", "role": 7}),
        ],
    };
    let mut next = request(&json!({
        "previous_response_id": "resp_1", "instructions": "Be kind.",
        "input": [{"type": "function_call_output", "call_id": "c", "output": "5"}],
    }));
    continue_from(&mut next, &stored);
    assert!(next.extras.is_empty());
    let roles: Vec<Role> = next.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::User]);
    assert_eq!(next.messages[1].content[0].signature, Some(state));
    assert!(matches!(next.messages[1].content[0].content, Content::ToolCall(_)));

    // And what is stored of this turn holds all of it, so that a third needs no more.
    let mut third = request(&json!({"input": "Thanks."}));
    continue_from(&mut third, &StoredTurn { input: input_items(&next), output: Vec::new() });
    assert_eq!(third.messages.len(), 4);
    assert_eq!(third.messages[1].content[0].signature, next.messages[1].content[0].signature);
}

#[test]
fn references_are_resolved_as_far_as_they_are_known() {
    let mut asked = request(&json!({"input": [
        {"type": "item_reference", "id": "msg_1"}, {"id": "msg_2"}, {"type": "web_search_call", "id": "ws_1"},
    ]}));
    assert_eq!(references(&asked).collect::<Vec<_>>(), ["msg_1", "msg_2"]);
    resolve(&mut asked, |id| {
        (id == "msg_2").then(|| json!({"type": "message", "id": id, "role": "assistant", "content": "Hi"}))
    });
    assert_eq!(references(&asked).collect::<Vec<_>>(), ["msg_1"]);
    assert_eq!(asked.messages[1].content, [Block::text("Hi")]);
}

#[test]
fn pages_follow_one_another() {
    let items: Vec<Value> = (0..5).map(|index| json!({"id": format!("msg_{index}")})).collect();
    let ids = |page: &Value| {
        let data = page["data"].as_array().unwrap();
        data.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = item_page(items.clone(), None, 2, false);
    assert_eq!(ids(&first), ["msg_4", "msg_3"]);
    assert_eq!((&first["has_more"], &first["last_id"]), (&json!(true), &json!("msg_3")));
    let second = item_page(items.clone(), first["last_id"].as_str(), 9, false);
    assert_eq!((ids(&second).len(), &second["has_more"]), (3, &json!(false)));
    assert_eq!(ids(&item_page(items, None, 1, true)), ["msg_0"]);
    assert_eq!(list(Vec::new(), false)["first_id"], Value::Null);
    assert_eq!(deleted("resp_1"), json!({"id": "resp_1", "object": "response", "deleted": true}));
}

#[test]
fn a_replay_begins_where_it_is_asked_to() {
    let response = json!({"id": "resp_1", "status": "incomplete", "output": [
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c", "name": "p", "input": "x"},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "incomplete", "content": [{"type": "refusal", "refusal": "No."}]},
    ]});
    let kinds = |from| {
        let text = String::from_utf8(replay(&response, from)).unwrap();
        let name = |line: &str| line.strip_prefix("event: ").map(str::to_owned);
        text.lines().filter_map(name).collect::<Vec<_>>()
    };
    let all = kinds(None);
    assert_eq!(
        all,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.output_item.done",
            "response.output_item.added",
            "response.custom_tool_call_input.delta",
            "response.custom_tool_call_input.done",
            "response.output_item.done",
            "response.output_item.added",
            "response.content_part.added",
            "response.refusal.delta",
            "response.refusal.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.incomplete",
        ]
    );
    assert_eq!(kinds(Some(3)), all[4..]);
    assert!(kinds(Some(99)).is_empty());
}

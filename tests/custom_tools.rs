//! Tools that take plain text (Codex has its patches so), on targets that know only functions.

use edgeway::call::translation::{InPath, translate};
use edgeway::dialect::Dialect;
use edgeway::dialect::translate::{Reply, Target};
use serde_json::{Value, json};

#[test]
fn a_call_of_a_custom_tool_comes_back_as_one() {
    let asked = json!({
        "model": "m", "input": "Patch it.",
        "tools": [{ "type": "custom", "name": "apply_patch", "format": { "type": "text" } }],
    });
    let arguments = json!({ "input": "*** Begin Patch" });
    let answers = [
        (
            Dialect::Chat,
            json!({ "id": "c", "choices": [{ "index": 0, "finish_reason": "tool_calls", "message": { "role": "assistant", "content": null, "tool_calls": [
                { "id": "call_1", "type": "function", "function": { "name": "apply_patch", "arguments": arguments.to_string() } },
            ] } }] }),
        ),
        (
            Dialect::Messages,
            json!({ "id": "m", "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use", "content": [
                { "type": "tool_use", "id": "call_1", "name": "apply_patch", "input": arguments },
            ] }),
        ),
        (
            Dialect::Gemini,
            json!({ "candidates": [{ "finishReason": "STOP", "content": { "role": "model", "parts": [
                { "functionCall": { "id": "call_1", "name": "apply_patch", "args": arguments } },
            ] } }] }),
        ),
    ];
    for (upstream, answer) in answers {
        let target = Target { model: "m", ..Target::default() };
        let body = asked.to_string();
        let path = InPath::default();
        let call =
            translate(Dialect::Responses, upstream, body.as_bytes(), &path, None, &target, Reply::default());
        let answered = call.unwrap().exchange.answer(answer.to_string().as_bytes()).unwrap().unwrap();
        let answered: Value = serde_json::from_slice(&answered.body).unwrap();
        let item = &answered["output"][0];
        assert_eq!(
            (&item["type"], &item["name"], &item["input"]),
            (&"custom_tool_call".into(), &"apply_patch".into(), &"*** Begin Patch".into()),
            "{upstream:?}"
        );
    }
}

//! Tools that take plain text (Codex has its patches so), on targets that know only functions.

use edgeway::call::translation::{InPath, Said, translate};
use edgeway::dialect::relay::{Pushed, Relay};
use edgeway::dialect::translate::{Reply, Target};
use edgeway::dialect::{Dialect, Endpoint};
use serde_json::{Value, json};

/// What a client says that goes on with nothing.
fn said<'a>(body: &'a str, in_path: &'a InPath) -> Said<'a> {
    Said { body: body.as_bytes(), in_path, history: None }
}

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
            translate(Endpoint::Responses, upstream, said(&body, &path), None, &target, Reply::default());
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

/// The way in which Codex gives tools to OpenAI's newest models.
#[test]
fn tools_of_namespaces_are_called_like_others_and_come_back_with_theirs() {
    let schema = json!({ "type": "object", "properties": {} });
    let asked = json!({ "model": "m", "stream": true, "input": [
        { "type": "additional_tools", "role": "developer", "tools": [
            { "type": "namespace", "name": "functions", "tools": [{ "type": "custom", "name": "exec" }] },
            { "type": "namespace", "name": "agents", "tools": [{ "type": "function", "name": "spawn", "parameters": schema }] },
        ] },
        { "type": "message", "role": "user", "content": "Go." },
        { "type": "function_call", "call_id": "call_1", "namespace": "agents", "name": "spawn", "arguments": "{}" },
        { "type": "function_call_output", "call_id": "call_1", "output": "ok" },
    ] });
    let target = Target { model: "m", ..Target::default() };
    let body = asked.to_string();
    let path = InPath::default();
    let call = translate(
        Endpoint::Responses,
        Dialect::Messages,
        said(&body, &path),
        None,
        &target,
        Reply::default(),
    )
    .unwrap();
    assert_eq!(call.dropped, Vec::<String>::new());
    let sent: Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(
        (&sent["tools"][0]["name"], &sent["tools"][1]["name"]),
        (&"exec".into(), &"agents__spawn".into())
    );
    assert_eq!(&sent["messages"][1]["content"][0]["name"], "agents__spawn");

    let content = json!([
        { "type": "tool_use", "id": "a", "name": "agents__spawn", "input": {} },
        { "type": "tool_use", "id": "b", "name": "exec", "input": { "input": "text(1)" } },
    ]);
    let answer = json!({ "id": "m", "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use", "content": content });
    let answered = call.exchange.answer(answer.to_string().as_bytes()).unwrap().unwrap();
    let answered: Value = serde_json::from_slice(&answered.body).unwrap();

    let mut relay = Relay::new(call.exchange.watch());
    let mut events = vec![json!({ "type": "message_start", "message": { "id": "m", "model": "m" } })];
    for (index, block) in content.as_array().unwrap().iter().enumerate() {
        events.push(json!({ "type": "content_block_start", "index": index, "content_block": block }));
        events.push(json!({ "type": "content_block_stop", "index": index }));
    }
    events.push(json!({ "type": "message_delta", "delta": { "stop_reason": "tool_use" } }));
    events.push(json!({ "type": "message_stop" }));
    let stream: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let Pushed::Bytes(out) = relay.push(stream.as_bytes()).unwrap() else { panic!("nothing was said") };
    let out = String::from_utf8(out).unwrap();
    let last = out.lines().filter_map(|line| line.strip_prefix("data: ")).next_back().unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    let streamed = &last["response"]["output"];
    for (place, kind, namespace, name) in
        [(0, "function_call", "agents", "spawn"), (1, "custom_tool_call", "functions", "exec")]
    {
        for item in [&answered["output"][place], &streamed[place]] {
            let told = (&item["type"], &item["namespace"], &item["name"]);
            assert_eq!(told, (&kind.into(), &namespace.into(), &name.into()));
        }
    }
}

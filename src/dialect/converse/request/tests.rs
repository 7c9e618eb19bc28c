//! What each block, tool and setting becomes, and what is told where it becomes nothing.

use super::*;
use crate::conversation::Dialect;
use crate::dialect::chat;

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const NOVA: &str = "us.amazon.nova-2-lite-v1:0";

fn of(client: Dialect, model: &str, body: &Value) -> (Value, Vec<String>) {
    let body = body.to_string();
    let request = match client {
        Dialect::Chat => chat::request::decode(body.as_bytes()).unwrap(),
        _ => messages::request::decode(body.as_bytes()).unwrap(),
    };
    let mut losses = Losses::default();
    let body = encode(request, &Target { model, ..Target::default() }, &mut losses);
    (serde_json::from_slice(&body).unwrap(), losses.names(messages::request::name_of))
}

#[test]
fn a_claude_gets_all_that_messages_say() {
    let (body, lost) = of(
        Dialect::Messages,
        CLAUDE,
        &json!({
            "model": "x", "max_tokens": 3000, "top_k": 4, "top_p": 0.9, "temperature": 1, "stop_sequences": ["X"], "stream": true,
            "thinking": { "type": "enabled", "budget_tokens": 2000 }, "output_config": { "effort": "low" },
            "system": [{ "type": "text", "text": "Be kind.", "cache_control": { "type": "ephemeral", "ttl": "1h" } }],
            "tools": [
                { "name": "f", "description": "F", "input_schema": { "type": "object" }, "cache_control": { "type": "ephemeral" } },
                { "type": "web_search_20250305", "name": "web_search" },
            ],
            "tool_choice": { "type": "tool", "name": "f" },
            "messages": [
                { "role": "user", "content": [
                    { "type": "text", "text": "Hi" },
                    { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "AA==" } },
                    { "type": "document", "title": "a/b  (1)", "source": { "type": "base64", "media_type": "application/pdf", "data": "BB==" } },
                    { "type": "document", "source": { "type": "text", "media_type": "text/plain", "data": "x" } },
                ] },
                { "role": "user", "content": "and" },
                { "role": "assistant", "content": [
                    { "type": "thinking", "thinking": "Hm.", "signature": "EpUJ" },
                    { "type": "redacted_thinking", "data": "ErUB" },
                    { "type": "tool_use", "id": "t1", "name": "f", "input": { "a": 1 } },
                ] },
                { "role": "user", "content": [
                    { "type": "tool_result", "tool_use_id": "t1", "is_error": true, "content": "no" },
                    { "type": "tool_result", "tool_use_id": "t2" },
                ] },
            ],
        }),
    );
    let expected = json!({
        "messages": [
            { "role": "user", "content": [
                { "text": "Hi" },
                { "image": { "format": "png", "source": { "bytes": "AA==" } } },
                { "document": { "format": "pdf", "name": "a b (1) 1", "source": { "bytes": "BB==" } } },
                { "document": { "format": "txt", "name": "document 2", "source": { "bytes": "eA==" } } },
                { "text": "and" },
            ] },
            { "role": "assistant", "content": [
                { "reasoningContent": { "reasoningText": { "text": "Hm.", "signature": "EpUJ" } } },
                { "reasoningContent": { "redactedContent": "ErUB" } },
                { "toolUse": { "toolUseId": "t1", "name": "f", "input": { "a": 1 } } },
            ] },
            { "role": "user", "content": [
                { "toolResult": { "toolUseId": "t1", "content": [{ "text": "no" }], "status": "error" } },
                { "toolResult": { "toolUseId": "t2", "content": [{ "json": {} }] } },
            ] },
        ],
        "system": [{ "text": "Be kind." }, { "cachePoint": { "type": "default", "ttl": "1h" } }],
        "inferenceConfig": { "maxTokens": 3000, "temperature": 1, "topP": 0.9, "stopSequences": ["X"] },
        "toolConfig": {
            "tools": [
                { "toolSpec": { "name": "f", "description": "F", "inputSchema": { "json": { "type": "object" } } } },
                { "cachePoint": { "type": "default" } },
            ],
            "toolChoice": { "tool": { "name": "f" } },
        },
        "additionalModelRequestFields": { "thinking": { "type": "enabled", "budget_tokens": 2000 }, "top_k": 4 },
        "outputConfig": { "effort": "low" },
    });
    assert_eq!(body, expected);
    assert_eq!(lost, ["tools"]);
}

#[test]
fn what_a_model_of_another_maker_does_not_take_is_told() {
    let (body, lost) = of(
        Dialect::Messages,
        NOVA,
        &json!({
            "model": "x", "max_tokens": 9, "top_k": 4, "thinking": { "type": "adaptive" }, "metadata": { "user_id": "u" }, "mood": 1,
            "system": [{ "type": "text", "text": "Be kind.", "cache_control": { "type": "ephemeral", "ttl": "1h" } }],
            "tools": [{ "name": "f", "input_schema": { "type": "object" }, "cache_control": { "type": "ephemeral" } }],
            "messages": [{ "role": "user", "content": [
                { "type": "image", "source": { "type": "url", "url": "https://a.test/a.png" } }, { "type": "text", "text": "Hi" },
            ] }],
        }),
    );
    let expected = json!({
        "messages": [{ "role": "user", "content": [{ "text": "Hi" }] }],
        "system": [{ "text": "Be kind." }, { "cachePoint": { "type": "default" } }],
        "inferenceConfig": { "maxTokens": 9 },
        "toolConfig": { "tools": [{ "toolSpec": { "name": "f", "inputSchema": { "json": { "type": "object" } } } }] },
    });
    assert_eq!(body, expected);
    let named = ["top_k", "thinking", "metadata.user_id", "cache_control", "messages.content.image", "mood"];
    assert_eq!(lost, named);
}

#[test]
fn a_conversation_with_calls_keeps_its_tools() {
    let call = json!({ "role": "assistant", "tool_calls": [
        { "id": "c.1", "type": "function", "function": { "name": "f", "arguments": "{}" } },
    ] });
    let result = json!({ "role": "tool", "tool_call_id": "c.1", "content": "42" });
    let asked = json!({ "role": "user", "content": "Hi" });
    let tool = json!({ "type": "function", "function": { "name": "g", "parameters": { "type": "object", "properties": {} } } });
    let config = |name: &str, schema: Value| json!({ "tools": [{ "toolSpec": { "name": name, "inputSchema": { "json": schema } } }] });
    let (known, unknown) = (json!({ "type": "object", "properties": {} }), json!({ "type": "object" }));
    let (offered, made_up) = (config("g", known), config("f", unknown));
    for (body, expected, lost) in [
        (json!({ "messages": [asked, call, result] }), made_up, vec![]),
        (
            json!({ "messages": [asked, call, result], "tools": [tool], "tool_choice": "none" }),
            offered.clone(),
            vec!["tool_choice"],
        ),
        (json!({ "messages": [asked], "tools": [tool], "tool_choice": "none" }), Value::Null, vec![]),
        (json!({ "messages": [asked], "tools": [tool], "tool_choice": "auto" }), offered, vec![]),
    ] {
        let (body, names) = of(Dialect::Chat, CLAUDE, &body);
        assert_eq!((&body["toolConfig"], names), (&expected, lost.into_iter().map(str::to_owned).collect()));
        assert_eq!(body.get("inferenceConfig"), None, "nobody asked for a maximum");
    }
}

#[test]
fn a_schema_and_a_tier_have_their_places() {
    let schema = json!({ "type": "object", "properties": {}, "additionalProperties": false });
    let body = json!({
        "messages": [{ "role": "user", "content": "Hi" }], "service_tier": "flex",
        "response_format": { "type": "json_schema", "json_schema": { "name": "n", "schema": schema } },
    });
    let (written, lost) = of(Dialect::Chat, CLAUDE, &body);
    let structure = json!({ "jsonSchema": { "schema": schema.to_string() } });
    assert_eq!(
        written["outputConfig"]["textFormat"],
        json!({ "type": "json_schema", "structure": structure })
    );
    assert_eq!((&written["serviceTier"], lost), (&json!({ "type": "flex" }), vec![]));
    assert_eq!(of(Dialect::Chat, NOVA, &body).1, ["output_config.format"]);
}

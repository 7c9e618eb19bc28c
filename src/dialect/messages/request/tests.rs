//! What is read of a request, what is written for another dialect's client, and what is said to be lost.

mod history;
mod properties;
mod settings;
mod tools;

use super::*;
use crate::conversation::{Block, Tool, ToolChoice};
use crate::conversation::{Content, Dialect, Losses, Message, NativeKind, Request, Role, Settings, ToolKind};
use crate::dialect::translate::Target;
use serde_json::{Value, json};

/// A request of a chat client that says hello.
fn chat() -> Request {
    let hello = Message { role: Role::User, content: vec![Block::text("Hi")], ..Message::default() };
    Request { dialect: Dialect::Chat, messages: vec![hello], ..Request::default() }
}

fn with(settings: Settings) -> Request {
    Request { settings, ..chat() }
}

/// What an upstream gets for this, and what was lost on the way.
fn sent(request: Request, model: &str) -> (Value, Vec<String>) {
    sent_to(request, &Target { model, ..Target::default() })
}

fn sent_to(request: Request, target: &Target<'_>) -> (Value, Vec<String>) {
    let mut losses = Losses::default();
    let out = encode(request, target, &mut losses);
    (serde_json::from_slice(&out).unwrap(), losses.names(name_of))
}

fn decoded(body: &Value) -> Request {
    decode(body.to_string().as_bytes()).unwrap()
}

/// A body of one user's message with these blocks.
fn user(blocks: &Value) -> Value {
    json!({ "model": "m", "max_tokens": 9, "messages": [{ "role": "user", "content": blocks }] })
}

#[test]
fn every_block_and_field_comes_back() {
    let body = json!({
        "model": "claude-opus-4-6",
        "max_tokens": 4096,
        "system": [{ "type": "text", "text": "Be kind.", "cache_control": { "type": "ephemeral", "ttl": "1h" } }],
        "messages": [
            { "role": "user", "content": [
                { "type": "text", "text": "Look:", "citations": [{ "type": "char_location", "cited_text": "x",
                    "document_index": 0, "document_title": "t", "start_char_index": 0, "end_char_index": 1 }] },
                { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "iVBORw0K" } },
                { "type": "image", "source": { "type": "url", "url": "https://a.test/x.png" } },
                { "type": "image", "source": { "type": "file", "file_id": "file_1" } },
                { "type": "document", "title": "T", "context": "C", "citations": { "enabled": true },
                    "source": { "type": "base64", "media_type": "application/pdf", "data": "JVBERi0x" } },
                { "type": "document", "source": { "type": "text", "media_type": "text/plain", "data": "plain" } },
                { "type": "document", "source": { "type": "url", "url": "https://a.test/x.pdf" } },
                { "type": "document", "source": { "type": "file", "file_id": "file_2" } },
                { "type": "document", "source": { "type": "content", "content": [
                    { "type": "text", "text": "one" }, { "type": "text", "text": "two" }] } },
                { "type": "search_result", "source": "https://a.test", "title": "S",
                    "content": [{ "type": "text", "text": "found" }], "citations": { "enabled": true } },
                { "type": "container_upload", "file_id": "file_3" },
            ] },
            { "role": "assistant", "content": [
                { "type": "thinking", "thinking": "Hm.", "signature": "ErUB" },
                { "type": "redacted_thinking", "data": "EqkE" },
                { "type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": { "query": "q" } },
                { "type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [] },
                { "type": "mcp_tool_use", "id": "mcptoolu_1", "name": "n", "server_name": "s", "input": {} },
                { "type": "tool_use", "id": "toolu_1", "name": "look", "input": { "a": { "b": [1, 2.5] } },
                    "caller": { "type": "code_execution_20260120", "tool_id": "srvtoolu_2" } },
            ] },
            { "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": "toolu_1", "is_error": true, "content": [
                    { "type": "text", "text": "no", "cache_control": { "type": "ephemeral" } },
                    { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "AA==" } },
                    { "type": "tool_reference", "tool_name": "other" },
                ] },
            ] },
        ],
        "tools": [
            { "name": "look", "description": "Looks.", "input_schema": { "type": "object", "properties": {} },
                "strict": true, "defer_loading": true, "cache_control": { "type": "ephemeral", "ttl": "5m" } },
            { "type": "web_search_20250305", "name": "web_search", "max_uses": 3 },
            { "type": "computer_20251124", "name": "computer", "display_width_px": 1, "display_height_px": 1 },
        ],
        "tool_choice": { "type": "tool", "name": "look", "disable_parallel_tool_use": true },
        "thinking": { "type": "adaptive", "display": "summarized" },
        "output_config": { "effort": "xhigh", "format": { "type": "json_schema", "schema": { "type": "object" } },
            "task_budget": { "type": "tokens", "total": 5 } },
        "metadata": { "user_id": "u", "more": 1 },
        "service_tier": "standard_only", "stop_sequences": ["x"], "temperature": 0.7, "top_p": 0.9, "top_k": 5,
        "container": "c", "context_management": { "edits": [] }, "mcp_servers": [], "betas": ["b"], "stream": true,
        "cache_control": { "type": "ephemeral" }, "inference_geo": "us",
    });
    let request = decoded(&body);
    assert_eq!(request.include_usage, request.stream);
    let kinds: Vec<_> = request.tools.iter().map(|tool| &tool.kind).collect();
    assert!(matches!(kinds[1], ToolKind::Native { kind: Some(NativeKind::WebSearch), .. }));
    assert!(matches!(kinds[2], ToolKind::Native { kind: None, .. }));
    assert_eq!(sent(request, ""), (body, vec![]));
}

#[test]
fn other_dialects_find_text_where_this_one_has_blocks_of_its_own() {
    let blocks = json!([
        { "type": "search_result", "source": "https://a.test", "title": "S", "content": [{ "type": "text", "text": "found" }] },
        { "type": "document", "source": { "type": "content", "content": "whole" } },
    ]);
    let request = decoded(&user(&blocks));
    let texts: Vec<_> = request.messages[0]
        .content
        .iter()
        .map(|block| match &block.content {
            Content::Document(media) => media.source.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    let text = |text: &str| crate::conversation::Source::Text(text.into());
    assert_eq!(texts, [text("found"), text("whole")]);
}

#[test]
fn errors_name_the_field() {
    let message = |message: Value| json!({ "messages": [message] });
    let block = |block: Value| user(&json!([block]));
    let cases = [
        (json!({}), "messages"),
        (json!({ "messages": [] }), "messages"),
        (json!({ "messages": ["hi"] }), "messages[0]"),
        (message(json!({ "content": "hi" })), "messages[0].role"),
        (message(json!({ "role": "tool", "content": "hi" })), "messages[0].role"),
        (message(json!({ "role": "user" })), "messages[0].content"),
        (message(json!({ "role": "user", "content": 7 })), "messages[0].content"),
        (message(json!({ "role": "user", "content": ["hi"] })), "messages[0].content[0]"),
        (block(json!({ "text": "hi" })), "messages[0].content[0].type"),
        (block(json!({ "type": "text" })), "messages[0].content[0].text"),
        (block(json!({ "type": "image" })), "messages[0].content[0].source"),
        (
            block(json!({ "type": "image", "source": { "type": "base64" } })),
            "messages[0].content[0].source.data",
        ),
        (block(json!({ "type": "tool_use", "id": "1" })), "messages[0].content[0].name"),
        (
            block(json!({ "type": "tool_use", "id": "1", "name": "f", "input": "{}" })),
            "messages[0].content[0].input",
        ),
        (block(json!({ "type": "tool_result" })), "messages[0].content[0].tool_use_id"),
        (
            block(json!({ "type": "tool_result", "tool_use_id": "1", "content": [{ "type": "text" }] })),
            "messages[0].content[0].content[0].text",
        ),
        (json!({ "messages": [{ "role": "user", "content": "hi" }], "max_tokens": "5" }), "max_tokens"),
        (json!({ "messages": [{ "role": "user", "content": "hi" }], "tools": [{}] }), "tools[0].name"),
        (
            json!({ "messages": [{ "role": "user", "content": "hi" }], "thinking": { "type": "enabled" } }),
            "thinking.budget_tokens",
        ),
        (
            json!({ "messages": [{ "role": "user", "content": "hi" }], "tool_choice": { "type": "tool" } }),
            "tool_choice.name",
        ),
        (json!({ "messages": [{ "role": "user", "content": "hi" }], "system": 1 }), "system"),
    ];
    for (body, field) in cases {
        let error = decode(body.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.field.as_deref(), Some(field), "{body}");
    }
    for body in ["", "[]", "{", "nonsense", "{\"messages\":\u{1}}"] {
        assert_eq!(decode(body.as_bytes()).unwrap_err().field, None, "{body}");
    }
}

#[test]
fn a_peek_refuses_what_it_cannot_read() {
    let cases = [
        ("{}", "messages"),
        (r#"{"messages":[]}"#, "messages"),
        (r#"{"messages":[{},"hi"]}"#, "messages[1]"),
        (r#"{"messages":[{}],"model":7}"#, "model"),
        (r#"{"messages":[{}],"model":"a","model":"b"}"#, "model"),
        (r#"{"messages":[{}],"stream":"yes"}"#, "stream"),
        (r#"{"messages":[{}],"max_tokens":-1}"#, "max_tokens"),
        (r#"{"messages":[{}],"tools":{}}"#, "tools"),
        (r#"{"messages":[{}],"system":{}}"#, "system"),
    ];
    for (body, field) in cases {
        assert_eq!(peek(body.as_bytes()).unwrap_err().field.as_deref(), Some(field), "{body}");
    }
}

#[test]
fn a_peek_counts_what_a_model_reads() {
    let tokens = |blocks: &Value| peek(user(blocks).to_string().as_bytes()).unwrap().asked;
    let bare = tokens(&json!("")).input_tokens;
    let data = "A".repeat(9999);
    let image =
        json!([{ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": data } }]);
    assert_eq!((tokens(&image).input_tokens - bare, tokens(&image).has_images), (1600, true));
    let result = json!([{ "type": "tool_result", "tool_use_id": "long-long-long-long", "content": image }]);
    assert_eq!((tokens(&result).input_tokens - bare, tokens(&result).has_images), (1600, true));
    let thought = json!([{ "type": "thinking", "thinking": "four", "signature": data }]);
    assert_eq!((tokens(&thought).input_tokens - bare, tokens(&thought).has_images), (1, false));
    let call =
        json!([{ "type": "tool_use", "id": "long-long-long", "name": "four", "input": { "a": "four" } }]);
    assert_eq!(tokens(&call).input_tokens - bare, 2);
}

//! Conversations of other dialects, and state of other providers.

use super::*;
use crate::conversation::block::{CacheBreakpoint, Citation, Media, Source, Text, Thinking};
use crate::conversation::{Opaque, Thought, ToolCall, ToolResult};

fn said(role: Role, content: Vec<Block>) -> Message {
    Message { role, content, ..Message::default() }
}

fn call(id: &str, arguments: &str) -> Block {
    Block::new(Content::ToolCall(ToolCall {
        id: id.into(),
        name: "f".into(),
        arguments: arguments.into(),
        is_custom: false,
    }))
}

fn result(id: &str, content: Vec<Block>) -> Block {
    Block::new(Content::ToolResult(ToolResult { id: id.into(), content, ..ToolResult::default() }))
}

fn thought(text: &str, state: Option<Opaque>) -> Block {
    Block::new(Content::Thinking(Thinking {
        thought: Thought::text(text),
        signature: state,
        ..Thinking::default()
    }))
}

fn media(source: Source, media_type: Option<&str>) -> Media {
    Media { source, media_type: media_type.map(str::to_owned), name: None, detail: None }
}

fn messages(messages: Vec<Message>, model: &str) -> (Value, Vec<String>) {
    let (body, losses) = sent(Request { messages, ..chat() }, model);
    (body["messages"].clone(), losses)
}

#[test]
fn turns_alternate_and_results_come_first() {
    let request = Request {
        messages: vec![
            said(Role::System, vec![Block::text("Be kind.")]),
            said(Role::User, vec![Block::text("a")]),
            said(Role::User, vec![Block::text("b")]),
            said(Role::Assistant, vec![call("call:1", "{\"x\":1}"), call("call_2", "")]),
            said(Role::User, vec![result("call:1", vec![Block::text("one")])]),
            said(Role::User, vec![Block::text("and?")]),
            said(Role::User, vec![result("call_2", vec![])]),
        ],
        ..chat()
    };
    let (body, losses) = sent(request, "claude-haiku-4-5");
    let id = body["messages"][1]["content"][0]["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("ew_") && !id.contains(':'));
    assert_eq!(body["system"], "Be kind.");
    assert_eq!(
        body["messages"],
        json!([
            { "role": "user", "content": [{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }] },
            { "role": "assistant", "content": [
                { "type": "tool_use", "id": id, "name": "f", "input": { "x": 1 } },
                { "type": "tool_use", "id": "call_2", "name": "f", "input": {} },
            ] },
            { "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": id, "content": "one" },
                { "type": "tool_result", "tool_use_id": "call_2" },
                { "type": "text", "text": "and?" },
            ] },
        ])
    );
    assert_eq!(losses, [""; 0]);
    let back = decoded(&body);
    assert_eq!(back.messages[1].content[0], call("call:1", "{\"x\":1}"), "the id is restored");
}

#[test]
fn arguments_that_are_no_object_become_one() {
    for (arguments, input) in [
        ("", json!({})),
        ("null", json!({})),
        ("[1]", json!({ "input": [1] })),
        ("{\"cut", json!({ "input": "{\"cut" })),
    ] {
        let (messages, _) = messages(vec![said(Role::Assistant, vec![call("1", arguments)])], "m");
        assert_eq!(messages[1]["content"][0]["input"], input, "{arguments}");
    }
}

#[test]
fn the_user_speaks_first_and_a_new_claude_is_not_prefilled() {
    let first = json!({ "role": "user", "content": "..." });
    let (found, _) = messages(vec![said(Role::Assistant, vec![Block::text("So: \n")])], "claude-haiku-4-5");
    assert_eq!(found, json!([first, { "role": "assistant", "content": "So:" }]));
    let (found, _) = messages(vec![said(Role::Assistant, vec![Block::text("So: ")])], "claude-sonnet-5");
    let last = json!({ "role": "user", "content": "Continue." });
    assert_eq!(found, json!([first, { "role": "assistant", "content": "So: " }, last]));
    let (found, _) = messages(vec![said(Role::User, vec![Block::text("")])], "claude-sonnet-5");
    assert_eq!(found, json!([first]), "an empty text is refused");
    let blank = vec![Block::text(" \n"), call("1", "{}")];
    let (found, lost) = messages(vec![said(Role::Assistant, blank)], "claude-sonnet-5");
    assert_eq!(found[1]["content"][0]["type"], "tool_use", "white space is refused where it is all");
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn pictures_and_files_go_as_they_can_be_seen() {
    let image = |media| Block::new(Content::Image(media));
    let file = |media| Block::new(Content::Document(media));
    let cases = [
        (image(media(Source::Data("iVBORw0K".into()), None)), Some("image/png"), None),
        (image(media(Source::Url("https://a.test/x".into()), None)), None, None),
        (image(media(Source::Data("AA==".into()), Some("image/heic"))), None, Some("messages.content.image")),
        (image(media(Source::File("file-1".into()), None)), None, Some("messages.content.image")),
        (file(media(Source::Data("JVBERi0x".into()), None)), Some("application/pdf"), None),
        (file(media(Source::Data("aGk=".into()), Some("text/csv"))), Some("text/plain"), None),
        (
            file(media(Source::Data("UEsD".into()), Some("application/zip"))),
            None,
            Some("messages.content.document"),
        ),
        (
            Block::new(Content::Audio(media(Source::Data("AA".into()), None))),
            None,
            Some("messages.content.audio"),
        ),
    ];
    for (block, media_type, lost) in cases {
        let (found, losses) = messages(vec![said(Role::User, vec![Block::text("x"), block.clone()])], "m");
        assert_eq!(found[0]["content"][1]["source"]["media_type"].as_str(), media_type, "{block:?}");
        assert_eq!(losses, lost.into_iter().collect::<Vec<_>>(), "{block:?}");
        assert_eq!(found[0]["content"].is_string(), lost.is_some());
    }
}

#[test]
fn only_what_anthropic_signed_goes_back_to_it() {
    let own = Opaque::new(Dialect::Messages, "ErUB");
    let foreign = Opaque::new(Dialect::Gemini, "state");
    let redacted = |state: &Opaque| {
        Block::new(Content::Thinking(Thinking {
            signature: Some(state.clone()),
            is_redacted: true,
            ..Thinking::default()
        }))
    };
    let content = vec![
        thought("mine", Some(own.clone())),
        redacted(&own),
        thought("theirs", Some(foreign.clone())),
        redacted(&foreign),
        Block { signature: Some(foreign), ..call("1", "{}") },
    ];
    let (found, losses) = messages(vec![said(Role::Assistant, content)], "m");
    let kinds: Vec<_> = found[1]["content"].as_array().unwrap().iter().map(|block| &block["type"]).collect();
    assert_eq!(kinds, ["thinking", "redacted_thinking", "tool_use"]);
    assert_eq!(losses, ["messages.content.thinking"], "the text of the foreign thought");
}

#[test]
fn foreign_state_is_carried_by_a_client_and_stripped_for_anthropic() {
    let state = Opaque { is_attached: true, ..Opaque::new(Dialect::Gemini, "sig") };
    let unsigned = crate::dialect::messages::block::unsigned();
    let body = json!({ "model": "m", "max_tokens": 9000, "thinking": { "type": "enabled", "budget_tokens": 2000 }, "messages": [
        { "role": "user", "content": "Hi" },
        { "role": "assistant", "content": [
            { "type": "thinking", "thinking": "Hm.", "signature": unsigned },
            { "type": "redacted_thinking", "data": state.carried_by(Dialect::Messages) },
            { "type": "tool_use", "id": "call_1", "name": "f", "input": {} },
        ] },
        { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "call_1", "content": "1" }] },
    ] });
    assert!(peek(body.to_string().as_bytes()).unwrap().may_have_foreign_state);
    let request = decoded(&body);
    let turn = &request.messages[1].content;
    assert_eq!(turn.len(), 2);
    assert_eq!(turn[0], thought("Hm.", None), "the mark of another provider's thought is no state");
    assert_eq!(turn[1].signature, Some(state));
    let (out, losses) = sent(request, "claude-haiku-4-5");
    assert_eq!(out["messages"][1]["content"][0]["type"], "tool_use");
    assert_eq!(out["messages"][1]["content"].as_array().unwrap().len(), 1);
    assert_eq!(out.get("thinking"), None, "the API refuses a budget without the thought before the call");
    assert_eq!(losses, ["thinking", "messages.content.thinking"]);
}

#[test]
fn what_is_said_about_a_block_is_kept_or_noted() {
    let mut extras = crate::conversation::Extras::new();
    extras.insert("odd".into(), json!(1));
    let citation = Citation { url: Some("https://a.test".into()), ..Citation::default() };
    let content = vec![Block {
        cache: Some(CacheBreakpoint { is_hour: Some(true) }),
        extras: extras.clone(),
        ..Block::new(Content::Text(Text { text: "x".into(), citations: vec![citation] }))
    }];
    let message = Message { name: Some("ada".into()), extras, ..said(Role::User, content) };
    let (found, losses) = messages(vec![message], "m");
    assert_eq!(found[0]["content"][0]["cache_control"], json!({ "type": "ephemeral", "ttl": "1h" }));
    assert_eq!(
        losses,
        ["messages.name", "messages.content.citations", "messages.content.odd", "messages.odd"]
    );
}

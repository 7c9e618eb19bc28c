//! Requests in the forms that clients write them in, and back.

use super::decode;
use crate::conversation::{
    Block, Content, Dialect, Effort, Field, Losses, Media, NativeKind, Opaque, Request, Role, Source,
    Thinking, Thought, ToolCall, ToolChoice, ToolKind, ToolResult,
};
use crate::conversation::{Message, Tool};
use crate::dialect::chat::request::{encode, name_of};
use crate::dialect::translate::Target;
use proptest::prelude::*;
use serde_json::{Value, json};

fn decoded(body: &Value) -> Request {
    decode(body.to_string().as_bytes()).unwrap()
}

fn encoded(request: Request, target: &Target<'_>) -> (Value, Losses) {
    let mut losses = Losses::default();
    let body = encode(request, target, &mut losses);
    (serde_json::from_slice(&body).unwrap(), losses)
}

const OPENAI: Target<'_> =
    Target { model: "gpt-5", max_output_tokens: None, is_openai: true, stream_options: true, answer: None };
const OTHER: Target<'_> = Target { model: "other", is_openai: false, ..OPENAI };

fn assistant(message: &Value) -> Vec<Block> {
    let body = json!({ "model": "a", "messages": [message] });
    decoded(&body).messages.remove(0).content
}

#[test]
fn wrong_types_are_told_with_their_path() {
    let cases = [
        (json!({ "messages": [] }), "messages"),
        (json!({ "messages": [{ "role": "user", "content": 1 }] }), "messages[0].content"),
        (json!({ "messages": [{ "role": "narrator" }] }), "messages[0].role"),
        (json!({ "messages": [{}] }), "messages[0].role"),
        (json!({ "messages": [{ "role": "tool", "content": "x" }] }), "messages[0].tool_call_id"),
        (
            json!({ "messages": [{ "role": "user", "content": [{ "type": "text", "text": 5 }] }] }),
            "messages[0].content[0].text",
        ),
        (
            json!({ "messages": [{ "role": "user", "content": [{ "type": "image_url" }] }] }),
            "messages[0].content[0].image_url",
        ),
        (
            json!({ "messages": [{ "role": "assistant", "tool_calls": [{ "id": "1" }] }] }),
            "messages[0].tool_calls[0].function",
        ),
        (
            json!({ "messages": [{ "role": "user" }], "tools": [{ "type": "function", "function": {} }] }),
            "tools[0].function.name",
        ),
        (json!({ "messages": [{ "role": "user" }], "tool_choice": "sometimes" }), "tool_choice"),
        (json!({ "messages": [{ "role": "user" }], "temperature": "hot" }), "temperature"),
        (json!({ "messages": [{ "role": "user" }], "stop": [1] }), "stop[0]"),
        (json!({ "messages": [{ "role": "user" }], "metadata": { "a": 1 } }), "metadata.a"),
        (
            json!({ "messages": [{ "role": "user" }], "response_format": { "type": "json_schema" } }),
            "response_format.json_schema",
        ),
    ];
    for (body, path) in cases {
        let error = decode(body.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.field.as_deref(), Some(path), "{body}");
    }
    assert_eq!(decode(b"nonsense").unwrap_err().field, None);
}

#[test]
fn what_is_not_known_comes_back_in_its_place() {
    let body = json!({
        "model": "gpt-5", "messages": [
            { "role": "user", "content": [{ "type": "text", "text": "a", "new": 1 }, { "type": "hologram", "x": 2 }], "mood": "good" },
            { "role": "assistant", "content": null, "tool_calls": [
                { "id": "c", "type": "function", "new": 3, "function": { "name": "f", "arguments": "{}", "new": 4 },
                  "extra_content": { "google": { "thought_signature": "s", "other": 5 } } },
            ] },
            { "role": "tool", "tool_call_id": "c", "content": "done", "new": 6 },
        ],
        "tools": [{ "type": "function", "new": 7, "function": { "name": "f", "new": 8 } }],
        "logit_bias": { "1": 2 }, "stream": true, "stream_options": { "include_obfuscation": false, "include_usage": true },
        "reasoning_effort": "default", "response_format": { "type": "grammar", "grammar": "x" },
    });
    let request = decoded(&body);
    let (back, losses) = encoded(request.clone(), &OPENAI);
    assert_eq!(back, body);
    assert!(losses.is_empty());
    let (_, losses) = encoded(Request { dialect: Dialect::Messages, ..request }, &OPENAI);
    let names = losses.names(name_of);
    for name in [
        "logit_bias",
        "stream_options",
        "messages.mood",
        "messages.content.new",
        "messages.tool_calls.new",
        "tools.new",
        "messages.content",
    ] {
        assert!(names.iter().any(|found| found == name), "{name} in {names:?}");
    }
}

#[test]
fn legacy_functions_become_tools() {
    let body = json!({
        "model": "a", "functions": [{ "name": "f", "parameters": {} }], "function_call": { "name": "f" },
        "messages": [
            { "role": "assistant", "content": null, "function_call": { "name": "f", "arguments": "" } },
            { "role": "function", "name": "f", "content": "1" },
        ],
    });
    let request = decoded(&body);
    let Content::ToolCall(call) = &request.messages[0].content[0].content else { panic!() };
    let Content::ToolResult(result) = &request.messages[1].content[0].content else { panic!() };
    assert_eq!((&call.id, call.arguments.as_str()), (&result.id, "{}"));
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("f".into())));
    let (back, _) = encoded(request, &OTHER);
    assert_eq!(back["tools"][0]["function"]["name"], "f");
    assert_eq!(back["messages"][1]["tool_call_id"], back["messages"][0]["tool_calls"][0]["id"]);
}

#[test]
fn a_thought_is_read_from_every_place_and_goes_back_into_it() {
    let cases = [
        json!({ "role": "assistant", "content": "a", "reasoning_content": "hm" }),
        json!({ "role": "assistant", "content": "a", "reasoning": "hm" }),
        json!({ "role": "assistant", "content": "a", "reasoning_details": [
            { "type": "reasoning.text", "text": "hm", "signature": "sig", "format": "anthropic-claude-v1", "index": 0 },
            { "type": "reasoning.encrypted", "data": "xyz", "id": "r", "index": 1 },
        ] }),
        json!({ "role": "assistant", "content": [
            { "type": "thinking", "thinking": [{ "type": "text", "text": "hm" }], "closed": true },
            { "type": "text", "text": "a" },
        ] }),
    ];
    for message in cases {
        let body = json!({ "model": "other", "messages": [message] });
        let request = decoded(&body);
        let Content::Thinking(thinking) = &request.messages[0].content[0].content else {
            panic!("{message}")
        };
        assert_eq!(thinking.thought, Thought::text("hm"));
        // Also when it was carried by a client of another dialect, and to another upstream nothing of it goes.
        for dialect in [Dialect::Chat, Dialect::Messages] {
            let (back, losses) = encoded(Request { dialect, ..request.clone() }, &OTHER);
            let mut expected = message.clone();
            if dialect != Dialect::Chat && expected["content"].is_array() {
                expected["content"][0].as_object_mut().unwrap().remove("closed");
            }
            assert_eq!(back["messages"][0], expected);
            assert!(losses.is_empty());
        }
    }
}

#[test]
fn a_foreign_thought_is_not_for_an_upstream_of_this_dialect() {
    let carrier = Opaque::new(Dialect::Messages, "sig").carried_by(Dialect::Chat).into_owned();
    let message = json!({ "role": "assistant", "content": "a", "reasoning_content": "hm", "reasoning_details": [
        { "type": "reasoning.text", "text": "hm", "signature": carrier, "index": 0 },
    ] });
    let request = decoded(&json!({ "model": "a", "messages": [message] }));
    let Content::Thinking(thinking) = &request.messages[0].content[0].content else { panic!() };
    assert_eq!(thinking.signature, Some(Opaque::new(Dialect::Messages, "sig")));
    let (back, losses) = encoded(request, &OTHER);
    assert_eq!(back["messages"][0], json!({ "role": "assistant", "content": "a" }));
    assert!(losses.has(Field::Thinking));
}

#[test]
fn state_that_lost_its_text_finds_it_in_the_plain_member() {
    let state = Opaque::new(Dialect::Messages, "sig");
    let blocks = assistant(
        &json!({ "role": "assistant", "content": "a", "reasoning_content": "hm", "reasoning_details": [
        { "type": "reasoning.text", "signature": state.carried_by(Dialect::Chat), "index": 0 },
    ] }),
    );
    let Content::Thinking(thinking) = &blocks[0].content else { panic!() };
    assert_eq!((&thinking.thought, &thinking.signature), (&Thought::text("hm"), &Some(state)));
}

#[test]
fn state_of_a_call_or_of_a_text_finds_its_block() {
    let state = Opaque::new(Dialect::Gemini, "sig");
    let carrier = state.carried_by(Dialect::Chat);
    let blocks = assistant(&json!({ "role": "assistant", "content": null, "tool_calls": [
        { "id": "ew_Zjow", "function": { "name": "f", "arguments": "{}" }, "extra_content": { "google": { "thought_signature": carrier } } },
    ] }));
    assert_eq!(blocks[0].signature, Some(state.clone()));
    assert!(matches!(&blocks[0].content, Content::ToolCall(call) if call.id == "f:0"), "the id is restored");
    let attached = Opaque { is_attached: true, ..state.clone() };
    let blocks = assistant(&json!({ "role": "assistant", "content": "a", "reasoning_details": [
        { "type": "reasoning.encrypted", "data": attached.carried_by(Dialect::Chat), "index": 0 },
    ] }));
    assert_eq!((blocks.len(), &blocks[0].signature), (1, &Some(state)));
}

#[test]
fn a_summary_and_its_state_are_one_thought_again() {
    let state = Opaque::new(Dialect::Responses, "gAAA");
    let blocks = assistant(&json!({ "role": "assistant", "content": "a", "reasoning_details": [
        { "type": "reasoning.summary", "summary": "hm", "id": "rs_1", "index": 0 },
        { "type": "reasoning.encrypted", "data": state.carried_by(Dialect::Chat), "id": "rs_1", "index": 1 },
    ] }));
    let thought = Thought { texts: vec!["hm".into()], is_summary: true };
    let expected = Thinking { thought, signature: Some(state), is_redacted: false, id: Some("rs_1".into()) };
    assert_eq!(blocks[0].content, Content::Thinking(expected));
}

#[test]
fn wishes_for_reasoning_are_read_and_written_in_each_form() {
    for wish in [
        json!({ "reasoning_effort": "low" }),
        json!({ "reasoning": { "effort": "high" } }),
        json!({ "reasoning": { "max_tokens": 2000, "exclude": true } }),
        json!({ "reasoning": { "enabled": true } }),
        json!({ "thinking": { "type": "disabled" } }),
        json!({ "thinking": { "type": "enabled" } }),
        json!({ "thinking": { "type": "enabled", "budget_tokens": 1024 }, "reasoning_effort": "max" }),
    ] {
        let mut body = json!({ "model": "other", "messages": [{ "role": "user", "content": "a" }] });
        body.as_object_mut().unwrap().extend(wish.as_object().unwrap().clone());
        let request = decoded(&body);
        assert!(request.extras.is_empty() && request.settings.reasoning.is_some(), "{wish}");
        assert_eq!(encoded(request, &OTHER).0, body);
    }
}

#[test]
fn tools_and_choices_of_every_kind_are_read() {
    let body = json!({
        "model": "gpt-5", "messages": [{ "role": "user", "content": "a" }],
        "tools": [
            { "type": "function", "function": { "name": "f", "parameters": { "type": "object" }, "strict": true }, "cache_control": { "type": "ephemeral", "ttl": "1h" } },
            { "type": "custom", "custom": { "name": "c", "format": { "type": "text" } } },
            { "type": "browser_search" },
        ],
        "tool_choice": { "type": "allowed_tools", "allowed_tools": { "mode": "required", "tools": [
            { "type": "function", "function": { "name": "f" } }, { "type": "custom", "custom": { "name": "c" } },
        ] } },
        "parallel_tool_calls": false, "web_search_options": { "search_context_size": "low" },
    });
    let request = decoded(&body);
    let kinds: Vec<_> = request
        .tools
        .iter()
        .map(|tool| match &tool.kind {
            ToolKind::Function { .. } => "function",
            ToolKind::Custom { .. } => "custom",
            ToolKind::Native { kind: Some(NativeKind::WebSearch), .. } => "search",
            ToolKind::Native { .. } => "native",
        })
        .collect();
    assert_eq!(kinds, ["function", "custom", "search", "search"]);
    assert_eq!(encoded(request.clone(), &OPENAI).0, body);
    // To a provider that knows neither allowed nor custom tools, the same in older words.
    let (back, losses) = encoded(Request { dialect: Dialect::Responses, ..request }, &OTHER);
    assert_eq!(back["tool_choice"], "required");
    assert_eq!(back["tools"][1]["function"]["parameters"]["required"], json!(["input"]));
    assert!(losses.has(Field::NativeTool) && losses.has(Field::CacheBreakpoint));
}

#[test]
fn results_of_tools_come_first_and_their_pictures_behind_them() {
    let picture = Content::Image(Media::at("data:image/png;base64,AAAA"));
    let result = |id: &str, content, is_error| {
        let result = ToolResult { id: id.into(), content, is_error, ..ToolResult::default() };
        Block::new(Content::ToolResult(result))
    };
    let call = |id: &str| {
        let call = ToolCall { id: id.into(), name: "f".into(), arguments: "{}".into(), is_custom: false };
        Block::new(Content::ToolCall(call))
    };
    let say = |role, content| Message { role, content, ..Message::default() };
    let request = Request {
        dialect: Dialect::Messages,
        instructions: vec![Block::text("be"), Block::text("brief")],
        messages: vec![
            say(
                Role::Assistant,
                vec![Block::text("I"), Block::text(" look"), call("toolu_1"), call("functions.f:2")],
            ),
            say(Role::User, vec![result("toolu_1", vec![Block::text("see"), Block::new(picture)], None)]),
            say(
                Role::User,
                vec![Block::text("well?"), result("functions.f:2", vec![Block::text("no")], Some(true))],
            ),
        ],
        ..Request::default()
    };
    let (back, losses) = encoded(request, &OTHER);
    let roles: Vec<_> =
        back["messages"].as_array().unwrap().iter().map(|it| it["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["system", "assistant", "tool", "tool", "user", "user"]);
    let messages = &back["messages"];
    assert_eq!(messages[0]["content"], "be\n\nbrief");
    assert_eq!(messages[1]["content"], "I look");
    assert_eq!(messages[3]["content"], "Error: no");
    assert_eq!(messages[3]["tool_call_id"], messages[1]["tool_calls"][1]["id"]);
    assert_eq!(messages[4]["content"][1]["image_url"]["url"], "data:image/png;base64,AAAA");
    assert_eq!(messages[5]["content"], "well?");
    assert!(losses.is_empty());
}

#[test]
fn each_target_gets_what_it_knows() {
    let body = json!({ "model": "a", "messages": [{ "role": "developer", "content": "a" }], "max_tokens": 5, "top_k": 3,
        "verbosity": "low", "metadata": { "a": "b" }, "service_tier": "flex", "store": true, "user": "u".repeat(100) });
    let request = Request { dialect: Dialect::Responses, ..decoded(&body) };
    let (to_openai, losses) = encoded(request.clone(), &OPENAI);
    assert_eq!(
        (&to_openai["max_completion_tokens"], &to_openai["messages"][0]["role"]),
        (&json!(5), &json!("developer"))
    );
    assert_eq!((&to_openai["verbosity"], &to_openai["service_tier"]), (&json!("low"), &json!("flex")));
    assert!(to_openai["user"].as_str().unwrap().len() <= 64);
    assert_eq!(losses.names(name_of), ["top_k", "metadata"]);
    let (to_other, losses) = encoded(request, &OTHER);
    assert_eq!((&to_other["max_tokens"], &to_other["messages"][0]["role"]), (&json!(5), &json!("system")));
    assert_eq!(losses.names(name_of), ["top_k", "verbosity", "metadata", "service_tier"]);
}

#[test]
fn effort_is_said_in_words_that_the_target_has() {
    let effort = |effort, budget, target: &Target<'_>| {
        let mut request = Request { dialect: Dialect::Messages, ..Request::default() };
        let reasoning = crate::conversation::Reasoning { effort, budget, ..Default::default() };
        request.settings.reasoning = Some(reasoning);
        let (body, losses) = encoded(request, target);
        (body["reasoning_effort"].as_str().map(str::to_owned), losses.has(Field::Reasoning))
    };
    let old = Target { model: "gpt-4o", ..OPENAI };
    for (words, budget, target, expected) in [
        (Some(Effort::Max), None, &OPENAI, (Some("xhigh"), false)),
        (Some(Effort::Max), None, &OTHER, (Some("high"), false)),
        (None, Some(0), &OPENAI, (Some("low"), false)),
        (None, Some(8_000), &OTHER, (Some("medium"), false)),
        (None, Some(8_000), &old, (None, true)),
        (None, Some(0), &old, (None, false)),
        (None, None, &OPENAI, (None, false)),
    ] {
        let (found, is_lost) = effort(words, budget, target);
        assert_eq!((found.as_deref(), is_lost), expected, "{words:?} {budget:?} {}", target.model);
    }
}

#[test]
fn media_are_read_and_written() {
    let parts = json!([
        { "type": "image_url", "image_url": { "url": "https://a.test/x.png", "detail": "low" } },
        { "type": "input_audio", "input_audio": { "data": "AAAA", "format": "mp3" } },
        { "type": "file", "file": { "file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf" } },
        { "type": "file", "file": { "file_id": "file-1" } },
        { "type": "video_url", "video_url": { "url": "https://a.test/x.mp4" } },
        { "type": "text", "text": "a", "cache_control": { "type": "ephemeral" } },
    ]);
    let body = json!({ "model": "gpt-5", "messages": [{ "role": "user", "content": parts }] });
    let request = decoded(&body);
    let content = &request.messages[0].content;
    assert!(matches!(&content[0].content, Content::Image(media) if media.detail.as_deref() == Some("low")));
    assert!(
        matches!(&content[1].content, Content::Audio(media) if media.media_type.as_deref() == Some("audio/mpeg"))
    );
    assert!(
        matches!(&content[2].content, Content::Document(media) if media.source == Source::Data("AAAA".into()))
    );
    assert!(content[5].cache.is_some());
    assert_eq!(encoded(request.clone(), &OPENAI).0, body);
    let (_, losses) = encoded(Request { dialect: Dialect::Gemini, ..request }, &OPENAI);
    assert!(losses.has(Field::Video) && losses.has(Field::Document) && losses.has(Field::CacheBreakpoint));
}

#[test]
fn a_custom_tool_is_a_function_of_one_text_where_it_is_not_known() {
    let call = ToolCall { id: "1".into(), name: "sh".into(), arguments: "ls".into(), is_custom: true };
    let request = Request {
        dialect: Dialect::Responses,
        messages: vec![Message {
            role: Role::Assistant,
            content: vec![Block::new(Content::ToolCall(call))],
            ..Message::default()
        }],
        tools: vec![Tool::new(ToolKind::Custom { name: "sh".into(), description: None, format: None })],
        ..Request::default()
    };
    let (to_openai, _) = encoded(request.clone(), &OPENAI);
    assert_eq!(to_openai["messages"][0]["tool_calls"][0]["custom"], json!({ "name": "sh", "input": "ls" }));
    let (to_other, _) = encoded(request, &OTHER);
    let function = &to_other["messages"][0]["tool_calls"][0]["function"];
    assert_eq!(function["arguments"], json!({ "input": "ls" }).to_string());
}

/// Bodies made of what clients send, in any mixture.
fn bodies() -> impl Strategy<Value = Value> {
    let messages = prop::sample::select(vec![
        json!({ "role": "system", "content": "a", "name": "n" }),
        json!({ "role": "developer", "content": [{ "type": "text", "text": "a", "cache_control": { "type": "ephemeral" } }] }),
        json!({ "role": "user", "content": "" }),
        json!({ "role": "user", "content": [{ "type": "text", "text": "a" }, { "type": "image_url", "image_url": { "url": "data:image/png;base64,AA" } }] }),
        json!({ "role": "user", "content": [{ "type": "odd", "x": [1] }], "y": 2 }),
        json!({ "role": "assistant", "content": "a", "refusal": "no", "annotations": [{ "type": "url_citation", "url_citation": { "url": "u" } }] }),
        json!({ "role": "assistant", "content": [{ "type": "text", "text": "a" }, { "type": "text", "text": "b", "z": 1 }], "reasoning": "r" }),
        json!({ "role": "assistant", "tool_calls": [
            { "id": "functions.f:0", "type": "function", "function": { "name": "f", "arguments": "" } },
            { "id": "y", "type": "custom", "custom": { "name": "c", "input": "i" } },
        ], "reasoning_details": [{ "type": "reasoning.encrypted", "data": "d", "index": 0 }] }),
        json!({ "role": "assistant", "audio": { "id": "audio_1" } }),
        json!({ "role": "tool", "tool_call_id": "functions.f:0", "content": [{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }] }),
        json!({ "role": "tool", "tool_call_id": "y", "content": "done", "name": "c" }),
    ]);
    let members = prop::sample::subsequence(
        vec![
            ("temperature", json!(0.7)),
            ("max_completion_tokens", json!(9)),
            ("stop", json!("x")),
            ("n", json!(2)),
            (
                "tools",
                json!([{ "type": "function", "function": { "name": "f", "parameters": {}, "strict": false } }, { "type": "odd" }]),
            ),
            ("tool_choice", json!({ "type": "odd", "x": 1 })),
            ("web_search_options", json!({})),
            (
                "response_format",
                json!({ "type": "json_schema", "json_schema": { "name": "a", "schema": { "type": "object" } } }),
            ),
            ("reasoning", json!({ "effort": "low", "more": 1 })),
            ("logit_bias", json!({ "1": 1 })),
            ("stream_options", json!({ "include_usage": true, "include_obfuscation": false })),
            ("metadata", json!({ "a": "b" })),
        ],
        0..=12,
    );
    (prop::collection::vec(messages, 1..6), members, any::<bool>()).prop_map(|(messages, members, stream)| {
        let mut body = json!({ "model": "gpt-5", "messages": messages });
        let object = body.as_object_mut().unwrap();
        object.extend(members.into_iter().map(|(name, value)| (name.to_owned(), value)));
        if stream {
            object.insert("stream".into(), true.into());
        } else {
            object.remove("stream_options");
        }
        body
    })
}

proptest! {
    #[test]
    fn what_was_decoded_comes_back_the_same(body in bodies()) {
        let request = decoded(&body);
        let (back, losses) = encoded(request.clone(), &OPENAI);
        prop_assert!(losses.is_empty());
        let again = decoded(&back);
        // The gateway asks for the usage of every stream.
        prop_assert_eq!(Request { include_usage: request.include_usage, ..again }, request);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100), body in bodies(), cut in any::<prop::sample::Index>()) {
        let _ = decode(&bytes);
        let body = body.to_string();
        let _ = decode(&body.as_bytes()[..cut.index(body.len())]);
        // Each value replaced by another: an error, or a request that can be encoded.
        for wrong in ["null", "7", "{}", "[]", "[{}]", "\"x\""] {
            let mangled = body.replacen("\"a\"", wrong, 1 + cut.index(5));
            if let Ok(request) = decode(mangled.as_bytes()) {
                encoded(Request { dialect: Dialect::Gemini, ..request }, &OTHER);
            }
        }
    }
}

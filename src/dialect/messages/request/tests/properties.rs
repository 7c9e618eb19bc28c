//! Requests that this dialect's clients can send come back as they were; and no bytes are too odd to be refused.

use super::*;
use crate::conversation::block::{CacheBreakpoint, Media, Source, Text, Thinking};
use crate::conversation::{Effort, Format, Opaque, Reasoning, Thought, ToolCall, ToolResult};
use proptest::prelude::*;

fn cache() -> impl Strategy<Value = Option<CacheBreakpoint>> {
    prop::option::of(prop::option::of(any::<bool>()).prop_map(|is_hour| CacheBreakpoint { is_hour }))
}

fn media() -> impl Strategy<Value = Media> {
    let source = prop_oneof![
        "[A-Za-z0-9+/]{1,8}".prop_map(Source::Data),
        "https://[a-z]{1,8}".prop_map(Source::Url),
        "[a-z]{1,8}".prop_map(Source::File),
    ];
    source.prop_map(|source| {
        let media_type = matches!(source, Source::Data(_)).then(|| "image/png".to_owned());
        Media { source, media_type, name: None, detail: None }
    })
}

fn leaf() -> impl Strategy<Value = Content> {
    let text = ".{1,20}".prop_map(|text| Content::Text(Text { text, citations: vec![] }));
    prop_oneof![3 => text, 1 => media().prop_map(Content::Image), 1 => media().prop_map(Content::Document)]
}

fn content() -> impl Strategy<Value = Content> {
    let state = || "[a-z]{1,8}".prop_map(|data| Opaque::new(Dialect::Messages, data));
    let thinking = (".{0,9}", state()).prop_map(|(text, state)| {
        let thought = if text.is_empty() { Thought::default() } else { Thought::text(text) };
        Content::Thinking(Thinking { thought, signature: Some(state), ..Thinking::default() })
    });
    let redacted = state().prop_map(|state| {
        Content::Thinking(Thinking { signature: Some(state), is_redacted: true, ..Thinking::default() })
    });
    let call = (".{1,90}", ".{1,20}", any::<bool>()).prop_map(|(id, name, is_empty)| {
        let arguments = if is_empty { "{}" } else { r#"{"a":[1,2.5,null]}"# }.to_owned();
        Content::ToolCall(ToolCall { id, name, arguments, is_custom: false })
    });
    let result = (
        ".{1,20}",
        prop::collection::vec(leaf().prop_map(Block::new), 0..3),
        prop::option::of(any::<bool>()),
    );
    let result = result.prop_map(|(id, content, is_error)| {
        Content::ToolResult(ToolResult { id, content, is_error, ..ToolResult::default() })
    });
    let native = Just(Content::Native(json!({ "type": "container_upload", "file_id": "f" })));
    prop_oneof![4 => leaf(), 1 => thinking, 1 => redacted, 2 => call, 2 => result, 1 => native]
}

fn block() -> impl Strategy<Value = Block> {
    (content(), cache()).prop_map(|(content, cache)| {
        let can_be_cached = !matches!(content, Content::Thinking(_) | Content::Native(_));
        Block { cache: cache.filter(|_| can_be_cached), ..Block::new(content) }
    })
}

fn message() -> impl Strategy<Value = Message> {
    let role = prop::sample::select(vec![Role::User, Role::Assistant]);
    (role, prop::collection::vec(block(), 0..5)).prop_map(|(role, content)| Message {
        role,
        content,
        ..Message::default()
    })
}

fn reasoning() -> impl Strategy<Value = Reasoning> {
    let effort = prop::option::of(prop::sample::select(vec![Effort::Low, Effort::High, Effort::Max]));
    let kind = prop_oneof![
        Just((None, true)),
        (1024..9000_u64).prop_map(|it| (Some(it), false)),
        Just((Some(0), false))
    ];
    (effort, kind, prop::option::of(any::<bool>())).prop_map(|(effort, (budget, is_adaptive), is_shown)| {
        Reasoning { effort, budget, is_adaptive, is_shown, summary: None }
    })
}

fn settings() -> impl Strategy<Value = Settings> {
    let format = prop::option::of(Just(Format::JsonSchema {
        name: None,
        description: None,
        schema: json!({ "type": "object", "oneOf": [] }),
        strict: None,
    }));
    let number = || prop::option::of((0..=10_u32).prop_map(|tenths| f64::from(tenths) / 10.0));
    (
        any::<u32>(),
        number(),
        number(),
        prop::option::of(reasoning()),
        format,
        prop::option::of(".{0,9}"),
        prop::collection::vec(".{0,3}", 0..3),
    )
        .prop_map(|(most, temperature, top_p, reasoning, format, user, stop)| Settings {
            max_output_tokens: Some(most.into()),
            temperature: temperature.and_then(serde_json::Number::from_f64),
            top_p: top_p.and_then(serde_json::Number::from_f64),
            stop,
            format,
            reasoning,
            user,
            ..Settings::default()
        })
}

fn choice() -> impl Strategy<Value = ToolChoice> {
    prop_oneof![Just(ToolChoice::Auto), Just(ToolChoice::Required), "[a-z]{1,5}".prop_map(ToolChoice::Named),]
}

fn tool() -> impl Strategy<Value = Tool> {
    let function = ("[a-z]{1,5}", prop::option::of(".{0,9}"), prop::option::of(any::<bool>())).prop_map(
        |(name, description, strict)| ToolKind::Function {
            name,
            description,
            parameters: Some(json!({ "type": "object" })),
            strict,
        },
    );
    let native = Just(ToolKind::Native {
        kind: Some(NativeKind::CodeExecution),
        value: json!({ "name": "code_execution", "type": "code_execution_20250825" }),
    });
    (prop_oneof![function, native], cache()).prop_map(|(kind, cache)| Tool { cache, ..Tool::new(kind) })
}

fn request() -> impl Strategy<Value = Request> {
    let texts = prop::collection::vec((".{1,9}", cache()), 0..3);
    let texts = texts.prop_map(|texts| {
        texts.into_iter().map(|(text, cache)| Block { cache, ..Block::text(text) }).collect::<Vec<_>>()
    });
    (
        texts,
        prop::collection::vec(message(), 1..6),
        prop::collection::vec(tool(), 0..3),
        prop::option::of((choice(), prop::option::of(any::<bool>()))),
        settings(),
        any::<bool>(),
    )
        .prop_map(|(instructions, messages, tools, choice, settings, stream)| {
            let (tool_choice, parallel_tool_calls) = choice.unzip();
            Request {
                dialect: Dialect::Messages,
                model: "m".into(),
                stream,
                include_usage: true,
                instructions,
                messages,
                tools,
                tool_choice,
                parallel_tool_calls: parallel_tool_calls.flatten(),
                settings,
                extras: crate::conversation::Extras::new(),
            }
        })
}

/// An id that was too long to be read back stays as it was written.
fn fitted(mut request: Request) -> Request {
    let fit = |id: &mut String, limit| {
        let fitted = crate::conversation::tool_call_id::fit(id, limit).into_owned();
        *id = crate::conversation::tool_call_id::restore(&fitted).into_owned();
    };
    for block in request.messages.iter_mut().flat_map(|message| &mut message.content) {
        match &mut block.content {
            Content::ToolCall(call) => {
                fit(&mut call.id, 64);
                fit(&mut call.name, 128);
            }
            Content::ToolResult(result) => fit(&mut result.id, 64),
            _ => {}
        }
    }
    request
}

proptest! {
    #[test]
    fn a_request_is_decoded_as_it_was_encoded(request in request()) {
        let mut losses = Losses::default();
        let body = encode(request.clone(), &Target::default(), &mut losses);
        prop_assert!(losses.is_empty(), "{:?}", losses);
        prop_assert_eq!(decode(&body).unwrap(), fitted(request));
    }

    /// From whatever dialect: what the API checks of every request holds.
    #[test]
    fn what_is_encoded_for_another_dialects_client_is_accepted(
        request in request(),
        model in prop::sample::select(vec!["claude-haiku-4-5", "claude-opus-4-6", "claude-opus-5-5", "kimi-k2"]),
    ) {
        let (body, _) = sent(Request { dialect: Dialect::Chat, ..request }, model);
        let messages = body["messages"].as_array().unwrap();
        for (index, message) in messages.iter().enumerate() {
            prop_assert_eq!(&message["role"], if index % 2 == 0 { "user" } else { "assistant" });
            let content = &message["content"];
            prop_assert!(content.as_str().is_some_and(|text| !text.is_empty()) || content.as_array().is_some_and(|it| !it.is_empty()));
            let blocks = content.as_array().into_iter().flatten();
            prop_assert!(blocks.clone().all(|block| block["text"] != ""));
            let after_results = blocks.skip_while(|block| block["type"] == "tool_result");
            prop_assert!(after_results.clone().all(|block| block["type"] != "tool_result"));
        }
        let most = body["max_tokens"].as_u64().unwrap();
        if let Some(budget) = body["thinking"]["budget_tokens"].as_u64() {
            prop_assert!((1024..most).contains(&budget));
            prop_assert!(body.get("temperature").is_none());
        }
        prop_assert!(body["tools"].is_array() || body.get("tool_choice").is_none());
    }

    #[test]
    fn no_bytes_are_too_odd(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = (decode(&body), peek(&body));
    }

    #[test]
    fn no_json_is_too_odd(name in prop::sample::select(vec!["system", "messages", "tools", "tool_choice", "thinking",
        "output_config", "output_format", "metadata"]), value in value()) {
        let mut body = json!({ "messages": [{ "role": "user", "content": [value.clone()] }] });
        body[name] = value;
        let body = body.to_string().into_bytes();
        if let Ok(request) = decode(&body) {
            let _ = sent(request.clone(), "claude-haiku-4-5");
            let _ = sent(Request { dialect: Dialect::Gemini, ..request }, "claude-opus-5");
        }
        if let Ok(seen) = peek(&body) {
            let out = rewrite(&body, &seen, &Rewrite { model: Some("x"), system_prompt: Some("\"") });
            prop_assert!(serde_json::from_slice::<Value>(&out).is_ok());
        }
    }
}

/// JSON that uses this dialect's words.
fn value() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "text",
        "image",
        "document",
        "tool_use",
        "tool_result",
        "thinking",
        "redacted_thinking",
        "search_result",
        "base64",
        "url",
        "content",
        "enabled",
        "adaptive",
        "any",
        "tool",
        "json_schema",
        "ephemeral",
        "custom",
        "user",
    ]);
    let name = prop::sample::select(vec![
        "type",
        "text",
        "source",
        "content",
        "id",
        "name",
        "input",
        "tool_use_id",
        "data",
        "thinking",
        "signature",
        "cache_control",
        "title",
        "budget_tokens",
        "schema",
        "format",
        "effort",
        "citations",
        "role",
        "input_schema",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 30, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

//! What holds for every conversation and for any bytes.

use super::{request, response, stream};
use crate::conversation::{
    Block, Content, Dialect, Effort, Event, Losses, Media, Message, Opaque, Reasoning, Request, Role,
    Settings, Thinking, Thought, ToolCall, ToolResult,
};
use crate::dialect::translate::{Decode as _, Encode as _, Reply, Target};
use crate::sse;
use proptest::prelude::*;
use serde_json::{Value, json};

fn says(role: Role, content: Vec<Block>) -> Message {
    Message { role, content, ..Message::default() }
}

fn some_block(role: Role) -> BoxedStrategy<Block> {
    let text = ".{0,12}".prop_map(Block::text);
    if role == Role::Assistant {
        let refusal = "[a-z]{1,8}".prop_map(|text| Block::new(Content::Refusal(text)));
        prop_oneof![text, refusal].boxed()
    } else {
        let image = "[a-z]{1,8}".prop_map(|name| {
            let media = Media { detail: Some("low".into()), ..Media::at(&format!("https://a.test/{name}")) };
            Block::new(Content::Image(media))
        });
        let document = "[A-Za-z]{4}".prop_map(|data| {
            let media = Media::at(&format!("data:application/pdf;base64,{data}"));
            Block::new(Content::Document(Media { name: Some("a.pdf".into()), ..media }))
        });
        prop_oneof![text, image, document].boxed()
    }
}

fn some_message() -> impl Strategy<Value = Message> {
    let roles =
        prop_oneof![Just(Role::System), Just(Role::Developer), Just(Role::User), Just(Role::Assistant)];
    let talk = roles.prop_flat_map(|role| {
        proptest::collection::vec(some_block(role), 1..4).prop_map(move |content| says(role, content))
    });
    let calls = (".{1,11}", "[a-z]{1,9}", any::<bool>()).prop_map(|(id, name, is_custom)| {
        let arguments = if is_custom { "text" } else { "{\"a\":1}" }.to_owned();
        let call = ToolCall { id, name, arguments, is_custom };
        says(Role::Assistant, vec![Block::new(Content::ToolCall(call))])
    });
    let results = ("[a-z.:]{1,40}", proptest::collection::vec(some_block(Role::User), 1..3)).prop_map(
        |(id, content)| {
            let result = ToolResult { id, content, ..ToolResult::default() };
            says(Role::User, vec![Block::new(Content::ToolResult(result))])
        },
    );
    let thoughts = (proptest::collection::vec(".{0,9}", 0..3), "[0-9a-f]{8}", any::<bool>()).prop_map(
        |(texts, id, is_signed)| {
            let id = format!("rs_{id}");
            let signature = is_signed.then(|| Opaque::new(Dialect::Responses, format!("{id}.gAAA")));
            let is_redacted = texts.is_empty() && is_signed;
            let thought = Thought { texts, is_summary: true };
            let thinking = Thinking { thought, signature, is_redacted, id: Some(id) };
            says(Role::Assistant, vec![Block::new(Content::Thinking(thinking))])
        },
    );
    prop_oneof![talk, calls, results, thoughts]
}

fn some_settings() -> impl Strategy<Value = Settings> {
    let effort = prop_oneof![Just(None), Just(Some(Effort::Low)), Just(Some(Effort::Max))];
    (any::<Option<u32>>(), any::<Option<bool>>(), effort, proptest::option::of("[a-z]{1,5}"), any::<bool>())
        .prop_map(|(tokens, store, effort, word, wants_state)| Settings {
            max_output_tokens: tokens.map(u64::from),
            store,
            reasoning: effort.map(|effort| Reasoning {
                effort: Some(effort),
                summary: word.clone(),
                is_shown: word.is_some().then_some(true),
                ..Reasoning::default()
            }),
            // What is not stored asks for it anyway.
            reasoning_state: (wants_state || (store == Some(false) && effort.is_some())).then_some(true),
            verbosity: word.clone(),
            user: word.clone(),
            metadata: word.into_iter().map(|word| (word.clone(), word)).collect(),
            ..Settings::default()
        })
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded_again(
        messages in proptest::collection::vec(some_message(), 1..6),
        settings in some_settings(),
        stream: bool,
    ) {
        let request = Request {
            dialect: Dialect::Responses, model: "m".into(), include_usage: true, stream, messages, settings, ..Request::default()
        };
        let mut losses = Losses::default();
        let body = request::encode(request.clone(), &Target { model: "m", ..Target::default() }, &mut losses);
        prop_assert!(losses.is_empty(), "{:?}", losses);
        prop_assert_eq!(request::decode(&body).unwrap(), request);
    }

    #[test]
    fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..200), text in "[{}\\[\\]\":,a-z0-9_ ]{0,200}") {
        for body in [&body[..], text.as_bytes()] {
            let _ = (request::decode(body), request::peek(body), response::decode(body), response::read(body));
        }
    }

    #[test]
    fn no_json_panics(items in some_json()) {
        let body = json!({"input": items, "tools": items, "text": items, "tool_choice": items, "reasoning": items}).to_string();
        if let Ok(request) = request::decode(body.as_bytes()) {
            request::encode(request, &Target::default(), &mut Losses::default());
        }
        let body = json!({"input": items}).to_string();
        if let Ok(request) = request::decode(body.as_bytes()) {
            request::encode(request, &Target::default(), &mut Losses::default());
        }
    }
}

/// JSON whose names are those of this dialect.
fn some_json() -> impl Strategy<Value = Value> {
    const WORDS: [&str; 24] = [
        "type",
        "message",
        "role",
        "user",
        "assistant",
        "content",
        "text",
        "input_text",
        "output_text",
        "id",
        "function_call",
        "call_id",
        "name",
        "arguments",
        "function_call_output",
        "output",
        "reasoning",
        "summary",
        "encrypted_content",
        "input_image",
        "image_url",
        "annotations",
        "custom_tool_call",
        "input",
    ];
    let word = (0..WORDS.len()).prop_map(|index| WORDS[index]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((word.clone(), inner), 0..6).prop_map(|members| {
                Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_answer_panics(items in some_json(), status in "[a-z]{0,9}") {
        let body = json!({"output": items, "usage": items, "error": items, "status": status}).to_string();
        let _ = response::read(body.as_bytes());
        let answer = response::decode(body.as_bytes()).unwrap();
        let bytes = response::encode(answer, &Reply::default(), &mut Losses::default());
        prop_assert!(serde_json::from_slice::<Value>(&bytes).is_ok());
    }

    /// Whatever an upstream sends, events keep their order and the client gets whole JSON.
    #[test]
    fn no_stream_panics(events in proptest::collection::vec((0..KINDS.len(), 0..3u64, 0..2u64, some_json()), 0..20)) {
        let mut decoder = stream::Decoder::default();
        let mut encoder = stream::Encoder::new(Reply::default());
        let (mut open, mut out, mut is_over) = (Vec::new(), Vec::new(), false);
        let mut seen = Vec::new();
        for (kind, item, part, value) in events {
            let kind = KINDS[kind];
            let data = json!({
                "type": kind, "output_index": item, "content_index": part, "delta": value, "text": value, "part": value,
                "item": value, "annotation": value, "arguments": value, "response": {"output": value, "usage": value},
            });
            let frame = sse::named(kind, data.to_string().as_bytes());
            decoder.event(&sse::parse(&frame).unwrap(), &mut |event| seen.push(event));
        }
        decoder.finish(&mut |event| seen.push(event));
        for event in seen {
            prop_assert!(!is_over, "something follows the end");
            match &event {
                Event::Open { block, .. } => open.push(*block),
                Event::Delta { block, .. } => prop_assert!(open.contains(block)),
                Event::Close { block } => {
                    prop_assert!(open.contains(block));
                    open.retain(|known| known != block);
                }
                Event::Stop { .. } => prop_assert!(open.is_empty()),
                Event::End | Event::Error(_) => is_over = true,
                _ => {}
            }
            encoder.event(event, &mut out);
        }
        let mut reader = sse::Decoder::default();
        reader.push(&out).unwrap();
        let mut number = 0;
        while let Some(event) = reader.next_event() {
            let data: Value = serde_json::from_slice(&event.data).unwrap();
            prop_assert_eq!(data["sequence_number"].as_u64(), Some(number));
            prop_assert_eq!(data["type"].as_str().map(str::as_bytes), event.name);
            number += 1;
        }
    }
}

const KINDS: [&str; 16] = [
    "response.created",
    "response.output_item.added",
    "response.output_item.done",
    "response.content_part.added",
    "response.content_part.done",
    "response.output_text.delta",
    "response.output_text.done",
    "response.output_text.annotation.added",
    "response.refusal.delta",
    "response.reasoning_summary_text.delta",
    "response.reasoning_text.delta",
    "response.reasoning_text.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.completed",
    "error",
];

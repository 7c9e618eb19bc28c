//! The chat dialect through the hub, against recorded traffic of every provider that speaks it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests; clippy.toml reaches only #[test]"
)]

#[path = "support/fixtures.rs"]
mod fixtures;

use edgeway::conversation::{Content, Delta, Event, Losses, Opening, StopReason};
use edgeway::dialect::chat::{request, response, stream};
use edgeway::dialect::translate::{Decode, Encode, Reply, Target};
use edgeway::sse;
use fixtures::Interaction;
use serde_json::{Map, Value, json};

fn chat() -> impl Iterator<Item = Interaction> {
    fixtures::interactions().into_iter().filter(|interaction| interaction.api == "chat")
}

/// What means the same, in one way:
/// * a member that is `null`, and one of a few that are empty, is one that is not there;
/// * one part of plain text is its text, `image_url` a string or an object, `stop` one text or a list;
/// * numbers go by value, arguments by what they parse to (`""` and an object are what some upstreams send), a call without
///   a type is of a function, Mistral's `any` is `required`;
/// * Ollama's clients send the same reasoning under both names.
fn normal(value: Value) -> Value {
    match value {
        Value::Object(object) => Value::Object(normal_object(object)),
        Value::Array(items) => Value::Array(items.into_iter().map(normal).collect()),
        Value::Number(number) => json!(number.as_f64()),
        other => other,
    }
}

fn normal_object(object: Map<String, Value>) -> Map<String, Value> {
    let mut normalised: Map<String, Value> = object
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name, normal(value)))
        .collect();
    for (name, empty) in [
        ("content", json!("")),
        ("annotations", json!([])),
        ("tool_calls", json!([])),
        ("stream", json!(false)),
    ] {
        if normalised.get(name) == Some(&empty) {
            normalised.remove(name);
        }
    }
    if let Some(Value::Array(parts)) = normalised.get("content")
        && let [Value::Object(part)] = &parts[..]
        && part.len() == 2
        && part.get("type") == Some(&json!("text"))
    {
        let text = part["text"].clone();
        normalised.insert("content".into(), text);
    }
    if let Some(url @ Value::String(_)) = normalised.get("image_url").cloned() {
        normalised.insert("image_url".into(), json!({ "url": url }));
    }
    if let Some(stop @ Value::String(_)) = normalised.get("stop").cloned() {
        normalised.insert("stop".into(), json!([stop]));
    }
    if let Some(Value::String(arguments)) = normalised.get("arguments") {
        let text = if arguments.is_empty() { "{}" } else { arguments };
        let parsed = serde_json::from_str(text).unwrap_or_else(|_| json!(arguments));
        normalised.insert("arguments".into(), normal(parsed));
    }
    if normalised.get("tool_choice") == Some(&json!("any")) {
        normalised.insert("tool_choice".into(), json!("required"));
    }
    if normalised.contains_key("function") {
        normalised.entry("type").or_insert(json!("function"));
    }
    if normalised.contains_key("reasoning")
        && normalised.get("reasoning") == normalised.get("reasoning_content")
    {
        normalised.remove("reasoning");
    }
    normalised
}

fn parsed(body: &[u8]) -> Value {
    normal(serde_json::from_slice(body).unwrap())
}

/// Fails with the first place where two trees differ.
fn assert_same(found: &Value, expected: &Value, path: &str) {
    match (found, expected) {
        (Value::Object(a), Value::Object(b)) => {
            for name in a.keys().chain(b.keys()) {
                let missing = Value::Null;
                let get = |object: &Map<String, Value>| object.get(name).unwrap_or(&missing).clone();
                assert_same(&get(a), &get(b), &format!("{path}.{name}"));
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                assert_same(a, b, &format!("{path}[{index}]"));
            }
        }
        _ => assert_eq!(found, expected, "{path}"),
    }
}

#[test]
fn every_request_comes_back_as_it_was() {
    for interaction in chat().filter(|it| it.status == 200 && !it.request.is_empty()) {
        let expected = parsed(interaction.request.as_bytes());
        let decoded = request::decode(interaction.request.as_bytes())
            .unwrap_or_else(|error| panic!("{}: {error}", interaction.name));
        let target = Target {
            model: expected["model"].as_str().unwrap(),
            is_openai: expected.get("max_completion_tokens").is_some()
                || interaction.request.contains("\"developer\""),
            ..Target::default()
        };
        let mut losses = Losses::default();
        let encoded = request::encode(decoded.clone(), &target, &mut losses);
        assert!(losses.is_empty(), "{}: {losses:?}", interaction.name);
        assert_same(&parsed(&encoded), &expected, &interaction.name);
        assert_eq!(request::decode(&encoded).unwrap(), decoded, "{}", interaction.name);
    }
}

#[test]
fn every_answer_comes_back_as_it_was() {
    for interaction in chat().filter(|it| it.status == 200 && !it.is_stream) {
        let decoded = response::decode(interaction.body.as_bytes()).unwrap();
        let choice = decoded.first().unwrap_or_else(|| panic!("{}", interaction.name));
        assert!(choice.stop.is_some() && !choice.content.is_empty(), "{}", interaction.name);
        let expected = &interaction.expected;
        let text: String = choice
            .content
            .iter()
            .filter_map(|block| match &block.content {
                Content::Text(text) => Some(text.text.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(text, expected["text"].as_str().unwrap_or_default(), "{}", interaction.name);
        assert_eq!(
            decoded.usage,
            response::read(interaction.body.as_bytes()).unwrap().usage.map(|it| it.usage),
            "{}",
            interaction.name
        );
        let mut losses = Losses::default();
        let reply = Reply { id: "call".into(), ..Reply::default() };
        let mut encoded = parsed(&response::encode(decoded, &reply, &mut losses));
        let original = parsed(interaction.body.as_bytes());
        // What this one leaves out an SDK needs.
        for name in ["id", "created", "object"] {
            if original.get(name).is_none() {
                encoded.as_object_mut().unwrap().remove(name);
            }
        }
        assert!(losses.is_empty(), "{}: {losses:?}", interaction.name);
        assert_same(&encoded, &original, &interaction.name);
    }
}

fn events<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Event> {
    let (mut lines, mut decoder, mut events) =
        (sse::Decoder::default(), stream::Decoder::default(), Vec::new());
    for chunk in chunks {
        lines.push(chunk).unwrap();
        while let Some(event) = lines.next_event() {
            decoder.event(&event, &mut |event| events.push(event));
        }
    }
    if let Some(event) = lines.finish() {
        decoder.event(&event, &mut |event| events.push(event));
    }
    decoder.finish(&mut |event| events.push(event));
    events
}

/// The order that the hub promises.
fn assert_order(events: &[Event], name: &str) {
    let (mut open, mut next, mut is_over, mut stopped) = (Vec::new(), 0, false, Vec::new());
    for (at, event) in events.iter().enumerate() {
        assert!(!is_over, "{name}: {event:?} behind the end");
        match event {
            Event::Start { .. } => assert_eq!(at, 0, "{name}"),
            Event::Open { block, .. } => {
                assert_eq!(*block, next, "{name}");
                next += 1;
                open.push(*block);
            }
            Event::Delta { block, .. } => assert!(open.contains(block), "{name}: {event:?}"),
            Event::Close { block } => {
                assert!(open.contains(block), "{name}: {event:?}");
                open.retain(|other| other != block);
            }
            Event::Stop { choice, .. } => {
                assert!(open.is_empty() && !stopped.contains(choice), "{name}");
                stopped.push(*choice);
            }
            Event::End | Event::Error(_) => is_over = true,
            Event::Usage(_) | Event::Logprobs { .. } => {}
        }
    }
}

#[derive(Debug, Default, PartialEq)]
struct Collected {
    text: String,
    reasoning: String,
    refusal: String,
    calls: Vec<(String, String, String)>,
    stop: Option<StopReason>,
}

fn collected(events: &[Event]) -> Collected {
    let (mut result, mut kinds) = (Collected::default(), Vec::new());
    let mut calls = std::collections::BTreeMap::new();
    for event in events {
        match event {
            Event::Open { block, opening, .. } => {
                if let Opening::ToolCall { id, name, .. } = opening {
                    calls.insert(*block, (id.clone(), name.clone(), String::new()));
                }
                kinds.push(opening.clone());
            }
            Event::Delta { block, delta: Delta::Text(text) } => match kinds[*block] {
                Opening::Text => result.text += text,
                Opening::Refusal => result.refusal += text,
                _ => result.reasoning += text,
            },
            Event::Delta { block, delta: Delta::Arguments(text) } => calls.get_mut(block).unwrap().2 += text,
            Event::Stop { reason, .. } => result.stop = Some(reason.clone()),
            _ => {}
        }
    }
    result.calls = calls.into_values().collect();
    result
}

#[test]
fn a_stream_says_what_its_index_expects_however_it_is_cut() {
    for interaction in chat().filter(|it| it.is_stream) {
        let (name, bytes) = (&interaction.name, interaction.body.as_bytes());
        let whole = events([bytes]);
        assert_order(&whole, name);
        let said = collected(&whole);
        let expected = &interaction.expected;
        // White space alone is no text.
        let text = expected["text"].as_str().filter(|text| !text.trim().is_empty()).unwrap_or_default();
        assert_eq!(said.text, text, "{name}");
        assert_eq!(json!(said.reasoning.chars().count()), expected["reasoning_chars"], "{name}");
        let calls = expected["tool_calls"].as_array().cloned().unwrap_or_default();
        assert_eq!(said.calls.len(), calls.len(), "{name}");
        for (call, expected) in said.calls.iter().zip(&calls) {
            assert_eq!(json!(call.1), expected["name"], "{name}");
        }
        let is_failed = !expected["error"].is_null();
        assert_eq!(matches!(whole.last(), Some(Event::Error(_))), is_failed, "{name}");
        assert_eq!(whole.last() == Some(&Event::End), !is_failed, "{name}");
        for size in [1, 7, 64, 1000] {
            assert_eq!(events(bytes.chunks(size)), whole, "{name} every {size}");
        }
        for at in (0..bytes.len()).filter(|at| bytes.len() < 2000 || bytes[*at] == b'\n') {
            assert!(events([&bytes[..at], &bytes[at..]]) == whole, "{name} at {at}");
        }
    }
}

/// Written and read again, a stream says the same; but for the member that reasoning stood under, which is known only when
/// it has gone out.
#[test]
fn a_stream_that_is_written_again_says_the_same() {
    for interaction in chat().filter(|it| it.is_stream) {
        let name = &interaction.name;
        let first = events([interaction.body.as_bytes()]);
        let reply = Reply { include_usage: true, ..Reply::default() };
        let mut encoder = stream::Encoder::new(reply);
        let mut out = Vec::new();
        for event in first.clone() {
            encoder.event(event, &mut out);
        }
        let second = events([&out[..]]);
        assert_order(&second, name);
        assert_eq!(collected(&second), collected(&first), "{name}");
        let count = |events: &[Event], wanted: fn(&Event) -> bool| {
            events.iter().filter(|event| wanted(event)).count()
        };
        for wanted in [
            (|event| matches!(event, Event::Open { .. })) as fn(&Event) -> bool,
            |event| matches!(event, Event::Delta { delta: Delta::Citation(_), .. }),
            |event| matches!(event, Event::Logprobs { .. }),
            |event| matches!(event, Event::Stop { .. }),
        ] {
            if !interaction.body.contains("search_results") {
                assert_eq!(count(&second, wanted), count(&first, wanted), "{name}");
            }
        }
        let usage = |events: &[Event]| {
            events.iter().rev().find_map(|event| match event {
                Event::Usage(usage) => Some(*usage),
                _ => None,
            })
        };
        if first.last() == Some(&Event::End) {
            assert_eq!(usage(&second), usage(&first), "{name}");
        }
    }
}

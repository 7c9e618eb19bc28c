//! All recorded calls of each dialect in the words of the other three, as somebody read them and found them right: the requests,
//! the answers, and what is said to be lost. `tests/snapshots` holds them; `INSTA_UPDATE=always` writes them anew, to be read again.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what stands around the tests may fail like the tests"
)]

#[path = "support/fixtures.rs"]
#[allow(dead_code, reason = "what the index expects is for others to check")]
mod fixtures;

use edgeway::call::translation::{InPath, Said, Translated, translate};
use edgeway::conversation::Dialect;
use edgeway::dialect::Endpoint;
use edgeway::dialect::relay::{Pushed, Relay};
use edgeway::dialect::translate::{Reply, Target};
use edgeway::sse;
use fixtures::{Interaction, interactions};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What each answer in Responses says of its question, which is the same one here.
const ECHOED: [&str; 22] = [
    "background",
    "id",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "object",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];
/// Longer strings are cut: images, signatures, and what the recorded models wrote.
const LONGEST: usize = 120;

fn call(client: Dialect, upstream: Dialect, request: &str, is_stream: bool) -> Translated {
    let in_path = InPath { model: "the-model".into(), stream: is_stream, is_array: false };
    let reply = Reply { id: "0199-call".into(), created: 1, model: "the-model".into(), ..Reply::default() };
    // Some members follow from what is known of a model by its name.
    let model = match upstream {
        Dialect::Chat | Dialect::Responses => "gpt-5",
        Dialect::Messages | Dialect::Converse => "claude-sonnet-4-5",
        Dialect::Gemini => "gemini-2.5-pro",
    };
    let target = Target { model, max_output_tokens: Some(8_000), is_openai: true, stream_options: true };
    let said = Said { body: request.as_bytes(), in_path: &in_path, history: None };
    translate(Endpoint::of_dialect(client), upstream, said, None, &target, reply).unwrap()
}

fn shortened(value: Value) -> Value {
    match value {
        Value::String(text) if text.chars().count() > LONGEST => {
            let head: String = text.chars().take(LONGEST / 2).collect();
            json!(format!("{head}… {} characters", text.chars().count()))
        }
        Value::Array(list) => list.into_iter().map(shortened).collect(),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, it)| (name, shortened(it))).collect())
        }
        other => other,
    }
}

/// A body, an item of its lists to a line.
fn written(body: &[u8]) -> String {
    let Value::Object(members) = shortened(serde_json::from_slice(body).unwrap()) else {
        return String::new();
    };
    let mut out = String::new();
    let is_response = members.get("object").is_some_and(|it| it == "response");
    for (name, value) in members {
        if is_response && ECHOED.contains(&name.as_str()) {
            continue;
        }
        match value {
            Value::Array(list) if list.iter().any(Value::is_object) => {
                writeln!(out, "  {name}:").unwrap();
                list.iter().for_each(|item| writeln!(out, "    - {item}").unwrap());
            }
            value => writeln!(out, "  {name}: {value}").unwrap(),
        }
    }
    out
}

/// The events of a stream, one to a line; of many alike in a row the first and how many more.
fn events(stream: &[u8]) -> String {
    let mut decoder = sse::Decoder::default();
    decoder.push(stream).unwrap();
    let (mut out, mut last, mut more) = (String::new(), String::new(), 0);
    let flush = |out: &mut String, more: &mut usize| {
        if *more > 0 {
            writeln!(out, "    … {more} more").unwrap();
        }
        *more = 0;
    };
    while let Some(event) = decoder.next_event() {
        let data = String::from_utf8_lossy(&event.data).into_owned();
        let mut value: Value = serde_json::from_str(&data).unwrap_or(Value::Null);
        let kind = shape(&value);
        if kind == last {
            more += 1;
            continue;
        }
        flush(&mut out, &mut more);
        if let Some(response) = value.get_mut("response").and_then(Value::as_object_mut) {
            response.retain(|name, _| !ECHOED.contains(&name.as_str()));
        }
        let shown = if value.is_null() { data } else { shortened(value).to_string() };
        writeln!(out, "  {shown}").unwrap();
        last = kind;
    }
    flush(&mut out, &mut more);
    out
}

/// What kind of event it is: its members without their contents.
fn shape(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let inner = members.iter().map(|(name, it)| match (name.as_str(), it) {
                ("type" | "finish_reason" | "index", it) => format!("{name}={it}"),
                (name, it) => format!("{name}:{}", shape(it)),
            });
            format!("{{{}}}", inner.collect::<Vec<_>>().join(","))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(shape).collect::<Vec<_>>().join(",")),
        Value::Null => "null".into(),
        _ => "_".into(),
    }
}

/// A recorded request as an upstream of another dialect gets it, and its recorded answer as a client of that dialect does.
fn translated(own: Dialect, other: Dialect, recorded: &Interaction) -> String {
    let mut out = String::new();
    if !recorded.request.is_empty() {
        let asked = call(own, other, &recorded.request, recorded.is_stream);
        write!(out, "-> {} asks {}\n{}", own.as_str(), other.as_str(), written(&asked.body)).unwrap();
        if !asked.dropped.is_empty() {
            writeln!(out, "  LOST: {}", asked.dropped.join(", ")).unwrap();
        }
    }
    if recorded.status != 200 {
        return out; // refusals are read where errors are tested
    }
    // The way back, for a client of the other dialect who asked this upstream something.
    let question = match other {
        Dialect::Chat => json!({ "messages": [{ "role": "user", "content": "?" }] }),
        Dialect::Responses => json!({ "input": "?" }),
        Dialect::Messages | Dialect::Converse => {
            json!({ "max_tokens": 9, "messages": [{ "role": "user", "content": "?" }] })
        }
        Dialect::Gemini => json!({ "contents": [{ "role": "user", "parts": [{ "text": "?" }] }] }),
    };
    let exchange = call(other, own, &question.to_string(), recorded.is_stream).exchange;
    writeln!(out, "<- {} answers {}", own.as_str(), other.as_str()).unwrap();
    if recorded.is_stream {
        let mut relay = Relay::new(exchange.watch());
        let mut stream = match relay.push(recorded.body.as_bytes()).unwrap() {
            Pushed::Bytes(bytes) => bytes,
            _ => Vec::new(),
        };
        stream.extend(relay.finish().1);
        out.push_str(&events(&stream));
    } else {
        let answered = exchange.answer(recorded.body.as_bytes()).unwrap().unwrap();
        out.push_str(&written(&answered.body));
        if !answered.dropped.is_empty() {
            writeln!(out, "  LOST: {}", answered.dropped.join(", ")).unwrap();
        }
    }
    out
}

#[test]
fn recorded_calls_read_in_other_dialects_as_they_were_reviewed() {
    for recorded in interactions() {
        let Some(own) = Dialect::ALL.into_iter().find(|it| it.as_str() == recorded.api) else { continue };
        let others = Dialect::ALL.into_iter().filter(|other| *other != own);
        let text: Vec<String> = others.map(|other| translated(own, other, &recorded)).collect();
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| {
            let file = recorded.name.replace(".json#", ".").replace('/', "-");
            insta::assert_snapshot!(file, text.join("\n"));
        });
    }
}

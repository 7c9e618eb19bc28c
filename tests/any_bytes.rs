//! No input bytes panic any decoder: what fuzzers would feed them, in a bounded run. Arbitrary bytes, recorded bodies with bytes
//! changed, and recorded bodies whose JSON is whole but says something else, as requests, answers and streams of each dialect.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what stands around the tests may fail like the tests"
)]

#[path = "support/event_stream.rs"]
mod event_stream;
#[path = "support/fixtures.rs"]
#[allow(dead_code, reason = "what the index expects is for others to check")]
mod fixtures;

use edgeway::call::translation::{Exchange, InPath, Said, translate};
use edgeway::conversation::Dialect;
use edgeway::dialect::Endpoint;
use edgeway::dialect::error::read_error;
use edgeway::dialect::relay::Relay;
use edgeway::dialect::translate::{Reply, Target};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use std::sync::OnceLock;

/// Recorded bodies: requests, answers and streams; a few of our own where nothing recorded is there.
fn bodies() -> &'static [String] {
    static BODIES: OnceLock<Vec<String>> = OnceLock::new();
    BODIES.get_or_init(|| {
        let recorded = fixtures::interactions().into_iter().flat_map(|it| [it.request, it.body]);
        // Long ones say little more, and take long.
        let mut bodies: Vec<String> =
            recorded.filter(|body| !body.is_empty() && body.len() < 20_000).collect();
        bodies.extend(Dialect::ALL.map(|dialect| question(dialect).to_string()));
        bodies
    })
}

fn question(dialect: Dialect) -> Value {
    let message = json!({ "role": "user", "content": [{ "type": "text", "text": "?" }] });
    match dialect {
        Dialect::Chat => json!({ "model": "m", "stream": true, "messages": [message] }),
        Dialect::Responses => json!({ "model": "m", "stream": true, "input": "?" }),
        Dialect::Messages | Dialect::Converse => {
            json!({ "model": "m", "stream": true, "max_tokens": 9, "messages": [message] })
        }
        Dialect::Gemini => json!({ "contents": [{ "role": "user", "parts": [{ "text": "?" }] }] }),
    }
}

fn asked(client: Dialect, upstream: Dialect, body: &[u8]) -> Option<Exchange> {
    let in_path = InPath { model: "m".into(), stream: true, is_array: false };
    let said = Said { body, in_path: &in_path, history: None };
    let target = Target { model: "m", ..Target::default() };
    translate(Endpoint::of_dialect(client), upstream, said, None, &target, Reply::default())
        .ok()
        .map(|it| it.exchange)
}

/// As a request, an answer, an error and a stream, between all dialects; the stream in pieces of this size.
fn feed(bytes: &[u8], size: usize) {
    let _ = read_error(bytes);
    for client in Dialect::ALL {
        let _ = Exchange::same(Endpoint::of_dialect(client), true, false).read(bytes);
        for upstream in Dialect::ALL.into_iter().chain([Dialect::Converse]) {
            asked(client, upstream, bytes);
            let exchange = match client == upstream {
                true => Exchange::same(Endpoint::of_dialect(client), true, false),
                false => asked(client, upstream, question(client).to_string().as_bytes()).unwrap(),
            };
            let _ = exchange.answer(bytes);
            let mut relay = Relay::new(exchange.watch());
            let mut chunks = bytes.chunks(size);
            while chunks.next().is_some_and(|chunk| relay.push(chunk).is_ok()) {}
            relay.finish();
        }
    }
}

/// Puts `new` in the place of the value that is the `at`th from here; what is left of the count where there are fewer.
fn replace(value: &mut Value, at: usize, new: &Value) -> Option<usize> {
    if at == 0 {
        value.clone_from(new);
        return None;
    }
    let mut left = at - 1;
    let inner: Vec<&mut Value> = match value {
        Value::Array(list) => list.iter_mut().collect(),
        Value::Object(members) => members.values_mut().collect(),
        _ => Vec::new(),
    };
    for value in inner {
        left = replace(value, left, new)?;
    }
    Some(left)
}

/// A body that is JSON, or a stream's events that are, with one value changed.
fn reworded(body: &str, at: usize, new: &Value) -> String {
    let change = |text: &str| {
        let mut value: Value = serde_json::from_str(text).ok()?;
        replace(&mut value, at % 40, new);
        Some(value.to_string())
    };
    if let Some(changed) = change(body) {
        return changed;
    }
    let count = body.lines().filter(|line| line.starts_with("data:")).count().max(1);
    let mut event = 0;
    let lines = body.lines().map(|line| match line.strip_prefix("data:") {
        Some(data) => {
            event += 1;
            let changed = if event - 1 == at % count { change(data) } else { None };
            format!("data:{}", changed.unwrap_or_else(|| data.to_owned()))
        }
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n") + "\n\n"
}

/// What may stand anywhere.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "text|tool_use|function_call|tool_result|thinking|reasoning|image|message_delta|response\\.completed|-1|1e999"
            .prop_map(Value::from),
    ];
    let name = "type|content|text|id|index|role|name|input|parts|delta|usage|output|[a-z]{0,3}";
    leaf.prop_recursive(3, 12, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(name, inner, 0..4)
                .prop_map(|it| Value::Object(it.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), size in 1..50_usize) {
        feed(&bytes, size);
    }

    #[test]
    fn no_json_panics(value in any_value(), size in 1..50_usize) {
        feed(value.to_string().as_bytes(), size);
        feed(format!("data: {value}\n\ndata: [DONE]\n\n").as_bytes(), size);
    }

    #[test]
    fn no_binary_message_panics(
        values in prop::collection::vec((
            "event|exception|error",
            "messageStart|contentBlockStart|contentBlockDelta|contentBlockStop|messageStop|metadata|throttlingException",
            any_value(), "delta|start|usage|stopReason|message|p", "text|toolUse|reasoningContent|input|cacheDetails",
        ), 0..6),
        size in 1..90_usize,
    ) {
        let message = |(kind, name, value, outer, inner): (String, String, Value, String, String)| {
            let payload = json!({ "contentBlockIndex": 0, outer: { inner: value } });
            event_stream::message(&kind, &name, &payload.to_string())
        };
        feed(&values.into_iter().map(message).collect::<Vec<_>>().concat(), size);
    }

    #[test]
    fn no_recorded_body_with_bytes_changed_panics(
        body in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), 0..40_usize, prop::collection::vec(any::<u8>(), 0..8)), 1..5),
        size in 1..3000_usize,
    ) {
        let mut bytes = body.get(bodies()).clone().into_bytes();
        for (at, length, new) in changes {
            let at = at.index(bytes.len().max(1)).min(bytes.len());
            let end = (at + length).min(bytes.len());
            bytes.splice(at..end, new);
        }
        feed(&bytes, size);
    }

    #[test]
    fn no_recorded_body_that_says_something_else_panics(
        body in any::<Index>(),
        changes in prop::collection::vec((any::<usize>(), any_value()), 1..5),
        size in 1..3000_usize,
    ) {
        let body = body.get(bodies()).clone();
        let changed = changes.iter().fold(body, |body, (at, new)| reworded(&body, *at, new));
        feed(changed.as_bytes(), size);
    }
}

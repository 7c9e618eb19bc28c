//! What is done with bytes that anybody may have sent: the bounded run in `any_bytes.rs` and the fuzz targets in `fuzz/` share it.
//! Nothing may panic, whatever comes.

use edgeway::call::accept::Accepted;
use edgeway::call::translation::{Exchange, InPath, Said, translate};
use edgeway::config::Key;
use edgeway::conversation::Dialect;
use edgeway::dialect::Endpoint;
use edgeway::dialect::error::read_error;
use edgeway::dialect::relay::Relay;
use edgeway::dialect::translate::{Reply, Target};
use edgeway::{json, sse};
use serde_json::{Value, json};

/// All dialects that a target may speak.
pub(crate) fn spoken_by_targets() -> impl Iterator<Item = Dialect> {
    Dialect::ALL.into_iter().chain([Dialect::Converse])
}

/// A small request of this dialect.
pub(crate) fn question(dialect: Dialect) -> Value {
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

fn in_path() -> InPath {
    InPath { model: "m".into(), stream: true, is_array: false }
}

fn asked(client: Dialect, upstream: Dialect, body: &[u8]) -> Option<Exchange> {
    let in_path = in_path();
    let said = Said { body, in_path: &in_path, history: None };
    let target = Target { model: "m", ..Target::default() };
    translate(Endpoint::of_dialect(client), upstream, said, None, &target, Reply::default())
        .ok()
        .map(|it| it.exchange)
}

fn exchange(client: Dialect, upstream: Dialect) -> Option<Exchange> {
    match client == upstream {
        true => Some(Exchange::same(Endpoint::of_dialect(client), true, false)),
        false => asked(client, upstream, question(client).to_string().as_bytes()),
    }
}

/// As a request of this dialect: peeked at, changed where the gateway changes it, and said anew in each other dialect.
pub(crate) fn request(dialect: Dialect, body: &[u8]) {
    let (endpoint, key) = (Endpoint::of_dialect(dialect), Key::default());
    for upstream in spoken_by_targets() {
        asked(dialect, upstream, body);
        if let Ok(accepted) = Accepted::read(endpoint, body, in_path(), &key) {
            let target = Target { model: "m", stream_options: true, ..Target::default() };
            let at = accepted.endpoint_at(upstream, true);
            let _ = accepted.prepare(body, at, &target, &key, Reply::default);
        }
    }
}

/// As an answer or an error that an upstream of this dialect gave, for a client of each.
pub(crate) fn answer(dialect: Dialect, body: &[u8]) {
    let _ = read_error(body);
    let _ = Exchange::same(Endpoint::of_dialect(dialect), true, false).read(body);
    for exchange in Dialect::ALL.into_iter().filter_map(|client| exchange(client, dialect)) {
        let _ = exchange.answer(body);
    }
}

/// As a stream of this dialect, for a client of each, in pieces of this size.
pub(crate) fn stream(dialect: Dialect, bytes: &[u8], size: usize) {
    for exchange in Dialect::ALL.into_iter().filter_map(|client| exchange(client, dialect)) {
        let mut relay = Relay::new(exchange.watch());
        let mut chunks = bytes.chunks(size.max(1));
        while chunks.next().is_some_and(|chunk| relay.push(chunk).is_ok()) {}
        relay.finish();
        let _ = relay.dropped();
    }
}

/// As server-sent events: cut anywhere they are the same.
pub(crate) fn events(bytes: &[u8], size: usize) {
    let read = |size: usize| {
        let (mut decoder, mut events) = (sse::Decoder::default(), Vec::new());
        for chunk in bytes.chunks(size.max(1)) {
            if decoder.push(chunk).is_err() {
                return events;
            }
            while let Some(event) = decoder.next_event() {
                events.push(event.data.into_owned());
            }
        }
        events.extend(decoder.finish().map(|event| event.data.into_owned()));
        events
    };
    assert_eq!(read(size), read(bytes.len()));
}

/// As JSON: what is scanned without a tree is what a parser takes, and what is spliced stays JSON.
pub(crate) fn json(bytes: &[u8]) {
    let is_json = serde_json::from_slice::<Value>(bytes).is_ok();
    assert!(!is_json || json::is_valid(bytes));
    if let Ok(object) = json::peek(bytes, &["model", "stream"]) {
        let [model, stream] = &object.fields;
        let edits = model.iter().chain(stream).map(|field| field.replace("null"));
        let spliced = json::splice(bytes, edits.chain([object.insert("user", "7")]));
        assert!(json::is_valid(&spliced), "{}", String::from_utf8_lossy(&spliced));
    }
}

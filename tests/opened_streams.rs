//! A stream that is open before there is an answer: what the client reads where none comes, in its own dialect.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what stands around the tests may fail like the tests")]

use edgeway::call::accept::Accepted;
use edgeway::call::translation::{Exchange, InPath};
use edgeway::config::Key;
use edgeway::dialect::{Dialect, Endpoint};
use edgeway::error::ApiError;
use edgeway::sse::Decoder;
use serde_json::{Value, json};

fn asked(endpoint: Endpoint, stream: bool, query: &str) -> Option<Exchange> {
    let body = json!({
        "model": "m", "stream": stream, "max_tokens": 1, "prompt": "Hi", "input": "Hi",
        "messages": [{ "role": "user", "content": "Hi" }],
    });
    let (body, in_path) = match endpoint {
        Endpoint::GenerateContent => {
            (json!({ "contents": [{ "parts": [{ "text": "Hi" }] }] }), InPath::gemini("m", stream, query))
        }
        _ => (body, InPath::default()),
    };
    let accepted = Accepted::read(endpoint, body.to_string().as_bytes(), in_path, &Key::default());
    accepted.unwrap().opening()
}

/// The data of each event, or each element of the array.
fn said(opening: &Exchange, bytes: &[u8]) -> Vec<Value> {
    if opening.stream_type().starts_with("application/json") {
        return serde_json::from_slice(bytes).unwrap();
    }
    let mut decoder = Decoder::default();
    decoder.push(bytes).unwrap();
    std::iter::from_fn(|| decoder.next_event().map(|event| serde_json::from_slice(&event.data).unwrap()))
        .collect()
}

#[test]
fn only_what_writes_text_in_events_is_opened_early() {
    for (endpoint, stream, opens) in [
        (Endpoint::ChatCompletions, true, true),
        (Endpoint::ChatCompletions, false, false),
        (Endpoint::Completions, true, true),
        (Endpoint::Responses, true, true),
        (Endpoint::Messages, true, true),
        (Endpoint::Messages, false, false),
        (Endpoint::GenerateContent, true, true),
        (Endpoint::GenerateContent, false, false),
        (Endpoint::Speech, true, false),
        (Endpoint::ImageGenerations, true, false),
    ] {
        assert_eq!(asked(endpoint, stream, "").is_some(), opens, "{endpoint:?} {stream}");
    }
}

#[test]
fn a_refusal_is_the_dialects_own_error_event_behind_any_number_of_comments() {
    let error = ApiError::new(504, "upstream_timeout", "nobody \"answered\"\nin time");
    let message = "nobody \"answered\" in time";
    let openai = json!({ "error": {
        "message": message, "type": "server_error", "param": null, "code": "upstream_timeout",
    } });
    let responses = json!({
        "type": "error", "sequence_number": 0, "code": "upstream_timeout", "message": message, "param": null,
        "error": { "type": "upstream_timeout", "code": "upstream_timeout", "message": message, "param": null },
    });
    let gemini = json!({ "error": { "code": 504, "message": message, "status": "DEADLINE_EXCEEDED" } });
    let messages = json!({ "type": "error", "error": { "type": "timeout_error", "message": message } });
    let ping = json!({ "type": "ping" });
    for (endpoint, query, expected) in [
        (Endpoint::ChatCompletions, "", vec![openai.clone()]),
        (Endpoint::Completions, "", vec![openai]),
        (Endpoint::Responses, "", vec![responses]),
        (Endpoint::Messages, "", vec![ping.clone(), ping, messages]),
        (Endpoint::GenerateContent, "alt=sse", vec![gemini.clone()]),
        (Endpoint::GenerateContent, "", vec![gemini]),
    ] {
        let opening = asked(endpoint, true, query).unwrap();
        let body = error.dialect_body(endpoint.dialect(), "id").to_string();
        let comment = opening.keep_alive().to_vec();
        let stream = [comment.clone(), comment, opening.refusal(504, body.as_bytes())].concat();
        assert_eq!(said(&opening, &stream), expected, "{endpoint:?} {query}");
    }
}

#[test]
fn an_answer_in_one_piece_is_an_error_of_the_provider() {
    let opening = asked(Endpoint::of_dialect(Dialect::Chat), true, "").unwrap();
    let stream = opening.refusal(200, br#"{"choices":[]}"#);
    let [event] = &said(&opening, &stream)[..] else { panic!("one event") };
    assert_eq!(event.pointer("/error/code"), Some(&json!("upstream_error")));
}

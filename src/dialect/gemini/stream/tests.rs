//! Hard cases of streams, in and out.

use super::*;
use crate::conversation::{Citation, Delta, Dialect, Event, Opaque, Opening, StopReason, StreamError};
use crate::dialect::relay::{End, Pushed, Relay};
use crate::dialect::translate::{Decode, Encode, Reply};
use crate::sse;
use crate::usage::Usage;
use proptest::prelude::*;
use serde_json::{Value, json};

fn decoded(chunks: &[Value]) -> Vec<Event> {
    let (mut decoder, mut events) = (Decoder::default(), Vec::new());
    for chunk in chunks {
        let frame = sse::data(chunk.to_string().as_bytes());
        decoder.event(&sse::parse(&frame).unwrap(), &mut |event| events.push(event));
    }
    decoder.finish(&mut |event| events.push(event));
    events
}

fn encoded(events: &[Event], is_array: bool) -> String {
    let reply = Reply { id: "r".into(), model: "m".into(), is_array, ..Reply::default() };
    let (mut encoder, mut out) = (Encoder::new(reply), Vec::new());
    events.iter().for_each(|event| encoder.event(event.clone(), &mut out));
    String::from_utf8(out).unwrap()
}

fn pieces(stream: &str) -> Vec<Value> {
    let pieces = stream.split("\r\n\r\n").filter(|piece| !piece.is_empty());
    pieces.map(|piece| serde_json::from_str(piece.strip_prefix("data: ").unwrap()).unwrap()).collect()
}

#[allow(clippy::needless_pass_by_value, reason = "it reads better so")]
fn parts(parts: Value) -> Value {
    json!({"candidates": [{"content": {"parts": parts, "role": "model"}, "index": 0}], "responseId": "r", "modelVersion": "m"})
}

fn start() -> Event {
    Event::Start { id: "r".into(), model: "m".into() }
}

fn open(block: usize, opening: Opening) -> Event {
    Event::Open { block, choice: 0, opening }
}

fn text(block: usize, text: &str) -> Event {
    Event::Delta { block, delta: Delta::Text(text.into()) }
}

fn signature(block: usize, state: &str) -> Event {
    Event::Delta { block, delta: Delta::Signature(Opaque::new(Dialect::Gemini, state)) }
}

fn call(block: usize, id: &str) -> Event {
    open(block, Opening::ToolCall { id: id.into(), name: "f".into(), is_custom: false, signature: None })
}

fn arguments(block: usize, json: &str) -> Event {
    Event::Delta { block, delta: Delta::Arguments(json.into()) }
}

const fn close(block: usize) -> Event {
    Event::Close { block }
}

const fn stop(reason: StopReason) -> Event {
    Event::Stop { choice: 0, reason }
}

#[test]
fn parts_go_on_until_another_kind_or_a_signature() {
    let mut last = parts(
        json!([{"functionCall": {"name": "f", "args": {"a": 1}, "id": "c"}}, {"functionCall": {"name": "f", "id": "d"}}]),
    );
    last["candidates"][0]["finishReason"] = "STOP".into();
    let events = decoded(&[
        parts(json!([{"text": "h", "thought": true}])),
        parts(json!([{"text": "m", "thought": true}, {"text": "a"}])),
        parts(json!([{"text": "b", "thoughtSignature": "s"}, {"text": "c"}])),
        last,
    ]);
    let expected = [
        start(),
        open(0, Opening::Thinking { is_summary: false }),
        text(0, "h"),
        text(0, "m"),
        close(0),
        open(1, Opening::Text),
        text(1, "a"),
        text(1, "b"),
        signature(1, "s"),
        close(1),
        open(2, Opening::Text),
        text(2, "c"),
        close(2),
        call(3, "c"),
        arguments(3, r#"{"a":1}"#),
        close(3),
        call(4, "d"),
        close(4),
        stop(StopReason::ToolUse),
        Event::End,
    ];
    assert_eq!(events, expected);
}

#[test]
fn each_candidate_has_its_own_blocks() {
    let chunk = |first: &str, second: &str, reason: Value| {
        let candidate = |index: usize, text: &str| json!({"content": {"parts": [{"text": text}]}, "index": index, "finishReason": reason});
        json!({"candidates": [candidate(0, first), candidate(1, second)]})
    };
    let events = decoded(&[chunk("a", "x", Value::Null), chunk("b", "y", "STOP".into())]);
    let texts = |of: usize| -> String {
        let texts = events.iter().filter_map(|event| match event {
            Event::Delta { block, delta: Delta::Text(text) } if *block == of => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    };
    assert_eq!((texts(0), texts(1)), ("ab".to_owned(), "xy".to_owned()));
    assert_eq!(events.last(), Some(&Event::End));
    assert!(events.contains(&Event::Stop { choice: 1, reason: StopReason::End }));
}

#[test]
fn a_stream_ends_only_where_it_said_why() {
    assert_eq!(decoded(&[parts(json!([{"text": "a"}]))]).last(), Some(&close(0)), "it was cut");
    assert_eq!(decoded(&[]), []);
    let blocked = decoded(&[json!({"promptFeedback": {"blockReason": "SAFETY"}})]);
    assert_eq!(blocked[1..], [stop(StopReason::ContentFilter), Event::End]);
    let failed = decoded(&[
        parts(json!([{"text": "a"}])),
        json!({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}),
        parts(json!([{"text": "b"}])),
    ]);
    let (status, code) = (Some(503), Some("UNAVAILABLE".to_owned()));
    assert_eq!(
        failed.last(),
        Some(&Event::Error(StreamError { status, code, message: "overloaded".into() }))
    );
}

#[test]
fn grounding_lies_on_the_text_that_is_open() {
    let mut last = parts(json!([{"text": "é."}]));
    last["candidates"][0]["finishReason"] = "STOP".into();
    last["candidates"][0]["groundingMetadata"] = json!({
        "groundingChunks": [{"web": {"uri": "https://a.test"}}],
        "groundingSupports": [{"segment": {"startIndex": 2, "endIndex": 5}, "groundingChunkIndices": [0]}],
    });
    let events = decoded(&[parts(json!([{"text": "é"}])), last]);
    let citation =
        Citation { url: Some("https://a.test".into()), start: Some(1), end: Some(3), ..Citation::default() };
    let expected = Event::Delta { block: 0, delta: Delta::Citation(citation) };
    assert_eq!(events[4], expected);
    let again: Vec<Value> = pieces(&encoded(&events, false));
    assert_eq!(decoded(&again), events);
}

#[test]
fn each_piece_is_one_that_googles_clients_keep() {
    let events = [
        start(),
        open(0, Opening::Thinking { is_summary: true }),
        text(0, "h"),
        Event::Delta { block: 0, delta: Delta::Paragraph },
        close(0),
        open(1, Opening::Redacted(Opaque::new(Dialect::Messages, "x"))),
        close(1),
        open(2, Opening::Text),
        text(2, "a\n\"b\""),
        Event::Usage(Usage { input: 3, output: 1, ..Usage::default() }),
        close(2),
        call(3, "c"),
        call(4, "d"),
        arguments(4, "{\"x\""),
        arguments(3, "{}"),
        arguments(4, ":1}"),
        close(4),
        close(3),
        open(5, Opening::Native(json!({"type": "server_tool_use"}))),
        close(5),
        Event::Usage(Usage { input: 3, output: 5, ..Usage::default() }),
        stop(StopReason::ToolUse),
        Event::End,
    ];
    let pieces = pieces(&encoded(&events, false));
    for piece in &pieces {
        assert_eq!((&piece["responseId"], &piece["modelVersion"]), (&json!("r"), &json!("m")));
        let content = &piece["candidates"][0]["content"];
        assert!(
            content["role"] == "model" && content["parts"].as_array().is_some_and(|parts| !parts.is_empty())
        );
    }
    let found: Vec<&Value> =
        pieces.iter().map(|piece| &piece["candidates"][0]["content"]["parts"][0]).collect();
    let carrier = Opaque::new(Dialect::Messages, "x").carried_by(Dialect::Gemini).into_owned();
    let expected = [
        json!({"text": "h", "thought": true}),
        json!({"text": "\n\n", "thought": true}),
        json!({"thought": true, "thoughtSignature": carrier}),
        json!({"text": "a\n\"b\""}),
        json!({"functionCall": {"id": "d", "name": "f", "args": {"x": 1}}}),
        json!({"functionCall": {"id": "c", "name": "f", "args": {}}}),
        json!({"text": ""}),
    ];
    assert_eq!(found, expected.iter().collect::<Vec<_>>());
    let last = pieces.last().unwrap();
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    assert_eq!(last["usageMetadata"]["totalTokenCount"], 8);
    assert!(pieces[..pieces.len() - 1].iter().all(|piece| piece["candidates"][0]["finishReason"].is_null()));
    let array: Vec<Value> = serde_json::from_str(&encoded(&events, true)).unwrap();
    assert_eq!(array, pieces);
}

#[test]
fn a_failure_in_the_middle_is_an_error_in_either_form() {
    let failure =
        StreamError { status: Some(529), code: Some("overloaded_error".into()), message: "busy".into() };
    let events = [start(), open(0, Opening::Text), text(0, "a"), Event::Error(failure)];
    let error = json!({"error": {"code": 529, "message": "busy", "status": "UNAVAILABLE"}});
    let stream = encoded(&events, false);
    assert!(
        stream.ends_with(&format!("data: {error}\r\n\r\n")) && stream.contains("data: {\"error\":"),
        "{stream}"
    );
    let array: Vec<Value> = serde_json::from_str(&encoded(&events, true)).unwrap();
    assert_eq!(array[1..], [error]);
}

fn watched(is_array: bool, stream: &str) -> (String, End, Relay) {
    let mut relay = Relay::new(Box::new(Watch::new(is_array)));
    let mut out = match relay.push(stream.as_bytes()).unwrap() {
        Pushed::AsIs => stream.as_bytes().to_vec(),
        Pushed::Bytes(bytes) => bytes,
        Pushed::Nothing => Vec::new(),
    };
    let (end, tail) = relay.finish();
    out.extend(tail);
    (String::from_utf8(out).unwrap(), end, relay)
}

#[test]
fn how_a_passing_stream_ended_is_known() {
    let piece = |more: &str| {
        format!("data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"a\"}}]}}{more}}}]}}\r\n\r\n")
    };
    let (whole, cut) = (format!("{}{}", piece(""), piece(",\"finishReason\":\"STOP\"")), piece(""));
    let signed =
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\",\"thoughtSignature\":\"s\"}]}}]}\n\n"
            .to_owned();
    let blocked = "data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}\n\n".to_owned();
    let error = "data: {\"error\":{\"code\":503,\"message\":\"busy\",\"status\":\"UNAVAILABLE\"}}\r\n\r\n";
    for (stream, expected) in [
        (whole.clone(), End::Complete),
        (cut.clone(), End::CutShort),
        (signed, End::Empty),
        (blocked, End::Complete),
        (String::new(), End::Empty),
        (format!("{cut}{error}"), End::Failed),
    ] {
        let (out, end, _) = watched(false, &stream);
        assert_eq!((out, end), (stream, expected));
    }
    let (array, ..) = watched(true, &format!(": comment\n\n{whole}"));
    assert_eq!(serde_json::from_str::<Vec<Value>>(&array).unwrap().len(), 2);
    let (array, end, _) = watched(true, &format!("{cut}{error}"));
    let array: Vec<Value> = serde_json::from_str(&array).unwrap();
    assert_eq!((array.len(), &array[1]["error"]["code"], end), (2, &json!(503), End::Failed));
    let (array, _, mut relay) = watched(true, &cut);
    let ended = array + &String::from_utf8(relay.error(&StreamError::default())).unwrap();
    assert!(serde_json::from_str::<Vec<Value>>(&ended).unwrap()[1]["error"].is_object());
}

/// Google breaks off with a bare error object, which is no event: the client gets it as one.
#[test]
fn a_bare_error_is_said_as_an_event() {
    let cut = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\r\n\r\n";
    let bare = "{\n  \"error\": {\n    \"code\": 503,\n    \"message\": \"overloaded\",\n    \"status\": \"UNAVAILABLE\"\n  }\n}\n";
    let event =
        "data: {\"error\":{\"code\":503,\"message\":\"overloaded\",\"status\":\"UNAVAILABLE\"}}\r\n\r\n";
    let (out, end, relay) = watched(false, &format!("{cut}{bare}"));
    assert_eq!((out, end), (format!("{cut}{event}"), End::Failed));
    assert!(relay.seen().failure.as_ref().is_some_and(|failure| failure.is_after_content));
}

proptest! {
    #[test]
    fn no_bytes_panic(data in prop::collection::vec(any::<u8>(), 0..200), cut in 0..300_usize) {
        let chunk = parts(json!([{"functionCall": {"name": "f", "args": {"é": 1}}}, {"text": "x", "thought": true}])).to_string();
        for bytes in [&data[..], chunk.as_bytes().get(..cut).unwrap_or_default()] {
            let frame = sse::data(bytes);
            let (mut decoder, mut watch) = (Decoder::default(), Watch::new(cut % 2 == 0));
            if let Some(event) = sse::parse(&frame) {
                decoder.event(&event, &mut |_| {});
            }
            decoder.finish(&mut |_| {});
            crate::dialect::relay::Watch::observe(&mut watch, &frame);
            crate::dialect::relay::Watch::observe(&mut watch, bytes);
            crate::dialect::relay::Watch::finish(&mut watch, &mut Vec::new());
        }
    }

    /// What another dialect streamed, however its calls interleave, reads the same once it is Gemini's and read again.
    #[test]
    fn what_is_written_is_read_again(steps in prop::collection::vec((0..3_u8, ".{1,6}"), 0..12)) {
        let mut events = vec![start()];
        for (block, (kind, word)) in steps.iter().enumerate() {
            match kind {
                0 => events.extend([open(block, Opening::Text), text(block, word), signature(block, "c2ln"), close(block)]),
                1 => events.extend([open(block, Opening::Thinking { is_summary: false }), text(block, word), signature(block, "c2ln"), close(block)]),
                _ => events.extend([call(block, &format!("c{block}")), arguments(block, r#"{"a":1}"#), close(block)]),
            }
        }
        let reason = if steps.iter().any(|(kind, _)| *kind == 2) { StopReason::ToolUse } else { StopReason::End };
        events.extend([stop(reason), Event::End]);
        prop_assert_eq!(decoded(&pieces(&encoded(&events, false))), events);
    }
}

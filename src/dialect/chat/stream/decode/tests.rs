//! What upstreams make of a chat stream, and how a client gets it.

use super::Decoder;
use crate::conversation::{Citation, Delta, Dialect, Event, Opaque, Opening, StopReason, StreamError};
use crate::dialect::chat::stream::Encoder;
use crate::dialect::translate::{Decode as _, Encode as _, Reply};
use crate::sse;
use crate::usage::Usage;
use proptest::prelude::*;
use serde_json::{Value, json};

fn decoded(stream: &str) -> Vec<Event> {
    let (mut lines, mut decoder, mut events) = (sse::Decoder::default(), Decoder::default(), Vec::new());
    lines.push(stream.as_bytes()).unwrap();
    while let Some(event) = lines.next_event() {
        decoder.event(&event, &mut |event| events.push(event));
    }
    decoder.finish(&mut |event| events.push(event));
    events
}

/// A stream of these deltas, ended properly.
fn of(deltas: &[Value], finish: &str) -> String {
    let chunk =
        |choice: Value| format!("data: {}\n\n", json!({ "id": "a", "model": "m", "choices": [choice] }));
    let mut stream: String =
        deltas.iter().map(|delta| chunk(json!({ "index": 0, "delta": delta }))).collect();
    stream += &chunk(json!({ "index": 0, "delta": {}, "finish_reason": finish }));
    stream + "data: [DONE]\n\n"
}

fn open(block: usize, opening: Opening) -> Event {
    Event::Open { block, choice: 0, opening }
}

fn text(block: usize, text: &str) -> Event {
    Event::Delta { block, delta: Delta::Text(text.into()) }
}

fn arguments(block: usize, text: &str) -> Event {
    Event::Delta { block, delta: Delta::Arguments(text.into()) }
}

fn call(id: &str, name: &str) -> Opening {
    Opening::ToolCall { id: id.into(), name: name.into(), is_custom: false, signature: None }
}

fn close(block: usize) -> Event {
    Event::Close { block }
}

/// What a stream says between its start and its end.
fn said(deltas: &[Value], finish: &str) -> Vec<Event> {
    let mut events = decoded(&of(deltas, finish));
    assert_eq!(events.remove(0), Event::Start { id: "a".into(), model: "m".into() });
    assert_eq!(events.pop(), Some(Event::End));
    events
}

#[test]
fn calls_whose_pieces_come_in_turns_are_put_together() {
    let cases = [
        // As OpenAI sends it, in turns; only the first piece has the id.
        vec![
            json!({ "tool_calls": [{ "index": 0, "id": "x", "function": { "name": "f", "arguments": "" } }] }),
            json!({ "tool_calls": [{ "index": 1, "id": "y", "function": { "name": "g", "arguments": "{" } }] }),
            json!({ "tool_calls": [{ "index": 0, "function": { "arguments": "1" } }] }),
            json!({ "tool_calls": [{ "index": 1, "function": { "arguments": "}" } }] }),
        ],
        // Without an index.
        vec![
            json!({ "tool_calls": [{ "id": "x", "function": { "name": "f", "arguments": "1" } }] }),
            json!({ "tool_calls": [{ "id": "y", "function": { "name": "g", "arguments": "{" } }] }),
            json!({ "tool_calls": [{ "function": { "arguments": "}" } }] }),
        ],
        // All with the same index, the id repeated.
        vec![
            json!({ "tool_calls": [{ "index": 0, "id": "x", "function": { "name": "f", "arguments": "1" } }] }),
            json!({ "tool_calls": [{ "index": 0, "id": "y", "function": { "name": "g", "arguments": "{" } }] }),
            json!({ "tool_calls": [{ "index": 0, "id": "y", "function": { "arguments": "}" } }] }),
        ],
    ];
    for deltas in cases {
        let events = said(&deltas, "stop");
        assert!(
            events.contains(&open(0, call("x", "f"))) && events.contains(&open(1, call("y", "g"))),
            "{deltas:?}"
        );
        let of = |block| -> String {
            let pieces = events.iter().filter_map(|event| match event {
                Event::Delta { block: at, delta: Delta::Arguments(text) } if *at == block => {
                    Some(text.as_str())
                }
                _ => None,
            });
            pieces.collect()
        };
        assert_eq!((of(0), of(1)), ("1".into(), "{}".into()), "{deltas:?}");
        assert_eq!(events.last(), Some(&Event::Stop { choice: 0, reason: StopReason::ToolUse }));
    }
}

#[test]
fn a_call_may_lack_its_id_and_have_its_name_late() {
    let events = said(
        &[
            json!({ "tool_calls": [{ "index": 0, "function": { "arguments": "{" } }] }),
            json!({ "tool_calls": [{ "index": 0, "function": { "name": "f", "arguments": "}" } }] }),
        ],
        "tool_calls",
    );
    let Event::Open { opening: Opening::ToolCall { id, .. }, .. } = &events[0] else { panic!() };
    assert!(id.starts_with("call_"));
    assert_eq!(events[1], arguments(0, "{}"));
    let legacy =
        said(&[json!({ "function_call": { "name": "f", "arguments": { "a": 1 } } })], "function_call");
    assert_eq!(legacy[1], arguments(0, r#"{"a":1}"#), "an object in place of its text");
}

#[test]
fn thoughts_close_when_text_begins_and_say_where_they_stood() {
    let state =
        |data: &str| Event::Delta { block: 0, delta: Delta::Signature(Opaque::new(Dialect::Chat, data)) };
    for (deltas, expected) in [
        (
            vec![json!({ "reasoning_content": "hm", "content": "" }), json!({ "content": "a" })],
            "reasoning_content",
        ),
        (vec![json!({ "reasoning": "hm" }), json!({ "content": "a" })], "reasoning"),
        (
            vec![
                json!({ "reasoning": "h", "reasoning_details": [{ "type": "reasoning.text", "text": "h", "index": 0 }] }),
                json!({ "reasoning": "m", "reasoning_details": [{ "type": "reasoning.text", "text": "m", "index": 0 }] }),
                json!({ "content": "a" }),
            ],
            "reasoning",
        ),
        (
            vec![
                json!({ "reasoning_details": [{ "type": "reasoning.text", "text": "hm", "index": 0 }] }),
                json!({ "reasoning_details": [{ "type": "reasoning.text", "signature": "s", "index": 0 }] }),
                json!({ "content": "a" }),
            ],
            r#"{"type":"reasoning.text","index":0,"signature":"s"}"#,
        ),
        (
            vec![
                json!({ "content": [{ "type": "thinking", "thinking": [{ "type": "text", "text": "hm" }] }] }),
                json!({ "content": [{ "type": "text", "text": "a" }] }),
            ],
            "thinking",
        ),
    ] {
        let events = said(&deltas, "stop");
        let thought: String = events
            .iter()
            .filter_map(|event| match event {
                Event::Delta { block: 0, delta: Delta::Text(text) } => Some(text.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(thought, "hm");
        let at = events.iter().position(|event| *event == close(0)).unwrap();
        assert_eq!(events[at - 1], state(expected), "{deltas:?}");
        assert_eq!(events[at + 1..at + 4], [open(1, Opening::Text), text(1, "a"), close(1)]);
    }
}

#[test]
fn white_space_around_calls_is_no_text() {
    let events = said(
        &[
            json!({ "content": "\n\n" }),
            json!({ "tool_calls": [{ "index": 0, "id": "x", "function": { "name": "f", "arguments": "{}" } }] }),
            json!({ "content": " " }),
        ],
        "tool_calls",
    );
    assert!(!events.iter().any(|event| matches!(event, Event::Open { opening: Opening::Text, .. })));
    let events = said(&[json!({ "content": "\n" }), json!({ "content": "a" })], "stop");
    assert_eq!(events[1], text(0, "\na"));
}

#[test]
fn several_answers_are_told_apart() {
    let chunk = |choice: Value| format!("data: {}\n\n", json!({ "choices": [choice] }));
    let stream = chunk(json!({ "index": 1, "delta": { "content": "b" } }))
        + &chunk(json!({ "index": 0, "delta": { "refusal": "no" } }))
        + &chunk(json!({ "index": 1, "delta": {}, "finish_reason": "length" }))
        + &chunk(json!({ "index": 0, "delta": {}, "finish_reason": "stop" }));
    let events = decoded(&stream);
    assert!(events.contains(&Event::Open { block: 0, choice: 1, opening: Opening::Text }));
    assert!(events.contains(&Event::Stop { choice: 0, reason: StopReason::Refusal }));
    assert!(events.contains(&Event::Stop { choice: 1, reason: StopReason::MaxTokens }));
    assert_eq!(events.last(), Some(&Event::End), "without [DONE], but every answer is finished");
}

#[test]
fn a_stream_that_was_cut_has_no_end_and_one_that_failed_says_why() {
    let cut = decoded("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n");
    assert_eq!(cut.last(), Some(&close(0)));
    for stream in [
        "data: {\"error\":{\"message\":\"No\",\"code\":502}}\n\ndata: [DONE]\n\n",
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"error\",\"error\":{\"message\":\"No\",\"code\":502}}]}\n\n",
    ] {
        let error = StreamError { status: Some(502), code: Some("502".into()), message: "No".into() };
        assert_eq!(decoded(stream).last(), Some(&Event::Error(error)), "{stream}");
    }
}

/// The data of each event that a client gets.
fn written(events: Vec<Event>, reply: Reply) -> Vec<Value> {
    let (mut encoder, mut out) = (Encoder::new(reply), Vec::new());
    for event in events {
        encoder.event(event, &mut out);
    }
    let text = String::from_utf8(out).unwrap();
    let data = text
        .split("\n\n")
        .filter(|event| !event.is_empty())
        .map(|event| event.strip_prefix("data: ").unwrap());
    data.map(|data| serde_json::from_str(data).unwrap_or_else(|_| json!(data))).collect()
}

fn deltas(chunks: &[Value]) -> Vec<Value> {
    chunks.iter().map(|chunk| chunk["choices"][0]["delta"].clone()).filter(|delta| !delta.is_null()).collect()
}

#[test]
fn a_client_gets_what_openai_sends() {
    let usage = Usage { input: 3, cached_input: 1, output: 2, reasoning: 4, ..Usage::default() };
    let events = vec![
        Event::Start { id: "msg_1".into(), model: String::new() },
        open(0, Opening::Text),
        text(0, "four"),
        close(0),
        open(1, call("functions.f:0", "f")),
        close(1),
        Event::Usage(usage),
        Event::Stop { choice: 0, reason: StopReason::ToolUse },
        Event::End,
    ];
    let reply = Reply { model: "m".into(), created: 7, include_usage: true, ..Reply::default() };
    let chunks = written(events.clone(), reply.clone());
    let expected = json!({ "id": "msg_1", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": [
        { "index": 0, "delta": { "role": "assistant", "content": "" }, "logprobs": null, "finish_reason": null },
    ], "usage": null });
    assert_eq!(chunks[0], expected);
    let [_, four, begin, arguments, end] = &deltas(&chunks)[..] else { panic!("{chunks:?}") };
    assert_eq!(four, &json!({ "content": "four" }));
    assert_eq!(begin["tool_calls"][0]["function"], json!({ "name": "f", "arguments": "" }));
    assert!(begin["tool_calls"][0]["id"].as_str().unwrap().starts_with("ew_"));
    assert_eq!(arguments, &json!({ "tool_calls": [{ "index": 0, "function": { "arguments": "{}" } }] }));
    assert_eq!(end, &json!({}));
    let [.., stop, last, done] = &chunks[..] else { panic!() };
    assert_eq!(stop["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(
        (&last["choices"], &last["usage"]["prompt_tokens"], &last["usage"]["total_tokens"]),
        (&json!([]), &json!(4), &json!(10))
    );
    assert_eq!(last["usage"]["completion_tokens_details"]["reasoning_tokens"], 4);
    assert_eq!(done, "[DONE]");
    let quiet = written(events, Reply { include_usage: false, ..reply });
    assert!(quiet.iter().all(|chunk| chunk.get("usage").is_none()));
}

#[test]
fn a_client_carries_thoughts_and_their_state() {
    let thinking = |is_summary| Opening::Thinking { is_summary };
    let state = Opaque::new(Dialect::Messages, "sig");
    let events = vec![
        open(0, thinking(false)),
        text(0, "a"),
        text(0, "b"),
        Event::Delta { block: 0, delta: Delta::Signature(state.clone()) },
        close(0),
        open(1, Opening::Redacted(state.clone())),
        close(1),
        Event::End,
    ];
    let chunks = written(events.clone(), Reply::default());
    let carrier = state.carried_by(Dialect::Chat);
    let detail = |detail: Value| json!({ "reasoning_details": [detail] });
    assert_eq!(
        deltas(&chunks)[1..],
        [
            json!({ "reasoning_content": "a" }),
            json!({ "reasoning_content": "b" }),
            detail(json!({ "type": "reasoning.text", "index": 0, "text": "ab", "signature": carrier })),
            detail(json!({ "type": "reasoning.encrypted", "data": carrier, "index": 1 })),
        ]
    );
    // A gateway behind this one has its state back.
    let again: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    let again = decoded(&again);
    assert!(again.contains(&Event::Delta { block: 0, delta: Delta::Signature(state.clone()) }));
    assert!(again.contains(&open(1, Opening::Redacted(state))));
}

#[test]
fn citations_count_from_the_first_character_of_the_message() {
    let cite = |block, start, end| {
        let url = Some("https://a.test".into());
        Event::Delta { block, delta: Delta::Citation(Citation { url, start, end, ..Citation::default() }) }
    };
    let chunks = written(
        vec![
            open(0, Opening::Text),
            text(0, "é1"),
            cite(0, None, None),
            close(0),
            open(1, Opening::Native(json!({}))),
            close(1),
            open(2, Opening::Text),
            text(2, "two"),
            cite(2, Some(1), Some(2)),
            close(2),
            Event::Stop { choice: 0, reason: StopReason::End },
        ],
        Reply::default(),
    );
    let said = deltas(&chunks);
    assert_eq!(said[2], json!({ "content": "\n\ntwo" }));
    let places: Vec<_> = said[3]["annotations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["url_citation"]["start_index"].clone(), it["url_citation"]["end_index"].clone()))
        .collect();
    assert_eq!(places, [(json!(0), json!(2)), (json!(5), json!(6))]);
}

#[test]
fn custom_and_legacy_calls_are_what_the_client_knows() {
    let events = vec![
        open(0, call("x", "sh")),
        arguments(0, "{\"input\":"),
        arguments(0, "\"ls\"}"),
        close(0),
        Event::Stop { choice: 0, reason: StopReason::ToolUse },
    ];
    let custom = Reply { custom_tools: ["sh".to_owned()].into(), ..Reply::default() };
    let chunks = deltas(&written(events.clone(), custom));
    assert_eq!(chunks[1]["tool_calls"][0]["custom"], json!({ "name": "sh", "input": "" }));
    assert_eq!(chunks[2]["tool_calls"][0]["custom"], json!({ "input": "ls" }));
    let mut legacy = Reply::default();
    legacy.request.insert("functions".into(), json!([]));
    let chunks = written(events, legacy);
    assert_eq!(deltas(&chunks)[1], json!({ "function_call": { "name": "sh", "arguments": "" } }));
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "function_call");
}

#[test]
fn an_error_is_what_openais_clients_raise() {
    let error = StreamError { status: Some(429), code: None, message: "slow".into() };
    let chunks = written(vec![Event::Error(error)], Reply::default());
    let expected =
        json!({ "error": { "message": "slow", "type": "rate_limit_error", "param": null, "code": null } });
    assert_eq!(chunks, [expected]);
}

proptest! {
    /// Whatever bytes come, and whatever members a chunk has: no panic, and the hub's order holds.
    #[test]
    fn no_stream_panics_or_breaks_the_order(
        pieces in prop::collection::vec(prop::sample::select(vec![
            r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#,
            r#"{"choices":[{"index":1,"delta":{"content":"a","reasoning":"b","refusal":"c"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{"}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"y","function":{"name":"f"}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"function":{"arguments":"}"}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[3,{"index":-1,"function":7}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"reasoning_details":[{"type":"reasoning.text","text":"h","index":0}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"reasoning_details":[{"type":"reasoning.encrypted","data":"h"},7]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":[{"type":"thinking","thinking":"x"},{"type":"text","text":"y"}]}}]}"#,
            r#"{"choices":[{"index":99999,"delta":{"content":"a"},"logprobs":{"content":[]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}"#,
            r#"{"choices":[{"index":0,"delta":{"annotations":[{}]}}],"search_results":[{"url":"u"}]}"#,
            r#"{"choices":[{"delta"#, "[DONE]", "nonsense", r#"{"error":"x"}"#, "[]", "\u{1f980}",
        ]), 0..12),
    ) {
        let stream: String = pieces.iter().map(|data| format!("data: {data}\n\n")).collect();
        let events = decoded(&stream);
        let (mut open, mut opened, mut is_over) = (Vec::new(), 0, false);
        for event in &events {
            prop_assert!(!is_over);
            match event {
                Event::Open { block, .. } => { prop_assert_eq!(*block, opened); opened += 1; open.push(*block); }
                Event::Delta { block, .. } => prop_assert!(open.contains(block)),
                Event::Close { block } => { prop_assert!(open.contains(block)); open.retain(|other| other != block); }
                Event::Stop { .. } => {}
                Event::End | Event::Error(_) => is_over = true,
                _ => {}
            }
        }
        prop_assert!(open.is_empty() || matches!(events.last(), Some(Event::Error(_))));
        let first = collected(&events);
        let (mut encoder, mut out) = (Encoder::new(Reply::default()), Vec::new());
        for event in events {
            encoder.event(event, &mut out);
        }
        let second = collected(&decoded(&String::from_utf8(out).unwrap()));
        prop_assert_eq!(first, second);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let event = sse::Event { name: None, id: None, data: (&bytes[..]).into(), data_start: 0 };
        Decoder::default().event(&event, &mut |_| {});
    }
}

/// What is said in all, for each kind of block.
fn collected(events: &[Event]) -> (Vec<String>, usize) {
    let (mut kinds, mut said) = (Vec::new(), vec![String::new(); 4]);
    for event in events {
        match event {
            Event::Open { opening, .. } => kinds.push(match opening {
                Opening::Text => 0,
                Opening::Refusal => 1,
                Opening::Thinking { .. } => 2,
                _ => 3,
            }),
            Event::Delta { block, delta: Delta::Text(text) } => said[kinds[*block]] += text.trim(),
            Event::Delta { block, delta: Delta::Arguments(text) } => said[kinds[*block]] += text,
            _ => {}
        }
    }
    said[3] = said[3].replace("{}", "");
    (said, kinds.iter().filter(|kind| **kind == 3).count())
}

#[test]
fn nothing_is_written_behind_an_error_or_the_end() {
    let error = || Event::Error(StreamError { message: "No".into(), ..StreamError::default() });
    assert_eq!(written(vec![error(), Event::End, error()], Reply::default()).len(), 1);
    let ended = written(vec![Event::End, error(), Event::End], Reply::default());
    assert_eq!(ended.last(), Some(&json!("[DONE]")));
}

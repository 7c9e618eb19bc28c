//! What streams say, in and out of the hub, case by case.

mod accumulator;

use super::*;
use crate::conversation::{Citation, Delta, Dialect, Event, Opaque, Opening, StopReason, StreamError};
use crate::dialect::relay::{End, Relay};
use crate::dialect::translate::{Decode, Encode, Reply};
use crate::sse;
use crate::usage::Usage;
use accumulator::Accumulator;
use serde_json::{Value, json};

fn start() -> Event {
    Event::Start { id: "msg_01".into(), model: "claude".into() }
}

fn open(block: usize, opening: Opening) -> Event {
    Event::Open { block, choice: 0, opening }
}

fn delta(block: usize, delta: Delta) -> Event {
    Event::Delta { block, delta }
}

fn text(block: usize, text: &str) -> Event {
    delta(block, Delta::Text(text.into()))
}

fn arguments(block: usize, json: &str) -> Event {
    delta(block, Delta::Arguments(json.into()))
}

fn close(block: usize) -> Event {
    Event::Close { block }
}

fn stop(reason: StopReason) -> Event {
    Event::Stop { choice: 0, reason }
}

fn call(id: &str, name: &str) -> Opening {
    Opening::ToolCall { id: id.into(), name: name.into(), is_custom: false, signature: None }
}

/// The events of a stream for a client, and that its clients make the same of the deltas as of the end.
fn told(events: Vec<Event>) -> Vec<Value> {
    let custom_tools = ["patch".to_owned()].into();
    let reply = Reply { id: "01ab".into(), created: 7, custom_tools, ..Reply::default() };
    let (mut encoder, mut out) = (Encoder::new(reply), Vec::new());
    events.into_iter().for_each(|event| encoder.event(event, &mut out));
    let told = parsed(&out);
    let mut accumulator = Accumulator::default();
    for (number, event) in told.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
        accumulator.take(event);
    }
    told
}

fn parsed(stream: &[u8]) -> Vec<Value> {
    let mut reader = sse::Decoder::default();
    reader.push(stream).unwrap();
    let mut events = Vec::new();
    while let Some(event) = reader.next_event() {
        let data: Value = serde_json::from_slice(&event.data).unwrap();
        assert_eq!(event.name, data["type"].as_str().map(str::as_bytes));
        events.push(data);
    }
    events
}

/// Types of events, without what all have in common.
fn kinds(told: &[Value]) -> Vec<&str> {
    told.iter().map(|event| event["type"].as_str().unwrap().trim_start_matches("response.")).collect()
}

#[test]
fn text_is_told_event_by_event() {
    let usage = Usage { input: 3, output: 1, ..Usage::default() };
    let told = told(vec![
        start(),
        open(0, Opening::Text),
        text(0, "He"),
        text(0, "llo"),
        delta(0, Delta::Citation(Citation { url: Some("https://a.test".into()), ..Citation::default() })),
        close(0),
        stop(StopReason::End),
        Event::Usage(usage),
        Event::End,
    ]);
    assert_eq!(
        kinds(&told),
        [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.delta",
            "output_text.annotation.added",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed"
        ]
    );
    assert_eq!(
        told[4],
        json!({"type": "response.output_text.delta", "sequence_number": 4, "item_id": "msg_ew01ab0000", "output_index": 0,
            "content_index": 0, "delta": "He", "logprobs": []})
    );
    let last = &told[10]["response"];
    assert_eq!(
        (&last["id"], &last["model"], &last["status"]),
        (&json!("resp_01ab"), &json!("claude"), &json!("completed"))
    );
    assert_eq!(last["output"][0]["content"][0]["annotations"][0]["end_index"], 5);
    assert_eq!(last["usage"]["total_tokens"], 4);
    assert_eq!(told[0]["response"]["usage"], Value::Null);
}

#[test]
fn all_other_blocks_are_told() {
    let state = Opaque::new(Dialect::Messages, "EuYB");
    let told = told(vec![
        start(),
        open(0, Opening::Thinking { is_summary: false }),
        text(0, "Hm."),
        delta(0, Delta::Paragraph),
        text(0, "Well."),
        delta(0, Delta::Signature(state.clone())),
        close(0),
        open(1, Opening::Redacted(state.clone())),
        close(1),
        open(2, Opening::Refusal),
        text(2, "No."),
        close(2),
        open(3, Opening::Text),
        text(3, "Or"),
        close(3),
        open(4, Opening::Native(json!({"type": "server_tool_use", "id": "x"}))),
        close(4),
        open(5, Opening::Native(json!({"type": "web_search_call", "id": "ws_1", "status": "completed"}))),
        close(5),
        open(
            6,
            Opening::ToolCall {
                id: "c1".into(),
                name: "f".into(),
                is_custom: false,
                signature: Some(state.clone()),
            },
        ),
        close(6),
        open(7, call("c2", "patch")),
        arguments(7, "{\"input\":\"*** "),
        arguments(7, "Begin\"}"),
        close(7),
        stop(StopReason::ToolUse),
        Event::End,
    ]);
    let output = &told.last().unwrap()["response"]["output"];
    let kinds: Vec<_> =
        output.as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "reasoning",
            "reasoning",
            "message",
            "web_search_call",
            "reasoning",
            "function_call",
            "custom_tool_call"
        ]
    );
    assert_eq!(output[0]["summary"][1]["text"], "Well.");
    assert_eq!(output[0]["encrypted_content"], state.carried_by(Dialect::Responses).into_owned());
    assert_eq!((&output[1]["summary"], output[1]["encrypted_content"].is_string()), (&json!([]), true));
    assert_eq!(output[2]["content"][1]["text"], "Or", "texts in a row are parts of one message");
    let attached =
        Opaque::carried(Dialect::Responses, output[4]["encrypted_content"].as_str().unwrap()).unwrap();
    assert!(attached.is_attached);
    assert_eq!((&output[5]["arguments"], &output[5]["status"]), (&json!("{}"), &json!("completed")));
    assert_eq!(output[6]["input"], "*** Begin");
    assert!(told.iter().any(|event| event["type"] == "response.custom_tool_call_input.done"));
}

#[test]
fn parallel_calls_come_one_after_the_other() {
    let told = told(vec![
        start(),
        open(0, call("c1", "f")),
        open(1, call("c2", "g")),
        arguments(1, "{\"b\""),
        arguments(0, "{\"a\""),
        arguments(1, ":2}"),
        arguments(0, ":1}"),
        stop(StopReason::ToolUse),
        Event::End,
    ]);
    let output = &told.last().unwrap()["response"]["output"];
    assert_eq!(
        (&output[0]["arguments"], &output[1]["arguments"]),
        (&json!("{\"a\":1}"), &json!("{\"b\":2}"))
    );
    let order: Vec<_> = told.iter().filter_map(|event| event["output_index"].as_u64()).collect();
    assert!(order.is_sorted(), "{order:?}");
}

#[test]
fn a_late_signature_of_a_text_follows_it() {
    let state = Opaque::new(Dialect::Gemini, "sig");
    let told = told(vec![
        start(),
        open(0, Opening::Text),
        text(0, "Hi"),
        delta(0, Delta::Signature(state.clone())),
        close(0),
        stop(StopReason::End),
        Event::End,
    ]);
    let output = &told.last().unwrap()["response"]["output"];
    let body = json!({"input": output}).to_string();
    let request = crate::dialect::responses::request::decode(body.as_bytes()).unwrap();
    assert_eq!(request.messages.len(), 1);
    assert_eq!(request.messages[0].content[0].signature, Some(state), "and comes back with it");
}

#[test]
fn the_end_says_why() {
    for (reason, kind, detail) in [
        (StopReason::MaxTokens, "incomplete", json!("max_output_tokens")),
        (StopReason::ContentFilter, "incomplete", json!("content_filter")),
        (StopReason::Failed, "failed", Value::Null),
        (StopReason::Pause, "completed", Value::Null),
    ] {
        let told =
            told(vec![start(), open(0, Opening::Text), text(0, "x"), close(0), stop(reason), Event::End]);
        let last = told.last().unwrap();
        assert_eq!(last["type"], format!("response.{kind}"));
        assert_eq!(last["response"]["status"], kind);
        assert_eq!(last["response"]["incomplete_details"]["reason"], detail);
        let item = if kind == "incomplete" { "incomplete" } else { "completed" };
        assert_eq!(last["response"]["output"][0]["status"], item);
    }
    let refused = told(vec![start(), stop(StopReason::Refusal), Event::End]);
    assert_eq!(refused.last().unwrap()["response"]["output"][0]["content"][0]["type"], "refusal");
}

#[test]
fn a_failure_in_the_middle_never_looks_like_an_end() {
    let error =
        StreamError { status: Some(529), code: Some("overloaded_error".into()), message: "Busy.".into() };
    let events = vec![
        start(),
        open(0, call("c1", "f")),
        arguments(0, "{\"a\""),
        Event::Error(error.clone()),
        Event::End,
    ];
    let told = told(events);
    assert_eq!(
        kinds(&told),
        ["created", "in_progress", "output_item.added", "function_call_arguments.delta", "error", "failed"]
    );
    assert_eq!(
        (&told[4]["message"], &told[4]["error"]["code"]),
        (&json!("Busy."), &json!("overloaded_error"))
    );
    let last = &told[5]["response"];
    assert_eq!(last["error"], json!({"code": "overloaded_error", "message": "Busy."}));
    assert_eq!(
        (&last["output"][0]["arguments"], &last["output"][0]["status"]),
        (&json!("{\"a\""), &json!("incomplete"))
    );

    let (mut encoder, mut out) = (Encoder::new(Reply::default()), Vec::new());
    encoder.error(&error, &mut out);
    encoder.event(Event::End, &mut out);
    assert_eq!(
        kinds(&parsed(&out)),
        ["created", "in_progress", "error", "failed"],
        "the first event opens a stream"
    );
}

#[test]
fn log_probabilities_come_with_their_text() {
    let tokens = json!([{"token": "Hi", "logprob": -0.1, "bytes": null, "top_logprobs": []}]);
    let told = told(vec![
        start(),
        open(0, Opening::Text),
        Event::Logprobs { choice: 0, value: json!({"content": tokens}) },
        text(0, "Hi"),
        close(0),
        stop(StopReason::End),
        Event::End,
    ]);
    assert_eq!(told[4]["logprobs"], tokens);
    assert_eq!(told.last().unwrap()["response"]["output"][0]["content"][0]["logprobs"], tokens);
}

fn decoded(events: &[Value]) -> Vec<Event> {
    let (mut decoder, mut out) = (Decoder::default(), Vec::new());
    for event in events {
        let frame = sse::named(event["type"].as_str().unwrap(), event.to_string().as_bytes());
        decoder.event(&sse::parse(&frame).unwrap(), &mut |event| out.push(event));
    }
    decoder.finish(&mut |event| out.push(event));
    out
}

#[test]
fn what_an_upstream_leaves_out_is_filled_in() {
    let completed = json!({"type": "response.completed", "response": {"id": "resp_1", "model": "m", "output": [
        {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    ]}});
    let start = Event::Start { id: "resp_1".into(), model: "m".into() };
    let all = [
        start.clone(),
        open(0, Opening::Text),
        text(0, "Hi"),
        close(0),
        open(1, call("c", "f")),
        arguments(1, "{}"),
        close(1),
        stop(StopReason::ToolUse),
        Event::End,
    ];
    assert_eq!(decoded(std::slice::from_ref(&completed)), all, "only the end");
    let created = json!({"type": "response.created", "response": {"id": "resp_1", "model": "m"}});
    let deltas = [
        created.clone(),
        json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hi"}),
        json!({"type": "response.output_item.added", "output_index": 1, "item": {"type": "function_call", "call_id": "c", "name": "f"}}),
        json!({"type": "response.function_call_arguments.done", "output_index": 1, "arguments": "{}"}),
        completed.clone(),
    ];
    let expected = [
        start,
        open(0, Opening::Text),
        text(0, "Hi"),
        open(1, call("c", "f")),
        arguments(1, "{}"),
        close(0),
        close(1),
        stop(StopReason::ToolUse),
        Event::End,
    ];
    assert_eq!(decoded(&deltas), expected, "nothing is announced or closed");
    let cut = decoded(&deltas[..3]);
    assert_eq!(cut[cut.len() - 2..], [close(0), close(1)], "a stream that was cut has no end");
    assert!(!cut.contains(&Event::End));
}

#[test]
fn both_forms_of_an_error_are_understood() {
    for event in [
        json!({"type": "error", "code": "rate_limit_exceeded", "message": "Too many.", "param": null}),
        json!({"type": "error", "error": {"type": "x", "code": "rate_limit_exceeded", "message": "Too many."}}),
        json!({"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded", "message": "Too many."}}}),
    ] {
        let events = decoded(&[event.clone(), json!({"type": "response.failed", "response": {}})]);
        let error = StreamError {
            status: Some(429),
            code: Some("rate_limit_exceeded".into()),
            message: "Too many.".into(),
        };
        assert_eq!(events.last(), Some(&Event::Error(error)), "{event}");
    }
}

#[test]
fn a_thought_is_read_however_it_is_told() {
    let done =
        |item: Value| vec![json!({"type": "response.output_item.done", "output_index": 0, "item": item})];
    let opened = |is_summary| open(0, Opening::Thinking { is_summary });
    let state = Delta::Signature(Opaque::new(Dialect::Responses, "rs_1.gAAA"));
    let summary = json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA", "summary": [
        {"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"},
    ]});
    assert_eq!(
        decoded(&done(summary))[1..],
        [opened(true), text(0, "a"), delta(0, Delta::Paragraph), text(0, "b"), delta(0, state), close(0)]
    );
    let hidden = json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA", "summary": []});
    let redacted = Opening::Redacted(Opaque::new(Dialect::Responses, "rs_1.gAAA"));
    assert_eq!(decoded(&done(hidden))[1..], [open(0, redacted), close(0)]);
    assert_eq!(decoded(&done(json!({"type": "reasoning", "id": "rs_1", "summary": []})))[1..], []);
}

#[test]
fn a_stream_that_breaks_off_on_its_way_through_fails() {
    let mut relay = Relay::new(Box::new(Watch::default()));
    let mut frames = Vec::new();
    for event in [
        json!({"type": "response.created", "sequence_number": 0, "response": {"id": "resp_1", "status": "in_progress", "output": []}}),
        json!({"type": "response.output_item.done", "sequence_number": 1, "output_index": 0, "item": {"type": "message", "content": []}}),
        json!({"type": "response.output_text.delta", "sequence_number": 2, "delta": "Hello"}),
    ] {
        frames.extend(sse::named(event["type"].as_str().unwrap(), event.to_string().as_bytes()));
    }
    relay.push(&frames).unwrap();
    assert!(relay.seen().has_content && relay.seen().output.tokens() > 0);
    let error = StreamError { message: "It broke off.".into(), ..StreamError::default() };
    let told = parsed(&relay.error(&error));
    assert_eq!(kinds(&told), ["error", "failed"]);
    assert_eq!((&told[0]["sequence_number"], &told[1]["sequence_number"]), (&json!(3), &json!(4)));
    let response = &told[1]["response"];
    assert_eq!((&response["id"], &response["status"]), (&json!("resp_1"), &json!("failed")));
    assert_eq!(
        (&response["output"][0]["type"], &response["error"]["code"]),
        (&json!("message"), &json!("server_error"))
    );
    assert_eq!(relay.finish().0, End::CutShort);
    assert_eq!(Relay::new(Box::new(Watch::default())).finish().0, End::Empty);
}

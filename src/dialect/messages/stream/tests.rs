//! Streams of other providers as clients of this dialect read them, and odd streams of upstreams.

use super::*;
use crate::conversation::block::Citation;
use crate::conversation::sequence::Sequencer;
use crate::conversation::{Delta, Dialect, Event, Opaque, Opening, StopReason, StreamError};
use crate::dialect::messages::block::unsigned;
use crate::dialect::relay::{End, Relay};
use crate::dialect::translate::{Decode, Encode, Reply};
use crate::sse;
use crate::usage::Usage;
use proptest::prelude::*;
use serde_json::{Value, json};

fn open(block: usize, opening: Opening) -> Event {
    Event::Open { block, choice: 0, opening }
}

fn add(block: usize, delta: Delta) -> Event {
    Event::Delta { block, delta }
}

fn text(block: usize, text: &str) -> Event {
    add(block, Delta::Text(text.into()))
}

fn close(block: usize) -> Event {
    Event::Close { block }
}

fn call(id: &str, signature: Option<Opaque>) -> Opening {
    Opening::ToolCall { id: id.into(), name: "f".into(), is_custom: false, signature }
}

fn arguments(block: usize, piece: &str) -> Event {
    add(block, Delta::Arguments(piece.into()))
}

fn stop(reason: StopReason) -> Event {
    Event::Stop { choice: 0, reason }
}

fn written(events: Vec<Event>) -> Vec<u8> {
    let mut encoder = Encoder::new(Reply { id: "0198".into(), model: "gpt-5".into(), ..Reply::default() });
    let mut out = Vec::new();
    let start = Event::Start { id: "chatcmpl-1".into(), model: String::new() };
    std::iter::once(start).chain(events).for_each(|event| encoder.event(event, &mut out));
    out
}

/// The data of what is written, without beginning and ping.
fn data(stream: &[u8]) -> Vec<Value> {
    let mut decoder = sse::Decoder::default();
    decoder.push(stream).unwrap();
    let events = std::iter::from_fn(|| decoder.next_event().map(|event| event.data.into_owned()));
    events
        .map(|data| serde_json::from_slice::<Value>(&data).unwrap())
        .filter(|event| event["type"] != "ping" && event["type"] != "message_start")
        .collect()
}

/// What a stream says, one block after the other.
fn said(stream: &[u8]) -> Vec<Event> {
    let (mut sse, mut decoder, mut out) = (sse::Decoder::default(), Decoder::default(), Vec::new());
    let mut sequencer = Sequencer::default();
    sse.push(stream).unwrap();
    while let Some(event) = sse.next_event() {
        decoder.event(&event, &mut |event| sequencer.push(event, &mut |event| out.push(event)));
    }
    decoder.finish(&mut |event| sequencer.push(event, &mut |event| out.push(event)));
    out
}

fn frames(events: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    for event in events {
        encoder::send(event["type"].as_str().unwrap(), event, &mut out);
    }
    out
}

#[test]
fn a_stream_has_exactly_the_events_that_sdks_expect() {
    let usage = Usage { input: 9, output: 2, ..Usage::default() };
    let out = written(vec![
        open(0, Opening::Text),
        text(0, "Hi \"you\"\n"),
        close(0),
        stop(StopReason::End),
        Event::Usage(usage),
        Event::End,
    ]);
    let expected = [
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_0198\",\"type\":\"message\",\"role\":\"assistant\",\
         \"model\":\"gpt-5\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":0,\
         \"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"cache_creation\":{\"ephemeral_5m_input_tokens\":0,\
         \"ephemeral_1h_input_tokens\":0},\"output_tokens\":0}}}\n\n",
        "event: ping\ndata: {\"type\":\"ping\"}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi \\\"you\\\"\\n\"}}\n\n",
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\
         \"usage\":{\"input_tokens\":9,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\
         \"cache_creation\":{\"ephemeral_5m_input_tokens\":0,\"ephemeral_1h_input_tokens\":0},\"output_tokens\":2}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    ];
    assert_eq!(std::str::from_utf8(&out).unwrap(), expected.concat());
}

#[test]
fn interleaved_calls_come_one_after_the_other() {
    let out = written(vec![
        open(0, call("functions.f:0", None)),
        open(1, call("call_1", None)),
        arguments(1, "{\"b\":"),
        arguments(0, "{}"),
        arguments(1, "2}"),
        close(1),
        close(0),
        stop(StopReason::End),
        Event::End,
    ]);
    let delta = |index: usize, piece: &str| {
        json!({ "type": "content_block_delta", "index": index,
        "delta": { "type": "input_json_delta", "partial_json": piece } })
    };
    let end = |index: usize| json!({ "type": "content_block_stop", "index": index });
    let events = data(&out);
    assert_eq!(events[1..4], [delta(0, ""), delta(0, "{}"), end(0)]);
    assert_eq!(
        events[4]["content_block"],
        json!({ "type": "tool_use", "id": "call_1", "name": "f", "input": {} })
    );
    assert_eq!(events[5..9], [delta(1, ""), delta(1, "{\"b\":"), delta(1, "2}"), end(1)]);
    assert_eq!(events[9]["delta"]["stop_reason"], "tool_use", "whatever the provider calls it");
    assert!(said(&out).contains(&open(0, call("functions.f:0", None))), "the id is restored");
}

#[test]
fn state_goes_in_front_of_its_block_and_comes_back() {
    let gemini = Opaque { is_attached: true, ..Opaque::new(Dialect::Gemini, "sig") };
    let carrier = gemini.carried_by(Dialect::Messages).into_owned();
    let out = written(vec![
        open(0, call("1", Some(gemini.clone()))),
        close(0),
        stop(StopReason::ToolUse),
        Event::End,
    ]);
    let events = data(&out);
    assert_eq!(events[0]["content_block"], json!({ "type": "redacted_thinking", "data": carrier }));
    assert_eq!((&events[1]["type"], &events[2]["index"]), (&json!("content_block_stop"), &json!(1)));
    assert!(said(&out).contains(&open(0, call("1", Some(gemini.clone())))));
    // A text's state, before and after its first letters.
    let signature = || add(0, Delta::Signature(gemini.clone()));
    let kinds = |events: Vec<Event>| {
        let all = data(&written(events));
        let blocks =
            all.iter().filter_map(|event| event["content_block"]["type"].as_str().map(str::to_owned));
        blocks.collect::<Vec<_>>()
    };
    let before = vec![open(0, Opening::Text), signature(), text(0, "x"), close(0), Event::End];
    assert_eq!(kinds(before), ["redacted_thinking", "text"]);
    let after = vec![open(0, Opening::Text), text(0, "x"), signature(), close(0), Event::End];
    assert_eq!(kinds(after), ["text", "redacted_thinking"]);
    let alone = vec![open(0, Opening::Text), signature(), close(0), Event::End];
    assert_eq!(kinds(alone), ["redacted_thinking"]);
    let nothing =
        vec![open(0, Opening::Text), close(0), open(1, Opening::Thinking { is_summary: true }), close(1)];
    assert_eq!(kinds(nothing), [""; 0], "an empty block would be refused when it comes back");
}

#[test]
fn a_text_that_is_signed_at_its_end_is_over_behind_its_state() {
    let state = Opaque::new(Dialect::Gemini, "state");
    let stream = written(vec![
        open(0, Opening::Text),
        text(0, "Hello"),
        add(0, Delta::Signature(state)),
        close(0),
        open(1, Opening::Text),
        text(1, "again"),
        close(1),
        stop(StopReason::End),
        Event::End,
    ]);
    let order: Vec<(String, u64)> = data(&stream)
        .iter()
        .filter_map(|event| Some((event["type"].as_str()?.to_owned(), event["index"].as_u64()?)))
        .collect();
    let expected = [
        ("start", 0),
        ("delta", 0),
        ("start", 1),
        ("stop", 1),
        ("stop", 0),
        ("start", 2),
        ("delta", 2),
        ("stop", 2),
    ];
    assert_eq!(order, expected.map(|(what, index)| (format!("content_block_{what}"), index)));
}

#[test]
fn a_thought_is_signed_before_it_ends() {
    let thought = |deltas: Vec<Delta>| {
        let mut events = vec![open(0, Opening::Thinking { is_summary: true })];
        events.extend(deltas.into_iter().map(|delta| add(0, delta)));
        events.extend([close(0), Event::End]);
        let all = data(&written(events));
        all.iter()
            .filter_map(|event| event.get("delta").cloned())
            .filter(|it| it.get("type").is_some())
            .collect::<Vec<_>>()
    };
    let state = Opaque::new(Dialect::Responses, "enc");
    let deltas = thought(vec![
        Delta::Signature(state.clone()),
        Delta::Text("a".into()),
        Delta::Paragraph,
        Delta::Text("b".into()),
    ]);
    let thinking = |text: &str| json!({ "type": "thinking_delta", "thinking": text });
    let signature = |text: &str| json!({ "type": "signature_delta", "signature": text });
    let signed = signature(&state.carried_by(Dialect::Messages));
    assert_eq!(deltas, [thinking("a"), thinking("\n\n"), thinking("b"), signed]);
    assert_eq!(thought(vec![Delta::Text("a".into())]), [thinking("a"), signature(&unsigned())]);
}

#[test]
fn what_this_dialect_has_no_place_for_is_left_out() {
    let out = written(vec![
        open(0, Opening::Native(json!({ "type": "web_search_call", "id": "ws_1" }))),
        close(0),
        open(1, Opening::Native(json!({ "type": "server_tool_use", "id": "srvtoolu_1", "input": {} }))),
        close(1),
        Event::Open { block: 2, choice: 1, opening: Opening::Text },
        text(2, "another answer"),
        close(2),
        Event::Stop { choice: 1, reason: StopReason::MaxTokens },
        Event::Logprobs { choice: 0, value: json!({}) },
        open(3, Opening::Text),
        add(3, Delta::Citation(Citation { title: Some("a file".into()), ..Citation::default() })),
        text(3, "one"),
        add(3, Delta::Citation(Citation { url: Some("https://a.test".into()), ..Citation::default() })),
        close(3),
        stop(StopReason::End),
        Event::End,
    ]);
    let events = data(&out);
    let starts: Vec<_> = events
        .iter()
        .filter_map(|it| Some((it["index"].as_u64()?, it["content_block"]["type"].as_str()?)))
        .collect();
    assert_eq!(starts, [(0, "server_tool_use"), (1, "text")]);
    let citation = events.iter().find(|it| it["delta"]["type"] == "citations_delta").unwrap();
    assert_eq!(citation["delta"]["citation"]["url"], "https://a.test");
    assert_eq!(events[events.len() - 2]["delta"]["stop_reason"], "end_turn");
}

#[test]
fn a_custom_tools_text_goes_out_as_an_object() {
    let opening = Opening::ToolCall { id: "1".into(), name: "f".into(), is_custom: true, signature: None };
    let events = vec![open(0, opening), arguments(0, "say "), arguments(0, "\"hi\""), close(0), Event::End];
    let pieces: String = data(&written(events))
        .iter()
        .filter_map(|it| it["delta"]["partial_json"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(pieces, r#"{"input":"say \"hi\""}"#);
}

#[test]
fn a_failure_in_the_middle_ends_the_stream() {
    let error = StreamError {
        status: Some(429),
        code: Some("rate_limit_exceeded".into()),
        message: "Slow down".into(),
    };
    let out = written(vec![open(0, Opening::Text), text(0, "x"), Event::Error(error), close(0), Event::End]);
    let events = data(&out);
    let last = json!({ "type": "error", "error": { "type": "rate_limit_error", "message": "Slow down" } });
    assert_eq!(events.last(), Some(&last), "nothing follows it");
    let upstream = frames(&[
        json!({ "type": "message_start", "message": { "id": "msg_1", "model": "m" } }),
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
        json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } }),
        json!({ "type": "message_stop" }),
    ]);
    let expected = StreamError {
        status: Some(529),
        code: Some("overloaded_error".into()),
        message: "Overloaded".into(),
    };
    assert_eq!(said(&upstream).last(), Some(&Event::Error(expected)));
}

#[test]
fn an_upstream_may_say_more_or_less_than_it_should() {
    let start = |block: Value| json!({ "type": "content_block_start", "index": 0, "content_block": block });
    let delta = |delta: Value| json!({ "type": "content_block_delta", "index": 0, "delta": delta });
    let end = json!({ "type": "message_delta", "delta": { "stop_reason": "tool_use" } });
    let whole = json!({ "type": "tool_use", "id": "1", "name": "f", "input": { "a": 1 } });
    // Arguments in the beginning, no end of the block, no end mark.
    let events = said(&frames(&[start(whole.clone()), end.clone()]));
    let begin = Event::Start { id: String::new(), model: String::new() };
    let opened = [begin.clone(), open(0, call("1", None))];
    let closed = [close(0), stop(StopReason::ToolUse), Event::End];
    assert_eq!(events, [&opened[..], &[arguments(0, "{\"a\":1}")], &closed].concat());
    // Arguments in the beginning and once more in pieces.
    let piece = delta(json!({ "type": "input_json_delta", "partial_json": "{\"a\":1}" }));
    let events = said(&frames(&[start(whole), piece, end.clone()]));
    assert_eq!(events, [&opened[..], &[arguments(0, "{\"a\":1}")], &closed].concat());
    // A block of its own, put together; of half a one nothing is left.
    let native = start(json!({ "type": "server_tool_use", "id": "s", "name": "web_search", "input": {} }));
    let piece = delta(json!({ "type": "input_json_delta", "partial_json": "{\"query\":\"q\"}" }));
    let events = said(&frames(&[native.clone(), piece.clone(), end]));
    let value =
        json!({ "type": "server_tool_use", "id": "s", "name": "web_search", "input": { "query": "q" } });
    assert_eq!(events[1], open(0, Opening::Native(value)));
    assert_eq!(said(&frames(&[native, piece])), [begin]);
}

#[test]
fn a_watch_tells_how_a_stream_ended() {
    let text =
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "Hi" } });
    let start =
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } });
    let reason = json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": 3 } });
    let done = json!({ "type": "message_stop" });
    let error = json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } });
    let stop = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    let cases = [
        (vec![&start, &text, &reason, &done], End::Complete, ""),
        (vec![&start, &text, &reason], End::Complete, stop),
        (vec![&start, &text], End::CutShort, ""),
        (vec![&start], End::Empty, ""),
        (vec![&start, &text, &error], End::Failed, ""),
    ];
    for (events, end, tail) in cases {
        let mut relay = Relay::new(Box::new(Watch::default()));
        relay.push(&frames(&events.iter().map(|event| (*event).clone()).collect::<Vec<_>>())).unwrap();
        assert_eq!(relay.finish(), (end, tail.as_bytes().to_vec()), "{events:?}");
    }
    let mut relay = Relay::new(Box::new(Watch::default()));
    relay.push(&frames(&[error])).unwrap();
    let failure = relay.seen().failure.clone().unwrap();
    assert_eq!((failure.error.status, failure.is_after_content), (Some(529), false));
}

/// Any events, in the order that the hub promises.
fn events() -> impl Strategy<Value = Vec<Event>> {
    let opening = prop_oneof![
        Just(Opening::Text),
        Just(Opening::Refusal),
        any::<bool>().prop_map(|is_summary| Opening::Thinking { is_summary }),
        "[a-z]{1,4}".prop_map(|data| Opening::Redacted(Opaque::new(Dialect::Gemini, data))),
        (".{0,9}", any::<bool>()).prop_map(|(id, is_custom)| Opening::ToolCall {
            id,
            name: "f".into(),
            is_custom,
            signature: None
        }),
        Just(Opening::Native(json!({ "type": "web_search_tool_result", "content": [] }))),
    ];
    let delta = prop_oneof![
        4 => ".{0,5}".prop_map(Delta::Text),
        2 => ".{0,5}".prop_map(Delta::Arguments),
        1 => Just(Delta::Paragraph),
        1 => Just(Delta::Signature(Opaque::new(Dialect::Gemini, "s"))),
        1 => Just(Delta::Citation(Citation { url: Some("u".into()), ..Citation::default() })),
    ];
    prop::collection::vec((opening, prop::collection::vec(delta, 0..4), any::<bool>()), 0..6).prop_map(
        |blocks| {
            let (mut events, mut late) = (Vec::new(), Vec::new());
            for (block, (opening, deltas, is_late)) in blocks.into_iter().enumerate() {
                events.push(open(block, opening));
                let rest = deltas.into_iter().map(|delta| add(block, delta)).chain([close(block)]);
                if is_late { late.extend(rest) } else { events.extend(rest) }
            }
            events.extend(late);
            events.extend([stop(StopReason::End), Event::End]);
            events
        },
    )
}

proptest! {
    /// Blocks come one after the other (but for the state of a text, which comes before the text is over), with indices
    /// without a gap, and end before the message does.
    #[test]
    fn whatever_happens_an_accumulator_can_follow(events in events()) {
        let out = written(events);
        let (mut next, mut open) = (0, Vec::new());
        let all = data(&out);
        for event in &all {
            match event["type"].as_str().unwrap() {
                "content_block_start" => {
                    let is_state = event["content_block"]["type"] == "redacted_thinking";
                    prop_assert!(open.is_empty() || (is_state && open.len() == 1));
                    prop_assert_eq!(&event["index"], next);
                    open.push(next);
                    next += 1;
                }
                "content_block_delta" => prop_assert!(open.last().is_some_and(|index| event["index"] == *index)),
                "content_block_stop" => prop_assert!(open.pop().is_some_and(|index| event["index"] == index)),
                _ => prop_assert!(open.is_empty()),
            }
        }
        prop_assert_eq!(&all[all.len() - 1]["type"], "message_stop");
        // What was written once is written the same again.
        let once = said(&out);
        let again = said(&written(once.iter().skip(1).cloned().collect()));
        prop_assert_eq!(once, again);
    }

    #[test]
    fn no_bytes_are_too_odd(stream in prop::collection::vec(any::<u8>(), 0..300), name in "[a-z_]{0,9}") {
        said(&stream);
        said(&sse::named(&name, &stream));
        let mut relay = Relay::new(Box::new(Watch::default()));
        let _ = relay.push(&stream);
        relay.finish();
    }
}

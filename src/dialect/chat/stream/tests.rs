//! The relay's verdicts, and that no cut of a stream changes them.

use super::*;
use crate::dialect::relay::{End, Pushed, Relay};
use crate::sse::{MAX_EVENT, TooLarge};
use proptest::prelude::*;

/// Everything that goes out, and the relay after it.
fn relay<'a>(hide_usage: bool, chunks: impl IntoIterator<Item = &'a [u8]>) -> (String, Relay, End) {
    let mut relay = Relay::new(Box::new(Watch::new(hide_usage)));
    let mut out = Vec::new();
    for chunk in chunks {
        match relay.push(chunk).unwrap() {
            Pushed::AsIs => out.extend_from_slice(chunk),
            Pushed::Bytes(bytes) => out.extend(bytes),
            Pushed::Nothing => {}
        }
        assert!(
            out.is_empty() || out.ends_with(b"\n\n") || out.ends_with(b"\r\n\r\n"),
            "only whole events go out"
        );
    }
    let (end, tail) = relay.finish();
    out.extend(tail);
    (String::from_utf8(out).unwrap(), relay, end)
}

fn whole(hide_usage: bool, stream: &str) -> (String, Relay, End) {
    relay(hide_usage, [stream.as_bytes()])
}

fn event(data: &str) -> String {
    format!("data: {data}\n\n")
}

const ROLE: &str = r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}],"usage":null}"#;
const TEXT: &str = r#"{"choices":[{"index":0,"delta":{"content":"four"},"finish_reason":null}],"usage":null,"obfuscation":"x"}"#;
const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}], "usage": null}"#;
const USAGE: &str = r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#;

#[test]
fn a_chunk_of_whole_events_goes_on_as_it_came() {
    let mut relay = Relay::new(Box::new(Watch::new(false)));
    for events in [event(ROLE), event(TEXT) + &event(TEXT), ": comment\n\n".into(), event(STOP), event(USAGE)]
    {
        assert_eq!(relay.push(events.as_bytes()), Ok(Pushed::AsIs), "{events}");
    }
    assert_eq!(relay.push(b""), Ok(Pushed::Nothing));
}

#[test]
fn usage_that_was_not_asked_for_is_hidden() {
    let stream = [ROLE, TEXT, STOP, USAGE, "[DONE]"].map(event).concat();
    let (out, relay, end) = whole(true, &stream);
    let expected = [
        r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"four"},"finish_reason":null}],"obfuscation":"x"}"#,
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        "[DONE]",
    ];
    assert_eq!(out, expected.map(event).concat());
    assert_eq!(relay.seen().usage.unwrap().usage.total_output(), 1);
    assert_eq!(relay.seen().output.tokens(), 1);
    assert_eq!(end, End::Complete);

    let beside_choices = event(r#"{"choices":[{"index":0,"delta":{}}],"usage":{"prompt_tokens":3}}"#);
    assert_eq!(whole(true, &beside_choices).0, beside_choices, "what a provider always sends stays");
    let in_text = event(r#"{"choices":[{"delta":{"content":"\"usage\":null,","x":{"usage":null}}}]}"#);
    assert_eq!(whole(true, &in_text).0, in_text, "only the chunk's own member goes");
}

#[test]
fn content_is_told_from_what_comes_before_it() {
    for quiet in [
        event(ROLE),
        ": OPENROUTER PROCESSING\n\n".into(),
        event(r#"{"choices":[],"prompt_filter_results":[{"prompt_index":0}]}"#),
        event(
            r#"{"choices":[{"delta":{"role":"assistant","content":null,"tool_calls":[],"reasoning_content":""}}]}"#,
        ),
        event(USAGE),
        event("[DONE]"),
        event("not json"),
    ] {
        let (_, relay, end) = whole(false, &quiet);
        assert!(!relay.seen().has_content, "{quiet}");
        assert_eq!(end, End::Empty, "{quiet}");
    }
    for delta in [
        r#"{"content":"a"}"#,
        r#"{"content":[{"type":"thinking"}]}"#,
        r#"{"content":"","reasoning_content":"a"}"#,
        r#"{"reasoning":"a"}"#,
        r#"{"refusal":"a"}"#,
        r#"{"tool_calls":[{"index":0}]}"#,
        r#"{"function_call":{"name":"f"}}"#,
        r#"{"audio":{"id":"a"}}"#,
    ] {
        let stream = event(&format!("{{\"choices\":[{{\"index\":0,\"delta\":{delta}}}]}}"));
        assert!(whole(false, &stream).1.seen().has_content, "{delta}");
    }
    assert!(whole(false, &event(STOP)).1.seen().has_content);
}

#[test]
fn errors_are_seen_in_every_guise() {
    let cases = [
        (event(r#"{"error":{"message":"No","code":502}}"#), Some(502)),
        (event(r#"{"error":"No"}"#), None),
        ("event: error\ndata: {\"message\":\"No\"}\n\n".into(), None),
        (event(r#"{"object":"error","message":"No","code":"400"}"#), Some(400)),
        (
            event(
                r#"{"choices":[{"delta":{"content":""},"finish_reason":"error","error":{"message":"No"}}]}"#,
            ),
            None,
        ),
        ("{\"error\":{\"message\":\"No\",\"code\":429}}".into(), Some(429)),
        ("{\n  \"error\": {\"message\":\"No\"}\n}\n".into(), None),
    ];
    for (stream, status) in cases {
        for (before, is_after_content) in [(String::new(), false), (event(TEXT), true)] {
            let (_, relay, end) = whole(false, &(before + &stream));
            let failure = relay.seen().failure.as_ref().unwrap_or_else(|| panic!("{stream}"));
            assert_eq!((&*failure.error.message, failure.error.status), ("No", status), "{stream}");
            assert_eq!(failure.is_after_content, is_after_content, "{stream}");
            assert_eq!(end, End::Failed);
        }
    }
}

#[test]
fn an_end_is_complete_only_when_the_upstream_said_so() {
    let second = r#"{"choices":[{"index":1,"delta":{"content":"b"},"finish_reason":null}]}"#;
    let cases = [
        (vec![TEXT, STOP, "[DONE]"], End::Complete),
        (vec![TEXT, "[DONE]"], End::Complete),
        (vec![TEXT, STOP], End::Complete),
        (vec![TEXT, second, STOP], End::CutShort),
        (vec![TEXT], End::CutShort),
        (vec![ROLE], End::Empty),
        (vec![ROLE, "[DONE]"], End::Empty),
        (vec![], End::Empty),
    ];
    for (events, expected) in cases {
        let stream: String = events.iter().map(|data| event(data)).collect();
        let (out, _, end) = whole(false, &stream);
        assert_eq!(end, expected, "{stream}");
        let has_mark = end == End::Complete || events.contains(&"[DONE]");
        assert_eq!(
            out.matches("[DONE]").count(),
            usize::from(has_mark),
            "said once, by whoever says it: {stream}"
        );
    }
}

#[test]
fn a_last_event_without_its_blank_line_counts_when_it_is_whole() {
    for (tail, out, end) in [
        ("data: [DONE]", "data: [DONE]\n\n", End::Complete),
        ("data: [DONE]\r\n", "data: [DONE]\n\n", End::Complete),
        ("data: [DON", "", End::CutShort),
        ("data: {\"choices\":[{\"delta\":{\"content\":\"b", "", End::CutShort),
        (": comm", "", End::CutShort),
        ("data: {}", "data: {}\n\n", End::CutShort),
    ] {
        let seen = whole(true, &(event(TEXT) + tail));
        assert_eq!(seen.0, whole(true, &event(TEXT)).0 + out, "{tail}");
        assert_eq!(seen.2, end, "{tail}");
    }
    assert_eq!(whole(true, &format!("{}data: {USAGE}", event(TEXT))).0, whole(true, &event(TEXT)).0);
}

#[test]
fn an_event_without_an_end_is_refused() {
    let mut relay = Relay::new(Box::new(Watch::new(false)));
    let chunk = vec![b'x'; MAX_EVENT / 2];
    assert_eq!(relay.push(&chunk), Ok(Pushed::Nothing));
    assert_eq!(relay.push(&chunk), Ok(Pushed::Nothing));
    assert_eq!(relay.push(b"x"), Err(TooLarge));
}

#[test]
fn an_error_event_is_what_openai_sends() {
    let mut relay = Relay::new(Box::new(Watch::default()));
    let error = StreamError { status: Some(429), code: None, message: "a\nb".into() };
    let expected = r#"{"error":{"message":"a\nb","type":"rate_limit_error","param":null,"code":null}}"#;
    assert_eq!(String::from_utf8(relay.error(&error)).unwrap(), event(expected));
}

proptest! {
    #[test]
    fn bytes_that_are_no_stream_pass_too(
        chunks in prop::collection::vec(prop::collection::vec(prop::sample::select(b"\r\n:{}[]\"data usgenl,".to_vec()), 0..9), 0..9),
    ) {
        let mut relay = Relay::new(Box::new(Watch::new(false)));
        let mut out = Vec::new();
        for chunk in &chunks {
            match relay.push(chunk).unwrap() {
                Pushed::AsIs => out.extend_from_slice(chunk),
                Pushed::Bytes(bytes) => out.extend(bytes),
                Pushed::Nothing => {}
            }
        }
        prop_assert!(chunks.concat().starts_with(&out));
        relay.finish();
    }

    #[test]
    fn no_cut_changes_anything(
        events in prop::collection::vec(prop::sample::select(vec![
            ROLE, TEXT, STOP, USAGE, "[DONE]", "{\"error\":\"x\"}", "half {", "é\u{1f980}", "",
        ]), 0..8),
        ending in prop::sample::select(vec!["\n", "\r\n"]),
        is_cut_off in any::<bool>(),
        hide_usage in any::<bool>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..9),
    ) {
        let mut stream: String = events.iter().map(|data| format!("data: {data}{ending}{ending}")).collect();
        stream.insert_str(0, &format!(": hello{ending}{ending}"));
        if is_cut_off {
            stream.pop();
        }
        let bytes = stream.as_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let reference = relay(hide_usage, [bytes]);
        for chunks in [cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect::<Vec<_>>(), bytes.chunks(1).collect()] {
            let seen = relay(hide_usage, chunks);
            prop_assert_eq!(&seen.0, &reference.0);
            prop_assert_eq!(seen.2, reference.2);
            prop_assert_eq!(seen.1.seen().usage, reference.1.seen().usage);
            prop_assert_eq!(&seen.1.seen().failure, &reference.1.seen().failure);
            prop_assert_eq!(seen.1.seen().output, reference.1.seen().output);
        }
    }
}

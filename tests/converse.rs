//! Bedrock's Converse for clients of every dialect: recorded answers and streams, streams of our own that fail, and a recorded
//! conversation that is asked the way its own SDK asked.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what stands around the tests may fail like the tests"
)]

#[path = "support/event_stream.rs"]
mod event_stream;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use edgeway::call::translation::{Exchange, InPath, Said, translate};
use edgeway::conversation::Dialect;
use edgeway::dialect::Endpoint;
use edgeway::dialect::relay::{End, Pushed, Relay};
use edgeway::dialect::translate::{Reply, Target};
use event_stream::message;
use serde_json::{Value, json};
use std::path::PathBuf;

/// The answers that were recorded in a file, each with what was asked; none, and a line that says so, where it is absent.
fn recorded(file: &str) -> Vec<(Value, Value)> {
    let folder = std::env::var_os("EDGEWAY_FIXTURES")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures"), PathBuf::from);
    let Ok(text) = std::fs::read(folder.join("bedrock").join(file)) else {
        println!("skipped: no recorded traffic at {}; EDGEWAY_FIXTURES may name it", folder.display());
        return Vec::new();
    };
    let recorded: Value = serde_json::from_slice(&text).unwrap();
    let all = recorded["interactions"].as_array().cloned().unwrap_or_else(|| vec![recorded]);
    all.into_iter().map(|it| (it["request"].clone(), it["response"].clone())).collect()
}

fn translated(client: Dialect, model: &str, body: &Value) -> (Value, Exchange, Vec<String>) {
    let body = body.to_string();
    let in_path = InPath { model: "m".into(), stream: true, is_array: false };
    let said = Said { body: body.as_bytes(), in_path: &in_path, history: None };
    let reply = Reply { id: "id".into(), model: model.into(), include_usage: true, ..Reply::default() };
    let target = Target { model, ..Target::default() };
    let it = translate(Endpoint::of_dialect(client), Dialect::Converse, said, None, &target, reply).unwrap();
    (serde_json::from_slice(&it.body).unwrap(), it.exchange, it.dropped)
}

fn exchange(client: Dialect) -> Exchange {
    let message = json!({ "role": "user", "content": "Hi" });
    let body = match client {
        Dialect::Responses => json!({ "model": "m", "stream": true, "input": "Hi" }),
        Dialect::Gemini => json!({ "contents": [{ "role": "user", "parts": [{ "text": "Hi" }] }] }),
        Dialect::Messages => json!({ "model": "m", "stream": true, "max_tokens": 9, "messages": [message] }),
        _ => {
            json!({ "model": "m", "stream": true, "stream_options": { "include_usage": true }, "messages": [message] })
        }
    };
    translated(client, "anthropic.claude-x", &body).1
}

fn relayed(exchange: &Exchange, stream: &[u8], size: usize) -> (String, End, Relay) {
    let mut relay = Relay::new(exchange.watch());
    let mut out = Vec::new();
    for chunk in stream.chunks(size) {
        match relay.push(chunk).unwrap() {
            Pushed::Bytes(bytes) => out.extend(bytes),
            Pushed::AsIs => out.extend(chunk),
            Pushed::Nothing => {}
        }
    }
    let (end, tail) = relay.finish();
    out.extend(tail);
    (String::from_utf8(out).unwrap(), end, relay)
}

fn event(name: &str, payload: &Value) -> Vec<u8> {
    message("event", name, &payload.to_string())
}

/// A thought, a text and a call.
fn stream() -> Vec<Vec<u8>> {
    let delta = |index: u64, delta: Value| {
        event("contentBlockDelta", &json!({ "contentBlockIndex": index, "delta": delta, "p": "abc" }))
    };
    let stop = |index: u64| event("contentBlockStop", &json!({ "contentBlockIndex": index }));
    vec![
        event("messageStart", &json!({ "role": "assistant" })),
        delta(0, json!({ "reasoningContent": { "text": "Hm" } })),
        delta(0, json!({ "reasoningContent": { "text": "m." } })),
        delta(0, json!({ "reasoningContent": { "signature": "EpUJ" } })),
        stop(0),
        delta(1, json!({ "text": "Grüß\n" })),
        delta(1, json!({ "text": "dich \"A\"" })),
        stop(1),
        event(
            "contentBlockStart",
            &json!({ "contentBlockIndex": 2, "start": { "toolUse": { "toolUseId": "t1", "name": "f" } } }),
        ),
        delta(2, json!({ "toolUse": { "input": "{\"a\":" } })),
        delta(2, json!({ "toolUse": { "input": "1}" } })),
        stop(2),
        event("messageStop", &json!({ "stopReason": "tool_use" })),
        event(
            "metadata",
            &json!({ "metrics": { "latencyMs": 1 }, "usage": {
            "inputTokens": 10, "outputTokens": 5, "totalTokens": 35, "cacheReadInputTokens": 8, "cacheWriteInputTokens": 12,
            "cacheDetails": [{ "ttl": "1h", "inputTokens": 4 }, { "ttl": "5m", "inputTokens": 8 }],
        } }),
        ),
    ]
}

#[test]
fn a_stream_is_the_same_for_every_client_however_it_is_cut() {
    let stream = stream().concat();
    for client in Dialect::ALL {
        let (whole, end, relay) = relayed(&exchange(client), &stream, stream.len());
        assert_eq!(end, End::Complete, "{client:?}: {whole}");
        for text in ["Hm", "dich", "Gr\u{fc}\u{df}\\n"] {
            assert!(whole.contains(text), "{client:?}: {text} in {whole}");
        }
        let usage = relay.seen().usage.unwrap().usage;
        assert_eq!((usage.input, usage.cached_input, usage.output), (10, 8, 5), "{client:?}");
        assert_eq!((usage.cache_write, usage.cache_write_1h), (8, 4), "{client:?}");
        for size in [1, 2, 3, 11, 64, 500] {
            assert_eq!(
                relayed(&exchange(client), &stream, size).0,
                whole,
                "{client:?}, {size} bytes at a time"
            );
        }
    }
}

#[test]
fn a_chat_client_reads_a_stream_as_its_own() {
    let (text, _, _) = relayed(&exchange(Dialect::Chat), &stream().concat(), 64);
    let data =
        text.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    let chunks: Vec<Value> = data.collect();
    let joined = |path: &str| -> String {
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"].pointer(path)?.as_str()).collect()
    };
    assert_eq!(joined("/content"), "Gr\u{fc}\u{df}\ndich \"A\"");
    assert_eq!(
        (joined("/reasoning_content"), joined("/tool_calls/0/function/arguments")),
        ("Hmm.".into(), "{\"a\":1}".into())
    );
    assert_eq!(joined("/tool_calls/0/id"), "t1");
    let stop = chunks.iter().find_map(|chunk| chunk["choices"][0]["finish_reason"].as_str());
    assert_eq!((stop, text.trim_end().ends_with("data: [DONE]")), (Some("tool_calls"), true));
}

#[test]
fn a_thoughts_signature_comes_back_to_the_claude_that_made_it() {
    let (text, _, _) = relayed(&exchange(Dialect::Messages), &stream().concat(), 64);
    assert!(text.contains(r#"{"type":"signature_delta","signature":"EpUJ"}"#), "as Anthropic's own: {text}");
    let body = json!({ "model": "m", "max_tokens": 9, "messages": [
        { "role": "user", "content": "Hi" },
        { "role": "assistant", "content": [{ "type": "thinking", "thinking": "Hmm.", "signature": "EpUJ" }, { "type": "text", "text": "A" }] },
        { "role": "user", "content": "B" },
    ] });
    let (body, _, dropped) = translated(Dialect::Messages, "anthropic.claude-x", &body);
    let expected =
        json!({ "reasoningContent": { "reasoningText": { "text": "Hmm.", "signature": "EpUJ" } } });
    assert_eq!((&body["messages"][1]["content"][0], dropped), (&expected, vec![]));
}

#[test]
fn a_stream_that_fails_or_is_cut_never_looks_whole() {
    let start = stream()[..7].concat();
    let throttled = message("exception", "throttlingException", r#"{"message":"Too many tokens"}"#);
    let internal = message("error", "InternalError", "{}");
    let mut damaged = stream()[7].clone();
    let at = damaged.len() - 6;
    damaged[at] ^= 1;
    for client in Dialect::ALL {
        for (tail, status) in [(&throttled, 429), (&internal, 500), (&damaged, 500)] {
            // Before content, the next target is asked.
            let (out, end, relay) = relayed(&exchange(client), tail, 64);
            let failure = relay.seen().failure.clone().unwrap();
            assert_eq!((out.as_str(), end), ("", End::Failed), "{client:?}");
            assert_eq!((failure.is_after_content, failure.error.status), (false, Some(status)));
            // After it, the client is told.
            let whole = [start.as_slice(), tail, &stream().concat()].concat();
            let (out, end, relay) = relayed(&exchange(client), &whole, 64);
            assert!(
                relay.seen().failure.clone().unwrap().is_after_content && end == End::Failed,
                "{client:?}"
            );
            assert!(
                out.contains("error") && !out.contains("[DONE]") && !out.contains("message_stop"),
                "{out}"
            );
        }
        let cut = [start.as_slice(), &stream()[8][..20]].concat();
        assert_eq!(relayed(&exchange(client), &cut, 64).1, End::CutShort, "{client:?}");
        assert_eq!(relayed(&exchange(client), &[], 64).1, End::Empty, "{client:?}");
    }
}

#[test]
fn recorded_answers_and_streams_are_read() {
    for file in [
        "text.ruby_llm.json",
        "reasoning.ellmer.json",
        "cached.ruby_llm.json",
        "tool-roundtrip.ruby_llm.json",
    ] {
        for (_, response) in recorded(file) {
            let body = response["body"].as_str().unwrap();
            let answer: Value = serde_json::from_str(body).unwrap();
            for client in Dialect::ALL {
                let exchange = exchange(client);
                let read = exchange.read(body.as_bytes()).unwrap();
                let usage = read.usage.unwrap().usage;
                let total = usage.total_input() + usage.total_output();
                assert_eq!(
                    (total, read.error),
                    (answer["usage"]["totalTokens"].as_u64().unwrap(), None),
                    "{file}"
                );
                let text =
                    String::from_utf8(exchange.answer(body.as_bytes()).unwrap().unwrap().body).unwrap();
                let blocks = answer["output"]["message"]["content"].as_array().unwrap();
                for block in blocks.iter().filter_map(|block| block["text"].as_str()) {
                    let quoted = json!(block).to_string();
                    assert!(text.contains(quoted.trim_matches('"')), "{file} for {client:?}: {text}");
                }
            }
        }
    }
    for (_, response) in recorded("stream-tool.ruby_llm.json") {
        let stream = STANDARD.decode(response["body_base64"].as_str().unwrap()).unwrap();
        for client in Dialect::ALL {
            let (whole, end, relay) = relayed(&exchange(client), &stream, stream.len());
            assert!(end == End::Complete && relay.seen().usage.is_some(), "{client:?}: {whole}");
            assert_eq!(relayed(&exchange(client), &stream, 5).0, whole, "{client:?}");
        }
    }
}

#[test]
fn a_conversation_is_asked_as_its_own_sdk_asked_it() {
    let Some((request, _)) = recorded("tool-roundtrip.ruby_llm.json").into_iter().nth(1) else { return };
    let mut expected: Value = serde_json::from_str(request["body"].as_str().unwrap()).unwrap();
    expected.as_object_mut().unwrap().remove("inferenceConfig"); // `{}`
    let spec = &expected["toolConfig"]["tools"][0]["toolSpec"];
    let (schema, call) = (&spec["inputSchema"]["json"], &expected["messages"][1]["content"][0]["toolUse"]);
    let text = |message: usize| expected["messages"][message]["content"][0].clone();
    let (id, result) = (&call["toolUseId"], &text(2)["toolResult"]["content"][0]["text"]);
    let body = json!({
        "model": "m",
        "tools": [{ "type": "function", "function": { "name": spec["name"], "description": spec["description"], "parameters": schema } }],
        "messages": [
            { "role": "user", "content": text(0)["text"] },
            { "role": "assistant", "tool_calls": [{ "id": id, "type": "function", "function": { "name": call["name"], "arguments": call["input"].to_string() } }] },
            { "role": "tool", "tool_call_id": id, "content": result },
        ],
    });
    assert_eq!(translated(Dialect::Chat, "us.amazon.nova-2-lite-v1:0", &body).0, expected);
}

/// What a client of this dialect gets of an answer of this content.
fn answered(client: Dialect, content: &Value) -> (Value, Vec<String>) {
    let body = json!({ "output": { "message": { "role": "assistant", "content": content } }, "stopReason": "end_turn",
        "usage": { "inputTokens": 3, "outputTokens": 1, "totalTokens": 4 } });
    let answer = exchange(client).answer(body.to_string().as_bytes()).unwrap().unwrap();
    (serde_json::from_slice(&answer.body).unwrap(), answer.dropped)
}

#[test]
fn citations_reach_a_client_whole_and_in_a_stream() {
    let cited = json!({ "title": "T", "sourceContent": [{ "text": "q" }], "location": { "documentPage": { "documentIndex": 0, "start": 1, "end": 2 } } });
    let expected = json!({ "type": "page_location", "cited_text": "q", "document_index": 0, "document_title": "T", "start_page_number": 1, "end_page_number": 2 });
    let block = json!({ "citationsContent": { "content": [{ "text": "So." }], "citations": [cited] } });
    let (answer, dropped) = answered(Dialect::Messages, &json!([{ "text": "Hm. " }, block]));
    assert_eq!(answer["content"][1], json!({ "type": "text", "text": "So.", "citations": [expected] }));
    assert_eq!(dropped, [""; 0]);

    let web = json!({ "title": "W", "sourceContent": [], "location": { "web": { "url": "https://a.test/x", "domain": "a.test" } } });
    let block = json!({ "citationsContent": { "content": [{ "text": "So." }], "citations": [web] } });
    let (answer, _) = answered(Dialect::Chat, &json!([block]));
    assert_eq!(answer["choices"][0]["message"]["annotations"][0]["url_citation"]["url"], "https://a.test/x");

    let delta = |delta: Value| {
        event("contentBlockDelta", &json!({ "contentBlockIndex": 0, "delta": delta, "p": "a" }))
    };
    let stream = [
        event("messageStart", &json!({ "role": "assistant" })),
        delta(json!({ "text": "So." })),
        delta(json!({ "citation": cited })),
        event("contentBlockStop", &json!({ "contentBlockIndex": 0 })),
        event("messageStop", &json!({ "stopReason": "end_turn" })),
        event("metadata", &json!({ "usage": { "inputTokens": 3, "outputTokens": 1 } })),
    ]
    .concat();
    let (whole, end, _) = relayed(&exchange(Dialect::Messages), &stream, 41);
    assert_eq!(end, End::Complete, "{whole}");
    assert!(
        whole.contains(r#""type":"citations_delta""#) && whole.contains(r#""start_page_number":1"#),
        "{whole}"
    );
}

#[test]
fn a_picture_reaches_those_who_have_a_place_for_it_and_is_named_for_the_others() {
    let picture = json!({ "image": { "format": "png", "source": { "bytes": "iVBORw0KGgo=" } } });
    let content = json!([{ "text": "Here." }, picture]);
    let (answer, dropped) = answered(Dialect::Gemini, &content);
    let part = &answer["candidates"][0]["content"]["parts"][1]["inlineData"];
    assert_eq!((part, dropped.len()), (&json!({ "mimeType": "image/png", "data": "iVBORw0KGgo=" }), 0));
    for client in [Dialect::Messages, Dialect::Responses, Dialect::Chat] {
        let (answer, dropped) = answered(client, &content);
        let has_it = answer.to_string().contains("iVBORw0KGgo=");
        assert_ne!(has_it, !dropped.is_empty(), "{client:?}: {answer} {dropped:?}");
    }
    let delta = |bytes: &str| {
        event(
            "contentBlockDelta",
            &json!({ "contentBlockIndex": 0, "delta": { "image": { "source": { "bytes": bytes } } } }),
        )
    };
    let stream = [
        event("messageStart", &json!({ "role": "assistant" })),
        event(
            "contentBlockStart",
            &json!({ "contentBlockIndex": 0, "start": { "image": { "format": "png" } } }),
        ),
        delta("iVBORw0="), // five bytes of eight
        delta("Kkb+"),
        event("contentBlockStop", &json!({ "contentBlockIndex": 0 })),
        event("messageStop", &json!({ "stopReason": "end_turn" })),
        event("metadata", &json!({ "usage": { "inputTokens": 3, "outputTokens": 1 } })),
    ]
    .concat();
    for client in Dialect::ALL {
        let (whole, end, relay) = relayed(&exchange(client), &stream, 29);
        assert_eq!(end, End::Complete, "{client:?}: {whole}");
        let has_it = whole.contains("iVBORw0qRv4=");
        assert_ne!(has_it, !relay.dropped().is_empty(), "{client:?}: {whole} {:?}", relay.dropped());
    }
}

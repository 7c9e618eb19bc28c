//! Recorded answers of each dialect, on their way to clients of the others: however a stream is cut, the client gets the same.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what stands around the tests may fail like the tests"
)]

#[path = "support/fixtures.rs"]
#[allow(dead_code, reason = "what the index expects is for others to check")]
mod fixtures;

use edgeway::call::translation::{Exchange, InPath, Said, translate};
use edgeway::conversation::Dialect;
use edgeway::dialect::Endpoint;
use edgeway::dialect::relay::{End, Pushed, Relay};
use edgeway::dialect::translate::{Reply, Target};
use fixtures::{Interaction, interactions};
use serde_json::{Value, json};
use std::cell::Cell;

/// How many ways of cutting each stream at random are tried; the same ones in every run.
const RANDOM_CUTS: u64 = 8;

/// A small streamed request in the words of this dialect.
fn request(client: Dialect) -> Value {
    let message = json!({ "role": "user", "content": "Hello" });
    match client {
        Dialect::Chat => json!({ "model": "m", "stream": true, "messages": [message] }),
        Dialect::Responses => json!({ "model": "m", "stream": true, "input": "Hello" }),
        Dialect::Messages | Dialect::Converse => {
            json!({ "model": "m", "stream": true, "max_tokens": 9, "messages": [message] })
        }
        Dialect::Gemini => json!({ "contents": [{ "role": "user", "parts": [{ "text": "Hello" }] }] }),
    }
}

/// What follows from a client's request to an upstream.
fn exchange(client: Dialect, upstream: Dialect) -> Exchange {
    let body = request(client).to_string();
    let in_path = InPath { model: "m".into(), stream: true, is_array: false };
    let reply = Reply { id: "0199-call".into(), created: 1, model: "m".into(), ..Reply::default() };
    let target = Target { model: "m", ..Target::default() };
    let said = Said { body: body.as_bytes(), in_path: &in_path, history: None };
    translate(Endpoint::of_dialect(client), upstream, said, None, &target, reply).unwrap().exchange
}

/// What the client gets of a stream whose chunks are cut so, and how it ended.
fn relayed(exchange: &Exchange, stream: &[u8], cut: impl Fn(&[u8]) -> usize) -> (String, End) {
    let mut relay = Relay::new(exchange.watch());
    let (mut out, mut rest) = (Vec::new(), stream);
    while !rest.is_empty() {
        let (chunk, behind) = rest.split_at(cut(rest).clamp(1, rest.len()));
        match relay.push(chunk).unwrap() {
            Pushed::AsIs => out.extend_from_slice(chunk),
            Pushed::Bytes(bytes) => out.extend(bytes),
            Pushed::Nothing => {}
        }
        rest = behind;
    }
    let (end, tail) = relay.finish();
    out.extend(tail);
    (String::from_utf8(out).unwrap(), end)
}

/// Sizes of pieces, by a xorshift of this seed: mostly of some bytes, so that they fall within tokens and characters.
fn random_cuts(seed: u64) -> impl Fn() -> usize {
    let state = Cell::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    move || {
        let mut next = state.get();
        next ^= next << 13;
        next ^= next >> 7;
        next ^= next << 17;
        state.set(next);
        let most = [4, 40, 400][usize::try_from(next % 3).unwrap()];
        1 + usize::try_from(next >> 32).unwrap() % most
    }
}

/// Each recorded answer that came as asked, with the dialect it is in.
fn answers(is_stream: bool) -> Vec<(Dialect, Interaction)> {
    let of = |api: &str| Dialect::ALL.into_iter().find(|dialect| dialect.as_str() == api);
    let answers = interactions().into_iter().filter(|it| it.is_stream == is_stream && it.status == 200);
    answers.filter_map(|it| Some((of(&it.api)?, it))).collect()
}

#[test]
fn a_translated_stream_is_the_same_however_it_is_cut() {
    for (upstream, recorded) in answers(true) {
        let stream = recorded.body.as_bytes();
        for client in Dialect::ALL.into_iter().filter(|client| *client != upstream) {
            let exchange = exchange(client, upstream);
            let whole = relayed(&exchange, stream, <[u8]>::len);
            let context = format!("{} for {client:?}", recorded.name);
            let fails = recorded.name.contains("stream-error");
            assert_eq!(whole.1, if fails { End::Failed } else { End::Complete }, "{context}");
            for size in [1, 7, 64, 1000] {
                assert_eq!(relayed(&exchange, stream, |_| size), whole, "{context}, {size} bytes at a time");
            }
            for seed in 1..=RANDOM_CUTS {
                let cuts = random_cuts(seed);
                assert_eq!(relayed(&exchange, stream, |_| cuts()), whole, "{context}, cut by {seed}");
            }
            let to_newline =
                |rest: &[u8]| rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
            assert_eq!(relayed(&exchange, stream, to_newline), whole, "{context}, line by line");
        }
    }
}

#[test]
fn a_stream_that_passes_is_the_same_however_it_is_cut() {
    for (dialect, recorded) in answers(true) {
        let stream = recorded.body.as_bytes();
        for hides_usage in [false, true] {
            let exchange = Exchange::same(Endpoint::of_dialect(dialect), hides_usage, false);
            let whole = relayed(&exchange, stream, <[u8]>::len);
            let context = format!("{}, hides usage: {hides_usage}", recorded.name);
            if !hides_usage || dialect != Dialect::Chat {
                // Behind it, the end mark that its provider left out.
                let added = whole.0.strip_prefix(&recorded.body).map(str::trim);
                assert!(matches!(added, Some("" | "data: [DONE]")), "{context}: {added:?}");
            }
            for size in [1, 2, 3, 7, 64, 1000] {
                assert_eq!(relayed(&exchange, stream, |_| size), whole, "{context}, {size} bytes at a time");
            }
            for seed in 1..=RANDOM_CUTS {
                let cuts = random_cuts(seed);
                assert_eq!(relayed(&exchange, stream, |_| cuts()), whole, "{context}, cut by {seed}");
            }
        }
    }
}

#[test]
fn what_is_lost_has_the_name_and_place_that_its_client_knows() {
    let item = json!({ "type": "message", "id": "msg_1", "status": "completed", "phase": "final", "role": "assistant",
        "content": [{ "type": "output_text", "text": "Hello", "annotations": [], "mood": "good" }] });
    for (client, upstream, body, expected) in [
        (
            Dialect::Responses,
            Dialect::Gemini,
            json!({ "model": "m", "user": "ada", "input": "Hello" }),
            vec!["user"],
        ),
        (
            Dialect::Responses,
            Dialect::Messages,
            json!({ "model": "m", "input": [item, { "role": "user", "content": "Go on." }] }),
            vec!["input.content.mood", "input.phase"],
        ),
        (
            Dialect::Gemini,
            Dialect::Messages,
            json!({ "contents": [{ "role": "user", "mood": "good", "parts": [{ "text": "Hello", "partMetadata": {} }] }] }),
            vec!["contents.parts.partMetadata", "contents.mood"],
        ),
        (
            Dialect::Chat,
            Dialect::Messages,
            json!({ "messages": [{ "role": "user", "mood": "good", "content": [{ "type": "text", "text": "Hello", "index": 0 }] }] }),
            vec!["messages.content.index", "messages.mood"],
        ),
    ] {
        let body = body.to_string();
        let in_path = InPath { model: "m".into(), stream: false, is_array: false };
        let said = Said { body: body.as_bytes(), in_path: &in_path, history: None };
        let target = Target { model: "m", ..Target::default() };
        let endpoint = Endpoint::of_dialect(client);
        let dropped = translate(endpoint, upstream, said, None, &target, Reply::default()).unwrap().dropped;
        assert_eq!(dropped, expected, "{client:?}");
    }
}

#[test]
fn a_stream_that_is_cut_off_never_looks_whole() {
    for (upstream, recorded) in answers(true) {
        let half = recorded.body.as_bytes().split_at(recorded.body.len() / 2).0;
        for client in Dialect::ALL.into_iter().filter(|client| *client != upstream) {
            let (out, end) = relayed(&exchange(client, upstream), half, <[u8]>::len);
            let context = format!("{} for {client:?}: {out}", recorded.name);
            assert!(matches!(end, End::CutShort | End::Empty), "{context}");
            for mark in ["[DONE]", "message_stop", "response.completed"] {
                assert!(!out.contains(mark), "{context}");
            }
        }
    }
}

#[test]
fn every_whole_answer_is_an_answer_in_each_dialect() {
    for (upstream, recorded) in answers(false) {
        for client in Dialect::ALL.into_iter().filter(|client| *client != upstream) {
            let answered = exchange(client, upstream).answer(recorded.body.as_bytes()).unwrap().unwrap();
            let body: Value = serde_json::from_slice(&answered.body).unwrap();
            let member = match client {
                Dialect::Chat => "choices",
                Dialect::Responses => "output",
                Dialect::Messages | Dialect::Converse => "content",
                Dialect::Gemini => "candidates",
            };
            assert!(body[member].is_array(), "{} for {client:?}: {body}", recorded.name);
        }
    }
}

/// What a client reads in an answer of its dialect: text or refusal, reasoning, and calls with their arguments.
#[derive(Debug, Default, PartialEq)]
struct Told {
    text: String,
    reasoning: String,
    calls: Vec<(String, String)>,
}

impl Told {
    fn text(&mut self, value: &Value) {
        self.text.push_str(value.as_str().unwrap_or_default());
    }

    fn reasoning(&mut self, value: &Value) {
        self.reasoning.push_str(value.as_str().unwrap_or_default());
    }

    fn call(&mut self, name: &Value, arguments: &str) {
        self.calls.push((name.as_str().unwrap_or_default().to_owned(), arguments.to_owned()));
    }

    /// Chat: a message, or a piece of one; what follows the first piece of a call goes on with it.
    fn message(&mut self, message: &Value) {
        self.text(&message["content"]);
        self.text(&message["refusal"]);
        self.reasoning(&message["reasoning_content"]);
        for call in list(&message["tool_calls"]) {
            let (name, arguments) =
                (&call["function"]["name"], call["function"]["arguments"].as_str().unwrap());
            match self.calls.last_mut().filter(|_| name.is_null()) {
                Some(last) => last.1.push_str(arguments),
                None => self.call(name, arguments),
            }
        }
    }

    fn output(&mut self, output: &Value) {
        for item in list(output) {
            match item["type"].as_str() {
                Some("message") => list(&item["content"]).for_each(|part| {
                    self.text(&part["text"]);
                    self.text(&part["refusal"]);
                }),
                Some("reasoning") => list(&item["summary"]).for_each(|part| self.reasoning(&part["text"])),
                Some("function_call") => self.call(&item["name"], item["arguments"].as_str().unwrap()),
                _ => {}
            }
        }
    }

    /// Messages: a block of an answer, or of a stream, where it is empty at first.
    fn block(&mut self, block: &Value) {
        self.text(&block["text"]);
        self.reasoning(&block["thinking"]);
        if block["type"] == "tool_use" {
            let input = &block["input"];
            self.call(&block["name"], &if *input == json!({}) { String::new() } else { input.to_string() });
        }
    }

    fn candidate(&mut self, body: &Value) {
        for part in list(&body["candidates"][0]["content"]["parts"]) {
            match part["thought"] == json!(true) {
                true => self.reasoning(&part["text"]),
                false => self.text(&part["text"]),
            }
            if part["functionCall"].is_object() {
                self.call(&part["functionCall"]["name"], &part["functionCall"]["args"].to_string());
            }
        }
    }

    fn of(client: Dialect, body: &str, is_stream: bool) -> Told {
        let mut told = Told::default();
        let data = body.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|_| is_stream);
        let whole = (!is_stream).then_some(body);
        for value in data.chain(whole).filter_map(|text| serde_json::from_str::<Value>(text).ok()) {
            match client {
                Dialect::Chat => {
                    told.message(&value["choices"][0]["message"]);
                    told.message(&value["choices"][0]["delta"]);
                }
                Dialect::Responses if is_stream && value["type"] != "response.completed" => {}
                Dialect::Responses => {
                    told.output(if is_stream { &value["response"]["output"] } else { &value["output"] });
                }
                Dialect::Messages | Dialect::Converse => {
                    list(&value["content"]).for_each(|block| told.block(block));
                    told.block(&value["content_block"]);
                    told.text(&value["delta"]["text"]);
                    told.reasoning(&value["delta"]["thinking"]);
                    if let (Some(last), Some(more)) =
                        (told.calls.last_mut(), value["delta"]["partial_json"].as_str())
                    {
                        last.1.push_str(more);
                    }
                }
                Dialect::Gemini => told.candidate(&value),
            }
        }
        told
    }

    /// The calls with what their arguments mean.
    fn meant(&self) -> Vec<(&str, Value)> {
        self.calls.iter().map(|(name, text)| (name.as_str(), meaning(text))).collect()
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// No arguments are an empty object.
fn meaning(arguments: &str) -> Value {
    if arguments.trim().is_empty() { json!({}) } else { serde_json::from_str(arguments).unwrap() }
}

#[test]
fn what_was_recorded_is_what_a_client_of_every_other_dialect_reads() {
    for is_stream in [false, true] {
        for (upstream, recorded) in
            answers(is_stream).into_iter().filter(|(_, it)| it.expected["error"].is_null())
        {
            let expected = &recorded.expected;
            let text =
                [&expected["text"], &expected["refusal"]].map(|it| it.as_str().unwrap_or_default()).concat();
            let calls: Vec<(&str, Value)> = list(&expected["tool_calls"])
                .map(|call| (call["name"].as_str().unwrap(), meaning(call["args"].as_str().unwrap())))
                .collect();
            for client in Dialect::ALL.into_iter().filter(|client| *client != upstream) {
                let exchange = exchange(client, upstream);
                let body = match is_stream {
                    true => relayed(&exchange, recorded.body.as_bytes(), <[u8]>::len).0,
                    false => {
                        String::from_utf8(exchange.answer(recorded.body.as_bytes()).unwrap().unwrap().body)
                            .unwrap()
                    }
                };
                let told = Told::of(client, &body, is_stream);
                let context = format!("{} for {client:?}: {body}", recorded.name);
                assert_eq!(told.text.trim(), text.trim(), "{context}");
                assert_eq!(told.meant(), calls, "{context}");
                assert_eq!(json!(told.reasoning.chars().count()), expected["reasoning_chars"], "{context}");
            }
        }
    }
}

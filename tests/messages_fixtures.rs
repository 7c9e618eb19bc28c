//! The messages dialect against recorded traffic of Anthropic, Vertex and Bedrock.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests; clippy.toml reaches only #[test]"
)]

#[path = "support/fixtures.rs"]
mod fixtures;

use edgeway::conversation::{Event, Losses};
use edgeway::dialect::messages::request::{self, Rewrite, peek, rewrite};
use edgeway::dialect::messages::stream::{Decoder, Encoder, Watch};
use edgeway::dialect::messages::{count, response};
use edgeway::dialect::relay::{End, Pushed, Relay};
use edgeway::dialect::translate::{Decode, Encode, Reply, Target};
use edgeway::sse;
use fixtures::Interaction;
use serde_json::{Value, json};

fn messages() -> impl Iterator<Item = Interaction> {
    fixtures::interactions()
        .into_iter()
        .filter(|it| it.api == "messages" || (it.api == "invoke" && it.name.contains("claude")))
}

fn answers() -> impl Iterator<Item = Interaction> {
    messages().filter(|it| !it.is_stream && it.status == 200)
}

fn streams() -> impl Iterator<Item = Interaction> {
    messages().filter(|it| it.is_stream)
}

/// What means the same, written the same: a field that is null is none; content that is a string is one block of text;
/// `stream: false`, a tool's type `custom`, and that the model itself is a call's `caller`, are what holds where nothing is
/// said; 1.0 is 1.
fn normal(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let is_tool = members.contains_key("input_schema");
            let kept = members.into_iter().filter(|(name, value)| {
                let is_default = (name == "stream" && *value == false)
                    || (is_tool && name == "type" && *value == "custom")
                    || (name == "caller" && value["type"] == "direct");
                !value.is_null() && !is_default
            });
            let spelt = kept.map(|(name, value)| match value {
                Value::String(text) if name == "content" || name == "system" => {
                    (name, json!([{ "type": "text", "text": text }]))
                }
                value => (name, normal(value)),
            });
            let mut spelt: Vec<_> = spelt.collect();
            spelt.sort_by(|left, right| left.0.cmp(&right.0));
            Value::Object(spelt.into_iter().collect())
        }
        Value::Array(items) => items.into_iter().map(normal).collect(),
        Value::Number(number) => number.as_f64().map_or(Value::Null, |number| json!(number)),
        other => other,
    }
}

fn normal_json(bytes: &[u8]) -> Value {
    normal(serde_json::from_slice(bytes).unwrap())
}

fn hub_events(chunks: &[&[u8]]) -> Vec<Event> {
    let (mut sse, mut decoder, mut out) = (sse::Decoder::default(), Decoder::default(), Vec::new());
    for chunk in chunks {
        sse.push(chunk).unwrap();
        while let Some(event) = sse.next_event() {
            decoder.event(&event, &mut |event| out.push(event));
        }
    }
    if let Some(event) = sse.finish() {
        decoder.event(&event, &mut |event| out.push(event));
    }
    decoder.finish(&mut |event| out.push(event));
    out
}

fn encoded(events: Vec<Event>) -> Vec<u8> {
    let mut encoder = Encoder::new(Reply { id: "call".into(), ..Reply::default() });
    let mut out = Vec::new();
    events.into_iter().for_each(|event| encoder.event(event, &mut out));
    out
}

/// The message that `MessageStream` of `@anthropic-ai/sdk` puts together, with what it would throw at checked.
fn accumulated(stream: &[u8]) -> Value {
    let mut decoder = sse::Decoder::default();
    decoder.push(stream).unwrap();
    let mut message = Value::Null;
    let mut open = None;
    let mut input = String::new();
    while let Some(event) = decoder.next_event() {
        let data: Value = serde_json::from_slice(&event.data).unwrap();
        let kind = data["type"].as_str().unwrap();
        assert_eq!(event.name, Some(kind.as_bytes()));
        let at = data["index"].as_u64().map(|at| usize::try_from(at).unwrap());
        match kind {
            "message_start" => message = data["message"].clone(),
            "content_block_start" => {
                assert_eq!((open, at), (None, message["content"].as_array().map(Vec::len)));
                open = at;
                message["content"].as_array_mut().unwrap().push(data["content_block"].clone());
                input.clear();
            }
            "content_block_delta" => {
                assert!(open.is_some() && open == at);
                let block = &mut message["content"][at.unwrap()];
                let delta = &data["delta"];
                let (member, of) = match delta["type"].as_str().unwrap() {
                    "text_delta" => ("text", "text"),
                    "thinking_delta" => ("thinking", "thinking"),
                    "signature_delta" => {
                        block["signature"] = delta["signature"].clone();
                        continue;
                    }
                    "citations_delta" => {
                        if block["citations"].is_null() {
                            block["citations"] = json!([]);
                        }
                        block["citations"].as_array_mut().unwrap().push(delta["citation"].clone());
                        continue;
                    }
                    "input_json_delta" => {
                        input.push_str(delta["partial_json"].as_str().unwrap());
                        if let Ok(whole) = serde_json::from_str(&input) {
                            block["input"] = whole;
                        }
                        continue;
                    }
                    other => panic!("{other}"),
                };
                assert_eq!(block["type"], of);
                let text = format!("{}{}", block[member].as_str().unwrap(), delta[member].as_str().unwrap());
                block[member] = text.into();
            }
            "content_block_stop" => {
                assert_eq!(open.take(), at);
            }
            "message_delta" => {
                for (name, value) in data["delta"].as_object().unwrap() {
                    message[name] = value.clone();
                }
                for (name, value) in data["usage"].as_object().unwrap() {
                    message["usage"][name] = value.clone();
                }
            }
            "message_stop" => assert_eq!(open, None),
            "ping" => {}
            other => panic!("{other}"),
        }
    }
    message
}

#[test]
fn a_request_comes_back_as_it_was() {
    for it in messages().filter(|it| !it.request.is_empty() && it.status == 200) {
        let request =
            request::decode(it.request.as_bytes()).unwrap_or_else(|error| panic!("{}: {error}", it.name));
        let mut losses = Losses::default();
        let out = request::encode(request, &Target::default(), &mut losses);
        assert_eq!(normal_json(&out), normal_json(it.request.as_bytes()), "{}", it.name);
        assert!(losses.is_empty(), "{}: {losses:?}", it.name);
    }
}

#[test]
fn an_answer_comes_back_as_it_was() {
    for it in answers() {
        let answer = response::decode(it.body.as_bytes()).unwrap();
        let mut losses = Losses::default();
        let out = response::encode(answer, &Reply::default(), &mut losses);
        assert_eq!(normal_json(&out), normal_json(it.body.as_bytes()), "{}", it.name);
        assert!(losses.is_empty(), "{}: {losses:?}", it.name);
    }
}

#[test]
fn no_cut_of_a_stream_changes_what_it_says() {
    for it in streams() {
        let bytes = it.body.as_bytes();
        let whole = hub_events(&[bytes]);
        assert_eq!(whole.last(), Some(&Event::End), "{}", it.name);
        for size in [1, 2, 3, 7, 64, 1000] {
            assert_eq!(
                hub_events(&bytes.chunks(size).collect::<Vec<_>>()),
                whole,
                "{} every {size}",
                it.name
            );
        }
        let ends = bytes.windows(2).enumerate().filter(|(_, pair)| pair == b"\n\n").map(|(at, _)| at);
        for at in ends.flat_map(|at| [at, at + 1, at + 2]) {
            assert_eq!(hub_events(&[&bytes[..at], &bytes[at..]]), whole, "{} at {at}", it.name);
        }
    }
}

#[test]
fn a_stream_says_what_the_whole_answer_would() {
    for it in streams() {
        let message = accumulated(it.body.as_bytes());
        let expected = response::decode(message.to_string().as_bytes()).unwrap();
        let events = hub_events(&[it.body.as_bytes()]);
        let again = encoded(events.clone());
        assert_eq!(hub_events(&[&again]), events, "{}", it.name);
        let found = response::decode(accumulated(&again).to_string().as_bytes()).unwrap();
        assert_eq!(found.choices[0].content, expected.choices[0].content, "{}", it.name);
        assert_eq!(found.choices[0].stop, expected.choices[0].stop, "{}", it.name);
        assert_eq!((&found.usage, &found.id, &found.model), (&expected.usage, &expected.id, &expected.model));
        assert_eq!(
            expected.choices[0].original_stop.as_deref(),
            it.expected["finish"].as_str(),
            "{}",
            it.name
        );
    }
}

/// What the index expects of usage, read independently of the code under test.
fn assert_usage(it: &Interaction, usage: edgeway::usage::Usage) {
    let count = |name: &str| it.expected["usage"][name].as_u64().unwrap_or_default();
    let input =
        count("input_tokens") + count("cache_read_input_tokens") + count("cache_creation_input_tokens");
    assert_eq!(usage.total_input(), input, "{}", it.name);
    assert_eq!(usage.cached_input, count("cache_read_input_tokens"), "{}", it.name);
    assert_eq!(usage.total_output(), count("output_tokens"), "{}", it.name);
}

#[test]
fn a_stream_passes_untouched_and_its_usage_is_read() {
    for it in streams() {
        for size in [1, 7, 100_000] {
            let mut relay = Relay::new(Box::new(Watch::default()));
            let mut out = Vec::new();
            for chunk in it.body.as_bytes().chunks(size) {
                match relay.push(chunk).unwrap() {
                    Pushed::AsIs => out.extend_from_slice(chunk),
                    Pushed::Bytes(bytes) => out.extend(bytes),
                    Pushed::Nothing => {}
                }
            }
            let (end, tail) = relay.finish();
            out.extend(tail);
            assert_eq!((out, end), (it.body.clone().into_bytes(), End::Complete), "{}", it.name);
            let seen = relay.seen();
            assert!(seen.has_content && seen.is_done && !seen.output.is_empty(), "{}", it.name);
            assert_usage(&it, seen.usage.unwrap().usage);
        }
    }
}

#[test]
fn usage_of_whole_answers_is_read() {
    for it in answers() {
        let answer = response::read(it.body.as_bytes()).unwrap();
        assert_eq!(answer.error, None, "{}", it.name);
        assert!(!answer.output.is_empty(), "{}", it.name);
        assert_usage(&it, answer.usage.unwrap().usage);
    }
}

#[test]
fn errors_are_known_as_such() {
    for it in messages().filter(|it| it.status >= 400) {
        let error = response::read(it.body.as_bytes()).unwrap().error.unwrap();
        assert_eq!(error.status.map(u64::from), Some(it.status), "{}", it.name);
        assert!(!error.message.is_empty(), "{}", it.name);
    }
}

#[test]
fn requests_are_read_and_rewritten_like_their_tree() {
    for it in messages().filter(|it| it.status == 200 && !it.request.is_empty()) {
        let name = &it.name;
        let body = it.request.as_bytes();
        let mut tree: Value = serde_json::from_slice(body).unwrap();
        let seen = peek(body).unwrap_or_else(|error| panic!("{name}: {error}"));
        let asked = &seen.asked;
        assert_eq!(asked.model.as_deref(), tree["model"].as_str(), "{name}");
        assert_eq!(asked.stream, it.is_stream, "{name}");
        assert_eq!(asked.max_tokens, tree["max_tokens"].as_u64(), "{name}");
        assert_eq!(asked.has_tools, tree["tools"].is_array(), "{name}");
        assert_eq!(asked.has_images, it.request.contains(r#""image""#), "{name}");
        assert!(asked.input_tokens > 0 && !seen.may_have_foreign_state, "{name}");
        let out =
            rewrite(body, &seen, &Rewrite { model: Some("other"), system_prompt: Some("Be \"brief\".") });
        tree["model"] = json!("other");
        tree["system"] = match tree["system"].take() {
            Value::Array(blocks) => {
                [vec![json!({"type": "text", "text": "Be \"brief\"."})], blocks].concat().into()
            }
            Value::String(text) => format!("Be \"brief\".\n\n{text}").into(),
            _ => json!("Be \"brief\"."),
        };
        assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), tree, "{name}");
        let counted = count::encode_request(request::decode(body).unwrap(), &Target::default());
        assert!(serde_json::from_slice::<Value>(&counted).unwrap()["messages"].is_array(), "{name}");
    }
}

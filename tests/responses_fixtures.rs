//! The responses dialect against recorded traffic of every provider that speaks it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests; clippy.toml reaches only #[test]"
)]

#[path = "support/fixtures.rs"]
mod fixtures;

use edgeway::conversation::{Content, Delta, Event, Losses, Opening};
use edgeway::dialect::relay::{End, Relay};
use edgeway::dialect::responses::stream::{Decoder, Encoder, Watch};
use edgeway::dialect::responses::{request, response, store};
use edgeway::dialect::translate::{Decode, Encode, Reply, Target};
use edgeway::sse;
use fixtures::Interaction;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

fn recorded() -> impl Iterator<Item = Interaction> {
    fixtures::interactions().into_iter().filter(|interaction| interaction.api == "responses")
}

/// Streams with their names: those of interactions, and those that were recorded event by event.
fn streams() -> Vec<(String, String)> {
    let mut streams: Vec<(String, String)> = recorded()
        .filter(|interaction| interaction.is_stream)
        .map(|interaction| (interaction.name, interaction.body))
        .collect();
    let folder = std::env::var_os("EDGEWAY_FIXTURES")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures"), PathBuf::from);
    for file in [
        "openai-responses/stream-error.ai.chunks.txt",
        "lmstudio/responses-stream-text.ai.chunks.txt",
        "lmstudio/responses-stream-tool.ai.chunks.txt",
    ] {
        let Ok(chunks) = std::fs::read_to_string(folder.join(file)) else {
            println!("skipped: {file} is not there");
            continue;
        };
        let event = |line: &str| {
            let kind = serde_json::from_str::<Value>(line).unwrap()["type"].as_str().unwrap().to_owned();
            format!("event: {kind}\ndata: {line}\n\n")
        };
        let stream = chunks.lines().filter(|line| !line.trim().is_empty()).map(event).collect();
        streams.push((file.to_owned(), stream));
    }
    streams
}

fn answers() -> impl Iterator<Item = Interaction> {
    recorded().filter(|interaction| !interaction.is_stream && interaction.status == 200)
}

/// What means the same is made the same: `null` is nothing, numbers count by value, a message need not say that it is one,
/// and empty lists of annotations, log probabilities or thoughts are none.
fn normal(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(normal).collect(),
        Value::Object(members) => {
            let is_empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
            let says = |name: &str, value: &Value| {
                !(value.is_null()
                    || (name == "type" && value == "message")
                    || (matches!(name, "annotations" | "logprobs") && is_empty(value))
                    || (name == "content" && is_empty(value) && members["type"] == "reasoning"))
            };
            let kept = members.iter().filter(|(name, value)| says(name, value));
            Value::Object(kept.map(|(name, value)| (name.clone(), normal(value))).collect())
        }
        other => other.clone(),
    }
}

/// The same for a request: a text is one part, an input that is a text is one message; what is not stored asks for the state
/// of its thoughts; `user` has a newer name; no stream is asked for unless told.
fn normal_request(body: &[u8]) -> Value {
    let mut body: Map<String, Value> = serde_json::from_slice(body).unwrap();
    if body["input"].is_string() {
        body["input"] = json!([{"role": "user", "content": body["input"]}]);
    }
    for item in body["input"].as_array_mut().unwrap() {
        if item["content"].is_string() {
            let kind = if item["role"] == "assistant" { "output_text" } else { "input_text" };
            item["content"] = json!([{"type": kind, "text": item["content"]}]);
        }
    }
    if let Some(include) = body.get_mut("include").and_then(Value::as_array_mut) {
        include.retain(|wanted| wanted != "reasoning.encrypted_content");
        if include.is_empty() {
            body.remove("include");
        }
    }
    if body.get("stream") == Some(&json!(false)) {
        body.remove("stream");
    }
    if let Some(user) = body.remove("user") {
        body.insert("safety_identifier".into(), user);
    }
    normal(&Value::Object(body))
}

#[test]
fn requests_come_back_as_they_were() {
    for interaction in recorded().filter(|interaction| !interaction.request.is_empty()) {
        let name = &interaction.name;
        let body = interaction.request.as_bytes();
        let decoded = request::decode(body).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut losses = Losses::default();
        let model = decoded.model.clone();
        let encoded = request::encode(
            decoded,
            &Target { model: &model, is_openai: true, ..Target::default() },
            &mut losses,
        );
        assert!(losses.is_empty(), "{name}: {losses:?}");
        assert_eq!(normal_request(&encoded), normal_request(body), "{name}");
    }
}

#[test]
fn requests_are_read_and_rewritten_like_their_tree() {
    for interaction in recorded().filter(|interaction| !interaction.request.is_empty()) {
        let name = &interaction.name;
        let body = interaction.request.as_bytes();
        let mut tree: Value = serde_json::from_slice(body).unwrap();
        let seen = request::peek(body).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(seen.asked.model.as_deref(), tree["model"].as_str(), "{name}");
        assert_eq!(seen.asked.stream, tree["stream"] == true, "{name}");
        assert_eq!(seen.asked.has_tools, tree["tools"].is_array(), "{name}");
        assert_eq!(seen.asked.has_images, interaction.request.contains("input_image"), "{name}");
        let rewrite = request::Rewrite { model: Some("other"), system_prompt: Some("Be \"brief\".") };
        let out = request::rewrite(body, &seen, &rewrite);
        tree["model"] = json!("other");
        let own = tree["instructions"].as_str().map(|own| format!("\n\n{own}")).unwrap_or_default();
        tree["instructions"] = json!(format!("Be \"brief\".{own}"));
        assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), tree, "{name}");
    }
}

#[test]
fn answers_come_back_as_they_were() {
    for interaction in answers() {
        let name = &interaction.name;
        let decoded = response::decode(interaction.body.as_bytes()).unwrap();
        let mut losses = Losses::default();
        let encoded = response::encode(decoded, &Reply::default(), &mut losses);
        let (encoded, original): (Value, Value) =
            (serde_json::from_slice(&encoded).unwrap(), serde_json::from_str(&interaction.body).unwrap());
        assert!(losses.is_empty(), "{name}: {losses:?}");
        // What the upstream does not say is said by default.
        let (mut encoded, original) = (normal(&encoded), normal(&original));
        for name in
            ["safety_identifier", "user", "prompt_cache_key", "background", "max_tool_calls", "top_logprobs"]
        {
            if original.get(name).is_none() {
                encoded.as_object_mut().unwrap().remove(name);
            }
        }
        assert_eq!(encoded, original, "{name}");
    }
}

#[test]
fn answers_say_what_they_cost() {
    for interaction in answers() {
        let name = &interaction.name;
        let answer = response::read(interaction.body.as_bytes()).unwrap();
        assert_eq!(answer.error, None, "{name}");
        assert!(!answer.output.is_empty(), "{name}");
        assert_usage(name, &interaction.expected["usage"], answer.usage.unwrap().usage);
    }
}

fn assert_usage(name: &str, raw: &Value, usage: edgeway::usage::Usage) {
    let count = |path: &str| raw.pointer(path).and_then(Value::as_u64).unwrap_or_default();
    assert_eq!(usage.total_input(), count("/input_tokens"), "{name}");
    assert_eq!(usage.total_output(), count("/output_tokens"), "{name}");
    assert_eq!(usage.cached_input, count("/input_tokens_details/cached_tokens"), "{name}");
    assert_eq!(usage.reasoning, count("/output_tokens_details/reasoning_tokens"), "{name}");
}

fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Event> {
    let (mut reader, mut decoder, mut events) = (sse::Decoder::default(), Decoder::default(), Vec::new());
    for chunk in chunks {
        reader.push(chunk).unwrap();
        while let Some(event) = reader.next_event() {
            decoder.event(&event, &mut |event| events.push(event));
        }
    }
    if let Some(event) = reader.finish() {
        decoder.event(&event, &mut |event| events.push(event));
    }
    decoder.finish(&mut |event| events.push(event));
    events
}

fn encode(events: &[Event], reply: Reply) -> Vec<u8> {
    let (mut encoder, mut out) = (Encoder::new(reply), Vec::new());
    events.iter().for_each(|event| encoder.event(event.clone(), &mut out));
    out
}

#[test]
fn no_cut_of_a_stream_changes_its_events() {
    for (name, stream) in streams() {
        let bytes = stream.as_bytes();
        let whole = decode([bytes]);
        for size in [1, 2, 3, 7, 64, 1000] {
            assert_eq!(decode(bytes.chunks(size)), whole, "{name}: every {size}");
        }
        let boundaries = memchr::memmem::find_iter(bytes, b"\n\n").map(|at| at + 2);
        let others = (1..20).map(|part| bytes.len() * part / 20);
        for at in boundaries.chain(others) {
            assert_eq!(decode([&bytes[..at], &bytes[at..]]), whole, "{name}: at {at}");
        }
    }
}

/// OpenAI encrypts a state anew each time that it says it; whose it is stays.
fn state_of(state: &edgeway::conversation::Opaque) -> String {
    format!("|{}", state.data.split('.').next().unwrap_or_default())
}

/// Blocks of a stream in one text each: kind, text, name and id.
fn blocks_of_stream(events: &[Event]) -> Vec<(String, String)> {
    let mut blocks: Vec<(String, String)> = Vec::new();
    for event in events {
        match event {
            Event::Open { block, opening, .. } => {
                assert_eq!(*block, blocks.len());
                blocks.push(match opening {
                    Opening::Text => ("text".into(), String::new()),
                    Opening::Refusal => ("refusal".into(), String::new()),
                    Opening::Thinking { .. } => ("thinking".into(), String::new()),
                    Opening::Redacted(state) => ("thinking".into(), state_of(state)),
                    Opening::ToolCall { id, name, .. } => (format!("call {id} {name}"), String::new()),
                    Opening::Image(media) => ("image".into(), format!("{:?}", media.source)),
                    Opening::Native(value) => (format!("native {}", value["type"]), value.to_string()),
                });
            }
            Event::Delta { block, delta } => match delta {
                Delta::Text(text) | Delta::Arguments(text) => blocks[*block].1.push_str(text),
                Delta::Paragraph => blocks[*block].1.push_str("\n\n"),
                Delta::Signature(state) => blocks[*block].1.push_str(&state_of(state)),
                Delta::Citation(citation) => {
                    blocks[*block].1.push_str(&format!("[{}]", citation.url.as_deref().unwrap_or_default()));
                }
            },
            _ => {}
        }
    }
    blocks
}

fn blocks_of_answer(content: &[edgeway::conversation::Block]) -> Vec<(String, String)> {
    let of = |block: &edgeway::conversation::Block| match &block.content {
        Content::Text(text) => {
            let citations =
                text.citations.iter().map(|it| format!("[{}]", it.url.as_deref().unwrap_or_default()));
            ("text".into(), text.text.clone() + &citations.collect::<String>())
        }
        Content::Refusal(text) => ("refusal".into(), text.clone()),
        Content::Thinking(thinking) => {
            let state = thinking.signature.as_ref().map(state_of);
            ("thinking".into(), thinking.thought.joined() + &state.unwrap_or_default())
        }
        Content::ToolCall(call) => (format!("call {} {}", call.id, call.name), call.arguments.clone()),
        Content::Native(value) => (format!("native {}", value["type"]), value.to_string()),
        other => panic!("{other:?}"),
    };
    // A thought that says nothing and carries nothing is not worth a block of a stream.
    content.iter().map(of).filter(|(kind, text)| kind != "thinking" || !text.is_empty()).collect()
}

/// `response` of the last event.
fn last_response(stream: &[u8]) -> Value {
    let mut reader = sse::Decoder::default();
    reader.push(stream).unwrap();
    let mut last = Value::Null;
    while let Some(event) = reader.next_event() {
        last = serde_json::from_slice(&event.data).unwrap();
    }
    last["response"].take()
}

#[test]
fn a_stream_says_what_the_whole_answer_says() {
    for (name, stream) in streams() {
        let events = decode([stream.as_bytes()]);
        let whole = response::decode(last_response(stream.as_bytes()).to_string().as_bytes()).unwrap();
        assert!(
            matches!(&events[0], Event::Start { id, model } if *id == whole.id && *model == whole.model),
            "{name}"
        );
        if name.contains("error") {
            assert!(
                matches!(events.last(), Some(Event::Error(error)) if error.status == Some(429)),
                "{name}"
            );
            continue;
        }
        let choice = whole.first().unwrap();
        assert_eq!(blocks_of_stream(&events), blocks_of_answer(&choice.content), "{name}");
        let stop = Event::Stop { choice: 0, reason: choice.stop.clone().unwrap() };
        assert_eq!(
            events[events.len() - 3..],
            [stop, Event::Usage(whole.usage.unwrap()), Event::End],
            "{name}"
        );
    }
}

/// A thought is always shown to clients as a summary, which is what they read; ids of items are made anew.
fn comparable(events: &[Event]) -> Vec<Event> {
    let same = |event: &Event| match event.clone() {
        Event::Open { block, choice, opening: Opening::Thinking { .. } } => {
            Event::Open { block, choice, opening: Opening::Thinking { is_summary: true } }
        }
        other => other,
    };
    events.iter().map(same).collect()
}

#[test]
fn a_stream_that_is_encoded_again_says_the_same() {
    for (name, stream) in streams() {
        let events = decode([stream.as_bytes()]);
        let reply = Reply { id: "01-ab".into(), created: 7, ..Reply::default() };
        let encoded = encode(&events, reply);
        assert_eq!(comparable(&decode([&encoded[..]])), comparable(&events), "{name}");
    }
}

#[test]
fn a_stored_answer_is_replayed_as_it_was() {
    for (name, stream) in streams() {
        if name.contains("error") {
            continue;
        }
        let response = last_response(stream.as_bytes());
        let replayed = store::replay(&response, None);
        assert_eq!(last_response(&replayed), response, "{name}");
        let (events, expected) = (decode([&replayed[..]]), decode([stream.as_bytes()]));
        assert_eq!(blocks_of_stream(&events), blocks_of_stream(&expected), "{name}");
    }
}

#[test]
fn a_stream_passes_untouched_and_its_usage_is_read() {
    for (name, stream) in streams() {
        let mut relay = Relay::new(Box::new(Watch::default()));
        let mut out = Vec::new();
        for chunk in stream.as_bytes().chunks(100) {
            match relay.push(chunk).unwrap() {
                edgeway::dialect::relay::Pushed::AsIs => out.extend_from_slice(chunk),
                edgeway::dialect::relay::Pushed::Bytes(bytes) => out.extend(bytes),
                edgeway::dialect::relay::Pushed::Nothing => {}
            }
        }
        let (end, tail) = relay.finish();
        out.extend(tail);
        assert_eq!(String::from_utf8(out).unwrap().trim_end(), stream.trim_end(), "{name}");
        if name.contains("error") {
            assert_eq!(end, End::Failed, "{name}");
            assert!(!relay.seen().failure.as_ref().unwrap().is_after_content, "{name}");
            continue;
        }
        assert_eq!(end, End::Complete, "{name}");
        assert_usage(&name, &last_response(stream.as_bytes())["usage"], relay.seen().usage.unwrap().usage);
        assert!(relay.seen().has_content && !relay.seen().output.is_empty(), "{name}");
    }
}

#[test]
fn errors_have_a_message() {
    for interaction in recorded().filter(|interaction| interaction.status >= 400) {
        let error = edgeway::dialect::error::read_error(interaction.body.as_bytes());
        assert!(error.message.len() > 9, "{}: {error:?}", interaction.name);
    }
}

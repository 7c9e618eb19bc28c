//! The Gemini dialect against recorded traffic of the Gemini API and of Vertex.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests; clippy.toml reaches only #[test]"
)]

#[path = "support/fixtures.rs"]
mod fixtures;

use edgeway::conversation::{Block, Content, Delta, Event, Losses, Opening, Response, StopReason};
use edgeway::dialect::gemini::request::{self, Rewrite, peek, rewrite};
use edgeway::dialect::gemini::response;
use edgeway::dialect::gemini::stream::{Decoder, Encoder, Watch};
use edgeway::dialect::relay::{End, Pushed, Relay};
use edgeway::dialect::translate::{Decode, Encode, Reply, Target};
use edgeway::sse;
use fixtures::Interaction;
use serde_json::{Map, Value, json};

fn gemini() -> impl Iterator<Item = Interaction> {
    fixtures::interactions().into_iter().filter(|interaction| interaction.api == "gemini")
}

fn model(interaction: &Interaction) -> String {
    interaction.expected["model"].as_str().unwrap_or("gemini-2.5-flash").to_owned()
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap().to_owned();
    words.fold(first, |camel, word| {
        let (letter, rest) = word.split_at(1);
        camel + &letter.to_uppercase() + rest
    })
}

/// What means the same in a request, written in one way:
/// nulls, empty objects and lists are what is not there; one object stands for a list of it (`contents`, `parts`); a content
/// without a role is the user's, and a system instruction's role means nothing; field names are in camelCase; bytes are in the
/// standard alphabet of base64; `parameters` (types in capitals) is `parametersJsonSchema`; a level's case means nothing.
fn normal(value: Value, name: &str) -> Value {
    let listed = |value: Value| if value.is_array() { value } else { json!([value]) };
    match value {
        Value::Object(map) => {
            let is_users_own = ["args", "response", "properties"].contains(&name);
            let mut written = Map::new();
            for (key, value) in map {
                let mut key = if is_users_own { key } else { camel(&key) };
                let mut value = match key.as_str() {
                    "contents" | "parts" | "tools" if !is_users_own => listed(value),
                    _ => value,
                };
                if key == "parameters" || key == "responseSchema" {
                    lower_types(&mut value);
                    key = if key == "parameters" { "parametersJsonSchema" } else { "responseJsonSchema" }
                        .into();
                }
                let mut value = normal(value, &key);
                if key == "data" {
                    value = json!(value.as_str().unwrap().replace('-', "+").replace('_', "/"));
                }
                if key == "thinkingLevel" {
                    value = json!(value.as_str().unwrap().to_lowercase());
                }
                if key == "systemInstruction" {
                    value.as_object_mut().unwrap().remove("role");
                }
                let is_nothing = value.is_null() || value == json!({}) || value == json!([]);
                if !is_nothing || key == "args" || is_users_own || name == "tools" {
                    written.insert(key, value);
                }
            }
            if name == "contents" {
                written.entry("role").or_insert(json!("user"));
            }
            Value::Object(written)
        }
        Value::Array(items) => items.into_iter().map(|item| normal(item, name)).collect(),
        other => other,
    }
}

fn lower_types(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::String(kind)) = map.get_mut("type") {
                *kind = kind.to_lowercase();
            }
            map.values_mut().for_each(lower_types);
        }
        Value::Array(items) => items.iter_mut().for_each(lower_types),
        _ => {}
    }
}

/// What means the same in an answer: an index of 0 is none, `content` is the model's, parts that are not there are none,
/// times are in whole seconds.
fn normal_answer(value: &Value) -> Value {
    let mut value = value.clone();
    for candidate in value["candidates"].as_array_mut().into_iter().flatten() {
        let candidate = candidate.as_object_mut().unwrap();
        if candidate.get("index") == Some(&json!(0)) {
            candidate.remove("index");
        }
        let content = candidate.entry("content").or_insert(json!({}));
        content["role"] = json!("model");
    }
    if let Some(time) = value["createTime"].as_str() {
        value["createTime"] = json!(time.split(['.', 'Z']).next().unwrap());
    }
    normal(value, "")
}

#[test]
fn requests_come_back_as_they_were() {
    for interaction in gemini().filter(|interaction| !interaction.request.is_empty()) {
        let name = &interaction.name;
        let model = model(&interaction);
        let original: Value = serde_json::from_str(&interaction.request).unwrap();
        let decoded = request::decode(interaction.request.as_bytes(), &model, interaction.is_stream)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut losses = Losses::default();
        let target = Target { model: &model, ..Target::default() };
        let encoded = request::encode(decoded.clone(), &target, &mut losses);
        assert!(losses.is_empty(), "{name}: {losses:?}");
        let found: Value = serde_json::from_slice(&encoded).unwrap();
        assert_eq!(normal(found, ""), normal(original, ""), "{name}");
        let again = request::decode(&encoded, &model, interaction.is_stream).unwrap();
        assert_eq!(again, decoded, "{name}");
    }
}

#[test]
fn answers_come_back_as_they_were() {
    for interaction in gemini().filter(|interaction| !interaction.is_stream && interaction.status == 200) {
        let name = &interaction.name;
        let original: Value = serde_json::from_str(&interaction.body).unwrap();
        let decoded = response::decode(interaction.body.as_bytes()).unwrap();
        check_expected(&interaction, &decoded);
        let mut losses = Losses::default();
        let encoded = response::encode(decoded, &Reply::default(), &mut losses);
        assert!(losses.is_empty(), "{name}: {losses:?}");
        let found: Value = serde_json::from_slice(&encoded).unwrap();
        assert_eq!(normal_answer(&found), normal_answer(&original), "{name}");
    }
}

/// Against what the index, which others wrote, expects.
fn check_expected(interaction: &Interaction, response: &Response) {
    let (name, expected) = (&interaction.name, &interaction.expected);
    let Some(choice) = response.first() else { panic!("{name}: no answer") };
    let (mut text, mut calls) = (String::new(), Vec::new());
    for block in &choice.content {
        match &block.content {
            Content::Text(part) => text += &part.text,
            Content::ToolCall(call) => {
                calls.push((call.name.clone(), serde_json::from_str::<Value>(&call.arguments).unwrap()));
            }
            _ => {}
        }
    }
    assert_eq!(text, expected["text"].as_str().unwrap_or_default(), "{name}");
    let expected_calls: Vec<_> = expected["tool_calls"].as_array().unwrap().iter().map(call_of).collect();
    assert_eq!(calls, expected_calls, "{name}");
    let stop = match expected["finish"].as_str().unwrap() {
        "STOP" if !calls.is_empty() => StopReason::ToolUse,
        "STOP" => StopReason::End,
        "MAX_TOKENS" => StopReason::MaxTokens,
        "SAFETY" => StopReason::ContentFilter,
        other => panic!("{name}: {other}"),
    };
    assert_eq!(choice.stop, Some(stop), "{name}");
    let (usage, raw) = (response.usage.unwrap(), &expected["usage"]);
    let count = |field: &str| raw[field].as_u64().unwrap_or_default();
    assert_eq!(usage.total_input(), count("promptTokenCount"), "{name}");
    assert_eq!(usage.cached_input, count("cachedContentTokenCount"), "{name}");
    assert_eq!(usage.reasoning, count("thoughtsTokenCount"), "{name}");
    assert_eq!(usage.total_input() + usage.total_output(), count("totalTokenCount"), "{name}");
}

fn call_of(call: &Value) -> (String, Value) {
    let arguments = call.get("args").or(call.get("arguments")).unwrap();
    let arguments = arguments.as_str().map_or(arguments.clone(), |text| serde_json::from_str(text).unwrap());
    (call["name"].as_str().unwrap().to_owned(), arguments)
}

fn streams() -> impl Iterator<Item = Interaction> {
    gemini().filter(|interaction| interaction.is_stream)
}

fn decoded<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Event> {
    let (mut frames, mut decoder, mut events) = (sse::Decoder::default(), Decoder::default(), Vec::new());
    for chunk in chunks {
        frames.push(chunk).unwrap();
        while let Some(event) = frames.next_event() {
            decoder.event(&event, &mut |event| events.push(event));
        }
    }
    if let Some(event) = frames.finish() {
        decoder.event(&event, &mut |event| events.push(event));
    }
    decoder.finish(&mut |event| events.push(event));
    events
}

/// The answer that a stream tells.
fn collected(events: &[Event]) -> Response {
    let mut response = Response { choices: vec![Default::default()], ..Response::default() };
    let mut blocks: Vec<Block> = Vec::new();
    for event in events {
        match event {
            Event::Start { id, model } => (response.id, response.model) = (id.clone(), model.clone()),
            Event::Open { opening, .. } => blocks.push(opened(opening)),
            Event::Delta { block, delta } => extend(&mut blocks[*block], delta),
            Event::Usage(usage) => response.usage = Some(*usage),
            Event::Stop { reason, .. } => response.choices[0].stop = Some(reason.clone()),
            _ => {}
        }
    }
    response.choices[0].content = blocks;
    response
}

fn opened(opening: &Opening) -> Block {
    match opening {
        Opening::Text => Block::text(""),
        Opening::Thinking { .. } => Block::new(Content::Thinking(Default::default())),
        Opening::ToolCall { id, name, signature, .. } => {
            let call =
                edgeway::conversation::ToolCall { id: id.clone(), name: name.clone(), ..Default::default() };
            Block { signature: signature.clone(), ..Block::new(Content::ToolCall(call)) }
        }
        other => panic!("{other:?}"),
    }
}

fn extend(block: &mut Block, delta: &Delta) {
    match (&mut block.content, delta) {
        (Content::Text(text), Delta::Text(more)) => text.text += more,
        (Content::Text(text), Delta::Citation(citation)) => text.citations.push(citation.clone()),
        (Content::Thinking(thinking), Delta::Text(more)) => {
            let text = thinking.thought.joined() + more;
            thinking.thought.texts = vec![text];
        }
        (Content::Thinking(thinking), Delta::Signature(state)) => thinking.signature = Some(state.clone()),
        (Content::ToolCall(call), Delta::Arguments(more)) => call.arguments += more,
        (_, Delta::Signature(state)) => block.signature = Some(state.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn streams_say_what_the_index_expects() {
    for interaction in streams() {
        let events = decoded([interaction.body.as_bytes()]);
        assert_eq!(events.last(), Some(&Event::End), "{}", interaction.name);
        check_expected(&interaction, &collected(&events));
    }
}

/// A stream's pieces put together into one answer, part behind part, is decoded into the same, but for texts that a stream
/// cuts into pieces.
#[test]
fn a_stream_is_the_answer_in_pieces() {
    for interaction in streams() {
        let events = decoded([interaction.body.as_bytes()]);
        let (mut whole, mut parts) = (json!({}), Vec::<Value>::new());
        let mut frames = sse::Decoder::default();
        frames.push(interaction.body.as_bytes()).unwrap();
        while let Some(event) = frames.next_event() {
            let mut piece: Value = serde_json::from_slice(&event.data).unwrap();
            for mut part in
                piece["candidates"][0]["content"]["parts"].take().as_array().cloned().unwrap_or_default()
            {
                let is_same = |last: &Value| {
                    last["text"].is_string() && part["text"].is_string() && last["thought"] == part["thought"]
                };
                match parts.last_mut().filter(|last| is_same(last)) {
                    Some(last) => {
                        last["text"] =
                            json!(last["text"].as_str().unwrap().to_owned() + part["text"].as_str().unwrap());
                        if !part["thoughtSignature"].is_null() {
                            last["thoughtSignature"] = part["thoughtSignature"].take();
                        }
                    }
                    None if part == json!({"text": ""}) => {}
                    None => parts.push(part),
                }
            }
            whole = piece;
        }
        whole["candidates"][0]["content"] = json!({"parts": parts, "role": "model"});
        let whole = response::decode(whole.to_string().as_bytes()).unwrap();
        let pieces = collected(&events);
        assert_eq!(pieces.choices[0].content, whole.choices[0].content, "{}", interaction.name);
        assert_eq!((pieces.usage, pieces.id), (whole.usage, whole.id), "{}", interaction.name);
    }
}

#[test]
fn no_cut_of_a_stream_changes_anything() {
    for interaction in streams() {
        let bytes = interaction.body.as_bytes();
        let whole = decoded([bytes]);
        for size in [1, 7, 64, 1000] {
            assert_eq!(decoded(bytes.chunks(size)), whole, "{} every {size}", interaction.name);
        }
        for (at, _) in interaction.body.match_indices('\n') {
            for at in [at, at + 1] {
                assert_eq!(decoded([&bytes[..at], &bytes[at..]]), whole, "{} at {at}", interaction.name);
            }
        }
    }
}

fn encoded(events: &[Event], is_array: bool) -> Vec<u8> {
    let mut encoder = Encoder::new(Reply { is_array, ..Reply::default() });
    let mut out = Vec::new();
    events.iter().for_each(|event| encoder.event(event.clone(), &mut out));
    out
}

/// Usage is told at the end, once.
fn without_early_usage(events: &[Event]) -> Vec<Event> {
    let last = events.iter().rposition(|event| matches!(event, Event::Usage(_)));
    let is_kept = |at: usize, event: &Event| !matches!(event, Event::Usage(_)) || Some(at) == last;
    let kept = events.iter().enumerate().filter(|(at, event)| is_kept(*at, event));
    kept.map(|(_, event)| event.clone()).collect()
}

#[test]
fn a_stream_that_is_written_again_says_the_same() {
    for interaction in streams() {
        let events = decoded([interaction.body.as_bytes()]);
        let again = decoded([&encoded(&events, false)[..]]);
        let order = |events: &[Event]| {
            let mut events = without_early_usage(events);
            events.sort_by_key(|event| matches!(event, Event::Usage(_)));
            events
        };
        assert_eq!(order(&again), order(&events), "{}", interaction.name);
        let array: Vec<Value> = serde_json::from_slice(&encoded(&events, true)).unwrap();
        let as_events: String = array.iter().map(|piece| format!("data: {piece}\r\n\r\n")).collect();
        assert_eq!(decoded([as_events.as_bytes()]), again, "{}", interaction.name);
    }
}

fn watched<'a>(is_array: bool, chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, End, Relay) {
    let mut relay = Relay::new(Box::new(Watch::new(is_array)));
    let mut out = Vec::new();
    for chunk in chunks {
        match relay.push(chunk).unwrap() {
            Pushed::AsIs => out.extend_from_slice(chunk),
            Pushed::Bytes(bytes) => out.extend(bytes),
            Pushed::Nothing => {}
        }
    }
    let (end, tail) = relay.finish();
    out.extend(tail);
    (out, end, relay)
}

#[test]
fn a_stream_passes_untouched_and_its_usage_is_read() {
    for interaction in streams() {
        let name = &interaction.name;
        let bytes = interaction.body.as_bytes();
        let response = collected(&decoded([bytes]));
        for size in [1, 100, usize::MAX] {
            let (out, end, relay) = watched(false, bytes.chunks(size));
            assert!(out == bytes, "{name}");
            assert_eq!(end, End::Complete, "{name}");
            let seen = relay.seen();
            assert_eq!(seen.usage.map(|reported| reported.usage), response.usage, "{name}");
            assert!(seen.has_content && !seen.output.is_empty() && seen.failure.is_none(), "{name}");
        }
        let (array, ..) = watched(true, bytes.chunks(50));
        let array: Vec<Value> = serde_json::from_slice(&array).unwrap();
        assert_eq!(array.len(), interaction.body.matches("data: ").count(), "{name}");
    }
}

#[test]
fn whole_answers_are_read_in_passing() {
    for interaction in gemini().filter(|interaction| !interaction.is_stream) {
        let name = &interaction.name;
        let answer = response::read(interaction.body.as_bytes()).unwrap();
        if interaction.status != 200 {
            assert!(answer.error.is_some_and(|error| error.status.is_some()), "{name}");
            continue;
        }
        assert_eq!(answer.error, None, "{name}");
        let decoded = response::decode(interaction.body.as_bytes()).unwrap();
        assert_eq!(answer.usage.map(|reported| reported.usage), decoded.usage, "{name}");
    }
}

#[test]
fn requests_are_read_and_rewritten_like_their_tree() {
    for interaction in gemini().filter(|interaction| !interaction.request.is_empty()) {
        let name = &interaction.name;
        let body = interaction.request.as_bytes();
        let seen = peek(body, "m", true).unwrap_or_else(|error| panic!("{name}: {error}"));
        let tree: Value = serde_json::from_slice(body).unwrap();
        let config = &tree["generationConfig"];
        assert_eq!(seen.asked.max_tokens, config["maxOutputTokens"].as_u64(), "{name}");
        assert_eq!(seen.asked.has_tools, tree["tools"].is_array(), "{name}");
        assert_eq!(seen.asked.has_images, interaction.request.contains("image/"), "{name}");
        assert!(seen.asked.input_tokens > 4, "{name}");
        let out =
            rewrite(body, &seen, &Rewrite { system_prompt: Some("Be \"brief\"."), ..Rewrite::default() });
        let before = request::decode(body, "m", true).unwrap();
        let mut after = request::decode(&out, "m", true).unwrap();
        assert_eq!(after.instructions.remove(0), Block::text("Be \"brief\"."), "{name}");
        assert_eq!(after, before, "{name}");
    }
}

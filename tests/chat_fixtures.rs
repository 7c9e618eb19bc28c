//! The chat dialect against recorded traffic of every provider that speaks it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests; clippy.toml reaches only #[test]"
)]

#[path = "support/fixtures.rs"]
mod fixtures;

use edgeway::dialect::chat::request::{Rewrite, peek, rewrite};
use edgeway::dialect::chat::response::{read, reported};
use edgeway::dialect::chat::stream::Watch;
use edgeway::dialect::error::read_error;
use edgeway::dialect::relay::{End, Pushed, Relay};
use edgeway::json::Raw;
use edgeway::sse::Decoder;
use edgeway::usage::Reported;
use fixtures::Interaction;
use serde_json::{Value, json};

fn chat() -> impl Iterator<Item = Interaction> {
    fixtures::interactions().into_iter().filter(|interaction| interaction.api == "chat")
}

fn streams() -> impl Iterator<Item = Interaction> {
    chat().filter(|interaction| interaction.is_stream)
}

fn relay<'a>(hide_usage: bool, chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Relay, End) {
    let mut relay = Relay::new(Box::new(Watch::new(hide_usage)));
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
    (out, relay, end)
}

fn events(stream: &[u8]) -> Vec<Value> {
    let mut decoder = Decoder::default();
    decoder.push(stream).unwrap();
    std::iter::from_fn(|| decoder.next_event().map(|event| event.data.into_owned()))
        .filter(|data| data != b"[DONE]")
        .map(|data| serde_json::from_slice(&data).unwrap())
        .collect()
}

fn text(events: &[Value]) -> String {
    let texts = events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str());
    texts.collect()
}

/// The raw usage of the index, in buckets.
fn expected_usage(interaction: &Interaction) -> Option<Reported> {
    let usage = interaction.expected["usage"].to_string();
    reported(Raw { bytes: usage.as_bytes(), start: 0 })
}

/// Buckets against the provider's own totals, read independently of the code under test.
fn assert_buckets(interaction: &Interaction, seen: Option<Reported>) {
    let name = &interaction.name;
    let raw = &interaction.expected["usage"];
    assert_eq!(seen, expected_usage(interaction), "{name}");
    let usage = seen.unwrap_or_else(|| panic!("{name}: no usage")).usage;
    let count = |path: &str| raw.pointer(path).and_then(Value::as_u64).unwrap_or_default();
    let on_top = count("/precached_prompt_tokens");
    assert_eq!(usage.total_input() - on_top, count("/prompt_tokens"), "{name}");
    assert_eq!(usage.total_input() + usage.total_output() - on_top, count("/total_tokens"), "{name}");
    assert_eq!(usage.cached_input - on_top, count("/prompt_tokens_details/cached_tokens"), "{name}");
}

#[test]
fn a_stream_passes_untouched_and_its_usage_is_read() {
    for interaction in streams() {
        let name = &interaction.name;
        let (out, relay, end) = relay(false, [interaction.body.as_bytes()]);
        // Where the upstream leaves the end mark out, it is added.
        let mark: &[u8] =
            if end == End::Complete && !relay.seen().is_done { b"data: [DONE]\n\n" } else { b"" };
        assert_eq!(out, [interaction.body.as_bytes(), mark].concat(), "{name}");
        assert_buckets(&interaction, relay.seen().usage);
        assert!(relay.seen().has_content, "{name}");
        if interaction.expected["error"].is_null() {
            let is_done = interaction.body.contains("[DONE]");
            assert_eq!((end, relay.seen().is_done), (End::Complete, is_done), "{name}");
        } else {
            assert_eq!(end, End::Failed, "{name}");
            let failure = relay.seen().failure.as_ref().unwrap();
            assert!(failure.is_after_content && !failure.error.message.is_empty(), "{name}: {failure:?}");
        }
    }
}

#[test]
fn no_cut_of_a_stream_changes_anything() {
    for interaction in streams() {
        let bytes = interaction.body.as_bytes();
        for hide_usage in [false, true] {
            let whole = relay(hide_usage, [bytes]);
            let check = |chunks: &mut dyn Iterator<Item = &[u8]>, cut: &str| {
                let seen = relay(hide_usage, chunks);
                assert!(seen.0 == whole.0, "{} {cut}", interaction.name);
                assert_eq!(
                    (seen.1.seen().usage, seen.2),
                    (whole.1.seen().usage, whole.2),
                    "{} {cut}",
                    interaction.name
                );
                assert_eq!(seen.1.seen().output, whole.1.seen().output, "{} {cut}", interaction.name);
            };
            for size in [1, 2, 3, 7, 64, 1000] {
                check(&mut bytes.chunks(size), &format!("every {size}"));
            }
            // Every point of a short stream; of a long one those around the ends of its lines.
            let is_near_end_of_line =
                |at: &usize| bytes[at.saturating_sub(2)..bytes.len().min(at + 2)].contains(&b'\n');
            for at in (0..=bytes.len()).filter(|at| bytes.len() < 3000 || is_near_end_of_line(at)) {
                check(&mut [&bytes[..at], &bytes[at..]].into_iter(), &format!("at {at}"));
            }
        }
    }
}

#[test]
fn hidden_usage_takes_nothing_else_along() {
    for interaction in streams() {
        let name = &interaction.name;
        let (out, ..) = relay(true, [interaction.body.as_bytes()]);
        let mut expected = events(interaction.body.as_bytes());
        let has_choices =
            |event: &Value| event["choices"].as_array().is_some_and(|choices| !choices.is_empty());
        expected.retain(|event| has_choices(event) || event["usage"].is_null());
        for event in &mut expected {
            if event["usage"].is_null() {
                event.as_object_mut().unwrap().remove("usage");
            }
        }
        assert_eq!(events(&out), expected, "{name}");
        assert_eq!(text(&expected), interaction.expected["text"].as_str().unwrap_or_default(), "{name}");
    }
}

#[test]
fn usage_of_whole_answers_is_read() {
    for interaction in chat().filter(|interaction| !interaction.is_stream && interaction.status == 200) {
        let answer = read(interaction.body.as_bytes()).unwrap();
        assert_eq!(answer.error, None, "{}", interaction.name);
        assert!(!answer.output.is_empty(), "{}", interaction.name);
        assert_buckets(&interaction, answer.usage);
    }
}

#[test]
fn errors_of_every_provider_have_a_message() {
    for interaction in fixtures::interactions().iter().filter(|interaction| interaction.status >= 400) {
        let error = read_error(interaction.body.as_bytes());
        assert!(error.message.len() > 9 && !error.message.contains('{'), "{}: {error:?}", interaction.name);
    }
}

#[test]
fn requests_are_read_and_rewritten_like_their_tree() {
    for interaction in
        chat().filter(|interaction| interaction.status == 200 && !interaction.request.is_empty())
    {
        let name = &interaction.name;
        let body = interaction.request.as_bytes();
        let mut tree: Value = serde_json::from_slice(body).unwrap();
        let seen = peek(body).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(seen.asked.model.as_deref(), tree["model"].as_str(), "{name}");
        assert_eq!(seen.asked.stream, interaction.is_stream, "{name}");
        assert_eq!(seen.asked.has_tools, tree["tools"].is_array() || tree["functions"].is_array(), "{name}");
        assert_eq!(seen.asked.has_images, interaction.request.contains("image_url"), "{name}");
        let wanted =
            Rewrite { model: Some("other"), include_usage: true, system_prompt: Some("Be \"brief\".") };
        let out = rewrite(body, &seen, &wanted);
        tree["model"] = json!("other");
        if seen.asked.stream {
            if tree["stream_options"].is_null() {
                tree["stream_options"] = json!({});
            }
            tree["stream_options"]["include_usage"] = json!(true);
        }
        let prompt = json!({"role": "system", "content": "Be \"brief\"."});
        tree["messages"].as_array_mut().unwrap().insert(0, prompt);
        assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), tree, "{name}");
    }
}

/// Only where the text is all that was paid for: hidden reasoning and the syntax of tool calls count, unseen.
#[test]
fn estimates_are_about_what_providers_count() {
    let (mut counted, mut estimated) = (0, 0);
    for interaction in chat().filter(|interaction| interaction.status == 200) {
        let expected = &interaction.expected;
        let usage = expected_usage(&interaction).unwrap().usage;
        let is_text_only = expected["tool_calls"].as_array().is_none_or(Vec::is_empty)
            && expected["reasoning_chars"] == json!(0)
            && expected["finish"] != json!("function_call");
        if !is_text_only || usage.reasoning > 0 || usage.output < 20 {
            continue;
        }
        let tokens = if interaction.is_stream {
            relay(false, [interaction.body.as_bytes()]).1.seen().output.tokens()
        } else {
            read(interaction.body.as_bytes()).unwrap().output.tokens()
        };
        println!("{}: {tokens} for {}", interaction.name, usage.output);
        counted += usage.output;
        estimated += tokens;
    }
    assert!(estimated * 10 >= counted * 7 && estimated * 10 <= counted * 13, "{estimated} for {counted}");
}

//! Any interleaving of parts is one well-formed answer.

use super::*;
use crate::conversation::{Delta, Event, Opening, StopReason};
use crate::dialect::relay::{self, Relay};
use crate::dialect::translate::{Decode, Encode, Reply};
use crate::dialect::{chat, completions, gemini};
use crate::sse::Decoder;
use crate::usage::Usage;
use proptest::prelude::*;

const CLIENTS: [Endpoint; 3] = [Endpoint::ChatCompletions, Endpoint::Completions, Endpoint::GenerateContent];

fn reply(part: usize) -> Reply {
    Reply { id: format!("call-{part}"), model: "m".into(), include_usage: true, ..Reply::default() }
}

/// A part's stream, a piece for each of its texts and one for its end.
fn pieces(client: Endpoint, part: usize, texts: &[String]) -> Vec<Vec<u8>> {
    let mut encoder: Box<dyn Encode> = match client {
        Endpoint::GenerateContent => Box::new(gemini::stream::Encoder::new(reply(part))),
        Endpoint::Completions => Box::new(completions::stream::Encoder::new(reply(part))),
        _ => Box::new(chat::stream::Encoder::new(reply(part))),
    };
    let mut pieces = vec![Vec::new()];
    let open = Event::Open { block: 0, choice: 0, opening: Opening::Text };
    for event in [Event::Start { id: format!("id-{part}"), model: "m".into() }, open] {
        encoder.event(event, &mut pieces[0]);
    }
    for text in texts {
        let mut piece = Vec::new();
        encoder.event(Event::Delta { block: 0, delta: Delta::Text(text.clone()) }, &mut piece);
        pieces.push(piece);
    }
    let mut last = Vec::new();
    let usage = Usage { input: 10, output: part as u64 + 1, ..Usage::default() };
    for event in [
        Event::Close { block: 0 },
        Event::Stop { choice: 0, reason: StopReason::End },
        Event::Usage(usage),
        Event::End,
    ] {
        encoder.event(event, &mut last);
    }
    pieces.push(last);
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// One stream of these pieces: of each part in their order, and else as `picks` have it.
fn merged(client: Endpoint, parts: Vec<Vec<Vec<u8>>>, picks: &[usize]) -> (End, Vec<u8>) {
    let watch = Exchange::same(client, false, false).watch();
    let mut relay = Relay::new(Box::new(Merge::new(client, watch, parts.len())));
    let mut out = Vec::new();
    let mut parts: Vec<_> = parts.into_iter().map(Vec::into_iter).collect();
    let mut picks = picks.iter().cycle();
    while parts.iter().any(|part| part.len() > 0) {
        let pick =
            (*picks.next().unwrap()..).map(|pick| pick % parts.len()).find(|pick| parts[*pick].len() > 0);
        let piece = [mark(pick.unwrap()).into_bytes(), parts[pick.unwrap()].next().unwrap()].concat();
        if let relay::Pushed::Bytes(bytes) = relay.push(&piece).unwrap() {
            out.extend(bytes);
        }
    }
    let (end, tail) = relay.finish();
    (end, [out, tail].concat())
}

fn events(stream: &[u8]) -> Vec<Value> {
    let mut decoder = Decoder::default();
    decoder.push(stream).unwrap();
    let mut events = Vec::new();
    while let Some(event) = decoder.next_event() {
        events.push(serde_json::from_slice(&event.data).unwrap_or_else(|_| json!("[DONE]")));
    }
    events
}

proptest! {
    #[test]
    fn any_interleaving_of_parts_is_one_stream_of_as_many_answers(
        texts in prop::collection::vec(prop::collection::vec("[a-z]{1,4}", 1..5), 1..7),
        picks in prop::collection::vec(0..7_usize, 1..40),
    ) {
        for client in CLIENTS {
            let parts = texts.iter().enumerate().map(|(part, texts)| pieces(client, part, texts)).collect();
            let (end, stream) = merged(client, parts, &picks);
            prop_assert_eq!(end, End::Complete);
            let words = Words::of(client);
            let mut said = vec![String::new(); texts.len()];
            let mut ended = vec![0; texts.len()];
            let mut events = events(&stream);
            if client != Endpoint::GenerateContent {
                prop_assert_eq!(events.pop(), Some(json!("[DONE]")));
            }
            for event in &mut events {
                let event = event.as_object_mut().unwrap();
                for answer in words.answers(event).into_iter().flatten() {
                    let index = usize::try_from(answer["index"].as_u64().unwrap()).unwrap();
                    let text = [&answer["delta"]["content"], &answer["text"], &answer["content"]["parts"][0]["text"]];
                    prop_assert_eq!(ended[index], 0, "nothing follows its end");
                    said[index].extend(text.iter().filter_map(|text| text.as_str()));
                    ended[index] += usize::from(!answer[words.reason].is_null());
                }
            }
            prop_assert_eq!(&said, &texts.iter().map(|texts| texts.concat()).collect::<Vec<_>>());
            prop_assert!(ended.iter().all(|ended| *ended == 1));
            for name in words.whole.iter().filter(|name| **name != "created") {
                let first = &events[0][name];
                prop_assert!(events.iter().all(|event| event[name] == *first), "{}", name);
            }
            let output: u64 = (1..=texts.len() as u64).sum();
            let usage = &events.last().unwrap()[words.usage];
            let counts = match client {
                Endpoint::GenerateContent => [&usage["promptTokenCount"], &usage["candidatesTokenCount"]],
                _ => [&usage["prompt_tokens"], &usage["completion_tokens"]],
            };
            prop_assert_eq!(counts, [&json!(10 * texts.len()), &json!(output)]);
            if client != Endpoint::GenerateContent {
                let told = events.iter().filter(|event| !event["usage"].is_null()).count();
                prop_assert_eq!(told, 1, "the total, once");
            }
        }
    }

    #[test]
    fn a_part_that_breaks_off_is_never_a_clean_end(cut in 1..4_usize, picks in prop::collection::vec(0..3_usize, 1..9)) {
        for client in CLIENTS {
            let texts = ["one".to_owned(), "two".to_owned()];
            let whole = pieces(client, 0, &texts);
            let mut broken = pieces(client, 1, &texts);
            broken.truncate(cut.min(broken.len() - 1));
            let (end, stream) = merged(client, vec![whole.clone(), broken.clone()], &picks);
            prop_assert_eq!(end, End::CutShort, "{:?}", client);
            prop_assert!(!stream.ends_with(DONE));

            let error = StreamError { status: Some(529), message: "overloaded".into(), ..StreamError::default() };
            broken.push(error_event(client, &error));
            let (end, stream) = merged(client, vec![whole, broken], &picks);
            prop_assert_eq!(end, End::Failed, "{:?}", client);
            prop_assert!(String::from_utf8(stream).unwrap().contains("overloaded"));
        }
    }
}

#[test]
fn whole_answers_are_numbered_and_what_they_used_is_added_up() {
    let chat = |text: &str, cost: f64| {
        json!({ "id": text, "object": "chat.completion", "choices": [{ "index": 0, "message": { "content": text }, "finish_reason": "stop" }],
            "usage": { "prompt_tokens": 3, "prompt_tokens_details": { "cached_tokens": 1 }, "cost": cost } })
        .to_string()
        .into_bytes()
    };
    let found = whole(Endpoint::ChatCompletions, &[chat("a", 0.5), chat("b", 0.25)]).unwrap();
    let found: Value = serde_json::from_slice(&found).unwrap();
    assert_eq!(found["id"], "a");
    assert_eq!(found["choices"][1]["message"]["content"], "b");
    assert_eq!([&found["choices"][0]["index"], &found["choices"][1]["index"]], [&json!(0), &json!(1)]);
    let usage = json!({ "prompt_tokens": 6, "prompt_tokens_details": { "cached_tokens": 2 }, "cost": 0.75 });
    assert_eq!(found["usage"], usage);

    let gemini = |details: Value| {
        json!({ "candidates": [{ "content": { "parts": [] } }], "usageMetadata": { "promptTokenCount": 2, "promptTokensDetails": details } })
            .to_string()
            .into_bytes()
    };
    let of = |modality: &str, count: u64| json!({ "modality": modality, "tokenCount": count });
    let parts = [gemini(json!([of("TEXT", 2)])), gemini(json!([of("IMAGE", 5), of("TEXT", 1)]))];
    let found: Value = serde_json::from_slice(&whole(Endpoint::GenerateContent, &parts).unwrap()).unwrap();
    assert_eq!(found["candidates"][1]["index"], 1);
    let details = json!([of("TEXT", 3), of("IMAGE", 5)]);
    assert_eq!(found["usageMetadata"], json!({ "promptTokenCount": 4, "promptTokensDetails": details }));
    assert!(whole(Endpoint::ChatCompletions, &[b"<html>".to_vec()]).is_err());
}

#[test]
fn the_merged_stream_reads_as_several_choices() {
    let parts = vec![
        pieces(Endpoint::ChatCompletions, 0, &["a".to_owned()]),
        pieces(Endpoint::ChatCompletions, 1, &["b".to_owned()]),
    ];
    let (_, stream) = merged(Endpoint::ChatCompletions, parts, &[0, 1]);
    let mut stops = Vec::new();
    let (mut decoder, mut frames) = (chat::stream::Decoder::default(), Decoder::default());
    frames.push(&stream).unwrap();
    while let Some(event) = frames.next_event() {
        decoder.event(&event, &mut |event| {
            if let Event::Stop { choice, .. } = event {
                stops.push(choice);
            }
        });
    }
    stops.sort_unstable();
    assert_eq!(stops, [0, 1]);
}

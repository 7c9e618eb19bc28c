//! What holds of every request, generated.

use super::tests::sent;
use super::{Rewrite, decode, peek, rewrite};
use crate::conversation::Dialect;
use proptest::prelude::*;
use serde_json::{Value, json};

/// No `e`: a name that begins as changed names do (`ew_`) is changed once more, so that it comes back as it was.
const NAME: &str = "[a-df-z_]{1,8}";

fn part() -> impl Strategy<Value = Value> {
    let args = prop_oneof![Just(json!({})), Just(json!({"a_b": [1, 2.5, null], "é": {"x": "y"}}))];
    let part = prop_oneof![
        ".{0,20}".prop_map(|text| json!({"text": text})),
        ".{0,20}".prop_map(|text| json!({"text": text, "thought": true})),
        (NAME, args.clone(), prop::option::of("[a-z0-9]{1,9}")).prop_map(|(name, args, id)| match id {
            Some(id) => json!({"functionCall": {"id": id, "name": name, "args": args}}),
            None => json!({"functionCall": {"name": name, "args": args}}),
        }),
        (NAME, args).prop_map(|(name, args)| json!({"functionResponse": {"name": name, "response": args}})),
        prop::sample::select(vec!["image/png", "audio/wav", "video/mp4", "application/pdf"]).prop_map(
            |kind| json!({"inlineData": {"mimeType": kind, "data": "AAAA"}, "videoMetadata": {"fps": 2}})
        ),
        Just(json!({"fileData": {"fileUri": "https://a.test/x.pdf", "mimeType": "application/pdf"}})),
        Just(json!({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}})),
    ];
    (part, prop::option::of("[A-Za-z0-9]{4}")).prop_map(|(mut part, signature)| {
        if let Some(signature) = signature {
            part["thoughtSignature"] = json!(signature);
        }
        part
    })
}

fn body() -> impl Strategy<Value = Value> {
    let content = (prop::bool::ANY, prop::collection::vec(part(), 1..4)).prop_map(
        |(is_model, parts)| json!({"role": if is_model { "model" } else { "user" }, "parts": parts}),
    );
    let config = prop::sample::select(vec![
        json!({"temperature": 0.7, "topP": 0.1, "candidateCount": 1}),
        json!({"responseMimeType": "application/json", "responseJsonSchema": {"type": "object", "properties": {"a_b": {"const": 1}}}}),
        json!({"thinkingConfig": {"includeThoughts": false, "thinkingBudget": -1}, "seed": 1, "speechConfig": {"x": 1}}),
        json!({"responseLogprobs": false, "logprobs": 0, "stopSequences": ["1", "2", "3", "4", "5", "6"]}),
    ]);
    let choice = prop::sample::select(vec![
        json!({"mode": "AUTO"}),
        json!({"mode": "ANY"}),
        json!({"mode": "NONE"}),
        json!({"mode": "VALIDATED", "allowedFunctionNames": ["a", "b"]}),
        json!({"mode": "SOMETHING_NEW"}),
    ]);
    let contents = prop::collection::vec(content, 1..6);
    (contents, config, choice, prop::option::of(part())).prop_map(|(contents, config, choice, system)| {
        let mut body = json!({
            "contents": contents, "generationConfig": config,
            "toolConfig": {"functionCallingConfig": choice},
            "tools": [{"functionDeclarations": [{"name": "f", "behavior": "BLOCKING"}]}, {"googleSearch": {}}],
            "serviceTier": "flex", "store": false,
        });
        if let Some(system) = system {
            body["systemInstruction"] = json!({"parts": [system]});
        }
        body
    })
}

/// Whether the model's contents in it are no chunks of a stream, which would be put together.
fn is_whole(body: &Value) -> bool {
    let contents = body["contents"].as_array().unwrap();
    let is_model = |content: &Value| content["role"] == "model";
    let kind = |part: &Value| part.get("text").map(|_| part.get("thought").is_some());
    let is_cut = |parts: &Vec<Value>| {
        parts.windows(2).any(|pair| kind(&pair[0]).is_some() && kind(&pair[0]) == kind(&pair[1]))
    };
    !contents.windows(2).any(|pair| is_model(&pair[0]) && is_model(&pair[1]))
        && !contents.iter().filter(|it| is_model(it)).any(|it| is_cut(it["parts"].as_array().unwrap()))
}

proptest! {
    /// For a model before Gemini 3, which needs no signatures, what is decoded and encoded is what was there.
    #[test]
    fn every_request_comes_back(body in body().prop_filter("chunks", is_whole)) {
        let request = decode(body.to_string().as_bytes(), "m", true).unwrap();
        let (mut encoded, losses) = sent(request.clone(), "gemini-2.5-flash");
        prop_assert!(losses.is_empty(), "{:?}", losses);
        for part in encoded["contents"].as_array_mut().unwrap().iter_mut().flat_map(|content| content["parts"].as_array_mut().unwrap()) {
            // A result without an id gets that of its call, where the call has one.
            if let Some(result) = part.get_mut("functionResponse") {
                result.as_object_mut().unwrap().remove("id");
            }
        }
        prop_assert_eq!(&encoded, &body);
        prop_assert_eq!(decode(encoded.to_string().as_bytes(), "m", true).unwrap(), request);
    }

    /// Whoever it came from, Gemini gets turns that alternate, each call answered by the next turn, in order.
    #[test]
    fn a_translated_conversation_is_one_that_gemini_takes(body in body(), dialect in 0..3_usize) {
        let mut request = decode(body.to_string().as_bytes(), "m", false).unwrap();
        request.dialect = Dialect::ALL[dialect];
        let (encoded, _) = sent(request, "gemini-3-pro");
        let contents = encoded["contents"].as_array().unwrap();
        // Of blocks that only their provider knows nothing is left.
        prop_assume!(!contents.is_empty());
        prop_assert_eq!(&contents[0]["role"], "user");
        let names = |content: &Value, kind: &str| -> Vec<Value> {
            let parts = content["parts"].as_array().unwrap().iter();
            parts.filter_map(|part| part.get(kind).map(|of| of["name"].clone())).collect()
        };
        for (at, content) in contents.iter().enumerate() {
            prop_assert!(!content["parts"].as_array().unwrap().is_empty());
            if let Some(next) = contents.get(at + 1) {
                prop_assert_ne!(&content["role"], &next["role"]);
                if content["role"] == "model" {
                    prop_assert_eq!(names(content, "functionCall"), names(next, "functionResponse"));
                }
            }
            let mut parts = content["parts"].as_array().unwrap().iter();
            let first = parts.find(|part| part.get("functionCall").is_some());
            prop_assert!(first.is_none_or(|part| part["thoughtSignature"].is_string()));
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0..400_usize, body in body()) {
        let _ = (decode(&bytes, "m", false), peek(&bytes, "m", false));
        let text = body.to_string();
        let cut = text.as_bytes().get(..cut).unwrap_or_default();
        let _ = (decode(cut, "m", false), peek(cut, "m", false));
        if let Ok(seen) = peek(text.as_bytes(), "m", false) {
            let out = rewrite(text.as_bytes(), &seen, &Rewrite { model: Some("x"), system_prompt: Some("y") });
            prop_assert!(peek(&out, "m", false).is_ok());
        }
    }
}

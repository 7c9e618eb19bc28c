//! Answers of other dialects for a chat client, and answers that came back.

use super::encode;
use crate::conversation::{
    Block, Choice, Citation, Content, Dialect, Losses, Opaque, Response, StopReason, Text, Thinking, Thought,
    ToolCall,
};
use crate::dialect::chat::response::decode;
use crate::dialect::translate::Reply;
use crate::usage::Usage;
use proptest::prelude::*;
use serde_json::{Value, json};

fn encoded(content: Vec<Block>, stop: StopReason, reply: &Reply) -> Value {
    let response = Response {
        dialect: Dialect::Messages,
        choices: vec![Choice { content, stop: Some(stop), ..Choice::default() }],
        usage: Some(Usage { input: 1, cache_write: 2, output: 3, ..Usage::default() }),
        ..Response::default()
    };
    serde_json::from_slice(&encode(response, reply, &mut Losses::default())).unwrap()
}

fn call(name: &str, arguments: &str) -> Block {
    let (id, name, arguments) = ("toolu_1".into(), name.into(), arguments.into());
    Block::new(Content::ToolCall(ToolCall { id, name, arguments, is_custom: false }))
}

#[test]
fn every_member_that_an_sdk_expects_is_there() {
    let reply = Reply { id: "1".into(), created: 7, model: "m".into(), ..Reply::default() };
    let found = encoded(vec![Block::text("hi")], StopReason::End, &reply);
    let expected = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 7, "model": "m",
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": "hi", "refusal": null }, "logprobs": null, "finish_reason": "stop" }],
        "usage": {
            "prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6,
            "prompt_tokens_details": { "cached_tokens": 0, "audio_tokens": 0, "cache_write_tokens": 2 },
            "completion_tokens_details": { "reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0 },
        },
    });
    assert_eq!(found, expected);
}

#[test]
fn blocks_of_other_dialects_find_their_members() {
    let state = Opaque::new(Dialect::Messages, "sig");
    let thinking =
        Thinking { thought: Thought::text("hm"), signature: Some(state.clone()), ..Thinking::default() };
    let cited = Citation { url: Some("u".into()), title: Some("t".into()), ..Citation::default() };
    let content = vec![
        Block::new(Content::Thinking(thinking.clone())),
        Block::text("Look:"),
        Block::new(Content::Native(json!({}))),
        Block::new(Content::Text(Text { text: "é".into(), citations: vec![cited] })),
        Block::text("!"),
        Block { signature: Some(state.clone()), ..call("f", "{}") },
    ];
    let found = encoded(content, StopReason::ToolUse, &Reply::default());
    let carrier = state.carried_by(Dialect::Chat);
    let message = &found["choices"][0]["message"];
    assert_eq!(message["content"], "Look:\n\né!");
    assert_eq!(message["reasoning_content"], "hm");
    let detail = json!([{ "type": "reasoning.text", "text": "hm", "index": 0, "signature": carrier }]);
    assert_eq!(message["reasoning_details"], detail);
    let citation = json!({ "start_index": 7, "end_index": 8, "title": "t", "url": "u" });
    assert_eq!(message["annotations"], json!([{ "type": "url_citation", "url_citation": citation }]));
    assert_eq!(message["tool_calls"][0]["extra_content"]["google"]["thought_signature"], json!(carrier));
    assert_eq!(found["choices"][0]["finish_reason"], "tool_calls");
    // The client sends the message back, and all state is where it was.
    let back = decode(found.to_string().as_bytes()).unwrap();
    let content = &back.choices[0].content;
    assert_eq!(content[0].content, Content::Thinking(thinking));
    assert_eq!(content.last().unwrap().signature, Some(state));
}

#[test]
fn reasons_to_stop_have_openais_words() {
    let refusal = vec![Block::new(Content::Refusal("no".into()))];
    for (content, stop, expected) in [
        (vec![], StopReason::End, "stop"),
        (vec![], StopReason::StopSequence(None), "stop"),
        (vec![], StopReason::Pause, "stop"),
        (vec![], StopReason::MaxTokens, "length"),
        (vec![], StopReason::ContentFilter, "content_filter"),
        (vec![], StopReason::Failed, "content_filter"),
        (vec![], StopReason::Refusal, "content_filter"),
        (refusal, StopReason::Refusal, "stop"),
    ] {
        let found = encoded(content, stop.clone(), &Reply::default());
        assert_eq!(found["choices"][0]["finish_reason"], expected, "{stop:?}");
    }
}

#[test]
fn a_call_is_of_the_kind_that_the_client_offered() {
    let custom = Reply { custom_tools: ["sh".to_owned()].into(), ..Reply::default() };
    let found = encoded(vec![call("sh", r#"{"input":"ls"}"#)], StopReason::ToolUse, &custom);
    let calls = &found["choices"][0]["message"]["tool_calls"];
    assert_eq!(
        (&calls[0]["type"], &calls[0]["custom"]),
        (&json!("custom"), &json!({ "name": "sh", "input": "ls" }))
    );
    let mut legacy = Reply::default();
    legacy.request.insert("functions".into(), json!([]));
    let found = encoded(vec![call("f", "{}")], StopReason::ToolUse, &legacy);
    assert_eq!(found["choices"][0]["message"]["function_call"], json!({ "name": "f", "arguments": "{}" }));
    assert_eq!(found["choices"][0]["finish_reason"], "function_call");
}

#[test]
fn sound_keeps_its_words() {
    let body = json!({ "choices": [{ "index": 0, "message": { "role": "assistant", "content": null,
        "audio": { "id": "a", "expires_at": 5, "data": "AAAA", "transcript": "hi" } }, "finish_reason": "stop" }] });
    let decoded = decode(body.to_string().as_bytes()).unwrap();
    assert!(decoded.choices[0].content.contains(&Block::text("hi")), "for dialects without sound");
    let back: Value =
        serde_json::from_slice(&encode(decoded, &Reply::default(), &mut Losses::default())).unwrap();
    let message = &back["choices"][0]["message"];
    assert_eq!(message["audio"], body["choices"][0]["message"]["audio"]);
    assert!(message["content"].as_str().unwrap_or_default().is_empty());
}

#[test]
fn answers_are_put_in_order() {
    let choice = |index: u64, text: &str| json!({ "index": index, "message": { "content": text }, "finish_reason": "stop" });
    let body = json!({ "choices": [choice(1, "b"), choice(0, "a")] }).to_string();
    let decoded = decode(body.as_bytes()).unwrap();
    let texts: Vec<_> = decoded.choices.iter().map(|choice| &choice.content[0]).collect();
    assert_eq!(texts, [&Block::text("a"), &Block::text("b")]);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100), at in 0..9_usize) {
        let _ = decode(&bytes);
        let wrong = ["null", "7", "{}", "[]", "[{}]", "\"x\"", "true", "[[]]", "-1"][at];
        for name in ["id", "choices", "usage", "message", "content", "tool_calls", "function", "finish_reason", "reasoning_details"] {
            let body = r#"{"id":"a","choices":[{"index":0,"message":{"content":"a","tool_calls":[{"function":{"name":"f"}}],"reasoning_details":[]},"finish_reason":"stop"}],"usage":{}}"#;
            let start = body.find(&format!("\"{name}\":")).unwrap() + name.len() + 3;
            let (before, after) = body.split_at(start);
            let mangled = format!("{before}{wrong},\"x\":{after}");
            let response = decode(mangled.as_bytes()).unwrap();
            encode(response.clone(), &Reply::default(), &mut Losses::default());
            encode(Response { dialect: Dialect::Gemini, ..response }, &Reply::default(), &mut Losses::default());
        }
    }
}

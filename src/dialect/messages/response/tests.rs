//! Answers of other providers as clients of this dialect read them, and the lenient reading of an upstream's.

use super::*;
use crate::conversation::block::{Citation, Text, Thinking};
use crate::conversation::{
    Block, Choice, Content, Dialect, Losses, Opaque, Response, StopReason, Thought, ToolCall,
};
use crate::dialect::messages::block::unsigned;
use crate::dialect::messages::request::{self, name_of};
use crate::dialect::translate::{Reply, Target};
use crate::usage::Usage;
use proptest::prelude::*;
use serde_json::{Value, json};

fn read_by_client(content: Vec<Block>, stop: Option<StopReason>) -> (Value, Vec<String>) {
    let choice = Choice { content, stop, ..Choice::default() };
    let usage =
        Usage { input: 5, cached_input: 2, cache_write_1h: 1, output: 3, reasoning: 4, ..Usage::default() };
    let response = Response {
        dialect: Dialect::Chat,
        id: "chatcmpl-1".into(),
        choices: vec![choice],
        usage: Some(usage),
        ..Response::default()
    };
    let reply = Reply { id: "0198".into(), model: "gpt-5".into(), ..Reply::default() };
    let mut losses = Losses::default();
    let out = encode(response, &reply, &mut losses);
    (serde_json::from_slice(&out).unwrap(), losses.names(name_of))
}

#[test]
fn an_answer_has_every_member_that_the_sdks_read() {
    let (body, losses) = read_by_client(vec![Block::text("Hi")], Some(StopReason::End));
    assert_eq!(losses, [""; 0]);
    assert_eq!(
        body,
        json!({
            "id": "msg_0198", "type": "message", "role": "assistant", "model": "gpt-5",
            "content": [{ "type": "text", "text": "Hi" }],
            "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {
                "input_tokens": 5, "cache_creation_input_tokens": 1, "cache_read_input_tokens": 2,
                "cache_creation": { "ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 1 },
                "output_tokens": 7, "output_tokens_details": { "thinking_tokens": 4 },
            },
        })
    );
}

#[test]
fn every_reason_to_stop_has_a_word() {
    let call = || {
        Block::new(Content::ToolCall(ToolCall { id: "1".into(), name: "f".into(), ..ToolCall::default() }))
    };
    let sequence = || Some(StopReason::StopSequence(Some("x".into())));
    let cases = [
        (None, false, "end_turn"),
        (Some(StopReason::End), false, "end_turn"),
        (Some(StopReason::End), true, "tool_use"),
        (Some(StopReason::ToolUse), true, "tool_use"),
        (sequence(), false, "stop_sequence"),
        (Some(StopReason::MaxTokens), true, "max_tokens"),
        (Some(StopReason::Refusal), false, "refusal"),
        (Some(StopReason::ContentFilter), false, "refusal"),
        (Some(StopReason::Pause), false, "pause_turn"),
        (Some(StopReason::Failed), false, "end_turn"),
    ];
    for (stop, has_call, word) in cases {
        let content = if has_call { vec![call()] } else { vec![Block::new(Content::Refusal("No.".into()))] };
        let (body, _) = read_by_client(content, stop.clone());
        assert_eq!(body["stop_reason"], word, "{stop:?}");
        assert_eq!(body["stop_sequence"] == "x", stop == sequence());
    }
}

#[test]
fn state_of_other_providers_travels_in_this_dialects_blocks_and_comes_back() {
    let gemini = Opaque::new(Dialect::Gemini, "sig");
    let thinking = |text: &str, signature: Option<Opaque>, is_redacted| {
        let thought = if text.is_empty() { Thought::default() } else { Thought::text(text) };
        Block::new(Content::Thinking(Thinking { thought, signature, is_redacted, id: None }))
    };
    let call = Block {
        signature: Some(Opaque { is_attached: true, ..gemini.clone() }),
        ..Block::new(Content::ToolCall(ToolCall {
            id: "functions.f:0".into(),
            name: "f".into(),
            arguments: "{}".into(),
            is_custom: false,
        }))
    };
    let content = vec![
        thinking("unsigned", None, false),
        thinking("signed", Some(gemini.clone()), false),
        thinking("", Some(gemini.clone()), true),
        call,
    ];
    let (body, losses) = read_by_client(content.clone(), None);
    assert_eq!(losses, [""; 0]);
    let kinds: Vec<_> =
        body["content"].as_array().unwrap().iter().map(|block| block["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["thinking", "thinking", "redacted_thinking", "redacted_thinking", "tool_use"]);
    assert_eq!(body["content"][0]["signature"], unsigned());
    let turn = json!({ "messages": [{ "role": "assistant", "content": body["content"] }] });
    let back = request::decode(turn.to_string().as_bytes()).unwrap();
    assert_eq!(back.messages[0].content, content);
}

#[test]
fn a_thought_that_is_not_shown_is_carried_redacted() {
    let hidden = Block::new(Content::Thinking(Thinking {
        signature: Some(Opaque::new(Dialect::Responses, "enc")),
        ..Thinking::default()
    }));
    let (body, _) = read_by_client(vec![hidden], None);
    assert_eq!(body["content"][0]["type"], "redacted_thinking");
}

#[test]
fn a_citation_of_a_page_is_kept_and_known_again() {
    let citation = |url: Option<&str>| Citation {
        url: url.map(str::to_owned),
        title: Some("T".into()),
        start: Some(0),
        end: Some(2),
        ..Citation::default()
    };
    let citations = vec![citation(Some("https://a.test")), citation(None)];
    let text = Block::new(Content::Text(Text { text: "Hi".into(), citations }));
    let (body, losses) = read_by_client(vec![text], None);
    let expected = json!([{
        "type": "web_search_result_location", "url": "https://a.test", "title": "T", "cited_text": "",
        "encrypted_index": unsigned(),
    }]);
    assert_eq!(
        (&body["content"][0]["citations"], losses),
        (&expected, vec!["messages.content.citations".to_owned()])
    );
    let turn = json!({ "messages": [{ "role": "assistant", "content": body["content"] }] }).to_string();
    assert!(request::peek(turn.as_bytes()).unwrap().may_have_foreign_state);
    let back = request::decode(turn.as_bytes()).unwrap();
    let Content::Text(text) = &back.messages[0].content[0].content else { panic!() };
    assert_eq!(text.citations[0].original, None, "Anthropic would refuse it");
    let mut losses = Losses::default();
    let out = request::encode(back, &Target::default(), &mut losses);
    assert!(losses.is_empty() && !crate::conversation::Opaque::may_be_in(&out));
}

#[test]
fn an_upstreams_answer_is_read_leniently() {
    let answer = |body: Value| decode(body.to_string().as_bytes()).unwrap();
    assert_eq!(answer(json!({})).choices[0], Choice::default());
    let odd = answer(
        json!({ "id": 7, "content": ["x", { "type": "text" }, { "type": "image" }, {}], "usage": [] }),
    );
    assert_eq!(odd.choices[0].content.len(), 2, "an empty text and a block of its own");
    assert_eq!(answer(json!({ "content": "plain" })).choices[0].content, [Block::text("plain")]);
    let window = answer(json!({ "stop_reason": "model_context_window_exceeded" }));
    assert_eq!(window.choices[0].stop, Some(StopReason::MaxTokens));
    for body in ["", "[]", "upstream connect error"] {
        assert!(decode(body.as_bytes()).is_err());
    }
}

#[test]
fn names_and_ids_that_were_fitted_come_back() {
    use crate::conversation::tool_call_id::fit;
    let body = json!({ "content": [{ "type": "tool_use", "id": fit("a:1", 64), "name": fit("a.b", 128), "input": {} }] });
    let response = decode(body.to_string().as_bytes()).unwrap();
    let Content::ToolCall(call) = &response.choices[0].content[0].content else { panic!() };
    assert_eq!((call.id.as_str(), call.name.as_str()), ("a:1", "a.b"));
}

#[test]
fn an_error_in_a_200_is_seen() {
    let error = |body: &str| read(body.as_bytes()).unwrap().error;
    let seen =
        error(r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#).unwrap();
    assert_eq!((&*seen.message, seen.status), ("Overloaded", Some(529)));
    assert_eq!(error(r#"{"type":"message","content":[]}"#), None);
}

proptest! {
    #[test]
    fn no_bytes_are_too_odd(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = (decode(&body), read(&body));
    }
}

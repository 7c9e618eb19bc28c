//! Hard cases of answers, in and out.

use super::*;
use crate::conversation::{
    Block, Choice, Citation, Content, Dialect, Losses, Opaque, Response, StopReason, Text, Thinking, Thought,
    ToolCall,
};
use crate::dialect::translate::Reply;
use crate::usage::Usage;
use proptest::prelude::*;
use serde_json::{Value, json};

fn read_answer(body: &Value) -> Response {
    decode(body.to_string().as_bytes()).unwrap()
}

fn written(response: Response) -> (Value, Losses) {
    let reply = Reply { id: "reply".into(), model: "asked".into(), ..Reply::default() };
    let mut losses = Losses::default();
    let body = encode(response, &reply, &mut losses);
    (serde_json::from_slice(&body).unwrap(), losses)
}

#[test]
fn every_reason_to_stop_is_understood() {
    for (reason, has_calls, expected) in [
        ("STOP", false, Some(StopReason::End)),
        ("STOP", true, Some(StopReason::ToolUse)),
        ("MAX_TOKENS", true, Some(StopReason::MaxTokens)),
        ("SAFETY", false, Some(StopReason::ContentFilter)),
        ("PROHIBITED_CONTENT", false, Some(StopReason::ContentFilter)),
        ("MALFORMED_FUNCTION_CALL", false, Some(StopReason::Failed)),
        ("SOMETHING_NEW", false, Some(StopReason::Failed)),
        ("FINISH_REASON_UNSPECIFIED", false, None),
    ] {
        assert_eq!(read_stop(reason, has_calls), expected, "{reason}");
    }
}

#[test]
fn a_blocked_prompt_is_an_answer_that_was_filtered() {
    let body = json!({
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 7, "totalTokenCount": 7}, "modelVersion": "m", "responseId": "r",
    });
    let response = read_answer(&body);
    assert_eq!(response.choices.len(), 1);
    assert_eq!(response.choices[0].stop, Some(StopReason::ContentFilter));
    assert_eq!(written(response).0, body);
}

#[test]
fn strange_answers_are_read_as_far_as_they_go() {
    for body in [
        json!({}),
        json!({"candidates": null}),
        json!({"candidates": [1, {"content": "x", "finishReason": 7}, {"content": {"parts": [null, {"text": 1}]}}]}),
        json!({"usageMetadata": [], "createTime": "yesterday"}),
    ] {
        let response = read_answer(&body);
        assert!(response.choices.iter().all(|choice| choice.stop.is_none()), "{body}");
    }
    for body in ["", "[]", "<html>"] {
        assert!(decode(body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn citations_lie_on_the_text_that_they_name() {
    let body = json!({"candidates": [{
        "content": {"parts": [{"text": "hm", "thought": true}, {"text": "Über 9."}], "role": "model"}, "finishReason": "STOP", "index": 0,
        "groundingMetadata": {
            "groundingChunks": [{"web": {"uri": "https://a.test", "title": "A"}}],
            "groundingSupports": [{"segment": {"startIndex": 6, "endIndex": 7, "text": "9"}, "groundingChunkIndices": [0]}],
        },
        "citationMetadata": {"citationSources": [{"startIndex": 0, "endIndex": 5, "uri": "https://b.test"}]},
    }], "modelVersion": "m", "responseId": "r"});
    let response = read_answer(&body);
    let Content::Text(text) = &response.choices[0].content[1].content else { panic!("no text") };
    let citation = |url: &str, title: Option<&str>, start, end| Citation {
        url: Some(url.into()),
        title: title.map(str::to_owned),
        start: Some(start),
        end: Some(end),
        ..Citation::default()
    };
    let expected = [citation("https://a.test", Some("A"), 5, 6), citation("https://b.test", None, 0, 4)];
    assert_eq!(text.citations, expected);
    assert_eq!(written(response).0, body);
}

#[test]
fn an_answer_of_another_dialect_is_one_of_geminis() {
    let citation =
        Citation { url: Some("https://a.test".into()), start: Some(0), end: Some(1), ..Citation::default() };
    let thought = Thinking {
        thought: Thought::text("hm"),
        signature: Some(Opaque::new(Dialect::Messages, "state")),
        ..Thinking::default()
    };
    let call = |id: &str, arguments: &str, is_custom| {
        let (id, name, arguments) = (id.into(), "f".into(), arguments.into());
        Block::new(Content::ToolCall(ToolCall { id, name, arguments, is_custom }))
    };
    let response = Response {
        dialect: Dialect::Messages,
        id: "msg".into(),
        choices: vec![Choice {
            content: vec![
                Block::new(Content::Thinking(thought)),
                Block::new(Content::Text(Text { text: "é".into(), citations: vec![citation] })),
                Block::new(Content::Refusal("no".into())),
                call("call_1", "", false),
                call("functions.f:1", "ls", true),
                Block::new(Content::Native(json!({"type": "server_tool_use"}))),
            ],
            stop: Some(StopReason::ToolUse),
            original_stop: Some("tool_use".into()),
            ..Choice::default()
        }],
        usage: Some(Usage { input: 3, output: 2, ..Usage::default() }),
        ..Response::default()
    };
    let carrier = Opaque::new(Dialect::Messages, "state").carried_by(Dialect::Gemini).into_owned();
    let fitted = crate::conversation::tool_call_id::fit("functions.f:1", 64);
    let (body, losses) = written(response);
    let expected = json!({
        "candidates": [{
            "content": {"parts": [
                {"text": "hm", "thought": true, "thoughtSignature": carrier},
                {"text": "é"},
                {"text": "no"},
                {"functionCall": {"id": "call_1", "name": "f", "args": {}}},
                {"functionCall": {"id": fitted, "name": "f", "args": {"input": "ls"}}},
            ], "role": "model"},
            "finishReason": "STOP", "index": 0,
            "groundingMetadata": {
                "groundingChunks": [{"web": {"uri": "https://a.test"}}],
                "groundingSupports": [{"segment": {"startIndex": 0, "endIndex": 2, "text": "é", "partIndex": 1}, "groundingChunkIndices": [0]}],
            },
        }],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
        "modelVersion": "asked", "responseId": "msg",
    });
    assert_eq!(body, expected);
    assert!(losses.has(crate::conversation::Field::NativeBlock));
}

#[test]
fn calls_without_ids_get_some_that_differ_and_hold() {
    let part = json!({"functionCall": {"name": "ew_1-2f", "args": {"a": 1}}});
    let body = json!({"candidates": [{"content": {"parts": [part, part], "role": "model"}, "index": 0}], "responseId": "r"});
    let response = read_answer(&body);
    let call = |at: usize| match &response.choices[0].content[at].content {
        Content::ToolCall(call) => call.clone(),
        _ => ToolCall::default(),
    };
    assert_eq!((call(0).name.as_str(), call(0).arguments.as_str()), ("1/", r#"{"a":1}"#));
    assert!(!call(0).id.is_empty() && call(0).id != call(1).id);
    assert_eq!(read_answer(&body), response);
    let (again, _) = written(response);
    assert_eq!(
        again["candidates"][0]["content"]["parts"][0]["functionCall"],
        json!({"name": "1/", "args": {"a": 1}})
    );
}

#[test]
fn an_error_within_a_200_is_found() {
    let answer =
        read(br#"{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED"}}"#).unwrap();
    assert_eq!(answer.error.map(|error| error.status), Some(Some(429)));
    let answer = read(br#"{"candidates":[{"content":{"parts":[{"text":"four"}]}}]}"#).unwrap();
    assert_eq!((answer.error, answer.output.tokens()), (None, 1));
    assert!(read(b"[]").is_err());
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), end in 0..90_u64, start in 0..90_u64, text in ".{0,20}") {
        let _ = (decode(&bytes), read(&bytes));
        let body = json!({"candidates": [{"content": {"parts": [{"text": text}]}, "groundingMetadata": {
            "groundingChunks": [{"web": {"uri": "u"}}],
            "groundingSupports": [{"segment": {"startIndex": start, "endIndex": end}, "groundingChunkIndices": [0, 7]}],
        }}]});
        let mut response = read_answer(&body);
        response.dialect = Dialect::Chat;
        prop_assert!(written(response).0["candidates"][0]["groundingMetadata"].is_object());
    }
}

//! What answers say, in and out of the hub, case by case.

use super::*;
use crate::conversation::{
    Block, Choice, Citation, Content, Dialect, Losses, Media, Opaque, Response, StopReason, Text, Thinking,
    Thought, ToolCall,
};
use crate::dialect::translate::Reply;
use crate::usage::Usage;
use serde_json::{Value, json};

fn reply(request: Value) -> Reply {
    let request = if let Value::Object(request) = request { request } else { panic!() };
    Reply { id: "01-ab".into(), created: 7, model: "asked".into(), request, ..Reply::default() }
}

fn answer(content: Vec<Block>, stop: StopReason) -> Response {
    let choice = Choice { content, stop: Some(stop), ..Choice::default() };
    Response { dialect: Dialect::Messages, choices: vec![choice], ..Response::default() }
}

fn encoded(response: Response, reply: &Reply) -> (Value, Losses) {
    let mut losses = Losses::default();
    (serde_json::from_slice(&encode(response, reply, &mut losses)).unwrap(), losses)
}

#[test]
fn an_answer_has_all_that_clients_expect() {
    let usage =
        Usage { input: 10, cached_input: 5, cache_write: 2, output: 3, reasoning: 4, ..Usage::default() };
    let response = Response { usage: Some(usage), ..answer(vec![Block::text("Hi")], StopReason::End) };
    let request = json!({
        "instructions": "Be kind.", "temperature": 0.5, "max_output_tokens": 9, "store": false, "metadata": {"a": "b"},
        "previous_response_id": "resp_0", "conversation": "conv_1", "reasoning": {"effort": "low"}, "text": {"verbosity": "low"},
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}], "tool_choice": "required",
    });
    assert_eq!(
        encoded(response, &reply(request)).0,
        json!({
            "id": "resp_01-ab", "object": "response", "created_at": 7, "model": "asked", "status": "completed", "error": null,
            "incomplete_details": null,
            "output": [{
                "type": "message", "id": "msg_ew01ab0000", "status": "completed", "role": "assistant",
                "content": [{"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}],
            }],
            "usage": {
                "input_tokens": 17, "input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 2},
                "output_tokens": 7, "output_tokens_details": {"reasoning_tokens": 4}, "total_tokens": 24,
            },
            "background": false, "instructions": "Be kind.", "max_output_tokens": 9, "max_tool_calls": null,
            "metadata": {"a": "b"}, "parallel_tool_calls": true, "previous_response_id": "resp_0", "prompt_cache_key": null,
            "reasoning": {"effort": "low", "summary": null}, "safety_identifier": null, "service_tier": "default",
            "store": false, "temperature": 0.5, "text": {"verbosity": "low", "format": {"type": "text"}},
            "tool_choice": "required",
            "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "description": null, "strict": true}],
            "top_logprobs": 0, "top_p": 1.0, "truncation": "disabled", "user": null, "conversation": {"id": "conv_1"},
        })
    );
}

#[test]
fn every_stop_reason_has_its_status() {
    for (stop, status, reason) in [
        (StopReason::End, "completed", None),
        (StopReason::StopSequence(None), "completed", None),
        (StopReason::ToolUse, "completed", None),
        (StopReason::Pause, "completed", None),
        (StopReason::MaxTokens, "incomplete", Some("max_output_tokens")),
        (StopReason::ContentFilter, "incomplete", Some("content_filter")),
        (StopReason::Failed, "failed", None),
    ] {
        let (body, _) = encoded(answer(vec![Block::text("Hi")], stop), &Reply::default());
        assert_eq!(body["status"], status);
        assert_eq!(body["incomplete_details"]["reason"].as_str(), reason, "{status}");
        assert_eq!(body["error"].is_null(), status != "failed");
        let expected = if status == "incomplete" { "incomplete" } else { "completed" };
        assert_eq!(body["output"][0]["status"], expected);
    }
    let (body, _) = encoded(answer(vec![], StopReason::Refusal), &Reply::default());
    assert_eq!(
        body["output"][0]["content"][0]["type"], "refusal",
        "a refusal without a word is one all the same"
    );
}

#[test]
fn blocks_of_another_dialect_become_items() {
    let call = |id: &str, name: &str, arguments: &str| {
        let call =
            ToolCall { id: id.into(), name: name.into(), arguments: arguments.into(), is_custom: false };
        Block::new(Content::ToolCall(call))
    };
    let state = |data: &str| Some(Opaque::new(Dialect::Messages, data));
    let thinking = |text: &str, is_redacted| {
        let thought = if is_redacted { Thought::default() } else { Thought::text(text) };
        Block::new(Content::Thinking(Thinking { thought, signature: state("EuYB"), is_redacted, id: None }))
    };
    let cited = Text {
        text: "A page.".into(),
        citations: vec![
            Citation {
                url: Some("https://a.test".into()),
                original: Some(json!({"type": "web_search_result_location"})),
                ..Citation::default()
            },
            Citation { quote: Some("x".into()), ..Citation::default() },
        ],
    };
    let picture = Media { media_type: Some("image/png".into()), ..Media::at("data:image/png;base64,AAAA") };
    let content = vec![
        thinking("Hm.", false),
        thinking("", true),
        Block::text("a"),
        Block::new(Content::Text(cited)),
        Block { signature: Some(Opaque::new(Dialect::Gemini, "sig")), ..call("functions.f:0", "f", "{}") },
        call("c2", "patch", r#"{"input":"*** Begin"}"#),
        Block::new(Content::Native(json!({"type": "server_tool_use", "id": "srvtoolu_1"}))),
        Block::new(Content::Image(picture)),
    ];
    let reply = Reply { custom_tools: ["patch".to_owned()].into(), ..reply(json!({})) };
    let (body, losses) = encoded(answer(content, StopReason::ToolUse), &reply);
    assert!(losses.is_empty(), "{losses:?}");
    let carrier = |origin, data, is_attached| {
        Opaque { is_attached, ..Opaque::new(origin, data) }.carried_by(Dialect::Responses).into_owned()
    };
    assert_eq!(
        body["output"],
        json!([
            {"type": "reasoning", "id": "rs_ew01ab0000", "summary": [{"type": "summary_text", "text": "Hm."}],
                "encrypted_content": carrier(Dialect::Messages, "EuYB", false)},
            {"type": "reasoning", "id": "rs_ew01ab0001", "summary": [],
                "encrypted_content": carrier(Dialect::Messages, "EuYB", false)},
            {"type": "message", "id": "msg_ew01ab0002", "status": "completed", "role": "assistant", "content": [
                {"type": "output_text", "text": "a", "annotations": [], "logprobs": []},
                {"type": "output_text", "text": "A page.", "logprobs": [], "annotations": [
                    {"type": "url_citation", "url": "https://a.test", "title": "https://a.test", "start_index": 0, "end_index": 7},
                ]},
            ]},
            {"type": "reasoning", "id": "rs_ew01ab0003", "summary": [],
                "encrypted_content": carrier(Dialect::Gemini, "sig", true)},
            {"type": "function_call", "id": "fc_ew01ab0004", "call_id": "ew_ZnVuY3Rpb25zLmY6MA", "name": "f",
                "arguments": "{}", "status": "completed"},
            {"type": "custom_tool_call", "id": "ctc_ew01ab0005", "call_id": "c2", "name": "patch", "input": "*** Begin"},
            {"type": "image_generation_call", "id": "ig_ew01ab0006", "result": "AAAA", "status": "completed"},
        ])
    );
}

#[test]
fn state_of_this_dialect_keeps_its_item() {
    let body = json!({"id": "resp_1", "status": "completed", "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
    ]});
    let response = decode(body.to_string().as_bytes()).unwrap();
    let Content::Thinking(thinking) = &response.choices[0].content[0].content else { panic!() };
    assert_eq!(thinking.signature, Some(Opaque::new(Dialect::Responses, "rs_1.gAAA")));
    let (out, _) = encoded(response, &Reply::default());
    assert_eq!(out["output"], body["output"]);
    assert_eq!(out["id"], "resp_1");
}

#[test]
fn statuses_of_upstreams_are_stop_reasons() {
    let call = json!([{"type": "function_call", "call_id": "1", "name": "f", "arguments": ""}]);
    let refusal =
        json!([{"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}]);
    for (status, details, output, expected) in [
        ("completed", Value::Null, json!([]), Some(StopReason::End)),
        ("completed", Value::Null, call.clone(), Some(StopReason::ToolUse)),
        ("completed", Value::Null, refusal, Some(StopReason::Refusal)),
        ("incomplete", json!({"reason": "max_output_tokens"}), json!([]), Some(StopReason::MaxTokens)),
        ("incomplete", json!({"reason": "content_filter"}), call, Some(StopReason::ContentFilter)),
        ("failed", Value::Null, json!([]), Some(StopReason::Failed)),
        ("queued", Value::Null, json!([]), None),
    ] {
        let body = json!({"status": status, "incomplete_details": details, "output": output});
        let response = decode(body.to_string().as_bytes()).unwrap();
        assert_eq!(response.choices[0].stop, expected, "{body}");
        let (out, _) = encoded(response, &Reply::default());
        assert_eq!((&out["status"], &out["incomplete_details"]), (&body["status"], &details));
    }
    assert!(decode(b"[]").is_err());
    assert!(decode(b"<html>").is_err());
}

#[test]
fn log_probabilities_go_both_ways() {
    let tokens = json!([{"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": []}]);
    let body = json!({"status": "completed", "output": [{"type": "message", "role": "assistant", "content": [
        {"type": "output_text", "text": "Hi", "annotations": [], "logprobs": tokens},
    ]}]});
    let response = decode(body.to_string().as_bytes()).unwrap();
    assert_eq!(response.choices[0].logprobs, Some(json!({"content": tokens})));
    let (out, _) = encoded(response, &Reply::default());
    assert_eq!(out["output"][0]["content"][0]["logprobs"], tokens);
}

#[test]
fn an_error_inside_a_200_is_seen() {
    let failed =
        br#"{"status":"failed","error":{"code":"rate_limit_exceeded","message":"Too many."},"output":[]}"#;
    let error = read(failed).unwrap().error.unwrap();
    assert_eq!((error.code.as_deref(), error.message.as_str()), (Some("rate_limit_exceeded"), "Too many."));
    let answer = read(
        br#"{"error":null,"output":[{"type":"message","content":[{"type":"output_text","text":"Hi there"}]},
            {"type":"function_call","name":"f","arguments":"{\"a\":1}"}],"usage":{"input_tokens":9,"output_tokens":5,
            "input_tokens_details":{"cached_tokens":4},"output_tokens_details":{"reasoning_tokens":2},"cost":0.5}}"#,
    )
    .unwrap();
    assert_eq!(answer.error, None);
    assert!(answer.output.tokens() > 4);
    let reported = answer.usage.unwrap();
    let usage = Usage { input: 5, cached_input: 4, output: 3, reasoning: 2, ..Usage::default() };
    assert_eq!(reported.usage, usage);
    assert!(reported.cost.is_some());
}

//! An answer of the hub as a text completion.

use crate::conversation::{Block, Choice, Content, Response, StopReason};
use crate::dialect::chat::response::{finish_reason, usage_object};
use crate::dialect::translate::Reply;
use crate::json::json;
use serde_json::{Map, Value};

/// Writes an answer; thoughts and calls have no place in it.
pub fn encode(response: Response, reply: &Reply) -> Vec<u8> {
    let choices =
        response.choices.into_iter().enumerate().map(|(index, choice)| encode_choice(index, choice));
    let mut body = json!({
        "id": answer_id(response.id, reply),
        "object": "text_completion",
        "created": response.created.unwrap_or(reply.created),
        "model": if response.model.is_empty() { &reply.model } else { &response.model },
        "choices": choices.collect::<Vec<_>>(),
    });
    if let (Some(usage), Some(body)) = (response.usage, body.as_object_mut()) {
        body.insert("usage".into(), usage_object(&usage));
    }
    body.to_string().into_bytes()
}

/// The upstream's id of the answer, or else one made of the call's.
pub(super) fn answer_id(id: String, reply: &Reply) -> String {
    if id.is_empty() { format!("cmpl-{}", reply.id) } else { id }
}

fn encode_choice(index: usize, choice: Choice) -> Value {
    let logprobs = choice.logprobs.as_ref().map(|logprobs| legacy_logprobs(logprobs, &mut 0));
    json!({
        "text": text(choice.content),
        "index": index,
        "logprobs": logprobs,
        "finish_reason": reason(choice.stop.as_ref().unwrap_or(&StopReason::End)),
    })
}

fn text(content: Vec<Block>) -> String {
    let texts = content.into_iter().filter_map(|block| match block.content {
        Content::Text(text) => Some(text.text),
        Content::Refusal(text) => Some(text),
        _ => None,
    });
    texts.collect()
}

/// `stop`, `length` or `content_filter`; a refusal is text here.
pub(super) fn reason(reason: &StopReason) -> &'static str {
    match finish_reason(reason) {
        "tool_calls" => "stop",
        reason => reason,
    }
}

/// Chat's list of tokens as the four lists of text completions; `offset` is where the next token begins in the text, in
/// characters.
pub(super) fn legacy_logprobs(logprobs: &Value, offset: &mut usize) -> Value {
    let (mut tokens, mut values, mut top, mut offsets) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for token in logprobs.get("content").and_then(Value::as_array).into_iter().flatten() {
        let text = token.get("token").and_then(Value::as_str).unwrap_or_default();
        offsets.push(*offset);
        *offset += text.chars().count();
        tokens.push(text);
        values.push(token.get("logprob").cloned().unwrap_or_default());
        let likeliest = token.get("top_logprobs").and_then(Value::as_array).into_iter().flatten();
        let pair =
            |token: &Value| Some((token.get("token")?.as_str()?.to_owned(), token.get("logprob")?.clone()));
        top.push(likeliest.filter_map(pair).collect::<Map<_, _>>());
    }
    json!({ "tokens": tokens, "token_logprobs": values, "top_logprobs": top, "text_offset": offsets })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::chat;

    #[test]
    fn a_chat_answer_becomes_a_text_completion() {
        let body = json!({
            "id": "", "object": "chat.completion", "created": 7, "model": "m",
            "choices": [{ "index": 0, "message": { "role": "assistant", "content": "hé!", "reasoning": "hm" }, "finish_reason": "length",
                "logprobs": { "content": [
                    { "token": "hé", "logprob": -0.5, "top_logprobs": [{ "token": "hé", "logprob": -0.5 }] },
                    { "token": "!", "logprob": -1, "top_logprobs": [] },
                ] } }],
            "usage": { "prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5 },
        });
        let response = chat::response::decode(body.to_string().as_bytes()).unwrap();
        let reply = Reply { id: "1".into(), ..Reply::default() };
        let found: Value = serde_json::from_slice(&encode(response, &reply)).unwrap();
        let expected = json!([{ "text": "hé!", "index": 0, "finish_reason": "length", "logprobs": {
            "tokens": ["hé", "!"], "token_logprobs": [-0.5, -1], "top_logprobs": [{ "hé": -0.5 }, {}], "text_offset": [0, 2],
        } }]);
        assert_eq!(found["choices"], expected);
        assert_eq!((&found["id"], &found["object"]), (&json!("cmpl-1"), &json!("text_completion")));
        assert_eq!(found["usage"]["total_tokens"], 5);
    }
}

//! The demo provider: a pure function from a request to a believable answer, without a key and without a network.
//!
//! It lets a fresh installation be tried end to end with the official clients: the answer names the model and the last
//! user message, follows `tools`, `response_format` and `max_tokens`, and carries usage that is counted from the text.

mod embedding;
mod example;

use crate::dialect::Endpoint;
use crate::json::json;
use crate::time::Millis;
use serde_json::Value;

/// The models that it lists; it answers to any name.
pub const MODELS: &[&str] = &["demo-chat", "demo-embedding"];

/// What the demo provider answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// 200 and this body.
    Json(Value),
    /// 200 and these `data:` payloads of an event stream, the closing `[DONE]` included.
    Events(Vec<String>),
    /// 400 and this body.
    Refused(Value),
}

/// Answers a request body. `id` makes the answer's ids unique.
#[must_use]
pub fn answer(endpoint: Endpoint, body: &[u8], id: &str, now: Millis) -> Answer {
    let Ok(request @ Value::Object(_)) = serde_json::from_slice(body) else {
        return refused("the body is not a JSON object", None);
    };
    match endpoint {
        Endpoint::ChatCompletions => chat(&request, id, now),
        Endpoint::Embeddings => match embedding::embeddings(&request) {
            Ok(list) => Answer::Json(list),
            Err(field) => refused("the value cannot be embedded", Some(field)),
        },
        _ => refused("the demo provider has no such endpoint", None),
    }
}

/// The body of `GET /models`.
#[must_use]
pub fn models() -> Value {
    let data: Vec<Value> = MODELS
        .iter()
        .map(|id| json!({ "id": id, "object": "model", "created": 1_735_689_600, "owned_by": "edgeway" }))
        .collect();
    json!({ "object": "list", "data": data })
}

fn refused(message: &str, field: Option<&str>) -> Answer {
    Answer::Refused(json!({ "error": {
        "message": message, "type": "invalid_request_error", "param": field, "code": null,
    } }))
}

/// One answer, before it is written whole or in pieces.
struct Reply {
    /// The text in the pieces that a stream sends; empty where a tool is called.
    pieces: Vec<String>,
    /// The name and the JSON arguments of the tool that is called.
    tool: Option<(String, String)>,
    finish_reason: &'static str,
    prompt_tokens: u64,
    completion_tokens: u64,
    /// How many times it is given (`n`).
    choices: u64,
}

impl Reply {
    fn usage(&self) -> Value {
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.choices * self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.choices * self.completion_tokens,
        })
    }

    fn tool_calls(&self, id: &str, arguments: &str) -> Option<Value> {
        let (name, _) = self.tool.as_ref()?;
        let function = json!({ "name": name, "arguments": arguments });
        Some(json!([{ "id": format!("call_{id}"), "type": "function", "function": function }]))
    }
}

fn chat(request: &Value, id: &str, now: Millis) -> Answer {
    let Some(messages) = request.get("messages").and_then(Value::as_array).filter(|list| !list.is_empty())
    else {
        return refused("messages must be a list of at least one message", Some("messages"));
    };
    let model = request.get("model").and_then(Value::as_str).unwrap_or("demo-chat");
    let reply = reply(request, messages, model);
    let id = id.replace('-', "");
    let head = |object: &str| json!({ "id": format!("chatcmpl-{id}"), "object": object, "created": now.0 / 1000, "model": model });
    match request.get("stream").and_then(Value::as_bool).unwrap_or(false) {
        true => Answer::Events(events(request, &reply, &id, &head("chat.completion.chunk"))),
        false => Answer::Json(completion(&reply, &id, head("chat.completion"))),
    }
}

fn completion(reply: &Reply, id: &str, mut body: Value) -> Value {
    let text = reply.pieces.concat();
    let mut message = json!({ "role": "assistant", "content": text, "refusal": null });
    if let Some((_, arguments)) = &reply.tool {
        set(&mut message, "content", Value::Null);
        set(&mut message, "tool_calls", reply.tool_calls(id, arguments).unwrap_or_default());
    }
    let choice = |index| json!({ "index": index, "message": message, "logprobs": null, "finish_reason": reply.finish_reason });
    set(&mut body, "choices", (0..reply.choices).map(choice).collect());
    set(&mut body, "usage", reply.usage());
    body
}

/// The role, the text or the tool call piece by piece, the end, and the usage where it was asked for.
fn events(request: &Value, reply: &Reply, id: &str, head: &Value) -> Vec<String> {
    let with_usage =
        request.pointer("/stream_options/include_usage").and_then(Value::as_bool).unwrap_or(false);
    let event = |choices: Value, usage: Value| {
        let mut body = head.clone();
        set(&mut body, "choices", choices);
        if with_usage {
            set(&mut body, "usage", usage);
        }
        body.to_string()
    };
    let delta = |delta: Value, finish_reason: Option<&str>| {
        let choice = |index| json!({ "index": index, "delta": delta, "logprobs": null, "finish_reason": finish_reason });
        event((0..reply.choices).map(choice).collect(), Value::Null)
    };
    let mut events = vec![delta(json!({ "role": "assistant", "content": "", "refusal": null }), None)];
    if let Some((_, arguments)) = &reply.tool {
        let mut begun = reply.tool_calls(id, "").unwrap_or_default();
        if let Some(call) = begun.get_mut(0) {
            set(call, "index", json!(0));
        }
        events.push(delta(json!({ "tool_calls": begun }), None));
        events.extend(pieces(arguments).into_iter().map(|piece| {
            delta(json!({ "tool_calls": [{ "index": 0, "function": { "arguments": piece } }] }), None)
        }));
    }
    events.extend(reply.pieces.iter().map(|piece| delta(json!({ "content": piece }), None)));
    events.push(delta(json!({}), Some(reply.finish_reason)));
    if with_usage {
        events.push(event(json!([]), reply.usage()));
    }
    events.push("[DONE]".into());
    events
}

fn reply(request: &Value, messages: &[Value], model: &str) -> Reply {
    let asked = last_user_text(messages);
    let choices = request.get("n").and_then(Value::as_u64).unwrap_or(1).clamp(1, 8);
    let tools = request.get("tools").map_or(0, |tools| tokens(&tools.to_string()));
    let prompt_tokens: u64 =
        messages.iter().map(|message| 4 + tokens(&text_of(message))).sum::<u64>() + 3 + tools;
    if let Some(tool) = forced_tool(request, &asked) {
        let completion_tokens = tokens(&tool.0) + tokens(&tool.1);
        let pieces = Vec::new();
        return Reply {
            pieces,
            tool: Some(tool),
            finish_reason: "tool_calls",
            prompt_tokens,
            completion_tokens,
            choices,
        };
    }
    let text = match request.pointer("/response_format/type").and_then(Value::as_str) {
        Some("json_schema") => {
            let schema = request.pointer("/response_format/json_schema/schema");
            example::of_schema(schema.unwrap_or(&Value::Null), &asked).to_string()
        }
        Some("json_object") => json!({ "answer": asked }).to_string(),
        _ => canned(&asked, model),
    };
    let mut pieces = pieces(&text);
    let limit = ["max_completion_tokens", "max_tokens"].iter().find_map(|name| request.get(*name)?.as_u64());
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let finish_reason = if pieces.len() > limit { "length" } else { "stop" };
    pieces.truncate(limit);
    let completion_tokens = u64::try_from(pieces.len()).unwrap_or(u64::MAX);
    Reply { pieces, tool: None, finish_reason, prompt_tokens, completion_tokens, choices }
}

fn canned(asked: &str, model: &str) -> String {
    let words = asked.split_whitespace().count();
    let quoted: String = asked.chars().take(400).collect();
    format!(
        "Hello from {model}, the built-in demo of Edgeway. You said: “{quoted}” ({words} words). This answer was made \
         inside the gateway, without a key and without a network; add a provider to talk to a real model."
    )
}

/// The tool that `tool_choice` demands, with arguments made to its schema.
fn forced_tool(request: &Value, asked: &str) -> Option<(String, String)> {
    let tools = request.get("tools")?.as_array()?;
    let choice = request.get("tool_choice")?;
    let named = choice.pointer("/function/name").and_then(Value::as_str);
    if named.is_none() && choice.as_str() != Some("required") {
        return None;
    }
    let functions = || tools.iter().filter_map(|tool| tool.get("function"));
    let function = match named {
        Some(name) => {
            functions().find(|function| function.get("name").and_then(Value::as_str) == Some(name))?
        }
        None => functions().next()?,
    };
    let name = function.get("name")?.as_str()?.to_owned();
    let schema = function.get("parameters").unwrap_or(&Value::Null);
    Some((name, example::of_schema(schema, asked).to_string()))
}

fn last_user_text(messages: &[Value]) -> String {
    let is_user = |message: &&Value| message.get("role").and_then(Value::as_str) == Some("user");
    messages.iter().rev().find(is_user).map(text_of).unwrap_or_default()
}

/// The text of a message: its `content`, or the text parts of it.
fn text_of(message: &Value) -> String {
    match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts: Vec<&str> = parts.iter().filter_map(|part| part.get("text")?.as_str()).collect();
            texts.join("\n")
        }
        _ => String::new(),
    }
}

/// About one token each: words with the space before them.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for character in text.chars() {
        match pieces.last_mut() {
            Some(piece) if character != ' ' => piece.push(character),
            _ => pieces.push(character.into()),
        }
    }
    pieces
}

fn tokens(text: &str) -> u64 {
    u64::try_from(text.chars().count().div_ceil(4)).unwrap_or(u64::MAX)
}

fn set(body: &mut Value, name: &str, value: Value) {
    if let Some(object) = body.as_object_mut() {
        object.insert(name.into(), value);
    }
}

#[cfg(test)]
mod tests;

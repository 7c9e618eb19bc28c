//! A chat request as a conversation.

mod message;
mod settings;
mod tools;

use crate::conversation::{Dialect, Request};
use crate::dialect::InvalidBody;
use crate::dialect::chat::part;
use crate::json::{FieldError, Fields};
use serde_json::Value;

/// Reads a request as a conversation.
///
/// What can be said in several ways comes into one: legacy `functions`, `function_call` and `function` messages are tools,
/// their choice, and results (a later [`super::encode()`] writes them as tools); `max_completion_tokens` and `max_tokens` are
/// one limit; DeepSeek's and Moonshot's `thinking`, OpenRouter's `reasoning` and `reasoning_effort` are one wish.
///
/// # Errors
/// Where the body is no JSON object, or a field that is known has the wrong type.
pub fn decode(body: &[u8]) -> Result<Request, InvalidBody> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| InvalidBody { field: None, message: format!("not valid JSON: {error}") })?;
    Ok(of(Fields::of(value, "")?)?)
}

fn of(mut fields: Fields) -> Result<Request, FieldError> {
    let mut request = Request {
        dialect: Dialect::Chat,
        model: fields.string("model")?.unwrap_or_default(),
        stream: fields.boolean("stream")?.unwrap_or_default(),
        ..Request::default()
    };
    if let Some(mut options) = fields.object("stream_options")? {
        request.include_usage = options.boolean("include_usage")?.unwrap_or_default();
        part::put_rest(&mut fields, "stream_options", options);
    }
    if !matches!(fields.get("messages"), Some(Value::Array(messages)) if !messages.is_empty()) {
        return Err(fields.error("messages", "an array with at least one message"));
    }
    let mut messages = message::Messages::default();
    for message in fields.objects("messages")? {
        messages.push(message)?;
    }
    request.messages = messages.list;
    request.tools = tools::tools(&mut fields)?;
    request.tool_choice = tools::choice(&mut fields)?;
    request.parallel_tool_calls = fields.boolean("parallel_tool_calls")?;
    request.settings = settings::settings(&mut fields)?;
    request.extras = fields.rest();
    Ok(request)
}

#[cfg(test)]
mod tests;

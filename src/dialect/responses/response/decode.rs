//! An answer into the hub.

use super::usage;
use crate::conversation::{Block, Choice, Content, Dialect, Extras, Response, StopReason};
use crate::dialect::InvalidBody;
use crate::dialect::responses::item::decode::{call, without_nulls};
use crate::dialect::responses::{content, reasoning};
use crate::json::json;
use crate::json::{FieldError, Fields};
use serde_json::Value;

/// Reads an upstream's answer. What of an item has no place in a block is in the extras of its first one, as `item`.
///
/// # Errors
/// Where the body is no JSON object.
pub fn decode(body: &[u8]) -> Result<Response, InvalidBody> {
    let body = serde_json::from_slice(body).ok().filter(Value::is_object);
    let expected = || InvalidBody { field: None, message: "a JSON object is expected".into() };
    Ok(from_value(body.ok_or_else(expected)?))
}

/// The same of a value that has been read.
fn from_value(body: Value) -> Response {
    let mut fields = Fields::lenient(body);
    let mut text = |name: &str| fields.string(name).ok().flatten();
    let (id, model, status) = (text("id"), text("model"), text("status"));
    let created = fields.take("created_at").and_then(|created| whole(&created));
    let mut choice = Choice::default();
    let mut logprobs = Vec::new();
    for item in fields.objects("output").unwrap_or_default() {
        // Lenient fields never fail.
        if let Ok(blocks) = item_blocks(item, &mut logprobs) {
            choice.content.extend(blocks);
        }
    }
    choice.logprobs = (!logprobs.is_empty()).then(|| json!({"content": logprobs}));
    let reason = fields.get("incomplete_details").and_then(|details| details.get("reason")?.as_str());
    choice.stop = stop_reason(status.as_deref(), reason, &choice.content);
    choice.original_stop = status;
    let original_usage = fields.take("usage");
    fields.take("object");
    Response {
        dialect: Dialect::Responses,
        id: id.unwrap_or_default(),
        model: model.unwrap_or_default(),
        created,
        choices: vec![choice],
        usage: original_usage.as_ref().and_then(usage::buckets),
        original_usage,
        extras: without_nulls(fields.rest()),
    }
}

#[allow(clippy::cast_possible_truncation, reason = "seconds since 1970, some write them as floats")]
fn whole(created: &Value) -> Option<i64> {
    created.as_i64().or_else(|| created.as_f64().map(|seconds| seconds as i64))
}

/// Why the model stopped, of a status and a reason of incompleteness.
fn stop_reason(status: Option<&str>, reason: Option<&str>, content: &[Block]) -> Option<StopReason> {
    let has = |is_it: fn(&Content) -> bool| content.iter().any(|block| is_it(&block.content));
    match (status, reason) {
        (Some("failed" | "cancelled"), _) => Some(StopReason::Failed),
        (Some("in_progress" | "queued"), _) => None,
        (Some("incomplete"), Some("content_filter")) => Some(StopReason::ContentFilter),
        (Some("incomplete"), _) => Some(StopReason::MaxTokens),
        _ if has(|content| matches!(content, Content::ToolCall(_))) => Some(StopReason::ToolUse),
        _ if has(|content| matches!(content, Content::Refusal(_))) => Some(StopReason::Refusal),
        _ => Some(StopReason::End),
    }
}

fn item_blocks(mut item: Fields, logprobs: &mut Vec<Value>) -> Result<Vec<Block>, FieldError> {
    let kind = item.get("type").and_then(Value::as_str).unwrap_or("message").to_owned();
    let alone = |content, extras| vec![Block { extras: without_nulls(extras), ..Block::new(content) }];
    Ok(match kind.as_str() {
        "message" => {
            let parts = item.objects("content")?;
            if parts.is_empty() {
                return Ok(alone(Content::Native(Value::Object(item.rest())), Extras::new()));
            }
            let mut blocks = parts.into_iter().map(content::part).collect::<Result<Vec<_>, _>>()?;
            for block in &mut blocks {
                if let Some(Value::Array(tokens)) = block.extras.shift_remove("logprobs") {
                    logprobs.extend(tokens);
                }
            }
            item.take("type");
            item.take("role");
            if let Some(first) = blocks.first_mut() {
                first.extras.insert("item".into(), Value::Object(without_nulls(item.rest())));
            }
            blocks
        }
        "function_call" | "custom_tool_call" => {
            let call = call(&mut item, kind == "custom_tool_call")?;
            alone(Content::ToolCall(call), item.rest())
        }
        "reasoning" => {
            item.take("type");
            let (thinking, extras) = reasoning::decode(item)?;
            alone(Content::Thinking(thinking), extras)
        }
        _ => alone(Content::Native(Value::Object(item.rest())), Extras::new()),
    })
}

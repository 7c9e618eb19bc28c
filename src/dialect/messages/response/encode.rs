//! An answer out of the hub.

use super::words_of;
use crate::conversation::{Content, Dialect, Field, Losses, Response};
use crate::dialect::messages::block::{Members, Side, Writer, bytes};
use crate::dialect::messages::usage;
use crate::dialect::translate::Reply;
use serde_json::Value;
use std::borrow::Cow;

/// Writes an answer for a client of this dialect, with every member that its SDKs' types have.
pub fn encode(response: Response, reply: &Reply, losses: &mut Losses) -> Vec<u8> {
    let is_own = response.dialect == Dialect::Messages;
    losses.note_if(response.choices.len() > 1, Field::Choices);
    let choice = response.choices.into_iter().next().unwrap_or_default();
    let has_calls = choice.content.iter().any(|block| matches!(block.content, Content::ToolCall(_)));
    let mut writer =
        Writer { side: Side::Client, is_own, takes_media: false, losses, has_lost_thought: false };
    let content = writer.blocks(choice.content);
    let (reason, sequence) = words_of(choice.stop, has_calls);
    let reason = match choice.original_stop.filter(|_| is_own) {
        Some(original) => Cow::Owned(original),
        None => Cow::Borrowed(reason),
    };
    let usage = match response.original_usage.filter(|_| is_own) {
        Some(original) => original,
        None => Value::Object(usage::encode(&response.usage.unwrap_or_default())),
    };
    let model = if response.model.is_empty() { &reply.model } else { &response.model };
    let mut body = Members::new();
    body.insert("id".into(), message_id(&response.id, is_own, reply).into());
    body.insert("type".into(), "message".into());
    body.insert("role".into(), "assistant".into());
    body.insert("model".into(), model.as_str().into());
    body.insert("content".into(), Value::Array(content));
    body.insert("stop_reason".into(), reason.into());
    body.insert("stop_sequence".into(), sequence.map_or(Value::Null, Value::String));
    body.insert("usage".into(), usage);
    if is_own {
        body.extend(response.extras);
    }
    bytes(&body)
}

/// `msg_…`: Anthropic's own, or one made from the call's.
pub(in crate::dialect::messages) fn message_id(id: &str, is_own: bool, reply: &Reply) -> String {
    if (is_own && !id.is_empty()) || id.starts_with("msg_") {
        return id.to_owned();
    }
    let call = reply.id.as_str();
    if call.starts_with("msg_") { call.to_owned() } else { format!("msg_{call}") }
}

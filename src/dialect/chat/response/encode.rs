//! An answer of the hub as a chat answer.

use super::{stop, usage};
use crate::conversation::{Choice, Content, Dialect, Losses, Response, StopReason};
use crate::dialect::chat::assistant::tool_call::merge;
use crate::dialect::chat::assistant::{self, Style};
use crate::dialect::translate::Reply;
use crate::json::json;
use serde_json::{Map, Value};

/// Writes an answer for a client of this dialect, with every member that OpenAI's SDKs expect.
///
/// A client that offered `functions` (to be seen in [`Reply::request`]) gets a `function_call`.
pub fn encode(response: Response, reply: &Reply, losses: &mut Losses) -> Vec<u8> {
    let is_own = response.dialect == Dialect::Chat;
    let mut body = Map::new();
    body.insert("id".into(), answer_id(response.id, reply).into());
    body.insert("object".into(), "chat.completion".into());
    body.insert("created".into(), response.created.unwrap_or(reply.created).into());
    let model = if response.model.is_empty() { reply.model.clone() } else { response.model };
    body.insert("model".into(), model.into());
    let choices = response.choices.into_iter().enumerate();
    let choices =
        choices.map(|(index, choice)| encode_choice(index, choice, is_own, reply, losses)).collect();
    body.insert("choices".into(), Value::Array(choices));
    let original = response.original_usage.filter(|_| is_own);
    if let Some(usage) = original.or_else(|| response.usage.as_ref().map(usage::written)) {
        body.insert("usage".into(), usage);
    }
    if is_own {
        merge(&mut body, response.extras);
    }
    Value::Object(body).to_string().into_bytes()
}

fn encode_choice(index: usize, choice: Choice, is_own: bool, reply: &Reply, losses: &mut Losses) -> Value {
    let has_refusal = choice.content.iter().any(|block| matches!(block.content, Content::Refusal(_)));
    let is_legacy =
        if is_own { choice.original_stop.as_deref() == Some("function_call") } else { is_legacy(reply) };
    let style =
        Style { is_own, is_client: true, knows_custom: true, custom_tools: &reply.custom_tools, is_legacy };
    let mut message = assistant::encode(choice.content, &style, losses);
    message.shift_insert(0, "role".into(), "assistant".into());
    message.entry("refusal").or_insert(Value::Null);
    let reason = choice.original_stop.filter(|_| is_own).or_else(|| {
        let reason = choice.stop.as_ref().unwrap_or(&StopReason::End);
        Some(stop::name(reason, has_refusal, is_legacy).into())
    });
    let mut object = Map::new();
    object.insert("index".into(), index.into());
    object.insert("message".into(), Value::Object(message));
    object.insert("logprobs".into(), choice.logprobs.unwrap_or_default());
    object.insert("finish_reason".into(), json!(reason));
    if is_own {
        merge(&mut object, choice.extras);
    }
    Value::Object(object)
}

/// The upstream's id of the answer, or else one made of the call's.
pub(in crate::dialect::chat) fn answer_id(id: String, reply: &Reply) -> String {
    if id.is_empty() { format!("chatcmpl-{}", reply.id) } else { id }
}

/// The client offered `functions`, so it expects a `function_call`.
pub(in crate::dialect::chat) fn is_legacy(reply: &Reply) -> bool {
    reply.request.contains_key("functions")
}

#[cfg(test)]
mod tests;

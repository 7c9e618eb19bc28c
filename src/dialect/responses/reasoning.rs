//! Reasoning items: what may be read of a thought, and the state that its provider wants back.
//!
//! OpenAI verifies that `encrypted_content` comes back under the id of the item that it was made for, but the hub's events
//! and the other dialects have no place for an item's id. So the state of this dialect is, in the hub, `id.encrypted_content`.

use super::item::{is_made, object};
use crate::conversation::{Dialect, Opaque, Thinking, Thought};
use crate::json::{FieldError, Fields};
use serde_json::{Map, Value};

/// What the id of an item begins with whose state belongs to the block before it, rather than to the one behind: a stream
/// may learn of it only when that block is over.
pub(super) const BEHIND: &str = "rs_ew_behind";

/// The state in an item; `None` for a carrier that is not whole any more.
pub(super) fn state(id: Option<&str>, encrypted: &str) -> Option<Opaque> {
    let mut state = Opaque::carried(Dialect::Responses, encrypted)?;
    let is_own = state.origin == Dialect::Responses && split(&state.data).0.is_none();
    if let Some(id) = id.filter(|id| is_own && id.starts_with("rs_") && !id.contains('.') && !is_made(id)) {
        state.data = format!("{id}.{}", state.data);
    }
    Some(state)
}

/// The id of the item that the state was made for, and the state as the provider wrote it.
pub(super) fn split(data: &str) -> (Option<&str>, &str) {
    match data.split_once('.') {
        Some((id, encrypted)) if id.starts_with("rs_") => (Some(id), encrypted),
        _ => (None, data),
    }
}

/// What a client is given as `encrypted_content` of an item of this id.
pub(super) fn carried(state: &Opaque, id: &str) -> String {
    if state.origin != Dialect::Responses || state.is_attached {
        return state.carried_by(Dialect::Responses).into_owned();
    }
    match split(&state.data) {
        (None, encrypted) => encrypted.to_owned(),
        (Some(made_for), encrypted) if made_for == id => encrypted.to_owned(),
        // Under another id the provider would refuse it: in a carrier, its own id comes back with it.
        _ => state.carried_by(Dialect::Chat).into_owned(),
    }
}

/// Reads an item: the thought, and what the hub has no name for.
///
/// # Errors
/// Where a field has the wrong type.
pub(super) fn decode(mut fields: Fields) -> Result<(Thinking, Map<String, Value>), FieldError> {
    let id = fields.string("id")?;
    let summary = texts(&mut fields, "summary", "summary_text")?;
    let content = texts(&mut fields, "content", "reasoning_text")?;
    let signature = fields.string("encrypted_content")?.and_then(|text| state(id.as_deref(), &text));
    let thought = if content.is_empty() {
        Thought { texts: summary, is_summary: true }
    } else {
        if !summary.is_empty() {
            fields.put("summary", parts(summary, "summary_text"));
        }
        Thought { texts: content, is_summary: false }
    };
    let is_redacted = thought.texts.is_empty() && signature.is_some();
    Ok((Thinking { thought, signature, is_redacted, id }, fields.rest()))
}

/// Takes a list of parts that are nothing but texts; any other stays where it is.
fn texts(fields: &mut Fields, name: &str, kind: &str) -> Result<Vec<String>, FieldError> {
    let Some(list) = fields.array(name)? else { return Ok(Vec::new()) };
    let is_text = |part: &Value| {
        part.as_object().is_some_and(|part| part.len() == 2)
            && part.get("type").and_then(Value::as_str) == Some(kind)
            && part.get("text").is_some_and(Value::is_string)
    };
    if !list.iter().all(is_text) {
        fields.put(name, Value::Array(list));
        return Ok(Vec::new());
    }
    let text = |mut part: Value| match part.get_mut("text").map(Value::take) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    Ok(list.into_iter().filter_map(text).collect())
}

/// Parts of a summary or of a thought.
pub(super) fn parts(texts: Vec<String>, kind: &str) -> Value {
    let part = |text| Value::Object(object([("type", kind.into()), ("text", Value::String(text))]));
    Value::Array(texts.into_iter().map(part).collect())
}

/// An item for a client: what may be read is shown as a summary, which is what OpenAI's clients read, unless it came as
/// the thought itself from an upstream of this dialect (`is_own`).
pub(super) fn item(id: String, thinking: Thinking, is_own: bool) -> Map<String, Value> {
    let Thinking { thought, signature, is_redacted, .. } = thinking;
    let encrypted = signature.as_ref().map(|state| carried(state, &id));
    let mut item = object([("type", "reasoning".into()), ("id", Value::String(id))]);
    let mut texts = thought.texts;
    if texts.is_empty()
        && !is_redacted
        && signature.as_ref().is_some_and(|state| state.origin != Dialect::Responses)
    {
        // Tells a thought that is merely not shown from one that is redacted, when it comes back.
        texts.push(String::new());
    }
    if is_own && !thought.is_summary {
        item.insert("summary".into(), Value::Array(Vec::new()));
        item.insert("content".into(), parts(texts, "reasoning_text"));
    } else {
        item.insert("summary".into(), parts(texts, "summary_text"));
    }
    if let Some(encrypted) = encrypted {
        item.insert("encrypted_content".into(), Value::String(encrypted));
    }
    item
}

/// An item that carries state of the block beside it and shows nothing.
pub(super) fn attached(id: String, state: &Opaque) -> Map<String, Value> {
    let attached = Opaque { is_attached: true, ..state.clone() };
    object([
        ("type", "reasoning".into()),
        ("encrypted_content", Value::String(carried(&attached, &id))),
        ("id", Value::String(id)),
        ("summary", Value::Array(Vec::new())),
    ])
}

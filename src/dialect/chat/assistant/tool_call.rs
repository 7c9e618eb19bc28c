//! Calls of tools: `tool_calls`, and the `function_call` that came before.

use super::{Style, part};
use crate::conversation::tool_call_id::{SHORTEST, fit, make, restore};
use crate::conversation::{Block, Content, Dialect, Extras, Losses, Opaque, ToolCall};
use crate::json::json;
use crate::json::{FieldError, Fields};
use serde_json::{Map, Value};

/// One of `tool_calls`. A type that is missing is `function`; arguments that are an object (some upstreams) are written
/// as text, and none are `{}`. Gemini's OpenAI endpoint wants `extra_content.google.thought_signature` back
/// (<https://ai.google.dev/gemini-api/docs/thought-signatures>).
pub(super) fn decode(mut call: Fields, seed: &str, index: usize) -> Result<Block, FieldError> {
    let id = call.string("id")?.filter(|id| !id.is_empty());
    let is_custom = call.get("type").and_then(Value::as_str) == Some("custom");
    let kind = if is_custom { "custom" } else { "function" };
    if call.get("type").is_some_and(|found| found == kind) {
        call.take("type");
    }
    let mut inner = part::inner(&mut call, kind)?;
    let name = inner.required("name")?;
    let arguments =
        if is_custom { inner.required("input")? } else { arguments(inner.take("arguments"), &inner)? };
    part::put_rest(&mut call, kind, inner);
    let signature = signature(&mut call)?;
    let id = id.map_or_else(|| make(seed, index), |id| restore(&id).into_owned());
    let content = Content::ToolCall(ToolCall { id, name, arguments, is_custom });
    Ok(Block { signature, extras: call.rest(), ..Block::new(content) })
}

/// `function_call`, whose result names no id either: each is the only one of its message.
pub(super) fn decode_legacy(mut call: Fields, seed: &str) -> Result<Block, FieldError> {
    let name = call.required("name")?;
    let arguments = arguments(call.take("arguments"), &call)?;
    let content = Content::ToolCall(ToolCall { id: make(seed, 0), name, arguments, is_custom: false });
    Ok(Block { extras: call.rest(), ..Block::new(content) })
}

fn arguments(value: Option<Value>, fields: &Fields) -> Result<String, FieldError> {
    match value {
        None => Ok("{}".into()),
        Some(Value::String(text)) if text.trim_ascii().is_empty() => Ok("{}".into()),
        Some(Value::String(text)) => Ok(text),
        Some(object @ Value::Object(_)) => Ok(object.to_string()),
        Some(_) => Err(fields.error("arguments", "a string")),
    }
}

fn signature(call: &mut Fields) -> Result<Option<Opaque>, FieldError> {
    let Some(mut content) = call.object("extra_content")? else { return Ok(None) };
    let mut state = None;
    if let Some(mut google) = content.object("google")? {
        state = google.string("thought_signature")?;
        part::put_rest(&mut content, "google", google);
    }
    part::put_rest(call, "extra_content", content);
    Ok(state.and_then(|state| Opaque::carried(Dialect::Chat, &state)))
}

/// A call, for whom the style says.
pub(super) fn encode(
    call: ToolCall,
    signature: Option<Opaque>,
    extras: Extras,
    style: &Style<'_>,
    losses: &mut Losses,
) -> Value {
    let mut object = Map::new();
    let id = if style.is_own { call.id } else { fit(&call.id, SHORTEST).into_owned() };
    object.insert("id".into(), id.into());
    let was_custom = !call.is_custom && style.custom_tools.contains(&call.name);
    let (kind, inner) = if was_custom {
        ("custom", json!({ "name": call.name, "input": input(&call.arguments) }))
    } else if call.is_custom && style.knows_custom {
        ("custom", json!({ "name": call.name, "input": call.arguments }))
    } else if call.is_custom {
        let arguments = json!({ "input": call.arguments }).to_string();
        ("function", json!({ "name": call.name, "arguments": arguments }))
    } else {
        ("function", json!({ "name": call.name, "arguments": call.arguments }))
    };
    object.insert("type".into(), kind.into());
    object.insert(kind.into(), inner);
    if let Some(state) = signature
        && let Some(state) = written_state(&state, style.is_client)
    {
        object.insert("extra_content".into(), json!({ "google": { "thought_signature": state } }));
    }
    if style.is_own {
        merge(&mut object, extras);
    } else {
        losses.note_extras("messages.tool_calls", &extras);
    }
    Value::Object(object)
}

/// A provider's state, for a client to carry or for the provider itself; another's is not for an upstream.
fn written_state(state: &Opaque, is_client: bool) -> Option<String> {
    if is_client {
        return Some(state.carried_by(Dialect::Chat).into_owned());
    }
    state.for_provider(Dialect::Chat).map(str::to_owned)
}

/// The plain text in the arguments of a custom tool that was given as a function of one string, `input`.
pub(in crate::dialect::chat) fn input(arguments: &str) -> String {
    match serde_json::from_slice::<Value>(arguments.as_bytes()) {
        Ok(Value::Object(mut object)) => match object.remove("input") {
            Some(Value::String(text)) => text,
            _ => arguments.to_owned(),
        },
        Ok(Value::String(text)) => text,
        _ => arguments.to_owned(),
    }
}

/// Adds members, into objects that are there already, too; what is there stays.
pub(in crate::dialect::chat) fn merge(object: &mut Map<String, Value>, extras: Extras) {
    for (name, value) in extras {
        match (object.get_mut(&name), value) {
            (None, value) => {
                object.insert(name, value);
            }
            (Some(Value::Object(inner)), Value::Object(more)) => merge(inner, more),
            (Some(_), _) => {}
        }
    }
}

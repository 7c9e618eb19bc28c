//! Tools, and which of them a model must call.

use super::item::{merge, object};
use crate::conversation::{Extras, Field, Losses, NativeKind, Tool, ToolChoice, ToolKind};
use crate::json::json;
use crate::json::{FieldError, Fields};
use serde_json::{Map, Value};

/// Reads a tool.
///
/// # Errors
/// Where a field of a function or custom tool has the wrong type.
pub(super) fn decode(mut fields: Fields) -> Result<Tool, FieldError> {
    let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let kind = match kind.as_str() {
        "function" => {
            fields.take("type");
            ToolKind::Function {
                name: fields.required("name")?,
                description: fields.string("description")?,
                parameters: fields.object("parameters")?.map(|schema| Value::Object(schema.rest())),
                strict: fields.boolean("strict")?,
            }
        }
        "custom" => {
            fields.take("type");
            ToolKind::Custom {
                name: fields.required("name")?,
                description: fields.string("description")?,
                format: fields.take("format"),
            }
        }
        _ => {
            if kind.is_empty() {
                return Err(fields.error("type", "a string"));
            }
            let native = ToolKind::Native { kind: native_kind(&kind), value: Value::Object(fields.rest()) };
            return Ok(Tool::new(native));
        }
    };
    let mut extras = fields.rest();
    extras.retain(|_, value| !value.is_null());
    Ok(Tool { kind, cache: None, extras })
}

fn native_kind(kind: &str) -> Option<NativeKind> {
    match kind {
        "code_interpreter" => Some(NativeKind::CodeExecution),
        kind => kind.starts_with("web_search").then_some(NativeKind::WebSearch),
    }
}

/// Writes a tool; `None` where OpenAI has none like it, which is noted.
pub(super) fn encode(tool: Tool, is_own: bool, losses: &mut Losses) -> Option<Value> {
    let Tool { kind, cache, extras } = tool;
    losses.note_if(cache.is_some(), Field::CacheBreakpoint);
    let mut value = match kind {
        ToolKind::Function { name, description, parameters, strict } => {
            let nothing = || if is_own { Value::Null } else { json!({"type": "object", "properties": {}}) };
            let mut value = object([("type", "function".into()), ("name", Value::String(name))]);
            insert(&mut value, "description", description);
            value.insert("parameters".into(), parameters.unwrap_or_else(nothing));
            // Here a function is strict unless told, everywhere else it is not.
            if let Some(strict) = strict.or((!is_own).then_some(false)) {
                value.insert("strict".into(), Value::Bool(strict));
            }
            value
        }
        ToolKind::Custom { name, description, format } => {
            let mut value = object([("type", "custom".into()), ("name", Value::String(name))]);
            insert(&mut value, "description", description);
            if let Some(format) = format {
                value.insert("format".into(), flat_format(format));
            }
            value
        }
        ToolKind::Native { value: Value::Object(value), .. } if is_own => value,
        ToolKind::Native { kind: Some(NativeKind::WebSearch), value } => web_search(value, losses),
        ToolKind::Native { kind: Some(NativeKind::CodeExecution), .. } => {
            object([("type", "code_interpreter".into()), ("container", json!({"type": "auto"}))])
        }
        ToolKind::Native { .. } => {
            losses.note(Field::NativeTool);
            return None;
        }
    };
    if is_own {
        merge(&mut value, extras);
    } else {
        losses.note_extras("tools", &extras);
    }
    Some(Value::Object(value))
}

/// Chat has a grammar one level below its type: `{"type":"grammar","grammar":{"syntax","definition"}}`.
fn flat_format(format: Value) -> Value {
    match format {
        Value::Object(mut format) => {
            if let Some(Value::Object(grammar)) = format.shift_remove("grammar") {
                merge(&mut format, grammar);
            }
            Value::Object(format)
        }
        other => other,
    }
}

/// A search of the web as another dialect asks for it: Messages' `allowed_domains` and `user_location`, Chat's
/// `search_context_size` and nested location.
fn web_search(value: Value, losses: &mut Losses) -> Map<String, Value> {
    let mut tool = object([("type", "web_search".into())]);
    let Value::Object(asked) = value else { return tool };
    let asked = match asked {
        // Gemini's `{"googleSearch":{…}}`, Chat's `{"web_search_options":{…}}`.
        mut nested if nested.len() == 1 && nested.values().all(Value::is_object) => nested
            .values_mut()
            .find_map(|inner| inner.as_object_mut().map(std::mem::take))
            .unwrap_or_default(),
        flat => flat,
    };
    for (name, value) in asked {
        match (name.as_str(), value) {
            ("type" | "name", _) | (_, Value::Null) => {}
            ("search_context_size", size) => {
                tool.insert(name, size);
            }
            ("user_location", Value::Object(mut location)) => {
                if let Some(Value::Object(inner)) = location.shift_remove("approximate") {
                    merge(&mut location, inner);
                }
                tool.insert(name, Value::Object(location));
            }
            ("allowed_domains", domains) => {
                tool.insert("filters".into(), Value::Object(object([("allowed_domains", domains)])));
            }
            _ => losses.note_path(format!("tools.{name}")),
        }
    }
    tool
}

fn insert(into: &mut Map<String, Value>, name: &str, value: Option<String>) {
    if let Some(value) = value {
        into.insert(name.into(), Value::String(value));
    }
}

/// Reads `tool_choice`.
///
/// # Errors
/// Where it is neither a word that the API knows nor an object.
pub(super) fn decode_choice(fields: &mut Fields) -> Result<Option<ToolChoice>, FieldError> {
    const EXPECTED: &str = "`none`, `auto`, `required` or an object";
    let error = fields.error("tool_choice", EXPECTED);
    let Some(value) = fields.take("tool_choice") else { return Ok(None) };
    Ok(Some(match &value {
        Value::String(word) => match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            _ => return Err(error),
        },
        Value::Object(choice) => {
            let text = |name: &str| choice.get(name).and_then(Value::as_str);
            match (text("type"), text("name")) {
                (Some("function" | "custom"), Some(name)) => ToolChoice::Named(name.to_owned()),
                (Some("allowed_tools"), _) => match allowed(choice) {
                    Some(names) => {
                        ToolChoice::Allowed { names, is_required: text("mode") == Some("required") }
                    }
                    None => ToolChoice::Native(value),
                },
                _ => ToolChoice::Native(value),
            }
        }
        _ => return Err(error),
    }))
}

/// Names of allowed tools, where each is a function or a custom tool.
fn allowed(choice: &Extras) -> Option<Vec<String>> {
    let named = |tool: &Value| match tool.get("type").and_then(Value::as_str) {
        Some("function" | "custom") => tool.get("name").and_then(Value::as_str).map(str::to_owned),
        _ => None,
    };
    choice.get("tools")?.as_array()?.iter().map(named).collect()
}

/// Writes `tool_choice`; `custom` are the names of custom tools. `None` where it is another dialect's, which is noted.
pub(super) fn encode_choice(
    choice: ToolChoice,
    custom: &[String],
    is_own: bool,
    losses: &mut Losses,
) -> Option<Value> {
    let named = |name: String| {
        let kind = if custom.contains(&name) { "custom" } else { "function" };
        Value::Object(object([("type", kind.into()), ("name", Value::String(name))]))
    };
    Some(match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::Required => "required".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Named(name) => named(name),
        ToolChoice::Allowed { names, is_required } => Value::Object(object([
            ("type", "allowed_tools".into()),
            ("mode", if is_required { "required" } else { "auto" }.into()),
            ("tools", Value::Array(names.into_iter().map(named).collect())),
        ])),
        ToolChoice::Native(value) if is_own => value,
        ToolChoice::Native(_) => {
            losses.note(Field::ToolChoice);
            return None;
        }
    })
}

//! Tools, and which of them a model must call.

use crate::conversation::{NativeKind, Tool, ToolChoice, ToolKind};
use crate::dialect::chat::part;
use crate::json::{FieldError, Fields};
use serde_json::Value;

/// `tools`, `functions` and `web_search_options`.
pub(super) fn tools(fields: &mut Fields) -> Result<Vec<Tool>, FieldError> {
    let mut tools = Vec::new();
    for tool in fields.objects("tools")? {
        tools.push(one(tool)?);
    }
    for function in fields.objects("functions")? {
        let (kind, rest) = function_of(function)?;
        tools.push(Tool { extras: rest.rest(), ..Tool::new(kind) });
    }
    if let Some(options) = fields.object("web_search_options")? {
        let value = Value::Object(options.rest());
        tools.push(Tool::new(ToolKind::Native { kind: Some(NativeKind::WebSearch), value }));
    }
    Ok(tools)
}

fn one(mut tool: Fields) -> Result<Tool, FieldError> {
    let named = tool.string("type")?;
    let (kind, rest) = match named.as_deref() {
        None | Some("function") => {
            let (kind, rest) = function_of(part::inner(&mut tool, "function")?)?;
            (kind, ("function", rest))
        }
        Some("custom") => {
            let mut inner = part::inner(&mut tool, "custom")?;
            let name = inner.required("name")?;
            let kind = ToolKind::Custom {
                name,
                description: inner.string("description")?,
                format: inner.take("format"),
            };
            (kind, ("custom", inner))
        }
        Some(named) => {
            let kind = native_kind(named);
            tool.put("type", named.into());
            return Ok(Tool::new(ToolKind::Native { kind, value: Value::Object(tool.rest()) }));
        }
    };
    part::put_rest(&mut tool, rest.0, rest.1);
    let cache = part::cache(&mut tool)?;
    Ok(Tool { kind, cache, extras: tool.rest() })
}

/// A function, and what is left of it.
fn function_of(mut function: Fields) -> Result<(ToolKind, Fields), FieldError> {
    let kind = ToolKind::Function {
        name: function.required("name")?,
        description: function.string("description")?,
        parameters: function.object("parameters")?.map(|schema| Value::Object(schema.rest())),
        strict: function.boolean("strict")?,
    };
    Ok((kind, function))
}

/// Tools of other providers of this dialect, by their names: `web_search` (Z.ai, Mistral), `browser_search` (Groq),
/// `openrouter:web_search`, `code_interpreter` (Groq, Mistral).
fn native_kind(named: &str) -> Option<NativeKind> {
    if named.contains("web_search") || named.contains("browser_search") {
        Some(NativeKind::WebSearch)
    } else if named.contains("code_interpreter") || named.contains("code_execution") {
        Some(NativeKind::CodeExecution)
    } else {
        None
    }
}

/// `tool_choice`, or else `function_call`.
pub(super) fn choice(fields: &mut Fields) -> Result<Option<ToolChoice>, FieldError> {
    let name = if fields.get("tool_choice").is_some() { "tool_choice" } else { "function_call" };
    let path = fields.path(name);
    let expected = fields.error(name, "`auto`, `none`, `required` or an object");
    match fields.take(name) {
        None => Ok(None),
        Some(Value::String(word)) => match word.as_str() {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(Some(ToolChoice::None)),
            "required" | "any" => Ok(Some(ToolChoice::Required)),
            _ => Err(expected),
        },
        Some(value @ Value::Object(_)) => object(value, name, path).map(Some),
        Some(_) => Err(expected),
    }
}

fn object(value: Value, name: &str, path: String) -> Result<ToolChoice, FieldError> {
    let mut choice = Fields::of(value, path)?;
    if name == "function_call" {
        return Ok(ToolChoice::Named(choice.required("name")?));
    }
    match choice.string("type")?.as_deref() {
        kind @ (None | Some("function" | "custom")) => {
            let mut inner = part::inner(&mut choice, kind.unwrap_or("function"))?;
            Ok(ToolChoice::Named(inner.required("name")?))
        }
        Some("allowed_tools") => {
            let mut allowed = part::inner(&mut choice, "allowed_tools")?;
            let is_required = allowed.string("mode")?.as_deref() == Some("required");
            let mut names = Vec::new();
            for mut tool in allowed.objects("tools")? {
                let kind = tool.string("type")?.unwrap_or_else(|| "function".into());
                names.push(part::inner(&mut tool, &kind)?.required("name")?);
            }
            Ok(ToolChoice::Allowed { names, is_required })
        }
        Some(kind) => {
            choice.put("type", kind.into());
            Ok(ToolChoice::Native(Value::Object(choice.rest())))
        }
    }
}

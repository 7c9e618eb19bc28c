//! A request into the hub.

use crate::conversation::{
    Dialect, Effort, Format, Message, NativeKind, Reasoning, Request, Role, Settings, Tool, ToolChoice,
    ToolKind,
};
use crate::dialect::InvalidBody;
use crate::dialect::messages::block;
use crate::json::{self, FieldError, Fields, JsonError};
use serde_json::Value;

/// Reads a request; a token count is one without `max_tokens`.
///
/// # Errors
/// Where the body is no JSON object, or a field has the wrong type; then with its path.
pub fn decode(body: &[u8]) -> Result<Request, InvalidBody> {
    let mut fields = Fields::of(tree(body)?, "")?;
    let (tool_choice, parallel_tool_calls) = tool_choice(&mut fields)?;
    Ok(Request {
        dialect: Dialect::Messages,
        model: fields.string("model")?.unwrap_or_default(),
        stream: fields.boolean("stream")?.unwrap_or_default(),
        include_usage: true,
        instructions: block::content(&mut fields, "system")?.unwrap_or_default(),
        messages: messages(&mut fields)?,
        tools: fields.objects("tools")?.into_iter().map(tool).collect::<Result<_, _>>()?,
        tool_choice,
        parallel_tool_calls,
        settings: settings(&mut fields)?,
        extras: block::rest(fields),
    })
}

/// A body as a tree; what is wrong with it is said with its line.
pub(in crate::dialect::messages) fn tree(body: &[u8]) -> Result<Value, InvalidBody> {
    match serde_json::from_slice(body) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(JsonError::NotAnObject.into()),
        Err(error) => Err(match json::peek(body, &[]) {
            Err(fault) => InvalidBody::from(fault),
            Ok(_) => InvalidBody { field: None, message: format!("not valid JSON: {error}") },
        }),
    }
}

fn messages(fields: &mut Fields) -> Result<Vec<Message>, FieldError> {
    let list = fields.objects("messages")?;
    if list.is_empty() {
        return Err(fields.error("messages", "an array with at least one message"));
    }
    list.into_iter().map(message).collect()
}

fn message(mut fields: Fields) -> Result<Message, FieldError> {
    let role = match fields.required("role")?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        // Newer models are given instructions in the middle so.
        "system" => Role::System,
        _ => return Err(fields.error("role", "`user` or `assistant`")),
    };
    let Some(content) = block::content(&mut fields, "content")? else {
        return Err(fields.error("content", "a string or an array of blocks"));
    };
    Ok(Message { role, content, name: None, extras: block::rest(fields) })
}

fn tool(mut fields: Fields) -> Result<Tool, FieldError> {
    let kind = fields.string("type")?;
    if let Some(kind) = kind.filter(|kind| kind != "custom") {
        let shared = match kind.as_str() {
            _ if kind.starts_with("web_search_") => Some(NativeKind::WebSearch),
            _ if kind.starts_with("web_fetch_") => Some(NativeKind::WebFetch),
            _ if kind.starts_with("code_execution_") => Some(NativeKind::CodeExecution),
            _ => None,
        };
        let cache = block::cache_breakpoint(&mut fields);
        fields.put("type", kind.into());
        let kind = ToolKind::Native { kind: shared, value: Value::Object(fields.rest()) };
        return Ok(Tool { cache, ..Tool::new(kind) });
    }
    let kind = ToolKind::Function {
        name: fields.required("name")?,
        description: fields.string("description")?,
        parameters: fields.object("input_schema")?.map(|schema| Value::Object(schema.rest())),
        strict: fields.boolean("strict")?,
    };
    Ok(Tool { kind, cache: block::cache_breakpoint(&mut fields), extras: block::rest(fields) })
}

/// `tool_choice`, and whether several tools may be called at once.
fn tool_choice(fields: &mut Fields) -> Result<(Option<ToolChoice>, Option<bool>), FieldError> {
    let Some(whole) = fields.get("tool_choice").cloned() else { return Ok((None, None)) };
    let Some(mut choice) = fields.object("tool_choice")? else { return Ok((None, None)) };
    let kind = match choice.required("type")?.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(choice.required("name")?),
        _ => return Ok((Some(ToolChoice::Native(whole)), None)),
    };
    let is_serial = choice.boolean("disable_parallel_tool_use")?;
    Ok((Some(kind), is_serial.map(|is_serial| !is_serial)))
}

fn settings(fields: &mut Fields) -> Result<Settings, FieldError> {
    let mut reasoning = thinking(fields)?;
    let mut format = None;
    if let Some(mut config) = fields.object("output_config")? {
        let effort = config.string("effort")?;
        match effort.as_deref().map(Effort::parse) {
            Some(Some(effort)) => reasoning.get_or_insert_default().effort = Some(effort),
            Some(None) => config.put("effort", effort.unwrap_or_default().into()),
            None => {}
        }
        format = json_schema(&mut config, "format")?;
        let rest = config.rest();
        if !rest.is_empty() {
            fields.put("output_config", Value::Object(rest));
        }
    }
    if format.is_none() {
        // Its name before it was generally available.
        format = json_schema(fields, "output_format")?;
    }
    let mut user = None;
    if let Some(mut metadata) = fields.object("metadata")? {
        user = metadata.string("user_id")?;
        let rest = metadata.rest();
        if !rest.is_empty() {
            fields.put("metadata", Value::Object(rest));
        }
    }
    Ok(Settings {
        max_output_tokens: fields.count("max_tokens")?,
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        top_k: fields.number("top_k")?,
        stop: fields.strings("stop_sequences")?.unwrap_or_default(),
        format,
        reasoning,
        user,
        service_tier: fields.string("service_tier")?,
        ..Settings::default()
    })
}

/// `thinking`; a type that is not known stays where it is.
fn thinking(fields: &mut Fields) -> Result<Option<Reasoning>, FieldError> {
    let Some(mut thinking) = fields.object("thinking")? else { return Ok(None) };
    let kind = thinking.required("type")?;
    let mut reasoning = Reasoning::default();
    match kind.as_str() {
        "enabled" => {
            let Some(budget) = thinking.count("budget_tokens")? else {
                return Err(thinking.error("budget_tokens", "a whole number that is not negative"));
            };
            reasoning.budget = Some(budget);
        }
        "adaptive" => reasoning.is_adaptive = true,
        "disabled" => reasoning.budget = Some(0),
        _ => {
            thinking.put("type", kind.into());
            fields.put("thinking", Value::Object(thinking.rest()));
            return Ok(None);
        }
    }
    match thinking.string("display")?.as_deref() {
        Some("summarized") => reasoning.is_shown = Some(true),
        Some("omitted") => reasoning.is_shown = Some(false),
        Some(other) => thinking.put("display", other.into()),
        None => {}
    }
    let rest = thinking.rest();
    if !rest.is_empty() {
        fields.put("thinking", Value::Object(rest));
    }
    Ok(Some(reasoning))
}

fn json_schema(fields: &mut Fields, name: &str) -> Result<Option<Format>, FieldError> {
    let Some(mut format) = fields.object(name)? else { return Ok(None) };
    let kind = format.required("type")?;
    if kind != "json_schema" {
        format.put("type", kind.into());
        fields.put(name, Value::Object(format.rest()));
        return Ok(None);
    }
    let Some(schema) = format.object("schema")? else { return Err(format.error("schema", "an object")) };
    let rest = format.rest();
    if !rest.is_empty() {
        fields.put(name, Value::Object(rest));
    }
    Ok(Some(Format::JsonSchema {
        name: None,
        description: None,
        schema: Value::Object(schema.rest()),
        strict: None,
    }))
}

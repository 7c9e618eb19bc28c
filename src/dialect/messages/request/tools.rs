//! Tools, and which of them must be called.

use super::{native, schema};
use crate::conversation::{Field, Losses, Tool, ToolChoice, ToolKind, tool_call_id};
use crate::dialect::messages::block::{Members, NAME_LIMIT, cache_control};
use crate::dialect::messages::generation::Generation;
use crate::json::json;
use serde_json::Value;

/// More tools with `strict` the API refuses
/// (<https://platform.claude.com/docs/en/build-with-claude/structured-outputs#schema-complexity-limits>).
const MOST_STRICT: usize = 20;

/// What the model may call.
pub(super) struct Offered {
    pub(super) tools: Vec<Tool>,
    pub(super) choice: Option<ToolChoice>,
    pub(super) parallel: Option<bool>,
}

/// The tools of this dialect's client.
pub(super) fn as_said(
    tools: Vec<Tool>,
    choice: Option<ToolChoice>,
    parallel: Option<bool>,
    body: &mut Members,
) {
    let tools: Vec<Value> = tools
        .into_iter()
        .map(|tool| {
            let mut members = match tool.kind {
                ToolKind::Native { value: Value::Object(members), .. } => members,
                ToolKind::Native { .. } | ToolKind::Custom { .. } => Members::new(),
                ToolKind::Function { name, description, parameters, strict } => {
                    function(&name, description, parameters, strict)
                }
            };
            if let Some(cache) = tool.cache {
                members.insert("cache_control".into(), cache_control(cache));
            }
            members.extend(tool.extras);
            Value::Object(members)
        })
        .collect();
    let kind = match choice {
        Some(ToolChoice::Native(value)) => Some(value),
        Some(ToolChoice::Named(name)) => Some(json!({ "type": "tool", "name": name })),
        Some(ToolChoice::Required) => Some(json!({ "type": "any" })),
        Some(ToolChoice::None) => Some(json!({ "type": "none" })),
        Some(ToolChoice::Auto | ToolChoice::Allowed { .. }) => Some(json!({ "type": "auto" })),
        None => None,
    };
    write(tools, kind, parallel, body);
}

/// The tools of another dialect's client. True where one of them must be called, and the model lets itself be forced.
pub(super) fn fitted(
    offered: Offered,
    generation: Generation,
    body: &mut Members,
    losses: &mut Losses,
) -> bool {
    let Offered { mut tools, mut choice, parallel } = offered;
    if let Some(ToolChoice::Allowed { names, is_required }) = choice {
        // What is not allowed is not offered: that is the same to the model.
        tools.retain(|tool| tool.name().is_some_and(|name| names.iter().any(|allowed| allowed == name)));
        choice = match names.as_slice() {
            [only] if is_required => Some(ToolChoice::Named(only.clone())),
            _ if is_required => Some(ToolChoice::Required),
            _ => Some(ToolChoice::Auto),
        };
    }
    let mut strict_left = if generation.has_schemas() { MOST_STRICT } else { 0 };
    let tools: Vec<Value> =
        tools.into_iter().filter_map(|tool| fitted_tool(tool, &mut strict_left, losses)).collect();
    if tools.is_empty() {
        let wants_call =
            matches!(choice, Some(ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Native(_)));
        losses.note_if(wants_call, Field::ToolChoice);
        return false;
    }
    let can_be_forced = generation.can_be_forced();
    let kind = match choice {
        None => parallel.filter(|parallel| !parallel).map(|_| json!({ "type": "auto" })),
        Some(ToolChoice::None) => Some(json!({ "type": "none" })),
        Some(ToolChoice::Required) if can_be_forced => Some(json!({ "type": "any" })),
        Some(ToolChoice::Named(name)) if can_be_forced => {
            Some(json!({ "type": "tool", "name": tool_call_id::fit(&name, NAME_LIMIT) }))
        }
        Some(ToolChoice::Auto | ToolChoice::Allowed { .. }) => Some(json!({ "type": "auto" })),
        Some(ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Native(_)) => {
            losses.note(Field::ToolChoice);
            Some(json!({ "type": "auto" }))
        }
    };
    let is_forced = kind.as_ref().is_some_and(|kind| {
        kind.get("type").and_then(Value::as_str).is_some_and(|kind| kind == "any" || kind == "tool")
    });
    write(tools, kind, parallel.filter(|parallel| !parallel), body);
    is_forced
}

fn write(tools: Vec<Value>, kind: Option<Value>, parallel: Option<bool>, body: &mut Members) {
    if !tools.is_empty() {
        body.insert("tools".into(), Value::Array(tools));
    }
    let Some(mut kind) = kind else { return };
    if let (Some(parallel), Some(kind)) = (parallel, kind.as_object_mut())
        && kind.get("type").is_some_and(|kind| kind != "none")
    {
        kind.insert("disable_parallel_tool_use".into(), (!parallel).into());
    }
    body.insert("tool_choice".into(), kind);
}

fn fitted_tool(tool: Tool, strict_left: &mut usize, losses: &mut Losses) -> Option<Value> {
    losses.note_extras("tools", &tool.extras);
    let mut members = match tool.kind {
        ToolKind::Function { name, description, parameters, strict } => {
            let wants_strict = strict == Some(true);
            let is_strict = wants_strict && *strict_left > 0;
            losses.note_if(wants_strict && !is_strict, Field::ToolStrict);
            let mut schema = parameters.filter(Value::is_object).unwrap_or_else(|| json!({}));
            if is_strict {
                *strict_left -= 1;
                schema::make_strict(&mut schema, losses);
            }
            schema::make_input(&mut schema, losses);
            let name = tool_call_id::fit(&name, NAME_LIMIT);
            function(&name, description, Some(schema), is_strict.then_some(true))
        }
        ToolKind::Custom { name, description, format } => {
            // A grammar cannot be kept; plain text can.
            let is_plain =
                format.as_ref().is_none_or(|format| format.get("type").is_some_and(|it| it == "text"));
            if !is_plain {
                losses.note_path("tools.format");
            }
            let schema = json!({
                "type": "object", "properties": { "input": { "type": "string" } }, "required": ["input"],
            });
            function(&tool_call_id::fit(&name, NAME_LIMIT), description, Some(schema), None)
        }
        ToolKind::Native { kind, value } => native::tool(kind, &value, losses)?,
    };
    if let Some(cache) = tool.cache {
        members.insert("cache_control".into(), cache_control(cache));
    }
    Some(Value::Object(members))
}

fn function(
    name: &str,
    description: Option<String>,
    parameters: Option<Value>,
    strict: Option<bool>,
) -> Members {
    let mut members = Members::new();
    members.insert("name".into(), name.into());
    if let Some(description) = description {
        members.insert("description".into(), description.into());
    }
    if let Some(parameters) = parameters {
        members.insert("input_schema".into(), parameters);
    }
    if let Some(strict) = strict {
        members.insert("strict".into(), strict.into());
    }
    members
}

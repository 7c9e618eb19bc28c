//! Tools and the choice among them.

use super::schema;
use crate::conversation::{Extras, Field, Losses, NativeKind, Request, Tool, ToolChoice, ToolKind};
use crate::dialect::gemini::model::Model;
use crate::dialect::gemini::{nested, tool_name};
use crate::json::json;
use crate::json::{FieldError, Fields};
use serde_json::{Map, Value};

/// Google's own tools that other dialects have, too.
const NATIVE: [(&str, NativeKind); 5] = [
    ("googleSearch", NativeKind::WebSearch),
    ("codeExecution", NativeKind::CodeExecution),
    ("urlContext", NativeKind::WebFetch),
    ("googleSearchRetrieval", NativeKind::WebSearch),
    ("enterpriseWebSearch", NativeKind::WebSearch),
];

/// Reads one element of `tools`: declarations of functions, and Google's own tools beside them.
pub(super) fn decode(mut tool: Fields, tools: &mut Vec<Tool>) -> Result<(), FieldError> {
    for declaration in tool.objects("functionDeclarations")? {
        tools.push(function(declaration)?);
    }
    for (name, value) in tool.rest() {
        let kind = NATIVE.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
        let value = Value::Object([(name, value)].into_iter().collect());
        tools.push(Tool::new(ToolKind::Native { kind, value }));
    }
    Ok(())
}

fn function(mut declaration: Fields) -> Result<Tool, FieldError> {
    let parameters = match declaration.take("parametersJsonSchema") {
        Some(schema) => Some(schema),
        None => declaration.take("parameters").map(schema::to_json_schema),
    };
    if parameters.as_ref().is_some_and(|schema| !schema.is_object()) {
        return Err(declaration.error("parameters", "an object"));
    }
    let kind = ToolKind::Function {
        name: declaration.required("name")?,
        description: declaration.string("description")?,
        parameters,
        strict: None,
    };
    Ok(Tool { extras: declaration.rest(), ..Tool::new(kind) })
}

/// Reads `toolConfig`. A mode that the hub has no word for stays in the extras.
pub(super) fn decode_choice(
    mut config: Fields,
    extras: &mut Extras,
) -> Result<Option<ToolChoice>, FieldError> {
    let Some(mut calling) = config.object("functionCallingConfig")? else {
        nested::keep(extras, "toolConfig", config.rest());
        return Ok(None);
    };
    let mode = calling.string("mode")?;
    let mut names = calling.strings("allowedFunctionNames")?.unwrap_or_default();
    let mode_name = mode.as_deref().unwrap_or("AUTO").to_ascii_uppercase();
    let choice = match (mode_name.as_str(), names.len()) {
        ("NONE", _) => Some(ToolChoice::None),
        ("ANY", 0) => Some(ToolChoice::Required),
        ("ANY", 1) => names.pop().map(ToolChoice::Named),
        ("ANY", _) => Some(ToolChoice::Allowed { names, is_required: true }),
        ("AUTO", 0) => Some(ToolChoice::Auto),
        ("AUTO" | "VALIDATED", 1..) => Some(ToolChoice::Allowed { names, is_required: false }),
        _ => {
            calling.put("mode", mode.map_or(Value::Null, Value::String));
            Some(ToolChoice::Auto)
        }
    };
    nested::keep(extras, "toolConfig.functionCallingConfig", calling.rest());
    nested::keep(extras, "toolConfig", config.rest());
    Ok(choice)
}

/// Whether functions are among the tools.
pub(super) fn has_functions(request: &Request) -> bool {
    request.tools.iter().any(|tool| tool.name().is_some())
}

/// Writes `tools`: all functions in one element, in their order, where the first of them stood.
pub(super) fn encode(tools: Vec<Tool>, is_own: bool, model: Model, losses: &mut Losses) -> Vec<Value> {
    let (mut declarations, mut natives) = (Vec::new(), Vec::new());
    let has_functions = tools.iter().any(|tool| tool.name().is_some());
    for tool in tools {
        losses.note_if(tool.cache.is_some(), Field::CacheBreakpoint);
        let mut written = match tool.kind {
            ToolKind::Function { name, description, parameters, .. } => {
                declaration(&name, description, parameters, is_own, losses)
            }
            ToolKind::Custom { name, description, format } => {
                losses.note_if(is_grammar(format.as_ref()), Field::ToolStrict);
                let input = json!({"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]});
                declaration(&name, description, Some(input), is_own, losses)
            }
            ToolKind::Native { value, .. } if is_own => {
                natives.push(value);
                continue;
            }
            ToolKind::Native { kind, value } => {
                // Before Gemini 3 the two exclude each other; functions are what the client cannot do without.
                let found = NATIVE.iter().find(|(_, known)| Some(*known) == kind);
                match found.filter(|_| model.is_3 || !has_functions) {
                    Some((name, _)) => {
                        note_options(&value, losses);
                        natives.push(json!({(*name): {}}));
                    }
                    None => losses.note(Field::NativeTool),
                }
                continue;
            }
        };
        if is_own {
            nested::put_back(&mut written, tool.extras);
        } else {
            losses.note_extras("tools", &tool.extras);
        }
        declarations.push(Value::Object(written));
    }
    if !declarations.is_empty() {
        natives.insert(0, json!({"functionDeclarations": declarations}));
    }
    natives
}

fn is_grammar(format: Option<&Value>) -> bool {
    format.is_some_and(|format| format.get("type").is_some_and(|kind| kind != "text"))
}

/// What was asked of another provider's tool beyond its kind.
fn note_options(value: &Value, losses: &mut Losses) {
    for name in value.as_object().into_iter().flat_map(Map::keys) {
        if !matches!(name.as_str(), "type" | "name") {
            losses.note_path(format!("tools.{name}"));
        }
    }
}

fn declaration(
    name: &str,
    description: Option<String>,
    parameters: Option<Value>,
    is_own: bool,
    losses: &mut Losses,
) -> Map<String, Value> {
    let mut written = Map::new();
    written.insert("name".into(), Value::from(tool_name::fit(name)));
    // Google's reference requires a description.
    if let Some(description) = description.or_else(|| (!is_own).then(|| name.to_owned())) {
        written.insert("description".into(), description.into());
    }
    if let Some(schema) = parameters {
        let schema = if is_own { schema } else { schema::for_google(schema, losses) };
        written.insert("parametersJsonSchema".into(), schema);
    }
    written
}

/// Writes `toolConfig`. Where the model may choose and a function is strict, its calls are to be validated, which is
/// Gemini's word for it; where it must call, they are anyway.
pub(super) fn encode_choice(request: &Request, model: Model, losses: &mut Losses) -> Map<String, Value> {
    let mut config = Map::new();
    if !has_functions(request) && request.dialect != crate::conversation::Dialect::Gemini {
        return config;
    }
    let is_strict = |tool: &Tool| matches!(tool.kind, ToolKind::Function { strict: Some(true), .. });
    let free = if request.tools.iter().any(is_strict) { "VALIDATED" } else { "AUTO" };
    let calling = match &request.tool_choice {
        None if free == "AUTO" => None,
        None | Some(ToolChoice::Auto) => Some(json!({"mode": free})),
        Some(ToolChoice::Required) => Some(json!({"mode": "ANY"})),
        Some(ToolChoice::None) => Some(json!({"mode": "NONE"})),
        Some(ToolChoice::Named(name)) => {
            Some(json!({"mode": "ANY", "allowedFunctionNames": [tool_name::fit(name)]}))
        }
        Some(ToolChoice::Allowed { names: allowed, is_required }) => {
            let mode = if *is_required { "ANY" } else { "VALIDATED" };
            let names: Vec<_> = allowed.iter().map(|name| tool_name::fit(name)).collect();
            Some(json!({"mode": mode, "allowedFunctionNames": names}))
        }
        Some(ToolChoice::Native(_)) => {
            losses.note(Field::ToolChoice);
            None
        }
    };
    if let Some(calling) = calling {
        config.insert("functionCallingConfig".into(), calling);
    }
    let has_natives = |tool: &Tool| matches!(tool.kind, ToolKind::Native { kind: Some(_), .. });
    let is_mixed =
        request.dialect != crate::conversation::Dialect::Gemini && request.tools.iter().any(has_natives);
    if is_mixed && model.is_3 {
        // Without it Gemini 3 refuses its own tools beside functions.
        config.insert("includeServerSideToolInvocations".into(), true.into());
    }
    config
}

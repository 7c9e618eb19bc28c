//! Tools, and which of them must be called.

use super::Maker;
use super::content::{Writer, fitted};
use crate::conversation::{Extras, Field};
use crate::json::json;
use serde_json::Value;

/// `toolConfig`. A conversation in which tools were called needs one whatever is offered now, and there is no choice of
/// none: such tools are left out where that is allowed.
pub(super) fn config(tools: Option<Value>, choice: Option<&Value>, writer: &mut Writer<'_>) -> Extras {
    let mut written = Vec::new();
    if let Some(Value::Array(tools)) = tools {
        for tool in tools {
            self::tool(tool, writer, &mut written);
        }
    }
    let kind = choice.and_then(|choice| choice.get("type")?.as_str()).unwrap_or_default();
    let mut config = Extras::new();
    if kind == "none" {
        match writer.called.is_empty() {
            true => return config,
            false => writer.losses.note(Field::ToolChoice),
        }
    }
    if written.is_empty() {
        let spec = |name: &String| json!({ "toolSpec": { "name": name, "inputSchema": { "json": { "type": "object" } } } });
        written = writer.called.iter().map(spec).collect();
    }
    if written.is_empty() {
        return config;
    }
    config.insert("tools".into(), written.into());
    // Said by itself, that the model may do as it likes is more than some models understand.
    let choice = match kind {
        "any" => Some(json!({ "any": {} })),
        "tool" => {
            choice.and_then(|it| it.get("name")).map(|name| json!({ "tool": { "name": fitted(name) } }))
        }
        _ => None,
    };
    config.extend(choice.map(|choice| ("toolChoice".to_owned(), choice)));
    config
}

fn tool(mut tool: Value, writer: &mut Writer<'_>, out: &mut Vec<Value>) {
    let mut take = |name: &str| tool.get_mut(name).map(Value::take);
    if take("type").is_some_and(|kind| kind != "custom") {
        return writer.losses.note(Field::NativeTool);
    }
    let cache = take("cache_control");
    let mut spec = Extras::new();
    spec.insert("name".into(), fitted(&take("name").unwrap_or_default()).into());
    let description = take("description").filter(|it| it.as_str().is_some_and(|text| !text.is_empty()));
    spec.extend(description.map(|description| ("description".to_owned(), description)));
    let schema = take("input_schema").unwrap_or_else(|| json!({ "type": "object" }));
    spec.insert("inputSchema".into(), json!({ "json": schema }));
    if take("strict") == Some(true.into()) {
        match writer.maker {
            Maker::Amazon | Maker::Plain => writer.losses.note(Field::ToolStrict),
            _ => spec.extend([("strict".to_owned(), true.into())]),
        }
    }
    out.push(json!({ "toolSpec": spec }));
    let can_end = writer.maker == Maker::Anthropic;
    out.extend(writer.cache_point(cache, can_end));
}

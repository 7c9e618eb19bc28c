//! Tools in groups, and tools that come in the middle of the input, for targets that know neither.
//!
//! OpenAI's newest models are given tools in namespaces (`{"type":"namespace","name","tools"}`), and Codex gives them by an
//! item of the input (`additional_tools`). To other dialects each is a tool like any other; its call comes back with its
//! namespace, without which the client would not find it.

use crate::conversation::{Content, Request, Tool, ToolKind};
use crate::dialect::responses::tool;
use crate::json::Fields;
use serde_json::Value;
use std::collections::BTreeMap;

/// Tools of namespaces by the name that the target knows them by: their namespace, and their name in it.
pub type Namespaces = BTreeMap<String, (String, String)>;

/// The namespace of tools that belong to none: in it they keep their names.
const PLAIN: &str = "functions";

/// Puts the tools of all namespaces into the list, and gives the calls of the history the same names.
pub fn open_namespaces(request: &mut Request) -> Namespaces {
    let mut namespaces = Namespaces::new();
    for tool in std::mem::take(&mut request.tools) {
        add(tool, &mut request.tools, &mut namespaces);
    }
    for message in &mut request.messages {
        let namespace = message.extras.shift_remove("namespace");
        for block in &mut message.content {
            match &mut block.content {
                Content::ToolCall(call) => {
                    if let Some(Value::String(namespace)) = &namespace {
                        call.name = flat(namespace, &call.name);
                    }
                }
                Content::Native(item) if item.get("type").is_some_and(|kind| kind == "additional_tools") => {
                    let tools = item.get_mut("tools").map(Value::take).unwrap_or_default();
                    for tool in of(tools) {
                        add(tool, &mut request.tools, &mut namespaces);
                    }
                }
                _ => {}
            }
        }
    }
    let is_given = |content: &Content| match content {
        Content::Native(item) => item.get("type").is_some_and(|kind| kind == "additional_tools"),
        _ => false,
    };
    request.messages.retain(|message| !message.content.iter().any(|block| is_given(&block.content)));
    namespaces
}

/// Adds a tool, or what it holds.
fn add(tool: Tool, tools: &mut Vec<Tool>, namespaces: &mut Namespaces) {
    let ToolKind::Native { value, .. } = &tool.kind else { return tools.push(tool) };
    if value.get("type").is_none_or(|kind| kind != "namespace") {
        return tools.push(tool);
    }
    let namespace = value.get("name").and_then(Value::as_str).unwrap_or(PLAIN);
    for mut inner in of(value.get("tools").cloned().unwrap_or_default()) {
        if let ToolKind::Function { name, .. } | ToolKind::Custom { name, .. } = &mut inner.kind {
            let own = std::mem::replace(name, flat(namespace, name));
            namespaces.insert(name.clone(), (namespace.to_owned(), own));
        }
        tools.push(inner);
    }
}

fn of(tools: Value) -> Vec<Tool> {
    let Value::Array(tools) = tools else { return Vec::new() };
    tools.into_iter().filter_map(|it| tool::decode(Fields::lenient(it)).ok()).collect()
}

fn flat(namespace: &str, name: &str) -> String {
    if namespace == PLAIN { name.to_owned() } else { format!("{namespace}__{name}") }
}

//! Tools of the hub as `tools`, `tool_choice` and `web_search_options`.

use crate::conversation::{Extras, Field, Losses, NativeKind, Tool, ToolChoice, ToolKind};
use crate::dialect::chat::assistant::tool_call::merge;
use crate::dialect::chat::part;
use crate::json::json;
use serde_json::{Map, Value};

/// What is said of the tools as a whole, and to whom.
pub(super) struct Written<'a> {
    pub(super) is_own: bool,
    pub(super) is_openai: bool,
    pub(super) model: &'a str,
    pub(super) choice: Option<ToolChoice>,
    pub(super) parallel: Option<bool>,
}

impl Written<'_> {
    pub(super) fn put(self, mut tools: Vec<Tool>, body: &mut Map<String, Value>, losses: &mut Losses) {
        let (choice, allowed) = self.choice(&tools);
        if let Some(names) = allowed {
            tools.retain(|tool| tool.name().is_none_or(|name| names.iter().any(|allowed| allowed == name)));
        }
        let mut list = Vec::new();
        for tool in tools {
            self.tool(tool, &mut list, body, losses);
        }
        // OpenAI refuses these two without tools.
        let is_sent = self.is_own || !list.is_empty();
        if !list.is_empty() {
            body.insert("tools".into(), Value::Array(list));
        }
        if let Some(choice) = choice {
            if is_sent && (self.is_own || !is_native(self.choice.as_ref())) {
                body.insert("tool_choice".into(), choice);
            } else {
                losses.note_if(is_native(self.choice.as_ref()), Field::ToolChoice);
            }
        }
        if let Some(parallel) = self.parallel.filter(|_| is_sent) {
            body.insert("parallel_tool_calls".into(), parallel.into());
        }
    }

    fn tool(&self, tool: Tool, list: &mut Vec<Value>, body: &mut Map<String, Value>, losses: &mut Losses) {
        let Tool { kind, cache, extras } = tool;
        let (kind, inner) = match kind {
            ToolKind::Function { name, description, parameters, strict } => {
                let mut inner = named(name, description);
                // Other providers want a schema where OpenAI takes none for no arguments.
                let none = || (!self.is_own).then(|| json!({ "type": "object", "properties": {} }));
                if let Some(parameters) = parameters.or_else(none) {
                    inner.insert("parameters".into(), parameters);
                }
                if let Some(strict) = strict {
                    inner.insert("strict".into(), strict.into());
                }
                ("function", inner)
            }
            ToolKind::Custom { name, description, format } if self.is_own || self.is_openai => {
                let mut inner = named(name, description);
                if let Some(format) = format {
                    inner.insert("format".into(), format);
                }
                ("custom", inner)
            }
            ToolKind::Custom { name, description, .. } => {
                let mut inner = named(name, description);
                let input = json!({ "type": "object", "properties": { "input": { "type": "string" } }, "required": ["input"] });
                inner.insert("parameters".into(), input);
                ("function", inner)
            }
            ToolKind::Native { kind, value } => return self.native(kind, value, list, body, losses),
        };
        let mut object = Map::new();
        object.insert("type".into(), kind.into());
        object.insert(kind.into(), Value::Object(inner));
        if let Some(cache) = cache.filter(|_| self.is_own) {
            object.insert("cache_control".into(), part::cache_control(cache));
        }
        if self.is_own {
            merge(&mut object, extras);
        } else {
            losses.note_if(cache.is_some(), Field::CacheBreakpoint);
            losses.note_extras("tools", &extras);
        }
        list.push(Value::Object(object));
    }

    /// A provider's own tool. Search of the web goes by `web_search_options`, which only models made for it take.
    fn native(
        &self,
        kind: Option<NativeKind>,
        value: Value,
        list: &mut Vec<Value>,
        body: &mut Map<String, Value>,
        losses: &mut Losses,
    ) {
        let takes_options = self.model.contains("search") || self.model.contains("sonar");
        if self.is_own {
            if value.get("type").is_some() {
                list.push(value);
            } else {
                body.insert("web_search_options".into(), value);
            }
        } else if kind == Some(NativeKind::WebSearch) && takes_options {
            body.insert("web_search_options".into(), search_options(&value));
        } else {
            losses.note(Field::NativeTool);
        }
    }

    /// The choice as it is written; and names, where it is said by offering only these.
    fn choice(&self, tools: &[Tool]) -> (Option<Value>, Option<Vec<String>>) {
        let tool = |name: &str| {
            let is_custom =
                |tool: &&Tool| tool.name() == Some(name) && matches!(tool.kind, ToolKind::Custom { .. });
            let is_custom = (self.is_own || self.is_openai) && tools.iter().any(|tool| is_custom(&tool));
            let kind = if is_custom { "custom" } else { "function" };
            json!({ "type": kind, kind: { "name": name } })
        };
        let choice = match &self.choice {
            None => return (None, None),
            Some(ToolChoice::Auto) => "auto".into(),
            Some(ToolChoice::Required) => "required".into(),
            Some(ToolChoice::None) => "none".into(),
            Some(ToolChoice::Named(name)) => tool(name),
            Some(ToolChoice::Allowed { names, is_required }) => {
                let mode = if *is_required { "required" } else { "auto" };
                if !self.is_own && !self.is_openai {
                    return (Some(mode.into()), Some(names.clone()));
                }
                let tools: Vec<Value> = names.iter().map(|name| tool(name)).collect();
                json!({ "type": "allowed_tools", "allowed_tools": { "mode": mode, "tools": tools } })
            }
            Some(ToolChoice::Native(value)) => value.clone(),
        };
        (Some(choice), None)
    }
}

fn is_native(choice: Option<&ToolChoice>) -> bool {
    matches!(choice, Some(ToolChoice::Native(_)))
}

fn named(name: String, description: Option<String>) -> Map<String, Value> {
    let mut inner = Map::new();
    inner.insert("name".into(), name.into());
    if let Some(description) = description {
        inner.insert("description".into(), description.into());
    }
    inner
}

/// What another dialect's search says of the place and the extent; where the user is stands one level deeper here.
fn search_options(value: &Value) -> Value {
    let mut options = Extras::new();
    if let Some(size) = value.get("search_context_size") {
        options.insert("search_context_size".into(), size.clone());
    }
    if let Some(Value::Object(location)) = value.get("user_location") {
        let mut location = location.clone();
        location.remove("type");
        options.insert("user_location".into(), json!({ "type": "approximate", "approximate": location }));
    }
    Value::Object(options)
}

//! Tools of other providers that Anthropic runs itself, too.

use crate::conversation::{Field, Losses, NativeKind};
use crate::dialect::messages::block::Members;
use serde_json::{Map, Value};

/// The tool as Anthropic has it, in the version that every model which has the tool takes; `None` where it has none.
pub(super) fn tool(kind: Option<NativeKind>, value: &Value, losses: &mut Losses) -> Option<Members> {
    let (kind, name) = match kind {
        Some(NativeKind::WebSearch) => ("web_search_20250305", "web_search"),
        Some(NativeKind::WebFetch) => ("web_fetch_20250910", "web_fetch"),
        Some(NativeKind::CodeExecution) => ("code_execution_20250825", "code_execution"),
        None => {
            losses.note(Field::NativeTool);
            return None;
        }
    };
    let mut tool = Members::new();
    tool.insert("type".into(), kind.into());
    tool.insert("name".into(), name.into());
    let options = value.as_object();
    for (name, option) in options.into_iter().flatten().filter(|(_, option)| !says_nothing(option)) {
        match (name.as_str(), option) {
            ("type", _) => {}
            ("user_location", Value::Object(place)) => {
                tool.insert(name.clone(), user_location(place));
            }
            ("filters", Value::Object(filters)) => {
                for (name, filter) in filters {
                    match name.as_str() {
                        "allowed_domains" | "blocked_domains" => {
                            tool.insert(name.clone(), filter.clone());
                        }
                        _ => losses.note_path(format!("tools.filters.{name}")),
                    }
                }
            }
            // A container made for the call is what code runs in here anyway.
            ("container", container) if is_automatic(container) => {}
            _ => losses.note_path(format!("tools.{name}")),
        }
    }
    Some(tool)
}

/// `googleSearch: {}`, and members that are null or the default.
fn says_nothing(option: &Value) -> bool {
    match option {
        Value::Null => true,
        Value::Object(members) => members.is_empty(),
        Value::String(text) => text == "medium",
        _ => false,
    }
}

/// Chat nests the place once more, as `approximate`.
fn user_location(place: &Map<String, Value>) -> Value {
    let inner = place.get("approximate").and_then(Value::as_object).unwrap_or(place);
    let mut out = Members::new();
    out.insert("type".into(), "approximate".into());
    for name in ["city", "region", "country", "timezone"] {
        if let Some(value) = inner.get(name).filter(|value| value.is_string()) {
            out.insert(name.into(), value.clone());
        }
    }
    Value::Object(out)
}

fn is_automatic(container: &Value) -> bool {
    container.as_object().is_some_and(|it| it.len() == 1 && it.get("type").is_some_and(|kind| kind == "auto"))
}

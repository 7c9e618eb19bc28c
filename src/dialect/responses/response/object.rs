//! The response object around the items, which repeats what was asked.

use crate::conversation::{Dialect, Extras, Response};
use crate::dialect::responses::item::{merge, response_id};
use crate::dialect::translate::Reply;
use crate::json::json;
use serde_json::{Map, Value};

/// What of a response object does not change while it is written.
#[derive(Clone, Debug)]
pub(in crate::dialect::responses) struct Shell {
    /// `"id":…,"object":"response","created_at":…,"model":…`
    head: String,
    /// The members that repeat the request, and those that only the upstream knows, each with a comma before it.
    tail: String,
}

/// What changes.
#[derive(Clone, Debug, Default)]
pub(in crate::dialect::responses) struct Progress<'a> {
    /// `in_progress`, `completed`, `incomplete`, `failed`.
    pub(in crate::dialect::responses) status: &'a str,
    /// `{"code","message"}` of a failure.
    pub(in crate::dialect::responses) error: Option<Value>,
    /// `max_output_tokens`, `content_filter`.
    pub(in crate::dialect::responses) incomplete: Option<&'a str>,
    /// Items, as JSON, with commas between them.
    pub(in crate::dialect::responses) output: &'a str,
    /// `usage`.
    pub(in crate::dialect::responses) usage: Option<Value>,
}

impl Shell {
    /// For the answer with this id and from this model; either may be empty.
    pub(in crate::dialect::responses) fn new(
        reply: &Reply,
        id: &str,
        model: &str,
        created: Option<i64>,
        own: Extras,
    ) -> Shell {
        let id = if id.starts_with("resp_") && !reply.is_continued {
            id.to_owned()
        } else {
            response_id(&reply.id)
        };
        let model = if model.is_empty() { &reply.model } else { model };
        let created = created.unwrap_or(reply.created);
        let head = format!(
            r#""id":{},"object":"response","created_at":{created},"model":{}"#,
            Value::from(id),
            Value::from(model)
        );
        let mut tail = String::new();
        for (name, value) in repeated(&reply.request, own) {
            tail.push_str(&format!(",{}:{value}", Value::from(name)));
        }
        Shell { head, tail }
    }

    /// For an answer that is whole.
    pub(in crate::dialect::responses) fn of(response: &mut Response, reply: &Reply) -> Shell {
        let extras = match response.dialect {
            Dialect::Responses => std::mem::take(&mut response.extras),
            _ => Extras::new(),
        };
        Shell::new(reply, &response.id, &response.model, response.created, extras)
    }

    /// Writes the object.
    pub(in crate::dialect::responses) fn write(&self, progress: &Progress<'_>, out: &mut Vec<u8>) {
        let incomplete = progress.incomplete.map_or(Value::Null, |reason| json!({"reason": reason}));
        let error = progress.error.clone().unwrap_or_default();
        let usage = progress.usage.clone().unwrap_or_default();
        let (Shell { head, tail }, Progress { status, output, .. }) = (self, progress);
        let text = format!(
            r#"{{{head},"status":"{status}","error":{error},"incomplete_details":{incomplete},"output":[{output}],"usage":{usage}{tail}}}"#
        );
        out.extend_from_slice(text.as_bytes());
    }
}

/// The members of a request that its answer repeats, with what the API takes for them where nothing is said
/// (<https://platform.openai.com/docs/api-reference/responses/object>).
fn defaults() -> Map<String, Value> {
    let defaults = json!({
        "background": false,
        "instructions": null,
        "max_output_tokens": null,
        "max_tool_calls": null,
        "metadata": {},
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "prompt_cache_key": null,
        "reasoning": {"effort": null, "summary": null},
        "safety_identifier": null,
        "service_tier": "default",
        "store": true,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "user": null,
    });
    if let Value::Object(defaults) = defaults { defaults } else { Map::new() }
}

/// What is repeated: what the client asked for, or else what the upstream says, or else the default.
fn repeated(request: &Extras, mut own: Extras) -> Map<String, Value> {
    let mut members = defaults();
    for (name, value) in &mut members {
        let upstream = own.shift_remove(name);
        let asked = request.get(name).filter(|asked| !asked.is_null());
        match (name.as_str(), asked) {
            // Set by what really served the call.
            ("service_tier", asked) => {
                if let Some(tier) = upstream.or_else(|| asked.cloned()).filter(|tier| tier != "auto") {
                    *value = tier;
                }
            }
            ("reasoning" | "text", Some(Value::Object(asked))) => {
                let mut asked = asked.clone();
                if let Some(Value::Object(defaults)) = Some(value.take()) {
                    // A format is one thing: its default is not mixed into another.
                    let missing =
                        defaults.into_iter().filter(|(name, _)| !asked.contains_key(name)).collect();
                    merge(&mut asked, missing);
                }
                *value = Value::Object(asked);
            }
            ("tools", Some(Value::Array(asked))) => {
                *value = Value::Array(asked.iter().cloned().map(whole_tool).collect());
            }
            (_, Some(asked)) => *value = asked.clone(),
            (_, None) => {
                if let Some(upstream) = upstream {
                    *value = upstream;
                }
            }
        }
    }
    for name in ["conversation", "prompt", "prompt_cache_retention"] {
        if let Some(asked) = request.get(name).filter(|asked| !asked.is_null()) {
            let is_id = name == "conversation" && asked.is_string();
            members.insert(name.to_owned(), if is_id { json!({"id": asked}) } else { asked.clone() });
        }
    }
    for written in
        ["status", "error", "incomplete_details", "output", "usage", "id", "object", "created_at", "model"]
    {
        own.shift_remove(written);
    }
    merge(&mut members, own);
    members
}

/// A function as the API repeats it, with the members that its clients expect.
fn whole_tool(mut tool: Value) -> Value {
    if let Value::Object(members) = &mut tool
        && members.get("type").and_then(Value::as_str) == Some("function")
    {
        for (name, default) in
            [("description", Value::Null), ("parameters", Value::Null), ("strict", true.into())]
        {
            members.entry(name).or_insert(default);
        }
    }
    tool
}

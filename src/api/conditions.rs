//! The conditions of a rule, checked when they are written so that routing need not doubt them.

use crate::config::Operator;
use crate::error::ApiError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// `{field: value | {operator: value}}`, as it came.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Conditions(BTreeMap<String, Value>);

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Number,
    Flag,
}

/// What a field holds; `None` for an unknown one.
fn kind(field: &str) -> Option<Kind> {
    match field {
        "endpoint" => Some(Kind::Text),
        "stream" | "has_tools" | "has_images" => Some(Kind::Flag),
        "input_tokens" | "max_tokens" => Some(Kind::Number),
        _ => {
            let name = field.strip_prefix("metadata.").or_else(|| field.strip_prefix("header."))?;
            (!name.is_empty()).then_some(Kind::Text)
        }
    }
}

fn fits(kind: Kind, value: &Value) -> bool {
    match kind {
        Kind::Text => value.is_string(),
        Kind::Number => value.is_number(),
        Kind::Flag => value.is_boolean(),
    }
}

impl Conditions {
    /// Refuses unknown fields, unknown operators, and values that could never match.
    ///
    /// # Errors
    /// 400 naming the condition.
    pub fn check(&self) -> Result<(), ApiError> {
        if self.0.len() > 50 {
            return Err(ApiError::invalid("conditions", "may hold at most 50 conditions"));
        }
        for (field, condition) in &self.0 {
            let path = format!("conditions.{field}");
            let Some(kind) = kind(field) else {
                let message = "is not one of endpoint, stream, has_tools, has_images, input_tokens, max_tokens, \
                               metadata.<name>, header.<name>";
                return Err(ApiError::invalid(path, message));
            };
            match condition.as_object() {
                None if fits(kind, condition) => {}
                None => return Err(ApiError::invalid(path, wanted(kind))),
                Some(operators) if operators.is_empty() => {
                    return Err(ApiError::invalid(path, "names no operator"));
                }
                Some(operators) => {
                    for (name, value) in operators {
                        check_operator(kind, name, value)
                            .map_err(|problem| ApiError::invalid(format!("{path}.{name}"), problem))?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn check_operator(kind: Kind, name: &str, value: &Value) -> Result<(), &'static str> {
    let operator: Operator = serde_json::from_value(Value::from(name))
        .map_err(|_| "is not one of eq, ne, in, not_in, gt, gte, lt, lte, glob")?;
    let right = match operator {
        Operator::Eq | Operator::Ne => fits(kind, value),
        Operator::In | Operator::NotIn => {
            value.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(|each| fits(kind, each)))
        }
        // Metadata and headers are texts, which are compared as numbers here.
        Operator::Gt | Operator::Gte | Operator::Lt | Operator::Lte if kind != Kind::Flag => {
            return if value.is_number() { Ok(()) } else { Err("must be a number") };
        }
        Operator::Glob if kind == Kind::Text => value.is_string(),
        _ => return Err("does not fit this field"),
    };
    if right { Ok(()) } else { Err(wanted(kind)) }
}

fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "must be a string (in and not_in: a list of strings)",
        Kind::Number => "must be a number (in and not_in: a list of numbers)",
        Kind::Flag => "must be true or false",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn conditions_are_checked_where_they_are_written() {
        for (conditions, expected) in [
            (json!({}), None),
            (json!({ "stream": true, "endpoint": "embeddings" }), None),
            (json!({ "input_tokens": { "gte": 1000, "lt": 200_000 } }), None),
            (
                json!({ "metadata.team": { "in": ["red", "blue"] }, "header.x-tier": { "glob": "gold*" } }),
                None,
            ),
            (json!({ "metadata.level": { "gt": 3 } }), None),
            (json!({ "steam": true }), Some("conditions.steam")),
            (json!({ "stream": "yes" }), Some("conditions.stream")),
            (json!({ "stream": { "gt": 1 } }), Some("conditions.stream.gt")),
            (json!({ "input_tokens": { "above": 1 } }), Some("conditions.input_tokens.above")),
            (json!({ "input_tokens": { "in": [] } }), Some("conditions.input_tokens.in")),
            (json!({ "input_tokens": { "glob": "1*" } }), Some("conditions.input_tokens.glob")),
            (json!({ "metadata.": "x" }), Some("conditions.metadata.")),
            (json!({ "endpoint": {} }), Some("conditions.endpoint")),
        ] {
            let checked = serde_json::from_value::<Conditions>(conditions.clone()).unwrap().check();
            assert_eq!(checked.err().and_then(|error| error.field).as_deref(), expected, "{conditions}");
        }
    }
}

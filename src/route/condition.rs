//! Conditions of rules: whether a call's facts meet them, and whether they make sense at all.

use crate::config::{Condition, Operator, glob};
use crate::route::Facts;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What a field of a call is, for comparison.
enum Fact<'a> {
    Flag(bool),
    Number(u64),
    Text(Cow<'a, str>),
}

/// What a field may be compared with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Flag,
    Number,
    Text,
}

/// A condition that makes no sense, for the user who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct InvalidCondition {
    /// Where: `conditions.input_tokens.gt`.
    pub path: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// Whether all conditions hold. A field that the call does not have meets only `ne` and `not_in`.
#[must_use]
pub fn hold(conditions: &BTreeMap<String, Condition>, facts: &Facts<'_>) -> bool {
    conditions.iter().all(|(field, condition)| {
        let fact = fact(field, facts);
        match condition {
            Condition::Equals(value) => holds(Operator::Eq, value, fact.as_ref()),
            Condition::Operators(operators) => {
                operators.iter().all(|(operator, value)| holds(*operator, value, fact.as_ref()))
            }
        }
    })
}

fn fact<'a>(field: &str, facts: &Facts<'a>) -> Option<Fact<'a>> {
    match field {
        "endpoint" => Some(Fact::Text(facts.endpoint.as_str().into())),
        "stream" => Some(Fact::Flag(facts.stream)),
        "has_tools" => Some(Fact::Flag(facts.has_tools)),
        "has_images" => Some(Fact::Flag(facts.has_images)),
        "input_tokens" => facts.input_tokens.map(Fact::Number),
        "max_tokens" => facts.max_tokens.map(Fact::Number),
        _ => {
            if let Some(name) = field.strip_prefix("metadata.") {
                return facts.metadata.get(name).map(|value| Fact::Text(value.into()));
            }
            let name = field.strip_prefix("header.")?.to_ascii_lowercase();
            (facts.header)(&name).map(|value| Fact::Text(value.into()))
        }
    }
}

fn holds(operator: Operator, value: &Value, fact: Option<&Fact<'_>>) -> bool {
    let negative = matches!(operator, Operator::Ne | Operator::NotIn);
    let Some(fact) = fact else { return negative };
    let in_list = || value.as_array().is_some_and(|list| list.iter().any(|item| equals(item, fact)));
    let ordering = || number(fact)?.partial_cmp(&value.as_f64()?);
    match operator {
        Operator::Eq => equals(value, fact),
        Operator::Ne => !equals(value, fact),
        Operator::In => in_list(),
        Operator::NotIn => !in_list(),
        Operator::Gt => ordering().is_some_and(std::cmp::Ordering::is_gt),
        Operator::Gte => ordering().is_some_and(std::cmp::Ordering::is_ge),
        Operator::Lt => ordering().is_some_and(std::cmp::Ordering::is_lt),
        Operator::Lte => ordering().is_some_and(std::cmp::Ordering::is_le),
        Operator::Glob => match (value, fact) {
            (Value::String(pattern), Fact::Text(text)) => glob::matches(pattern, text),
            _ => false,
        },
    }
}

/// Metadata and headers are text, so there a number or a flag equals its spelling.
fn equals(value: &Value, fact: &Fact<'_>) -> bool {
    match (value, fact) {
        (Value::Bool(value), Fact::Flag(flag)) => value == flag,
        (Value::Number(value), Fact::Number(number)) => value.as_u64() == Some(*number),
        (Value::String(value), Fact::Text(text)) => value == text,
        (Value::Bool(value), Fact::Text(text)) => text.parse() == Ok(*value),
        (Value::Number(value), Fact::Text(text)) => value.to_string().as_str() == text.as_ref(),
        _ => false,
    }
}

#[allow(clippy::cast_precision_loss, reason = "token counts stay far below 2^53")]
fn number(fact: &Fact<'_>) -> Option<f64> {
    match fact {
        Fact::Flag(_) => None,
        Fact::Number(number) => Some(*number as f64),
        Fact::Text(text) => text.trim().parse().ok(),
    }
}

/// Checks the conditions of a rule as the management API takes them.
///
/// # Errors
/// The first one that names an unknown field or operator, or compares with a value that the field can never have.
pub fn validate(conditions: &BTreeMap<String, Condition>) -> Result<(), InvalidCondition> {
    for (field, condition) in conditions {
        let path = format!("conditions.{field}");
        let Some(shape) = shape(field) else {
            return invalid(
                path,
                "unknown field; known are endpoint, stream, has_tools, has_images, input_tokens, max_tokens, \
                 metadata.<name> and header.<name>",
            );
        };
        match condition {
            Condition::Equals(Value::Object(operators)) => {
                let known = "eq, ne, in, not_in, gt, gte, lt, lte and glob";
                let unknown = operators
                    .keys()
                    .find(|name| serde_json::from_value::<Operator>(Value::String((*name).clone())).is_err());
                let path = unknown.map_or(path.clone(), |name| format!("{path}.{name}"));
                return invalid(path, &format!("unknown operator; known are {known}"));
            }
            Condition::Equals(value) => check(path, shape, Operator::Eq, value)?,
            Condition::Operators(operators) if operators.is_empty() => {
                return invalid(path, "give a value, or at least one operator");
            }
            Condition::Operators(operators) => {
                for (operator, value) in operators {
                    let name = serde_json::to_value(operator).unwrap_or_default();
                    check(format!("{path}.{}", name.as_str().unwrap_or_default()), shape, *operator, value)?;
                }
            }
        }
    }
    Ok(())
}

fn shape(field: &str) -> Option<Shape> {
    let named = |prefix| field.strip_prefix(prefix).is_some_and(|name: &str| !name.is_empty());
    match field {
        "endpoint" => Some(Shape::Text),
        "stream" | "has_tools" | "has_images" => Some(Shape::Flag),
        "input_tokens" | "max_tokens" => Some(Shape::Number),
        _ => (named("metadata.") || named("header.")).then_some(Shape::Text),
    }
}

fn check(path: String, shape: Shape, operator: Operator, value: &Value) -> Result<(), InvalidCondition> {
    let fits = |value: &Value| match shape {
        Shape::Flag => value.is_boolean(),
        Shape::Number => value.is_u64(),
        Shape::Text => value.is_string() || value.is_number() || value.is_boolean(),
    };
    let expected = match shape {
        Shape::Flag => "true or false",
        Shape::Number => "a whole number",
        Shape::Text => "a text",
    };
    let problem = match operator {
        Operator::Eq | Operator::Ne => (!fits(value)).then(|| format!("must be {expected}")),
        Operator::In | Operator::NotIn => {
            let is_list = value.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(fits));
            (!is_list).then(|| format!("must be a list; each of its values must be {expected}"))
        }
        Operator::Gt | Operator::Gte | Operator::Lt | Operator::Lte => match shape {
            Shape::Flag => Some("a field that is true or false cannot be compared by size".into()),
            Shape::Number | Shape::Text => (!value.is_number()).then(|| "must be a number".into()),
        },
        Operator::Glob => match shape {
            Shape::Text => (!value.is_string()).then(|| "must be a text with * and ?".into()),
            Shape::Flag | Shape::Number => Some("only a text field can be matched by a glob".into()),
        },
    };
    problem.map_or(Ok(()), |problem| invalid(path, &problem))
}

fn invalid(path: String, message: &str) -> Result<(), InvalidCondition> {
    Err(InvalidCondition { path, message: message.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Endpoint;
    use serde_json::json;

    fn conditions(value: Value) -> BTreeMap<String, Condition> {
        serde_json::from_value(value).unwrap()
    }

    fn met(value: Value) -> bool {
        let metadata = BTreeMap::from([("team".to_owned(), "blue".to_owned()), ("tier".into(), "3".into())]);
        let header = |name: &str| (name == "x-region").then(|| "eu-west".to_owned());
        let facts = Facts {
            model: "gpt-4o",
            kind: None,
            endpoint: Endpoint::ChatCompletions,
            stream: true,
            has_tools: false,
            has_images: false,
            input_tokens: Some(1000),
            max_tokens: None,
            metadata: &metadata,
            header: &header,
        };
        hold(&conditions(value), &facts)
    }

    #[test]
    fn conditions_hold_or_not() {
        for (value, expected) in [
            (json!({}), true),
            (json!({ "stream": true }), true),
            (json!({ "stream": { "ne": true } }), false),
            (json!({ "endpoint": "chat.completions", "has_tools": false }), true),
            (json!({ "endpoint": "chat.completions", "has_tools": true }), false),
            (json!({ "input_tokens": { "gt": 999, "lte": 1000 } }), true),
            (json!({ "input_tokens": { "gt": 1000 } }), false),
            (json!({ "input_tokens": { "gte": 999.5 } }), true),
            (json!({ "input_tokens": { "in": [1, 1000] } }), true),
            (json!({ "metadata.team": "blue" }), true),
            (json!({ "metadata.team": { "in": ["red"] } }), false),
            (json!({ "metadata.tier": { "gt": 2 } }), true),
            (json!({ "metadata.tier": 3 }), true),
            (json!({ "metadata.team": { "gt": 2 } }), false),
            (json!({ "header.X-Region": { "glob": "eu-*" } }), true),
            (json!({ "header.x-region": { "not_in": ["eu-west"] } }), false),
        ] {
            assert_eq!(met(value.clone()), expected, "{value}");
        }
    }

    #[test]
    fn a_field_that_is_missing_meets_only_what_is_negative() {
        for (operator, value, expected) in [
            ("eq", json!(1), false),
            ("in", json!([1]), false),
            ("gt", json!(0), false),
            ("gte", json!(0), false),
            ("lt", json!(9), false),
            ("lte", json!(9), false),
            ("ne", json!(1), true),
            ("not_in", json!([1]), true),
        ] {
            assert_eq!(met(json!({ "max_tokens": { operator: value } })), expected, "{operator}");
        }
        assert!(!met(json!({ "metadata.none": { "glob": "*" } })));
        assert!(met(json!({ "header.none": { "ne": "a" } })));
    }

    #[test]
    fn nonsense_is_refused_naming_its_path() {
        for (value, path) in [
            (json!({ "modle": "x" }), "conditions.modle"),
            (json!({ "metadata.": "x" }), "conditions.metadata."),
            (json!({ "stream": "yes" }), "conditions.stream"),
            (json!({ "stream": { "gt": 1 } }), "conditions.stream.gt"),
            (json!({ "input_tokens": { "over": 1 } }), "conditions.input_tokens.over"),
            (json!({ "input_tokens": { "gt": 1, "over": 1 } }), "conditions.input_tokens.over"),
            (json!({ "input_tokens": { "gt": "1" } }), "conditions.input_tokens.gt"),
            (json!({ "input_tokens": { "glob": "1*" } }), "conditions.input_tokens.glob"),
            (json!({ "input_tokens": { "in": 1 } }), "conditions.input_tokens.in"),
            (json!({ "input_tokens": {} }), "conditions.input_tokens"),
            (json!({ "header.x": { "not_in": [] } }), "conditions.header.x.not_in"),
            (json!({ "header.x": { "glob": 1 } }), "conditions.header.x.glob"),
            (json!({ "endpoint": null }), "conditions.endpoint"),
        ] {
            let error = validate(&conditions(value.clone())).unwrap_err();
            assert_eq!(error.path, path, "{value}");
        }
    }

    #[test]
    fn what_makes_sense_is_accepted() {
        let value = json!({
            "endpoint": "embeddings", "stream": { "eq": false }, "input_tokens": { "gt": 1, "lt": 5 },
            "metadata.team": { "in": ["a", "b"] }, "header.x-tier": { "gte": 2 }, "max_tokens": { "ne": 4 },
        });
        assert_eq!(validate(&conditions(value)), Ok(()));
    }
}

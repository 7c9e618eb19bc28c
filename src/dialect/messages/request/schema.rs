//! JSON Schemas as Anthropic takes them.
//!
//! Where a schema must hold (an answer's format, a tool with `strict`), only a subset is understood and every object must be
//! closed. What is beyond it is said in the description instead, as Anthropic's own SDKs do
//! (`transformJSONSchema` of `@anthropic-ai/sdk`), and noted.

use crate::conversation::{Field, Losses};
use crate::json::json;
use serde_json::{Map, Value};

const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// How deep a schema may nest before it is left alone: serde reads none deeper.
const DEPTH: u32 = 128;

/// The schema of a tool's input: an object, without alternatives at its top, which the API refuses.
pub(super) fn make_input(schema: &mut Value, losses: &mut Losses) {
    let Some(schema) = schema.as_object_mut() else { return };
    for name in ["anyOf", "oneOf", "allOf"] {
        losses.note_if(schema.shift_remove(name).is_some(), Field::SchemaKeyword);
    }
    if schema.get("type").is_none_or(|kind| kind != "object") {
        schema.insert("type".into(), "object".into());
    }
    schema.entry("properties").or_insert_with(|| json!({}));
}

/// Brings a schema into the subset that is kept to strictly.
pub(super) fn make_strict(schema: &mut Value, losses: &mut Losses) {
    strict(schema, losses, DEPTH);
}

fn strict(value: &mut Value, losses: &mut Losses, depth: u32) {
    let (Value::Object(schema), Some(depth)) = (value, depth.checked_sub(1)) else { return };
    if !schema.contains_key("anyOf")
        && let Some(alternatives) = schema.shift_remove("oneOf")
    {
        // Weaker only where several alternatives hold at once.
        schema.insert("anyOf".into(), alternatives);
    }
    let is_object =
        schema.get("type").is_some_and(|kind| is_of(kind, "object")) || schema.contains_key("properties");
    let mut unkept = Map::new();
    let names: Vec<String> = schema.keys().filter(|name| !is_kept(name)).cloned().collect();
    for name in names {
        let value = schema.shift_remove(&name).unwrap_or_default();
        match (name.as_str(), &value) {
            // Names the language, limits nothing.
            ("$schema", _) => {}
            ("minItems", Value::Number(least)) if least.as_u64().is_some_and(|least| least <= 1) => {
                schema.insert(name, value);
            }
            ("format", Value::String(format)) if FORMATS.contains(&format.as_str()) => {
                schema.insert(name, value);
            }
            ("additionalProperties", Value::Bool(false)) => {}
            _ => {
                unkept.insert(name, value);
            }
        }
    }
    if is_object {
        schema.insert("additionalProperties".into(), false.into());
    }
    if !unkept.is_empty() {
        losses.note(Field::SchemaKeyword);
        describe(schema, &unkept);
    }
    for (name, child) in schema.iter_mut() {
        match (name.as_str(), child) {
            ("properties" | "$defs" | "definitions", Value::Object(children)) => {
                children.values_mut().for_each(|child| strict(child, losses, depth));
            }
            ("anyOf" | "allOf", Value::Array(children)) => {
                children.iter_mut().for_each(|child| strict(child, losses, depth));
            }
            ("items", child) => strict(child, losses, depth),
            _ => {}
        }
    }
}

fn is_of(kind: &Value, name: &str) -> bool {
    match kind {
        Value::Array(kinds) => kinds.iter().any(|kind| kind == name),
        kind => kind == name,
    }
}

fn is_kept(name: &str) -> bool {
    matches!(
        name,
        "type"
            | "title"
            | "description"
            | "enum"
            | "const"
            | "default"
            | "anyOf"
            | "allOf"
            | "$ref"
            | "$defs"
            | "definitions"
            | "properties"
            | "required"
            | "items"
    )
}

fn describe(schema: &mut Map<String, Value>, unkept: &Map<String, Value>) {
    let words: Vec<String> = unkept.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let words = format!("{{{}}}", words.join(", "));
    let description = match schema.get("description").and_then(Value::as_str) {
        Some(description) if !description.is_empty() => format!("{description}\n\n{words}"),
        _ => words,
    };
    schema.insert("description".into(), description.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_brought_into_the_subset() {
        let mut schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "age": { "type": "integer", "minimum": 0, "description": "In years." },
                "tags": { "type": "array", "minItems": 1, "items": { "type": "object", "properties": {} } },
                "when": { "type": "string", "format": "date" },
                "minimum": { "oneOf": [{ "type": "string", "format": "color" }, { "type": "null" }] },
            },
            "additionalProperties": true,
        });
        let mut losses = Losses::default();
        make_strict(&mut schema, &mut losses);
        assert!(losses.has(Field::SchemaKeyword));
        assert_eq!(
            schema,
            json!({
                "type": "object",
                "properties": {
                    "age": { "type": "integer", "description": "In years.\n\n{minimum: 0}" },
                    "tags": {
                        "type": "array", "minItems": 1,
                        "items": { "type": "object", "properties": {}, "additionalProperties": false },
                    },
                    "when": { "type": "string", "format": "date" },
                    "minimum": { "anyOf": [
                        { "type": "string", "description": "{format: \"color\"}" }, { "type": "null" },
                    ] },
                },
                "additionalProperties": false,
                "description": "{additionalProperties: true}",
            })
        );
    }

    #[test]
    fn a_schema_that_is_closed_already_loses_nothing() {
        let closed = json!({
            "type": "object", "properties": { "a": { "$ref": "#/$defs/a" } }, "required": ["a"],
            "additionalProperties": false, "$defs": { "a": { "enum": ["x"] } },
        });
        let (mut schema, mut losses) = (closed.clone(), Losses::default());
        make_strict(&mut schema, &mut losses);
        assert_eq!(schema, closed);
        assert!(losses.is_empty());
    }

    #[test]
    fn an_input_is_an_object() {
        let (mut schema, mut losses) = (json!({ "anyOf": [{}] }), Losses::default());
        make_input(&mut schema, &mut losses);
        assert_eq!(schema, json!({ "type": "object", "properties": {} }));
        assert!(losses.has(Field::SchemaKeyword));
    }
}

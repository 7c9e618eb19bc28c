//! An example value for a JSON Schema: what the demo provider answers where structure is asked for.

use crate::json::json;
use serde_json::{Map, Value};

/// Deeper than this, and after so many values, a schema that refers to itself is cut.
const MAX_DEPTH: u8 = 12;
const MAX_VALUES: usize = 1000;

/// A value that the schema allows, with `text` wherever it takes free text.
pub(super) fn of_schema(schema: &Value, text: &str) -> Value {
    let mut example = Example { root: schema, text, values: 0 };
    let value = example.of(schema, MAX_DEPTH);
    if value.is_null() { json!({}) } else { value }
}

struct Example<'a> {
    root: &'a Value,
    text: &'a str,
    values: usize,
}

impl Example<'_> {
    fn of(&mut self, schema: &Value, depth: u8) -> Value {
        self.values += 1;
        let Some(depth) = depth.checked_sub(1).filter(|_| self.values <= MAX_VALUES) else {
            return Value::Null;
        };
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let target = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            return target.map_or(Value::Null, |target| self.of(target, depth));
        }
        let first = |name: &str| schema.get(name)?.as_array()?.first();
        if let Some(value) = schema.get("const").or_else(|| schema.get("default")).or_else(|| first("enum")) {
            return value.clone();
        }
        if let Some(option) = first("anyOf").or_else(|| first("oneOf")).or_else(|| first("allOf")) {
            return self.of(option, depth);
        }
        let kind = schema.get("type").and_then(|kind| kind.as_str().or_else(|| kind.get(0)?.as_str()));
        let minimum = schema.get("minimum").cloned();
        match kind {
            Some("string") => json!(self.text),
            Some("integer") => minimum.unwrap_or(json!(1)),
            Some("number") => minimum.unwrap_or(json!(1.0)),
            Some("boolean") => json!(true),
            Some("null") => Value::Null,
            Some("array") => schema.get("items").map_or(json!([]), |items| json!([self.of(items, depth)])),
            _ => self.object(schema, depth),
        }
    }

    fn object(&mut self, schema: &Value, depth: u8) -> Value {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return json!({}) };
        let fields = properties.iter().map(|(name, field)| (name.clone(), self.of(field, depth)));
        Value::Object(fields.collect::<Map<_, _>>())
    }
}

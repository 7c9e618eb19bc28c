//! Schemas, between JSON Schema and what Google takes.
//!
//! `parametersJsonSchema` and `responseJsonSchema` take JSON Schema whole; keywords beyond `$id`, `$defs`, `$ref`, `$anchor`, `type`,
//! `format`, `title`, `description`, `enum`, `items`, `prefixItems`, `minItems`, `maxItems`, `minimum`, `maximum`, `anyOf`, `oneOf`, `properties`,
//! `additionalProperties`, `required` are passed over, and beside a `$ref` only names that begin with `$` may stand (reference of
//! `GenerationConfig.responseJsonSchema`). So what says the same in those keywords is said in them. `parameters` and `responseSchema` are
//! Google's own older form, a subset of `OpenAPI` 3.0 with types in capitals.

use crate::conversation::{Field, Losses};
use serde_json::{Map, Number, Value};

/// Names of the older form that JSON Schema spells in another way, or that clients may write so.
const SPELLINGS: [(&str, &str); 10] = [
    ("any_of", "anyOf"),
    ("min_items", "minItems"),
    ("max_items", "maxItems"),
    ("min_length", "minLength"),
    ("max_length", "maxLength"),
    ("min_properties", "minProperties"),
    ("max_properties", "maxProperties"),
    ("property_ordering", "propertyOrdering"),
    ("additional_properties", "additionalProperties"),
    ("prefix_items", "prefixItems"),
];

/// From Google's older form.
pub(super) fn to_json_schema(schema: Value) -> Value {
    let Value::Object(schema) = schema else { return schema };
    let mut written = Map::new();
    let mut is_nullable = false;
    for (name, value) in schema {
        let name = SPELLINGS.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| (*new).to_owned());
        let value = match name.as_str() {
            "type" if value == "TYPE_UNSPECIFIED" => continue,
            "type" => value.as_str().map(|kind| Value::from(kind.to_ascii_lowercase())).unwrap_or(value),
            "nullable" => {
                is_nullable = value == true;
                continue;
            }
            // A mark of OpenAPI's that says no more than `enum` does.
            "format" if value == "enum" => continue,
            // Whole numbers of 64 bits, which Google's JSON writes as strings.
            "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties" => {
                let count = value.as_str().and_then(|count| count.parse::<u64>().ok());
                count.map_or(value, Value::from)
            }
            _ => in_subschemas(&name, value, &mut to_json_schema),
        };
        written.insert(name, value);
    }
    if is_nullable {
        let null = || Value::from("null");
        if let Some(kind) = written.get_mut("type") {
            *kind = Value::Array(vec![kind.take(), null()]);
        } else if let Some(Value::Array(choices)) = written.get_mut("anyOf") {
            choices.push(Value::Object([("type".to_owned(), null())].into_iter().collect()));
        }
    }
    Value::Object(written)
}

/// For Google: the same in the keywords that it knows, as far as they can say it.
pub(super) fn for_google(schema: Value, losses: &mut Losses) -> Value {
    let Value::Object(schema) = schema else { return schema };
    let is_integer = schema.get("type").is_some_and(|kind| kind == "integer");
    let mut written = Map::new();
    for (name, value) in schema {
        match name.as_str() {
            "$schema" | "$comment" => {}
            "definitions" => {
                let definitions = in_subschemas(&name, value, &mut |inner| for_google(inner, losses));
                written.insert("$defs".into(), definitions);
            }
            "$ref" => {
                let place = value.as_str().and_then(|place| place.strip_prefix("#/definitions/"));
                let renamed = place.map(|place| Value::from(format!("#/$defs/{place}")));
                written.insert(name, renamed.unwrap_or(value));
            }
            "const" if value.is_string() || value.is_number() => {
                written.entry("enum").or_insert_with(|| Value::Array(vec![value]));
            }
            "exclusiveMinimum" => bound(&mut written, "minimum", &value, is_integer.then_some(1), losses),
            "exclusiveMaximum" => bound(&mut written, "maximum", &value, is_integer.then_some(-1), losses),
            _ => {
                let value = in_subschemas(&name, value, &mut |inner| for_google(inner, losses));
                written.insert(name, value);
            }
        }
    }
    if let Some(all) = written.shift_remove("allOf") {
        merge_all(&mut written, all);
    }
    lone_reference(&mut written);
    Value::Object(written)
}

/// Does it to each schema within a member of a schema.
fn in_subschemas(name: &str, value: Value, rewrite: &mut dyn FnMut(Value) -> Value) -> Value {
    match (name, value) {
        ("properties" | "$defs" | "definitions" | "patternProperties", Value::Object(named)) => {
            named.into_iter().map(|(name, schema)| (name, rewrite(schema))).collect()
        }
        ("items" | "additionalProperties", schema @ Value::Object(_)) => rewrite(schema),
        ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(schemas)) => {
            schemas.into_iter().map(rewrite).collect()
        }
        (_, other) => other,
    }
}

/// A bound that is not reached: of whole numbers the next one is; of others Google only knows the bound itself.
fn bound(
    written: &mut Map<String, Value>,
    name: &str,
    value: &Value,
    step: Option<i64>,
    losses: &mut Losses,
) {
    let next = step.and_then(|step| value.as_i64()?.checked_add(step)).map(Number::from);
    losses.note_if(next.is_none(), Field::SchemaKeyword);
    if let Some(bound) = next.or_else(|| value.as_number().cloned()) {
        written.entry(name).or_insert(Value::Number(bound));
    }
}

/// What must hold all at once, as one schema where that can be said: keywords that stand in several parts of it keep it apart.
fn merge_all(written: &mut Map<String, Value>, all: Value) {
    let Value::Array(mut parts) = all else { return };
    if let ([Value::Object(part)], false) = (parts.as_slice(), written.contains_key("anyOf"))
        && part.contains_key("$ref")
    {
        written.insert("anyOf".into(), Value::Array(parts));
        return;
    }
    parts.retain_mut(|part| {
        let Value::Object(part) = part else { return true };
        let is_disjoint = |(name, value): (&String, &Value)| match (name.as_str(), written.get(name)) {
            (_, None) => name != "$ref",
            ("properties", Some(Value::Object(known))) => {
                value.as_object().is_some_and(|more| !more.keys().any(|name| known.contains_key(name)))
            }
            ("required", Some(Value::Array(_))) => value.is_array(),
            (_, Some(known)) => known == value,
        };
        if !part.iter().all(is_disjoint) {
            return true;
        }
        for (name, value) in std::mem::take(part) {
            match (written.get_mut(&name), value) {
                (Some(Value::Object(known)), Value::Object(more)) if name == "properties" => {
                    known.extend(more);
                }
                (Some(Value::Array(known)), Value::Array(more)) if name == "required" => known.extend(more),
                (Some(_), _) => {}
                (None, value) => {
                    written.insert(name, value);
                }
            }
        }
        false
    });
    if !parts.is_empty() {
        written.insert("allOf".into(), Value::Array(parts));
    }
}

/// A reference with a description beside it: one choice of one.
fn lone_reference(written: &mut Map<String, Value>) {
    let has_company = written.keys().any(|name| !name.starts_with('$'));
    if !has_company || written.contains_key("anyOf") {
        return;
    }
    if let Some(reference) = written.shift_remove("$ref") {
        let choice = Value::Object([("$ref".to_owned(), reference)].into_iter().collect());
        written.insert("anyOf".into(), Value::Array(vec![choice]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_older_form_becomes_json_schema() {
        for (older, expected) in [
            (
                json!({"type": "OBJECT", "properties": {"type": {"type": "STRING", "nullable": true}}, "required": ["type"]}),
                json!({"type": "object", "properties": {"type": {"type": ["string", "null"]}}, "required": ["type"]}),
            ),
            (
                json!({"type": "ARRAY", "min_items": "1", "items": {"type": "STRING", "format": "enum", "enum": ["A"]}}),
                json!({"type": "array", "minItems": 1, "items": {"type": "string", "enum": ["A"]}}),
            ),
            (
                json!({"any_of": [{"type": "INTEGER"}, {"type": "NUMBER"}], "nullable": true}),
                json!({"anyOf": [{"type": "integer"}, {"type": "number"}, {"type": "null"}]}),
            ),
        ] {
            assert_eq!(to_json_schema(older), expected);
        }
    }

    #[test]
    fn google_gets_the_keywords_that_it_knows() {
        for (schema, expected, is_lost) in [
            (
                json!({"$schema": "x", "type": "object", "additionalProperties": false, "properties": {"$schema": {"type": "string"}}}),
                json!({"type": "object", "additionalProperties": false, "properties": {"$schema": {"type": "string"}}}),
                false,
            ),
            (
                json!({"properties": {"a": {"$ref": "#/definitions/A", "description": "d"}}, "definitions": {"A": {"const": "x"}}}),
                json!({"properties": {"a": {"description": "d", "anyOf": [{"$ref": "#/$defs/A"}]}}, "$defs": {"A": {"enum": ["x"]}}}),
                false,
            ),
            (json!({"$ref": "#/$defs/A", "$defs": {}}), json!({"$ref": "#/$defs/A", "$defs": {}}), false),
            (
                json!({"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 9}),
                json!({"type": "integer", "minimum": 1, "maximum": 8}),
                false,
            ),
            (
                json!({"type": "number", "exclusiveMinimum": 0.5}),
                json!({"type": "number", "minimum": 0.5}),
                true,
            ),
            (
                json!({"allOf": [{"$ref": "#/$defs/A"}], "title": "t"}),
                json!({"title": "t", "anyOf": [{"$ref": "#/$defs/A"}]}),
                false,
            ),
            (
                json!({"allOf": [{"type": "object", "properties": {"a": {}}, "required": ["a"]}, {"properties": {"b": {}}, "required": ["b"]}]}),
                json!({"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a", "b"]}),
                false,
            ),
            (
                json!({"type": "string", "allOf": [{"minLength": 1}, {"type": "integer"}]}),
                json!({"type": "string", "minLength": 1, "allOf": [{"type": "integer"}]}),
                false,
            ),
        ] {
            let mut losses = Losses::default();
            assert_eq!(for_google(schema.clone(), &mut losses), expected, "{schema}");
            assert_eq!(losses.has(Field::SchemaKeyword), is_lost, "{schema}");
        }
    }
}

//! The gateway as an `OpenAPI` 3.1 document, from the table of routes and the types that its handlers read and write.
//!
//! It is made natively: derived schemas are much code, and the document does not change while a Worker runs. A test keeps
//! `src/edge/openapi.js`, which the Worker serves, as this says.

mod data_plane;
mod operations;
pub(super) mod shown;

use super::routes::{Access, ROUTES};
use operations::{Answer, Kind, Operation, Parameter};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The document.
#[must_use]
pub fn document() -> Value {
    // What is sent is described in place, what comes back by name: a type may show otherwise than it is read.
    let mut read = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    read.definitions_path = "/components/schemas".into();
    let mut read = read.into_generator();
    let mut shown = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    shown.inline_subschemas = false;
    let mut shown = shown.into_generator();
    let mut paths: Map<String, Value> = data_plane::paths();
    for operation in operations::all() {
        let access = access(&operation);
        let entry = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(methods) = entry.as_object_mut() {
            let described = describe(&operation, access, &mut read, &mut shown);
            methods.insert(operation.method.to_ascii_lowercase(), described);
        }
    }
    let mut schemas = shown.take_definitions(true);
    schemas.insert("Error".into(), error());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Edgeway",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "An AI gateway at the edge. The paths under /v1 and /v1beta take what OpenAI's, Anthropic's and \
                Google's own APIs take; those under /api manage the gateway. OpenAI's paths are there without /v1, too, and \
                Gemini's under /v1alpha.",
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "session": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "session": { "type": "http", "scheme": "bearer", "description": "The token that POST /api/auth/login gives." },
                "gatewayKey": { "type": "http", "scheme": "bearer", "description": "A gateway key; also as x-api-key or x-goog-api-key." },
            },
            "schemas": schemas,
        },
    })
}

fn access(operation: &Operation) -> Access {
    let same =
        |route: &&super::routes::Route| (route.method, route.pattern) == (operation.method, operation.path);
    ROUTES.iter().find(same).map_or(Access::Member, |route| route.access)
}

fn describe(
    operation: &Operation,
    access: Access,
    read: &mut SchemaGenerator,
    shown: &mut SchemaGenerator,
) -> Value {
    let segments = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let of_path = segments
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let parameters: Vec<Value> = of_path.chain(operation.query.iter().map(parameter)).collect();
    let answer = match &operation.answer {
        Answer::One(describe) => in_json(&describe(shown).to_value()),
        Answer::List(describe) => {
            let row = describe(shown).to_value();
            in_json(&json!({ "type": "object", "required": ["data", "next_cursor"], "properties": {
                "data": { "type": "array", "items": row }, "next_cursor": { "type": ["string", "null"] } } }))
        }
        Answer::Written(schema) => in_json(schema),
        Answer::Media(types) => types
            .iter()
            .map(|media| ((*media).to_owned(), json!({ "schema": { "type": "string" } })))
            .collect(),
    };
    let mut responses = Map::new();
    responses.insert(operation.status.to_string(), json!({ "description": "Done", "content": answer }));
    for status in operations::failures(operation, access) {
        let content = in_json(&json!({ "$ref": "#/components/schemas/Error" }));
        responses.insert(status.to_string(), json!({ "description": meaning(status), "content": content }));
    }
    let mut described = json!({
        "operationId": format!("{}{}", operation.method.to_ascii_lowercase(), operation.path.replace(['/', '{', '}', '-'], "_")),
        "summary": operation.summary,
        "tags": [operation.path.split('/').rfind(|part| !part.starts_with('{') && !part.is_empty()).unwrap_or_default()],
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(body) = operation.body {
        let content = in_json(&body(read).to_value());
        put(
            &mut described,
            "requestBody",
            json!({ "required": !operation.body_is_optional, "content": content }),
        );
    }
    if access == Access::Anyone {
        put(&mut described, "security", json!([]));
    }
    described
}

fn put(object: &mut Value, name: &str, member: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.into(), member);
    }
}

fn in_json(schema: &Value) -> Map<String, Value> {
    Map::from_iter([("application/json".to_owned(), json!({ "schema": schema }))])
}

fn parameter((name, kind, description): &Parameter) -> Value {
    let schema = match kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Time => json!({ "type": "string", "format": "date-time" }),
        Kind::Number { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::OneOf(words) => json!({ "enum": words }),
    };
    json!({ "name": name, "in": "query", "description": description, "schema": schema })
}

fn meaning(status: u16) -> &'static str {
    match status {
        400 => "The body or a parameter is wrong; `field` names it",
        401 => "Nobody is signed in",
        403 => "Not yours to do",
        404 => "There is no such thing",
        409 => "A name is taken, or something still refers to it",
        413 => "The body is larger than 256 KB",
        415 => "The body is not JSON",
        429 => "Too many tries; `retry-after` says when",
        502 => "Somebody else's server failed",
        _ => "The storage does not answer",
    }
}

fn error() -> Value {
    json!({ "type": "object", "required": ["error"], "properties": { "error": {
        "type": "object", "required": ["code", "message"], "properties": {
            "code": { "type": "string" }, "message": { "type": "string" }, "field": { "type": "string" } } } } })
}

#[cfg(test)]
mod tests;

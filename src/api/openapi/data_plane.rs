//! The paths that models are called by, and what the gateway says of itself. Their bodies are other people's APIs, so they are
//! named, not described.

use super::{in_json, put};
use serde_json::{Map, Value, json};

const JSON: &str = "application/json";
const FORM: &str = "multipart/form-data";
const EVENTS: &str = "text/event-stream";

/// Parameters of a query: name, type, description.
type Query = [(&'static str, &'static str, &'static str)];

const MODELS: &Query = &[("provider", "string", "The models of this provider alone, by its name.")];
const ITEMS: &Query = &[
    ("limit", "integer", "How many at most."),
    ("after", "string", "Those behind this id."),
    ("before", "string", "Those ahead of this id."),
    ("order", "string", "`asc` or `desc`."),
];
const RESPONSES: &Query = &[
    ("limit", "integer", "How many at most."),
    ("cursor", "string", "Where the page before ended; also as `after`."),
    ("order", "string", "`asc` or `desc`."),
    ("prefix", "string", "What their ids begin with."),
];
const STREAM: &Query = &[
    ("stream", "boolean", "As the events of a stream."),
    ("starting_after", "integer", "The events behind this number."),
];

/// All of them.
#[allow(clippy::too_many_lines, reason = "a table")]
pub(super) fn paths() -> Map<String, Value> {
    let call = |summary: &str| operation(summary, &[JSON], &[JSON, EVENTS]);
    let upload = |summary: &str| operation(summary, &[FORM], &[JSON, EVENTS]);
    let show = |summary: &str| operation(summary, &[], &[JSON]);
    let known = |summary: &str| open(show(summary));
    let operations = [
        ("/v1/chat/completions", "post", call("OpenAI Chat Completions")),
        ("/v1/responses", "post", call("OpenAI Responses")),
        ("/v1/responses", "get", asking(show("List stored responses"), RESPONSES)),
        ("/v1/responses/input_tokens", "post", operation("OpenAI's token count", &[JSON], &[JSON])),
        ("/v1/responses/all", "delete", show("Delete all stored responses")),
        ("/v1/responses/{id}", "get", asking(operation("A stored response", &[], &[JSON, EVENTS]), STREAM)),
        ("/v1/responses/{id}", "delete", show("Delete a stored response")),
        ("/v1/responses/{id}/input_items", "get", asking(show("What a stored response was asked"), ITEMS)),
        ("/v1/responses/{id}/cancel", "post", show("Cancel a response")),
        ("/v1/messages", "post", call("Anthropic Messages")),
        ("/v1/messages/count_tokens", "post", operation("Anthropic's token count", &[JSON], &[JSON])),
        (
            "/v1beta/models",
            "get",
            asking(show("The models that this caller may use, as Gemini lists them"), MODELS),
        ),
        ("/v1beta/models/{model}", "get", show("One of them, as Gemini shows it")),
        ("/v1beta/models/{model}:generateContent", "post", call("Gemini generateContent")),
        ("/v1beta/models/{model}:streamGenerateContent", "post", call("Gemini streamGenerateContent")),
        ("/v1beta/models/{model}:countTokens", "post", operation("Gemini's token count", &[JSON], &[JSON])),
        ("/v1/models/{model}:generateContent", "post", call("Gemini generateContent")),
        ("/v1/models/{model}:streamGenerateContent", "post", call("Gemini streamGenerateContent")),
        ("/v1/models/{model}:countTokens", "post", operation("Gemini's token count", &[JSON], &[JSON])),
        ("/v1/completions", "post", call("OpenAI text completions")),
        ("/v1/embeddings", "post", call("Embeddings")),
        ("/v1/images/generations", "post", call("Images")),
        ("/v1/images/edits", "post", operation("Images from images", &[FORM, JSON], &[JSON, EVENTS])),
        ("/v1/audio/speech", "post", operation("Speech for a text", &[JSON], &["audio/*", EVENTS])),
        ("/v1/audio/transcriptions", "post", transcript(upload("The text of a recording"))),
        ("/v1/audio/translations", "post", transcript(upload("The text of a recording, in English"))),
        ("/v1/rerank", "post", call("Reranking")),
        ("/v1/moderations", "post", call("Moderations")),
        ("/v1/models", "get", asking(show("The models that this caller may use"), MODELS)),
        ("/v1/models", "post", asking(show("The same, for clients that POST"), MODELS)),
        ("/v1/models/{model}", "get", show("One of them")),
        ("/api/v1/chat/generate-text", "post", call("Text for a prompt")),
        ("/api/v1/vision/extract-text", "post", operation("The text of an image", &[JSON, FORM], &[JSON])),
        ("/api/v1/health", "get", known("Whether it is up")),
        ("/api/logs/live", "get", live()),
        ("/providers", "get", known("The providers that this gateway knows")),
        ("/healthz", "get", known("Whether it is up")),
        ("/", "get", known("What this is")),
        ("/doc", "get", known("This document")),
        ("/docs", "get", open(operation("This document for people", &[], &["text/html"]))),
    ];
    let mut paths = Map::new();
    for (path, method, described) in operations {
        let entry = paths.entry(path).or_insert_with(|| of_path(path));
        put(entry, method, described);
    }
    paths
}

/// What all operations of a path share: the part of it that varies.
fn of_path(path: &str) -> Value {
    match path.split_once('{').and_then(|(_, rest)| rest.split_once('}')) {
        Some((name, _)) => json!({ "parameters":
            [{ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }] }),
        None => json!({}),
    }
}

/// An operation that a gateway key is needed for, with the types of what is sent, if anything is, and of what comes back.
fn operation(summary: &str, sent: &[&str], given: &[&str]) -> Value {
    let is_call = !sent.is_empty();
    let (done, failed) = match (is_call, given.contains(&EVENTS)) {
        (true, true) => {
            ("As that API answers; events where `stream` is true", "An error in that API's shape")
        }
        (true, false) => ("As that API answers", "An error in that API's shape"),
        (false, _) => ("Done", "An error"),
    };
    let mut described = json!({ "summary": summary, "tags": ["models"], "security": [{ "gatewayKey": [] }], "responses": {
        "200": { "description": done, "content": content(given) },
        "default": { "description": failed, "content": content(&[JSON]) },
    } });
    if is_call {
        put(&mut described, "requestBody", json!({ "required": true, "content": content(sent) }));
    }
    described
}

fn content(types: &[&str]) -> Map<String, Value> {
    let schema = |media: &str| match media {
        JSON | FORM => json!({ "type": "object" }),
        _ => json!({ "type": "string" }),
    };
    types.iter().map(|media| ((*media).to_owned(), json!({ "schema": schema(media) }))).collect()
}

/// A transcript is JSON, or text or subtitles where `response_format` says so.
fn transcript(mut described: Value) -> Value {
    if let Some(done) = described.pointer_mut("/responses/200") {
        put(done, "content", json!(content(&[JSON, "text/plain", "text/vtt", EVENTS])));
    }
    described
}

fn asking(mut described: Value, query: &Query) -> Value {
    let parameters: Vec<Value> = query
        .iter()
        .map(|(name, kind, description)| {
            json!({ "name": name, "in": "query", "description": description, "schema": { "type": kind } })
        })
        .collect();
    put(&mut described, "parameters", json!(parameters));
    described
}

/// Anybody may ask.
fn open(mut described: Value) -> Value {
    put(&mut described, "security", json!([]));
    described
}

fn live() -> Value {
    json!({
        "summary": "Finished calls and the day's sums as they happen, over a WebSocket",
        "description": "Messages are `{\"type\":\"call\",\"data\":{…}}`, a call as /api/logs has it, and \
            `{\"type\":\"totals\",\"data\":{requests, errors, input_tokens, output_tokens, cost}}`, the sums of the UTC day. \
            A page sends its token as a subprotocol: `new WebSocket(url, [\"edgeway\", \"bearer.<token>\"])`.",
        "tags": ["logs"],
        "responses": {
            "101": { "description": "The WebSocket" },
            "default": { "description": "An error", "content": in_json(&json!({ "$ref": "#/components/schemas/Error" })) },
        },
    })
}

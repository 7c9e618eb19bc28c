//! What the gateway says of itself to anybody who asks: `/`, `/providers` and `/docs`.

use crate::json::{json, tree_of};
use crate::provider::table::KINDS;
use serde_json::Value;

/// `GET /docs`: the document of `/doc` rendered by Swagger UI, which the browser loads from a CDN: a megabyte and a half that few
/// look at has no place in the Worker.
pub const DOCS: &str = include_str!("home/docs.html");

/// What that page may load and run.
pub const DOCS_POLICY: &str = "default-src 'none'; connect-src 'self'; img-src data: https:; font-src data:; \
     style-src 'unsafe-inline' https://cdn.jsdelivr.net; script-src 'unsafe-inline' https://cdn.jsdelivr.net; frame-ancestors 'none'";

/// What may be asked, one a line; the document of `/doc` has the rest of `/api`.
const ENDPOINTS: &str = "\
POST /v1/chat/completions
POST /v1/responses
GET /v1/responses
GET /v1/responses/{id}
DELETE /v1/responses/{id}
GET /v1/responses/{id}/input_items
POST /v1/responses/{id}/cancel
DELETE /v1/responses/all
POST /v1/responses/input_tokens
POST /v1/messages
POST /v1/messages/count_tokens
POST /v1beta/models/{model}:generateContent
POST /v1beta/models/{model}:streamGenerateContent
POST /v1beta/models/{model}:countTokens
POST /v1/models/{model}:generateContent
POST /v1/models/{model}:streamGenerateContent
POST /v1/models/{model}:countTokens
POST /v1/completions
POST /v1/embeddings
POST /v1/images/generations
POST /v1/images/edits
POST /v1/audio/speech
POST /v1/audio/transcriptions
POST /v1/audio/translations
POST /v1/rerank
POST /v1/moderations
GET /v1/models
POST /v1/models
GET /v1/models/{model}
GET /v1beta/models
GET /v1beta/models/{model}
POST /api/v1/chat/generate-text
POST /api/v1/vision/extract-text
GET /api/v1/health
GET /providers
GET /healthz
GET /doc
GET /docs
/api/*";

/// `GET /`
#[must_use]
pub fn page() -> Value {
    json!({
        "name": "edgeway",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "An AI gateway: point an OpenAI SDK at /v1 with a gateway key.",
        "endpoints": ENDPOINTS.lines().map(Value::from).collect::<Vec<Value>>(),
    })
}

/// `GET /providers`: every kind of provider, and the prefix that a model name forces it by.
#[must_use]
pub fn providers() -> Value {
    let providers: Vec<Value> = KINDS
        .iter()
        .map(|kind| {
            json!({
                "id": kind.name,
                "name": kind.title,
                "prefix": format!("{}/", kind.name),
                "models": kind.models,
                "base_url": kind.base_url,
                "dialects": tree_of(&kind.dialects),
            })
        })
        .collect();
    json!({ "object": "list", "data": providers })
}

//! *What does this body say?* The dialects that clients and upstreams speak, and the endpoints that speak them.

pub mod chat;
pub mod embeddings;

use crate::json::JsonError;
use serde::{Deserialize, Serialize};

/// A wire format for conversations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// OpenAI Chat Completions, and the OpenAI endpoints beside it.
    #[default]
    Chat,
    /// OpenAI Responses.
    Responses,
    /// Anthropic Messages.
    Messages,
    /// Gemini `generateContent`.
    Gemini,
}

impl Dialect {
    /// As written in the configuration and in logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Dialect::Chat => "chat",
            Dialect::Responses => "responses",
            Dialect::Messages => "messages",
            Dialect::Gemini => "gemini",
        }
    }
}

/// What a caller asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/embeddings`
    Embeddings,
}

impl Endpoint {
    /// As written in logs and in a rule's `endpoint` condition.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Endpoint::ChatCompletions => "chat.completions",
            Endpoint::Embeddings => "embeddings",
        }
    }

    /// Its path below an OpenAI-style base URL.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Endpoint::ChatCompletions => "/chat/completions",
            Endpoint::Embeddings => "/embeddings",
        }
    }
}

/// A request body that cannot be served, in words for the client: the field, where one is to blame, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidBody {
    /// Path of the field; `None` where the body as a whole is no JSON object.
    pub field: Option<String>,
    /// A sentence that says what is expected.
    pub message: String,
}

impl InvalidBody {
    /// This field must be …
    fn field(field: impl Into<String>, expected: &str) -> InvalidBody {
        let field = field.into();
        InvalidBody { message: format!("`{field}` must be {expected}"), field: Some(field) }
    }
}

impl From<JsonError> for InvalidBody {
    fn from(error: JsonError) -> InvalidBody {
        let field = match &error {
            JsonError::Duplicate(name) => Some(name.clone()),
            _ => None,
        };
        InvalidBody { field, message: error.to_string() }
    }
}

//! *What does this body say?* The dialects that clients and upstreams speak, and the endpoints that speak them.

pub mod chat;
pub mod completions;
pub mod converse;
pub mod error;
pub mod gemini;
pub mod imprint;
pub mod maximum;
pub mod messages;
pub mod passthrough;
pub mod relay;
pub mod responses;
pub mod simple;
pub mod translate;

pub use crate::conversation::Dialect;
use crate::json::{FieldError, JsonError};
use crate::usage::beside::Beside;

/// What a caller asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/responses`
    Responses,
    /// `POST /v1/messages`
    Messages,
    /// `POST /v1beta/models/{model}:generateContent` and `:streamGenerateContent`
    GenerateContent,
    /// `POST /model/{model}/converse` and `/converse-stream`; of upstreams only.
    Converse,
    /// `POST /v1/completions`
    Completions,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `POST /v1/images/generations`
    ImageGenerations,
    /// `POST /v1/images/edits`
    ImageEdits,
    /// `POST /v1/audio/speech`
    Speech,
    /// `POST /v1/audio/transcriptions`
    Transcriptions,
    /// `POST /v1/audio/translations`
    Translations,
    /// `POST /v1/rerank`
    Rerank,
    /// `POST /v1/moderations`
    Moderations,
}

impl Endpoint {
    /// As written in logs and in a rule's `endpoint` condition.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Endpoint::ChatCompletions => "chat.completions",
            Endpoint::Responses => "responses",
            Endpoint::Messages => "messages",
            Endpoint::GenerateContent => "generate_content",
            Endpoint::Converse => "converse",
            Endpoint::Completions => "completions",
            Endpoint::Embeddings => "embeddings",
            Endpoint::ImageGenerations => "images.generations",
            Endpoint::ImageEdits => "images.edits",
            Endpoint::Speech => "audio.speech",
            Endpoint::Transcriptions => "audio.transcriptions",
            Endpoint::Translations => "audio.translations",
            Endpoint::Rerank => "rerank",
            Endpoint::Moderations => "moderations",
        }
    }

    /// The dialect of its callers.
    #[must_use]
    pub fn dialect(self) -> Dialect {
        match self {
            Endpoint::Responses => Dialect::Responses,
            Endpoint::Messages => Dialect::Messages,
            Endpoint::GenerateContent => Dialect::Gemini,
            Endpoint::Converse => Dialect::Converse,
            _ => Dialect::Chat,
        }
    }

    /// A conversation, which an upstream of any dialect can have; others are the same everywhere.
    #[must_use]
    pub fn is_conversation(self) -> bool {
        Endpoint::of_dialect(self.dialect()) == self
    }

    /// Its requests may be forms that carry a file.
    #[must_use]
    pub fn takes_files(self) -> bool {
        self.listens() || self == Endpoint::ImageEdits
    }

    /// It listens to a recording.
    #[must_use]
    pub fn listens(self) -> bool {
        matches!(self, Endpoint::Transcriptions | Endpoint::Translations)
    }

    /// It makes pictures.
    #[must_use]
    pub fn draws(self) -> bool {
        matches!(self, Endpoint::ImageGenerations | Endpoint::ImageEdits)
    }

    /// Its answers are text, of a length that a caller may bound.
    #[must_use]
    pub fn generates(self) -> bool {
        self.is_conversation() || self == Endpoint::Completions
    }

    /// The endpoint that has conversations in this dialect.
    #[must_use]
    pub fn of_dialect(dialect: Dialect) -> Endpoint {
        match dialect {
            Dialect::Chat => Endpoint::ChatCompletions,
            Dialect::Responses => Endpoint::Responses,
            Dialect::Messages => Endpoint::Messages,
            Dialect::Gemini => Endpoint::GenerateContent,
            Dialect::Converse => Endpoint::Converse,
        }
    }

    /// Its path below an upstream's base URL; of those that have the model in it (Gemini, Converse) up to there.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Endpoint::ChatCompletions => "/chat/completions",
            Endpoint::Responses => "/responses",
            Endpoint::Messages => "/v1/messages",
            Endpoint::GenerateContent => "/v1beta/",
            Endpoint::Converse => "/model/",
            Endpoint::Completions => "/completions",
            Endpoint::Embeddings => "/embeddings",
            Endpoint::ImageGenerations => "/images/generations",
            Endpoint::ImageEdits => "/images/edits",
            Endpoint::Speech => "/audio/speech",
            Endpoint::Transcriptions => "/audio/transcriptions",
            Endpoint::Translations => "/audio/translations",
            Endpoint::Rerank => "/rerank",
            Endpoint::Moderations => "/moderations",
        }
    }
}

/// What the gateway needs to know of a request, whatever its dialect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The model as the client named it, if it did.
    pub model: Option<String>,
    /// An answer in events is asked for.
    pub stream: bool,
    /// The client wants the usage at the end of a stream.
    pub include_usage: bool,
    /// The most tokens to write.
    pub max_tokens: Option<u64>,
    /// How many answers are asked for, 1 unless told.
    pub n: u64,
    /// So many for each of these prompts, where there are several (text completions).
    pub prompts: u64,
    /// Tools are offered.
    pub has_tools: bool,
    /// An image is among the messages.
    pub has_images: bool,
    /// Tokens of the input, estimated.
    pub input_tokens: u64,
    /// What is asked for beside text.
    pub beside: Beside,
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

impl From<FieldError> for InvalidBody {
    fn from(error: FieldError) -> InvalidBody {
        InvalidBody { message: error.to_string(), field: Some(error.path) }
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

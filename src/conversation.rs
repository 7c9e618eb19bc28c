//! The hub of all dialects: one typed conversation that each decodes into and encodes from.
//!
//! It is a superset of OpenAI Chat Completions, OpenAI Responses, Anthropic Messages and Gemini `generateContent`, so a
//! fifth dialect costs one folder and no pair of dialects knows the other. Three rules keep it honest:
//!
//! * **Nothing is lost in silence.** What a dialect says that has no place here is kept as [`Extras`] where it was said, and
//!   given back to the same dialect; whoever encodes for another notes each thing that it cannot carry in [`Losses`].
//! * **One normal form.** A decoder brings what can be said in several ways into the one that is documented at each type,
//!   so that an encoder has one case to write: text is a block even where it was a bare string, a tool's result is a block of
//!   a user's message, tool arguments are JSON text.
//! * **Order is meaning.** Messages and blocks stand in the order in which they were said; nothing is merged here. A dialect
//!   that wants turns to alternate asks [`turns`] for it.

pub mod block;
pub mod event;
pub mod loss;
pub mod opaque;
pub mod reasoning;
pub mod request;
pub mod response;
pub mod sequence;
pub mod tool;
pub mod tool_call_id;
pub mod turns;

pub use block::{
    Block, CacheBreakpoint, Citation, Content, Media, Source, Text, Thinking, ToolCall, ToolResult,
};
pub use event::{Delta, Event, Opening, StreamError};
pub use loss::{Field, Losses};
pub use opaque::Opaque;
pub use reasoning::{Effort, Reasoning, Thought};
pub use request::{Format, Message, Request, Role, Settings};
pub use response::{Choice, Response, StopReason};
pub use tool::{NativeKind, Tool, ToolChoice, ToolKind};

use serde::{Deserialize, Serialize};

/// A wire format for conversations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
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
    /// Amazon Bedrock's Converse, which only upstreams speak.
    Converse,
}

impl Dialect {
    /// Each that clients speak.
    pub const ALL: [Dialect; 4] = [Dialect::Chat, Dialect::Responses, Dialect::Messages, Dialect::Gemini];

    /// As written in the configuration and in logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Dialect::Chat => "chat",
            Dialect::Responses => "responses",
            Dialect::Messages => "messages",
            Dialect::Gemini => "gemini",
            Dialect::Converse => "converse",
        }
    }
}

/// Members of a JSON object for which the hub has no name, as they were written. They mean something only in the dialect
/// that the whole conversation was decoded from.
pub type Extras = serde_json::Map<String, serde_json::Value>;

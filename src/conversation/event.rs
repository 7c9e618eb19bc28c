//! What happens in a stream, whatever its dialect.
//!
//! The order, which decoders keep and encoders rely on: `Start`, once; then for each block `Open`, any number of `Delta`s,
//! `Close`; `Stop` once for each choice that ends; `Usage` whenever it is told, each one complete in itself, the last one
//! counts; `End`, once, where the dialect's own end was seen. `Error` may come at any time and is the last.
//!
//! Blocks are numbered from 0 in the order in which they open, over all choices. Deltas of several open blocks may come in
//! any order (Chat streams parallel tool calls so); [`super::sequence`] brings them one after the other.

use super::block::{Citation, Media};
use super::opaque::Opaque;
use super::response::StopReason;
use crate::usage::Usage;
use serde_json::Value;

/// One thing that happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The answer begins.
    Start {
        /// The provider's id of it; empty where it has none.
        id: String,
        /// The model that answers; empty where the provider does not say.
        model: String,
    },
    /// A block begins.
    Open {
        /// Its number.
        block: usize,
        /// Which answer it belongs to, from 0.
        choice: usize,
        /// What it is.
        opening: Opening,
    },
    /// A block goes on.
    Delta {
        /// Its number.
        block: usize,
        /// With what.
        delta: Delta,
    },
    /// A block is over.
    Close {
        /// Its number.
        block: usize,
    },
    /// An answer is over; all its blocks were closed.
    Stop {
        /// Which, from 0.
        choice: usize,
        /// Why.
        reason: StopReason,
    },
    /// What has been used so far, in all.
    Usage(Usage),
    /// Log probabilities of tokens of an answer: Chat's `logprobs` of a chunk.
    Logprobs {
        /// Which answer, from 0.
        choice: usize,
        /// `{"content":[…]}`
        value: Value,
    },
    /// The provider failed in the middle.
    Error(StreamError),
    /// The stream is complete.
    End,
}

/// What kind of block begins.
#[derive(Clone, Debug, PartialEq)]
pub enum Opening {
    /// Text.
    Text,
    /// A refusal.
    Refusal,
    /// Something that may be read of a thought.
    Thinking {
        /// It is a summary (Responses).
        is_summary: bool,
    },
    /// A thought of which nothing may be read: whole with its opening.
    Redacted(Opaque),
    /// A call of a tool.
    ToolCall {
        /// Its id.
        id: String,
        /// The tool.
        name: String,
        /// It is a call of a custom tool.
        is_custom: bool,
        /// What the provider attached to it.
        signature: Option<Opaque>,
    },
    /// A picture, whole with its opening.
    Image(Media),
    /// A block that only this dialect has, whole with its opening.
    Native(Value),
}

/// What is added to a block.
#[derive(Clone, Debug, PartialEq)]
pub enum Delta {
    /// Text, of text, refusal and thinking.
    Text(String),
    /// The next paragraph of a thought begins.
    Paragraph,
    /// A piece of a tool call's arguments: JSON text. A call without any has none, which is `{}`.
    Arguments(String),
    /// Where the text comes from.
    Citation(Citation),
    /// The provider's state of a thought, or of the block; whole.
    Signature(Opaque),
}

/// How a provider failed in the middle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamError {
    /// HTTP status that fits; `None` where the provider does not say.
    pub status: Option<u16>,
    /// Its code or type, as the dialect wrote it.
    pub code: Option<String>,
    /// Its words.
    pub message: String,
}

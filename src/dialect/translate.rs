//! What each dialect offers to the others: decoding into the hub and encoding from it.
//!
//! Each dialect's folder has, under the same names: `request::decode(body…)`, `request::encode(request, target, losses)`,
//! `request::name_of(field)`, `response::decode(body)`, `response::encode(response, reply, losses)`, `stream::Decoder` and
//! `stream::Encoder`.

use crate::conversation::{Event, Losses, StreamError};
use crate::sse;
use std::collections::{BTreeMap, BTreeSet};

/// What a request is encoded for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Target<'a> {
    /// The name that the upstream knows the model by.
    pub model: &'a str,
    /// The most that this model can write, in tokens, where the catalogue knows; for dialects that want a limit.
    pub max_output_tokens: Option<u64>,
    /// OpenAI itself, or Azure: `max_completion_tokens`, `developer` messages and the newest fields are understood there;
    /// other providers of its dialects know the older ones.
    pub is_openai: bool,
    /// It understands `stream_options.include_usage`.
    pub stream_options: bool,
    /// Which of the answers that are asked for it is to give, from 0; `None`: all of them.
    pub answer: Option<usize>,
}

/// What an answer is encoded with, beside what the upstream said.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// The id of the call, unique: ids that a dialect needs and the upstream does not give are made from it.
    pub id: String,
    /// When the call came, in seconds since 1970.
    pub created: i64,
    /// The model, for upstreams that do not name it in their answers.
    pub model: String,
    /// The client wants usage at the end of a stream (Chat).
    pub include_usage: bool,
    /// Names of custom tools that the target was given as functions of one string, `input`.
    pub custom_tools: BTreeSet<String>,
    /// Tools of namespaces by the names that the target was given (Responses): their namespace, and their name in it.
    pub namespaces: BTreeMap<String, (String, String)>,
    /// The client's request body, where its dialect repeats parts of it in the answer (Responses).
    pub request: crate::conversation::Extras,
    /// The answer goes on from one that the gateway stored: its id is made here also where the upstream gives one, so that no
    /// upstream's choice of ids can tie a conversation into a knot.
    pub is_continued: bool,
    /// A stream is to be one JSON array rather than events (Gemini without `alt=sse`).
    pub is_array: bool,
}

/// Decodes the events of an upstream's stream.
pub trait Decode {
    /// Takes one event and gives what it says; what cannot be understood says nothing.
    fn event(&mut self, event: &sse::Event<'_>, emit: &mut dyn FnMut(Event));

    /// The stream is over. What the dialect leaves unsaid is said here: blocks are closed, and where the answer is whole but
    /// for an end mark that this dialect does not have (Gemini) or this upstream forgot, `End` is given. A stream that was cut
    /// gives no `End`.
    fn finish(&mut self, emit: &mut dyn FnMut(Event));
}

/// Encodes a stream for a client.
pub trait Encode {
    /// Writes what the client gets for this: often one event, sometimes several, sometimes none.
    fn event(&mut self, event: Event, out: &mut Vec<u8>);

    /// Writes the dialect's own error, as its SDKs expect it in the middle of a stream. Nothing follows it.
    fn error(&mut self, error: &StreamError, out: &mut Vec<u8>);

    /// What the client's dialect had no place for, so far; `None` where it has one for everything.
    fn losses(&self) -> Option<&Losses> {
        None
    }

    /// The whole answer, where the last event that was written holds it (Responses); only once.
    fn take_answer(&mut self) -> Option<Vec<u8>> {
        None
    }
}

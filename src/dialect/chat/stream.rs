//! A chat stream that passes through: each chunk goes on as it came, while the relay watches what it says.
//!
//! Only whole events go out, so that an error event can follow at any time. Each event is scanned once for the few
//! members that matter; no tree is built and nothing is allocated unless bytes must change. The text that passes is
//! weighed on the way ([`Relay::estimate`]), which costs less than keeping it for an upstream that reports no usage.
//!
//! ```
//! use edgeway::dialect::chat::stream::{End, Pushed, Relay};
//!
//! let mut relay = Relay::new(true);
//! let text = br#"data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}"#;
//! let (first, second) = text.split_at(20);
//! assert_eq!(relay.push(first)?, Pushed::Nothing);
//! assert_eq!(relay.push(second)?, Pushed::Nothing);
//! assert_eq!(relay.push(b"\n\n")?, Pushed::Bytes([&text[..], b"\n\n"].concat()));
//! let usage = br#"data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#;
//! assert_eq!(relay.push(&[&usage[..], b"\n\n"].concat())?, Pushed::Nothing, "the client did not ask for it");
//! assert_eq!(relay.usage().map(|reported| reported.usage.total_input()), Some(3));
//! assert_eq!(relay.push(b"data: [DONE]\n\n")?, Pushed::AsIs);
//! assert_eq!(relay.finish().end, End::Complete { is_done: true });
//! # Ok::<(), edgeway::sse::TooLarge>(())
//! ```

mod decode;
mod encode;
mod watch;

use super::response::Reported;
use crate::conversation::StreamError;
use crate::dialect::relay::{self, Verdict, Watch as _};
pub use crate::dialect::relay::{Failure, Pushed};
use crate::json;
use crate::sse::{self, Boundary, MAX_EVENT, TooLarge};
use crate::usage::estimate::Estimate;
pub use decode::Decoder;
pub use encode::Encoder;
use serde_json::{Value, json};
pub use watch::Watch;

/// What ends a stream that is complete; to be sent for an upstream that leaves it out.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// An error after the stream has begun, as OpenAI's clients understand it; never followed by [`DONE`].
/// `body` is [`crate::error::ApiError::dialect_body`].
#[must_use]
pub fn error_event(body: &Value) -> Vec<u8> {
    sse::data(body.to_string().as_bytes())
}

/// The same, of an upstream of another dialect or of the stream itself.
pub(in crate::dialect) fn push_error(error: &StreamError, out: &mut Vec<u8>) {
    let kind = match error.status.unwrap_or(500) {
        401 => "authentication_error",
        402 => "insufficient_quota",
        403 => "permission_error",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    };
    out.extend(error_event(&json!({ "error": {
        "message": error.message, "type": kind, "param": null, "code": error.code,
    } })));
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With `[DONE]`, or with a finish reason of every choice that was begun.
    Complete {
        /// The upstream sent `[DONE]`; where not, [`DONE`] is to be sent.
        is_done: bool,
    },
    /// With an error event, see [`Relay::failure`].
    Failed,
    /// In the middle.
    CutShort,
    /// Without any content.
    Empty,
}

/// The end of a stream, and what was held of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finish {
    /// How it ended.
    pub end: End,
    /// A last event that came without its blank line, whole; often empty.
    pub tail: Vec<u8>,
}

/// One stream on its way through.
#[derive(Clone, Debug, Default)]
pub struct Relay {
    /// An event that has not ended yet.
    held: Vec<u8>,
    boundary: Boundary,
    watch: Watch,
}

impl Relay {
    /// A relay for one stream; `hide_usage` as in [`Watch::new`].
    #[must_use]
    pub fn new(hide_usage: bool) -> Relay {
        Relay { watch: Watch::new(hide_usage), ..Relay::default() }
    }

    /// Takes a chunk, cut anywhere, and tells what goes on to the client.
    ///
    /// # Errors
    /// Where an event does not end within [`MAX_EVENT`] bytes; the stream is then beyond use.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Pushed, TooLarge> {
        let mut held = std::mem::take(&mut self.held);
        let was_held = !held.is_empty();
        if was_held {
            held.extend_from_slice(chunk);
        }
        let bytes = if was_held { &held[..] } else { chunk };
        let mut at = 0;
        // What goes out, once it differs from what came.
        let mut changed: Option<Vec<u8>> = None;
        while let Some(length) = self.boundary.find(bytes.get(at..).unwrap_or_default()) {
            let frame = bytes.get(at..at + length).unwrap_or_default();
            let verdict = self.watch.observe(frame);
            if verdict != Verdict::Keep && changed.is_none() {
                changed = Some(bytes.get(..at).unwrap_or_default().to_vec());
            }
            if let Some(out) = &mut changed {
                verdict.write(frame, out);
            }
            at += length;
        }
        let rest = bytes.get(at..).unwrap_or_default();
        if rest.len() > MAX_EVENT {
            return Err(TooLarge);
        }
        if at == 0 {
            self.held = if was_held { held } else { chunk.to_vec() };
            return Ok(Pushed::Nothing);
        }
        self.held = rest.to_vec();
        Ok(match changed {
            Some(out) if out.is_empty() => Pushed::Nothing,
            Some(out) => Pushed::Bytes(out),
            None if was_held => {
                held.truncate(at);
                Pushed::Bytes(held)
            }
            None if at == chunk.len() => Pushed::AsIs,
            None => Pushed::Bytes(chunk.get(..at).unwrap_or_default().to_vec()),
        })
    }

    /// At the stream's end: how it ended, and the last event if it lacks only its blank line.
    pub fn finish(&mut self) -> Finish {
        let held = std::mem::take(&mut self.held);
        let event = sse::parse(&held);
        let is_whole =
            event.as_ref().is_none_or(|event| &*event.data == b"[DONE]" || json::is_valid(&event.data));
        let mut tail = Vec::new();
        if is_whole {
            let mut frame = held.trim_ascii_end().to_vec();
            frame.extend_from_slice(b"\n\n");
            let verdict = self.watch.observe(&frame);
            if event.is_some() {
                verdict.write(&frame, &mut tail);
            }
        }
        let is_done = self.is_done();
        let end = match self.watch.end() {
            relay::End::Complete => End::Complete { is_done },
            relay::End::Failed => End::Failed,
            relay::End::CutShort => End::CutShort,
            relay::End::Empty => End::Empty,
        };
        Finish { end, tail }
    }

    /// Something has come that a client would show or act on: text, reasoning, a refusal, a tool call, audio, or a finish
    /// reason; not a role alone, a filter's result or a comment.
    #[must_use]
    pub fn has_content(&self) -> bool {
        self.watch.seen().has_content
    }

    /// The upstream has said `[DONE]`: whatever may follow means nothing.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.watch.seen().is_done
    }

    /// The first error event.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.watch.seen().failure.as_ref()
    }

    /// The last usage that was reported.
    #[must_use]
    pub fn usage(&self) -> Option<Reported> {
        self.watch.seen().usage
    }

    /// The output so far, weighed by its text: for an upstream that reports no usage, and for a stream cut short.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        self.watch.seen().output
    }
}

#[cfg(test)]
mod tests;

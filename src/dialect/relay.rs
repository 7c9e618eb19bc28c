//! A stream on its way from an upstream to a client, in whole events.
//!
//! Chunks are cut anywhere; only whole events go out, so that an error event can follow at any time. What becomes of
//! each is up to a [`Watch`]: where both sides speak the same dialect it keeps the bytes and notes what they say, where
//! they do not it writes others in their place.

use super::imprint::Imprint;
use crate::conversation::StreamError;
use crate::dialect::error::UpstreamError;
use crate::json;
use crate::sse::{self, Boundary, MAX_EVENT, TooLarge};
use crate::usage::Reported;
use crate::usage::estimate::Estimate;
use std::ops::Range;

/// What becomes of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on as it came.
    Keep,
    /// It is left out.
    Drop,
    /// It goes on without these bytes.
    Cut(Range<usize>),
    /// These bytes go in its place.
    Replace(Vec<u8>),
}

/// What has been seen of a stream.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Something has come that a client would show or act on: text, reasoning, a refusal, a tool call, audio, or the
    /// reason why it stopped; not a role alone, a filter's result or a comment.
    pub has_content: bool,
    /// The upstream has said its end mark: whatever may follow means nothing.
    pub is_done: bool,
    /// The first error event.
    pub failure: Option<Failure>,
    /// The last usage that was reported.
    pub usage: Option<Reported>,
    /// The output so far, weighed by its text: for an upstream that reports no usage, and for a stream cut short.
    pub output: Estimate,
    /// Pictures that have come whole.
    pub images: u64,
}

/// An error that the upstream sent within the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What it says.
    pub error: UpstreamError,
    /// Content had come before, so that another upstream cannot begin anew.
    pub is_after_content: bool,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All was said.
    Complete,
    /// With an error event, see [`Seen::failure`].
    Failed,
    /// In the middle.
    CutShort,
    /// Without any content.
    Empty,
}

/// Looks at each event of a stream.
pub trait Watch {
    /// The chunk as server-sent events, where it comes in another frame.
    fn unframe(&mut self, _chunk: &[u8]) -> Option<Vec<u8>> {
        None
    }

    /// Reads one frame, the bytes up to and with a blank line.
    fn observe(&mut self, frame: &[u8]) -> Verdict;

    /// What has been seen so far.
    fn seen(&self) -> &Seen;

    /// The stream is over: how it ended. What the client needs for a clean end and the upstream did not say is written;
    /// nothing where it ended otherwise.
    fn finish(&mut self, out: &mut Vec<u8>) -> End;

    /// Writes the client's dialect's error, which ends the stream; never followed by a clean end.
    fn error(&mut self, error: &StreamError, out: &mut Vec<u8>);

    /// What the client's dialect had no place for, by its names; known too late for a header.
    fn dropped(&self) -> Vec<String> {
        Vec::new()
    }

    /// The whole answer, where the stream's last event held it (Responses), also one that failed; only once.
    fn take_answer(&mut self) -> Option<Vec<u8>> {
        None
    }
}

/// What goes to the client for a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// The chunk itself.
    AsIs,
    /// These bytes in its place.
    Bytes(Vec<u8>),
    /// Nothing yet, or nothing at all.
    Nothing,
}

/// One stream on its way through.
pub struct Relay {
    /// An event that has not ended yet.
    held: Vec<u8>,
    boundary: Boundary,
    watch: Box<dyn Watch>,
    /// How it ended, once it has.
    end: Option<End>,
    /// What the upstream says of its answer, where somebody wants to know.
    imprint: Option<Imprint>,
}

impl Relay {
    /// A relay for one stream.
    #[must_use]
    pub fn new(watch: Box<dyn Watch>) -> Relay {
        Relay { held: Vec::new(), boundary: Boundary::default(), watch, end: None, imprint: None }
    }

    /// Also reads what the upstream says of its answer.
    #[must_use]
    pub fn observed(self, is_observed: bool) -> Relay {
        Relay { imprint: is_observed.then(Imprint::default), ..self }
    }

    /// What it has said, where that was asked for.
    pub fn take_imprint(&mut self) -> Option<Imprint> {
        self.imprint.take()
    }

    /// Takes a chunk, cut anywhere, and tells what goes on to the client.
    ///
    /// # Errors
    /// Where an event does not end within [`MAX_EVENT`] bytes; the stream is then beyond use.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Pushed, TooLarge> {
        let unframed = self.watch.unframe(chunk);
        let chunk = unframed.as_deref().unwrap_or(chunk);
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
            if let Some(imprint) = &mut self.imprint {
                imprint.event(frame);
            }
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

    /// At the stream's end: how it ended, and what is still to be sent: an event that lacked only its blank line, and
    /// the end mark that the upstream left out. Asked again, there is nothing more to send.
    pub fn finish(&mut self) -> (End, Vec<u8>) {
        if let Some(end) = self.end {
            return (end, Vec::new());
        }
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
        let end = self.watch.finish(&mut tail);
        self.end = Some(end);
        (end, tail)
    }

    /// The bytes that tell the client, in its dialect, that the stream broke off.
    pub fn error(&mut self, error: &StreamError) -> Vec<u8> {
        let mut out = Vec::new();
        self.watch.error(error, &mut out);
        out
    }

    /// What has been seen so far.
    #[must_use]
    pub fn seen(&self) -> &Seen {
        self.watch.seen()
    }

    /// See [`Watch::dropped`].
    #[must_use]
    pub fn dropped(&self) -> Vec<String> {
        self.watch.dropped()
    }

    /// The whole answer as the client's last event held it, see [`Watch::take_answer`].
    pub fn take_answer(&mut self) -> Option<Vec<u8>> {
        self.watch.take_answer()
    }
}

impl Verdict {
    /// Adds what goes out for this frame.
    pub fn write(&self, frame: &[u8], out: &mut Vec<u8>) {
        match self {
            Verdict::Keep => out.extend_from_slice(frame),
            Verdict::Drop => {}
            Verdict::Cut(range) => {
                out.extend_from_slice(frame.get(..range.start).unwrap_or_default());
                out.extend_from_slice(frame.get(range.end..).unwrap_or_default());
            }
            Verdict::Replace(bytes) => out.extend_from_slice(bytes),
        }
    }
}

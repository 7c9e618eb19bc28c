//! Server-sent events, incrementally: any chunking, either line ending.
//!
//! [`Boundary`] finds where an event ends, [`parse`] reads the event between two of them, [`Decoder`] is both with a
//! bounded buffer, [`data`] and [`named`] write. After <https://html.spec.whatwg.org/multipage/server-sent-events.html>,
//! with one difference: the last event counts although the stream ends without a blank line, as providers do.
//!
//! ```
//! use edgeway::sse::Decoder;
//!
//! let mut decoder = Decoder::default();
//! decoder.push(b": hello\n\ndata: 1\n\ndata: [DO")?;
//! assert_eq!(decoder.next_event().map(|event| event.data.into_owned()), Some(b"1".to_vec()));
//! assert!(decoder.next_event().is_none());
//! decoder.push(b"NE]")?;
//! assert_eq!(decoder.finish().map(|event| event.data.into_owned()), Some(b"[DONE]".to_vec()));
//! # Ok::<(), edgeway::sse::TooLarge>(())
//! ```

use memchr::{memchr, memchr2};
use std::borrow::Cow;

/// The most that one event may hold, in bytes: an image comes whole in one event, a stream without an end does not.
pub const MAX_EVENT: usize = 16 * 1024 * 1024;

/// A comment that keeps a quiet connection open; clients pass over it.
pub const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

/// An event does not end within [`MAX_EVENT`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream exceeds {MAX_EVENT} bytes")]
pub struct TooLarge;

/// Finds the end of an event in bytes that grow, looking at each byte once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Boundary {
    line_start: usize,
    searched: usize,
}

impl Boundary {
    /// Where the first event in `bytes` ends, its blank line included; then it starts anew for what follows. `None`:
    /// there is none yet; call again with the same bytes and more behind them. A carriage return at the very end
    /// waits for what follows, since a newline would belong to it.
    pub fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        loop {
            let Some(found) = memchr2(b'\n', b'\r', bytes.get(self.searched..)?) else {
                self.searched = bytes.len();
                return None;
            };
            let end = self.searched + found;
            let next = match (bytes.get(end), bytes.get(end + 1)) {
                (Some(b'\r'), None) => {
                    self.searched = end;
                    return None;
                }
                (Some(b'\r'), Some(b'\n')) => end + 2,
                _ => end + 1,
            };
            if end == self.line_start {
                *self = Boundary::default();
                return Some(next);
            }
            self.line_start = next;
            self.searched = next;
        }
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// `event:`
    pub name: Option<&'a [u8]>,
    /// `id:`
    pub id: Option<&'a [u8]>,
    /// `data:`, several lines joined by newlines.
    pub data: Cow<'a, [u8]>,
    /// Where the data begins in the frame, when it is one line.
    pub data_start: usize,
}

/// Reads one frame, the bytes up to and with a blank line; `None` where it has no data: comments, stray blank lines.
#[must_use]
pub fn parse(frame: &[u8]) -> Option<Event<'_>> {
    let (mut name, mut id) = (None, None);
    let mut data: Option<Cow<'_, [u8]>> = None;
    let mut data_start = 0;
    let mut at = if frame.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    while let Some(rest) = frame.get(at..).filter(|rest| !rest.is_empty()) {
        let length = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let line = rest.get(..length).unwrap_or_default();
        let colon = memchr(b':', line).unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match line.get(..colon).unwrap_or_default() {
            b"data" => match &mut data {
                None => {
                    data = Some(Cow::Borrowed(value));
                    data_start = at + line.len() - value.len();
                }
                Some(data) => {
                    let data = data.to_mut();
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
            },
            b"event" => name = Some(value),
            b"id" => id = Some(value),
            _ => {}
        }
        // Of CRLF only the first is skipped: the other reads as one more line, an empty one, which says nothing here.
        at += length + 1;
    }
    data.map(|data| Event { name, id, data, data_start })
}

/// Events out of chunks.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// What lies before has been given out.
    start: usize,
    boundary: Boundary,
}

impl Decoder {
    /// Takes what has arrived. Take all events out with [`Decoder::next_event`] before the next chunk.
    ///
    /// # Errors
    /// Where an event grows beyond [`MAX_EVENT`].
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), TooLarge> {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(chunk);
        if self.buffer.len() - chunk.len() > MAX_EVENT { Err(TooLarge) } else { Ok(()) }
    }

    /// The next event that is complete.
    pub fn next_event(&mut self) -> Option<Event<'_>> {
        loop {
            let rest = self.buffer.get(self.start..)?;
            let length = self.boundary.find(rest)?;
            let from = self.start;
            self.start += length;
            // Asked twice, for the borrow checker does not see that a borrow ends where the loop goes on.
            if parse(self.buffer.get(from..self.start)?).is_some() {
                return parse(self.buffer.get(from..self.start)?);
            }
        }
    }

    /// At the stream's end: the event that has no blank line behind it, if there is one.
    pub fn finish(&mut self) -> Option<Event<'_>> {
        let from = std::mem::replace(&mut self.start, self.buffer.len());
        parse(self.buffer.get(from..)?)
    }
}

/// An event with this data.
#[must_use]
pub fn data(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + 8);
    push_data(&mut out, data);
    out
}

/// An event with this name, which must be a plain word, and data.
#[must_use]
pub fn named(name: &str, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + name.len() + 16);
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.push(b'\n');
    push_data(&mut out, data);
    out
}

fn push_data(out: &mut Vec<u8>, data: &[u8]) {
    for line in data.split(|byte| *byte == b'\n') {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests;

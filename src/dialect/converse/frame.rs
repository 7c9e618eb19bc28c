//! `application/vnd.amazon.eventstream`: messages in a binary frame, out of chunks cut anywhere.
//!
//! Lengths of the whole and of the headers, a check sum of both, headers, the payload, a check sum of all
//! (<https://smithy.io/2.0/aws/amazon-eventstream.html>). Nothing can be found again behind a frame that is damaged, so
//! nothing is looked for.

use crate::sse::MAX_EVENT;

/// Both lengths and their check sum.
const PRELUDE: usize = 12;
/// A check sum.
const SUM: usize = 4;

/// Messages out of chunks.
#[derive(Clone, Debug, Default)]
pub(super) struct Frames {
    held: Vec<u8>,
    at: usize,
}

/// One message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Message<'a> {
    /// `:message-type`: `event`, `exception` or `error`.
    pub(super) kind: &'a [u8],
    /// `:event-type`, `:exception-type` or `:error-code`.
    pub(super) name: &'a [u8],
    /// `:error-message`, where the payload does not say it.
    pub(super) error: &'a [u8],
    /// JSON.
    pub(super) payload: &'a [u8],
}

/// The bytes are no such message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damaged;

impl Frames {
    /// Takes a chunk.
    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.held.drain(..self.at);
        self.at = 0;
        self.held.extend_from_slice(chunk);
    }

    /// The next message, where it is whole.
    pub(super) fn next(&mut self) -> Result<Option<Message<'_>>, Damaged> {
        let rest = self.held.get(self.at..).unwrap_or_default();
        let Some((prelude, _)) = rest.split_at_checked(PRELUDE) else { return Ok(None) };
        let [length, headers, sum] = [0, 4, 8].map(|at| number(prelude, at, 4));
        let is_possible = length <= MAX_EVENT && headers.saturating_add(PRELUDE + SUM) <= length;
        if !is_possible || check_sum(prelude.get(..8).unwrap_or_default()) != sum {
            return Err(Damaged);
        }
        let Some((message, _)) = rest.split_at_checked(length) else { return Ok(None) };
        let (content, sum) = message.split_at_checked(length - SUM).ok_or(Damaged)?;
        if check_sum(content) != number(sum, 0, 4) {
            return Err(Damaged);
        }
        self.at += length;
        let content = content.get(PRELUDE..).unwrap_or_default();
        let (headers, payload) = content.split_at_checked(headers).ok_or(Damaged)?;
        let mut message = Message { payload, ..Message::default() };
        message.read(headers).ok_or(Damaged)?;
        Ok(Some(message))
    }
}

impl<'a> Message<'a> {
    /// Each a name, a type and a value; `None` where they do not end with the last of them.
    fn read(&mut self, mut headers: &'a [u8]) -> Option<()> {
        while let Some((length, rest)) = headers.split_first() {
            let (name, rest) = rest.split_at_checked(usize::from(*length))?;
            let (kind, rest) = rest.split_first()?;
            let (length, rest) = match kind {
                0 | 1 => (0, rest), // true, false
                2 => (1, rest),
                3 => (2, rest),
                4 => (4, rest),
                5 | 8 => (8, rest), // a long, a time
                6 | 7 => (number(rest.get(..2)?, 0, 2), rest.get(2..)?),
                9 => (16, rest),
                _ => return None,
            };
            let (value, rest) = rest.split_at_checked(length)?;
            match name {
                b":message-type" => self.kind = value,
                b":event-type" | b":exception-type" | b":error-code" => self.name = value,
                b":error-message" => self.error = value,
                _ => {}
            }
            headers = rest;
        }
        Some(())
    }
}

/// The number of `length` bytes that stands there, the highest byte first.
fn number(bytes: &[u8], at: usize, length: usize) -> usize {
    bytes.iter().skip(at).take(length).fold(0, |number, byte| (number << 8) | usize::from(*byte))
}

/// CRC-32 as zlib has it. Messages are short and few, so a table would be more than it is worth.
fn check_sum(bytes: &[u8]) -> usize {
    let step = |sum: u32, _| (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg());
    let sum = bytes.iter().fold(!0_u32, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), step));
    usize::try_from(!sum).unwrap_or_default()
}

#[cfg(test)]
mod tests;

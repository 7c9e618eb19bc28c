//! A stream that passes as it came, while it is watched; or that becomes one array on its way.

use super::framing::Framing;
use crate::conversation::StreamError;
use crate::dialect::error::{UpstreamError, read_error};
use crate::dialect::gemini::error_body;
use crate::dialect::gemini::response::{add_parts, has_parts, is_error, reported};
use crate::dialect::relay::{End, Failure, Seen, Verdict};
use crate::json::Raw;
use crate::sse;

/// What has been seen of one stream.
#[derive(Debug)]
pub struct Watch {
    framing: Framing,
    seen: Seen,
    /// Candidates that were begun and that were finished, a bit each.
    begun: u128,
    finished: u128,
    is_blocked: bool,
    /// An error that did not come as an event, so that the client has not seen it.
    unsaid: Option<StreamError>,
}

impl Watch {
    /// A watch for one stream; `is_array` where the client asked without `alt=sse`, so that its events become one JSON array.
    #[must_use]
    pub fn new(is_array: bool) -> Watch {
        let framing = Framing::new(is_array);
        Watch { framing, seen: Seen::default(), begun: 0, finished: 0, is_blocked: false, unsaid: None }
    }

    fn read(&mut self, data: &[u8]) {
        let (mut candidates, mut error) = (None, None);
        for member in (Raw { bytes: data, start: 0 }).items() {
            match member.key {
                b"candidates" => candidates = Some(member.value),
                b"usageMetadata" => {
                    if let Some(usage) = reported(member.value) {
                        self.seen.usage = Some(usage);
                    }
                }
                b"promptFeedback" => {
                    let reason = member.value.member("blockReason").filter(|reason| !reason.is_blank());
                    self.is_blocked |= reason.is_some();
                    self.seen.has_content |= reason.is_some();
                }
                b"error" => error = Some(member.value),
                _ => {}
            }
        }
        if is_error(error) {
            return self.fail(read_error(data));
        }
        for (place, candidate) in candidates.iter().flat_map(Raw::items).enumerate() {
            self.candidate(candidate.value, place);
        }
    }

    /// Something that is no event.
    fn bare(&mut self, body: &[u8]) {
        let whole = Raw { bytes: body, start: 0 };
        let first = if whole.is_array() { whole.items().next().map(|item| item.value) } else { Some(whole) };
        if !is_error(first.and_then(|first| first.member("error"))) {
            return;
        }
        let error = read_error(body);
        if self.seen.failure.is_none() {
            let (status, message) = (error.status, error.message.clone());
            self.unsaid = Some(StreamError { status, code: None, message });
        }
        self.fail(error);
    }

    fn candidate(&mut self, candidate: Raw<'_>, place: usize) {
        let (mut index, mut is_finished) = (place as u64, false);
        for member in candidate.items() {
            match member.key {
                b"index" => index = member.value.as_u64().unwrap_or(index),
                b"finishReason" => is_finished = !member.value.is_blank(),
                b"content" => {
                    if let Some(parts) = member.value.member("parts") {
                        add_parts(&mut self.seen.output, parts);
                        self.seen.has_content |= has_parts(parts);
                    }
                }
                _ => {}
            }
        }
        let bit = 1_u128 << index.min(127);
        self.begun |= bit;
        if is_finished {
            self.finished |= bit;
            self.seen.has_content = true;
        }
    }

    fn fail(&mut self, error: UpstreamError) {
        let is_after_content = self.seen.has_content;
        self.seen.failure.get_or_insert(Failure { error, is_after_content });
    }
}

impl crate::dialect::relay::Watch for Watch {
    fn observe(&mut self, frame: &[u8]) -> Verdict {
        let Some(event) = sse::parse(frame) else {
            // Google breaks off with a bare error object (https://github.com/vercel/ai/issues/5217).
            let body = frame.trim_ascii();
            if body.starts_with(b"{") || body.starts_with(b"[") {
                self.bare(body);
                return Verdict::Drop;
            }
            return if self.framing.is_array() { Verdict::Drop } else { Verdict::Keep };
        };
        self.read(&event.data);
        if !self.framing.is_array() {
            return Verdict::Keep;
        }
        let mut out = Vec::with_capacity(event.data.len() + 2);
        self.framing.begin(&mut out);
        out.extend_from_slice(&event.data);
        if self.seen.failure.is_some() {
            self.framing.close(&mut out);
            self.framing = Framing::default();
        }
        Verdict::Replace(out)
    }

    fn seen(&self) -> &Seen {
        &self.seen
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> End {
        let is_whole = if self.begun == 0 { self.is_blocked } else { self.begun == self.finished };
        let end = match &self.seen {
            Seen { failure: Some(_), .. } => End::Failed,
            Seen { has_content: false, .. } => End::Empty,
            _ if is_whole => End::Complete,
            _ => End::CutShort,
        };
        if let Some(error) = self.unsaid.take() {
            crate::dialect::relay::Watch::error(self, &error, out);
        } else if end == End::Complete {
            self.framing.close(out);
        }
        end
    }

    fn error(&mut self, error: &StreamError, out: &mut Vec<u8>) {
        self.framing.begin(out);
        out.extend_from_slice(error_body(error).to_string().as_bytes());
        self.framing.end(out);
        self.framing.close(out);
    }
}

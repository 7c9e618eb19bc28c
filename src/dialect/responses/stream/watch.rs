//! What a stream says that passes through: usage, content, errors, the end.

use super::decoder::member::Members;
use super::event::{Numbering, failure};
use crate::conversation::StreamError;
use crate::dialect::chat::response::{UpstreamError, read_error};
use crate::dialect::relay::{self, End, Failure, Seen, Verdict};
use crate::dialect::responses::response::reported;
use crate::json::Raw;
use crate::sse;
use serde_json::Value;

/// Watches one stream. It keeps what it needs to end the stream as one that failed: the response as it was announced and
/// the items that are over.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    seen: Seen,
    /// `response` of the first event.
    response: Vec<u8>,
    /// Items that are over, with commas between them.
    output: Vec<u8>,
    /// The number of the next event.
    next: u64,
    /// `response` of the last event.
    answer: Option<Vec<u8>>,
}

impl relay::Watch for Watch {
    fn observe(&mut self, frame: &[u8]) -> Verdict {
        let Some(event) = sse::parse(frame) else {
            // An upstream may answer a stream with a bare error object.
            let body = frame.trim_ascii();
            if body.starts_with(b"{") && (Raw { bytes: body, start: 0 }).member("error").is_some() {
                self.fail(read_error(body));
            }
            return Verdict::Keep;
        };
        let members = Members::read(&event.data);
        let number = members.sequence_number.and_then(|number| number.as_u64());
        self.next = number.map_or(self.next, |number| number.saturating_add(1)).max(self.next);
        let kind = members.kind.and_then(|kind| kind.string_text()).or(event.name).unwrap_or_default();
        match kind.strip_prefix(b"response.").unwrap_or(kind) {
            b"created" | b"in_progress" | b"queued" => {
                if self.response.is_empty()
                    && let Some(response) = members.response
                {
                    self.response = response.bytes.to_vec();
                }
            }
            b"completed" | b"incomplete" => {
                self.told(members.response);
                self.seen.has_content = true;
                self.seen.is_done = true;
            }
            b"failed" | b"cancelled" => {
                self.told(members.response);
                let has_error = |response: &Raw<'_>| response.member("error").is_some_and(|it| !it.is_null());
                let response = members.response.filter(has_error);
                self.fail(read_error(response.map_or(&*event.data, |response| response.bytes)));
                self.seen.is_done = true;
            }
            b"error" => self.fail(read_error(&event.data)),
            b"output_item.added" => {
                let kind = members.item.and_then(|item| item.member("type")?.string_text());
                let waits = matches!(kind, None | Some(b"message" | b"reasoning"));
                self.seen.has_content |= !waits;
                if let Some(name) = members.item.and_then(|item| item.member("name")) {
                    self.seen.output.add_content(name);
                }
            }
            b"output_item.done" => {
                if let Some(item) = members.item {
                    if !self.output.is_empty() {
                        self.output.push(b',');
                    }
                    self.output.extend_from_slice(item.bytes);
                }
            }
            _ => {
                if let Some(text) = members.delta.and_then(|delta| delta.string_text())
                    && !text.is_empty()
                {
                    self.seen.output.add_json_text(text);
                    self.seen.has_content = true;
                }
            }
        }
        Verdict::Keep
    }

    fn seen(&self) -> &Seen {
        &self.seen
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> End {
        match &self.seen {
            Seen { failure: Some(_), .. } => End::Failed,
            Seen { is_done: true, .. } => End::Complete,
            Seen { has_content: false, .. } => End::Empty,
            _ => End::CutShort,
        }
    }

    fn error(&mut self, error: &StreamError, out: &mut Vec<u8>) {
        let mut numbering = Numbering::from(self.next);
        let mut response: Value = serde_json::from_slice(&self.response).unwrap_or_default();
        let items = [b"[", &self.output[..], b"]"].concat();
        if let Some(members) = response.as_object_mut() {
            members.insert("status".into(), "failed".into());
            members.insert("error".into(), failure(error));
            members.insert("output".into(), serde_json::from_slice(&items).unwrap_or_default());
        }
        numbering.error(error, out);
        // Before the first event there is no response that could fail.
        if response.is_object() {
            numbering.begin("response.failed", out).value("response", &response).end();
            self.answer = Some(response.to_string().into_bytes());
        }
        self.next = numbering.next();
    }

    fn take_answer(&mut self) -> Option<Vec<u8>> {
        self.answer.take()
    }
}

impl Watch {
    /// The event that ends the stream.
    fn told(&mut self, response: Option<Raw<'_>>) {
        self.answer = response.map(|response| response.bytes.to_vec());
        let usage = response.and_then(|response| response.member("usage")).filter(|usage| !usage.is_null());
        if let Some(usage) = usage.and_then(reported) {
            self.seen.usage = Some(usage);
        }
    }

    fn fail(&mut self, error: UpstreamError) {
        let is_after_content = self.seen.has_content;
        self.seen.failure.get_or_insert(Failure { error, is_after_content });
    }
}

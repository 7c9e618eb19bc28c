//! A stream that passes as it is: what its events say.

use super::encoder::{error_event, send};
use super::frame::Frame;
use crate::conversation::StreamError;
use crate::dialect::error::UpstreamError;
use crate::dialect::messages::response::add_output;
use crate::dialect::messages::{error, usage::Counters};
use crate::dialect::relay::{self, End, Failure, Seen, Verdict};
use crate::json::Raw;
use crate::sse;

/// Watches a stream of this dialect on its way to a client of this dialect.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    seen: Seen,
    usage: Counters,
    has_stopped: bool,
}

impl Watch {
    fn fail(&mut self, error: UpstreamError) {
        let is_after_content = self.seen.has_content;
        self.seen.failure.get_or_insert(Failure { error, is_after_content });
    }

    fn merge(&mut self, usage: Option<Raw<'_>>) {
        if let Some(usage) = usage {
            self.usage.merge(usage);
            self.seen.usage = self.usage.reported();
        }
    }

    fn open(&mut self, block: Raw<'_>) {
        add_output(&mut self.seen.output, block);
        let kind = block.member("type").and_then(|kind| kind.string_text());
        // Texts and thoughts say something only with their deltas; anything else does by being there.
        let is_bare = matches!(kind, Some(b"text" | b"thinking"));
        self.seen.has_content |= !is_bare || block.items().any(|member| is_content(member.key, member.value));
    }

    fn delta(&mut self, delta: Raw<'_>) {
        add_output(&mut self.seen.output, delta);
        self.seen.has_content |= delta.items().any(|member| is_content(member.key, member.value));
    }
}

fn is_content(key: &[u8], value: Raw<'_>) -> bool {
    key != b"type" && !value.is_blank()
}

impl relay::Watch for Watch {
    fn observe(&mut self, frame: &[u8]) -> Verdict {
        let Some(event) = sse::parse(frame) else {
            // An upstream may answer a stream with a bare error object.
            let body = frame.trim_ascii();
            if body.starts_with(b"{") && Frame::read(body).is_error() {
                self.fail(error::read(body));
            }
            return Verdict::Keep;
        };
        let data = Frame::read(&event.data);
        if event.name == Some(b"error") || data.is_error() {
            self.fail(error::read(&event.data));
            return Verdict::Keep;
        }
        match data.kind {
            b"content_block_delta" => data.delta.into_iter().for_each(|delta| self.delta(delta)),
            b"content_block_start" => data.content_block.into_iter().for_each(|block| self.open(block)),
            b"message_start" => self.merge(data.message.and_then(|message| message.member("usage"))),
            b"message_delta" => {
                self.merge(data.usage);
                let reason = data.delta.and_then(|delta| delta.member("stop_reason"));
                if reason.is_some_and(|reason| !reason.is_blank()) {
                    self.has_stopped = true;
                    self.seen.has_content = true;
                }
            }
            b"message_stop" => self.seen.is_done = true,
            _ => {}
        }
        Verdict::Keep
    }

    fn seen(&self) -> &Seen {
        &self.seen
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> End {
        match &self.seen {
            Seen { failure: Some(_), .. } => End::Failed,
            Seen { has_content: false, .. } => End::Empty,
            Seen { is_done: true, .. } => End::Complete,
            _ if self.has_stopped => {
                out.extend_from_slice(b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
                End::Complete
            }
            _ => End::CutShort,
        }
    }

    fn error(&mut self, error: &StreamError, out: &mut Vec<u8>) {
        send("error", &error_event(error), out);
    }
}

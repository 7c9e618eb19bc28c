//! An upstream's stream as the hub's events.
//!
//! Upstreams that speak this dialect leave things out: the announcement of a part, the deltas of a text that comes at once,
//! or all but the last event. So whatever an event repeats is compared with what was said already, and only the rest said.

mod item;
pub(super) mod member;

use crate::conversation::{Delta, Event, StopReason, StreamError};
use crate::dialect::error::read_error;
use crate::dialect::responses::response::usage;
use crate::dialect::translate::Decode;
use crate::json::Raw;
use crate::sse;
use item::{Item, Kind};
use member::Members;
use serde_json::Value;

/// Decodes one stream.
#[derive(Default)]
pub struct Decoder {
    /// How many blocks were opened.
    blocks: usize,
    /// Items by their `output_index`.
    items: Vec<(u64, Item)>,
    has_started: bool,
    has_call: bool,
    has_refusal: bool,
    is_over: bool,
}

impl Decode for Decoder {
    fn event(&mut self, event: &sse::Event<'_>, emit: &mut dyn FnMut(Event)) {
        if self.is_over {
            return;
        }
        let members = Members::read(&event.data);
        let kind = members.kind.and_then(|kind| kind.string_text()).or(event.name).unwrap_or_default();
        match kind {
            b"response.created" | b"response.in_progress" | b"response.queued" => {
                self.start(members.response, emit);
            }
            b"response.completed" | b"response.incomplete" | b"response.failed" | b"response.cancelled" => {
                self.last(kind, members.response, &event.data, emit);
            }
            b"error" => self.fail(&event.data, emit),
            _ => self.item_event(kind, &members, emit),
        }
    }

    fn finish(&mut self, emit: &mut dyn FnMut(Event)) {
        if !self.is_over {
            self.is_over = true;
            self.close_all(emit);
        }
    }
}

impl Decoder {
    fn start(&mut self, response: Option<Raw<'_>>, emit: &mut dyn FnMut(Event)) {
        if std::mem::replace(&mut self.has_started, true) {
            return;
        }
        let text =
            |name: &str| response.and_then(|response| response.member(name)?.as_str().map(String::from));
        let (id, model) = (text("id").unwrap_or_default(), text("model").unwrap_or_default());
        emit(Event::Start { id, model });
    }

    fn item_event(&mut self, kind: &[u8], members: &Members<'_>, emit: &mut dyn FnMut(Event)) {
        let Some(of) = Kind::of_event(kind) else { return };
        self.start(None, emit);
        let index = members.output_index.and_then(|index| index.as_u64()).unwrap_or_default();
        let mut item = self.take(index);
        let told = item.event(kind, of, members, &mut self.blocks, emit);
        self.items.push((index, item));
        self.has_call |= told.is_call;
        self.has_refusal |= told.is_refusal;
    }

    /// The item of this index, a new one where there is none; mostly the last one.
    fn take(&mut self, index: u64) -> Item {
        let at = self.items.iter().rposition(|(known, _)| *known == index);
        at.map(|at| self.items.swap_remove(at).1).unwrap_or_default()
    }

    fn close_all(&mut self, emit: &mut dyn FnMut(Event)) {
        let mut items: Vec<(u64, Item)> = Vec::new();
        for (index, item) in std::mem::take(&mut self.items) {
            items.insert(items.partition_point(|(known, _)| *known <= index), (index, item));
        }
        for (_, mut item) in items {
            item.close(emit);
        }
    }

    fn last(&mut self, kind: &[u8], response: Option<Raw<'_>>, data: &[u8], emit: &mut dyn FnMut(Event)) {
        self.start(response, emit);
        let body: Value =
            response.and_then(|response| serde_json::from_slice(response.bytes).ok()).unwrap_or_default();
        let usage = body.get("usage").and_then(usage::buckets);
        if kind == b"response.failed" || kind == b"response.cancelled" {
            if let Some(usage) = usage {
                emit(Event::Usage(usage));
            }
            let of_response = body.get("error").is_some_and(|error| !error.is_null());
            let data = if of_response { response.map_or(data, |response| response.bytes) } else { data };
            return self.fail(data, emit);
        }
        // Some servers say all at once.
        if self.items.is_empty()
            && let Some(output) = response.and_then(|response| response.member("output"))
        {
            for (index, item) in output.items().enumerate() {
                let mut whole = Item::default();
                let told = whole.whole(item.value, &mut self.blocks, emit);
                self.items.push((index as u64, whole));
                self.has_call |= told.is_call;
                self.has_refusal |= told.is_refusal;
            }
        }
        self.close_all(emit);
        let reason = body.pointer("/incomplete_details/reason").and_then(Value::as_str);
        let reason = match (kind, reason) {
            (b"response.incomplete", Some("content_filter")) => StopReason::ContentFilter,
            (b"response.incomplete", _) => StopReason::MaxTokens,
            _ if self.has_call => StopReason::ToolUse,
            _ if self.has_refusal => StopReason::Refusal,
            _ => StopReason::End,
        };
        emit(Event::Stop { choice: 0, reason });
        if let Some(usage) = usage {
            emit(Event::Usage(usage));
        }
        self.is_over = true;
        emit(Event::End);
    }

    fn fail(&mut self, data: &[u8], emit: &mut dyn FnMut(Event)) {
        self.is_over = true;
        let error = read_error(data);
        let status = error.status.or_else(|| status(error.code.as_deref()?));
        emit(Event::Error(StreamError { status, code: error.code, message: error.message }));
    }
}

/// The HTTP status that goes with a code (<https://platform.openai.com/docs/guides/error-codes>).
fn status(code: &str) -> Option<u16> {
    Some(match code {
        "rate_limit_exceeded" | "insufficient_quota" | "rate_limit_error" => 429,
        "server_error" => 500,
        "server_is_overloaded" | "slow_down" => 503,
        "invalid_api_key" | "authentication_error" => 401,
        "context_length_exceeded" | "invalid_request_error" => 400,
        code if code.starts_with("invalid_") || code.contains("image") => 400,
        _ => return None,
    })
}

/// What an item's event said that matters for the end.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    is_call: bool,
    is_refusal: bool,
}

/// A block that is open.
#[derive(Clone, Copy, Debug)]
struct Open {
    block: usize,
    /// Bytes of text, arguments or input that were said.
    said: usize,
    /// Annotations that were said.
    annotations: usize,
}

impl Open {
    fn say(&mut self, delta: String, is_arguments: bool, emit: &mut dyn FnMut(Event)) {
        if !delta.is_empty() {
            self.said += delta.len();
            let delta = if is_arguments { Delta::Arguments(delta) } else { Delta::Text(delta) };
            emit(Event::Delta { block: self.block, delta });
        }
    }

    /// Says what of the whole has not been said.
    fn say_rest(&mut self, whole: &str, is_arguments: bool, emit: &mut dyn FnMut(Event)) {
        if let Some(rest) = whole.get(self.said..) {
            self.say(rest.to_owned(), is_arguments, emit);
        }
    }
}

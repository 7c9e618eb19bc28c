//! The hub's events as a stream for a client.
//!
//! A message stays open from one text to the next, for they are its parts; any other block is an item of its own. An item
//! is told to be over only when the next begins or the answer ends, for only then is it known whether it is complete.

mod open;

use super::event::{Numbering, failure};
use crate::conversation::sequence::Sequencer;
use crate::conversation::tool_call_id;
use crate::conversation::{
    Delta, Dialect, Event, Extras, Field, Losses, Opaque, Opening, Source, StopReason, StreamError,
};
use crate::dialect::responses::item::{is_native, made_id, prefix};
use crate::dialect::responses::reasoning;
use crate::dialect::responses::response::encode::{REFUSED, status};
use crate::dialect::responses::response::object::{Progress, Shell};
use crate::dialect::responses::response::usage;
use crate::dialect::translate::{Encode, Reply};
use crate::json::json;
use crate::usage::Usage;
use open::{Call, Item, Message, Thought};
use serde_json::Value;

/// The item that is a picture.
const IMAGE: &str = "image_generation_call";

/// Encodes one stream.
pub struct Encoder {
    sequencer: Sequencer,
    writer: Writer,
}

impl Encoder {
    /// For one client.
    #[must_use]
    pub fn new(reply: Reply) -> Encoder {
        Encoder { sequencer: Sequencer::default(), writer: Writer::new(reply) }
    }
}

impl Encode for Encoder {
    fn event(&mut self, event: Event, out: &mut Vec<u8>) {
        let Encoder { sequencer, writer } = self;
        sequencer.push(event, &mut |event| writer.event(event, out));
    }

    fn error(&mut self, error: &StreamError, out: &mut Vec<u8>) {
        self.writer.fail(error, out);
    }

    fn losses(&self) -> Option<&Losses> {
        Some(&self.writer.losses)
    }

    fn take_answer(&mut self) -> Option<Vec<u8>> {
        self.writer.answer.take()
    }
}

/// Writes events that come in sequence.
struct Writer {
    reply: Reply,
    numbering: Numbering,
    /// Once the stream has begun.
    shell: Option<Shell>,
    /// The item that is open, or that may have come to its end.
    item: Option<Item>,
    /// Items that are over, as JSON with commas between them.
    output: String,
    /// How many items were begun.
    items: usize,
    /// Log probabilities that wait for their text.
    logprobs: Vec<Value>,
    usage: Option<Usage>,
    stop: Option<StopReason>,
    has_refused: bool,
    is_over: bool,
    /// The response object of the last event.
    answer: Option<Vec<u8>>,
    losses: Losses,
}

impl Writer {
    fn new(reply: Reply) -> Writer {
        Writer {
            reply,
            numbering: Numbering::default(),
            shell: None,
            item: None,
            output: String::new(),
            items: 0,
            logprobs: Vec::new(),
            usage: None,
            stop: None,
            has_refused: false,
            is_over: false,
            answer: None,
            losses: Losses::default(),
        }
    }

    fn event(&mut self, event: Event, out: &mut Vec<u8>) {
        if self.is_over {
            return;
        }
        match event {
            Event::Start { id, model } => self.start(&id, &model, out),
            // The dialect has one answer: nothing is open for what is said of another.
            Event::Open { choice, .. } if choice > 0 => self.close(false, out),
            Event::Stop { choice, .. } | Event::Logprobs { choice, .. } if choice > 0 => {}
            Event::Open { opening, .. } => self.open(opening, out),
            Event::Delta { delta, .. } => self.delta(delta, out),
            Event::Close { .. } => {
                if let Some(state) = self.item.as_mut().and_then(|item| item.end(&mut self.numbering, out)) {
                    self.attach(&state, true, out);
                }
            }
            Event::Stop { reason, .. } => self.stop = Some(reason),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Logprobs { mut value, .. } => {
                if let Some(Value::Array(tokens)) = value.get_mut("content").map(Value::take) {
                    self.logprobs.extend(tokens);
                }
            }
            Event::Error(error) => self.fail(&error, out),
            Event::End => self.complete(out),
        }
    }

    fn start(&mut self, id: &str, model: &str, out: &mut Vec<u8>) {
        if self.shell.is_some() {
            return;
        }
        let shell = Shell::new(&self.reply, id, model, None, Extras::new());
        let progress = Progress { status: "in_progress", ..Progress::default() };
        for kind in ["response.created", "response.in_progress"] {
            let event = self.numbering.begin(kind, out);
            event.written("response", |out| shell.write(&progress, out)).end();
        }
        self.shell = Some(shell);
    }

    fn next_id(&mut self, kind: &str) -> (String, usize) {
        let index = self.items;
        self.items += 1;
        (made_id(prefix(kind), &self.reply.id, index), index)
    }

    fn open(&mut self, opening: Opening, out: &mut Vec<u8>) {
        self.start("", "", out);
        match opening {
            Opening::Text | Opening::Refusal => {
                let is_refusal = opening == Opening::Refusal;
                self.has_refused |= is_refusal;
                if !matches!(self.item, Some(Item::Message(_))) {
                    self.close(false, out);
                    let (id, index) = self.next_id("message");
                    self.item = Some(Item::Message(Message::begin(id, index, &mut self.numbering, out)));
                }
                if let Some(Item::Message(message)) = &mut self.item {
                    message.open_part(is_refusal, &mut self.numbering, out);
                }
            }
            Opening::Thinking { .. } => {
                self.close(false, out);
                let (id, index) = self.next_id("reasoning");
                self.item = Some(Item::Thought(Thought::begin(id, index, &mut self.numbering, out)));
            }
            Opening::Redacted(state) => {
                self.close(false, out);
                let (id, index) = self.redacted_id(&state);
                let mut thought = Thought::begin(id, index, &mut self.numbering, out);
                thought.redact(state);
                self.item = Some(Item::Thought(thought));
            }
            Opening::ToolCall { id, name, is_custom, signature } => {
                self.close(false, out);
                if let Some(state) = signature {
                    self.attach(&state, false, out);
                }
                let replaces_custom = !is_custom && self.reply.custom_tools.contains(&name);
                let kind = if is_custom || replaces_custom { "custom_tool_call" } else { "function_call" };
                let (item_id, index) = self.next_id(kind);
                let id = if id.is_empty() { tool_call_id::make(&self.reply.id, index) } else { id };
                let (namespace, name) = match self.reply.namespaces.get(&name) {
                    Some((namespace, name)) => (Some(namespace.clone()), name.clone()),
                    None => (None, name),
                };
                let arguments = String::new();
                let call = Call { item_id, index, id, name, namespace, kind, replaces_custom, arguments };
                call.begin(&mut self.numbering, out);
                self.item = Some(Item::Call(call));
            }
            Opening::Image(media) => {
                self.close(false, out);
                match media.source {
                    Source::Data(data) => {
                        let (id, index) = self.next_id(IMAGE);
                        let item = json!({"type": IMAGE, "id": id, "status": "completed", "result": data});
                        self.whole(index, &item.to_string(), out);
                    }
                    _ => self.losses.note(Field::Image),
                }
            }
            Opening::Native(value) => {
                self.close(false, out);
                self.native(&value, out);
            }
        }
    }

    /// State under its own id, where it is this dialect's.
    fn redacted_id(&mut self, state: &Opaque) -> (String, usize) {
        let (made, index) = self.next_id("reasoning");
        let own = state.for_provider(Dialect::Responses);
        (own.and_then(|data| reasoning::split(data).0).map_or(made, str::to_owned), index)
    }

    fn delta(&mut self, delta: Delta, out: &mut Vec<u8>) {
        let logprobs = &mut self.logprobs;
        match (&mut self.item, delta) {
            (Some(Item::Message(message)), Delta::Text(text)) => {
                message.text(&text, logprobs, &mut self.numbering, out);
            }
            (Some(Item::Message(message)), Delta::Citation(citation)) => {
                message.citation(&citation, &mut self.numbering, out);
            }
            (Some(Item::Message(message)), Delta::Signature(state)) => message.attached = Some(state),
            (Some(Item::Thought(thought)), Delta::Text(text)) => {
                thought.text(&text, &mut self.numbering, out);
            }
            (Some(Item::Thought(thought)), Delta::Paragraph) => thought.end_part(&mut self.numbering, out),
            (Some(Item::Thought(thought)), Delta::Signature(state)) => thought.state = Some(state),
            (Some(Item::Call(call)), Delta::Arguments(json)) => call.add(&json, &mut self.numbering, out),
            _ => {}
        }
    }

    /// An item that only this dialect has; those of others have no place here.
    fn native(&mut self, value: &Value, out: &mut Vec<u8>) {
        let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
        if !is_native(kind) {
            return;
        }
        let index = self.items;
        self.items += 1;
        self.whole(index, &value.to_string(), out);
    }

    /// An item that comes in one piece.
    fn whole(&mut self, index: usize, item: &str, out: &mut Vec<u8>) {
        for event in ["response.output_item.added", "response.output_item.done"] {
            self.numbering.begin(event, out).number("output_index", index).raw("item", item).end();
        }
        self.keep(item);
    }

    /// An item that carries the state of the block before it (`is_behind`) or of the next one.
    fn attach(&mut self, state: &Opaque, is_behind: bool, out: &mut Vec<u8>) {
        self.close(false, out);
        let (made, index) = self.next_id("reasoning");
        let id = if is_behind { format!("{}{index:04x}", reasoning::BEHIND) } else { made };
        self.whole(index, &Value::Object(reasoning::attached(id, state)).to_string(), out);
    }

    fn keep(&mut self, item: &str) {
        if !self.output.is_empty() {
            self.output.push(',');
        }
        self.output.push_str(item);
    }

    /// Tells that the item which came to its end is over.
    fn close(&mut self, is_incomplete: bool, out: &mut Vec<u8>) {
        let Some(mut item) = self.item.take() else { return };
        let late = item.end(&mut self.numbering, out);
        item.finish(&mut self.numbering, out);
        let text =
            Value::Object(item.object(if is_incomplete { "incomplete" } else { "completed" })).to_string();
        let event = self.numbering.begin("response.output_item.done", out);
        event.number("output_index", item.index()).raw("item", &text).end();
        self.keep(&text);
        if let Some(state) = late {
            self.attach(&state, true, out);
        }
    }

    fn complete(&mut self, out: &mut Vec<u8>) {
        self.start("", "", out);
        if self.stop == Some(StopReason::Refusal) && !self.has_refused {
            self.open(Opening::Refusal, out);
            self.delta(Delta::Text(REFUSED.to_owned()), out);
        }
        let (status, incomplete) = status(self.stop.as_ref());
        self.close(status == "incomplete", out);
        self.is_over = true;
        let error = (status == "failed").then(|| {
            let message = "The model could not complete the answer.".to_owned();
            failure(&StreamError { message, ..StreamError::default() })
        });
        self.last(Progress { status, incomplete, error, ..Progress::default() }, out);
    }

    fn fail(&mut self, error: &StreamError, out: &mut Vec<u8>) {
        if self.is_over {
            return;
        }
        self.start("", "", out);
        self.is_over = true;
        self.numbering.error(error, out);
        // Nothing says that the open item is over: a client must not run half a call.
        if let Some(item) = self.item.take() {
            let text = Value::Object(item.object("incomplete")).to_string();
            self.keep(&text);
        }
        let error = Some(failure(error));
        self.last(Progress { status: "failed", error, ..Progress::default() }, out);
    }

    fn last(&mut self, progress: Progress<'_>, out: &mut Vec<u8>) {
        let Some(shell) = &self.shell else { return };
        let usage = self.usage.as_ref().map(usage::encode);
        let kind = format!("response.{}", progress.status);
        let progress = Progress { output: &self.output, usage, ..progress };
        let mut answer = Vec::new();
        shell.write(&progress, &mut answer);
        self.numbering.begin(&kind, out).written("response", |out| out.extend_from_slice(&answer)).end();
        self.answer = Some(answer);
    }
}

//! The item that is being written: what of it has been told, and what it is when it is over.

use crate::conversation::tool_call_id::fit;
use crate::conversation::{Citation, Dialect, Opaque, Thinking, Thought as Readable};
use crate::dialect::responses::item::{CALL_ID_LIMIT, object};
use crate::dialect::responses::response::encode::custom_input;
use crate::dialect::responses::stream::event::Numbering;
use crate::dialect::responses::{citation, reasoning};
use serde_json::{Map, Value};

/// An item.
pub(super) enum Item {
    Message(Message),
    Thought(Thought),
    Call(Call),
}

/// A message of the model.
pub(super) struct Message {
    id: String,
    index: usize,
    /// Parts that are over.
    parts: Vec<Value>,
    part: Option<Part>,
    /// State of the part, which came when its item had begun.
    pub(super) attached: Option<Opaque>,
}

/// A part of a message.
struct Part {
    is_refusal: bool,
    text: String,
    annotations: Vec<Value>,
    logprobs: Vec<Value>,
}

/// What the model thought.
pub(super) struct Thought {
    id: String,
    index: usize,
    /// Paragraphs that are over.
    texts: Vec<String>,
    text: Option<String>,
    pub(super) state: Option<Opaque>,
    is_redacted: bool,
}

/// A call of a tool.
pub(super) struct Call {
    pub(super) item_id: String,
    pub(super) index: usize,
    pub(super) id: String,
    pub(super) name: String,
    /// Of the tool, where it is in one.
    pub(super) namespace: Option<String>,
    /// The item's type.
    pub(super) kind: &'static str,
    /// A function stands for a custom tool, whose text is in its arguments.
    pub(super) replaces_custom: bool,
    pub(super) arguments: String,
}

impl Item {
    pub(super) fn index(&self) -> usize {
        match self {
            Item::Message(message) => message.index,
            Item::Thought(thought) => thought.index,
            Item::Call(call) => call.index,
        }
    }

    /// The block is over, though perhaps not the item; gives state that must follow in an item of its own.
    pub(super) fn end(&mut self, numbering: &mut Numbering, out: &mut Vec<u8>) -> Option<Opaque> {
        match self {
            Item::Message(message) => {
                message.end_part(numbering, out);
                message.attached.take()
            }
            Item::Thought(thought) => {
                thought.end_part(numbering, out);
                None
            }
            Item::Call(_) => None,
        }
    }

    /// What is told before the item is over.
    pub(super) fn finish(&mut self, numbering: &mut Numbering, out: &mut Vec<u8>) {
        match self {
            Item::Message(_) => {}
            Item::Thought(thought) => thought.show_nothing(numbering, out),
            Item::Call(call) => call.end(numbering, out),
        }
    }

    /// The item, as far as it has come.
    pub(super) fn object(&self, status: &str) -> Map<String, Value> {
        match self {
            Item::Message(message) => message.object(status),
            Item::Thought(thought) => thought.object(),
            Item::Call(call) => call.object(status, &call.input()),
        }
    }
}

fn added(index: usize, item: Map<String, Value>, numbering: &mut Numbering, out: &mut Vec<u8>) {
    let event = numbering.begin("response.output_item.added", out);
    event.number("output_index", index).value("item", &Value::Object(item)).end();
}

impl Message {
    pub(super) fn begin(id: String, index: usize, numbering: &mut Numbering, out: &mut Vec<u8>) -> Message {
        let message = Message { id, index, parts: Vec::new(), part: None, attached: None };
        added(index, message.object("in_progress"), numbering, out);
        message
    }

    fn object(&self, status: &str) -> Map<String, Value> {
        let open = self.part.as_ref().map(Part::object);
        object([
            ("type", "message".into()),
            ("id", self.id.as_str().into()),
            ("status", status.into()),
            ("role", "assistant".into()),
            ("content", self.parts.iter().cloned().chain(open).collect()),
        ])
    }

    pub(super) fn open_part(&mut self, is_refusal: bool, numbering: &mut Numbering, out: &mut Vec<u8>) {
        let part = Part { is_refusal, text: String::new(), annotations: Vec::new(), logprobs: Vec::new() };
        let event = numbering.begin("response.content_part.added", out).text("item_id", &self.id);
        let event = event.number("output_index", self.index).number("content_index", self.parts.len());
        event.value("part", &part.object()).end();
        self.part = Some(part);
    }

    pub(super) fn text(
        &mut self,
        text: &str,
        logprobs: &mut Vec<Value>,
        numbering: &mut Numbering,
        out: &mut Vec<u8>,
    ) {
        let Some(part) = self.part.as_mut().filter(|_| !text.is_empty()) else { return };
        part.text.push_str(text);
        let kind = if part.is_refusal { "response.refusal.delta" } else { "response.output_text.delta" };
        let event = numbering.begin(kind, out).text("item_id", &self.id);
        let event = event.number("output_index", self.index).number("content_index", self.parts.len());
        let event = event.text("delta", text);
        if part.is_refusal {
            event.end();
        } else if logprobs.is_empty() {
            event.raw("logprobs", "[]").end();
        } else {
            let tokens = Value::Array(std::mem::take(logprobs));
            event.value("logprobs", &tokens).end();
            if let Value::Array(tokens) = tokens {
                part.logprobs.extend(tokens);
            }
        }
    }

    pub(super) fn citation(&mut self, citation: &Citation, numbering: &mut Numbering, out: &mut Vec<u8>) {
        let Some(part) = &mut self.part else { return };
        let Some(annotation) = citation::encode(citation, part.text.chars().count()) else { return };
        let event = numbering.begin("response.output_text.annotation.added", out).text("item_id", &self.id);
        let event = event.number("output_index", self.index).number("content_index", self.parts.len());
        let event = event.number("annotation_index", part.annotations.len());
        event.value("annotation", &annotation).end();
        part.annotations.push(annotation);
    }

    fn end_part(&mut self, numbering: &mut Numbering, out: &mut Vec<u8>) {
        let Some(part) = self.part.take() else { return };
        let (kind, name) = if part.is_refusal {
            ("response.refusal.done", "refusal")
        } else {
            ("response.output_text.done", "text")
        };
        let index = self.parts.len();
        let event = numbering.begin(kind, out).text("item_id", &self.id);
        let event = event.number("output_index", self.index).number("content_index", index);
        let event = event.text(name, &part.text);
        if part.is_refusal {
            event.end();
        } else {
            event.value("logprobs", &Value::Array(part.logprobs.clone())).end();
        }
        let part = part.object();
        let event = numbering.begin("response.content_part.done", out).text("item_id", &self.id);
        let event = event.number("output_index", self.index).number("content_index", index);
        event.value("part", &part).end();
        self.parts.push(part);
    }
}

impl Part {
    fn object(&self) -> Value {
        let text = self.text.as_str().into();
        Value::Object(if self.is_refusal {
            object([("type", "refusal".into()), ("refusal", text)])
        } else {
            object([
                ("type", "output_text".into()),
                ("text", text),
                ("annotations", Value::Array(self.annotations.clone())),
                ("logprobs", Value::Array(self.logprobs.clone())),
            ])
        })
    }
}

impl Thought {
    pub(super) fn begin(id: String, index: usize, numbering: &mut Numbering, out: &mut Vec<u8>) -> Thought {
        let thought = Thought { id, index, texts: Vec::new(), text: None, state: None, is_redacted: false };
        added(index, thought.object(), numbering, out);
        thought
    }

    /// Nothing of it may be read.
    pub(super) fn redact(&mut self, state: Opaque) {
        self.state = Some(state);
        self.is_redacted = true;
    }

    fn object(&self) -> Map<String, Value> {
        let texts = self.texts.iter().chain(&self.text).cloned().collect();
        let thought = Readable { texts, is_summary: true };
        let (signature, is_redacted) = (self.state.clone(), self.is_redacted);
        let thinking = Thinking { thought, signature, is_redacted, id: None };
        reasoning::item(self.id.clone(), thinking, false)
    }

    pub(super) fn text(&mut self, text: &str, numbering: &mut Numbering, out: &mut Vec<u8>) {
        let (id, index, part) = (&self.id, self.index, self.texts.len());
        let written = self.text.get_or_insert_with(|| {
            let event = numbering.begin("response.reasoning_summary_part.added", out).text("item_id", id);
            let event = event.number("output_index", index).number("summary_index", part);
            event.raw("part", r#"{"type":"summary_text","text":""}"#).end();
            String::new()
        });
        if text.is_empty() {
            return;
        }
        written.push_str(text);
        let event = numbering.begin("response.reasoning_summary_text.delta", out).text("item_id", id);
        let event = event.number("output_index", index).number("summary_index", part);
        event.text("delta", text).end();
    }

    pub(super) fn end_part(&mut self, numbering: &mut Numbering, out: &mut Vec<u8>) {
        let Some(text) = self.text.take() else { return };
        let part = self.texts.len();
        let event = numbering.begin("response.reasoning_summary_text.done", out).text("item_id", &self.id);
        event.number("output_index", self.index).number("summary_index", part).text("text", &text).end();
        let event = numbering.begin("response.reasoning_summary_part.done", out).text("item_id", &self.id);
        let event = event.number("output_index", self.index).number("summary_index", part);
        let whole = object([("type", "summary_text".into()), ("text", text.as_str().into())]);
        event.value("part", &Value::Object(whole)).end();
        self.texts.push(text);
    }

    /// A thought of another provider that is merely not shown has one empty paragraph: see [`reasoning::item`].
    fn show_nothing(&mut self, numbering: &mut Numbering, out: &mut Vec<u8>) {
        let is_foreign = self.state.as_ref().is_some_and(|state| state.origin != Dialect::Responses);
        if self.texts.is_empty() && !self.is_redacted && is_foreign {
            self.text("", numbering, out);
            self.end_part(numbering, out);
        }
    }
}

impl Call {
    pub(super) fn begin(&self, numbering: &mut Numbering, out: &mut Vec<u8>) {
        added(self.index, self.object("in_progress", ""), numbering, out);
    }

    fn is_custom(&self) -> bool {
        self.kind == "custom_tool_call"
    }

    /// What the call is given, as far as it is known.
    fn input(&self) -> String {
        if self.replaces_custom { custom_input(&self.arguments) } else { self.arguments.clone() }
    }

    fn object(&self, status: &str, input: &str) -> Map<String, Value> {
        let name = if self.is_custom() { "input" } else { "arguments" };
        let mut item = object([
            ("type", self.kind.into()),
            ("id", self.item_id.as_str().into()),
            ("call_id", fit(&self.id, CALL_ID_LIMIT).into_owned().into()),
            ("name", self.name.as_str().into()),
            (name, input.into()),
        ]);
        if !self.is_custom() {
            item.insert("status".into(), status.into());
        }
        if let Some(namespace) = &self.namespace {
            item.insert("namespace".into(), namespace.as_str().into());
        }
        item
    }

    pub(super) fn add(&mut self, json: &str, numbering: &mut Numbering, out: &mut Vec<u8>) {
        self.arguments.push_str(json);
        // The text within is known only when all of it is there.
        if !self.replaces_custom && !json.is_empty() {
            self.delta(json, numbering, out);
        }
    }

    fn delta(&self, delta: &str, numbering: &mut Numbering, out: &mut Vec<u8>) {
        let kind = if self.is_custom() {
            "response.custom_tool_call_input.delta"
        } else {
            "response.function_call_arguments.delta"
        };
        let event = numbering.begin(kind, out).text("item_id", &self.item_id);
        event.number("output_index", self.index).text("delta", delta).end();
    }

    fn end(&mut self, numbering: &mut Numbering, out: &mut Vec<u8>) {
        if self.arguments.is_empty() && !self.is_custom() {
            self.arguments.push_str("{}");
            self.delta("{}", numbering, out);
        }
        let input = self.input();
        if self.replaces_custom {
            self.delta(&input, numbering, out);
        }
        let (kind, name) = if self.is_custom() {
            ("response.custom_tool_call_input.done", "input")
        } else {
            ("response.function_call_arguments.done", "arguments")
        };
        let event = numbering.begin(kind, out).text("item_id", &self.item_id);
        let event = event.number("output_index", self.index);
        let event = if self.is_custom() { event } else { event.text("name", &self.name) };
        event.text(name, &input).end();
    }
}

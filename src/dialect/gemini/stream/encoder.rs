//! From the hub's events to Gemini's.
//!
//! Each piece is a whole answer whose candidate has a part at least: google-genai's chats forget a turn that has a piece without.
//! Calls go out when they are whole. Why it stopped and what was used come last, when the stream is known to be complete.

use super::framing::Framing;
use crate::conversation::{
    Block, Content, Delta, Dialect, Event, Opaque, Opening, StopReason, StreamError, ToolCall,
};
use crate::dialect::gemini::error_body;
use crate::dialect::gemini::part::{Writer, is_native, native};
use crate::dialect::gemini::response::{Told, encode_usage, logprobs_to_gemini, metadata, written_stop};
use crate::dialect::translate::{Encode, Reply};
use crate::json::json;
use crate::json::quote;
use crate::usage::Usage;
use serde_json::Value;
use std::collections::HashMap;

/// The state of one stream.
#[derive(Debug)]
pub struct Encoder {
    framing: Framing,
    reply: Reply,
    /// What every piece ends with: the model and the answer's id.
    tail: Vec<u8>,
    blocks: HashMap<usize, Open>,
    told: HashMap<usize, Told>,
    stops: Vec<(usize, StopReason)>,
    usage: Option<Usage>,
}

/// A block that is open.
#[derive(Debug)]
struct Open {
    choice: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// With what has been written, in which citations count.
    Text(String),
    Thinking,
    ToolCall(ToolCall, Option<Opaque>),
    /// Was written when it opened, or is left out.
    Done,
}

impl Encoder {
    /// An encoder for one stream.
    #[must_use]
    pub fn new(reply: Reply) -> Encoder {
        let mut encoder = Encoder {
            framing: Framing::new(reply.is_array),
            reply,
            tail: Vec::new(),
            blocks: HashMap::new(),
            told: HashMap::new(),
            stops: Vec::new(),
            usage: None,
        };
        encoder.name("", "");
        encoder
    }

    /// Sets who answers.
    fn name(&mut self, id: &str, model: &str) {
        let id = if id.is_empty() { &self.reply.id } else { id };
        let model = if model.is_empty() { &self.reply.model } else { model };
        let tail = format!(",\"modelVersion\":{},\"responseId\":{}}}", quote(model), quote(id));
        self.tail = tail.into_bytes();
    }

    /// Writes a piece of one candidate; `part` is JSON, `more` further members of the candidate, each with its comma in front.
    fn piece(&mut self, choice: usize, part: &str, more: &str, out: &mut Vec<u8>) {
        self.framing.begin(out);
        out.extend_from_slice(b"{\"candidates\":[");
        push_candidate(choice, part, more, out);
        out.push(b']');
        out.extend_from_slice(&self.tail);
        self.framing.end(out);
    }

    fn open(&mut self, block: usize, choice: usize, opening: Opening, out: &mut Vec<u8>) {
        let kind = match opening {
            Opening::Text | Opening::Refusal => Kind::Text(String::new()),
            Opening::Thinking { .. } => Kind::Thinking,
            Opening::ToolCall { id, name, is_custom, signature } => {
                Kind::ToolCall(ToolCall { id, name, is_custom, arguments: String::new() }, signature)
            }
            Opening::Redacted(state) => {
                let part = json!({"thought": true, "thoughtSignature": state.carried_by(Dialect::Gemini)});
                self.piece(choice, &part.to_string(), "", out);
                Kind::Done
            }
            Opening::Image(media) => {
                if let Some(part) = native(Block::new(Content::Image(media))) {
                    self.piece(choice, &part.to_string(), "", out);
                }
                Kind::Done
            }
            Opening::Native(native) => {
                if is_native(&native) {
                    self.piece(choice, &native.to_string(), "", out);
                }
                Kind::Done
            }
        };
        self.blocks.insert(block, Open { choice, kind });
    }

    fn delta(&mut self, block: usize, delta: Delta, out: &mut Vec<u8>) {
        let Some(open) = self.blocks.get_mut(&block) else { return };
        let choice = open.choice;
        match (delta, &mut open.kind) {
            (Delta::Text(text), Kind::Text(written)) => {
                written.push_str(&text);
                let part = format!("{{\"text\":{}}}", quote(&text));
                self.piece(choice, &part, "", out);
            }
            (Delta::Text(text), Kind::Thinking) => self.thought(choice, &text, out),
            (Delta::Paragraph, Kind::Thinking) => self.thought(choice, "\n\n", out),
            (Delta::Arguments(piece), Kind::ToolCall(call, _)) => call.arguments.push_str(&piece),
            (Delta::Signature(state), Kind::ToolCall(_, signature)) => *signature = Some(state),
            (Delta::Signature(state), Kind::Text(_)) => {
                let part = json!({"text": "", "thoughtSignature": state.carried_by(Dialect::Gemini)});
                self.piece(choice, &part.to_string(), "", out);
            }
            (Delta::Signature(state), Kind::Thinking) => {
                let state = state.carried_by(Dialect::Gemini);
                let part = json!({"text": "", "thought": true, "thoughtSignature": state});
                self.piece(choice, &part.to_string(), "", out);
            }
            (Delta::Citation(citation), Kind::Text(written)) => {
                let told = self.told.entry(choice).or_default();
                let grounding = metadata(told, [(&citation, written.as_str(), None)]);
                self.piece(choice, "{\"text\":\"\"}", &format!(",\"groundingMetadata\":{grounding}"), out);
            }
            _ => {}
        }
    }

    fn thought(&mut self, choice: usize, text: &str, out: &mut Vec<u8>) {
        let part = format!("{{\"text\":{},\"thought\":true}}", quote(text));
        self.piece(choice, &part, "", out);
    }

    fn close(&mut self, block: usize, out: &mut Vec<u8>) {
        let Some(Open { choice, kind: Kind::ToolCall(call, signature) }) = self.blocks.remove(&block) else {
            return;
        };
        let writer = Writer { is_upstream: false, is_own: false, nests_media: true };
        let mut part = writer.tool_call(&call);
        if let (Some(state), Value::Object(part)) = (signature, &mut part) {
            part.insert("thoughtSignature".into(), state.carried_by(Dialect::Gemini).into());
        }
        self.piece(choice, &part.to_string(), "", out);
    }

    /// The last piece: why each candidate stopped, and what was used.
    fn end(&mut self, out: &mut Vec<u8>) {
        self.framing.begin(out);
        out.extend_from_slice(b"{\"candidates\":[");
        for (place, (choice, reason)) in std::mem::take(&mut self.stops).into_iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            let more = format!(",\"finishReason\":\"{}\"", written_stop(&reason));
            push_candidate(choice, "{\"text\":\"\"}", &more, out);
        }
        out.push(b']');
        if let Some(usage) = &self.usage {
            out.extend_from_slice(format!(",\"usageMetadata\":{}", encode_usage(usage)).as_bytes());
        }
        out.extend_from_slice(&self.tail);
        self.framing.end(out);
        self.framing.close(out);
    }
}

fn push_candidate(choice: usize, part: &str, more: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"content\":{\"parts\":[");
    out.extend_from_slice(part.as_bytes());
    out.extend_from_slice(format!("],\"role\":\"model\"}},\"index\":{choice}").as_bytes());
    out.extend_from_slice(more.as_bytes());
    out.push(b'}');
}

impl Encode for Encoder {
    fn event(&mut self, event: Event, out: &mut Vec<u8>) {
        match event {
            Event::Start { id, model } => self.name(&id, &model),
            Event::Open { block, choice, opening } => self.open(block, choice, opening, out),
            Event::Delta { block, delta } => self.delta(block, delta, out),
            Event::Close { block } => self.close(block, out),
            Event::Stop { choice, reason } => self.stops.push((choice, reason)),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Logprobs { choice, value } => {
                if let Some(result) = logprobs_to_gemini(&value) {
                    self.piece(choice, "{\"text\":\"\"}", &format!(",\"logprobsResult\":{result}"), out);
                }
            }
            Event::Error(error) => self.error(&error, out),
            Event::End => self.end(out),
        }
    }

    fn error(&mut self, error: &StreamError, out: &mut Vec<u8>) {
        self.framing.begin(out);
        let body: Value = error_body(error);
        out.extend_from_slice(body.to_string().as_bytes());
        self.framing.end(out);
        self.framing.close(out);
    }
}

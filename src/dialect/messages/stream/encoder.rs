//! A stream out of the hub, as the SDKs' accumulators (`MessageStream` of `@anthropic-ai/sdk` and `anthropic`) expect it: blocks
//! one after the other, their indices without a gap.

use crate::conversation::sequence::Sequencer;
use crate::conversation::{
    Citation, Delta, Dialect, Event, Field, Losses, Opaque, Opening, StopReason, StreamError, tool_call_id,
};
use crate::dialect::messages::block::{self, ID_LIMIT, NAME_LIMIT};
use crate::dialect::messages::response::{message_id, words_of};
use crate::dialect::messages::{error, usage};
use crate::dialect::translate::{Encode, Reply};
use crate::json::json;
use crate::usage::Usage;
use serde_json::Value;
use std::io::Write as _;

const DELTA: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":";

/// Encodes a stream for a client of this dialect.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    reply: Reply,
    sequencer: Sequencer,
    /// Blocks of other answers than the first, which this dialect has no place for.
    skipped: Vec<usize>,
    /// The answer's id and model, held for the usage that may be told next: clients read the size of the input there.
    beginning: Option<(String, String)>,
    has_started: bool,
    /// The index of the next block.
    next: usize,
    current: Current,
    has_calls: bool,
    stop: Option<StopReason>,
    usage: Usage,
    has_ended: bool,
    losses: Losses,
}

/// The block that is going out.
#[derive(Clone, Debug, Default)]
enum Current {
    #[default]
    None,
    /// A text of which nothing has come yet: one that stays empty is not sent, since it would be refused when it comes back.
    UnsentText {
        signature: Option<Opaque>,
    },
    Text {
        late: Option<Opaque>,
    },
    UnsentThought {
        signature: Option<Opaque>,
    },
    Thought {
        signature: Option<Opaque>,
        has_text: bool,
    },
    Call {
        late: Option<Opaque>,
    },
    /// Plain text, which goes out as an object when it is whole.
    Custom {
        text: String,
    },
    /// It was whole with its opening.
    Whole,
}

impl Encoder {
    /// An encoder for one stream.
    #[must_use]
    pub fn new(reply: Reply) -> Encoder {
        Encoder { reply, ..Encoder::default() }
    }

    fn write(&mut self, event: Event, out: &mut Vec<u8>) {
        match event {
            Event::Open { opening, .. } => self.open(opening, out),
            Event::Delta { delta, .. } => self.delta(delta, out),
            Event::Close { .. } => self.close(out),
            Event::Stop { choice: 0, reason } => self.stop = Some(reason),
            // These say nothing here, or were seen to before they came into sequence.
            Event::Start { .. }
            | Event::Stop { .. }
            | Event::Logprobs { .. }
            | Event::Usage(_)
            | Event::Error(_) => {}
            Event::End => self.end(out),
        }
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if self.has_started {
            return;
        }
        self.has_started = true;
        let (id, model) = self.beginning.take().unwrap_or_default();
        let model = if model.is_empty() { &self.reply.model } else { &model };
        let start = json!({ "type": "message_start", "message": {
            "id": message_id(&id, false, &self.reply),
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": null,
            "stop_sequence": null,
            "usage": usage::encode(&self.usage),
        } });
        send("message_start", &start, out);
        out.extend_from_slice(b"event: ping\ndata: {\"type\":\"ping\"}\n\n");
    }

    fn open(&mut self, opening: Opening, out: &mut Vec<u8>) {
        self.current = match opening {
            Opening::Text | Opening::Refusal => Current::UnsentText { signature: None },
            Opening::Thinking { .. } => Current::UnsentThought { signature: None },
            Opening::Redacted(state) => {
                self.whole(&redacted(&state), out);
                Current::Whole
            }
            Opening::ToolCall { id, name, is_custom, signature } => {
                if let Some(state) = signature {
                    self.whole(&redacted(&Opaque { is_attached: true, ..state }), out);
                }
                self.has_calls = true;
                let (id, name) = (tool_call_id::fit(&id, ID_LIMIT), tool_call_id::fit(&name, NAME_LIMIT));
                self.block_start(&json!({ "type": "tool_use", "id": id, "name": name, "input": {} }), out);
                self.block_delta("input_json_delta", "partial_json", "", out);
                if is_custom { Current::Custom { text: String::new() } } else { Current::Call { late: None } }
            }
            Opening::Image(_) => {
                self.losses.note(Field::Image);
                Current::Whole
            }
            Opening::Native(value) => {
                if block::is_native(&value) {
                    self.whole(&value, out);
                }
                Current::Whole
            }
        };
    }

    fn delta(&mut self, delta: Delta, out: &mut Vec<u8>) {
        match (&mut self.current, delta) {
            (Current::UnsentText { signature }, Delta::Signature(state)) => *signature = Some(state),
            (Current::UnsentText { .. }, Delta::Text(text)) if text.is_empty() => {}
            (Current::UnsentText { .. }, Delta::Paragraph | Delta::Arguments(_)) => {}
            (Current::UnsentText { .. }, Delta::Citation(citation))
                if citation.url.is_none() && citation.original.is_none() => {}
            (Current::UnsentText { signature }, delta) => {
                if let Some(state) = signature.take() {
                    self.whole(&redacted(&Opaque { is_attached: true, ..state }), out);
                }
                self.block_start(&json!({ "type": "text", "text": "" }), out);
                self.current = Current::Text { late: None };
                self.delta(delta, out);
            }
            (Current::Text { .. }, Delta::Text(text)) => self.block_delta("text_delta", "text", &text, out),
            (Current::Text { .. }, Delta::Citation(citation)) => {
                if let Some(citation) = written(citation) {
                    self.citation(&citation, out);
                }
            }
            (Current::Text { late } | Current::Call { late }, Delta::Signature(state)) => *late = Some(state),
            (Current::UnsentThought { signature }, Delta::Signature(state)) => *signature = Some(state),
            (Current::UnsentThought { signature }, Delta::Text(text)) if !text.is_empty() => {
                let signature = signature.take();
                self.block_start(&json!({ "type": "thinking", "thinking": "", "signature": "" }), out);
                self.current = Current::Thought { signature, has_text: true };
                self.block_delta("thinking_delta", "thinking", &text, out);
            }
            (Current::Thought { has_text, .. }, Delta::Text(text)) => {
                *has_text = true;
                self.block_delta("thinking_delta", "thinking", &text, out);
            }
            (Current::Thought { has_text: true, .. }, Delta::Paragraph) => {
                self.block_delta("thinking_delta", "thinking", "\n\n", out);
            }
            (Current::Thought { signature, .. }, Delta::Signature(state)) => *signature = Some(state),
            (Current::Call { .. }, Delta::Arguments(piece)) => {
                self.block_delta("input_json_delta", "partial_json", &piece, out);
            }
            (Current::Custom { text }, Delta::Arguments(piece)) => text.push_str(&piece),
            _ => {}
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        match std::mem::take(&mut self.current) {
            Current::None | Current::Whole => {}
            // State alone: of a text that came to nothing, or of a thought that is not shown.
            Current::UnsentText { signature } => {
                if let Some(state) = signature {
                    self.whole(&redacted(&state), out);
                }
            }
            Current::UnsentThought { signature: None } => {}
            Current::UnsentThought { signature: Some(state) } if state.origin == Dialect::Messages => {
                self.block_start(&json!({ "type": "thinking", "thinking": "", "signature": "" }), out);
                self.block_delta("signature_delta", "signature", &state.carried_by(Dialect::Messages), out);
                self.block_stop(out);
            }
            Current::UnsentThought { signature: Some(state) } => self.whole(&redacted(&state), out),
            Current::Thought { signature, .. } => {
                let signature = block::signature(signature.as_ref()).into_owned();
                self.block_delta("signature_delta", "signature", &signature, out);
                self.block_stop(out);
            }
            Current::Call { late } => {
                self.block_stop(out);
                // Its block has gone out, so this cannot be in front of it any more; alone it still comes back.
                if let Some(state) = late {
                    self.whole(&redacted(&state), out);
                }
            }
            // Likewise, but the text is over last: Claude Code takes the block that ended last for the answer.
            Current::Text { late } => {
                let text = self.next;
                self.next += 1;
                if let Some(state) = late {
                    self.whole(&redacted(&state), out);
                }
                end_block(text, out);
            }
            Current::Custom { text } => {
                let input = json!({ "input": text }).to_string();
                self.block_delta("input_json_delta", "partial_json", &input, out);
                self.block_stop(out);
            }
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.has_ended = true;
        self.start(out);
        let (reason, sequence) = words_of(self.stop.take(), self.has_calls);
        let delta = json!({
            "type": "message_delta",
            "delta": { "stop_reason": reason, "stop_sequence": sequence },
            "usage": usage::encode(&self.usage),
        });
        send("message_delta", &delta, out);
        out.extend_from_slice(b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    }

    /// A block in one piece.
    fn whole(&mut self, block: &Value, out: &mut Vec<u8>) {
        self.block_start(block, out);
        self.block_stop(out);
    }

    fn block_start(&mut self, block: &Value, out: &mut Vec<u8>) {
        let event = json!({ "type": "content_block_start", "index": self.next, "content_block": block });
        send("content_block_start", &event, out);
    }

    /// A delta of one string, written without a tree: there are more of these than of anything else. Writing to memory
    /// cannot fail.
    fn block_delta(&self, kind: &str, name: &str, text: &str, out: &mut Vec<u8>) {
        let _ = write!(out, "{DELTA}{},\"delta\":{{\"type\":\"{kind}\",\"{name}\":", self.next);
        let _ = serde_json::to_writer(&mut *out, text);
        out.extend_from_slice(b"}}\n\n");
    }

    fn citation(&self, citation: &Value, out: &mut Vec<u8>) {
        let _ = write!(
            out,
            "{DELTA}{},\"delta\":{{\"type\":\"citations_delta\",\"citation\":{citation}}}}}\n\n",
            self.next
        );
    }

    fn block_stop(&mut self, out: &mut Vec<u8>) {
        end_block(self.next, out);
        self.next += 1;
    }
}

impl Encode for Encoder {
    fn event(&mut self, event: Event, out: &mut Vec<u8>) {
        if self.has_ended {
            return;
        }
        match event {
            Event::Start { id, model } => {
                self.beginning = Some((id, model));
                return;
            }
            Event::Usage(usage) => {
                self.usage = usage;
                return self.start(out);
            }
            Event::Open { block, choice, .. } if choice > 0 => {
                self.skipped.push(block);
                return;
            }
            Event::Delta { block, .. } | Event::Close { block } if self.skipped.contains(&block) => return,
            // The end of another answer must not let go what still waits of the first.
            Event::Stop { choice, .. } if choice > 0 => return,
            Event::Error(error) => return self.error(&error, out),
            _ => self.start(out),
        }
        let mut sequencer = std::mem::take(&mut self.sequencer);
        sequencer.push(event, &mut |event| self.write(event, out));
        self.sequencer = sequencer;
    }

    fn losses(&self) -> Option<&Losses> {
        Some(&self.losses)
    }

    fn error(&mut self, error: &StreamError, out: &mut Vec<u8>) {
        if self.has_ended {
            return;
        }
        self.has_ended = true;
        send("error", &error_event(error), out);
    }
}

/// An error in the middle, as Anthropic sends it.
pub(super) fn error_event(error: &StreamError) -> Value {
    json!({ "type": "error", "error": { "type": error::kind(error), "message": error.message } })
}

/// A citation: this dialect's own, or one made of what another's says; none of what no page is known of.
fn written(citation: Citation) -> Option<Value> {
    let made = block::citation_for_client(&citation);
    let is_ours = |original: &Value| {
        let kind = original.get("type").and_then(Value::as_str);
        kind.is_some_and(|kind| kind.ends_with("_location"))
    };
    citation.original.filter(is_ours).or(made)
}

fn end_block(index: usize, out: &mut Vec<u8>) {
    let _ = write!(
        out,
        "event: content_block_stop\ndata: {{\"type\":\"content_block_stop\",\"index\":{index}}}\n\n"
    );
}

fn redacted(state: &Opaque) -> Value {
    json!({ "type": "redacted_thinking", "data": state.carried_by(Dialect::Messages) })
}

pub(super) fn send(name: &str, data: &Value, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    out.extend_from_slice(data.to_string().as_bytes());
    out.extend_from_slice(b"\n\n");
}

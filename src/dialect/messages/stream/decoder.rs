//! A stream into the hub.

use super::frame::{Frame, kind_of, text_of};
use super::native::Collected;
use crate::conversation::{Block, Content, Delta, Dialect, Event, Opaque, Opening, StopReason, StreamError};
use crate::dialect::messages::block::{self, Piece};
use crate::dialect::messages::response::reason_of;
use crate::dialect::messages::{error, usage::Counters};
use crate::dialect::translate::Decode;
use crate::json::Raw;
use crate::sse;

/// Decodes the events of an upstream of this dialect.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    has_started: bool,
    /// Blocks that are open, by the upstream's index.
    open: Vec<(usize, Open)>,
    /// How many blocks were opened, by the hub's count.
    opened: usize,
    /// State of the block that comes next.
    attached: Option<Opaque>,
    usage: Counters,
    has_calls: bool,
    has_stopped: bool,
    has_ended: bool,
}

/// A block that is open.
#[derive(Clone, Debug)]
enum Open {
    /// Of the hub, with this number.
    Hub(usize),
    /// A call, whose arguments may stand in its beginning already.
    Call { block: usize, arguments: Option<String> },
    /// Only of this dialect; given out when it is whole.
    Native(Collected),
}

impl Decode for Decoder {
    fn event(&mut self, event: &sse::Event<'_>, emit: &mut dyn FnMut(Event)) {
        let frame = Frame::read(&event.data);
        if self.has_ended {
            return;
        }
        if event.name == Some(b"error") || frame.is_error() {
            let error = error::read(&event.data);
            self.has_ended = true;
            return emit(Event::Error(StreamError {
                status: error.status,
                code: error.code,
                message: error.message,
            }));
        }
        match frame.kind {
            b"message_start" => self.start(frame.message, emit),
            b"content_block_start" => {
                self.ensure_start(emit);
                if let Some(block) = frame.content_block {
                    self.open(frame.index, block, emit);
                }
            }
            b"content_block_delta" => {
                if let Some(delta) = frame.delta {
                    self.delta(frame.index, delta, emit);
                }
            }
            b"content_block_stop" => self.close(frame.index, emit),
            b"message_delta" => {
                self.ensure_start(emit);
                self.message_delta(&frame, emit);
            }
            b"message_stop" => self.end(emit),
            _ => {}
        }
    }

    fn finish(&mut self, emit: &mut dyn FnMut(Event)) {
        if self.has_ended {
            return;
        }
        if self.has_stopped {
            return self.end(emit);
        }
        // Of a block that was to be given out whole, half is nothing.
        self.open.retain(|(_, open)| !matches!(open, Open::Native(_)));
        self.close_all(emit);
    }
}

impl Decoder {
    fn start(&mut self, message: Option<Raw<'_>>, emit: &mut dyn FnMut(Event)) {
        if self.has_started {
            return;
        }
        self.has_started = true;
        let Some(message) = message else {
            return emit(Event::Start { id: String::new(), model: String::new() });
        };
        emit(Event::Start { id: text_of(message, "id"), model: text_of(message, "model") });
        if let Some(usage) = message.member("usage") {
            self.tell_usage(usage, emit);
        }
    }

    fn ensure_start(&mut self, emit: &mut dyn FnMut(Event)) {
        if !self.has_started {
            self.start(None, emit);
        }
    }

    fn tell_usage(&mut self, usage: Raw<'_>, emit: &mut dyn FnMut(Event)) {
        self.usage.merge(usage);
        if let Some(usage) = self.usage.usage() {
            emit(Event::Usage(usage));
        }
    }

    fn open(&mut self, index: usize, block: Raw<'_>, emit: &mut dyn FnMut(Event)) {
        let Ok(block) = serde_json::from_slice(block.bytes) else { return };
        self.close(index, emit);
        match block::piece_of_answer(block) {
            Piece::Block(block) => {
                let open = self.open_block(block, emit);
                self.open.push((index, open));
            }
            Piece::Attached(state) => self.attached = Some(state),
            Piece::Nothing => {}
        }
    }

    /// Opens a block, and says what it holds already.
    fn open_block(&mut self, block: Block, emit: &mut dyn FnMut(Event)) -> Open {
        let signature = self.attached.take();
        match block.content {
            Content::Text(text) => {
                let number = self.number(Opening::Text, emit);
                let delta = |delta, emit: &mut dyn FnMut(Event)| emit(Event::Delta { block: number, delta });
                if let Some(signature) = signature {
                    delta(Delta::Signature(signature), emit);
                }
                for citation in text.citations {
                    delta(Delta::Citation(citation), emit);
                }
                if !text.text.is_empty() {
                    delta(Delta::Text(text.text), emit);
                }
                Open::Hub(number)
            }
            Content::Thinking(thinking) if thinking.is_redacted => {
                let state = thinking.signature.unwrap_or_else(|| Opaque::new(Dialect::Messages, ""));
                Open::Hub(self.number(Opening::Redacted(state), emit))
            }
            Content::Thinking(thinking) => {
                let number = self.number(Opening::Thinking { is_summary: false }, emit);
                let delta = |delta, emit: &mut dyn FnMut(Event)| emit(Event::Delta { block: number, delta });
                let text = thinking.thought.joined();
                if !text.is_empty() {
                    delta(Delta::Text(text), emit);
                }
                if let Some(signature) = thinking.signature {
                    delta(Delta::Signature(signature), emit);
                }
                Open::Hub(number)
            }
            Content::ToolCall(call) => {
                self.has_calls = true;
                let opening = Opening::ToolCall { id: call.id, name: call.name, is_custom: false, signature };
                let block = self.number(opening, emit);
                Open::Call { block, arguments: Some(call.arguments).filter(|it| it != "{}") }
            }
            Content::Image(media) => Open::Hub(self.number(Opening::Image(media), emit)),
            Content::Native(value) => Open::Native(Collected::new(value)),
            // An answer has no other blocks.
            _ => Open::Native(Collected::default()),
        }
    }

    fn number(&mut self, opening: Opening, emit: &mut dyn FnMut(Event)) -> usize {
        let block = self.opened;
        self.opened += 1;
        emit(Event::Open { block, choice: 0, opening });
        block
    }

    fn delta(&mut self, index: usize, delta: Raw<'_>, emit: &mut dyn FnMut(Event)) {
        let block = match self.open.iter_mut().find(|(at, _)| *at == index).map(|(_, open)| open) {
            None => return,
            Some(Open::Native(collected)) => {
                if let Ok(delta) = serde_json::from_slice(delta.bytes) {
                    collected.add(delta);
                }
                return;
            }
            Some(Open::Call { block, arguments }) => {
                // Pieces are the whole of it, whatever stood in the beginning.
                if delta.member("partial_json").is_some_and(|piece| !piece.is_blank()) {
                    *arguments = None;
                }
                *block
            }
            Some(Open::Hub(block)) => *block,
        };
        let delta = match kind_of(delta) {
            b"text_delta" => Delta::Text(text_of(delta, "text")),
            b"thinking_delta" => Delta::Text(text_of(delta, "thinking")),
            b"input_json_delta" => Delta::Arguments(text_of(delta, "partial_json")),
            b"signature_delta" => match block::state(&text_of(delta, "signature")) {
                Some(state) => Delta::Signature(state),
                None => return,
            },
            b"citations_delta" => {
                let citation = delta.member("citation").and_then(|it| serde_json::from_slice(it.bytes).ok());
                match citation {
                    Some(citation) => Delta::Citation(block::citation(citation)),
                    None => return,
                }
            }
            _ => return,
        };
        let says_nothing = matches!(&delta, Delta::Text(text) | Delta::Arguments(text) if text.is_empty());
        if !says_nothing {
            emit(Event::Delta { block, delta });
        }
    }

    fn close(&mut self, index: usize, emit: &mut dyn FnMut(Event)) {
        let Some(place) = self.open.iter().position(|(at, _)| *at == index) else { return };
        let block = match self.open.remove(place).1 {
            Open::Hub(block) | Open::Call { block, arguments: None } => block,
            Open::Call { block, arguments: Some(arguments) } => {
                emit(Event::Delta { block, delta: Delta::Arguments(arguments) });
                block
            }
            Open::Native(collected) => self.number(Opening::Native(collected.finish()), emit),
        };
        emit(Event::Close { block });
    }

    fn close_all(&mut self, emit: &mut dyn FnMut(Event)) {
        while let Some(index) = self.open.first().map(|(index, _)| *index) {
            self.close(index, emit);
        }
    }

    fn message_delta(&mut self, frame: &Frame<'_>, emit: &mut dyn FnMut(Event)) {
        let reason = frame.delta.and_then(|delta| delta.member("stop_reason")).and_then(|it| it.as_str());
        if let (Some(reason), Some(delta)) = (reason, frame.delta) {
            let sequence = delta.member("stop_sequence").and_then(|it| it.as_str());
            self.stop(reason_of(&reason, sequence.map(|it| it.into_owned())), emit);
        }
        if let Some(usage) = frame.usage {
            self.tell_usage(usage, emit);
        }
    }

    fn stop(&mut self, reason: StopReason, emit: &mut dyn FnMut(Event)) {
        if self.has_stopped {
            return;
        }
        self.has_stopped = true;
        self.close_all(emit);
        emit(Event::Stop { choice: 0, reason });
    }

    fn end(&mut self, emit: &mut dyn FnMut(Event)) {
        self.ensure_start(emit);
        self.stop(if self.has_calls { StopReason::ToolUse } else { StopReason::End }, emit);
        self.has_ended = true;
        emit(Event::End);
    }
}

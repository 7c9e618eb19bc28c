//! Events of the hub as a chat stream.
//!
//! As OpenAI sends it: the role first, then deltas, a chunk with the reason to stop for each answer, a last chunk without
//! choices that has the usage if the client asked for it (then all others say `"usage":null`), and `[DONE]`. Answers and
//! calls may come in turns here, so nothing is held but a call that must be seen whole.

mod block;
mod choice;

use super::{DONE, push_error};
use crate::conversation::{Delta, Event, Opening, StreamError};
use crate::dialect::chat::response::{answer_id, is_legacy, usage};
use crate::dialect::translate::{Encode, Reply};
use crate::usage::Usage;
use block::Block;
use choice::Choice;
use std::io::Write as _;

/// Encodes one stream.
#[derive(Debug)]
pub struct Encoder {
    reply: Reply,
    is_legacy: bool,
    line: Line,
    choices: Vec<Choice>,
    /// By the hub's numbers.
    blocks: Vec<Option<Block>>,
    usage: Option<Usage>,
    /// An error or the end was written: nothing may follow.
    is_over: bool,
}

/// What all chunks have in common.
#[derive(Debug, Default)]
struct Line {
    /// Up to the choices.
    head: Vec<u8>,
    /// Behind them.
    tail: &'static str,
}

impl Line {
    /// Writes a chunk with one choice, whose delta `write` writes without its braces.
    fn delta(&self, choice: usize, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        self.open(choice, out);
        write(out);
        out.extend_from_slice(b"},\"logprobs\":null,\"finish_reason\":null}]");
        out.extend_from_slice(self.tail.as_bytes());
    }

    fn open(&self, choice: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"\"choices\":[{\"index\":");
        push_number(out, choice);
        out.extend_from_slice(b",\"delta\":{");
    }

    fn finish(&self, choice: usize, reason: &str, out: &mut Vec<u8>) {
        self.open(choice, out);
        out.extend_from_slice(b"},\"logprobs\":null,\"finish_reason\":\"");
        out.extend_from_slice(reason.as_bytes());
        out.extend_from_slice(b"\"}]");
        out.extend_from_slice(self.tail.as_bytes());
    }

    fn logprobs(&self, choice: usize, value: &serde_json::Value, out: &mut Vec<u8>) {
        self.open(choice, out);
        out.extend_from_slice(b"},\"logprobs\":");
        push_json(out, value);
        out.extend_from_slice(b",\"finish_reason\":null}]");
        out.extend_from_slice(self.tail.as_bytes());
    }
}

/// A value as JSON; writing into memory does not fail.
fn push_json(out: &mut Vec<u8>, value: &(impl serde::Serialize + ?Sized)) {
    serde_json::to_writer(out, value).unwrap_or_default();
}

fn push_number(out: &mut Vec<u8>, number: usize) {
    write!(out, "{number}").unwrap_or_default();
}

impl Encoder {
    /// An encoder for one stream.
    #[must_use]
    pub fn new(reply: Reply) -> Encoder {
        let is_legacy = is_legacy(&reply);
        Encoder {
            reply,
            is_legacy,
            line: Line::default(),
            choices: Vec::new(),
            blocks: Vec::new(),
            usage: None,
            is_over: false,
        }
    }

    fn start(&mut self, id: String, model: &str, out: &mut Vec<u8>) {
        if !self.line.head.is_empty() {
            return;
        }
        let head = &mut self.line.head;
        head.extend_from_slice(b"data: {\"id\":");
        push_json(head, &answer_id(id, &self.reply));
        head.extend_from_slice(b",\"object\":\"chat.completion.chunk\",\"created\":");
        push_json(head, &self.reply.created);
        head.extend_from_slice(b",\"model\":");
        push_json(head, if model.is_empty() { self.reply.model.as_str() } else { model });
        head.push(b',');
        self.line.tail = if self.reply.include_usage { ",\"usage\":null}\n\n" } else { "}\n\n" };
        self.choice(0, out);
    }

    /// Sees to it that the stream, and this answer, have begun.
    fn choice(&mut self, index: usize, out: &mut Vec<u8>) {
        if self.line.head.is_empty() {
            self.start(String::new(), "", out);
        }
        while self.choices.len() <= index {
            let role = |out: &mut Vec<u8>| out.extend_from_slice(b"\"role\":\"assistant\",\"content\":\"\"");
            self.line.delta(self.choices.len(), out, role);
            self.choices.push(Choice::default());
        }
    }

    fn open(&mut self, number: usize, index: usize, opening: Opening, out: &mut Vec<u8>) {
        self.choice(index, out);
        let Some(choice) = self.choices.get_mut(index) else { return };
        let block = choice.open(index, opening, self.is_legacy, &self.reply.custom_tools, &self.line, out);
        if self.blocks.len() <= number {
            self.blocks.resize_with(number + 1, || None);
        }
        if let Some(place) = self.blocks.get_mut(number) {
            *place = Some(block);
        }
    }

    fn delta(&mut self, number: usize, delta: Delta, out: &mut Vec<u8>) {
        if let Some(Some(block)) = self.blocks.get_mut(number)
            && let Some(choice) = self.choices.get_mut(block.choice)
        {
            block.delta(delta, choice, &self.line, out);
        }
    }

    fn close(&mut self, number: usize, out: &mut Vec<u8>) {
        if let Some(block) = self.blocks.get_mut(number).and_then(Option::take)
            && let Some(choice) = self.choices.get_mut(block.choice)
        {
            block.close(choice, &self.line, out);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if let Some(usage) = self.usage.filter(|_| self.reply.include_usage) {
            out.extend_from_slice(&self.line.head);
            out.extend_from_slice(b"\"choices\":[],\"usage\":");
            push_json(out, &usage::written(&usage));
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(DONE);
    }
}

impl Encode for Encoder {
    fn event(&mut self, event: Event, out: &mut Vec<u8>) {
        if self.is_over {
            return;
        }
        match event {
            Event::Start { id, model } => self.start(id, &model, out),
            Event::Open { block, choice, opening } => self.open(block, choice, opening, out),
            Event::Delta { block, delta } => self.delta(block, delta, out),
            Event::Close { block } => self.close(block, out),
            Event::Stop { choice: index, reason } => {
                self.choice(index, out);
                if let Some(choice) = self.choices.get_mut(index) {
                    choice.stop(index, &reason, self.is_legacy, &self.line, out);
                }
            }
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Logprobs { choice, value } => {
                self.choice(choice, out);
                self.line.logprobs(choice, &value, out);
            }
            Event::Error(error) => self.error(&error, out),
            Event::End => {
                self.choice(0, out);
                self.end(out);
                self.is_over = true;
            }
        }
    }

    /// As OpenAI's SDKs expect it: an event whose data has `error`.
    fn error(&mut self, error: &StreamError, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.is_over, true) {
            push_error(error, out);
        }
    }
}

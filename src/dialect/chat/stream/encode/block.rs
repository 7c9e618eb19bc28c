//! A block of the stream that is written.

use super::choice::{Choice, push_signature};
use super::{Line, push_json, push_number};
use crate::conversation::{Citation, Delta, Opaque, Thinking, Thought};
use crate::dialect::chat::assistant::annotation::written;
use crate::dialect::chat::assistant::reasoning::written_details;
use crate::dialect::chat::assistant::tool_call::input;

/// A block that is open.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) choice: usize,
    pub(super) kind: Kind,
}

/// What it is, and what is known of it.
#[derive(Debug)]
pub(super) enum Kind {
    Text {
        /// Where it begins, in characters, once it has.
        start: Option<u64>,
        citations: Vec<Citation>,
    },
    Refusal,
    Thinking {
        is_summary: bool,
        /// A paragraph begins with the next text.
        is_paragraph: bool,
        /// Another thought went before.
        is_next: bool,
        /// All of it, which goes out once more with its state.
        text: String,
        state: Option<Opaque>,
    },
    Call {
        index: usize,
        is_custom: bool,
        is_legacy: bool,
        has_arguments: bool,
        /// The arguments of a custom tool that was a function: its text is in them, so they must be whole.
        held: Option<String>,
    },
    /// Nothing follows that could be written.
    Other,
}

impl Kind {
    pub(super) fn text() -> Kind {
        Kind::Text { start: None, citations: Vec::new() }
    }

    pub(super) fn thinking(is_summary: bool, is_next: bool) -> Kind {
        Kind::Thinking { is_summary, is_paragraph: false, is_next, text: String::new(), state: None }
    }

    pub(super) fn call(index: usize, is_custom: bool, was_custom: bool, is_legacy: bool) -> Kind {
        let held = was_custom.then(String::new);
        Kind::Call { index, is_custom, is_legacy, has_arguments: false, held }
    }
}

impl Block {
    pub(super) fn delta(&mut self, delta: Delta, choice: &mut Choice, line: &Line, out: &mut Vec<u8>) {
        let at = self.choice;
        match (&mut self.kind, delta) {
            (Kind::Text { start, .. }, Delta::Text(mut text)) => {
                if start.is_none() {
                    let is_paragraph = std::mem::take(&mut choice.is_broken) && choice.characters > 0;
                    if is_paragraph {
                        text.insert_str(0, "\n\n");
                    }
                    *start = Some(choice.characters + if is_paragraph { 2 } else { 0 });
                }
                choice.characters += text.chars().count() as u64;
                line.delta(at, out, |out| push_member(out, "content", &text));
            }
            (Kind::Text { citations, .. }, Delta::Citation(citation)) => citations.push(citation),
            (Kind::Text { .. }, Delta::Signature(state)) => {
                let attached = Opaque { is_attached: true, ..state };
                choice.redacted(at, attached, line, out);
            }
            (Kind::Refusal, Delta::Text(text)) => {
                line.delta(at, out, |out| push_member(out, "refusal", &text));
            }
            (Kind::Thinking { is_paragraph, is_next, text, .. }, Delta::Text(mut more)) => {
                if std::mem::take(is_paragraph) {
                    more.insert_str(0, "\n\n");
                }
                text.push_str(&more);
                if std::mem::take(is_next) {
                    more.insert_str(0, "\n\n");
                }
                line.delta(at, out, |out| push_member(out, "reasoning_content", &more));
            }
            (Kind::Thinking { is_paragraph, text, .. }, Delta::Paragraph) => *is_paragraph = !text.is_empty(),
            (Kind::Thinking { state, .. }, Delta::Signature(told)) => *state = Some(told),
            (Kind::Call { held: Some(held), .. }, Delta::Arguments(text)) => held.push_str(&text),
            (Kind::Call { index, is_custom, is_legacy, has_arguments, .. }, Delta::Arguments(text)) => {
                *has_arguments |= !text.is_empty();
                push_arguments(at, *index, *is_custom, *is_legacy, &text, line, out);
            }
            (Kind::Call { index, is_legacy: false, .. }, Delta::Signature(state)) => {
                line.delta(at, out, |out| {
                    out.extend_from_slice(b"\"tool_calls\":[{\"index\":");
                    push_number(out, *index);
                    push_signature(out, &state);
                    out.extend_from_slice(b"}]");
                });
            }
            _ => {}
        }
    }

    pub(super) fn close(self, choice: &mut Choice, line: &Line, out: &mut Vec<u8>) {
        match self.kind {
            Kind::Text { start, citations } => {
                let start = start.unwrap_or(choice.characters);
                let length = choice.characters - start;
                choice.annotations.extend(citations.into_iter().filter_map(|it| written(it, start, length)));
            }
            Kind::Thinking { is_summary, text, state: Some(state), .. } => {
                let thought = Thought { texts: vec![text], is_summary };
                let thinking = Thinking { thought, signature: Some(state), ..Thinking::default() };
                choice.details(self.choice, &written_details(thinking, choice.details), line, out);
            }
            Kind::Call { index, is_custom, is_legacy, held: Some(held), .. } => {
                push_arguments(self.choice, index, is_custom, is_legacy, &input(&held), line, out);
            }
            // No arguments are an empty object, which clients parse.
            Kind::Call { index, is_custom: false, is_legacy, has_arguments: false, .. } => {
                push_arguments(self.choice, index, false, is_legacy, "{}", line, out);
            }
            Kind::Call { .. } | Kind::Refusal | Kind::Thinking { .. } | Kind::Other => {}
        }
    }
}

fn push_member(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    push_json(out, value);
}

fn push_arguments(
    at: usize,
    index: usize,
    is_custom: bool,
    is_legacy: bool,
    text: &str,
    line: &Line,
    out: &mut Vec<u8>,
) {
    line.delta(at, out, |out| {
        if is_legacy {
            out.extend_from_slice(b"\"function_call\":{\"arguments\":");
            push_json(out, text);
            out.push(b'}');
            return;
        }
        out.extend_from_slice(b"\"tool_calls\":[{\"index\":");
        push_number(out, index);
        let member: &[u8] =
            if is_custom { b",\"custom\":{\"input\":" } else { b",\"function\":{\"arguments\":" };
        out.extend_from_slice(member);
        push_json(out, text);
        out.extend_from_slice(b"}}]");
    });
}

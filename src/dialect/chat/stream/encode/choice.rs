//! One answer of the stream that is written.

use super::block::{Block, Kind};
use super::{Line, push_json, push_number};
use crate::conversation::tool_call_id::{SHORTEST, fit};
use crate::conversation::{Dialect, Extras, Opaque, Opening, StopReason, Thinking};
use crate::dialect::chat::assistant::reasoning::written_details;
use crate::dialect::chat::part;
use crate::dialect::chat::response::stop;
use serde_json::Value;
use std::collections::BTreeSet;

/// What later chunks need to know of earlier ones.
#[derive(Debug, Default)]
pub(super) struct Choice {
    /// Characters of text so far: citations count from the first.
    pub(super) characters: u64,
    /// Something else stood behind the last text.
    pub(super) is_broken: bool,
    pub(super) has_thought: bool,
    has_refusal: bool,
    calls: usize,
    /// How many of `reasoning_details` there are.
    pub(super) details: usize,
    /// In one chunk, before the end: accumulators put lists together by an index that annotations lack.
    pub(super) annotations: Vec<Value>,
}

impl Choice {
    pub(super) fn open(
        &mut self,
        index: usize,
        opening: Opening,
        is_legacy: bool,
        custom_tools: &BTreeSet<String>,
        line: &Line,
        out: &mut Vec<u8>,
    ) -> Block {
        let is_text = matches!(opening, Opening::Text);
        let kind = match opening {
            Opening::Text => Kind::text(),
            Opening::Refusal => {
                self.has_refusal = true;
                Kind::Refusal
            }
            Opening::Thinking { is_summary } => {
                Kind::thinking(is_summary, std::mem::replace(&mut self.has_thought, true))
            }
            Opening::Redacted(state) => {
                self.redacted(index, state, line, out);
                Kind::Other
            }
            Opening::ToolCall { id, name, is_custom, signature } => {
                let call = self.calls;
                self.calls += 1;
                let was_custom = !is_custom && custom_tools.contains(&name);
                let is_custom = is_custom || was_custom;
                if is_legacy && call > 0 {
                    Kind::Other
                } else {
                    open_call(line, index, call, &id, &name, is_custom, is_legacy, signature.as_ref(), out);
                    Kind::call(call, is_custom, was_custom, is_legacy)
                }
            }
            Opening::Image(media) => {
                if let Some(image) = part::image(&media, Extras::new()) {
                    line.delta(index, out, |out| {
                        out.extend_from_slice(b"\"images\":[");
                        push_json(out, &image);
                        out.push(b']');
                    });
                }
                Kind::Other
            }
            Opening::Native(_) => Kind::Other,
        };
        self.is_broken |= !is_text;
        Block { choice: index, kind }
    }

    /// State that comes without a text.
    pub(super) fn redacted(&mut self, index: usize, state: Opaque, line: &Line, out: &mut Vec<u8>) {
        let thinking = Thinking { signature: Some(state), is_redacted: true, ..Thinking::default() };
        self.details(index, &written_details(thinking, self.details), line, out);
    }

    /// Each thought's details come whole: accumulators add up pieces, or keep the last.
    pub(super) fn details(&mut self, index: usize, details: &[Value], line: &Line, out: &mut Vec<u8>) {
        if !details.is_empty() {
            self.details += details.len();
            line.delta(index, out, |out| {
                out.extend_from_slice(b"\"reasoning_details\":");
                push_json(out, details);
            });
        }
    }

    pub(super) fn stop(
        &mut self,
        index: usize,
        reason: &StopReason,
        is_legacy: bool,
        line: &Line,
        out: &mut Vec<u8>,
    ) {
        let annotations = std::mem::take(&mut self.annotations);
        if !annotations.is_empty() {
            line.delta(index, out, |out| {
                out.extend_from_slice(b"\"annotations\":");
                push_json(out, &annotations);
            });
        }
        line.finish(index, stop::name(reason, self.has_refusal, is_legacy), out);
    }
}

#[allow(clippy::too_many_arguments, reason = "the members of the chunk, once")]
fn open_call(
    line: &Line,
    index: usize,
    call: usize,
    id: &str,
    name: &str,
    is_custom: bool,
    is_legacy: bool,
    signature: Option<&Opaque>,
    out: &mut Vec<u8>,
) {
    line.delta(index, out, |out| {
        if is_legacy {
            out.extend_from_slice(b"\"function_call\":{\"name\":");
            push_json(out, name);
            out.extend_from_slice(b",\"arguments\":\"\"}");
            return;
        }
        out.extend_from_slice(b"\"tool_calls\":[{\"index\":");
        push_number(out, call);
        out.extend_from_slice(b",\"id\":");
        push_json(out, &fit(id, SHORTEST));
        let (kind, input) = if is_custom { ("custom", "input") } else { ("function", "arguments") };
        out.extend_from_slice(format!(",\"type\":\"{kind}\",\"{kind}\":{{\"name\":").as_bytes());
        push_json(out, name);
        out.extend_from_slice(format!(",\"{input}\":\"\"}}").as_bytes());
        if let Some(state) = signature {
            push_signature(out, state);
        }
        out.extend_from_slice(b"}]");
    });
}

/// A member of a call: the state that its provider attached to it.
pub(super) fn push_signature(out: &mut Vec<u8>, state: &Opaque) {
    out.extend_from_slice(b",\"extra_content\":{\"google\":{\"thought_signature\":");
    push_json(out, &state.carried_by(Dialect::Chat));
    out.extend_from_slice(b"}}");
}

//! Reasoning in a stream; where it may stand is told in `assistant::reasoning`.

use super::{Blocks, Open};
use crate::conversation::opaque::MARKER_TEXT;
use crate::conversation::{Delta, Dialect, Opaque, Opening};
use crate::json::{Fields, Raw};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// The thought that is open.
#[derive(Debug, Default)]
pub(in crate::dialect::chat::stream::decode) struct Thought {
    /// The member that has its text.
    member: Option<&'static str>,
    /// What its details say beside the text.
    detail: Map<String, Value>,
    /// State of another provider that a gateway carries.
    foreign: Option<Opaque>,
    is_summary: bool,
    /// Bytes of text that came without details.
    plain_length: usize,
}

impl Thought {
    /// All of this has come already, perhaps with a blank line that set it off from the thought before.
    fn has_said(&self, text: &str) -> bool {
        !text.is_empty() && [text.len(), text.len() + 2].contains(&self.plain_length)
    }

    /// The state of the whole thought: as [`crate::dialect::chat`] reads it from a whole answer.
    pub(super) fn state(self) -> Option<Opaque> {
        if self.foreign.is_some() {
            return self.foreign;
        }
        if let Some(member) = self.member.filter(|_| !self.detail.contains_key("signature")) {
            return Some(Opaque::new(Dialect::Chat, member));
        }
        Some(Opaque::new(Dialect::Chat, Value::Object(self.detail).to_string()))
    }
}

/// Text under a member's name.
pub(super) fn plain(name: &'static str, text: Cow<'_, str>, open: &mut Open, blocks: &mut Blocks<'_>) {
    let (block, thought) = begin(open, false, blocks);
    thought.member = Some(name);
    thought.plain_length += text.len();
    blocks.delta(block, Delta::Text(text.into_owned()));
}

/// The block of the thought that is open, or of a new one.
fn begin<'a>(open: &'a mut Open, is_summary: bool, blocks: &mut Blocks<'_>) -> (usize, &'a mut Thought) {
    if !matches!(open, Open::Thinking(..)) {
        open.close(blocks.emit);
        let block = blocks.open(Opening::Thinking { is_summary });
        *open = Open::Thinking(block, Thought { is_summary, ..Thought::default() });
    }
    match open {
        Open::Thinking(block, thought) => (*block, thought),
        // It has just been made one.
        _ => begin(open, is_summary, blocks),
    }
}

/// `reasoning_details`. Beside them most upstreams have the same text under a member's name; it counts where they have
/// none.
pub(super) fn details(
    details: Raw<'_>,
    plain_text: Option<(&'static str, Raw<'_>)>,
    open: &mut Open,
    blocks: &mut Blocks<'_>,
) {
    let Ok(Value::Array(details)) = serde_json::from_slice(details.bytes) else { return };
    let has_text =
        |detail: &Value| detail.get("text").or(detail.get("summary")).is_some_and(Value::is_string);
    let is_plain = !details.iter().any(has_text);
    if let (true, Some((name, text))) = (is_plain, plain_text)
        && let Some(text) = text.as_str()
    {
        plain(name, text, open, blocks);
    }
    for value in details {
        let mut detail = Fields::lenient(value);
        if detail.get("type").is_some_and(|kind| kind == "reasoning.encrypted") {
            encrypted(detail, open, blocks);
            continue;
        }
        let summary = detail.string("summary").ok().flatten();
        let is_summary =
            summary.is_some() || detail.get("type").is_some_and(|kind| kind == "reasoning.summary");
        let text = summary.or_else(|| detail.string("text").ok().flatten()).unwrap_or_default();
        // A gateway sends the text as it comes, and all of it once more with its state.
        let is_repeated = matches!(open, Open::Thinking(_, thought) if thought.has_said(&text));
        if !is_repeated && is_another(open, &detail) {
            open.close(blocks.emit);
        }
        let (block, thought) = begin(open, is_summary, blocks);
        if is_repeated {
            thought.is_summary = is_summary;
        }
        if let Some((name, _)) = plain_text {
            thought.member = Some(name);
        }
        if let Some(state) = carrier(&detail, "signature") {
            thought.foreign = Opaque::carried(Dialect::Chat, &state);
        } else {
            thought.detail.extend(detail.rest().into_iter().filter(|(_, value)| !value.is_null()));
        }
        if !text.is_empty() && !is_repeated {
            blocks.delta(block, Delta::Text(text));
        }
        if is_repeated && !is_summary {
            open.close(blocks.emit);
        }
    }
}

/// A detail of another number than the one before begins another thought.
fn is_another(open: &Open, detail: &Fields) -> bool {
    let Open::Thinking(_, thought) = open else { return false };
    matches!((thought.detail.get("index"), detail.get("index")), (Some(open), Some(index)) if open != index)
}

fn carrier(detail: &Fields, name: &str) -> Option<String> {
    detail.get(name).and_then(Value::as_str).filter(|text| text.starts_with(MARKER_TEXT)).map(str::to_owned)
}

/// A detail of which nothing may be read; or the state of a summary that a gateway carries.
fn encrypted(detail: Fields, open: &mut Open, blocks: &mut Blocks<'_>) {
    let state = match carrier(&detail, "data") {
        Some(carrier) => match Opaque::carried(Dialect::Chat, &carrier) {
            Some(state) => state,
            None => return,
        },
        None => {
            let detail = detail.rest().into_iter().filter(|(_, value)| !value.is_null()).collect();
            Opaque::new(Dialect::Chat, Value::Object(detail).to_string())
        }
    };
    if let Open::Thinking(_, thought) = open
        && thought.is_summary
        && state.origin != Dialect::Chat
        && !state.is_attached
    {
        thought.foreign = Some(state);
        return open.close(blocks.emit);
    }
    open.close(blocks.emit);
    let block = blocks.open(Opening::Redacted(state));
    (blocks.emit)(crate::conversation::Event::Close { block });
}

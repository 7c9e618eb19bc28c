//! Reasoning, in every place where a provider of this dialect has it, and what goes to clients that show it.
//!
//! | place | who |
//! | --- | --- |
//! | `reasoning_content` | DeepSeek, Moonshot, xAI, Qwen |
//! | `reasoning` | Groq, Cerebras, vLLM, Ollama, OpenRouter |
//! | `reasoning_details` | OpenRouter (<https://openrouter.ai/docs/use-cases/reasoning-tokens>): texts, summaries, encrypted |
//! | a part of type `thinking` in `content` | Mistral |
//!
//! Providers that reason between calls of tools want it back in the same place, and others refuse a member that they do not
//! know. So the place is the provider's state ([`Opaque`]) of such a thought: a member's name, `thinking`, or the detail
//! itself without its text, as JSON. Like any state it goes through clients of every dialect, and only a thought that has
//! state of this dialect goes to an upstream of it.
//!
//! A client gets foreign thoughts as `reasoning_content` and, if one of them has state, as `reasoning_details`.

use super::Style;
use crate::conversation::opaque::MARKER_TEXT;
use crate::conversation::{Block, Content, Dialect, Extras, Field, Losses, Opaque, Thinking, Thought};
use crate::json::json;
use crate::json::{FieldError, Fields};
use serde_json::{Map, Value};

/// The members that have reasoning as plain text.
pub(in crate::dialect::chat) const MEMBERS: [&str; 2] = ["reasoning_content", "reasoning"];
/// The state of a thought that is a part of the content.
const PART: &str = "thinking";

/// Takes the reasoning of a message. Where it is said in several ways it is one: details that have state win over plain
/// text, and this over details that have none.
pub(super) fn take(message: &mut Fields) -> Result<Vec<Block>, FieldError> {
    let mut plain = None;
    for name in MEMBERS {
        if let Some(text) = message.string(name)?.filter(|text| !text.is_empty()) {
            plain.get_or_insert((name, text));
        }
    }
    let details = message.objects("reasoning_details")?;
    let has_state = |detail: &Fields| detail.get("signature").or(detail.get("data")).is_some();
    if !details.iter().any(has_state)
        && let Some((name, text)) = plain
    {
        return Ok(vec![Block::new(Content::Thinking(plain_thought(name, text)))]);
    }
    let mut thoughts: Vec<Thinking> = Vec::new();
    for detail in details {
        let thought = from_detail(detail, thoughts.last_mut())?;
        thoughts.extend(thought);
    }
    // Accumulators that keep only the last piece of a list have its state, and the text elsewhere.
    if let ([thought], Some((_, text))) = (&mut thoughts[..], plain)
        && thought.thought.texts.is_empty()
        && !thought.is_redacted
    {
        thought.thought.texts.push(text);
    }
    Ok(thoughts.into_iter().map(|thinking| Block::new(Content::Thinking(thinking))).collect())
}

/// A thought that stood under this name.
fn plain_thought(name: &str, text: String) -> Thinking {
    let signature = Some(Opaque::new(Dialect::Chat, name));
    Thinking { thought: Thought::text(text), signature, ..Thinking::default() }
}

/// A part of the content of type `thinking`; the rest of it is left in the fields.
pub(in crate::dialect::chat) fn from_part(part: &mut Fields) -> Result<Thinking, FieldError> {
    if let Some(Value::String(_)) = part.get(PART) {
        return Ok(plain_thought(PART, part.required(PART)?));
    }
    let mut texts = String::new();
    for mut piece in part.objects(PART)? {
        texts.push_str(&piece.string("text")?.unwrap_or_default());
    }
    Ok(plain_thought(PART, texts))
}

/// One of `reasoning_details`; `None` where it belongs to the one before: the encrypted half of a summary that went out
/// from here.
fn from_detail(mut detail: Fields, before: Option<&mut Thinking>) -> Result<Option<Thinking>, FieldError> {
    let kind = detail.string("type")?.unwrap_or_default();
    let (text_name, state_name) = match kind.as_str() {
        "reasoning.encrypted" => ("", "data"),
        "reasoning.summary" => ("summary", "signature"),
        _ => ("text", "signature"),
    };
    let is_redacted = text_name.is_empty();
    let text = if is_redacted { None } else { detail.string(text_name)? };
    let thought = Thought { texts: text.into_iter().collect(), is_summary: kind == "reasoning.summary" };
    let carrier =
        detail.get(state_name).and_then(Value::as_str).filter(|state| state.starts_with(MARKER_TEXT));
    if let Some(carrier) = carrier {
        let signature = Opaque::carried(Dialect::Chat, carrier);
        let id = detail.string("id")?;
        if let Some(before) = before
            && is_redacted
            && before.thought.is_summary
            && before.id.is_some()
            && before.id == id
        {
            before.signature = signature;
            return Ok(None);
        }
        // Nothing can be made of a redacted thought whose carrier was cut.
        let is_lost = is_redacted && signature.is_none();
        return Ok((!is_lost).then_some(Thinking { thought, signature, is_redacted, id }));
    }
    let id = detail.get("id").and_then(Value::as_str).map(str::to_owned);
    let mut rest = detail.rest();
    rest.insert("type".into(), kind.into());
    let signature = Some(Opaque::new(Dialect::Chat, Value::Object(rest).to_string()));
    Ok(Some(Thinking { thought, signature, is_redacted, id }))
}

/// The thoughts of a message, as they are written.
#[derive(Default)]
pub(super) struct Thoughts {
    /// The member for plain text: the provider's own, or else `reasoning_content`.
    member: Option<&'static str>,
    text: String,
    details: Vec<Value>,
    /// One of the details has state.
    has_state: bool,
}

impl Thoughts {
    /// Takes a thought; gives a part of the content where it is one.
    pub(super) fn push(
        &mut self,
        thinking: Thinking,
        extras: Extras,
        style: &Style<'_>,
        losses: &mut Losses,
    ) -> Option<Value> {
        let own = thinking.signature.as_ref().and_then(|state| state.for_provider(Dialect::Chat));
        let Some(place) = own else {
            if style.is_client {
                self.push_foreign(thinking);
            } else {
                losses.note_if(!thinking.thought.is_empty(), Field::Thinking);
            }
            return None;
        };
        if let Some(name) = MEMBERS.into_iter().find(|name| *name == place) {
            self.member = Some(name);
            self.add_text(&thinking.thought);
        } else if place == PART {
            let mut part =
                json!({ "type": PART, PART: [{ "type": "text", "text": thinking.thought.joined() }] });
            if let Some(part) = part.as_object_mut().filter(|_| style.is_own) {
                part.extend(extras);
            }
            return Some(part);
        } else {
            let index = self.details.len();
            self.details.push(own_detail(place, &thinking.thought, index)?);
            self.has_state = true;
            if style.is_client {
                self.member.get_or_insert("reasoning");
                self.add_text(&thinking.thought);
            }
        }
        None
    }

    fn push_foreign(&mut self, thinking: Thinking) {
        self.add_text(&thinking.thought);
        self.has_state |= thinking.signature.is_some();
        self.details.extend(foreign_details(thinking, self.details.len()));
    }

    /// State of a text, which has no place for it.
    pub(super) fn attach(&mut self, state: &Opaque) {
        let signature = Some(Opaque { is_attached: true, ..state.clone() });
        self.push_foreign(Thinking { signature, is_redacted: true, ..Thinking::default() });
    }

    fn add_text(&mut self, thought: &Thought) {
        if !self.text.is_empty() && !thought.is_empty() {
            self.text.push_str("\n\n");
        }
        self.text.push_str(&thought.joined());
    }

    /// Writes them into their message.
    pub(super) fn put(self, message: &mut Map<String, Value>) {
        if !self.text.is_empty() {
            message.insert(self.member.unwrap_or("reasoning_content").into(), self.text.into());
        }
        if self.has_state {
            message.insert("reasoning_details".into(), Value::Array(self.details));
        }
    }
}

/// A detail of an upstream's own, its text back in its place.
fn own_detail(state: &str, thought: &Thought, index: usize) -> Option<Value> {
    let Ok(Value::Object(mut detail)) = serde_json::from_slice(state.as_bytes()) else { return None };
    if !thought.texts.is_empty() {
        let name = if thought.is_summary { "summary" } else { "text" };
        detail.insert(name.into(), thought.joined().into());
    }
    detail.entry("index").or_insert(index.into());
    Some(Value::Object(detail))
}

/// The details of a thought that has state, for a client, beginning with this number; none where the state is only the
/// place of its text.
pub(in crate::dialect::chat) fn written_details(thinking: Thinking, index: usize) -> Vec<Value> {
    let own = thinking.signature.as_ref().filter(|state| !state.is_attached);
    match own.and_then(|state| state.for_provider(Dialect::Chat)) {
        Some(place) => own_detail(place, &thinking.thought, index).into_iter().collect(),
        None => foreign_details(thinking, index),
    }
}

/// A foreign thought as details, its state in a carrier. A summary and its state are two, of one id, as OpenRouter has
/// OpenAI's.
fn foreign_details(thinking: Thinking, index: usize) -> Vec<Value> {
    let state = thinking.signature.map(|state| state.carried_by(Dialect::Chat).into_owned());
    let (text, id) = (thinking.thought.joined(), thinking.id);
    if thinking.is_redacted {
        return vec![detail("encrypted", "data", state.unwrap_or_default(), id, index)];
    }
    if !thinking.thought.is_summary {
        let mut detail = detail("text", "text", text, id, index);
        if let (Some(state), Some(detail)) = (state, detail.as_object_mut()) {
            detail.insert("signature".into(), state.into());
        }
        return vec![detail];
    }
    let id = id.or_else(|| state.is_some().then(|| format!("rs_{index}")));
    let summary = detail("summary", "summary", text, id.clone(), index);
    let encrypted = state.map(|state| detail("encrypted", "data", state, id, index + 1));
    std::iter::once(summary).chain(encrypted).collect()
}

fn detail(kind: &str, name: &str, value: String, id: Option<String>, index: usize) -> Value {
    let mut detail = Map::new();
    detail.insert("type".into(), format!("reasoning.{kind}").into());
    detail.insert(name.into(), value.into());
    detail.extend(id.map(|id| ("id".to_owned(), id.into())));
    detail.insert("index".into(), index.into());
    Value::Object(detail)
}

//! Blocks out of the hub.

use super::{ID_LIMIT, Members, NAME_LIMIT, media, signature, unsigned};
use crate::conversation::block::{CacheBreakpoint, Citation, Text, Thinking, ToolCall, ToolResult};
use crate::conversation::{Block, Content, Dialect, Field, Losses, Opaque, tool_call_id};
use crate::json::json;
use serde_json::Value;

/// Who reads what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dialect::messages) enum Side {
    /// A provider: foreign state is not for it, and empty texts are refused.
    Provider,
    /// A client.
    Client,
}

/// Writes blocks.
pub(in crate::dialect::messages) struct Writer<'l> {
    /// Who reads.
    pub(in crate::dialect::messages) side: Side,
    /// What is written was decoded from this dialect.
    pub(in crate::dialect::messages) is_own: bool,
    /// What cannot be written.
    pub(in crate::dialect::messages) losses: &'l mut Losses,
    /// A thought was left out.
    pub(in crate::dialect::messages) has_lost_thought: bool,
}

impl Writer<'_> {
    /// All of these.
    pub(in crate::dialect::messages) fn blocks(&mut self, blocks: Vec<Block>) -> Vec<Value> {
        let mut out = Vec::with_capacity(blocks.len());
        for block in blocks {
            self.block(block, &mut out);
        }
        out
    }

    /// One block: often one, sometimes none, two where state goes in front.
    pub(in crate::dialect::messages) fn block(&mut self, block: Block, out: &mut Vec<Value>) {
        let Block { content, cache, signature, mut extras } = block;
        if let (Side::Client, Some(state)) = (self.side, signature) {
            out.push(attached(state));
        }
        let can_be_cached = !matches!(content, Content::Thinking(_));
        let Some(mut members) = self.members(content, &mut extras) else { return };
        match cache {
            Some(cache) if can_be_cached => {
                members.insert("cache_control".into(), cache_control(cache));
            }
            _ => {}
        }
        if self.is_own {
            members.append(&mut extras);
        } else {
            self.losses.note_extras("messages.content", &extras);
        }
        out.push(Value::Object(members));
    }

    fn members(&mut self, content: Content, extras: &mut Members) -> Option<Members> {
        let is_to_provider = self.side == Side::Provider;
        match content {
            Content::Text(text) => self.text(text),
            Content::Refusal(text) => self.text(Text { text, citations: Vec::new() }),
            Content::Image(media) if is_to_provider => {
                let has_detail = media.detail.as_deref().is_some_and(|detail| detail != "auto");
                let image = media::image(media, self.is_own);
                let lost = if image.is_some() { Field::ImageDetail } else { Field::Image };
                self.losses.note_if(has_detail || image.is_none(), lost);
                image
            }
            Content::Document(media) if is_to_provider || self.is_own => {
                let document = media::document(media, extras, self.is_own);
                self.losses.note_if(document.is_none(), Field::Document);
                document
            }
            Content::Image(_) => self.lost(Field::Image),
            Content::Document(_) => self.lost(Field::Document),
            Content::Audio(_) => self.lost(Field::Audio),
            Content::Video(_) => self.lost(Field::Video),
            Content::ToolCall(call) => Some(tool_use(&call)),
            Content::ToolResult(result) => Some(self.tool_result(result)),
            Content::Thinking(thinking) if is_to_provider => self.thinking_for_provider(&thinking),
            Content::Thinking(thinking) => thinking_for_client(&thinking),
            Content::Native(Value::Object(block)) if self.is_own => Some(block),
            Content::Native(_) => self.lost(Field::NativeBlock),
        }
    }

    fn lost(&mut self, field: Field) -> Option<Members> {
        self.losses.note(field);
        None
    }

    fn text(&mut self, text: Text) -> Option<Members> {
        // The API wants more than white space; some models write a blank before they call a tool.
        if self.side == Side::Provider && !self.is_own && text.text.trim().is_empty() {
            return None;
        }
        let mut members = object(json!({ "type": "text", "text": text.text }));
        let mut citations = Vec::with_capacity(text.citations.len());
        for citation in text.citations {
            let written = match (self.side, self.is_own) {
                (_, true) if citation.original.is_some() => citation.original,
                (Side::Client, _) => citation_for_client(&citation),
                (Side::Provider, _) => None,
            };
            // One without an original in this dialect is the gateway's own making, stripped like foreign state.
            let is_made = self.is_own && self.side == Side::Provider;
            self.losses.note_if(written.is_none() && !is_made, Field::Citations);
            citations.extend(written);
        }
        if !citations.is_empty() {
            members.insert("citations".into(), citations.into());
        }
        Some(members)
    }

    fn tool_result(&mut self, result: ToolResult) -> Members {
        let id = tool_call_id::fit(&result.id, ID_LIMIT);
        let mut members = object(json!({ "type": "tool_result", "tool_use_id": id }));
        let content = self.blocks(result.content);
        if !content.is_empty() {
            members.insert("content".into(), content_value(content));
        }
        if let Some(is_error) = result.is_error {
            members.insert("is_error".into(), is_error.into());
        }
        members
    }

    /// Only what Anthropic signed: any other thought it refuses.
    fn thinking_for_provider(&mut self, thinking: &Thinking) -> Option<Members> {
        let own = thinking.signature.as_ref().and_then(|state| state.for_provider(Dialect::Messages));
        match own {
            Some(data) if thinking.is_redacted => {
                Some(object(json!({ "type": "redacted_thinking", "data": data })))
            }
            Some(data) => {
                let text = thinking.thought.joined();
                Some(object(json!({ "type": "thinking", "thinking": text, "signature": data })))
            }
            None => {
                self.has_lost_thought = true;
                self.losses.note_if(!thinking.thought.is_empty(), Field::Thinking);
                None
            }
        }
    }
}

fn thinking_for_client(thinking: &Thinking) -> Option<Members> {
    let state = thinking.signature.as_ref();
    if thinking.is_redacted || (thinking.thought.is_empty() && state.is_some_and(is_foreign)) {
        let data = state?.carried_by(Dialect::Messages);
        return Some(object(json!({ "type": "redacted_thinking", "data": data })));
    }
    if thinking.thought.is_empty() && state.is_none() {
        return None;
    }
    let text = thinking.thought.joined();
    Some(object(json!({ "type": "thinking", "thinking": text, "signature": signature(state) })))
}

fn is_foreign(state: &Opaque) -> bool {
    state.origin != Dialect::Messages
}

/// State of the block that follows.
fn attached(state: Opaque) -> Value {
    let state = Opaque { is_attached: true, ..state };
    json!({ "type": "redacted_thinking", "data": state.carried_by(Dialect::Messages) })
}

fn tool_use(call: &ToolCall) -> Members {
    let id = tool_call_id::fit(&call.id, ID_LIMIT);
    let name = tool_call_id::fit(&call.name, NAME_LIMIT);
    object(json!({ "type": "tool_use", "id": id, "name": name, "input": input(call) }))
}

/// Arguments as the object that they must be here: none are `{}`, and what is no object is the member `input` of one, which
/// is also how a custom tool's plain text travels.
fn input(call: &ToolCall) -> Value {
    if call.is_custom {
        return json!({ "input": call.arguments });
    }
    match serde_json::from_slice(call.arguments.as_bytes()) {
        Ok(Value::Object(input)) => Value::Object(input),
        Ok(Value::Null) => json!({}),
        Ok(other) => json!({ "input": other }),
        Err(_) if call.arguments.trim().is_empty() => json!({}),
        Err(_) => json!({ "input": call.arguments }),
    }
}

/// `cache_control`.
pub(in crate::dialect::messages) fn cache_control(cache: CacheBreakpoint) -> Value {
    match cache.is_hour {
        None => json!({ "type": "ephemeral" }),
        Some(is_hour) => json!({ "type": "ephemeral", "ttl": if is_hour { "1h" } else { "5m" } }),
    }
}

/// A citation of another provider as a web search result's, the only kind that says no more than another provider knows;
/// `None` where it does not even say a page.
pub(in crate::dialect::messages) fn citation_for_client(citation: &Citation) -> Option<Value> {
    let url = citation.url.as_deref()?;
    Some(json!({
        "type": "web_search_result_location",
        "url": url,
        "title": citation.title,
        "cited_text": citation.quote.as_deref().unwrap_or_default(),
        "encrypted_index": unsigned(),
    }))
}

/// Blocks as `content`: one plain text is a string.
pub(in crate::dialect::messages) fn content_value(mut blocks: Vec<Value>) -> Value {
    if let [Value::Object(block)] = blocks.as_mut_slice()
        && block.len() == 2
        && block.get("type").and_then(Value::as_str) == Some("text")
        && let Some(text) = block.get_mut("text")
    {
        return text.take();
    }
    Value::Array(blocks)
}

/// Adds a member; where there is an object under that name, what is in it is added there.
pub(in crate::dialect::messages) fn merge(members: &mut Members, name: &str, value: Value) {
    match (members.get_mut(name), value) {
        (Some(Value::Object(there)), Value::Object(more)) => there.extend(more),
        (_, value) => {
            members.insert(name.to_owned(), value);
        }
    }
}

fn object(value: Value) -> Members {
    if let Value::Object(members) = value { members } else { Members::new() }
}

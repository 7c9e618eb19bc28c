//! Messages into items, for an upstream or for the list of a stored response's input.

use super::{CALL_ID_LIMIT, is_made, merge, object};
use crate::conversation::tool_call_id::fit;
use crate::conversation::{
    Block, Content, Dialect, Extras, Field, Losses, Message, Opaque, Role, Thinking, ToolCall, ToolResult,
};
use crate::dialect::responses::content::{Parts, Side, lost};
use crate::dialect::responses::reasoning;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Who gets the items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dialect::responses) enum Reader {
    /// A provider, which must not see ids and state that are not its own.
    Upstream,
    /// A client, or the store, which brings them back.
    Client,
}

/// Writes items.
pub(in crate::dialect::responses) struct Encoder<'a> {
    reader: Reader,
    /// The messages were decoded from this dialect.
    is_own: bool,
    losses: &'a mut Losses,
    items: Vec<Value>,
    /// Calls of custom tools: other dialects do not say of a result that it answers one.
    custom_calls: BTreeSet<String>,
}

impl<'a> Encoder<'a> {
    pub(in crate::dialect::responses) fn new(
        reader: Reader,
        is_own: bool,
        losses: &'a mut Losses,
    ) -> Encoder<'a> {
        Encoder { reader, is_own, losses, items: Vec::new(), custom_calls: BTreeSet::new() }
    }

    pub(in crate::dialect::responses) fn finish(self) -> Vec<Value> {
        self.items
    }

    /// Takes the next message.
    pub(in crate::dialect::responses) fn push(&mut self, message: Message) {
        let Message { role, content, name, mut extras } = message;
        self.losses.note_if(name.is_some(), Field::MessageName);
        if !self.is_own {
            self.losses.note_extras("messages", &extras);
            extras.clear();
        } else if self.reader == Reader::Upstream
            && extras.get("id").and_then(Value::as_str).is_some_and(is_made)
        {
            extras.shift_remove("id");
        }
        let was_empty = content.is_empty();
        let side = if role == Role::Assistant { Side::Output } else { Side::Input };
        let mut parts = Vec::new();
        // State of a part that is not the first of its message.
        let mut behind = None;
        for block in content {
            let is_part = !matches!(
                block.content,
                Content::ToolCall(_) | Content::ToolResult(_) | Content::Thinking(_)
            ) && !self.is_native_item(&block);
            if is_part {
                match &block.signature {
                    Some(state) if self.reader == Reader::Client && parts.is_empty() => self.attach(state),
                    Some(state) if self.reader == Reader::Client => behind = Some(state.clone()),
                    _ => {}
                }
                let mut writer = Parts { is_own: self.is_own, losses: self.losses };
                parts.extend(writer.part(block, side));
                continue;
            }
            self.flush(role, &mut parts, &mut extras);
            if let Some(item) = self.item(block) {
                self.add(item, std::mem::take(&mut extras));
            }
        }
        if was_empty && self.is_own {
            self.add(message_item(role, Vec::new()), extras);
        } else {
            self.flush(role, &mut parts, &mut extras);
        }
        if let Some(state) = behind {
            let id = format!("{}{:04x}", reasoning::BEHIND, self.items.len());
            self.items.push(Value::Object(reasoning::attached(id, &state)));
        }
    }

    /// An item that carries the state of the next block.
    fn attach(&mut self, state: &Opaque) {
        let id = super::made_id("rs", "attached", self.items.len());
        self.items.push(Value::Object(reasoning::attached(id, state)));
    }

    /// A block that is an item of its own rather than a part that the hub does not know.
    fn is_native_item(&self, block: &Block) -> bool {
        let Content::Native(value) = &block.content else { return false };
        let is_part =
            |kind: &str| kind.starts_with("input_") || kind.starts_with("output_") || kind.ends_with("_text");
        self.is_own && value.get("type").and_then(Value::as_str).is_none_or(|kind| !is_part(kind))
    }

    fn flush(&mut self, role: Role, parts: &mut Vec<Value>, extras: &mut Extras) {
        if !parts.is_empty() {
            let item = message_item(role, std::mem::take(parts));
            self.add(item, std::mem::take(extras));
        }
    }

    fn add(&mut self, mut item: Map<String, Value>, extras: Extras) {
        merge(&mut item, extras);
        self.items.push(Value::Object(item));
    }

    fn item(&mut self, block: Block) -> Option<Map<String, Value>> {
        if !self.is_own {
            self.losses.note_if(block.cache.is_some(), Field::CacheBreakpoint);
            self.losses.note_extras("messages.content", &block.extras);
        }
        if let Some(state) = block.signature.as_ref().filter(|_| self.reader == Reader::Client) {
            self.attach(state);
        }
        match block.content {
            Content::ToolCall(call) => {
                if call.is_custom {
                    self.custom_calls.insert(call.id.clone());
                }
                Some(call_item(call))
            }
            Content::ToolResult(result) => Some(self.result(result)),
            Content::Thinking(thinking) => self.reasoning(thinking),
            Content::Native(Value::Object(item)) if self.is_own && !self.is_unknown_there(&item) => {
                Some(item)
            }
            content => {
                self.losses.note(lost(&content));
                None
            }
        }
    }

    /// An item, or a reference to one, that the gateway made and no provider can find.
    fn is_unknown_there(&self, item: &Map<String, Value>) -> bool {
        let id = item.get("id").and_then(Value::as_str);
        self.reader == Reader::Upstream && id.is_some_and(is_made)
    }

    fn result(&mut self, result: ToolResult) -> Map<String, Value> {
        let ToolResult { id, mut content, is_error, is_custom, name } = result;
        self.losses.note_if(is_error == Some(true), Field::ToolResultError);
        let is_custom = is_custom || self.custom_calls.contains(&id);
        let kind = if is_custom { "custom_tool_call_output" } else { "function_call_output" };
        let is_plain = |block: &Block| block.extras.is_empty() && block.cache.is_none();
        let output = match content.as_mut_slice() {
            [] => Value::String(String::new()),
            [block] if is_plain(block) && matches!(block.content, Content::Text(_)) => {
                match &mut block.content {
                    Content::Text(text) => Value::String(std::mem::take(&mut text.text)),
                    _ => Value::Null,
                }
            }
            _ => {
                let mut writer = Parts { is_own: self.is_own, losses: self.losses };
                let parts = content.into_iter().filter_map(|block| writer.part(block, Side::Input));
                Value::Array(parts.collect())
            }
        };
        let id = fit(&id, CALL_ID_LIMIT).into_owned();
        let mut item = object([("type", kind.into()), ("call_id", Value::String(id)), ("output", output)]);
        if let Some(name) = name.filter(|_| self.is_own) {
            item.insert("name".into(), Value::String(name));
        }
        item
    }

    /// A thought; `None` where the provider would refuse it, since it is neither its own nor was it stored there.
    fn reasoning(&mut self, thinking: Thinking) -> Option<Map<String, Value>> {
        let own_id = thinking.id.clone().filter(|id| self.is_own && !is_made(id));
        if self.reader == Reader::Client {
            let id = thinking.id.clone();
            let id = id.unwrap_or_else(|| super::made_id("rs", "input", self.items.len()));
            return Some(reasoning::item(id, thinking, self.is_own));
        }
        let Thinking { thought, signature, .. } = thinking;
        let state = signature.as_ref().and_then(|state| state.for_provider(Dialect::Responses));
        let (id, encrypted) = match (state.map(reasoning::split), own_id) {
            (Some((made_for, encrypted)), own) => (made_for.map(str::to_owned).or(own), Some(encrypted)),
            (None, Some(own)) if signature.is_none() => (Some(own), None),
            _ => {
                self.losses.note_if(!thought.is_empty(), Field::Thinking);
                return None;
            }
        };
        let (summary, content) =
            if thought.is_summary { (thought.texts, Vec::new()) } else { (Vec::new(), thought.texts) };
        let mut item = object([("type", "reasoning".into())]);
        if let Some(id) = id {
            item.insert("id".into(), Value::String(id));
        }
        // Where the thought itself is there, a summary beside it is among the extras.
        if content.is_empty() || !self.is_own {
            item.insert("summary".into(), reasoning::parts(summary, "summary_text"));
        }
        if !content.is_empty() {
            item.insert("content".into(), reasoning::parts(content, "reasoning_text"));
        }
        if let Some(encrypted) = encrypted {
            item.insert("encrypted_content".into(), encrypted.into());
        }
        Some(item)
    }
}

fn message_item(role: Role, parts: Vec<Value>) -> Map<String, Value> {
    let role = match role {
        Role::System => "system",
        Role::Developer => "developer",
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    object([("type", "message".into()), ("role", role.into()), ("content", Value::Array(parts))])
}

/// A call of a function or of a custom tool.
pub(in crate::dialect::responses) fn call_item(call: ToolCall) -> Map<String, Value> {
    let id = fit(&call.id, CALL_ID_LIMIT).into_owned();
    let (kind, input) =
        if call.is_custom { ("custom_tool_call", "input") } else { ("function_call", "arguments") };
    object([
        ("type", kind.into()),
        ("call_id", Value::String(id)),
        ("name", Value::String(call.name)),
        (input, Value::String(call.arguments)),
    ])
}

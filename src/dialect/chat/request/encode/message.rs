//! Messages of the hub, each as one or several of this dialect's.

use super::role_name;
use crate::conversation::tool_call_id::{SHORTEST, fit};
use crate::conversation::{Block, Content, Extras, Field, Losses, Message, Role, ToolResult};
use crate::dialect::chat::assistant::{self, Style};
use crate::dialect::chat::part;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The messages so far.
pub(super) struct Messages {
    list: Vec<Value>,
    is_own: bool,
    is_openai: bool,
    /// Pictures and files of results, which wait for the last result in a row.
    held: Vec<Value>,
}

impl Messages {
    pub(super) fn new(is_own: bool, is_openai: bool) -> Messages {
        Messages { list: Vec::new(), is_own, is_openai, held: Vec::new() }
    }

    /// Instructions that stood outside of the messages are the first of them.
    pub(super) fn instructions(&mut self, blocks: Vec<Block>, losses: &mut Losses) {
        if !blocks.is_empty() {
            let content = self.content(Role::System, blocks, losses);
            self.list.extend(content.map(|content| said("system", content)));
        }
    }

    pub(super) fn push(&mut self, message: Message, losses: &mut Losses) {
        let Message { role, content, name, extras } = message;
        if role == Role::Assistant {
            self.release();
            return self.assistant(content, name, extras, losses);
        }
        let was_empty = content.is_empty();
        let (results, rest): (Vec<Block>, Vec<Block>) =
            content.into_iter().partition(|block| matches!(block.content, Content::ToolResult(_)));
        let is_result = !results.is_empty();
        for block in results {
            if let Content::ToolResult(result) = block.content {
                losses.note_if(block.cache.is_some(), Field::CacheBreakpoint);
                losses.note_extras("messages.content", &block.extras);
                let message = self.result(result, losses);
                self.list.push(Value::Object(message));
            }
        }
        if is_result && rest.is_empty() {
            let own = self.list.last_mut().and_then(Value::as_object_mut);
            return add(own, name, extras, self.is_own, losses);
        }
        self.release();
        let content =
            if was_empty { Some(Value::String(String::new())) } else { self.content(role, rest, losses) };
        let Some(content) = content else { return };
        self.list.push(said(role_name(role, self.is_openai), content));
        let own = self.list.last_mut().and_then(Value::as_object_mut);
        add(own, name, extras, self.is_own, losses);
    }

    fn assistant(&mut self, content: Vec<Block>, name: Option<String>, extras: Extras, losses: &mut Losses) {
        let was_empty = content.is_empty();
        let style = Style {
            is_own: self.is_own,
            is_client: false,
            knows_custom: self.is_own || self.is_openai,
            custom_tools: &BTreeSet::new(),
            is_legacy: false,
        };
        let mut message = assistant::encode(content, &style, losses);
        let is_blank = message.len() == 1 && message.get("content").is_some_and(|content| content == "");
        if is_blank && !was_empty {
            return;
        }
        message.shift_insert(0, "role".into(), "assistant".into());
        add(Some(&mut message), name, extras, self.is_own, losses);
        self.list.push(Value::Object(message));
    }

    /// A result as a `tool` message, which has text only.
    fn result(&mut self, result: ToolResult, losses: &mut Losses) -> Map<String, Value> {
        let id = if self.is_own { result.id.into() } else { fit(&result.id, SHORTEST) };
        let (mut text, mut media) = (String::new(), Vec::new());
        let is_error = result.is_error == Some(true);
        let mut message = Map::new();
        message.insert("role".into(), "tool".into());
        message.insert("tool_call_id".into(), id.as_ref().into());
        if let Some(name) = result.name.filter(|_| self.is_own) {
            message.insert("name".into(), name.into());
        }
        if self.is_own && !is_plain(&result.content) {
            let parts =
                result.content.into_iter().filter_map(|block| part::encode(block, true, true, losses));
            message.insert("content".into(), parts.collect());
            return message;
        }
        for block in result.content {
            match block.content {
                Content::Text(said) => {
                    losses.note_if(block.cache.is_some(), Field::CacheBreakpoint);
                    losses.note_extras("messages.content", &block.extras);
                    paragraph(&mut text, &said.text);
                }
                _ => media.extend(part::encode(block, self.is_own, self.is_openai, losses)),
            }
        }
        if is_error && !text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("error")) {
            text.insert_str(0, "Error: ");
        }
        if !media.is_empty() {
            if text.is_empty() {
                text.push_str("(See the next message.)");
            }
            self.held.push(part::text(
                format!("(Files of the result of tool call {id}:)"),
                None,
                Extras::new(),
            ));
            self.held.append(&mut media);
        }
        message.insert("content".into(), text.into());
        message
    }

    /// Lets go of what results had beside text: no message may come between calls and their results.
    fn release(&mut self) {
        if !self.held.is_empty() {
            self.list.push(said("user", Value::Array(std::mem::take(&mut self.held))));
        }
    }

    /// One text, or parts where there is more to say. `None` where nothing is left. Texts of other dialects become one for
    /// the system and for providers that may know nothing else.
    fn content(&self, role: Role, blocks: Vec<Block>, losses: &mut Losses) -> Option<Value> {
        let is_text = blocks.iter().all(|block| matches!(block.content, Content::Text(_)));
        let is_joined = !self.is_own && is_text && (role != Role::User || !self.is_openai);
        let is_one = is_plain(&blocks) || (!self.is_own && is_text && blocks.len() == 1);
        let parts: Vec<Value> = blocks
            .into_iter()
            .filter_map(|block| part::encode(block, self.is_own, self.is_openai, losses))
            .collect();
        if !is_joined && !is_one {
            return (!parts.is_empty()).then_some(Value::Array(parts));
        }
        let mut text = String::new();
        for mut part in parts {
            match part.get_mut("text").map(Value::take) {
                Some(Value::String(said)) if text.is_empty() => text = said,
                Some(Value::String(said)) => paragraph(&mut text, &said),
                _ => {}
            }
        }
        Some(Value::String(text))
    }

    pub(super) fn finish(mut self) -> Vec<Value> {
        self.release();
        self.list
    }
}

/// One text that has nothing beside it, or nothing at all.
fn is_plain(blocks: &[Block]) -> bool {
    match blocks {
        [] => true,
        [block] => {
            matches!(block.content, Content::Text(_)) && block.cache.is_none() && block.extras.is_empty()
        }
        _ => false,
    }
}

fn paragraph(text: &mut String, more: &str) {
    if !text.is_empty() && !more.is_empty() {
        text.push_str("\n\n");
    }
    text.push_str(more);
}

fn said(role: &str, content: Value) -> Value {
    let mut message = Map::new();
    message.insert("role".into(), role.into());
    message.insert("content".into(), content);
    Value::Object(message)
}

/// What else is said of a message.
fn add(
    message: Option<&mut Map<String, Value>>,
    name: Option<String>,
    extras: Extras,
    is_own: bool,
    losses: &mut Losses,
) {
    let Some(message) = message else { return };
    if let Some(name) = name {
        message.insert("name".into(), name.into());
    }
    if is_own {
        assistant::tool_call::merge(message, extras);
    } else {
        losses.note_extras("messages", &extras);
    }
}

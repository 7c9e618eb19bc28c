//! Items into messages: each item is a message, its blocks are the parts of one or the one thing that it is.

use super::is_made;
use crate::conversation::tool_call_id::restore;
use crate::conversation::{Block, Content, Extras, Message, Opaque, Role, ToolCall, ToolResult};
use crate::dialect::responses::{content, reasoning};
use crate::json::{FieldError, Fields};
use serde_json::Value;

/// Reads items, one after the other.
#[derive(Default)]
pub(in crate::dialect::responses) struct Decoder {
    messages: Vec<Message>,
    /// State that belongs to the next block.
    attached: Option<Opaque>,
}

impl Decoder {
    /// Takes the next item.
    ///
    /// # Errors
    /// Where a field has the wrong type.
    pub(in crate::dialect::responses) fn push(&mut self, mut item: Fields) -> Result<(), FieldError> {
        let kind = match item.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            Some(_) => return Err(item.error("type", "a string")),
            // An easy message has no type, and a reference need not have one.
            None if item.get("role").is_some() || item.get("id").is_none() => "message",
            None => "item_reference",
        };
        match kind {
            "message" => self.message(item),
            "function_call" | "custom_tool_call" => {
                let is_custom = kind == "custom_tool_call";
                let call = call(&mut item, is_custom)?;
                self.add(Role::Assistant, Content::ToolCall(call), item.rest());
                Ok(())
            }
            "function_call_output" | "custom_tool_call_output" => {
                let is_custom = kind == "custom_tool_call_output";
                item.take("type");
                let id = restore(&item.required("call_id")?).into_owned();
                let name = item.string("name")?;
                let content = content::decode(&mut item, "output")?;
                let result = ToolResult { id, name, content, is_error: None, is_custom };
                self.add(Role::User, Content::ToolResult(result), item.rest());
                Ok(())
            }
            "reasoning" => {
                item.take("type");
                self.reasoning(item)
            }
            kind => {
                let is_answer = kind.ends_with("_output") || kind == "mcp_approval_response";
                let role = if is_answer { Role::User } else { Role::Assistant };
                self.add(role, Content::Native(Value::Object(item.rest())), Extras::new());
                Ok(())
            }
        }
    }

    /// All messages.
    pub(in crate::dialect::responses) fn finish(self) -> Vec<Message> {
        self.messages
    }

    fn message(&mut self, mut item: Fields) -> Result<(), FieldError> {
        item.take("type");
        let role = match item.required("role")?.as_str() {
            "system" => Role::System,
            "developer" => Role::Developer,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            _ => return Err(item.error("role", "`user`, `assistant`, `system` or `developer`")),
        };
        let mut content = content::decode(&mut item, "content")?;
        let state = self.attached.take().filter(|_| role == Role::Assistant);
        if let (Some(state), Some(first)) = (state, content.first_mut()) {
            first.signature = Some(state);
        }
        self.messages.push(Message { role, content, name: None, extras: without_nulls(item.rest()) });
        Ok(())
    }

    fn reasoning(&mut self, item: Fields) -> Result<(), FieldError> {
        let (thinking, extras) = reasoning::decode(item)?;
        match thinking.signature {
            Some(state) if state.is_attached => {
                let state = Opaque { is_attached: false, ..state };
                let is_behind = thinking.id.is_some_and(|id| id.starts_with(reasoning::BEHIND));
                let before = self.messages.last_mut().filter(|message| message.role == Role::Assistant);
                match before.and_then(|message| message.content.last_mut()).filter(|_| is_behind) {
                    Some(block) => block.signature = Some(state),
                    None => self.attached = Some(state),
                }
            }
            // What the gateway made holds nothing once its carrier is damaged.
            None if thinking.thought.is_empty() && thinking.id.as_deref().is_some_and(is_made) => {}
            _ => self.add(Role::Assistant, Content::Thinking(thinking), extras),
        }
        Ok(())
    }

    fn add(&mut self, role: Role, content: Content, extras: Extras) {
        let mut block = Block::new(content);
        if role == Role::Assistant && !matches!(block.content, Content::Thinking(_)) {
            block.signature = self.attached.take();
        }
        let extras = without_nulls(extras);
        self.messages.push(Message { role, content: vec![block], name: None, extras });
    }
}

/// Takes a call of a function or of a custom tool.
///
/// # Errors
/// Where a field has the wrong type.
pub(in crate::dialect::responses) fn call(
    item: &mut Fields,
    is_custom: bool,
) -> Result<ToolCall, FieldError> {
    item.take("type");
    let id = restore(&item.required("call_id")?).into_owned();
    let name = item.required("name")?;
    let mut arguments = item.required(if is_custom { "input" } else { "arguments" })?;
    if arguments.is_empty() && !is_custom {
        arguments.push_str("{}");
    }
    Ok(ToolCall { id, name, arguments, is_custom })
}

/// A member that is `null` is one that is not there.
pub(in crate::dialect::responses) fn without_nulls(mut extras: Extras) -> Extras {
    extras.retain(|_, value| !value.is_null());
    extras
}

//! Messages, each as one of the hub.

use crate::conversation::tool_call_id::{make, restore};
use crate::conversation::{Block, Content, Message, Role, ToolResult};
use crate::dialect::chat::{assistant, part};
use crate::json::{FieldError, Fields};
use std::collections::HashMap;

/// The messages so far, and what later ones need of them.
#[derive(Default)]
pub(super) struct Messages {
    pub(super) list: Vec<Message>,
    /// Which ids are of custom tools: a result does not say it.
    custom: Vec<String>,
    /// The id of the last `function_call` of a name: a `function` message names only the function.
    legacy: HashMap<String, String>,
}

impl Messages {
    pub(super) fn push(&mut self, mut fields: Fields) -> Result<(), FieldError> {
        let role = fields.required("role")?;
        let (role, content, name) = match role.as_str() {
            "system" => (Role::System, part::content(&mut fields)?, fields.string("name")?),
            "developer" => (Role::Developer, part::content(&mut fields)?, fields.string("name")?),
            "user" => (Role::User, part::content(&mut fields)?, fields.string("name")?),
            "assistant" => {
                let path = fields.own_path().to_owned();
                let content = assistant::decode(&mut fields, &path)?;
                self.learn(&content, &path);
                (Role::Assistant, content, fields.string("name")?)
            }
            "tool" => {
                let id = restore(&fields.required("tool_call_id")?).into_owned();
                let name = fields.string("name")?;
                (Role::User, vec![self.result(id, name, &mut fields)?], None)
            }
            "function" => {
                let name = fields.required("name")?;
                let path = fields.own_path();
                let id = self.legacy.get(&name).cloned().unwrap_or_else(|| make(path, 0));
                (Role::User, vec![self.result(id, Some(name), &mut fields)?], None)
            }
            _ => {
                let known = "one of `system`, `developer`, `user`, `assistant`, `tool`, `function`";
                return Err(fields.error("role", known));
            }
        };
        self.list.push(Message { role, content, name, extras: fields.rest() });
        Ok(())
    }

    /// `path` is that of the message, from which a legacy call has its id.
    fn learn(&mut self, content: &[Block], path: &str) {
        for block in content {
            let Content::ToolCall(call) = &block.content else { continue };
            if call.is_custom {
                self.custom.push(call.id.clone());
            } else if call.id == make(path, 0) {
                self.legacy.insert(call.name.clone(), call.id.clone());
            }
        }
    }

    fn result(&self, id: String, name: Option<String>, fields: &mut Fields) -> Result<Block, FieldError> {
        let is_custom = self.custom.contains(&id);
        let content = part::content(fields)?;
        let result = ToolResult { id, name, content, is_error: None, is_custom };
        Ok(Block::new(Content::ToolResult(result)))
    }
}

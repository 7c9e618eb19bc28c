//! A conversation as a chat request.

mod message;
mod settings;
mod tools;

use crate::conversation::turns::join_answers;
use crate::conversation::{Dialect, Losses, Request, Role};
use crate::dialect::chat::assistant::tool_call::merge;
use crate::dialect::translate::Target;
use crate::json::json;
use serde_json::{Map, Value};

/// Writes a request for an upstream of this dialect.
///
/// * Results of tools come before anything else of their message. Pictures and files in them, which OpenAI takes from users
///   only, follow in a user's message of their own that says whose they are; that is no loss. A result that is an error says
///   so in words, in front of its text.
/// * Thoughts go back only where they came from an upstream of this dialect, in the member that it had them in.
/// * What OpenAI's endpoint knows and other providers of the dialect do not (`developer`, custom tools,
///   `max_completion_tokens`, `allowed_tools`) is said by older means to those.
/// * A request of this dialect gets all of its own back, in the place where it was.
pub fn encode(request: Request, target: &Target<'_>, losses: &mut Losses) -> Vec<u8> {
    let is_own = request.dialect == Dialect::Chat;
    let mut body = Map::new();
    body.insert("model".into(), target.model.into());

    let mut messages = message::Messages::new(is_own, target.is_openai);
    messages.instructions(request.instructions, losses);
    let all = if is_own { request.messages } else { join_answers(request.messages) };
    for message in all {
        messages.push(message, losses);
    }
    body.insert("messages".into(), Value::Array(messages.finish()));

    if request.stream {
        body.insert("stream".into(), true.into());
        if target.stream_options || (is_own && request.include_usage) {
            body.insert("stream_options".into(), json!({ "include_usage": true }));
        }
    }
    let tools = tools::Written {
        is_own,
        is_openai: target.is_openai,
        model: target.model,
        choice: request.tool_choice,
        parallel: request.parallel_tool_calls,
    };
    tools.put(request.tools, &mut body, losses);
    settings::put(request.settings, &mut body, is_own, target, losses);
    if is_own {
        merge(&mut body, request.extras);
    } else {
        losses.note_extras("", &request.extras);
    }
    Value::Object(body).to_string().into_bytes()
}

/// The name of a role. Other providers than OpenAI know `system` only.
fn role_name(role: Role, is_openai: bool) -> &'static str {
    match role {
        Role::Developer if is_openai => "developer",
        Role::System | Role::Developer => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

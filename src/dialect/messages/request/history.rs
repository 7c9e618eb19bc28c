//! What was said, as messages.

use crate::conversation::{Block, Content, Field, Message, Role, turns};
use crate::dialect::messages::block::{Writer, content_value};
use crate::dialect::messages::generation::Generation;
use crate::json::json;
use serde_json::Value;

/// What opens a conversation that began with the model's own words: the API wants the user to speak first.
const OPENING: &str = "...";
/// What follows a model's last words where the model does not take them for the beginning of its next.
const CONTINUE: &str = "Continue.";

/// A conversation, written.
pub(super) struct History {
    pub(super) system: Vec<Value>,
    pub(super) messages: Vec<Value>,
    /// The model's last turn called tools without a signed thought before: with a thinking budget the API refuses that
    /// (<https://platform.claude.com/docs/en/build-with-claude/extended-thinking#preserving-thinking-blocks>).
    pub(super) ends_in_unsigned_call: bool,
}

/// A conversation of this dialect: message by message; one of which nothing is left is left out.
pub(super) fn as_said(instructions: Vec<Block>, messages: Vec<Message>, writer: &mut Writer<'_>) -> History {
    let system = writer.blocks(instructions);
    let mut out: Vec<Value> = Vec::with_capacity(messages.len());
    for message in messages {
        let was_empty = message.content.is_empty();
        let content = writer.blocks(message.content);
        if content.is_empty() && !was_empty {
            continue;
        }
        let role = match message.role {
            Role::System | Role::Developer => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        let mut value = json!({ "role": role, "content": written(content) });
        if let Some(members) = value.as_object_mut() {
            members.extend(message.extras);
        }
        out.push(value);
    }
    let ends_in_unsigned_call = ends_in_unsigned_call(&out);
    History { system, messages: out, ends_in_unsigned_call }
}

/// A conversation of another dialect: in turns that alternate, the first and the last of them the user's.
pub(super) fn in_turns(
    instructions: Vec<Block>,
    mut messages: Vec<Message>,
    generation: Generation,
    writer: &mut Writer<'_>,
) -> History {
    for message in &mut messages {
        writer.losses.note_extras("messages", &message.extras);
    }
    let turns = turns::turns(instructions, messages);
    writer.losses.note_if(turns.had_names, Field::MessageName);
    let (texts, others): (Vec<_>, Vec<_>) =
        turns.instructions.into_iter().partition(|block| matches!(block.content, Content::Text(_)));
    // The system prompt is text; what else was said there is said by the user.
    let mut carried = writer.blocks(others);
    let system = writer.blocks(texts);

    let mut out: Vec<(Role, Vec<Value>)> = Vec::with_capacity(turns.turns.len() + 1);
    if !carried.is_empty() {
        out.push((Role::User, std::mem::take(&mut carried)));
    }
    for turn in turns.turns {
        let mut content = writer.blocks(turn.content);
        match out.last_mut() {
            _ if content.is_empty() => {}
            Some((role, there)) if *role == turn.role => {
                there.append(&mut content);
                let (mut results, rest): (Vec<_>, Vec<_>) = std::mem::take(there)
                    .into_iter()
                    .partition(|block| block.get("type").is_some_and(|kind| kind == "tool_result"));
                results.extend(rest);
                *there = results;
            }
            Some(_) => out.push((turn.role, content)),
            None if turn.role == Role::Assistant => {
                out.push((Role::User, vec![text(OPENING)]));
                out.push((turn.role, content));
            }
            None => out.push((turn.role, content)),
        }
    }
    match out.last_mut() {
        None => out.push((Role::User, vec![text(OPENING)])),
        Some((Role::Assistant, _)) if !generation.can_be_prefilled() => {
            out.push((Role::User, vec![text(CONTINUE)]));
        }
        Some((Role::Assistant, content)) => trim_end(content),
        Some(_) => {}
    }
    if matches!(out.as_slice(), [.., (Role::Assistant, content)] if content.is_empty()) {
        out.pop();
    }
    let messages: Vec<Value> = out
        .into_iter()
        .map(|(role, content)| {
            let role = if role == Role::Assistant { "assistant" } else { "user" };
            json!({ "role": role, "content": written(content) })
        })
        .collect();
    let ends_in_unsigned_call = ends_in_unsigned_call(&messages);
    History { system, messages, ends_in_unsigned_call }
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

/// No blocks at all are an empty text, which is how they were decoded.
fn written(content: Vec<Value>) -> Value {
    if content.is_empty() { Value::String(String::new()) } else { content_value(content) }
}

/// The last words of a conversation may not end in white space.
fn trim_end(content: &mut Vec<Value>) {
    let Some(Value::Object(last)) = content.last_mut() else { return };
    let Some(Value::String(text)) = last.get_mut("text") else { return };
    text.truncate(text.trim_end().len());
    if text.is_empty() {
        content.pop();
    }
}

fn ends_in_unsigned_call(messages: &[Value]) -> bool {
    let last =
        messages.iter().rev().find(|message| message.get("role").is_some_and(|role| role == "assistant"));
    let kinds = last.and_then(|message| message.get("content")?.as_array()).into_iter().flatten();
    let mut kinds = kinds.filter_map(|block| block.get("type")?.as_str());
    let first = kinds.next();
    let has_thought = first.is_some_and(|kind| kind == "thinking" || kind == "redacted_thinking");
    !has_thought && (first == Some("tool_use") || kinds.any(|kind| kind == "tool_use"))
}

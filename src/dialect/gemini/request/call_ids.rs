//! Ids for calls and results that came without: Gemini's are optional, the hub's are not.
//!
//! A made id depends only on the call's place, so that it can be told from one that the client gave, and left out again for
//! Google.

use crate::conversation::{Content, Message, tool_call_id};
use std::collections::HashSet;

fn of_call(nth: usize) -> String {
    tool_call_id::make("gemini call", nth)
}

fn of_stray_result(nth: usize) -> String {
    tool_call_id::make("gemini result", nth)
}

/// Gives each call an id, and each result that of the first call of its function that is still to be answered.
pub(super) fn fill(messages: &mut [Message]) {
    let (mut calls, mut results) = (0, 0);
    let mut open: Vec<(String, String)> = Vec::new();
    for block in messages.iter_mut().flat_map(|message| &mut message.content) {
        match &mut block.content {
            Content::ToolCall(call) => {
                if call.id.is_empty() {
                    call.id = of_call(calls);
                }
                open.push((call.id.clone(), call.name.clone()));
                calls += 1;
            }
            Content::ToolResult(result) => {
                let name = result.name.as_deref().unwrap_or_default();
                let has_id = !result.id.is_empty();
                let found =
                    open.iter().position(|(id, of)| if has_id { *id == result.id } else { of == name });
                match found.map(|at| open.remove(at)) {
                    Some((id, _)) => result.id = id,
                    None if has_id => {}
                    None => result.id = of_stray_result(results),
                }
                results += 1;
            }
            _ => {}
        }
    }
}

/// Takes the ids away that were made.
pub(super) fn clear(messages: &mut [Message]) {
    let (mut calls, mut results) = (0, 0);
    let mut made: HashSet<String> = HashSet::new();
    for block in messages.iter_mut().flat_map(|message| &mut message.content) {
        match &mut block.content {
            Content::ToolCall(call) => {
                if call.id == of_call(calls) {
                    made.insert(std::mem::take(&mut call.id));
                }
                calls += 1;
            }
            Content::ToolResult(result) => {
                if made.contains(&result.id) || result.id == of_stray_result(results) {
                    result.id.clear();
                }
                results += 1;
            }
            _ => {}
        }
    }
}

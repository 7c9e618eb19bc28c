//! Another dialect's conversation as Gemini wants it: each call is answered, in its order, by the turn behind it.

use crate::conversation::turns::Turn;
use crate::conversation::{Block, Content, Role, ToolResult};

/// Settles calls and results.
pub(super) fn settle(turns: Vec<Turn>) -> Vec<Turn> {
    let mut settled: Vec<Turn> = Vec::with_capacity(turns.len());
    let mut calls: Vec<(String, String)> = Vec::new();
    for mut turn in turns {
        if turn.role == Role::Assistant {
            let call = |block: &Block| match &block.content {
                Content::ToolCall(call) => Some((call.id.clone(), call.name.clone())),
                _ => None,
            };
            calls = turn.content.iter().filter_map(call).collect();
        } else {
            answer(&mut turn.content, std::mem::take(&mut calls));
        }
        settled.push(turn);
    }
    settled
}

/// Brings a turn's results into the order of the calls. One that is missing fails; one that nothing asked for is text.
fn answer(content: &mut Vec<Block>, calls: Vec<(String, String)>) {
    let is_result = |block: &Block| matches!(block.content, Content::ToolResult(_));
    let count = content.iter().take_while(|block| is_result(block)).count();
    let mut given: Vec<Option<Block>> = content.drain(..count).map(Some).collect();
    let mut answers: Vec<Block> = Vec::with_capacity(calls.len());
    for (id, name) in calls {
        let is_it = |block: &Option<Block>| matches!(block, Some(Block { content: Content::ToolResult(result), .. }) if result.id == id);
        let found = given.iter().position(is_it).and_then(|at| given.get_mut(at)?.take());
        answers.push(found.unwrap_or_else(|| {
            Block::new(Content::ToolResult(ToolResult {
                id,
                name: Some(name),
                content: vec![Block::text("the tool gave no result")],
                is_error: Some(true),
                is_custom: false,
            }))
        }));
    }
    let strays = given.into_iter().flatten().flat_map(as_text);
    answers.extend(strays);
    content.splice(0..0, answers);
}

fn as_text(block: Block) -> Vec<Block> {
    let Content::ToolResult(result) = block.content else { return Vec::new() };
    let name = result.name.unwrap_or(result.id);
    let mut blocks = vec![Block::text(format!("Result of {name}:"))];
    blocks.extend(result.content);
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::ToolCall;

    fn call(id: &str) -> Block {
        Block::new(Content::ToolCall(ToolCall {
            id: id.into(),
            name: id.to_uppercase(),
            ..ToolCall::default()
        }))
    }

    fn result(id: &str) -> Block {
        Block::new(Content::ToolResult(ToolResult {
            id: id.into(),
            content: vec![Block::text(id)],
            ..ToolResult::default()
        }))
    }

    #[test]
    fn every_call_is_answered_once_and_in_order() {
        let turn = |role, content| Turn { role, content };
        let settled = settle(vec![
            turn(Role::Assistant, vec![call("a"), call("b"), call("c")]),
            turn(Role::User, vec![result("c"), result("x"), result("a"), Block::text("and")]),
        ]);
        let answers = &settled[1].content;
        assert_eq!(answers[0], result("a"));
        assert!(
            matches!(&answers[1].content, Content::ToolResult(missing) if missing.id == "b" && missing.is_error == Some(true))
        );
        assert_eq!(answers[2], result("c"));
        assert_eq!(answers[3..], [Block::text("Result of x:"), Block::text("x"), Block::text("and")]);
    }
}

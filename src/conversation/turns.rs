//! A conversation as turns that alternate, for dialects that want it so (Messages, Gemini).
//!
//! Chat and Responses let anything follow anything. Here messages in a row of the same side become one turn, results of
//! tools come before anything else of their turn, system messages in the middle become text of the user in their place
//! (hoisting them would change what they mean, and spoil the provider's cache), and results learn the names of their tools.

use super::block::{Block, Content};
use super::request::{Message, Role};
use std::collections::HashMap;

/// A conversation in turns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turns {
    /// What stood before the first turn: instructions, then leading system messages.
    pub instructions: Vec<Block>,
    /// Alternating, [`Role::User`] or [`Role::Assistant`]; may begin with either.
    pub turns: Vec<Turn>,
    /// A message had a name, which turns have no place for.
    pub had_names: bool,
}

/// All that one side said before the other answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// [`Role::User`] or [`Role::Assistant`].
    pub role: Role,
    /// Its blocks.
    pub content: Vec<Block>,
}

/// Brings messages into turns.
#[must_use]
pub fn turns(instructions: Vec<Block>, messages: Vec<Message>) -> Turns {
    let mut result = Turns { instructions, ..Turns::default() };
    let mut names: HashMap<String, String> = HashMap::new();
    for message in messages {
        result.had_names |= message.name.is_some();
        let (role, mut content) = match message.role {
            Role::System | Role::Developer if result.turns.is_empty() => {
                result.instructions.extend(message.content);
                continue;
            }
            Role::System | Role::Developer => {
                (Role::User, message.content.into_iter().map(in_the_middle).collect())
            }
            role => (role, message.content),
        };
        for block in &mut content {
            match &mut block.content {
                Content::ToolCall(call) => {
                    names.insert(call.id.clone(), call.name.clone());
                }
                Content::ToolResult(result) if result.name.is_none() => {
                    result.name = names.get(&result.id).cloned();
                }
                _ => {}
            }
        }
        match result.turns.last_mut().filter(|turn| turn.role == role) {
            Some(turn) => turn.content.append(&mut content),
            None if content.is_empty() => {}
            None => result.turns.push(Turn { role, content }),
        }
    }
    for turn in &mut result.turns {
        join_thoughts(&mut turn.content);
        // Results keep their order among themselves, and so does the rest.
        let content = std::mem::take(&mut turn.content).into_iter();
        let (mut results, rest): (Vec<_>, Vec<_>) =
            content.partition(|block| matches!(block.content, Content::ToolResult(_)));
        results.extend(rest);
        turn.content = results;
    }
    result
}

/// Messages of the assistant in a row as one, for a dialect that lets turns repeat and yet wants all calls of tools before
/// their results (Chat): Responses says each call in an item of its own, Gemini's clients each chunk of a stream.
#[must_use]
pub fn join_answers(messages: Vec<Message>) -> Vec<Message> {
    let mut joined: Vec<Message> = Vec::with_capacity(messages.len());
    for message in messages {
        match joined.last_mut().filter(|last| last.role == Role::Assistant && message.role == last.role) {
            Some(last) => {
                last.content.extend(message.content);
                last.extras.extend(message.extras);
            }
            None => joined.push(message),
        }
    }
    joined
}

/// A thought whose state comes behind it in a thought without text (Gemini streams it so) is one thought with state.
fn join_thoughts(content: &mut Vec<Block>) {
    content.dedup_by(|behind, thought| match (&mut behind.content, &mut thought.content) {
        (Content::Thinking(state), Content::Thinking(thought))
            if thought.signature.is_none() && !state.is_redacted && state.thought.is_empty() =>
        {
            thought.signature = state.signature.take();
            true
        }
        _ => false,
    });
}

/// A system's word in the middle, marked as such in the way that Claude's own clients do.
fn in_the_middle(mut block: Block) -> Block {
    if let Content::Text(text) = &mut block.content {
        text.text = format!("<system-reminder>\n{}\n</system-reminder>", text.text);
    }
    block
}

#[cfg(test)]
mod tests {
    use super::super::block::{Thinking, ToolCall, ToolResult};
    use super::super::{Dialect, Opaque, Thought};
    use super::*;

    fn message(role: Role, content: Vec<Block>) -> Message {
        Message { role, content, ..Message::default() }
    }

    fn call(id: &str) -> Block {
        Block::new(Content::ToolCall(ToolCall {
            id: id.into(),
            name: format!("tool-{id}"),
            ..ToolCall::default()
        }))
    }

    fn result(id: &str, name: Option<&str>) -> Block {
        let name = name.map(str::to_owned);
        Block::new(Content::ToolResult(ToolResult { id: id.into(), name, ..ToolResult::default() }))
    }

    fn thought(text: &str, state: Option<&str>) -> Block {
        let signature = state.map(|state| Opaque::new(Dialect::Messages, state));
        Block::new(Content::Thinking(Thinking {
            thought: Thought::text(text),
            signature,
            ..Thinking::default()
        }))
    }

    #[test]
    fn the_state_of_a_thought_joins_it() {
        let content = vec![thought("hm", None), thought("", Some("s")), thought("so", None)];
        let answer = message(Role::Assistant, content);
        let joined = turns(vec![], vec![answer]).turns.remove(0).content;
        assert_eq!(joined, [thought("hm", Some("s")), thought("so", None)]);
    }

    #[test]
    fn answers_in_a_row_become_one() {
        let joined = join_answers(vec![
            message(Role::User, vec![Block::text("a")]),
            message(Role::User, vec![Block::text("b")]),
            message(Role::Assistant, vec![call("1")]),
            message(Role::Assistant, vec![call("2")]),
            message(Role::User, vec![result("1", None)]),
        ]);
        assert_eq!(joined.len(), 4);
        assert_eq!(joined[2].content, [call("1"), call("2")]);
    }

    #[test]
    fn messages_become_turns() {
        let turns = turns(
            vec![Block::text("be kind")],
            vec![
                message(Role::System, vec![Block::text("be brief")]),
                message(Role::User, vec![Block::text("a")]),
                message(Role::User, vec![Block::text("b")]),
                message(Role::Assistant, vec![Block::text("c")]),
                message(Role::Assistant, vec![call("1"), call("2")]),
                message(Role::System, vec![Block::text("hurry")]),
                message(Role::User, vec![result("1", None)]),
                message(Role::User, vec![result("2", Some("own"))]),
            ],
        );
        assert_eq!(turns.instructions, [Block::text("be kind"), Block::text("be brief")]);
        let expected = [
            (Role::User, vec![Block::text("a"), Block::text("b")]),
            (Role::Assistant, vec![Block::text("c"), call("1"), call("2")]),
            (
                Role::User,
                vec![
                    result("1", Some("tool-1")),
                    result("2", Some("own")),
                    Block::text("<system-reminder>\nhurry\n</system-reminder>"),
                ],
            ),
        ];
        let found: Vec<_> = turns.turns.into_iter().map(|turn| (turn.role, turn.content)).collect();
        assert_eq!(found, expected);
    }
}

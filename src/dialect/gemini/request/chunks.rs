//! Answers that a client keeps as the chunks of the stream they came in.
//!
//! Google's own SDKs add every chunk of a streamed answer to the history as a content of its own, so that a sentence comes
//! back in pieces, and a thought with its signature in the last of them. To Google that is the same; another provider would
//! be given four texts for one, and thoughts without the state that belongs to them. So they are put together again.

use crate::conversation::turns::join_answers;
use crate::conversation::{Block, Content, Message, Role};

/// Makes one message of the model's contents in a row, and one block of the pieces of a text or a thought.
pub(super) fn join(messages: Vec<Message>) -> Vec<Message> {
    let mut messages = join_answers(messages);
    for message in messages.iter_mut().filter(|message| message.role == Role::Assistant) {
        message.content.dedup_by(|next, block| continues(block, next));
    }
    messages
}

/// Takes the next block into this one where both are pieces of the same. State is in the last piece: nothing continues
/// a block that has some.
fn continues(block: &mut Block, next: &mut Block) -> bool {
    let is_plain = |block: &Block| block.cache.is_none() && block.extras.is_empty();
    if !is_plain(block) || !is_plain(next) || block.signature.is_some() {
        return false;
    }
    match (&mut block.content, &mut next.content) {
        (Content::Text(text), Content::Text(more))
            if text.citations.is_empty() && more.citations.is_empty() =>
        {
            text.text.push_str(&more.text);
            block.signature = next.signature.take();
            true
        }
        (Content::Thinking(thinking), Content::Thinking(more))
            if thinking.signature.is_none() && !more.is_redacted =>
        {
            match (thinking.thought.texts.last_mut(), more.thought.texts.first()) {
                (Some(text), Some(more)) => text.push_str(more),
                _ => thinking.thought.texts.append(&mut more.thought.texts),
            }
            thinking.signature = more.signature.take();
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode;
    use serde_json::json;

    #[test]
    fn a_streamed_answer_is_put_together_again() {
        let model = |part| json!({"role": "model", "parts": [part]});
        let body = json!({"contents": [
            {"role": "user", "parts": [{"text": "hi"}]},
            model(json!({"text": "let me ", "thought": true})),
            model(json!({"text": "see", "thought": true})),
            model(json!({"text": "", "thought": true, "thoughtSignature": "c3RhdGU="})),
            model(json!({"text": "Hel"})),
            model(json!({"text": "lo", "thoughtSignature": "bW9yZQ=="})),
            model(json!({"text": "!"})),
        ]});
        let request = decode(body.to_string().as_bytes(), "m", false).unwrap();
        let shown = format!("{:?}", request.messages[1].content);
        assert_eq!(request.messages.len(), 2);
        assert_eq!(request.messages[1].content.len(), 3, "{shown}");
        for piece in ["let me see", "c3RhdGU=", "\"Hello\"", "bW9yZQ==", "\"!\""] {
            assert!(shown.contains(piece), "{piece} in {shown}");
        }
    }
}

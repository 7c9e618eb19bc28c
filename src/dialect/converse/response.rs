//! An answer, in the words of the Messages dialect.
//!
//! ```
//! use edgeway::dialect::converse::response::read;
//!
//! let answer = read(br#"{"output":{"message":{"role":"assistant","content":[{"text":"Hi"}]}},"stopReason":"end_turn",
//!     "usage":{"inputTokens":3,"outputTokens":1,"totalTokens":4}}"#)?;
//! assert_eq!(answer.usage.map(|reported| reported.usage.total_input()), Some(3));
//! # Ok::<(), edgeway::json::JsonError>(())
//! ```

use crate::conversation::Response;
use crate::dialect::chat::response::Answer;
use crate::dialect::{InvalidBody, messages};
use crate::json::JsonError;
use crate::json::json;
use serde_json::Value;

/// Reads the body of an answer in passing.
///
/// # Errors
/// Where it is no JSON object: such a 200 is not an answer.
pub fn read(body: &[u8]) -> Result<Answer, JsonError> {
    messages::response::read(&in_messages(body))
}

/// Reads an answer, leniently.
///
/// # Errors
/// Where the body is no JSON object.
pub fn decode(body: &[u8]) -> Result<Response, InvalidBody> {
    messages::response::decode(&in_messages(body))
}

/// The same answer of the other dialect; what is none stays as it is, for the other's reader to refuse.
fn in_messages(body: &[u8]) -> Vec<u8> {
    let Ok(Value::Object(mut answer)) = serde_json::from_slice(body) else { return body.to_vec() };
    let content = answer.get_mut("output").and_then(|output| output.get_mut("message")?.get_mut("content"));
    let content = match content.map(Value::take) {
        Some(Value::Array(blocks)) => blocks.into_iter().filter_map(block).collect(),
        _ => Vec::new(),
    };
    let usage = answer.get("usage").map(usage);
    let stop = answer.get("stopReason");
    json!({ "type": "message", "content": content, "stop_reason": stop, "usage": usage }).to_string().into()
}

fn block(mut block: Value) -> Option<Value> {
    let (kind, inner) = block.as_object_mut()?.iter_mut().next()?;
    let mut take = |name: &str| inner.get_mut(name).map(Value::take).unwrap_or_default();
    Some(match kind.as_str() {
        "text" => json!({ "type": "text", "text": inner.take() }),
        "toolUse" => json!({
            "type": "tool_use", "id": take("toolUseId"), "name": take("name"), "input": take("input"),
        }),
        "reasoningContent" => match take("redactedContent") {
            Value::Null => {
                let mut text = take("reasoningText");
                let mut take = |name: &str| text.get_mut(name).map(Value::take).unwrap_or_default();
                json!({ "type": "thinking", "thinking": take("text"), "signature": take("signature") })
            }
            data => json!({ "type": "redacted_thinking", "data": data }),
        },
        "citationsContent" => {
            let parts = take("content");
            let texts = parts.as_array()?.iter().filter_map(|part| part.get("text")?.as_str());
            json!({ "type": "text", "text": texts.collect::<String>() })
        }
        _ => return None,
    })
}

/// `usage`: input beside what the cache holds, as in the other dialect.
pub(super) fn usage(usage: &Value) -> Value {
    let for_an_hour = || {
        let details = usage.get("cacheDetails")?.as_array()?;
        details.iter().find(|detail| detail.get("ttl").is_some_and(|ttl| ttl == "1h"))?.get("inputTokens")
    };
    json!({
        "input_tokens": usage.get("inputTokens"),
        "output_tokens": usage.get("outputTokens"),
        "cache_read_input_tokens": usage.get("cacheReadInputTokens"),
        "cache_creation_input_tokens": usage.get("cacheWriteInputTokens"),
        "cache_creation": { "ephemeral_1h_input_tokens": for_an_hour() },
    })
}

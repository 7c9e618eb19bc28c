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

use super::{citation, object};
use crate::conversation::Response;
use crate::dialect::chat::response::Answer;
use crate::dialect::{InvalidBody, messages};
use crate::json::JsonError;
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
    let mut take = |name: &str| answer.get_mut(name).map(Value::take).unwrap_or_default();
    let usage = match take("usage") {
        Value::Null => Value::Null,
        told => usage(&told),
    };
    let message = object(&mut [
        ("type", "message".into()),
        ("content", Value::Array(content)),
        ("stop_reason", take("stopReason")),
        ("usage", usage),
    ]);
    message.to_string().into()
}

fn block(mut block: Value) -> Option<Value> {
    let (kind, inner) = block.as_object_mut()?.iter_mut().next()?;
    let mut take = |name: &str| inner.get_mut(name).map(Value::take).unwrap_or_default();
    Some(match kind.as_str() {
        "text" => object(&mut [("type", "text".into()), ("text", inner.take())]),
        "toolUse" => object(&mut [
            ("type", "tool_use".into()),
            ("id", take("toolUseId")),
            ("name", take("name")),
            ("input", take("input")),
        ]),
        "reasoningContent" => match take("redactedContent") {
            Value::Null => {
                let mut text = take("reasoningText");
                let mut take = |name: &str| text.get_mut(name).map(Value::take).unwrap_or_default();
                object(&mut [
                    ("type", "thinking".into()),
                    ("thinking", take("text")),
                    ("signature", take("signature")),
                ])
            }
            data => object(&mut [("type", "redacted_thinking".into()), ("data", data)]),
        },
        "citationsContent" => {
            let (parts, cited) = (take("content"), take("citations"));
            let texts = parts.as_array()?.iter().filter_map(|part| part.get("text")?.as_str());
            let citations: Vec<Value> = cited.as_array().into_iter().flatten().map(citation::read).collect();
            let text = texts.collect::<String>();
            object(&mut [("type", "text".into()), ("text", text.into()), ("citations", citations.into())])
        }
        "image" => {
            let media_type = format!("image/{}", take("format").as_str()?);
            let data = inner.get_mut("source")?.get_mut("bytes")?.take();
            object(&mut [("type", "image".into()), ("source", source_of(media_type, data))])
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
    let count = |name: &str| usage.get(name).cloned().unwrap_or_default();
    let for_an_hour = for_an_hour().cloned().unwrap_or_default();
    object(&mut [
        ("input_tokens", count("inputTokens")),
        ("output_tokens", count("outputTokens")),
        ("cache_read_input_tokens", count("cacheReadInputTokens")),
        ("cache_creation_input_tokens", count("cacheWriteInputTokens")),
        ("cache_creation", object(&mut [("ephemeral_1h_input_tokens", for_an_hour)])),
    ])
}

/// Bytes that are here, in base64.
pub(super) fn source_of(media_type: String, data: Value) -> Value {
    object(&mut [("type", "base64".into()), ("media_type", media_type.into()), ("data", data)])
}

//! Token counts: `POST /v1/messages/count_tokens` (<https://platform.claude.com/docs/en/api/messages-count-tokens>). Its request
//! is one for a message without what concerns the writing, so [`super::request::decode`] reads it.

use super::block::bytes;
use super::request;
use crate::conversation::{Losses, Request};
use crate::dialect::translate::Target;
use crate::json;

/// What a count may be asked with; anything else is refused.
const FIELDS: [&str; 8] =
    ["cache_control", "messages", "model", "output_config", "system", "thinking", "tool_choice", "tools"];

/// Writes the request for an upstream of this dialect. What is lost is lost in the message as well, so nothing is noted.
#[must_use]
pub fn encode_request(request: Request, target: &Target<'_>) -> Vec<u8> {
    let mut members = request::members(request, target, false, &mut Losses::default());
    members.retain(|name, _| FIELDS.contains(&name.as_str()));
    bytes(&members)
}

/// Reads the answer; `None` where there is no count in it.
#[must_use]
pub fn decode(body: &[u8]) -> Option<u64> {
    let [tokens] = json::peek_lenient(body, &["input_tokens"]).ok()?.fields;
    tokens?.as_u64()
}

/// Writes the answer.
#[must_use]
pub fn encode(tokens: u64) -> Vec<u8> {
    format!("{{\"input_tokens\":{tokens}}}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_count_is_written_and_read() {
        assert_eq!(encode(7), br#"{"input_tokens":7}"#);
        assert_eq!(decode(&encode(7)), Some(7));
        assert_eq!(decode(b"{}"), None);
    }

    #[test]
    fn a_count_is_asked_with_what_is_read_only() {
        let body = json!({
            "model": "m", "max_tokens": 5, "stream": true, "system": "s", "temperature": 1, "container": "c",
            "messages": [{ "role": "user", "content": "hi" }],
        });
        let request = request::decode(body.to_string().as_bytes()).unwrap();
        let out = encode_request(request, &Target { model: "claude-haiku-4-5", ..Target::default() });
        assert_eq!(
            serde_json::from_slice::<Value>(&out).unwrap(),
            json!({ "model": "claude-haiku-4-5", "system": "s", "messages": [{ "role": "user", "content": "hi" }] })
        );
    }
}

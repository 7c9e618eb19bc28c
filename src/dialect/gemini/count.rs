//! `countTokens`: what is counted, and the answer.

use super::parse;
use crate::dialect::InvalidBody;
use crate::json::json;
use crate::json::{self, Raw};
use serde_json::Value;

/// The request that is to be counted, to be read like any other: the one within, or else the body itself, which has contents only.
///
/// ```
/// use edgeway::dialect::gemini::count::asked;
///
/// assert_eq!(asked(br#"{"contents":[]}"#)?, br#"{"contents":[]}"#);
/// assert_eq!(asked(br#"{"generateContentRequest":{"contents":[]}}"#)?, br#"{"contents":[]}"#);
/// # Ok::<(), edgeway::dialect::InvalidBody>(())
/// ```
///
/// # Errors
/// Where the body is no JSON object, or what is within is none.
pub fn asked(body: &[u8]) -> Result<&[u8], InvalidBody> {
    let object = json::peek(body, &["generateContentRequest", "generate_content_request"])?;
    let [camel, snake] = object.fields;
    match camel.or(snake).filter(|within| !within.is_null()) {
        None => Ok(body),
        Some(within) if within.is_object() => Ok(within.bytes),
        Some(_) => Err(InvalidBody::field("generateContentRequest", "an object")),
    }
}

/// A whole request (see [`super::request::encode`]) as a question for its length, to this model.
#[must_use]
pub fn ask(request: &[u8], model: &str) -> Vec<u8> {
    let mut within = parse(request).unwrap_or_else(|_| json!({}));
    if let Value::Object(within) = &mut within {
        let name = if model.contains('/') { model.to_owned() } else { format!("models/{model}") };
        within.shift_insert(0, "model".into(), name.into());
    }
    json!({"generateContentRequest": within}).to_string().into_bytes()
}

/// How many tokens an answer tells.
#[must_use]
pub fn decode(body: &[u8]) -> Option<u64> {
    let object = json::peek_lenient(body, &["totalTokens"]).ok()?;
    let [total] = object.fields;
    total.and_then(|total: Raw<'_>| total.as_u64())
}

/// The answer that a client gets.
#[must_use]
pub fn encode(tokens: u64) -> Vec<u8> {
    json!({"totalTokens": tokens}).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_asked_for_whole_and_its_answer_is_read() {
        let asked_body = ask(br#"{"contents":[{"parts":[{"text":"Hi"}]}]}"#, "gemini-3-pro");
        let within: Value = serde_json::from_slice(asked(&asked_body).unwrap()).unwrap();
        assert_eq!(
            within,
            json!({"model": "models/gemini-3-pro", "contents": [{"parts": [{"text": "Hi"}]}]})
        );
        assert_eq!(decode(&encode(7)), Some(7));
        assert_eq!(decode(b"{}"), None);
        assert_eq!(
            asked(br#"{"generate_content_request":[]}"#).unwrap_err().field.as_deref(),
            Some("generateContentRequest")
        );
    }
}

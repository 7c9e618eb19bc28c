//! Gemini `generateContent`, Google's dialect, of the Gemini API and of Vertex.
//!
//! The model and the method stand in the path, so bodies know neither. A message's parts (`part`) are the same in requests
//! and in answers. Clients may write field names in `camelCase` or in `snake_case` (`spelling`), as Google's own do.

pub mod count;
mod model;
mod nested;
mod part;
pub mod request;
pub mod response;
mod spelling;
pub mod stream;
mod tool_name;

use super::InvalidBody;
use crate::conversation::{StreamError, tool_call_id};
use crate::json;
use crate::json::json;
use serde_json::Value;

/// A body as a tree.
fn parse(body: &[u8]) -> Result<Value, InvalidBody> {
    serde_json::from_slice(body).map_err(|_| match json::peek::<0>(body, &[]) {
        Err(error) => error.into(),
        Ok(_) => InvalidBody { field: None, message: "a JSON object is expected".into() },
    })
}

/// The id of a call to which Gemini gave none: the nth of the candidate with this index. Where the answer has no id
/// either, what is called tells it apart from others.
fn call_id(answer: &str, candidate: usize, nth: usize, name: &str, arguments: &str) -> String {
    let index = (candidate << 16) | nth;
    if answer.is_empty() {
        return tool_call_id::make(&format!("{name}{arguments}"), index);
    }
    tool_call_id::make(answer, index)
}

/// `{"error":{code,message,status}}`, with `error` first, since google-genai for Python looks whether a chunk begins so.
fn error_body(error: &StreamError) -> Value {
    let is_status =
        |code: &&String| !code.is_empty() && code.bytes().all(|it| it.is_ascii_uppercase() || it == b'_');
    let code = error.status.unwrap_or(500);
    let status = error.code.as_ref().filter(is_status).map_or(status_name(code), String::as_str);
    json!({"error": {"code": code, "message": error.message, "status": status}})
}

/// <https://cloud.google.com/apis/design/errors#error_codes>.
fn status_name(code: u16) -> &'static str {
    match code {
        401 => "UNAUTHENTICATED",
        402 | 429 => "RESOURCE_EXHAUSTED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        400..=499 => "INVALID_ARGUMENT",
        503 | 529 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_a_status_that_is_googles() {
        let error = |status, code: Option<&str>| {
            error_body(&StreamError { status, code: code.map(str::to_owned), message: "no".into() })
        };
        let expected =
            |code: u16, status: &str| json!({"error": {"code": code, "message": "no", "status": status}});
        assert_eq!(error(None, None), expected(500, "INTERNAL"));
        assert_eq!(error(Some(429), Some("rate_limit_error")), expected(429, "RESOURCE_EXHAUSTED"));
        assert_eq!(error(Some(400), Some("FAILED_PRECONDITION")), expected(400, "FAILED_PRECONDITION"));
    }
}

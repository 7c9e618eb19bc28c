//! The message in an error body, whatever its shape; no two providers agree on one.

use crate::json::Raw;
use serde_json::Value;

/// The most characters of a message that are kept.
const MESSAGE_CHARACTERS: usize = 300;

/// What an upstream's error says, for logs and messages. It may repeat what the request held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamError {
    /// One line of at most 300 characters; empty where the body says nothing.
    pub message: String,
    /// `code`, or else `type` or `status`: `model_not_found`, `1500`, `RESOURCE_EXHAUSTED`.
    pub code: Option<String>,
    /// An HTTP status that the body itself tells, 400 to 599: that of an error inside a 200.
    pub status: Option<u16>,
}

/// Whether a body or an event that came under status 200 is an error: it has one, or (Mistral, vLLM) it calls itself one
/// and holds no answer.
pub(in crate::dialect) fn is_error(error: Option<Raw<'_>>, kind: Option<Raw<'_>>, has_answer: bool) -> bool {
    let has_error = error.is_some_and(|error| !error.is_blank() && error.as_bool() != Some(false));
    has_error || (!has_answer && kind.is_some_and(|kind| kind.string_text() == Some(b"error")))
}

/// Reads the body of an error of any status: OpenAI's shape, Google's list of them, `{"error":"…"}`, `{"message":…}`,
/// `{"detail":…}`, a page of HTML, plain text.
#[must_use]
pub fn read_error(body: &[u8]) -> UpstreamError {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return UpstreamError { message: line(&plain(body)), ..UpstreamError::default() };
    };
    let outer = value.get(0).unwrap_or(&value);
    let inner = outer.get("error").filter(|error| !error.is_null()).unwrap_or(outer);
    let field = |name: &str| inner.get(name).or_else(|| outer.get(name)).filter(|value| !value.is_null());
    let text = ["message", "detail", "msg", "error_description"]
        .iter()
        .find_map(|name| field(name))
        .unwrap_or(inner);
    let status =
        ["status", "code", "status_code", "raw_status_code", "http_status"].iter().find_map(|name| {
            let value = field(name)?;
            let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
            u16::try_from(number).ok().filter(|status| (400..600).contains(status))
        });
    let code = ["code", "type", "error_type", "status"].iter().find_map(|name| match field(name)? {
        Value::String(code) if !code.is_empty() => Some(line(code)),
        Value::Number(code) => Some(code.to_string()),
        _ => None,
    });
    UpstreamError { message: line(&words(text)), code, status }
}

/// A message that is no string: `FastAPI`'s list of `{"msg"}`, an object with a message in it, or as JSON.
fn words(value: &Value) -> String {
    let nested = value.get(0).unwrap_or(value);
    let nested = ["msg", "message", "detail"].iter().find_map(|name| nested.get(name)).unwrap_or(nested);
    nested.as_str().map_or_else(|| nested.to_string(), str::to_owned)
}

/// Text as it is; of a page of HTML its title.
fn plain(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..8192).unwrap_or(body));
    if text.trim_start().starts_with('<')
        && let Some((_, rest)) = text.split_once("<title>")
        && let Some((title, _)) = rest.split_once("</title>")
    {
        return title.to_owned();
    }
    text.into_owned()
}

/// One line, without control characters, cut to the limit.
fn line(text: &str) -> String {
    let mut line = String::new();
    for (index, word) in
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).enumerate()
    {
        if index > 0 {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > MESSAGE_CHARACTERS * 4 {
            break;
        }
    }
    if let Some((cut, _)) = line.char_indices().nth(MESSAGE_CHARACTERS) {
        line.truncate(cut);
        while line.chars().count() >= MESSAGE_CHARACTERS {
            line.pop();
        }
        line.push('…');
    }
    line
}

//! Gemini `generateContent`, Google's dialect, of the Gemini API and of Vertex.
//!
//! The model and the method stand in the path, so bodies know neither. A message's parts (`part`) are the same in requests
//! and in answers. Clients may write field names in `camelCase` or in `snake_case` (`spelling`), as Google's own do.

pub mod count;
mod model;
pub mod models;
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
use percent::{decode, encode};
use serde_json::{Value, json};

mod percent;

/// What may be asked of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `generateContent`
    Generate,
    /// `streamGenerateContent`
    Stream,
    /// `countTokens`
    CountTokens,
    /// `embedContent`
    Embed,
    /// `batchEmbedContents`
    BatchEmbed,
}

impl Method {
    /// Each with its name in a path.
    const NAMES: [(Method, &'static str); 5] = [
        (Method::Generate, "generateContent"),
        (Method::Stream, "streamGenerateContent"),
        (Method::CountTokens, "countTokens"),
        (Method::Embed, "embedContent"),
        (Method::BatchEmbed, "batchEmbedContents"),
    ];

    /// Its name in a path.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Method::NAMES.iter().find(|(method, _)| *method == self).map_or("", |(_, name)| name)
    }
}

/// The path of an upstream call, below a base URL without a version. A stream is always asked for in events.
///
/// ```
/// use edgeway::dialect::gemini::path;
///
/// assert_eq!(path("gemini-3-pro", false), "/v1beta/models/gemini-3-pro:generateContent");
/// assert_eq!(path("tunedModels/mine", true), "/v1beta/tunedModels/mine:streamGenerateContent?alt=sse");
/// ```
#[must_use]
pub fn path(model: &str, stream: bool) -> String {
    match stream {
        true => format!("{}?alt=sse", method_path(model, Method::Stream)),
        false => method_path(model, Method::Generate),
    }
}

/// The path of any method of a model, below a base URL without a version.
#[must_use]
pub fn method_path(model: &str, method: Method) -> String {
    let (collection, name) = match model.split_once('/') {
        Some((collection @ ("models" | "tunedModels"), name)) => (collection, name),
        _ => ("models", model),
    };
    format!("/v1beta/{collection}/{}:{}", encode(name), method.as_str())
}

/// Takes apart what follows `/models/` (or `/v1beta/`) in a client's path: `{model}:{method}`, percent-encoded or not. A model may
/// hold slashes and colons (`openrouter/x:free`); `models/` in front of it says nothing and goes.
///
/// ```
/// use edgeway::dialect::gemini::{Method, method};
///
/// assert_eq!(method("gemini-3-pro:countTokens"), Some(("gemini-3-pro".to_owned(), Method::CountTokens)));
/// assert_eq!(method("a%2Fb:free:generateContent"), Some(("a/b:free".to_owned(), Method::Generate)));
/// assert_eq!(method("gemini-3-pro"), None);
/// ```
#[must_use]
pub fn method(segment: &str) -> Option<(String, Method)> {
    let decoded = decode(segment)?;
    let (model, name) = decoded.rsplit_once(':')?;
    let (method, _) = Method::NAMES.iter().find(|(_, known)| *known == name)?;
    let model = model.strip_prefix("models/").unwrap_or(model);
    (!model.is_empty()).then(|| (model.to_owned(), *method))
}

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
    fn paths_and_methods_agree() {
        for model in ["gemini-2.5-flash", "tunedModels/x", "openrouter/a:free", "é b", "../../x"] {
            for (name, method_of) in Method::NAMES.map(|(method, name)| (name, method)) {
                let path = method_path(model, method_of);
                assert!(path.ends_with(name), "{path}");
                let segment = path.strip_prefix("/v1beta/").unwrap();
                assert_eq!(method(segment), Some((model.to_owned(), method_of)), "{path}");
                assert!(!segment.contains("../") && !segment.contains(' '), "{path}");
            }
        }
        for segment in ["", ":generateContent", "x:other", "x", "%zz:generateContent", "models/:countTokens"]
        {
            assert_eq!(method(segment), None, "{segment}");
        }
    }

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

//! The types of Anthropic's errors (<https://platform.claude.com/docs/en/api/errors>) and the HTTP statuses that go with them.

use crate::conversation::StreamError;
use crate::dialect::error::{UpstreamError, read_error};

const TYPES: [(&str, u16); 10] = [
    ("invalid_request_error", 400),
    ("authentication_error", 401),
    ("billing_error", 402),
    ("permission_error", 403),
    ("not_found_error", 404),
    ("request_too_large", 413),
    ("rate_limit_error", 429),
    ("api_error", 500),
    ("timeout_error", 504),
    ("overloaded_error", 529),
];

/// Reads an error, of a body or of an event; its type tells the status, which a stream's error has nowhere else.
pub(super) fn read(body: &[u8]) -> UpstreamError {
    let error = read_error(body);
    let status = error.status.or_else(|| status(error.code.as_deref()?));
    UpstreamError { status, ..error }
}

fn status(kind: &str) -> Option<u16> {
    TYPES.iter().find(|(known, _)| *known == kind).map(|(_, status)| *status)
}

/// The type by which a client of this dialect knows the error.
pub(super) fn kind(error: &StreamError) -> &'static str {
    let named = error.code.as_deref().and_then(|code| TYPES.iter().find(|(known, _)| *known == code));
    let by_status = || TYPES.iter().find(|(_, status)| error.status == Some(*status));
    match (named.or_else(by_status), error.status) {
        (Some((kind, _)), _) => kind,
        (None, Some(400..=499)) => "invalid_request_error",
        (None, Some(503)) => "overloaded_error",
        (None, _) => "api_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_tells_the_status_and_a_status_the_type() {
        let error = read(br#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#);
        assert_eq!((error.status, error.code.as_deref()), (Some(529), Some("overloaded_error")));
        let kind_of = |status, code: &str| {
            let code = (!code.is_empty()).then(|| code.to_owned());
            kind(&StreamError { status, code, message: String::new() })
        };
        assert_eq!(kind_of(Some(529), "overloaded_error"), "overloaded_error");
        assert_eq!(kind_of(Some(429), "rate_limit_exceeded"), "rate_limit_error");
        assert_eq!(kind_of(Some(422), ""), "invalid_request_error");
        assert_eq!(kind_of(Some(503), "UNAVAILABLE"), "overloaded_error");
        assert_eq!(kind_of(None, ""), "api_error");
    }
}

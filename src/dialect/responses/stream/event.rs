//! Writes events, each with its number.

use crate::conversation::StreamError;
use crate::json::json;
use serde_json::Value;

/// Numbers the events of one stream.
#[derive(Clone, Debug, Default)]
pub(in crate::dialect::responses) struct Numbering {
    next: u64,
}

/// An event that is being written.
pub(in crate::dialect::responses) struct Event<'a> {
    out: &'a mut Vec<u8>,
}

impl Numbering {
    /// Goes on behind events that others have written.
    pub(in crate::dialect::responses) fn from(next: u64) -> Numbering {
        Numbering { next }
    }

    /// The number of the next event.
    pub(in crate::dialect::responses) fn next(&self) -> u64 {
        self.next
    }

    /// Begins an event of this type.
    pub(in crate::dialect::responses) fn begin<'a>(&mut self, kind: &str, out: &'a mut Vec<u8>) -> Event<'a> {
        for piece in ["event: ", kind, "\ndata: {\"type\":\"", kind, "\",\"sequence_number\":"] {
            out.extend_from_slice(piece.as_bytes());
        }
        let mut event = Event { out };
        event.digits(self.next);
        self.next += 1;
        event
    }

    /// Tells that the stream failed, as recorded traffic does: members where the reference has them, and once more in
    /// `error`, for which the official clients look and throw.
    pub(in crate::dialect::responses) fn error(&mut self, error: &StreamError, out: &mut Vec<u8>) {
        let kind = kind(error);
        let code = error.code.as_deref().unwrap_or(kind);
        let nested = json!({"type": kind, "code": code, "message": error.message, "param": null});
        self.begin("error", out)
            .text("code", code)
            .text("message", &error.message)
            .raw("param", "null")
            .raw("error", &nested.to_string())
            .end();
    }
}

impl Event<'_> {
    fn digits(&mut self, number: u64) {
        self.out.extend_from_slice(number.to_string().as_bytes());
    }

    fn name(&mut self, name: &str) {
        for piece in [",\"", name, "\":"] {
            self.out.extend_from_slice(piece.as_bytes());
        }
    }

    /// Adds a number.
    pub(in crate::dialect::responses) fn number(mut self, name: &str, number: usize) -> Self {
        self.name(name);
        self.digits(number as u64);
        self
    }

    /// Adds a string.
    pub(in crate::dialect::responses) fn text(mut self, name: &str, text: &str) -> Self {
        self.name(name);
        // Writing into a vector does not fail.
        let _written = serde_json::to_writer(&mut *self.out, text);
        self
    }

    /// Adds what is JSON already.
    pub(in crate::dialect::responses) fn raw(mut self, name: &str, json: &str) -> Self {
        self.name(name);
        self.out.extend_from_slice(json.as_bytes());
        self
    }

    /// Adds a value.
    pub(in crate::dialect::responses) fn value(mut self, name: &str, value: &Value) -> Self {
        self.name(name);
        let _written = serde_json::to_writer(&mut *self.out, value);
        self
    }

    /// Adds what `write` writes.
    pub(in crate::dialect::responses) fn written(
        mut self,
        name: &str,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Self {
        self.name(name);
        write(self.out);
        self
    }

    /// Ends the event.
    pub(in crate::dialect::responses) fn end(self) {
        self.out.extend_from_slice(b"}\n\n");
    }
}

/// `error` of a response that failed.
pub(in crate::dialect::responses) fn failure(error: &StreamError) -> Value {
    json!({"code": kind(error), "message": error.message})
}

/// Its code where that is a word, else what this dialect says for its status: the code of some providers is a number.
fn kind(error: &StreamError) -> &str {
    let is_word = |code: &&str| !code.is_empty() && !code.bytes().all(|byte| byte.is_ascii_digit());
    error.code.as_deref().filter(is_word).unwrap_or(match error.status {
        Some(429) => "rate_limit_exceeded",
        Some(400..=499) => "invalid_request_error",
        _ => "server_error",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_no_type_of_an_error() {
        for (code, status, kind, told) in [
            (Some("400"), Some(400), "invalid_request_error", "400"),
            (Some("429"), Some(429), "rate_limit_exceeded", "429"),
            (Some("1500"), None, "server_error", "1500"),
            (Some("invalid_prompt"), Some(400), "invalid_prompt", "invalid_prompt"),
            (None, Some(503), "server_error", "server_error"),
        ] {
            let error = StreamError { status, code: code.map(str::to_owned), message: "No.".into() };
            let mut out = Vec::new();
            Numbering::default().error(&error, &mut out);
            let event: Value = serde_json::from_slice(&crate::sse::parse(&out).unwrap().data).unwrap();
            assert_eq!((&event["error"]["type"], &event["code"]), (&json!(kind), &json!(told)), "{error:?}");
            assert_eq!(failure(&error)["code"], kind);
        }
    }
}

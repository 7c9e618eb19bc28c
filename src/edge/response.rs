//! Answers, in the platform's own types.

use super::wire;
use crate::cost::Outcome;
use crate::error::ApiError;
use std::cell::RefCell;
use std::fmt::Write as _;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Headers, ReadableStream, Response};

/// Headers under construction, which cross to the platform as one text.
pub(super) struct Head(RefCell<String>);

impl Head {
    /// None yet.
    pub(super) fn new() -> Head {
        Head(RefCell::new(String::with_capacity(512)))
    }

    /// Adds one. What a header cannot carry is percent-encoded: names of providers and models may hold any character, and a
    /// line break must not begin a header of its own.
    pub(super) fn set(&self, name: &str, value: &str) {
        let mut head = self.0.borrow_mut();
        head.push_str(name);
        head.push('\n');
        if value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            head.push_str(value);
        } else {
            for byte in value.bytes() {
                let _ = match byte {
                    b' '..=b'~' => head.write_char(char::from(byte)),
                    _ => write!(head, "%{byte:02X}"), // writing to a String cannot fail
                };
            }
        }
        head.push('\n');
    }

    /// What the call costs, where that is known.
    pub(super) fn cost(&self, outcome: Outcome) {
        if outcome.priced {
            self.set("x-edgeway-cost", &outcome.cost.to_decimal());
        }
    }

    /// An answer whose body is a buffer, as it is.
    pub(super) fn buffer(&self, status: u16, body: &js_sys::Object) -> Response {
        self.answer(status, body)
    }

    /// An answer whose body is text.
    pub(super) fn text(&self, status: u16, body: &str) -> Response {
        self.answer(status, &body.into())
    }

    /// An answer whose body streams.
    pub(super) fn stream(&self, status: u16, body: &ReadableStream) -> Response {
        self.answer(status, body)
    }

    /// An answer without a body.
    pub(super) fn empty(&self, status: u16) -> Response {
        self.answer(status, &JsValue::NULL)
    }

    /// The management plane's error.
    pub(super) fn management_error(&self, error: &ApiError) -> Response {
        self.set("content-type", "application/json");
        self.text(error.status, &error.management_body().to_string())
    }

    /// Refused are only statuses outside 200–599 and bodies with 204 or 304, neither of which is made here.
    fn answer(&self, status: u16, body: &JsValue) -> Response {
        wire::respond(status, &self.0.borrow(), body).unwrap_or_else(|_| Response::error())
    }
}

/// A set of headers, empty. Making one cannot fail.
pub(super) fn headers() -> Headers {
    Headers::new().unwrap_or_else(|_| JsValue::UNDEFINED.unchecked_into())
}

/// A stream of chunks that a future makes one by one: for bodies that need not be fast.
pub(super) fn streamed(
    chunks: impl futures_util::Stream<Item = Result<Vec<u8>, worker::Error>> + 'static,
) -> Result<ReadableStream, JsValue> {
    match worker::Response::from_stream(chunks)?.into_parts() {
        (_, worker::ResponseBody::Stream(stream)) => Ok(stream),
        _ => Err(JsValue::from_str("a stream was expected")),
    }
}

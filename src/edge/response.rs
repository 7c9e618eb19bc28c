//! Answers, in the platform's own types.

use crate::error::ApiError;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Headers, ReadableStream, Response, ResponseInit};

/// Headers under construction; a name or value that is no header is left out.
pub(super) struct Head(Headers);

impl Head {
    /// None yet.
    pub(super) fn new() -> Head {
        Head(headers())
    }

    /// Sets one.
    pub(super) fn set(&self, name: &str, value: &str) {
        let _ = self.0.set(name, value);
    }

    /// An answer whose body is a buffer, as it is.
    pub(super) fn buffer(&self, status: u16, body: &js_sys::Object) -> Response {
        built(Response::new_with_opt_buffer_source_and_init(Some(body), &self.init(status)))
    }

    /// An answer whose body is text.
    pub(super) fn text(&self, status: u16, body: &str) -> Response {
        built(Response::new_with_opt_str_and_init(Some(body), &self.init(status)))
    }

    /// An answer whose body streams.
    pub(super) fn stream(&self, status: u16, body: &ReadableStream) -> Response {
        built(Response::new_with_opt_readable_stream_and_init(Some(body), &self.init(status)))
    }

    /// An answer without a body.
    pub(super) fn empty(&self, status: u16) -> Response {
        built(Response::new_with_opt_str_and_init(None, &self.init(status)))
    }

    /// The management plane's error.
    pub(super) fn management_error(&self, error: &ApiError) -> Response {
        self.set("content-type", "application/json");
        self.text(error.status, &error.management_body().to_string())
    }

    fn init(&self, status: u16) -> ResponseInit {
        let init = ResponseInit::new();
        init.set_status(status);
        init.set_headers(self.0.as_ref());
        init
    }
}

/// Responses are refused for statuses outside 200–599 and for bodies with 204 or 304, neither of which is made here.
fn built(response: Result<Response, JsValue>) -> Response {
    response.unwrap_or_else(|_| Response::error())
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

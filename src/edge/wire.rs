//! The binding of `wire.js`: what crosses between Rust and the platform on every call.

use super::task::settled;
use super::upstream::Setback;
use crate::route::retry::{Deadline, Failure};
use crate::time::Millis;
use wasm_bindgen::prelude::*;
use web_sys::{ReadableStream, Request, Response};

#[wasm_bindgen(module = "/src/edge/wire.js")]
extern "C" {
    /// One call: its client on one side, one upstream at a time on the other.
    #[derive(Clone)]
    pub(super) type Wire;
    #[wasm_bindgen(constructor)]
    pub(super) fn new(request: &Request, context: &JsValue) -> Wire;
    #[wasm_bindgen(method, getter)]
    pub(super) fn left(this: &Wire) -> bool;
    #[wasm_bindgen(method, getter)]
    fn why(this: &Wire) -> u32;
    #[wasm_bindgen(method)]
    pub(super) fn release(this: &Wire);
    #[wasm_bindgen(method)]
    pub(super) fn stop(this: &Wire, why: u32);
    #[wasm_bindgen(method)]
    pub(super) fn arrived(this: &Wire);
    #[wasm_bindgen(method, js_name = exchange)]
    #[allow(clippy::too_many_arguments, reason = "one crossing")]
    fn exchange_within(
        this: &Wire,
        url: &js_sys::JsString,
        init: &web_sys::RequestInit,
        body: &JsValue,
        wants: u32,
        kinds: u32,
        headers_ms: f64,
        content_ms: f64,
        total_ms: f64,
    ) -> js_sys::Promise;
    #[wasm_bindgen(method)]
    pub(super) fn relay(
        this: &Wire,
        core: &JsValue,
        slot: u32,
        reader: &Reader,
        waiting: js_sys::Array,
        is_done: bool,
    ) -> ReadableStream;
    #[wasm_bindgen(method)]
    pub(super) fn part(this: &Wire) -> Wire;
    #[wasm_bindgen(method)]
    pub(super) fn take(this: &Wire, parts: &JsValue);
    #[wasm_bindgen(method)]
    pub(super) fn open(this: &Wire) -> ReadableStream;
    #[wasm_bindgen(method)]
    pub(super) fn pour(this: &Wire, response: &Response);
    #[wasm_bindgen(method)]
    pub(super) fn copy(this: &Wire) -> js_sys::Promise;
    #[wasm_bindgen(method)]
    pub(super) fn copied(this: &Wire, response: &Response, limit: f64) -> js_sys::Promise;
    #[wasm_bindgen(method)]
    pub(super) fn say(this: &Wire, bytes: &js_sys::Uint8Array);
    #[wasm_bindgen(method)]
    pub(super) fn close(this: &Wire);

    #[wasm_bindgen(js_name = readBody)]
    fn read_body_within(request: &Request, announced: f64, limit: f64) -> js_sys::Promise;
    #[wasm_bindgen(js_name = withBody, catch)]
    pub(super) fn with_body(response: &Response, body: &js_sys::Uint8Array) -> Result<Response, JsValue>;
    /// A request's method, its URL and the values of these headers, each on a line.
    pub(super) fn head(request: &Request, names: &js_sys::Array) -> String;
    pub(super) fn pick(headers: &web_sys::Headers, names: &js_sys::Array) -> String;
    #[wasm_bindgen(js_name = haveAny)]
    pub(super) fn have_any(request: &Request, names: &js_sys::Array) -> bool;
    /// What a buffer holds.
    pub(super) fn bytes(buffer: &js_sys::ArrayBuffer) -> Vec<u8>;
    #[wasm_bindgen(catch)]
    pub(super) fn respond(status: u16, head: &str, body: &JsValue) -> Result<Response, JsValue>;
}

#[wasm_bindgen]
extern "C" {
    /// What an exchange gives.
    pub(super) type Reply;
    #[wasm_bindgen(method, getter)]
    pub(super) fn response(this: &Reply) -> Response;
    #[wasm_bindgen(method, getter)]
    pub(super) fn status(this: &Reply) -> u16;
    #[wasm_bindgen(method, getter, js_name = contentType)]
    pub(super) fn content_type(this: &Reply) -> String;
    #[wasm_bindgen(method, getter)]
    pub(super) fn buffer(this: &Reply) -> Option<js_sys::ArrayBuffer>;
    #[wasm_bindgen(method, getter)]
    pub(super) fn reader(this: &Reply) -> Option<Reader>;
    #[wasm_bindgen(method, getter)]
    pub(super) fn body(this: &Reply) -> Option<ReadableStream>;

    /// The reader of an upstream's body.
    pub(super) type Reader;
    #[wasm_bindgen(method, catch)]
    pub(super) fn read(this: &Reader) -> Result<js_sys::Promise, JsValue>;

    /// What a read gives.
    pub(super) type ReadResult;
    #[wasm_bindgen(method, getter)]
    pub(super) fn done(this: &ReadResult) -> bool;
    #[wasm_bindgen(method, getter)]
    pub(super) fn value(this: &ReadResult) -> js_sys::Uint8Array;
}

impl Reply {
    /// What an upstream would have given, had it answered so: a whole body of JSON.
    pub(super) fn whole(status: u16, body: &[u8]) -> Reply {
        Reply::made(status, "application/json", &js_sys::Uint8Array::from(body).buffer(), &JsValue::UNDEFINED)
    }

    /// The same, in events.
    pub(super) fn events(reader: &Reader) -> Reply {
        Reply::made(200, "text/event-stream", &JsValue::UNDEFINED, reader.as_ref())
    }

    fn made(status: u16, content_type: &str, buffer: &JsValue, reader: &JsValue) -> Reply {
        let reply = js_sys::Object::new();
        for (name, value) in [
            ("status", &JsValue::from(status)),
            ("contentType", &JsValue::from_str(content_type)),
            ("buffer", buffer),
            ("reader", reader),
            ("response", Response::error().as_ref()),
        ] {
            // A plain object takes every property.
            let _ = js_sys::Reflect::set(&reply, &name.into(), value);
        }
        reply.unchecked_into()
    }
}

/// A request's body; `None` where it is longer than `limit` bytes. `announced` is its `content-length`.
///
/// # Errors
/// The body breaks off.
#[allow(clippy::cast_precision_loss, reason = "bodies are far below 2^53 bytes")]
pub(super) async fn read_body(
    request: &Request,
    announced: Option<String>,
    limit: usize,
) -> Result<Option<js_sys::ArrayBuffer>, JsValue> {
    let announced = announced.and_then(|length| length.parse().ok()).unwrap_or(f64::NAN);
    let body = settled(&read_body_within(request, announced, limit as f64)).await?;
    Ok(body.dyn_into().ok())
}

/// How a relay ended, as `wire.js` numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The upstream's stream is over.
    Done,
    /// Reading it failed.
    Failed,
    /// The client went away.
    ClientLeft,
}

impl From<u32> for Ended {
    fn from(number: u32) -> Ended {
        match number {
            0 => Ended::Done,
            1 => Ended::Failed,
            _ => Ended::ClientLeft,
        }
    }
}

/// What is wanted of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// All of it.
    Whole = 0,
    /// A reader where it comes in events.
    Events = 1,
    /// That, and the body unread where it is neither events nor JSON.
    Anything = 2,
}

/// How long each part of an exchange may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// To the headers.
    pub(super) headers: Millis,
    /// To a stream's first content.
    pub(super) first_content: Millis,
    /// To the end of any other answer.
    pub(super) total: Millis,
}

const CLIENT_LEFT: u32 = 1;

impl Wire {
    /// Sends, and waits for the answer: as much of it as is wanted. `init` is shared by
    /// all calls to a destination: `fetch` reads it before it returns.
    #[allow(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
    pub(super) fn exchange(
        &self,
        remote: &super::settings::Remote,
        body: &JsValue,
        wants: Wants,
        limits: Limits,
    ) -> js_sys::Promise {
        let kinds =
            number(Deadline::Headers) | number(Deadline::FirstContent) << 8 | number(Deadline::Total) << 16;
        let [headers, content, total] =
            [limits.headers, limits.first_content, limits.total].map(|span| span.0 as f64);
        self.exchange_within(&remote.url, &remote.init, body, wants as u32, kinds, headers, content, total)
    }

    /// What a rejected promise of this call means.
    pub(super) fn setback(&self, error: &JsValue) -> Setback {
        match self.why() {
            0 => Setback::from(error.clone()),
            CLIENT_LEFT => Setback::ClientLeft,
            why => Setback::failed(Failure::Timeout(deadline(why)), ""),
        }
    }

    /// Nothing more is wanted of the upstream.
    pub(super) fn hang_up(&self) {
        self.arrived();
        self.stop(CLIENT_LEFT);
    }
}

fn number(deadline: Deadline) -> u32 {
    match deadline {
        Deadline::Headers => 2,
        Deadline::FirstContent => 3,
        Deadline::Idle => 4,
        Deadline::Total => 5,
    }
}

fn deadline(number: u32) -> Deadline {
    match number {
        2 => Deadline::Headers,
        3 => Deadline::FirstContent,
        4 => Deadline::Idle,
        _ => Deadline::Total,
    }
}

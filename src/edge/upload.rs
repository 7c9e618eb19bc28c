//! Forms with a file: read as far as routing needs, then sent on while the client still sends.
//!
//! What has come is kept for another attempt, for as long as all uploads of the isolate together keep 32 MB at most;
//! an upload that gave some of it up cannot be sent a second time, and its first failure is then its last.

use super::arrival::Arrival;
use super::task::settled;
use super::wire::Wire;
use crate::call::accept::Accepted;
use crate::config::Key;
use crate::dialect::passthrough::multipart::{Scanner, Splice};
use crate::dialect::{Endpoint, InvalidBody};
use crate::error::ApiError;
use crate::limit::Limits;
use crate::usage::beside::Beside;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::{ReadableStream, Request};

/// OpenAI's limit on a file, and room for the other fields, bytes.
const MAXIMUM: usize = 26 * 1024 * 1024;

#[wasm_bindgen(module = "/src/edge/upload.js")]
extern "C" {
    #[wasm_bindgen(js_name = Upload)]
    type Flow;
    #[wasm_bindgen(constructor, js_class = "Upload")]
    fn new(body: &ReadableStream, limit: f64, on_chunk: &Closure<OnChunk>) -> Flow;
    #[wasm_bindgen(method)]
    fn more(this: &Flow) -> js_sys::Promise;
    #[wasm_bindgen(method)]
    fn open(
        this: &Flow,
        start: f64,
        end: f64,
        replacement: &JsValue,
        length: f64,
        wire: &Wire,
    ) -> ReadableStream;
    #[wasm_bindgen(method, getter)]
    fn replays(this: &Flow) -> bool;
    #[wasm_bindgen(method, getter)]
    fn fault(this: &Flow) -> u32;
    #[wasm_bindgen(method)]
    fn release(this: &Flow);
    #[wasm_bindgen(method)]
    fn forget(this: &Flow);
    #[wasm_bindgen(method)]
    fn whole(this: &Flow) -> js_sys::Promise;
    #[wasm_bindgen(method)]
    fn drain(this: &Flow) -> js_sys::Promise;
}

type OnChunk = dyn FnMut(Option<js_sys::Uint8Array>) -> bool;

/// A form on its way.
pub(super) struct Upload {
    flow: Flow,
    scanner: Rc<RefCell<Scanner>>,
    /// What is wrong with the form.
    refusal: Rc<RefCell<Option<InvalidBody>>>,
    /// As the client has it, with the boundary.
    pub(super) content_type: String,
    /// Of the client's body, where it said.
    length: Option<u64>,
    _on_chunk: Closure<OnChunk>,
}

/// Takes a form as far as its model and its file's beginning; `None` where the body is none. `is_hashed`: it may have to be
/// compared with another.
///
/// # Errors
/// What is wrong with it, or with its model for this key.
pub(super) async fn accept(
    arrival: &Arrival,
    request: &Request,
    endpoint: Endpoint,
    key: &Key,
    is_hashed: bool,
) -> Result<Option<(Accepted, Rc<Upload>)>, ApiError> {
    let content_type = arrival.headers.get("content-type").unwrap_or_default();
    let Some(mut scanner) = Scanner::new(&content_type)? else { return Ok(None) };
    if is_hashed {
        scanner.hash();
    }
    let body = request.body().ok_or_else(|| ApiError::new(400, "invalid_body", "the body is empty"))?;
    let length = arrival.headers.get("content-length").and_then(|length| length.parse().ok());
    scanner.expect(length.unwrap_or(MAXIMUM as u64));
    let upload = Upload::new(&body, scanner, content_type, length);
    match upload.begin(endpoint, key).await {
        Ok(accepted) => Ok(Some((accepted, Rc::new(upload)))),
        Err(error) => {
            upload.drain().await;
            Err(error)
        }
    }
}

impl Upload {
    #[allow(clippy::cast_precision_loss, reason = "bodies are far below 2^53 bytes")]
    fn new(body: &ReadableStream, scanner: Scanner, content_type: String, length: Option<u64>) -> Upload {
        let scanner = Rc::new(RefCell::new(scanner));
        let refusal = Rc::<RefCell<Option<InvalidBody>>>::default();
        let (reads, refuses) = (scanner.clone(), refusal.clone());
        let on_chunk = Closure::<OnChunk>::new(move |chunk: Option<js_sys::Uint8Array>| {
            if refuses.borrow().is_some() {
                return false;
            }
            let read = match chunk {
                Some(chunk) => reads.borrow_mut().push(&chunk.to_vec()),
                None => reads.borrow().finish(),
            };
            read.map_err(|error| *refuses.borrow_mut() = Some(error)).is_ok()
        });
        let flow = Flow::new(body, MAXIMUM as f64, &on_chunk);
        Upload { flow, scanner, refusal, content_type, length, _on_chunk: on_chunk }
    }

    async fn begin(&self, endpoint: Endpoint, key: &Key) -> Result<Accepted, ApiError> {
        if self.length.is_some_and(|length| length > MAXIMUM as u64) {
            return Err(too_large());
        }
        let is_limited = !Limits::of(key).is_empty();
        let is_enough = |scanner: &Scanner| scanner.is_ready() && (!is_limited || scanner.has_told(endpoint));
        while !is_enough(&self.scanner.borrow()) {
            let more = settled(&self.flow.more()).await;
            let is_over = more.map_err(|_| self.refusal().unwrap_or_else(unreadable))?.is_falsy();
            if is_over {
                break;
            }
        }
        let form = self.scanner.borrow().form().clone();
        Accepted::form(endpoint, form, key)
    }

    /// The body for an attempt. What an attempt before it has not taken goes to this one.
    #[allow(clippy::cast_precision_loss, reason = "bodies are far below 2^53 bytes")]
    pub(super) fn open(&self, splice: Option<&Splice>, wire: &Wire) -> ReadableStream {
        let (range, replacement) = match splice {
            Some(splice) => (splice.range.clone(), js_sys::Uint8Array::from(splice.bytes.as_slice()).into()),
            None => (0..0, JsValue::UNDEFINED),
        };
        let added = splice.map_or(0, |splice| splice.bytes.len());
        let length = self.length.map(|length| length + added as u64 - (range.end - range.start));
        let length = length.map_or(f64::NAN, |length| length as f64);
        self.flow.open(range.start as f64, range.end as f64, &replacement, length, wire)
    }

    /// What it asks for beside text, as far as it has come.
    pub(super) fn beside(&self, endpoint: Endpoint) -> Beside {
        self.scanner.borrow().form().beside(endpoint)
    }

    /// Whether another attempt can have it.
    pub(super) fn replays(&self) -> bool {
        self.flow.replays()
    }

    /// Whether the client broke it off.
    pub(super) fn is_broken(&self) -> bool {
        self.flow.fault() == 3
    }

    /// Why it could not be passed on, where that is not the upstream's fault.
    pub(super) fn refusal(&self) -> Option<ApiError> {
        match self.flow.fault() {
            0 => None,
            1 => Some(too_large()),
            2 => Some(self.refusal.borrow_mut().take().map_or_else(unreadable, ApiError::from)),
            3 => Some(unreadable()),
            _ => {
                let message =
                    "too many uploads are under way; put `model` before the file, or try again shortly";
                Some(ApiError::new(503, "busy", message).retry_after(2))
            }
        }
    }

    /// Reads it to its end, and what it came to; `None` where its client broke it off.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) async fn whole(&self) -> Result<Option<String>, ApiError> {
        match settled(&self.flow.whole()).await {
            Ok(_) => Ok(self.hashed()),
            Err(_) if self.is_broken() => Ok(None),
            Err(_) => Err(self.refusal().unwrap_or_else(unreadable)),
        }
    }

    /// The hash of its parts, once all of it has come.
    pub(super) fn hashed(&self) -> Option<String> {
        let is_refused = self.refusal.borrow().is_some() || self.flow.fault() != 0;
        self.scanner.borrow().hashed().filter(|_| !is_refused)
    }

    /// No other attempt will come.
    pub(super) fn release(&self) {
        self.flow.release();
    }

    /// Takes what the client still sends, before it is told of an error.
    pub(super) async fn drain(&self) {
        // It never fails: whatever comes of reading on, the answer is the same.
        let _ = settled(&self.flow.drain()).await;
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.flow.forget();
    }
}

fn too_large() -> ApiError {
    ApiError::new(413, "request_too_large", "the body may hold at most 26 MB")
}

fn unreadable() -> ApiError {
    ApiError::new(400, "unreadable_body", "the body could not be read")
}

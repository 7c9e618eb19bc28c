//! One attempt upstream: a fetch that a deadline or the client's leaving can abort, and that says which it was.

use super::clock::Timer;
use super::settings::Remote;
use crate::route::retry::{Deadline, Failure};
use crate::time::Millis;
use std::cell::Cell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, Response};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = fetch, catch)]
    fn fetch(url: &js_sys::JsString, init: &web_sys::RequestInit) -> Result<js_sys::Promise, JsValue>;
}

/// Why an attempt was aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Abort {
    Deadline(Deadline),
    Client,
}

/// Why an attempt did not give an answer.
pub(super) enum Setback {
    /// The upstream failed.
    Failed {
        /// What the core needs to know.
        failure: Failure,
        /// The upstream's or the platform's own words.
        detail: String,
        /// The upstream's refusal as it came, to be handed on where the fault is the caller's own.
        answer: Option<Response>,
    },
    /// The client went away.
    ClientLeft,
}

impl Setback {
    /// The upstream failed without saying anything that could be handed on.
    pub(super) fn failed(failure: Failure, detail: impl Into<String>) -> Setback {
        Setback::Failed { failure, detail: detail.into(), answer: None }
    }
}

/// The platform refused to make one of its objects, which it does only when something is badly wrong.
impl From<JsValue> for Setback {
    fn from(error: JsValue) -> Setback {
        Setback::failed(Failure::Connection, reason(&error))
    }
}

/// An attempt under way: its abort switch and the one deadline that is running.
pub(super) struct Flight {
    switch: Rc<Switch>,
    timer: Timer,
}

struct Switch {
    controller: AbortController,
    aborted: Cell<Option<Abort>>,
    deadline: Cell<Deadline>,
}

impl Switch {
    fn abort(&self, why: Abort) {
        if self.aborted.get().is_none() {
            self.aborted.set(Some(why));
            self.controller.abort();
        }
    }
}

impl Flight {
    /// Not sent yet.
    pub(super) fn new() -> Result<Flight, JsValue> {
        let controller = AbortController::new()?;
        let switch =
            Rc::new(Switch { controller, aborted: Cell::new(None), deadline: Cell::new(Deadline::Headers) });
        let timer = Timer::new({
            let switch = switch.clone();
            move || switch.abort(Abort::Deadline(switch.deadline.get()))
        });
        Ok(Flight { switch, timer })
    }

    /// From now on this is the running deadline; it replaces the one before.
    pub(super) fn deadline(&self, deadline: Deadline, span: Millis) {
        self.switch.deadline.set(deadline);
        self.timer.arm(span);
    }

    /// No deadline runs any more.
    pub(super) fn arrived(&self) {
        self.timer.disarm();
    }

    /// The client went away.
    pub(super) fn client_left(&self) {
        self.switch.abort(Abort::Client);
    }

    /// Nothing more is wanted of the upstream.
    pub(super) fn hang_up(&self) {
        self.timer.disarm();
        self.switch.controller.abort();
    }

    /// Sends, and waits for the response's headers.
    ///
    /// `init` is shared by all calls to a destination: `fetch` reads it before it returns, so that its body and signal
    /// may be replaced by the next call's at once.
    pub(super) async fn send(&self, remote: &Remote, body: &JsValue) -> Result<Response, Setback> {
        remote.init.set_body(body);
        remote.init.set_signal(Some(&self.switch.controller.signal()));
        let promise = fetch(&remote.url, &remote.init).map_err(|error| self.setback(&error))?;
        let response = JsFuture::from(promise).await.map_err(|error| self.setback(&error))?;
        Ok(response.unchecked_into())
    }

    /// Waits for the whole body.
    pub(super) async fn body(&self, response: &Response) -> Result<js_sys::ArrayBuffer, Setback> {
        let promise = response.array_buffer().map_err(|error| self.setback(&error))?;
        let buffer = JsFuture::from(promise).await.map_err(|error| self.setback(&error))?;
        Ok(buffer.unchecked_into())
    }

    /// What a rejected promise of this attempt means.
    pub(super) fn setback(&self, error: &JsValue) -> Setback {
        match self.switch.aborted.get() {
            Some(Abort::Deadline(deadline)) => Setback::failed(Failure::Timeout(deadline), ""),
            Some(Abort::Client) => Setback::ClientLeft,
            None => Setback::failed(Failure::Connection, reason(error)),
        }
    }
}

/// What a GET brought.
pub(super) struct Fetched {
    /// HTTP status.
    pub(super) status: u16,
    /// The server's mark of this version.
    pub(super) etag: Option<String>,
    /// The body, or as much of it as was allowed.
    pub(super) body: Vec<u8>,
}

/// A GET with a deadline, and at most `limit` bytes of the body; the error is a sentence.
pub(super) async fn get(
    url: &str,
    headers: &[(String, String)],
    deadline: Millis,
    limit: u32,
) -> Result<Fetched, String> {
    let sentence = |setback: Setback| match setback {
        Setback::Failed { failure, detail, .. } if detail.is_empty() => {
            format!("the provider {}", failure.describe())
        }
        Setback::Failed { failure, detail, .. } => format!("the provider {}: {detail}", failure.describe()),
        Setback::ClientLeft => "the client closed the connection".to_owned(),
    };
    let flight = Flight::new().map_err(|error| reason(&error))?;
    flight.deadline(Deadline::Headers, deadline);
    let remote = Remote::get(url, headers);
    let response = flight.send(&remote, &JsValue::UNDEFINED).await.map_err(sentence)?;
    let buffer = flight.body(&response).await.map_err(sentence)?;
    flight.arrived();
    let bytes = js_sys::Uint8Array::new(&buffer);
    Ok(Fetched {
        status: response.status(),
        etag: response.headers().get("etag").ok().flatten(),
        body: bytes.subarray(0, bytes.length().min(limit)).to_vec(),
    })
}

/// The platform's own words for a failed connection; they name no address.
fn reason(error: &JsValue) -> String {
    let message = error.dyn_ref::<js_sys::Error>().map(|error| String::from(error.message()));
    message.unwrap_or_else(|| "the connection failed".into()).chars().take(200).collect()
}

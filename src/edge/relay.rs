//! The streaming path: chunks go from the upstream's reader to the client as they come, while the dialect's state
//! machine watches.
//!
//! A metered stream must be backed by JavaScript: with a native body the invocation ends at the headers and takes the
//! meter with it. What costs in such a stream is the promise machinery, so there is one `read().then(…)` a chunk with
//! closures that are made once a stream, no future, and the chunk that came is the chunk that goes.

use super::clock::{Timer, now};
use super::settlement::Meter;
use super::upstream::{Flight, Setback};
use crate::call::trace::{Finish, Metered};
use crate::dialect::Dialect;
use crate::dialect::chat::stream::{self, DONE, Pushed, Relay};
use crate::error::ApiError;
use crate::log::End;
use crate::route::retry::{Deadline, Failure};
use crate::secret::Secret;
use crate::sse;
use crate::time::Millis;
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::{Rc, Weak};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::ReadableStream;

#[wasm_bindgen]
extern "C" {
    /// The reader of an upstream's body.
    type Reader;
    #[wasm_bindgen(method, catch)]
    fn read(this: &Reader) -> Result<js_sys::Promise, JsValue>;

    /// What a read gives.
    type ReadResult;
    #[wasm_bindgen(method, getter)]
    fn done(this: &ReadResult) -> bool;
    #[wasm_bindgen(method, getter)]
    fn value(this: &ReadResult) -> js_sys::Uint8Array;

    /// The controller of the client's stream.
    type Controller;
    #[wasm_bindgen(method, catch)]
    fn enqueue(this: &Controller, chunk: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn close(this: &Controller) -> Result<(), JsValue>;

    #[wasm_bindgen(js_name = Promise)]
    type Thenable;
    #[wasm_bindgen(method)]
    fn then(this: &Thenable, fulfilled: &js_sys::Function, rejected: &js_sys::Function) -> JsValue;
}

/// How patient a stream is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// A comment goes to the client after so much silence.
    pub(super) keep_alive: Millis,
    /// So much silence of the upstream is a failure.
    pub(super) idle: Millis,
    /// The call must end by then.
    pub(super) until: Option<Millis>,
}

/// An upstream's stream that has shown its first content.
pub(super) struct Opened {
    reader: Reader,
    relay: Relay,
    waiting: Vec<JsValue>,
}

/// Reads up to the first content. Until then nothing has gone to the client, so every failure is still a failover.
///
/// # Errors
/// The stream is empty, broken, says an error, or the flight's deadline passed.
pub(super) async fn open(
    flight: &Flight,
    body: Option<ReadableStream>,
    mut relay: Relay,
) -> Result<Opened, Setback> {
    let empty = || Setback::failed(Failure::Empty, "");
    let Some(body) = body else { return Err(empty()) };
    let reader: Reader = body.get_reader().unchecked_into();
    let mut waiting = Vec::new();
    loop {
        let promise = reader.read().map_err(|error| flight.setback(&error))?;
        let result: ReadResult =
            JsFuture::from(promise).await.map_err(|error| flight.setback(&error))?.unchecked_into();
        let is_over = result.done();
        if is_over {
            // A whole answer in one last event without its blank line is an answer, too.
            let finish = relay.finish();
            waiting.extend((!finish.tail.is_empty()).then(|| bytes(&finish.tail)));
        } else {
            let chunk = result.value();
            match relay.push(&chunk.to_vec()).map_err(too_large)? {
                Pushed::AsIs => waiting.push(chunk.into()),
                Pushed::Bytes(rewritten) => waiting.push(bytes(&rewritten)),
                Pushed::Nothing => {}
            }
        }
        if let Some(failure) = relay.failure().filter(|failure| !failure.is_after_content) {
            let message = failure.error.message.clone();
            let failure = failure
                .error
                .status
                .map_or(Failure::ErrorEvent, |status| Failure::Status { status, retry_after: None });
            return Err(Setback::failed(failure, message));
        }
        if relay.has_content() {
            return Ok(Opened { reader, relay, waiting });
        }
        if is_over {
            return Err(empty());
        }
    }
}

/// The client's stream, fed by the upstream's.
pub(super) struct Pump {
    reader: Reader,
    relay: RefCell<Relay>,
    waiting: RefCell<Vec<JsValue>>,
    scratch: RefCell<Vec<u8>>,
    controller: OnceCell<Controller>,
    closures: OnceCell<Closures>,
    timer: OnceCell<Timer>,
    flight: Rc<Flight>,
    secret: Option<Rc<Secret>>,
    pace: Pace,
    heard: Cell<Millis>,
    said: Cell<Millis>,
    meter: Rc<Meter>,
    keeps_bodies: bool,
    input_estimate: u64,
}

struct Closures {
    read: Closure<dyn FnMut(ReadResult) -> JsValue>,
    failed: Closure<dyn FnMut(JsValue)>,
    pull: Closure<dyn FnMut(Controller) -> JsValue>,
    cancel: Closure<dyn FnMut()>,
}

impl Pump {
    /// The stream to answer with. The meter keeps the pump alive until the call is settled.
    pub(super) fn start(
        opened: Opened,
        flight: Rc<Flight>,
        secret: Option<Rc<Secret>>,
        pace: Pace,
        meter: &Rc<Meter>,
        input_estimate: u64,
    ) -> Result<(Rc<Pump>, ReadableStream), JsValue> {
        let at = now();
        let pump = Rc::new(Pump {
            reader: opened.reader,
            relay: RefCell::new(opened.relay),
            waiting: RefCell::new(opened.waiting),
            scratch: RefCell::default(),
            controller: OnceCell::new(),
            closures: OnceCell::new(),
            timer: OnceCell::new(),
            flight,
            secret,
            pace,
            heard: Cell::new(at),
            said: Cell::new(at),
            meter: meter.clone(),
            keeps_bodies: meter.trace(|trace| trace.keeps_bodies()).unwrap_or_default(),
            input_estimate,
        });
        let stream = pump.source()?;
        pump.watch_silence();
        meter.hold(pump.clone());
        Ok((pump, stream))
    }

    /// The client went away: the upstream is told to stop, and what was used so far is settled.
    pub(super) fn client_left(&self) {
        self.flight.client_left();
        self.settle(End::ClientClosed, Some("the client closed the connection".into()));
    }

    fn source(self: &Rc<Pump>) -> Result<ReadableStream, JsValue> {
        let closures = Closures {
            read: Closure::new(with(self, |pump, result: ReadResult| pump.on_read(&result))),
            failed: Closure::new(with(self, |pump, error: JsValue| {
                pump.on_setback(pump.flight.setback(&error));
            })),
            pull: Closure::new(with(self, |pump, controller: Controller| pump.on_pull(controller))),
            cancel: {
                let pump = Rc::downgrade(self);
                Closure::new(move || pump.upgrade().iter().for_each(|pump| pump.client_left()))
            },
        };
        let source = js_sys::Object::new();
        js_sys::Reflect::set(&source, &"pull".into(), closures.pull.as_ref())?;
        js_sys::Reflect::set(&source, &"cancel".into(), closures.cancel.as_ref())?;
        let strategy = web_sys::QueuingStrategy::new();
        strategy.set_high_water_mark(0.0);
        let _ = self.closures.set(closures);
        ReadableStream::new_with_underlying_source_and_strategy(&source, &strategy)
    }

    fn on_pull(&self, controller: Controller) -> JsValue {
        let controller = self.controller.get_or_init(|| controller);
        let waiting = self.waiting.take();
        if waiting.is_empty() {
            return self.read();
        }
        for chunk in &waiting {
            let _ = controller.enqueue(chunk);
        }
        if self.relay.borrow().is_done() {
            self.on_end();
        }
        JsValue::UNDEFINED
    }

    /// Asks for the next chunk; the promise resolves once something was enqueued or the stream has ended.
    fn read(&self) -> JsValue {
        let (Some(closures), Ok(promise)) = (self.closures.get(), self.reader.read()) else {
            self.on_failure(Failure::Connection, "");
            return JsValue::UNDEFINED;
        };
        let promise: Thenable = promise.unchecked_into();
        promise.then(closures.read.as_ref().unchecked_ref(), closures.failed.as_ref().unchecked_ref())
    }

    fn on_read(&self, result: &ReadResult) -> JsValue {
        if self.meter.is_settled() {
            return JsValue::UNDEFINED;
        }
        if result.done() {
            self.on_end();
            return JsValue::UNDEFINED;
        }
        let chunk = result.value();
        self.heard.set(now());
        match self.observe(&chunk) {
            Ok(Pushed::AsIs) => self.say(&chunk),
            Ok(Pushed::Bytes(rewritten)) => self.say(&bytes(&rewritten)),
            Ok(Pushed::Nothing) => return self.read(),
            Err(sse::TooLarge) => self.on_setback(too_large(sse::TooLarge)),
        }
        // Some upstreams keep the connection open for a while.
        if self.relay.borrow().is_done() {
            self.on_end();
        }
        JsValue::UNDEFINED
    }

    /// Shows the chunk to the state machine, through a buffer that is used again.
    fn observe(&self, chunk: &js_sys::Uint8Array) -> Result<Pushed, sse::TooLarge> {
        let mut scratch = self.scratch.borrow_mut();
        scratch.resize(chunk.length() as usize, 0);
        chunk.copy_to(&mut scratch);
        if self.keeps_bodies {
            self.meter.trace(|trace| trace.response_body(&scratch));
        }
        let mut relay = self.relay.borrow_mut();
        let pushed = relay.push(&scratch)?;
        // An upstream's error may repeat the key that it was given.
        let (Some(_), Some(secret)) = (relay.failure(), &self.secret) else { return Ok(pushed) };
        Ok(match pushed {
            Pushed::AsIs => Pushed::Bytes(secret.redact(&scratch).into_owned()),
            Pushed::Bytes(bytes) => Pushed::Bytes(secret.redact(&bytes).into_owned()),
            Pushed::Nothing => Pushed::Nothing,
        })
    }

    fn on_end(&self) {
        let finish = self.relay.borrow_mut().finish();
        if !finish.tail.is_empty() {
            self.say(&bytes(&finish.tail));
        }
        match finish.end {
            stream::End::Complete { is_done } => {
                if !is_done {
                    self.say(&bytes(DONE));
                }
                self.close(End::Done, None);
            }
            // The upstream said so itself, in an event that the client has seen.
            stream::End::Failed => {
                let message = self.relay.borrow().failure().map(|failure| failure.error.message.clone());
                let redacted = |message: String| {
                    self.secret.as_ref().map_or(message.clone(), |secret| secret.redact_text(&message))
                };
                self.close(End::UpstreamError, message.map(redacted));
            }
            stream::End::CutShort | stream::End::Empty => {
                self.on_failure(Failure::Connection, "it ended in the middle");
            }
        }
    }

    fn on_setback(&self, setback: Setback) {
        match setback {
            Setback::Failed { failure, detail, .. } => self.on_failure(failure, &detail),
            Setback::ClientLeft => self.client_left(),
        }
    }

    /// The upstream died after content went out: the client is told in its dialect, and never sees a clean end.
    fn on_failure(&self, failure: Failure, detail: &str) {
        if self.meter.is_settled() {
            return;
        }
        let (status, code, end) = match failure {
            Failure::Timeout(_) => (504, "upstream_timeout", End::Timeout),
            _ => (502, "upstream_error", End::UpstreamError),
        };
        let what =
            if failure == Failure::Connection { "broke its stream off".into() } else { failure.describe() };
        let error = ApiError::new(status, code, format!("the provider {what}"));
        self.say(&bytes(&stream::error_event(&error.dialect_body(Dialect::Chat, ""))));
        self.close(
            end,
            Some(if detail.is_empty() { error.message } else { format!("{}: {detail}", error.message) }),
        );
    }

    fn say(&self, chunk: &JsValue) {
        self.said.set(self.heard.get());
        if let Some(controller) = self.controller.get() {
            // It refuses once the client is gone, and then there is nobody to tell.
            let _ = controller.enqueue(chunk);
        }
    }

    fn close(&self, end: End, error: Option<String>) {
        if let Some(controller) = self.controller.get() {
            let _ = controller.close();
        }
        self.flight.hang_up();
        self.settle(end, error);
    }

    /// Whatever happened, the client has got a 200 and a beginning.
    fn settle(&self, end: End, error: Option<String>) {
        if let Some(timer) = self.timer.get() {
            timer.disarm();
        }
        let metered = {
            let relay = self.relay.borrow();
            relay.usage().map_or_else(
                || Metered::estimated(self.input_estimate, relay.estimate().tokens()),
                Metered::from,
            )
        };
        self.meter.settle(Finish { status: 200, end, error, metered });
    }

    /// One timer a stream: it sleeps until silence could matter, looks, and sleeps again.
    fn watch_silence(self: &Rc<Pump>) {
        let pump = Rc::downgrade(self);
        let timer = Timer::new(move || {
            if let Some(pump) = pump.upgrade() {
                pump.on_silence();
            }
        });
        timer.arm(self.next_look(now()));
        let _ = self.timer.set(timer);
    }

    fn next_look(&self, at: Millis) -> Millis {
        let keep_alive = self.said.get().plus(self.pace.keep_alive);
        let idle = self.heard.get().plus(self.pace.idle);
        let next = keep_alive.min(idle).min(self.pace.until.unwrap_or(Millis(i64::MAX)));
        Millis(next.since(at).0.max(1))
    }

    fn on_silence(&self) {
        if self.meter.is_settled() {
            return;
        }
        let at = now();
        if self.pace.until.is_some_and(|until| at >= until) {
            return self.on_failure(Failure::Timeout(Deadline::Total), "");
        }
        if at.since(self.heard.get()) >= self.pace.idle {
            return self.on_failure(Failure::Timeout(Deadline::Idle), "");
        }
        if at.since(self.said.get()) >= self.pace.keep_alive {
            if let Some(controller) = self.controller.get() {
                let _ = controller.enqueue(&bytes(sse::KEEP_ALIVE));
            }
            self.said.set(at);
        }
        if let Some(timer) = self.timer.get() {
            timer.arm(self.next_look(at));
        }
    }
}

/// A closure over the pump that does not keep it alive: the meter does, until the call is settled.
fn with<T: 'static, R: Default + 'static>(
    pump: &Rc<Pump>,
    act: impl Fn(&Pump, T) -> R + 'static,
) -> impl FnMut(T) -> R + 'static {
    let pump: Weak<Pump> = Rc::downgrade(pump);
    move |argument| pump.upgrade().map_or_else(R::default, |pump| act(&pump, argument))
}

fn bytes(bytes: &[u8]) -> JsValue {
    js_sys::Uint8Array::from(bytes).into()
}

fn too_large(error: sse::TooLarge) -> Setback {
    Setback::failed(Failure::Empty, error.to_string())
}

//! The streaming path: chunks go from the upstream's reader to the client as they come, while the dialect's state
//! machine watches.
//!
//! A metered stream must be backed by JavaScript: with a native body the invocation ends at the headers and takes the
//! meter with it. What costs in such a stream is the promise machinery and every crossing: there is one `read()` a chunk, and
//! no future; the chunk is copied into the wasm's memory by JavaScript and pushed by one call of an export, without the
//! glue of a closure; and where nothing in it changes, the chunk that came is the chunk that goes.

use super::clock::now;
use super::data_plane::Call;
use super::settlement::Meter;
use super::silence::Silence;
use super::stored::Keeper;
use super::task::{core, settled, slot_number};
use super::upstream::Setback;
use super::wire::{Ended, ReadResult, Reader, Wire};
use crate::call::metering::Shown;
use crate::call::patience::Patience;
use crate::call::trace::Finish;
use crate::call::translation::Exchange;
use crate::conversation::StreamError;
use crate::dialect::relay::{self, Pushed, Relay};
use crate::limit::Amounts;
use crate::log::End;
use crate::route::retry::{Deadline, Failure};
use crate::secret::Secret;
use crate::sse;
use crate::time::Millis;
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use wasm_bindgen::prelude::*;
use web_sys::ReadableStream;

/// How patient a stream is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// The client hears something after so much silence.
    pub(super) keep_alive: Millis,
    /// And this is what.
    pub(super) keep_alive_with: &'static [u8],
    /// So much silence of the upstream is a failure.
    pub(super) idle: Millis,
    /// The call must end by then.
    pub(super) until: Option<Millis>,
}

impl Pace {
    /// Of a call's stream.
    pub(super) fn of(call: &Call, exchange: &Exchange, patience: &Patience) -> Pace {
        Pace {
            keep_alive: call.variables.keep_alive,
            keep_alive_with: exchange.keep_alive(),
            idle: patience.idle,
            until: patience.stream_until,
        }
    }
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
/// The stream is empty, broken, says an error, or a deadline passed.
pub(super) async fn open(wire: &Wire, reader: Reader, mut relay: Relay) -> Result<Opened, Setback> {
    match first_content(wire, &reader, &mut relay).await {
        Ok(waiting) => Ok(Opened { reader, relay, waiting }),
        Err(setback) => Err(setback.having_used(relay.seen().usage)),
    }
}

/// What came up to the first content.
async fn first_content(wire: &Wire, reader: &Reader, relay: &mut Relay) -> Result<Vec<JsValue>, Setback> {
    let mut waiting = Vec::new();
    loop {
        let promise = reader.read().map_err(|error| wire.setback(&error))?;
        let result: ReadResult =
            settled(&promise).await.map_err(|error| wire.setback(&error))?.unchecked_into();
        let is_over = result.done();
        if is_over {
            // A whole answer in one last event without its blank line is an answer, too.
            let (_, tail) = relay.finish();
            waiting.extend((!tail.is_empty()).then(|| bytes(&tail).into()));
        } else {
            let chunk = result.value();
            match relay.push(&chunk.to_vec()).map_err(too_large)? {
                Pushed::AsIs => waiting.push(chunk.into()),
                Pushed::Bytes(rewritten) => waiting.push(bytes(&rewritten).into()),
                Pushed::Nothing => {}
            }
        }
        if let Some(failure) = relay.seen().failure.as_ref().filter(|failure| !failure.is_after_content) {
            let message = failure.error.message.clone();
            let failure = failure
                .error
                .status
                .map_or(Failure::ErrorEvent, |status| Failure::Status { status, retry_after: None });
            return Err(Setback::failed(failure, message));
        }
        if relay.seen().has_content {
            return Ok(waiting);
        }
        if is_over {
            return Err(Setback::failed(Failure::Empty, ""));
        }
    }
}

/// The client's stream, fed by the upstream's.
pub(super) struct Pump {
    own: Weak<Pump>,
    /// By which `wire.js` knows it.
    slot: usize,
    relay: RefCell<Relay>,
    silence: Rc<Silence>,
    wire: Wire,
    secret: Option<Rc<Secret>>,
    pace: Pace,
    heard: Cell<Millis>,
    said: Cell<Millis>,
    meter: Rc<Meter>,
    /// Stores the answer.
    keeper: Option<Rc<Keeper>>,
    /// All has gone out, and the stream ends once the answer is stored.
    is_keeping: Cell<bool>,
    keeps_bodies: bool,
    shown: Shown,
    /// What is held for the call, where it has limits.
    held: Option<Amounts>,
}

/// What `wire.js` is told of a chunk: it goes as it came, other bytes go in its place; and that it is the last.
const AS_IS: u32 = 1;
const OTHERS: u32 = 2;
const LAST: u32 = 4;

thread_local! {
    static PUMPS: RefCell<Slab<Weak<Pump>>> = const { RefCell::new(Slab::new()) };
    /// Where `wire.js` puts a chunk.
    static ROOM: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// What goes in its place.
    static IN_PLACE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Pump {
    /// The stream to answer with. The meter keeps the pump alive until the call is settled.
    pub(super) fn start(
        opened: Opened,
        call: &Call,
        secret: Option<Rc<Secret>>,
        pace: Pace,
    ) -> ReadableStream {
        let (at, wire, meter) = (now(), &call.wire, &call.meter);
        let pump = Rc::new_cyclic(|own| Pump {
            own: own.clone(),
            slot: PUMPS.with_borrow_mut(|pumps| pumps.insert(own.clone())),
            relay: RefCell::new(opened.relay),
            silence: call.silence.clone(),
            wire: wire.clone(),
            secret,
            pace,
            heard: Cell::new(at),
            said: Cell::new(at),
            meter: meter.clone(),
            keeper: call.keeper.clone(),
            is_keeping: Cell::new(false),
            keeps_bodies: meter.trace(|trace| trace.keeps_bodies()).unwrap_or_default(),
            shown: call.shown(),
            held: call.bound.get(),
        });
        if pump.keeps_bodies {
            for chunk in opened.waiting.iter().filter_map(|chunk| chunk.dyn_ref::<js_sys::Uint8Array>()) {
                meter.trace(|trace| trace.response_body(&chunk.to_vec()));
            }
        }
        let waiting = opened.waiting.iter().collect();
        let is_done = pump.relay.borrow().seen().is_done;
        let slot = slot_number(pump.slot);
        let stream = core(|core| wire.relay(core, slot, &opened.reader, waiting, is_done));
        pump.silence.tell(pump.own.clone());
        pump.silence.ring_by(pump.next_look());
        meter.hold(pump);
        stream
    }

    /// The pump in a slot, while its call is not settled.
    fn of(slot: u32) -> Option<Rc<Pump>> {
        PUMPS.with_borrow(|pumps| pumps.get(slot as usize).and_then(Weak::upgrade))
    }

    /// What becomes of a chunk.
    fn push(&self, chunk: &[u8]) -> u32 {
        if self.is_keeping.get() {
            return 0;
        }
        let at = now();
        self.heard.set(at);
        let outcome = match self.observe(chunk) {
            Ok(Pushed::AsIs) => AS_IS,
            Ok(Pushed::Bytes(others)) => {
                IN_PLACE.set(others);
                OTHERS
            }
            Ok(Pushed::Nothing) => 0,
            Err(sse::TooLarge) => {
                self.on_failure(Failure::Empty, "one of its events is too large");
                return 0;
            }
        };
        if self.relay.borrow().seen().is_done {
            // Some upstreams keep the connection open for a while after that: the client need not wait for them.
            return outcome | LAST;
        }
        if outcome != 0 {
            self.said.set(at);
        }
        outcome
    }

    fn on_end(&self, how: Ended, error: &JsValue) {
        if self.is_over() {
            return;
        }
        match how {
            Ended::Done => self.finish(),
            Ended::Failed => match self.wire.setback(error) {
                Setback::Failed { failure, detail, .. } => self.on_failure(failure, &detail),
                Setback::Invalid(error) => self.on_failure(Failure::Empty, &error.message),
                Setback::ClientLeft => self.client_left(),
            },
            Ended::ClientLeft => self.client_left(),
        }
    }

    /// The client went away: the upstream is told to stop, and what was used so far is settled.
    fn client_left(&self) {
        self.wire.hang_up();
        self.settle(End::ClientClosed, Some("the client closed the connection".into()));
    }

    /// Shows the chunk to the state machine.
    fn observe(&self, chunk: &[u8]) -> Result<Pushed, sse::TooLarge> {
        let mut relay = self.relay.borrow_mut();
        let pushed = relay.push(chunk)?;
        // An upstream's error may repeat the key that it was given.
        let pushed = match (&self.secret, pushed) {
            (Some(secret), Pushed::AsIs) if relay.seen().failure.is_some() => {
                Pushed::Bytes(secret.redact(chunk).into_owned())
            }
            (Some(secret), Pushed::Bytes(bytes)) if relay.seen().failure.is_some() => {
                Pushed::Bytes(secret.redact(&bytes).into_owned())
            }
            (_, pushed) => pushed,
        };
        if self.keeps_bodies {
            let sent = match &pushed {
                Pushed::AsIs => chunk,
                Pushed::Bytes(bytes) => bytes,
                Pushed::Nothing => &[],
            };
            self.meter.trace(|trace| trace.response_body(sent));
        }
        Ok(pushed)
    }

    fn finish(&self) {
        let (end, tail) = self.relay.borrow_mut().finish();
        if !tail.is_empty() {
            self.wire.say(&bytes(&tail));
        }
        match end {
            relay::End::Complete => self.close(End::Done, None),
            // The upstream said so itself, in an event that the client has seen.
            relay::End::Failed => {
                let relay = self.relay.borrow();
                let message = relay.seen().failure.as_ref().map(|failure| failure.error.message.clone());
                let redacted = |message: String| {
                    self.secret.as_ref().map_or(message.clone(), |secret| secret.redact_text(&message))
                };
                let message = message.map(redacted);
                drop(relay);
                self.close(End::UpstreamError, message);
            }
            relay::End::CutShort | relay::End::Empty => {
                self.on_failure(Failure::Connection, "it ended in the middle");
            }
        }
    }

    /// The upstream died after content went out: the client is told in its dialect, and never sees a clean end.
    fn on_failure(&self, failure: Failure, detail: &str) {
        if self.is_over() {
            return;
        }
        let (status, code, end) = match failure {
            Failure::Timeout(_) => (504, "upstream_timeout", End::Timeout),
            _ => (502, "upstream_error", End::UpstreamError),
        };
        let what =
            if failure == Failure::Connection { "broke its stream off".into() } else { failure.describe() };
        let message = format!("the provider {what}");
        let error = StreamError { status: Some(status), code: Some(code.into()), message };
        self.wire.say(&bytes(&self.relay.borrow_mut().error(&error)));
        let message = error.message;
        self.close(end, Some(if detail.is_empty() { message } else { format!("{message}: {detail}") }));
    }

    /// Nothing more goes out, nor is anything expected.
    fn is_over(&self) -> bool {
        self.is_keeping.get() || self.meter.is_settled()
    }

    /// A client that has seen the stream's end finds the answer in the store.
    fn close(&self, end: End, error: Option<String>) {
        let kept = self.keeper.as_ref().zip(self.own.upgrade());
        match kept.and_then(|kept| Some((kept, self.relay.borrow_mut().take_answer()?))) {
            None => self.shut(end, error),
            Some(((keeper, pump), answer)) => {
                self.is_keeping.set(true);
                let keeper_of_task = keeper.clone();
                keeper.behind_the_answer(async move {
                    keeper_of_task.keep(&answer).await;
                    pump.shut(end, error);
                });
            }
        }
    }

    fn shut(&self, end: End, error: Option<String>) {
        self.wire.close();
        // A stream that is complete needs no abort: what the upstream may still hold open ends with the invocation.
        if end != End::Done {
            self.wire.hang_up();
        }
        self.settle(end, error);
    }

    /// Whatever happened, the client has got a 200 and a beginning.
    fn settle(&self, end: End, error: Option<String>) {
        self.silence.end();
        let metered = {
            let mut relay = self.relay.borrow_mut();
            let imprint = relay.take_imprint();
            self.meter.trace(|trace| {
                trace.also_dropped(&relay.dropped());
                if imprint.is_some() {
                    trace.said(imprint);
                }
            });
            let seen = relay.seen();
            let held = self.held.filter(|_| end != End::Done && seen.failure.is_none());
            self.shown.broken_off(seen.usage, seen.output.tokens(), seen.images, held)
        };
        self.meter.settle(Finish { status: 200, end, error, metered });
    }

    /// When silence could matter.
    fn next_look(&self) -> Millis {
        let keep_alive = self.said.get().plus(self.pace.keep_alive);
        let idle = self.heard.get().plus(self.pace.idle);
        keep_alive.min(idle).min(self.pace.until.unwrap_or(Millis(i64::MAX)))
    }

    /// The timer sleeps until silence could matter; then this looks, and has it sleep again.
    pub(super) fn on_silence(&self) {
        if self.is_over() {
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
            self.wire.say(&bytes(self.pace.keep_alive_with));
            self.said.set(at);
        }
        self.silence.ring_by(self.next_look());
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        PUMPS.with_borrow_mut(|pumps| pumps.try_remove(self.slot));
    }
}

/// Room for a chunk of so many bytes: where it begins in memory, until the next call.
#[wasm_bindgen]
#[allow(unreachable_pub, reason = "wasm-bindgen takes only what is public")]
pub fn relay_room(length: u32) -> u32 {
    let length = length as usize;
    ROOM.with_borrow_mut(|room| {
        if room.len() < length {
            room.resize(length, 0);
        }
        address(room)
    })
}

/// Takes the chunk that lies in the room, and says what goes to the client.
#[wasm_bindgen]
#[allow(unreachable_pub, reason = "wasm-bindgen takes only what is public")]
pub fn relay_push(slot: u32, length: u32) -> u32 {
    let Some(pump) = Pump::of(slot) else { return 0 };
    let room = ROOM.take();
    let outcome = pump.push(room.get(..length as usize).unwrap_or_default());
    ROOM.set(room);
    outcome
}

/// Where the bytes begin that go in a chunk's place.
#[wasm_bindgen]
#[allow(unreachable_pub, reason = "wasm-bindgen takes only what is public")]
pub fn relay_others() -> u32 {
    IN_PLACE.with_borrow(|others| address(others))
}

/// How many they are.
#[wasm_bindgen]
#[allow(unreachable_pub, reason = "wasm-bindgen takes only what is public")]
pub fn relay_others_length() -> u32 {
    IN_PLACE.with_borrow(|others| u32::try_from(others.len()).unwrap_or_default())
}

/// A relay has ended, as [`Ended`] numbers it.
#[wasm_bindgen]
#[allow(unreachable_pub, reason = "wasm-bindgen takes only what is public")]
#[allow(clippy::needless_pass_by_value, reason = "an export takes values")]
pub fn relay_ended(slot: u32, how: u32, error: JsValue) {
    if let Some(pump) = Pump::of(slot) {
        pump.on_end(Ended::from(how), &error);
    }
}

/// Where bytes lie in the memory of the wasm, all of which has an address of 32 bits.
fn address(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.as_ptr().addr()).unwrap_or_default()
}

fn bytes(bytes: &[u8]) -> js_sys::Uint8Array {
    js_sys::Uint8Array::from(bytes)
}

fn too_large(error: sse::TooLarge) -> Setback {
    Setback::failed(Failure::Empty, error.to_string())
}

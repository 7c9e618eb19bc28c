//! One call to a model: the steps of `call`, with the platform's I/O between them.

use super::arrival::Arrival;
use super::attempt::{self, Outcome};
use super::clock::now;
use super::relay::Pump;
use super::settings::Compiled;
use super::settlement::Meter;
use super::upstream::Flight;
use crate::auth::gateway;
use crate::call::accept::Accepted;
use crate::call::controls::Controls;
use crate::call::trace::{Finish, Metered, Trace};
use crate::config::variables::Variables;
use crate::dialect::{Dialect, Endpoint};
use crate::error::ApiError;
use crate::log::{Attempt, End};
use crate::time::Millis;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Request, Response};

/// The largest body, bytes.
const MAXIMUM_BODY: usize = 10 * 1024 * 1024;

/// A call whose caller is known and whose body was read.
pub(super) struct Call {
    /// When, as what, and where it came in.
    pub(super) arrival: Arrival,
    /// The Worker's variables.
    pub(super) variables: Rc<Variables>,
    /// The caller's settings.
    pub(super) compiled: Rc<Compiled>,
    /// What was asked of the gateway itself.
    pub(super) controls: Controls,
    /// What was asked of a model.
    pub(super) accepted: Accepted,
    /// The body, for the core.
    pub(super) body: Vec<u8>,
    /// The body, for an upstream that gets it as it came.
    pub(super) raw_body: js_sys::ArrayBuffer,
    /// Settles the call.
    pub(super) meter: Rc<Meter>,
    /// What a client that leaves must stop.
    pub(super) running: Rc<Running>,
}

impl Call {
    /// The key's metadata, with the call's own on top.
    pub(super) fn metadata(&self) -> BTreeMap<String, String> {
        let mut metadata = self.compiled.snapshot.key.metadata.clone();
        metadata.extend(self.controls.metadata.clone());
        metadata
    }
}

/// What is under way upstream for a call.
#[derive(Default)]
pub(super) struct Running {
    /// The attempt, until its stream begins or its answer is there.
    pub(super) attempt: RefCell<Option<Underway>>,
    /// The stream, once it has begun.
    pub(super) pump: RefCell<Option<Weak<Pump>>>,
}

/// Answers a call; whatever goes wrong is an answer too.
pub(super) async fn serve(arrival: Arrival, request: &Request, query: &str, endpoint: Endpoint) -> Response {
    let variables = match arrival.isolate.variables(&arrival.env) {
        Ok(variables) => variables,
        Err(error) => return arrival.refuse(&error, request),
    };
    let headers = request.headers();
    let header = |name: &str| headers.get(name).ok().flatten();
    let compiled = match caller(&arrival, &variables, header, query).await {
        Ok(compiled) => compiled,
        Err(error) => return arrival.refuse(&error, request),
    };
    // From here on the caller is known, and everything that happens is in the log.
    let mut trace = Trace::new(arrival.id.clone(), arrival.at, endpoint, Dialect::Chat.as_str());
    let key = &compiled.snapshot.key;
    trace.caller(&key.user_id, &key.id);
    trace.metadata(&key.metadata);
    let (meter, settlement) = Meter::start(&arrival.isolate, &arrival.env, trace);
    arrival.context.wait_until(settlement);
    match accept(&compiled, &meter, request, header, endpoint).await {
        Ok((controls, accepted, raw_body, body)) => {
            let running = Rc::new(Running::default());
            let call =
                Call { arrival, variables, compiled, controls, accepted, body, raw_body, meter, running };
            respond(call, request).await
        }
        Err(error) => {
            meter.settle(Finish::refused(&error, End::Done));
            arrival.refuse(&error, request)
        }
    }
}

/// Who is calling.
pub(super) async fn caller(
    arrival: &Arrival,
    variables: &Variables,
    header: impl Fn(&str) -> Option<String>,
    query: &str,
) -> Result<Rc<Compiled>, ApiError> {
    let Some(credential) = gateway::credential(header, query) else {
        let message = "no API key was sent; send a gateway key as `Authorization: Bearer <key>`";
        return Err(ApiError::unauthenticated(message));
    };
    let compiled = arrival.settings().of(&credential, variables).await?;
    gateway::usable(&compiled.snapshot.key, arrival.at)
        .map_err(|refusal| ApiError::unauthenticated(refusal.to_string()))?;
    Ok(compiled)
}

/// Reads what is asked for.
async fn accept(
    compiled: &Compiled,
    meter: &Meter,
    request: &Request,
    header: impl Fn(&str) -> Option<String>,
    endpoint: Endpoint,
) -> Result<(Controls, Accepted, js_sys::ArrayBuffer, Vec<u8>), ApiError> {
    let controls = Controls::read(&header)?;
    meter.trace(|trace| trace.metadata(&controls.metadata));
    let too_large = || ApiError::new(413, "request_too_large", "the body may hold at most 10 MB");
    if header("content-length")
        .and_then(|length| length.parse::<usize>().ok())
        .is_some_and(|length| length > MAXIMUM_BODY)
    {
        return Err(too_large());
    }
    let unreadable = |_| ApiError::new(400, "unreadable_body", "the body could not be read");
    let promise = request.array_buffer().map_err(unreadable)?;
    let raw_body: js_sys::ArrayBuffer = JsFuture::from(promise).await.map_err(unreadable)?.unchecked_into();
    if raw_body.byte_length() as usize > MAXIMUM_BODY {
        return Err(too_large());
    }
    let body = js_sys::Uint8Array::new(&raw_body).to_vec();
    let key = &compiled.snapshot.key;
    if key.log_bodies && !controls.without_bodies {
        meter.trace(|trace| trace.keep_bodies(&body));
    }
    let accepted = Accepted::read(endpoint, &body, key)?;
    meter.trace(|trace| trace.asked(&accepted.model, accepted.stream()));
    Ok((controls, accepted, raw_body, body))
}

/// Tries the candidates until one answers, while the client is there.
async fn respond(call: Call, request: &Request) -> Response {
    let watch = Departure::watch(&call, request);
    let outcome = attempt::run(&call, request).await;
    let answer = match outcome {
        Outcome::Answered(response) => response,
        Outcome::Refused { response, finish } => {
            call.meter.settle(finish);
            response
        }
        Outcome::Failed { error, end, attempts } => {
            call.meter.settle(Finish::refused(&error, end));
            let head = call.arrival.head(request);
            head.set("x-edgeway-attempts", &attempts.to_string());
            call.arrival.refuse_with(&head, &error)
        }
        // Nobody is there to read it.
        Outcome::ClientLeft => call.arrival.head(request).empty(204),
    };
    watch.keep_while_streaming(&call);
    answer
}

/// An attempt of which nothing has come back yet.
pub(super) struct Underway {
    /// Aborts it.
    pub(super) flight: Rc<Flight>,
    /// What its entry in the log begins with.
    pub(super) entry: Attempt,
    /// The kind of its provider.
    pub(super) kind: &'static str,
    /// When it was sent.
    pub(super) sent: Millis,
}

impl Underway {
    /// The client does not wait for it.
    fn abandon(self, trace: &mut Trace) {
        self.flight.client_left();
        let error = Some("the client closed the connection".to_owned());
        let entry = Attempt { error, latency_ms: now().since(self.sent).0, ..self.entry };
        trace.attempt(entry, self.kind, None);
    }
}

/// Listens for the client's leaving.
struct Departure {
    signal: web_sys::AbortSignal,
    listener: Closure<dyn FnMut()>,
}

impl Departure {
    /// `abort` of the request's signal is the only word of a client that leaves; a stream's `cancel` may never come.
    fn watch(call: &Call, request: &Request) -> Departure {
        let (running, meter) = (call.running.clone(), Rc::downgrade(&call.meter));
        let input = call.accepted.input_tokens();
        let listener = Closure::new(move || {
            let pump = running.pump.borrow().as_ref().and_then(Weak::upgrade);
            if let Some(pump) = pump {
                return pump.client_left();
            }
            let underway = running.attempt.borrow_mut().take();
            let Some(meter) = meter.upgrade() else { return };
            // An upstream that was asked has the input; what it wrote so far, nobody knows.
            let metered = if underway.is_some() { Metered::estimated(input, 0) } else { Metered::default() };
            meter.trace(|trace| underway.map(|underway| underway.abandon(trace)));
            meter.settle(Finish::client_left(metered));
        });
        let signal = request.signal();
        let _ = signal.add_event_listener_with_callback("abort", listener.as_ref().unchecked_ref());
        Departure { signal, listener }
    }

    /// A stream goes on after the answer: the meter keeps the listener until the call is settled.
    fn keep_while_streaming(self, call: &Call) {
        if !call.meter.is_settled() {
            call.meter.hold(Rc::new(self));
        }
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        let _ =
            self.signal.remove_event_listener_with_callback("abort", self.listener.as_ref().unchecked_ref());
    }
}

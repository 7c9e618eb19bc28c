//! One call to a model: the steps of `call`, with the platform's I/O between them.

use super::arrival::Arrival;
use super::attempt::{self, Outcome};
use super::clock::now;
use super::replay;
use super::response::Head;
use super::settings::Compiled;
use super::settlement::Meter;
use super::silence::{self, Silence};
use super::stored::{self, Keeper};
use super::upload::{self, Upload};
use super::wire::{self, Wire};
use crate::auth::gateway;
use crate::call::accept::Accepted;
use crate::call::controls::Controls;
use crate::call::limits::{self, Grant, Held};
use crate::call::metering::Shown;
use crate::call::trace::{Finish, Metered, Trace};
use crate::call::translation::InPath;
use crate::config::Key;
use crate::config::variables::Variables;
use crate::dialect::Endpoint;
use crate::error::ApiError;
use crate::limit::Amounts;
use crate::log::End;
use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;
use std::pin::pin;
use std::rc::Rc;
use web_sys::{Request, Response};

/// The largest body, bytes.
const MAXIMUM_BODY: usize = 10 * 1024 * 1024;

/// A call whose caller is known and whose body was read.
pub(super) struct Call {
    /// When, as what, and where it came in.
    pub(super) arrival: Rc<Arrival>,
    /// The Worker's variables.
    pub(super) variables: Rc<Variables>,
    /// The caller's settings.
    pub(super) compiled: Rc<Compiled>,
    /// What was asked of the gateway itself.
    pub(super) controls: Controls,
    /// What was asked of a model.
    pub(super) accepted: Accepted,
    /// The body, for the core.
    pub(super) body: Rc<Vec<u8>>,
    /// The body, for an upstream that gets it as it came.
    pub(super) raw_body: js_sys::ArrayBuffer,
    /// The body instead, where it is a form with a file that is still on its way.
    pub(super) upload: Option<Rc<Upload>>,
    /// Stores the answer, where it is to be.
    pub(super) keeper: Option<Rc<Keeper>>,
    /// Settles the call.
    pub(super) meter: Rc<Meter>,
    /// To the client and the upstream.
    pub(super) wire: Wire,
    /// How long its client has heard nothing, where it is answered in events.
    pub(super) silence: Rc<Silence>,
    /// What its limits leave it, once they were asked for.
    pub(super) granted: OnceCell<Grant>,
    /// The most that an attempt of it can use, where it has limits.
    pub(super) bound: Cell<Option<Amounts>>,
    /// What is held for it and its parts, where it has limits.
    pub(super) held: OnceCell<Rc<Held>>,
    /// What of that is for its own failed attempts.
    pub(super) in_vain: Cell<Amounts>,
    /// Whose stored and cached answers it may get; empty where it wants none.
    pub(super) owner: String,
    /// The copy that is made of its answer, where one is.
    pub(super) copy: OnceCell<replay::AnswerCopy>,
    /// The cache was asked, and had nothing.
    pub(super) is_miss: Cell<bool>,
}

impl Call {
    /// The key's metadata, with the call's own on top.
    pub(super) fn metadata(&self) -> BTreeMap<String, String> {
        let mut metadata = self.compiled.snapshot.key.metadata.clone();
        metadata.extend(self.controls.metadata.clone());
        metadata
    }

    /// A call for one of the answers that this one asks for.
    pub(super) fn part(&self, answer: usize) -> Call {
        let wire = self.wire.part();
        let answers = self.accepted.answers();
        let granted = OnceCell::new();
        if let Some(Grant { cap, held, .. }) = self.granted.get() {
            let _ = granted.set(Grant { cap: *cap, held: *held, ..Grant::default() }); // it is empty
        }
        let share = |bound: Amounts| Amounts {
            input_tokens: bound.input_tokens / answers.max(1),
            output_tokens: bound.output_tokens / answers.max(1),
            ..bound
        };
        Call {
            arrival: self.arrival.clone(),
            variables: self.variables.clone(),
            compiled: self.compiled.clone(),
            controls: Controls::default(),
            accepted: self.accepted.part(answer),
            body: self.body.clone(),
            raw_body: self.raw_body.clone(),
            upload: None,
            keeper: None,
            meter: self.meter.part(&wire, self.accepted.endpoint),
            wire,
            silence: Rc::default(),
            granted,
            bound: Cell::new(self.bound.get().map(share)),
            held: self.held.clone(),
            in_vain: Cell::default(),
            owner: String::new(),
            copy: OnceCell::new(),
            is_miss: Cell::new(false),
        }
    }

    /// Whether spans are made of it.
    pub(super) fn is_observed(&self) -> bool {
        self.variables.telemetry.is_some()
    }

    /// Keeps what the limits leave the call.
    pub(super) fn grant(&self, grant: Grant) {
        let _ = self.granted.set(grant); // once a call
    }

    /// The headers that every answer has.
    pub(super) fn head(&self) -> Head {
        let head = self.arrival.head();
        for (name, value) in self.granted.get().iter().flat_map(|grant| &grant.headers) {
            head.set(name, value);
        }
        if self.is_miss.get() {
            head.set("x-edgeway-cache", "miss");
        }
        head
    }

    /// What the request shows of what it uses: of an upload, as far as that has come.
    pub(super) fn shown(&self) -> Shown {
        let shown = Shown::of(&self.accepted.asked);
        match &self.upload {
            Some(upload) => Shown { beside: upload.beside(self.accepted.endpoint), ..shown },
            None => shown,
        }
    }

    /// What a call has used that an upstream took and nobody saw the end of.
    pub(super) fn unknown(&self) -> Metered {
        self.shown().unanswered(self.bound.get())
    }
}

/// Answers a call; whatever goes wrong is an answer too.
pub(super) async fn serve(
    arrival: Rc<Arrival>,
    request: &Request,
    query: &str,
    endpoint: Endpoint,
    in_path: InPath,
) -> Response {
    let compiled = match arrival.isolate.variables(&arrival.env) {
        Ok(variables) => caller(&arrival, &variables, query).await,
        Err(error) => Err(error),
    };
    match compiled {
        Ok(compiled) => serve_as(arrival, request, query, endpoint, in_path, compiled).await,
        Err(error) => arrival.refuse(&error),
    }
}

/// The same, for a caller who is known.
pub(super) async fn serve_as(
    arrival: Rc<Arrival>,
    request: &Request,
    query: &str,
    endpoint: Endpoint,
    in_path: InPath,
    compiled: Rc<Compiled>,
) -> Response {
    let call = match take(arrival, request, query, endpoint, in_path, compiled).await {
        Ok(call) => call,
        Err(response) => return response,
    };
    // What an async function is given it keeps twice, so a future is pinned or made where it is awaited.
    let answer = pin!(replay::once(&call, query, async || respond(&call).await));
    let response = silence::broken(&call, answer).await;
    if let Some(upload) = call.upload.as_ref().filter(|_| response.status() >= 400) {
        upload.drain().await;
    }
    response
}

/// The call, if it is one. From here on its caller is known, and everything that happens is in the log.
async fn take(
    arrival: Rc<Arrival>,
    request: &Request,
    query: &str,
    endpoint: Endpoint,
    in_path: InPath,
    compiled: Rc<Compiled>,
) -> Result<Call, Response> {
    let variables = match arrival.isolate.variables(&arrival.env) {
        Ok(variables) => variables,
        Err(error) => return Err(arrival.refuse(&error)),
    };
    let wire = Wire::new(request, arrival.context.as_ref());
    let key = &compiled.snapshot.key;
    let meter = Meter::start(&arrival, &wire, traced(&arrival, &variables, key, endpoint));
    let owner = match endpoint {
        Endpoint::Responses => stored::owner(&arrival, &variables, key, query),
        _ if replay::may_be_cached(&arrival, key) => stored::owner(&arrival, &variables, key, query),
        _ => String::new(),
    };
    match accept(&arrival, &compiled, &meter, request, endpoint, in_path, &owner).await {
        Ok(Taken { controls, accepted, raw_body, body, upload }) => {
            let body = Rc::new(body);
            Ok(Call {
                keeper: Keeper::of(&arrival, &accepted, &body, &owner, key),
                arrival,
                variables,
                compiled,
                controls,
                accepted,
                body,
                raw_body,
                upload,
                meter,
                wire,
                silence: Rc::default(),
                granted: OnceCell::new(),
                bound: Cell::new(None),
                held: OnceCell::new(),
                in_vain: Cell::default(),
                owner,
                copy: OnceCell::new(),
                is_miss: Cell::new(false),
            })
        }
        // A client that leaves while it sends its body has nothing coming.
        Err(_) if wire.left() => {
            meter.settle(Finish::client_left(Metered::default()));
            Err(arrival.head().empty(204))
        }
        Err(error) => {
            meter.settle(Finish::refused(&error, End::Done));
            Err(arrival.refuse(&error))
        }
    }
}

/// What is known of a call before its body is read.
fn traced(arrival: &Arrival, variables: &Variables, key: &Key, endpoint: Endpoint) -> Trace {
    let mut trace = Trace::new(arrival.id.clone(), arrival.at, endpoint);
    trace.caller(&key.user_id, &key.id);
    trace.metadata(&key.metadata);
    if variables.telemetry.is_some() {
        trace.observe(arrival.headers.get("traceparent"));
    }
    trace
}

/// Who is calling.
pub(super) async fn caller(
    arrival: &Arrival,
    variables: &Variables,
    query: &str,
) -> Result<Rc<Compiled>, ApiError> {
    let Some(credential) = gateway::credential(|name| arrival.headers.get(name), query) else {
        let message = "no API key was sent; send a gateway key as `Authorization: Bearer <key>`";
        return Err(ApiError::unauthenticated(message));
    };
    let compiled = arrival.settings().of(&credential, variables).await?;
    gateway::usable(&compiled.snapshot.key, arrival.at)
        .map_err(|refusal| ApiError::unauthenticated(refusal.to_string()))?;
    Ok(compiled)
}

/// The body, if it is not too large.
pub(super) async fn body(arrival: &Arrival, request: &Request) -> Result<js_sys::ArrayBuffer, ApiError> {
    let announced = arrival.headers.get("content-length");
    wire::read_body(request, announced, MAXIMUM_BODY)
        .await
        .map_err(|_| ApiError::new(400, "unreadable_body", "the body could not be read"))?
        .ok_or_else(|| ApiError::new(413, "request_too_large", "the body may hold at most 10 MB"))
}

/// What is asked for, and its body.
struct Taken {
    controls: Controls,
    accepted: Accepted,
    raw_body: js_sys::ArrayBuffer,
    body: Vec<u8>,
    upload: Option<Rc<Upload>>,
}

/// Reads what is asked for.
async fn accept(
    arrival: &Arrival,
    compiled: &Compiled,
    meter: &Meter,
    request: &Request,
    endpoint: Endpoint,
    in_path: InPath,
    owner: &str,
) -> Result<Taken, ApiError> {
    let controls = Controls::read(|name| arrival.headers.get(name))?;
    meter.trace(|trace| trace.metadata(&controls.metadata));
    let key = &compiled.snapshot.key;
    if endpoint.takes_files() {
        let is_hashed = controls.idempotency_key.is_some();
        if let Some((accepted, upload)) = upload::accept(arrival, request, endpoint, key, is_hashed).await? {
            meter.trace(|trace| trace.asked(&accepted.model, accepted.asked.stream));
            limits::check_input(key, &accepted)?;
            let (raw_body, body) = (js_sys::ArrayBuffer::new(0), Vec::new());
            return Ok(Taken { controls, accepted, raw_body, body, upload: Some(upload) });
        }
        // Images may also be edited by their addresses.
        if endpoint != Endpoint::ImageEdits {
            let message = "send a form: `content-type: multipart/form-data`";
            return Err(ApiError::new(415, "unsupported_media_type", message));
        }
    }
    let raw_body = body(arrival, request).await?;
    let body = wire::bytes(&raw_body);
    if key.log_bodies && !controls.without_bodies {
        meter.trace(|trace| trace.keep_bodies(&body));
    }
    let mut accepted = Accepted::read(endpoint, &body, in_path, key)?;
    meter.trace(|trace| trace.asked(&accepted.model, accepted.asked.stream));
    if let Some(history) = stored::history(arrival, accepted.as_responses(), &body, owner).await? {
        accepted.continue_from(history);
    }
    limits::check_input(key, &accepted)?;
    Ok(Taken { controls, accepted, raw_body, body, upload: None })
}

/// Tries the candidates until one answers, while the client is there.
async fn respond(call: &Call) -> Response {
    match attempt::run(call).await {
        Outcome::Answered(response) => response,
        Outcome::Refused { response, finish } => {
            call.meter.settle(finish);
            response
        }
        Outcome::Failed { error, end, attempts, waited } => {
            let head = call.head();
            head.set("x-edgeway-attempts", &attempts.to_string());
            head.set("x-edgeway-overhead-ms", &now().since(call.arrival.at).since(waited).0.to_string());
            let target = call
                .meter
                .trace(|trace| trace.last_target().map(|(one, other)| (one.to_owned(), other.to_owned())));
            if let Some((provider, model)) = target.flatten() {
                head.set("x-edgeway-provider", &provider);
                head.set("x-edgeway-model", &model);
            }
            call.meter.settle(Finish::refused(&error, end));
            call.arrival.refuse_with(&head, &error)
        }
        // Nobody is there to read it.
        Outcome::ClientLeft { was_sent } => {
            let metered = if was_sent { call.unknown() } else { Metered::default() };
            call.meter.settle(Finish::client_left(metered));
            call.arrival.head().empty(204)
        }
    }
}

//! One attempt on its way: the body that its target gets, the exchange, and what comes back for the client.

mod destination;

use super::clock::now;
use super::data_plane::Call;
use super::demo;
use super::isolate::PriceKey;
use super::relay::{self, Pace, Pump};
use super::response::Head;
use super::settings::{Compiled, Destination};
use super::task::settled;
use super::upstream::Setback;
use super::wire::{self, Limits, Reply, Wants};
use crate::call::accept::Prepared;
use crate::call::patience::Patience;
use crate::call::refusal;
use crate::call::trace::{Finish, Metered};
use crate::call::translation::{Answered, Exchange};
use crate::config::Provider;
use crate::dialect::error::read_error;
use crate::dialect::imprint::Imprint;
use crate::dialect::relay::Relay;
use crate::dialect::{Dialect, Endpoint, translate};
use crate::error::ApiError;
use crate::log;
use crate::provider::table::{Auth, Kind};
use crate::provider::vertex;
use crate::route::attempts::Attempt;
use crate::route::retry::Failure;
use crate::route::retry_after;
use crate::secret::Secret;
use crate::time::Millis;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{ReadableStream, Response};

/// The most of a failed attempt's body that is looked at and handed on, bytes.
const ERROR_BODY: usize = 64 * 1024;

/// An attempt.
pub(super) struct Sending<'a> {
    /// The call.
    pub(super) call: &'a Call,
    /// The settings, with keys that the caller brought.
    pub(super) compiled: &'a Compiled,
    /// To whom.
    pub(super) provider: &'a Provider,
    /// Its row of the provider table.
    pub(super) kind: &'static Kind,
    /// What it knows the model by.
    pub(super) model: &'a str,
    /// What the target is spoken to in.
    pub(super) upstream: Dialect,
    /// The endpoint of the target that is asked.
    pub(super) at: Cell<Endpoint>,
    /// What could not be carried there or back, by the client's names.
    pub(super) dropped: RefCell<Vec<String>>,
    /// Which attempt this is, from 1.
    pub(super) count: usize,
    /// Time spent waiting for upstreams and between attempts, before this one.
    pub(super) waited: Millis,
    /// When.
    pub(super) sent: Millis,
}

impl Sending<'_> {
    /// Sends once. Whatever comes of it is in the call's trace.
    pub(super) async fn send(
        &self,
        candidate: usize,
        attempt: Attempt,
        patience: &Patience,
    ) -> Result<Response, Setback> {
        // A price that is not known yet is read while the upstream thinks.
        let settings = self.call.arrival.settings();
        let reached = async {
            match self.reach_with_key(candidate, attempt, patience).await {
                (Err(setback), _) if self.only_chats(&setback) && !self.gets_one() => {
                    self.at.set(Endpoint::of_dialect(self.upstream));
                    let reached = self.reach_with_key(candidate, attempt, patience).await;
                    if reached.0.is_ok() {
                        self.compiled.learn_only_chats(candidate, self.model);
                    }
                    reached
                }
                reached => reached,
            }
        };
        let ((mut result, secret), prices) = futures_util::join!(reached, settings.price(self.price_key()));
        if let Err(Setback::Invalid(error)) = result {
            return Err(Setback::Invalid(error)); // nothing was sent
        }
        if let (Err(Setback::Failed { detail, .. }), Some(secret)) = (&mut result, &secret) {
            *detail = secret.redact_text(detail);
        }
        let (status, error) = match &result {
            Ok(reached) => (Some(reached.status()), None),
            Err(Setback::ClientLeft) => (None, Some("the client closed the connection".to_owned())),
            Err(Setback::Invalid(error)) => (None, Some(error.message.clone())),
            Err(Setback::Failed { failure, detail, .. }) => {
                (failure_status(*failure), Some(describe(*failure, detail)))
            }
        };
        let used = match &result {
            // Whoever was too slow may have gone on with it.
            Err(Setback::Failed { failure: Failure::Timeout(_), .. }) => Some(self.call.unknown()),
            Err(Setback::Failed { used, .. }) => used.as_deref().copied().map(Metered::from),
            _ => None,
        };
        let key = attempt.key.and_then(|key| self.provider.keys.get(key));
        let entry = log::Attempt {
            provider: self.provider.name.clone(),
            model: self.model.to_owned(),
            key_hint: key.map(|key| key.hint.clone()),
            status,
            error,
            latency_ms: now().since(self.sent).0,
            used: None,
        };
        self.call.meter.trace(|trace| {
            trace.attempt(entry, self.kind.name, prices);
            trace.sent(self.sent);
            if let Some(used) = &used {
                trace.spent(used);
            }
        });
        match result? {
            Reached::Whole(whole) => {
                if let Some(keeper) = &self.call.keeper {
                    keeper.keep(&whole.body).await;
                }
                Ok(self.answer_whole(&whole))
            }
            Reached::Body(body) => Ok(self.answer_body(&body)),
            Reached::Stream(opened, exchange) => Ok(self.answer_stream(opened, &exchange, secret, patience)),
        }
    }

    /// By the key, or by what it was exchanged for: a token that is refused before its time is asked for once more.
    async fn reach_with_key(
        &self,
        candidate: usize,
        attempt: Attempt,
        patience: &Patience,
    ) -> (Result<Reached, Setback>, Option<Rc<Secret>>) {
        let mut refused: Option<Rc<Secret>> = None;
        loop {
            let destination = self.exchanged(candidate, attempt, refused.as_deref()).await;
            let destination = match destination {
                Ok(Some(destination)) => Ok(destination),
                Ok(None) => self.destination(candidate, attempt),
                Err(setback) => Err(setback),
            };
            let destination = match destination {
                Ok(destination) => destination,
                Err(setback) => return (Err(setback), None),
            };
            let secret = destination.secret().cloned();
            let result = self.reach(&destination, patience).await;
            let is_refused =
                matches!(result, Err(Setback::Failed { failure: Failure::Status { status: 401, .. }, .. }));
            let is_token = matches!(self.kind.auth_in(self.upstream), Auth::Exchanged(_));
            if !(is_refused && is_token && refused.is_none()) {
                return (result, secret);
            }
            refused = secret;
        }
    }

    /// It was asked for a text completion, and has no such endpoint, or not for this model.
    fn only_chats(&self, setback: &Setback) -> bool {
        let status = match setback {
            Setback::Failed { failure: Failure::Status { status, .. }, .. } => *status,
            _ => return false,
        };
        self.at.get() == Endpoint::Completions && matches!(status, 404 | 405 | 501)
    }

    /// It gives only one of the answers that are asked for, where it has conversations.
    fn gets_one(&self) -> bool {
        self.call.accepted.gets_one(Endpoint::of_dialect(self.upstream))
    }

    /// It gives only one of the answers that are asked for, as it says now that it was asked for all of them.
    pub(super) fn wants_parts(&self, setback: &Setback) -> bool {
        let Setback::Failed { failure: Failure::Status { status: 400, .. }, detail, .. } = setback else {
            return self.only_chats(setback) && self.gets_one();
        };
        // "Multiple candidates is not enabled for this model", "Only one candidate can be specified"
        let at = self.at.get();
        at == Endpoint::GenerateContent && self.call.accepted.may_get_one(at) && detail.contains("candidate")
    }

    fn price_key(&self) -> PriceKey {
        PriceKey {
            user_id: self.call.compiled.snapshot.key.user_id.clone(),
            kind: self.provider.kind.clone(),
            model: self.model.to_owned(),
        }
    }

    /// As far as the first content of a stream, or the end of any other answer.
    async fn reach(&self, destination: &Destination, patience: &Patience) -> Result<Reached, Setback> {
        let (call, wire) = (self.call, &self.call.wire);
        let most = self.model_maximum().await;
        let Prepared { body, dropped, exchange } = self.prepare(most)?;
        self.note(dropped);
        let endpoint = self.at.get();
        let stream = call.accepted.asked.stream;
        let reply = match destination {
            Destination::Demo => demo::answer(endpoint, &body, stream, &call.arrival.id)?,
            Destination::Remote(remote) => {
                let own = self.own_remote(remote, endpoint)?;
                let signed = self.signed(own.as_ref().unwrap_or(remote), &body);
                let own = signed.or(own);
                let body: JsValue = match (&call.upload, &body) {
                    (Some(upload), _) => {
                        let splice = call.accepted.splice(self.model);
                        let splice = splice.map_err(|error| Setback::Invalid(error.into()))?;
                        upload.open(splice.as_ref(), wire).into()
                    }
                    (None, Cow::Borrowed(_)) => call.raw_body.clone().into(),
                    (None, Cow::Owned(bytes)) => js_sys::Uint8Array::from(bytes.as_slice()).into(),
                };
                let wants = match stream {
                    _ if exchange.may_be_bytes() => Wants::Anything,
                    true => Wants::Events,
                    false => Wants::Whole,
                };
                // Nobody can answer a form before its client has sent it.
                let headers = if call.upload.is_some() { patience.left(self.sent) } else { patience.headers };
                let limits = Limits {
                    headers: patience.within(headers, self.sent),
                    first_content: patience.within(patience.first_content, self.sent),
                    total: patience.left(self.sent),
                };
                let reply =
                    settled(&wire.exchange(own.as_ref().unwrap_or(remote), &body, wants, limits)).await;
                self.uploaded(reply.map_err(|error| wire.setback(&error)))?.unchecked_into::<Reply>()
            }
        };
        if let Some(stream) = reply.body() {
            let metered = call.shown().metered(None, 0, 0);
            let (status, content_type) = (reply.status(), reply.content_type());
            return Ok(Reached::Body(Body { status, content_type, stream, metered }));
        }
        if let Some(reader) = reply.reader() {
            let relay = Relay::new(exchange.watch()).observed(call.is_observed());
            let opened = relay::open(wire, reader, relay).await?;
            wire.arrived();
            return Ok(Reached::Stream(opened, exchange));
        }
        let (status, content_type) = (reply.status(), reply.content_type());
        let Some(buffer) = reply.buffer() else { return Err(Setback::failed(Failure::Empty, "")) };
        let body = wire::bytes(&buffer);
        if !(200..300).contains(&status) {
            return Err(self.refused(destination, &reply, &body, &exchange));
        }
        let no_answer = |error: &dyn std::fmt::Display| {
            Setback::failed(Failure::Empty, format!("not an answer: {error}"))
        };
        if call.silence.is_broken() {
            return Err(no_answer(&"it came in one piece, and the client reads a stream"));
        }
        let read = exchange.read(&body).map_err(|error| no_answer(&error))?;
        if let Some(error) = read.error {
            let status = error.status.map(|status| Failure::Status { status, retry_after: None });
            let setback = Setback::failed(status.unwrap_or(Failure::ErrorEvent), error.message);
            return Err(setback.having_used(read.usage));
        }
        let metered = call.shown().metered(read.usage, read.output.tokens(), read.images);
        let said = call.is_observed().then(|| Imprint::of(&body));
        let (body, buffer, content_type) = match exchange.answer(&body).map_err(|error| no_answer(&error))? {
            None => (body, buffer.into(), content_type),
            Some(Answered { body, dropped }) => {
                self.note(dropped);
                let buffer = js_sys::Uint8Array::from(body.as_slice()).into();
                (body, buffer, "application/json".to_owned())
            }
        };
        Ok(Reached::Whole(Whole { status, content_type, buffer, body, metered, said }))
    }

    /// What came of an exchange, where its body was an upload: that may have failed by itself, which is nobody's fault here.
    fn uploaded(&self, reply: Result<JsValue, Setback>) -> Result<JsValue, Setback> {
        let Some(upload) = &self.call.upload else { return reply };
        match upload.refusal() {
            Some(_) if upload.is_broken() => return Err(Setback::ClientLeft),
            Some(error) => return Err(Setback::Invalid(error)),
            None => {}
        }
        if reply.as_ref().is_ok_and(|reply| reply.unchecked_ref::<Reply>().status() < 300) {
            upload.release();
        }
        reply
    }

    /// The most that the model can write, as far as the catalogue knows: asked for only where a body is said anew, since
    /// another dialect's client (Claude Code) names a maximum that suits the models of its own provider.
    async fn model_maximum(&self) -> Option<u64> {
        if self.call.accepted.endpoint.dialect() == self.at.get().dialect() {
            return None;
        }
        let listed = self.call.arrival.settings().listed(self.price_key()).await;
        listed.and_then(|listed| listed.max_output_tokens)
    }

    /// The body for this target, whose model can write so many tokens, where that is known.
    fn prepare(&self, model_maximum: Option<u64>) -> Result<Prepared<'_>, Setback> {
        let call = self.call;
        let grant = call.granted.get();
        let target = translate::Target {
            model: self.model,
            max_output_tokens: grant
                .and_then(|grant| grant.held.or(grant.cap))
                .into_iter()
                .chain(model_maximum)
                .min(),
            is_openai: self.kind.quirks.answers_in_kind,
            stream_options: self.kind.quirks.stream_options,
            answer: call.accepted.answer,
        };
        let reply = || translate::Reply {
            id: call.arrival.id.clone(),
            created: call.arrival.at.0 / 1000,
            model: self.model.to_owned(),
            ..translate::Reply::default()
        };
        let key = &call.compiled.snapshot.key;
        let at = self.at.get();
        let prepared = call.accepted.prepare(&call.body, at, &target, key, reply);
        let mut prepared = prepared.map_err(|error| Setback::Invalid(error.into()))?;
        let most = grant.and_then(|grant| grant.most(prepared.exchange.translates()));
        if let Some(most) = most.filter(|_| at.generates()) {
            // The older endpoint knows the older name only.
            let is_newest = target.is_openai && at != Endpoint::Completions;
            prepared = prepared.with_maximum(self.upstream, most, is_newest);
        }
        if at == Endpoint::Messages && self.kind.publisher(self.upstream).is_some() {
            prepared.body = Cow::Owned(vertex::messages_body(&prepared.body));
        }
        match prepared.dropped.first() {
            Some(first) if call.controls.strict => {
                let all = prepared.dropped.join(", ");
                let message =
                    format!("{} cannot carry {all}, and x-edgeway-strict is true", self.provider.name);
                let error = ApiError::new(400, "unsupported_parameter", message);
                Err(Setback::Invalid(ApiError { field: Some(first.clone()), ..error }))
            }
            _ => Ok(prepared),
        }
    }

    /// The client is told what was left out, and so is the log.
    fn note(&self, dropped: Vec<String>) {
        if !dropped.is_empty() {
            self.dropped.borrow_mut().extend(dropped);
            self.call.meter.trace(|trace| trace.dropped(&self.dropped.borrow()));
        }
    }

    /// An answer that is a refusal: understood, and kept for the case that it is the caller's own fault.
    fn refused(&self, destination: &Destination, reply: &Reply, body: &[u8], exchange: &Exchange) -> Setback {
        let status = reply.status();
        let body = body.get(..ERROR_BODY).unwrap_or(body);
        let body = destination.secret().map_or(Cow::Borrowed(body), |secret| secret.redact(body));
        let headers = reply.response().headers();
        let retry_after = retry_after::parse(|name| headers.get(name).ok().flatten(), &body, now());
        let mut error = read_error(&body);
        // AWS has it in a header, with an address behind a colon.
        let kind = headers.get("x-amzn-errortype").ok().flatten();
        error.code = error.code.or_else(|| Some(kind?.split(':').next()?.to_owned()));
        let failure = refusal::failure(status, retry_after, &error);
        let detail = error.message.clone();
        let head = self.head();
        let (content_type, body) = match exchange.translates() {
            false => (reply.content_type(), body),
            true => {
                let words = if detail.is_empty() { failure.describe() } else { detail.clone() };
                let error = ApiError::new(status, "upstream_refused", words);
                let body = error.dialect_body(self.call.arrival.dialect(), &self.call.arrival.id).to_string();
                ("application/json".to_owned(), Cow::Owned(body.into_bytes()))
            }
        };
        head.set("content-type", &content_type);
        let answer = (!body.is_empty()).then(|| head.buffer(status, &js_sys::Uint8Array::from(&*body)));
        let answer = answer.map(|answer| (answer, body.into_owned()));
        Setback::Failed { failure, detail, answer, used: None }
    }

    fn answer_whole(&self, whole: &Whole) -> Response {
        let head = self.head();
        let content_type = Some(whole.content_type.as_str()).filter(|kind| !kind.is_empty());
        head.set("content-type", content_type.unwrap_or("application/json"));
        let meter = &self.call.meter;
        meter.trace(|trace| {
            head.cost(trace.cost(&whole.metered));
            trace.said(whole.said.clone());
            trace.response_body(&whole.body);
            trace.first_content(now());
        });
        meter.settle(Finish::answered(whole.status, whole.metered));
        head.buffer(whole.status, &whole.buffer)
    }

    /// Bytes that nobody reads on their way: the call is settled with what is known now.
    fn answer_body(&self, body: &Body) -> Response {
        let head = self.head();
        head.set("content-type", &body.content_type);
        let meter = &self.call.meter;
        meter.trace(|trace| {
            head.cost(trace.cost(&body.metered));
            trace.first_content(now());
        });
        meter.settle(Finish::answered(body.status, body.metered));
        head.stream(body.status, &body.stream)
    }

    fn answer_stream(
        &self,
        opened: relay::Opened,
        exchange: &Exchange,
        secret: Option<Rc<Secret>>,
        patience: &Patience,
    ) -> Response {
        let call = self.call;
        call.meter.trace(|trace| trace.first_content(now()));
        let head = self.head();
        head.set("content-type", exchange.stream_type());
        head.set("cache-control", "no-cache");
        let stream = Pump::start(opened, call, secret, Pace::of(call, exchange, patience));
        head.stream(200, &stream)
    }

    fn head(&self) -> Head {
        let head = self.call.head();
        head.set("x-edgeway-provider", &self.provider.name);
        head.set("x-edgeway-model", self.model);
        head.set("x-edgeway-attempts", &self.count.to_string());
        let dropped = self.dropped.borrow();
        if !dropped.is_empty() {
            head.set("x-edgeway-dropped-params", &dropped.join(", "));
        }
        let at = now();
        let (total, upstream) = (at.since(self.call.arrival.at), at.since(self.sent).plus(self.waited));
        head.set("x-edgeway-overhead-ms", &total.since(upstream).0.to_string());
        head
    }
}

/// What an attempt reached.
enum Reached {
    Whole(Whole),
    Body(Body),
    Stream(relay::Opened, Exchange),
}

impl Reached {
    fn status(&self) -> u16 {
        match self {
            Reached::Whole(whole) => whole.status,
            Reached::Body(body) => body.status,
            Reached::Stream(..) => 200,
        }
    }
}

/// An answer that is handed on unread.
struct Body {
    status: u16,
    content_type: String,
    stream: ReadableStream,
    metered: Metered,
}

/// An answer in one piece.
struct Whole {
    status: u16,
    content_type: String,
    buffer: js_sys::Object,
    body: Vec<u8>,
    metered: Metered,
    said: Option<Imprint>,
}

fn failure_status(failure: Failure) -> Option<u16> {
    match failure {
        Failure::Status { status, .. } => Some(status),
        Failure::Forbidden => Some(403),
        _ => None,
    }
}

pub(super) fn describe(failure: Failure, detail: &str) -> String {
    if detail.is_empty() { failure.describe() } else { format!("{}: {detail}", failure.describe()) }
}

//! One attempt on its way: the body that its target gets, the exchange, and what comes back for the client.

use super::clock::now;
use super::data_plane::Call;
use super::demo;
use super::isolate::PriceKey;
use super::relay::{self, Pace, Pump};
use super::response::Head;
use super::settings::{Compiled, Destination, Remote};
use super::tokens;
use super::upstream::Setback;
use super::wire::{Limits, Reply};
use crate::call::accept::Prepared;
use crate::call::patience::Patience;
use crate::call::refusal;
use crate::call::trace::{Finish, Metered};
use crate::call::translation::{Answered, Exchange};
use crate::config::Provider;
use crate::dialect::error::read_error;
use crate::dialect::relay::Relay;
use crate::dialect::{Dialect, Endpoint, translate};
use crate::error::ApiError;
use crate::log;
use crate::provider::table::{Auth, Kind};
use crate::provider::{ProviderError, outbound};
use crate::route::attempts::Attempt;
use crate::route::retry::Failure;
use crate::route::retry_after;
use crate::secret::Secret;
use crate::time::Millis;
use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::Response;

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
        let reached = self.reach_with_key(candidate, attempt, patience);
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
        let key = attempt.key.and_then(|key| self.provider.keys.get(key));
        let entry = log::Attempt {
            provider: self.provider.name.clone(),
            model: self.model.to_owned(),
            key_hint: key.map(|key| key.hint.clone()),
            status,
            error,
            latency_ms: now().since(self.sent).0,
        };
        self.call.meter.trace(|trace| trace.attempt(entry, self.kind.name, prices));
        match result? {
            Reached::Whole(whole) => {
                if let Some(keeper) = &self.call.keeper {
                    keeper.keep(&whole.body).await;
                }
                Ok(self.answer_whole(&whole))
            }
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

    /// Where this attempt goes with a token in place of its key; `None` where this kind takes keys.
    async fn exchanged(
        &self,
        candidate: usize,
        attempt: Attempt,
        refused: Option<&Secret>,
    ) -> Result<Option<Rc<Destination>>, Setback> {
        let (call, Auth::Exchanged(exchange)) = (self.call, self.kind.auth_in(self.upstream)) else {
            return Ok(None);
        };
        let key = attempt.key.and_then(|key| self.compiled.secret(candidate, key, &call.variables));
        let Some(key) = key else { return Ok(None) };
        let isolate = &call.arrival.isolate;
        let token = tokens::token(isolate, self.provider, exchange, &key, &call.variables, refused).await?;
        let endpoint = call.accepted.endpoint_at(self.upstream);
        let base_url = call.compiled.snapshot.key.base_url.as_deref();
        let allow_private = call.variables.allow_private_upstreams;
        outbound::outbound(self.provider, self.kind, Some(&token), endpoint, base_url, allow_private)
            .map(|target| Some(Rc::new(Destination::Remote(Remote::post(&target, Some(token.clone()))))))
            .map_err(|error| Setback::failed(fault(&error), error.to_string()))
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
        let Prepared { body, dropped, exchange } = self.prepare()?;
        self.note(dropped);
        let endpoint = call.accepted.endpoint_at(self.upstream);
        let stream = call.accepted.asked.stream;
        let reply = match destination {
            Destination::Demo => demo::answer(endpoint, &body, stream, &call.arrival.id)?,
            Destination::Remote(remote) => {
                let body: JsValue = match &body {
                    Cow::Borrowed(_) => call.raw_body.clone().into(),
                    Cow::Owned(bytes) => js_sys::Uint8Array::from(bytes.as_slice()).into(),
                };
                let own = self.own_remote(remote, endpoint)?;
                let limits = Limits {
                    headers: patience.within(patience.headers, self.sent),
                    first_content: patience.within(patience.first_content, self.sent),
                    total: patience.left(self.sent),
                };
                let exchange = wire.exchange(own.as_ref().unwrap_or(remote), &body, stream, limits);
                JsFuture::from(exchange)
                    .await
                    .map_err(|error| wire.setback(&error))?
                    .unchecked_into::<Reply>()
            }
        };
        if let Some(reader) = reply.reader() {
            let opened = relay::open(wire, reader, Relay::new(exchange.watch())).await?;
            wire.arrived();
            return Ok(Reached::Stream(opened, exchange));
        }
        let (status, content_type) = (reply.status(), reply.content_type());
        let Some(buffer) = reply.buffer() else { return Err(Setback::failed(Failure::Empty, "")) };
        let body = js_sys::Uint8Array::new(&buffer).to_vec();
        if !(200..300).contains(&status) {
            return Err(self.refused(destination, &reply, &body, &exchange));
        }
        let no_answer = |error: &dyn std::fmt::Display| {
            Setback::failed(Failure::Empty, format!("not an answer: {error}"))
        };
        let read = exchange.read(&body).map_err(|error| no_answer(&error))?;
        if let Some(error) = read.error {
            let status = error.status.map(|status| Failure::Status { status, retry_after: None });
            return Err(Setback::failed(status.unwrap_or(Failure::ErrorEvent), error.message));
        }
        let estimate = || Metered::estimated(call.accepted.asked.input_tokens, read.output.tokens());
        let metered = read.usage.map_or_else(estimate, Metered::from);
        let (body, buffer, content_type) = match exchange.answer(&body).map_err(|error| no_answer(&error))? {
            None => (body, buffer.into(), content_type),
            Some(Answered { body, dropped }) => {
                self.note(dropped);
                let buffer = js_sys::Uint8Array::from(body.as_slice()).into();
                (body, buffer, "application/json".to_owned())
            }
        };
        Ok(Reached::Whole(Whole { status, content_type, buffer, body, metered }))
    }

    /// The body for this target.
    fn prepare(&self) -> Result<Prepared<'_>, Setback> {
        let call = self.call;
        let grant = call.granted.get();
        let target = translate::Target {
            model: self.model,
            max_output_tokens: grant.and_then(|grant| grant.held.or(grant.cap)),
            is_openai: self.kind.quirks.answers_in_kind,
            stream_options: self.kind.quirks.stream_options,
        };
        let reply = || translate::Reply {
            id: call.arrival.id.clone(),
            created: call.arrival.at.0 / 1000,
            model: self.model.to_owned(),
            ..translate::Reply::default()
        };
        let key = &call.compiled.snapshot.key;
        let prepared = call.accepted.prepare(&call.body, self.upstream, &target, key, reply);
        let mut prepared = prepared.map_err(|error| Setback::Invalid(error.into()))?;
        if let Some(most) = grant.and_then(|grant| grant.most(prepared.exchange.translates())) {
            prepared = prepared.with_maximum(self.upstream, most, target.is_openai);
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

    /// Where this attempt goes, made once for each target.
    fn destination(&self, candidate: usize, attempt: Attempt) -> Result<Rc<Destination>, Setback> {
        let call = self.call;
        let endpoint = call.accepted.endpoint_at(self.upstream);
        self.compiled.destination((candidate, attempt.key, endpoint), || {
            if self.kind.quirks.built_in {
                return Ok(Destination::Demo);
            }
            let secret = match attempt.key {
                Some(key) => {
                    Some(self.compiled.secret(candidate, key, &call.variables).ok_or_else(|| {
                        Setback::failed(Failure::NoKey, "its key cannot be opened with this MASTER_KEY")
                    })?)
                }
                None => None,
            };
            let base_url = call.compiled.snapshot.key.base_url.as_deref();
            let allow_private = call.variables.allow_private_upstreams;
            outbound::outbound(self.provider, self.kind, secret.as_deref(), endpoint, base_url, allow_private)
                .map(|target| Destination::Remote(Remote::post(&target, secret.clone())))
                .map_err(|error| Setback::failed(fault(&error), error.to_string()))
        })
    }

    /// The destination with what is this call's own: the model where it is part of the URL, and those of the client's headers
    /// that may travel; `None` where there is nothing of that.
    fn own_remote(&self, remote: &Remote, endpoint: Endpoint) -> Result<Option<Remote>, Setback> {
        let call = self.call;
        let mut own: Option<Remote> = None;
        if endpoint == Endpoint::GenerateContent {
            let stream = call.accepted.asked.stream;
            let method = if stream { outbound::Method::Stream } else { outbound::Method::Generate };
            let rest = outbound::model_path(self.model, method)
                .map_err(|error| Setback::Invalid(ApiError::invalid("model", error.to_string())))?;
            own = Some(remote.at(&rest));
        }
        let caller = call.accepted.endpoint.dialect();
        let mut has_own_headers = false;
        for name in outbound::forwarded(self.kind, caller, self.upstream) {
            if let Some(value) = call.arrival.headers.get(name) {
                if !has_own_headers {
                    own = Some(own.as_ref().unwrap_or(remote).copy());
                    has_own_headers = true;
                }
                if let Some(own) = &own {
                    let _ = own.headers.set(name, &value);
                }
            }
        }
        Ok(own)
    }

    /// An answer that is a refusal: understood, and kept for the case that it is the caller's own fault.
    fn refused(&self, destination: &Destination, reply: &Reply, body: &[u8], exchange: &Exchange) -> Setback {
        let status = reply.status();
        let body = body.get(..ERROR_BODY).unwrap_or(body);
        let body = destination.secret().map_or(Cow::Borrowed(body), |secret| secret.redact(body));
        let headers = reply.response().headers();
        let retry_after = retry_after::parse(|name| headers.get(name).ok().flatten(), &body, now());
        let error = read_error(&body);
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
        Setback::Failed { failure, detail, answer: answer.map(|answer| (answer, body.into_owned())) }
    }

    fn answer_whole(&self, whole: &Whole) -> Response {
        let head = self.head();
        let content_type = Some(whole.content_type.as_str()).filter(|kind| !kind.is_empty());
        head.set("content-type", content_type.unwrap_or("application/json"));
        let meter = &self.call.meter;
        let outcome = meter.trace(|trace| trace.cost(&whole.metered)).unwrap_or_default();
        if outcome.priced {
            head.set("x-edgeway-cost", &outcome.cost.to_decimal());
        }
        meter.trace(|trace| {
            trace.response_body(&whole.body);
            trace.first_content(now());
        });
        meter.settle(Finish::answered(whole.status, whole.metered));
        head.buffer(whole.status, &whole.buffer)
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
        let pace = Pace {
            keep_alive: call.variables.keep_alive,
            keep_alive_with: exchange.keep_alive(),
            idle: patience.idle,
            until: patience.stream_until,
        };
        let input_tokens = call.accepted.asked.input_tokens;
        let keeper = call.keeper.clone();
        let stream = Pump::start(opened, &call.wire, secret, pace, &call.meter, keeper, input_tokens);
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
    Stream(relay::Opened, Exchange),
}

impl Reached {
    fn status(&self) -> u16 {
        match self {
            Reached::Whole(whole) => whole.status,
            Reached::Stream(..) => 200,
        }
    }
}

/// An answer in one piece.
struct Whole {
    status: u16,
    content_type: String,
    buffer: js_sys::Object,
    body: Vec<u8>,
    metered: Metered,
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

fn fault(error: &ProviderError) -> Failure {
    match error {
        ProviderError::MissingKey(_) | ProviderError::InvalidKey(_) => Failure::NoKey,
        _ => Failure::Misconfigured,
    }
}

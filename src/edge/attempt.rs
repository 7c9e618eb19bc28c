//! The attempts of one call: what `route::attempts` asks for is sent, and what comes back is told to it, until a
//! target answers or none is left.

use super::admission;
use super::clock::{now, sleep};
use super::data_plane::Call;
use super::fan_out;
use super::key_states;
use super::replay;
use super::sending::{Sending, describe};
use super::settings::Compiled;
use super::upstream::Setback;
use crate::call::caller_keys;
use crate::call::patience::Patience;
use crate::call::trace::Finish;
use crate::config::Snapshot;
use crate::dialect::Endpoint;
use crate::error::ApiError;
use crate::log::End;
use crate::provider::table;
use crate::route::attempts::{Attempts, Next};
use crate::route::retry::Verdict;
use crate::route::{Facts, plan};
use crate::time::Millis;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use web_sys::Response;

/// How the attempts ended.
pub(super) enum Outcome {
    /// With an answer; the meter knows, or the stream will tell it.
    Answered(Response),
    /// With the upstream's own word that the fault is the caller's.
    Refused {
        /// As it came.
        response: Response,
        /// How the call ended.
        finish: Finish,
    },
    /// Without one.
    Failed {
        /// What the caller is told.
        error: ApiError,
        /// How the call ended.
        end: End,
        /// How many attempts there were.
        attempts: usize,
        /// Time spent waiting for upstreams and between attempts.
        waited: Millis,
    },
    /// The client did not wait for it.
    ClientLeft {
        /// Whether an upstream had been asked.
        was_sent: bool,
    },
}

/// Tries the candidates until one answers.
pub(super) async fn run(call: &Call) -> Outcome {
    let mut compiled = call.compiled.clone();
    let isolate = &call.arrival.isolate;
    let header = |name: &str| call.arrival.headers.get(name);
    let metadata = call.metadata();
    let kind = table::kind_of_model(&call.accepted.model);
    let facts = Facts {
        model: &call.accepted.model,
        kind: kind.map(|kind| kind.name),
        endpoint: call.accepted.endpoint,
        stream: call.accepted.asked.stream,
        has_tools: call.accepted.asked.has_tools,
        has_images: call.accepted.asked.has_images,
        input_tokens: Some(call.accepted.asked.input_tokens),
        max_tokens: call.accepted.asked.max_tokens,
        metadata: &metadata,
        header: &header,
    };
    let at = now();
    let dice = isolate.dice.roll();
    // A key that cannot be sent must not make way for one that is not the caller's.
    let brings_keys = call.arrival.headers.have_any(compiled.key_headers());
    if brings_keys
        && let Some(name) = caller_keys::unusable(&caller_keys::headers(&compiled.snapshot), &header)
    {
        let error = ApiError::invalid(name, "holds characters that no API key has: send visible ASCII");
        return Outcome::Failed { error, end: End::Done, attempts: 0, waited: Millis(0) };
    }
    let mut planned = plan::plan(&compiled.snapshot, &facts, &isolate.health.borrow(), at, dice);
    if planned.is_err()
        && let Some(kind) = kind.or_else(|| table::kind(plan::DEFAULT_PROVIDER))
        && let Some(brought) = caller_keys::for_kind(&compiled.snapshot, kind, &call.variables, &header)
    {
        compiled = Rc::new(Compiled::brought(brought));
        planned = plan::plan(&compiled.snapshot, &facts, &isolate.health.borrow(), at, dice);
    } else if let Ok(candidates) = planned.as_ref()
        && brings_keys
    {
        let providers = candidates.iter().map(|candidate| candidate.provider);
        if let Some(brought) = caller_keys::for_providers(&compiled.snapshot, providers, &header) {
            compiled = Rc::new(Compiled::brought(brought));
        }
    }
    let candidates = match planned {
        Ok(candidates) => candidates,
        Err(error) => {
            return Outcome::Failed { error: error.into(), end: End::Done, attempts: 0, waited: Millis(0) };
        }
    };
    let snapshot = &compiled.snapshot;
    let patience = Patience::of(&call.variables, snapshot.router.as_ref(), &call.controls, call.arrival.at);
    if let Err(error) = admission::admit(call, &compiled, &candidates, &patience).await {
        return Outcome::Failed { error, end: End::Done, attempts: 0, waited: Millis(0) };
    }
    if let Some(response) = replay::cached(call, &compiled, &candidates).await {
        return Outcome::Answered(response);
    }
    if call.wire.left() {
        return Outcome::ClientLeft { was_sent: false };
    }
    let attempts = Attempts::new(candidates, patience.attempts(), snapshot, &isolate.health.borrow(), at);
    walk(call, &compiled, attempts, &patience).await
}

/// The attempts themselves, of a call that may be sent.
pub(super) async fn walk(
    call: &Call,
    compiled: &Rc<Compiled>,
    mut attempts: Attempts,
    patience: &Patience,
) -> Outcome {
    let (snapshot, isolate) = (&compiled.snapshot, &call.arrival.isolate);
    let may_be_parts = call.accepted.answers() > 1 && !call.controls.strict;
    let mut waited = Millis(0);
    loop {
        let before = may_be_parts.then(|| attempts.clone());
        if attempts.count() > 0 && call.upload.as_ref().is_some_and(|upload| !upload.replays()) {
            return exhausted(&attempts, snapshot, waited);
        }
        if attempts.count() > 0
            && let Err(error) = admission::admit_again(call).await
        {
            return Outcome::Failed { error, end: End::Done, attempts: attempts.count(), waited };
        }
        let at = now();
        let next = attempts.next(snapshot, &mut isolate.health.borrow_mut(), at);
        let attempt = match next {
            Next::Send(attempt) => attempt,
            Next::Wait(span) => {
                sleep(span).await;
                waited = waited.plus(span);
                if call.wire.left() {
                    return Outcome::ClientLeft { was_sent: true };
                }
                continue;
            }
            Next::Exhausted => return exhausted(&attempts, snapshot, waited),
        };
        let Some((provider, model)) = attempts.plan().get(attempt.candidate).and_then(|candidate| {
            Some((snapshot.providers.get(candidate.provider)?, candidate.model.clone()))
        }) else {
            return exhausted(&attempts, snapshot, waited);
        };
        let kind = table::kind_or_generic(&provider.kind);
        let model = kind.upstream_model(&model);
        let upstream = kind.spoken_by(call.accepted.endpoint.dialect(), provider.config.dialect, model);
        let candidate = attempts.plan().get(attempt.candidate).map_or(0, |candidate| candidate.provider);
        let completes = kind.quirks.completes && !compiled.only_chats(candidate, model);
        let sending = Sending {
            call,
            compiled,
            provider,
            kind,
            model,
            upstream,
            at: Cell::new(call.accepted.endpoint_at(upstream, completes)),
            dropped: RefCell::default(),
            count: attempts.count(),
            waited,
            sent: at,
        };
        if let Some(before) = before.as_ref().filter(|_| call.accepted.gets_one(sending.at.get())) {
            attempts.abandoned(snapshot, &mut isolate.health.borrow_mut());
            return Box::pin(fan_out::run(call, compiled, before, patience, waited)).await;
        }
        let result = sending.send(candidate, attempt, patience).await;
        match result {
            Ok(response) => {
                attempts.succeeded(snapshot, &mut isolate.health.borrow_mut());
                return Outcome::Answered(response);
            }
            Err(Setback::ClientLeft) => {
                attempts.abandoned(snapshot, &mut isolate.health.borrow_mut());
                return Outcome::ClientLeft { was_sent: true };
            }
            Err(Setback::Invalid(error)) => {
                attempts.abandoned(snapshot, &mut isolate.health.borrow_mut());
                return Outcome::Failed { error, end: End::Done, attempts: attempts.count() - 1, waited };
            }
            Err(setback) if before.is_some() && sending.wants_parts(&setback) => {
                if sending.at.get() == Endpoint::Completions {
                    compiled.learn_only_chats(candidate, model);
                }
                attempts.abandoned(snapshot, &mut isolate.health.borrow_mut());
                let before = before.as_ref().unwrap_or(&attempts);
                return Box::pin(fan_out::run(call, compiled, before, patience, waited)).await;
            }
            Err(Setback::Failed { failure, detail, answer, .. }) => {
                attempts.failed(
                    failure,
                    snapshot,
                    &mut isolate.health.borrow_mut(),
                    now(),
                    isolate.dice.roll(),
                );
                key_states::store_changes(&call.arrival);
                waited = waited.plus(now().since(at));
                if let Some((response, body)) = answer.filter(|_| failure.verdict() == Verdict::GiveUp) {
                    call.meter.trace(|trace| trace.response_body(&body));
                    let error = Some(describe(failure, &detail));
                    let finish = Finish { status: response.status(), error, ..Finish::default() };
                    return Outcome::Refused { response, finish };
                }
            }
        }
    }
}

fn exhausted(attempts: &Attempts, snapshot: &Snapshot, waited: Millis) -> Outcome {
    let outcome = attempts.outcome(snapshot);
    let code = match outcome.status {
        429 => "rate_limit_exceeded",
        503 => "credentials_exhausted",
        504 => "upstream_timeout",
        _ => "upstream_error",
    };
    let mut error = ApiError::new(outcome.status, code, outcome.message);
    error.retry_after =
        outcome.retry_after.map(|wait| u64::try_from(wait.0).unwrap_or_default().div_ceil(1000));
    let end = if outcome.status == 504 { End::Timeout } else { End::UpstreamError };
    Outcome::Failed { error, end, attempts: attempts.count(), waited }
}

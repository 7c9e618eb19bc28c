//! Whether a call may be dispatched under its key's limits: one question to the ledger, which a key without limits never
//! asks.

use super::clock::now;
use super::data_plane::Call;
use super::isolate::PriceKey;
use super::ledger;
use super::settings::Compiled;
use crate::call::limits::{self, Denied, Grant, Held, Limited, Target};
use crate::call::patience::Patience;
use crate::error::ApiError;
use crate::limit::{Limits, Message};
use crate::route::plan::Candidate;
use std::rc::Rc;

/// Reserves what the call can use at most on any of these candidates. What is granted, and what the client is told of its
/// limits either way, is left in the call.
///
/// # Errors
/// 402 or 429 where a limit is in the way, 401 where the key is revoked, 503 where the ledger is gone and the key's policy
/// is closed.
pub(super) async fn admit(
    call: &Call,
    compiled: &Compiled,
    candidates: &[Candidate],
    patience: &Patience,
) -> Result<(), ApiError> {
    let key = &call.compiled.snapshot.key;
    if Limits::of(key).is_empty() {
        let cap = limits::quota_cap(key, &call.accepted);
        call.grant(Grant { cap, ..Grant::default() });
        return Ok(());
    }
    let targets = targets(call, compiled, candidates).await;
    let id = &call.arrival.id;
    let lasts = patience.left(call.arrival.at);
    let mut limited = Limited::new(id, key, &call.accepted, &call.body, &targets, lasts)?;
    // Whatever happens from here on, the ledger is told the end of it.
    call.meter.reserved();
    let message = Message::Reserve(Box::new(limited.reserve.clone()));
    let grant = match ledger::insist(&call.arrival.env, &key.user_id, &message).await {
        Ok(reply) => match limited.answered(reply, call.accepted.endpoint.dialect(), now()) {
            Ok(grant) => grant,
            Err(Denied { error, headers }) => {
                call.meter.refused();
                call.grant(Grant { headers, ..Grant::default() });
                return Err(error);
            }
        },
        Err(error) => {
            worker::console_error!("{error}");
            let grant = limited.unanswered(key)?;
            call.meter.passed_ledger();
            grant
        }
    };
    let bound = limited.reserve.bound;
    call.bound.set(Some(bound));
    let _ = call.held.set(Rc::new(Held::new(bound))); // once a call
    call.grant(grant);
    Ok(())
}

/// Holds more for a call, or a part of one, that is sent again, where attempts of it that failed have used something.
///
/// # Errors
/// As for [`admit`].
pub(super) async fn admit_again(call: &Call) -> Result<(), ApiError> {
    let spent = call.meter.trace(|trace| trace.used_in_vain()).flatten();
    let Some((held, (usage, cost))) = call.held.get().zip(spent) else { return Ok(()) };
    let Some(bound) = held.again(&call.in_vain, &usage, cost) else { return Ok(()) };
    let key = &call.compiled.snapshot.key;
    let mut limited = Limited::again(&call.arrival.id, key, bound);
    let message = Message::Reserve(Box::new(limited.reserve.clone()));
    match ledger::insist(&call.arrival.env, &key.user_id, &message).await {
        Ok(reply) => {
            let answered = limited.answered(reply, call.accepted.endpoint.dialect(), now());
            answered.map(drop).map_err(|Denied { error, .. }| error)
        }
        Err(error) => {
            worker::console_error!("{error}");
            limited.unanswered(key).map(drop)
        }
    }
}

/// The candidates as the ledger's bound needs them.
async fn targets(call: &Call, compiled: &Compiled, candidates: &[Candidate]) -> Vec<Target> {
    let settings = call.arrival.settings();
    let user_id = &call.compiled.snapshot.key.user_id;
    let mut targets = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let found = limits::target_of(&compiled.snapshot, candidate.provider, &candidate.model);
        let Some((provider, kind, model)) = found else { continue };
        let price = PriceKey { user_id: user_id.clone(), kind: provider.to_owned(), model: model.clone() };
        let told = compiled.snapshot.providers.get(candidate.provider).and_then(|one| one.config.dialect);
        let upstream = kind.spoken_by(call.accepted.endpoint.dialect(), told, &model);
        let at = call.accepted.endpoint_at(upstream, kind.quirks.completes);
        let gets_one = call.accepted.may_get_one(at);
        let listed = settings.listed(price).await;
        targets.push(Target { kind: kind.name, model, listed, gets_one });
    }
    targets
}

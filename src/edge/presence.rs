//! How many calls this isolate has open, of keys without limits: counted in its memory, and told to D1 at a slow pace.
//!
//! Calls of keys with limits are known to their ledgers. Of the others an isolate can tell nobody but behind the answer of one
//! of them: the first to begin undertakes to look every few seconds, and to write the number where it has changed. Most calls are
//! over by then, and cost no more than a count. The task lives no longer than the platform lets it; then the next call that
//! begins or ends goes on, and until then the number is believed for as long as a call may well take.

use super::arrival::Arrival;
use super::clock::{now, sleep};
use super::database::Database;
use super::isolate::Isolate;
use super::settlement::Meter;
use super::task::behind_the_answer;
use crate::api::metrics::health;
use crate::store::Store;
use crate::time::Millis;
use std::cell::{Cell, OnceCell};
use std::rc::{Rc, Weak};
use worker::Env;

/// How often somebody looks.
const PACE: Millis = Millis(5_000);
/// What was written is believed so long: of an isolate that is killed no longer.
const LIFE: Millis = Millis(30_000);
/// Where nobody may look for a while.
const UNWATCHED: Millis = Millis(15 * Millis::MINUTE.0);
/// Whoever undertook to look and did not for so long is taken for gone.
const ABANDONED: Millis = Millis(15_000);
/// A task lives 30 s behind its call's answer.
const SHIFT: Millis = Millis(20_000);

/// What an isolate knows of its open calls.
#[derive(Default)]
pub(super) struct Presence {
    open: Cell<u32>,
    /// What was written last, and until when it is believed.
    told: Cell<(u32, Millis)>,
    /// When somebody looked last.
    watched: Cell<Option<Millis>>,
    /// What this isolate is known by: the id of a call of its own.
    id: OnceCell<String>,
}

impl Presence {
    fn is_watched(&self, at: Millis) -> bool {
        self.watched.get().is_some_and(|since| at.since(since) < ABANDONED)
    }
}

/// A call has begun.
pub(super) fn began(arrival: &Arrival, meter: &Rc<Meter>) {
    let presence = &arrival.isolate.presence;
    presence.open.set(presence.open.get() + 1);
    if !presence.is_watched(arrival.at) {
        watch(arrival, Rc::downgrade(meter));
    }
}

/// It has ended, or its ledger counts it.
pub(super) fn ended(arrival: &Arrival) {
    let presence = &arrival.isolate.presence;
    presence.open.set(presence.open.get().saturating_sub(1));
    let (told, _) = presence.told.get();
    if told != presence.open.get() && told > 0 && !presence.is_watched(now()) {
        watch(arrival, Weak::new());
    }
}

fn watch(arrival: &Arrival, meter: Weak<Meter>) {
    let (isolate, env) = (arrival.isolate.clone(), arrival.env.clone());
    let id = isolate.presence.id.get_or_init(|| arrival.id.clone()).clone();
    isolate.presence.watched.set(Some(now()));
    behind_the_answer(&arrival.context, async move {
        look(&isolate, &env, &id, &meter).await;
        isolate.presence.watched.set(None);
    });
}

/// Looks until no call is open, or this one has ended too long ago.
async fn look(isolate: &Isolate, env: &Env, id: &str, meter: &Weak<Meter>) {
    let presence = &isolate.presence;
    let mut ended = None;
    loop {
        sleep(PACE).await;
        let at = now();
        presence.watched.set(Some(at));
        if ended.is_none() && meter.upgrade().is_none_or(|meter| meter.is_settled()) {
            ended = Some(at);
        }
        let is_last = ended.is_some_and(|ended: Millis| at.since(ended).plus(PACE) >= SHIFT);
        let (open, (told, until)) = (presence.open.get(), presence.told.get());
        if open != told || (open > 0 && (is_last || until.since(at).0 <= 2 * PACE.0)) {
            let until = at.plus(if is_last { UNWATCHED } else { LIFE });
            let written = match Database::open(env) {
                Ok(database) => database.batch(health::report(id, open, at, until)).await.is_ok(),
                Err(_) => false,
            };
            // Else the next look tries again.
            if written {
                presence.told.set((open, until));
            }
        }
        if is_last || presence.open.get().max(presence.told.get().0) == 0 {
            return;
        }
    }
}

//! The ledger of one owner: who may dispatch, what is held, and what was used, exactly.
//!
//! A call is open, then ended; its end may be provisional (the bound stands for an unknown outcome) until a true figure
//! replaces it once. Whatever order messages come in, and however often, each call counts once, in the windows of its
//! reservation. Every step is atomic: the object runs it between two awaits and writes its [`Changes`] through.

use super::amounts::{Amounts, Measure};
use super::caps::{Limits, Subject};
use super::counters::Counters;
use super::message::{Message, Outcome, Reply, Reserve, Settled, Settlement};
use super::rows::{Changes, EndedCall, EndedCalls, Horizon, OpenCall, Rows};
use super::standing::{Allowance, Refusal, Scope, Standing};
use super::usage;
use crate::identifier::first_id;
use crate::time::Millis;
use std::collections::{BTreeMap, BTreeSet};

/// The name of the owner's own scope.
const OWNER: &str = "";
/// Ended calls are remembered for so long; a settlement that comes later is not counted.
pub const REMEMBERED: Millis = Millis::DAY;
/// How often ended calls are looked through for what may be forgotten.
pub const SWEEP: Millis = Millis(6 * Millis::HOUR.0);
/// The log is expected to have a call so long after its end; what it lacks then, the object writes there.
pub const LOGGED_WITHIN: Millis = Millis(120_000);
/// How soon after calls have ended they are looked for in the log.
pub const AUDIT: Millis = Millis(300_000);
/// A call is reserved at most so long after its id was made: its upload comes in between.
const ARRIVAL: Millis = Millis(600_000);
/// No reservation lives longer, whatever its message says.
pub const LONGEST_LIFE: Millis = Millis::DAY;

/// All that must be exact of one owner.
#[derive(Debug, Default)]
pub struct Ledger {
    scopes: BTreeMap<String, Counters>,
    open: BTreeMap<String, OpenCall>,
    horizon: Horizon,
    /// The alarm that was asked for last and has not rung.
    alarm: Option<Millis>,
    /// Every call that has ended is in the log; after a restart nobody knows.
    is_audited: bool,
}

/// The ended calls that the log is to be asked for, beside those whose bounds stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Calls with ids before it are forgotten.
    pub since: String,
    /// Their ids are behind it.
    pub behind: String,
    /// They ended at this moment or since.
    pub after: Millis,
    /// And before this one.
    pub until: Millis,
}

/// What a step came to. If it cannot be written, the ledger in memory must be thrown away and loaded again.
#[derive(Debug)]
pub struct Step<T> {
    /// For who asked.
    pub reply: T,
    /// To be written before the answer goes out.
    pub changes: Changes,
    /// To be set, where it is not already.
    pub alarm: Option<Millis>,
}

/// What a step changes, gathered.
#[derive(Default)]
struct Draft {
    changes: Changes,
    scopes: BTreeSet<String>,
}

impl Ledger {
    /// From what was persisted.
    #[must_use]
    pub fn restore(rows: Rows) -> Ledger {
        let scopes = rows.scopes.iter().map(|row| (row.scope.clone(), Counters::restore(row)));
        let mut ledger = Ledger { horizon: rows.horizon, ..Ledger::default() };
        ledger.scopes.extend(scopes);
        for call in rows.open {
            for scope in scopes_of(&call.key) {
                ledger.scope(scope).hold(call.at, call.bound);
            }
            ledger.open.insert(call.id.clone(), call);
        }
        ledger
    }

    /// Answers a message.
    ///
    /// # Errors
    /// Ended calls cannot be read; the ledger must be loaded again.
    pub fn handle<E: EndedCalls>(
        &mut self,
        message: Message,
        now: Millis,
        ended: &E,
    ) -> Result<Step<Reply>, E::Error> {
        let mut draft = Draft::default();
        let reply = match message {
            Message::Reserve(call) => self.reserve(&call, now, ended, &mut draft)?,
            Message::Settle { calls } => {
                let each = calls.iter().map(|call| self.settle(call, now, ended, &mut draft));
                Reply::Settled { calls: each.collect::<Result<_, _>>()? }
            }
            Message::Usage { key, limits } => Reply::Usage { entries: self.usage(&key, &limits, now) },
            Message::Open => {
                let calls = self.open.values().filter(|call| call.expires_at > now).count();
                Reply::Open { calls: u64::try_from(calls).unwrap_or(u64::MAX) }
            }
            Message::Revoke { key, revoked } => {
                self.scope(&key).revoked = revoked;
                draft.scopes.insert(key);
                Reply::Done
            }
        };
        let alarm = self.next_alarm(now, &draft.changes);
        Ok(Step { reply, changes: self.finish(draft), alarm })
    }

    /// What the object's alarm is for: commits the bounds of lost calls, and forgets calls that ended long ago.
    ///
    /// # Errors
    /// As for [`Ledger::handle`].
    pub fn ring<E: EndedCalls>(&mut self, now: Millis, ended: &E) -> Result<Step<()>, E::Error> {
        let mut draft = Draft::default();
        for id in self.lost(now) {
            if let Some(call) = self.open.remove(&id) {
                self.end(call, None, now, &mut draft);
            }
        }
        let remembers = !draft.changes.ended.is_empty() || ended.any()?;
        let forgotten = Millis(now.0.saturating_sub(REMEMBERED.0));
        if remembers && forgotten > self.horizon.at {
            self.horizon = std::mem::take(&mut self.horizon).forgetting(forgotten);
            draft.changes.horizon = Some(self.horizon.clone());
        }
        let changes = self.finish(draft);
        Ok(Step { reply: (), alarm: self.rest(now, remembers), changes })
    }

    /// What the log is to be asked for now.
    #[must_use]
    pub fn audit(&self, now: Millis) -> Audit {
        let until = Millis(now.0.saturating_sub(LOGGED_WITHIN.0));
        let mut behind = self.horizon.unlogged.clone();
        behind.pop(); // what an id begins with sorts before it
        // A clock that was set back has calls of the future behind it: they are looked for when it gets there.
        let since = self.horizon.id.clone();
        Audit { since, behind, after: self.horizon.logged.min(until), until }
    }

    /// The log has all that an audit found; `least` is what [`super::rows::LEAST_ENDED`] gives for it.
    ///
    /// # Errors
    /// As for [`Ledger::handle`].
    pub fn audited<E: EndedCalls>(
        &mut self,
        audit: &Audit,
        least: String,
        now: Millis,
        ended: &E,
    ) -> Result<Step<()>, E::Error> {
        self.is_audited = least.is_empty();
        let arriving = first_id(Millis(now.0.saturating_sub(ARRIVAL.0)));
        let least = Some(least).filter(|least| !least.is_empty());
        let unlogged = self.open.keys().next().cloned().into_iter().chain(least).fold(arriving, String::min);
        self.horizon = Horizon { logged: audit.until, unlogged, ..std::mem::take(&mut self.horizon) };
        let changes = Changes { horizon: Some(self.horizon.clone()), ..Changes::default() };
        let alarm = self.rest(now, ended.any()?);
        Ok(Step { reply: (), changes, alarm })
    }

    /// Until when the object may sleep.
    fn rest(&mut self, now: Millis, remembers: bool) -> Option<Millis> {
        let sweep = (remembers || !self.open.is_empty()).then(|| now.plus(SWEEP));
        let audit = (remembers && !self.is_audited).then(|| now.plus(AUDIT));
        self.alarm = self.open.values().map(|call| call.expires_at).chain(sweep).chain(audit).min();
        self.alarm
    }

    /// The open calls whose time is over: [`Ledger::ring`] will commit their bounds.
    #[must_use]
    pub fn lost(&self, now: Millis) -> Vec<String> {
        // A life that is longer than any was given by a clock that has been set back since, by days.
        let is_lost =
            |call: &&OpenCall| call.expires_at <= now || call.expires_at.since(now).0 > 2 * LONGEST_LIFE.0;
        self.open.values().filter(is_lost).map(|call| call.id.clone()).collect()
    }

    /// Everything that was ever committed for a key, or for the owner.
    #[must_use]
    pub fn total(&self, key: Option<&str>) -> Amounts {
        self.scopes.get(key.unwrap_or(OWNER)).map(Counters::total).unwrap_or_default()
    }

    /// What the open calls of a key, or of the owner, hold.
    #[must_use]
    pub fn held(&self, key: Option<&str>) -> Amounts {
        self.scopes.get(key.unwrap_or(OWNER)).map(Counters::held).unwrap_or_default()
    }

    fn reserve<E: EndedCalls>(
        &mut self,
        call: &Reserve,
        now: Millis,
        ended: &E,
        draft: &mut Draft,
    ) -> Result<Reply, E::Error> {
        if let Some(open) = self.open.get(&call.id).filter(|_| call.extends).cloned() {
            return Ok(self.extend(call, open, now, draft));
        }
        if let Some(open) = self.open.get(&call.id) {
            let is_shrunk = open.bound.output_tokens < call.bound.output_tokens;
            let flexible = call.flexible.filter(|_| is_shrunk);
            let max_tokens = flexible.and_then(|by| open.bound.output_tokens.checked_div(by.choices));
            return Ok(Reply::Granted { standing: self.standing(call, open.at), max_tokens });
        }
        if ended.find(&call.id)?.is_some() {
            return Ok(Reply::Ended);
        }
        if self.scopes.get(&call.key).is_some_and(|counters| counters.revoked) {
            return Ok(Reply::Revoked);
        }
        let at = scopes_of(&call.key)
            .filter_map(|scope| self.scopes.get(scope).and_then(Counters::floor))
            .fold(now, Millis::max);
        let (mut bound, mut max_tokens) = (call.bound, None);
        if let Some(refusal) = self.refusal(call, bound, at, now) {
            match self.shrunk(call, at) {
                Some((smaller, each)) if self.refusal(call, smaller, at, now).is_none() => {
                    (bound, max_tokens) = (smaller, Some(each));
                }
                _ => return Ok(Reply::Refused { refusal, standing: self.standing(call, at) }),
            }
        }
        for scope in scopes_of(&call.key) {
            let counters = self.scope(scope);
            if counters.open(at) {
                draft.scopes.insert(scope.to_owned());
            }
            counters.hold(at, bound);
        }
        let life = call.time_to_live.clamp(Millis(0), LONGEST_LIFE);
        let (id, key) = (call.id.clone(), call.key.clone());
        let open = OpenCall { id, key, at, expires_at: now.plus(life), bound };
        self.open.insert(open.id.clone(), open.clone());
        draft.changes.opened.push(open);
        Ok(Reply::Granted { standing: self.standing(call, at), max_tokens })
    }

    /// Holds what the bound has more than what is held.
    fn extend(&mut self, call: &Reserve, mut open: OpenCall, now: Millis, draft: &mut Draft) -> Reply {
        let more = call.bound.minus(open.bound);
        if let Some(refusal) = self.refusal(call, more, open.at, now) {
            return Reply::Refused { refusal, standing: self.standing(call, open.at) };
        }
        for scope in scopes_of(&call.key) {
            self.scope(scope).hold_more(open.at, more);
        }
        open.bound = open.bound.plus(more);
        let standing = self.standing(call, open.at);
        self.open.insert(open.id.clone(), open.clone());
        draft.changes.opened.push(open);
        Reply::Granted { standing, max_tokens: None }
    }

    /// The largest bound that fits into every limit by writing less.
    fn shrunk(&self, call: &Reserve, at: Millis) -> Option<(Amounts, u64)> {
        let flexible = call.flexible?;
        let mut removal = 0;
        for (_, counters, limits) in self.limited(call) {
            for cap in limits.caps() {
                if let Subject::Used(measure, _) = cap.subject {
                    let used = counters.map_or(0, |counters| counters.used(cap.subject, at));
                    let left = cap.max.saturating_sub(used);
                    let excess = call.bound.get(measure).saturating_sub(left);
                    removal = flexible.removal(measure, excess)?.max(removal);
                }
            }
        }
        flexible.without(call.bound, removal)
    }

    fn refusal(&self, call: &Reserve, bound: Amounts, at: Millis, now: Millis) -> Option<Refusal> {
        let mut last: Option<Refusal> = None;
        for (scope, counters, limits) in self.limited(call) {
            for cap in limits.caps() {
                if call.extends && cap.subject == Subject::Concurrent {
                    continue; // it is one of those that are under way
                }
                let used = counters.map_or(0, |counters| counters.used(cap.subject, at));
                let requested = cap.subject.taken_by(bound);
                // A call that takes none of a measure is not in the way of its limit.
                if requested > 0 && used.saturating_add(requested) > cap.max {
                    let refusal = Refusal::new(scope, &cap, used, requested, at, now);
                    if last.as_ref().is_none_or(|last| refusal.outlasts(last)) {
                        last = Some(refusal);
                    }
                }
            }
        }
        last
    }

    fn standing(&self, call: &Reserve, at: Millis) -> Standing {
        let mut standing = Standing::default();
        for (_, counters, limits) in self.limited(call) {
            for cap in limits.caps() {
                let Subject::Used(measure, window) = cap.subject else { continue };
                let place = match measure {
                    Measure::Requests => &mut standing.requests,
                    Measure::Tokens => &mut standing.tokens,
                    Measure::InputTokens => &mut standing.input_tokens,
                    Measure::OutputTokens => &mut standing.output_tokens,
                    Measure::Cost => continue,
                };
                let used = counters.map_or(0, |counters| counters.used(cap.subject, at));
                if let Some(resets_at) = window.span(at).end {
                    let remaining = cap.max.saturating_sub(used);
                    Allowance::tighten(place, Allowance { limit: cap.max, remaining, resets_at });
                }
            }
        }
        standing
    }

    fn limited<'a>(&'a self, call: &'a Reserve) -> [(Scope, Option<&'a Counters>, &'a Limits); 2] {
        [
            (Scope::Key, self.scopes.get(&call.key), &call.limits),
            (Scope::Owner, self.scopes.get(OWNER), &call.owner_limits),
        ]
    }

    fn settle<E: EndedCalls>(
        &mut self,
        call: &Settlement,
        now: Millis,
        ended: &E,
        draft: &mut Draft,
    ) -> Result<Settled, E::Error> {
        if let Some(open) = self.open.remove(&call.id) {
            self.end(open, Some(call.outcome), now, draft);
            return Ok(Settled::Counted);
        }
        let before = match draft.changes.ended.get(&call.id) {
            Some(before) => Some(before.clone()),
            None => ended.find(&call.id)?,
        };
        let committed = match call.outcome {
            Outcome::Used(amounts) | Outcome::Unknown(amounts) => amounts,
            Outcome::Released => Amounts::default(),
        };
        let provisional = matches!(call.outcome, Outcome::Unknown(_));
        match before {
            Some(before) if before.provisional && !provisional => {
                for scope in scopes_of(&before.key) {
                    self.scope(scope).commit(before.at, before.committed, committed);
                }
                // Later than before: that is how the log knows which of two records is the newer.
                let ended = now.max(before.ended.plus(Millis(1)));
                self.look_again(&before.id, draft);
                draft.end(EndedCall { ended, committed, provisional, ..before });
                Ok(Settled::Corrected)
            }
            Some(_) => Ok(Settled::Duplicate),
            None if call.id < self.horizon.id => Ok(Settled::Forgotten),
            None => {
                // It was dispatched without the ledger, or its reservation is still on the way and must find it ended.
                let at = call.began.min(now);
                for scope in scopes_of(&call.key) {
                    self.scope(scope).open(at);
                    self.scope(scope).commit(at, Amounts::default(), committed);
                }
                self.look_again(&call.id, draft);
                let (id, key) = (call.id.clone(), call.key.clone());
                draft.end(EndedCall { id, key, at, ended: now, committed, provisional });
                Ok(Settled::Counted)
            }
        }
    }

    /// A call that ends now was not open: the next audit begins no later than with it.
    fn look_again(&mut self, id: &str, draft: &mut Draft) {
        if id < self.horizon.unlogged.as_str() {
            id.clone_into(&mut self.horizon.unlogged);
            draft.changes.horizon = Some(self.horizon.clone());
        }
    }

    /// Ends an open call; without an outcome it is lost.
    fn end(&mut self, call: OpenCall, outcome: Option<Outcome>, now: Millis, draft: &mut Draft) {
        let (committed, provisional) = match outcome {
            Some(Outcome::Used(amounts)) => (amounts, false),
            Some(Outcome::Released) => (Amounts::default(), false),
            Some(Outcome::Unknown(_)) | None => (call.bound, true),
        };
        for scope in scopes_of(&call.key) {
            let counters = self.scope(scope);
            counters.let_go(call.at, call.bound);
            counters.commit(call.at, Amounts::default(), committed);
        }
        let OpenCall { id, key, at, .. } = call;
        draft.end(EndedCall { id, key, at, ended: now, committed, provisional });
    }

    fn usage(&self, key: &str, limits: &Limits, now: Millis) -> Vec<usage::Entry> {
        let counters = self.scopes.get(key);
        let at = counters.and_then(Counters::floor).map_or(now, |floor| floor.max(now));
        usage::entries(limits, at, |subject| counters.map_or(0, |counters| counters.used(subject, at)))
    }

    fn scope(&mut self, name: &str) -> &mut Counters {
        self.scopes.entry(name.to_owned()).or_default()
    }

    /// An alarm that is needed before the one that was asked for.
    fn next_alarm(&mut self, now: Millis, changes: &Changes) -> Option<Millis> {
        let expiry = match self.alarm {
            Some(_) => changes.opened.iter().map(|call| call.expires_at).min(),
            // After a restart nobody knows what was asked for.
            None => self.open.values().map(|call| call.expires_at).min(),
        };
        let audit = (!changes.ended.is_empty()).then(|| now.plus(AUDIT));
        let needed = expiry.into_iter().chain(audit).min()?;
        if self.alarm.is_some_and(|alarm| alarm <= needed) {
            return None;
        }
        self.alarm = Some(needed);
        self.alarm
    }

    fn finish(&mut self, draft: Draft) -> Changes {
        self.is_audited &= draft.changes.ended.is_empty();
        let row = |scope: &String| Some(self.scopes.get(scope)?.row(scope));
        Changes { scopes: draft.scopes.iter().filter_map(row).collect(), ..draft.changes }
    }
}

impl Draft {
    fn end(&mut self, call: EndedCall) {
        self.scopes.extend(scopes_of(&call.key).map(str::to_owned));
        self.changes.ended.insert(call.id.clone(), call);
    }
}

/// The scopes that a key's call counts in: the key's own, and its owner's.
fn scopes_of(key: &str) -> impl Iterator<Item = &str> {
    let own = (key != OWNER).then_some(key);
    own.into_iter().chain([OWNER])
}

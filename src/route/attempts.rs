//! The attempts of one call: a state machine that walks the plan, key by key, until one succeeds or nothing is left.
//!
//! Every ready target is tried once before any is tried again, without a wait; then, as often as retries are allowed,
//! the one that is due first; and at the very end those that are cooling. Keys that rest or are dead
//! ([`crate::route::keys`]) are never tried.

use crate::config::{ProviderKey, Snapshot};
use crate::route::health::{Health, State, Target};
use crate::route::keys::Standing;
use crate::route::plan::Candidate;
use crate::route::retry::{Failure, Verdict};
use crate::time::Millis;

/// No call sends more often than this, however many keys and providers there are.
pub const MAX_ATTEMPTS: usize = 32;

/// How patient a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Attempts on a target that failed already; going on to another target is not a retry.
    pub max_retries: u32,
    /// The base of the backoff.
    pub base_delay: Millis,
    /// When the call as a whole must be done.
    pub deadline: Millis,
}

/// One attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Index in the plan.
    pub candidate: usize,
    /// Index in the provider's keys; `None` where it has none.
    pub key: Option<usize>,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send, then report by [`Attempts::succeeded`], [`Attempts::failed`] or [`Attempts::abandoned`].
    Send(Attempt),
    /// Wait so long, then ask again.
    Wait(Millis),
    /// Stop; [`Attempts::outcome`] says what the caller is told.
    Exhausted,
}

/// What a caller is told when no attempt succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// HTTP status.
    pub status: u16,
    /// The smallest wait that any target asked for, with 429 and 503.
    pub retry_after: Option<Millis>,
    /// The failure was the caller's own: the last upstream answer is passed on as it is.
    pub is_callers_fault: bool,
    /// Which were tried and how they failed: provider names only, no addresses, no keys.
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Ready,
    Cooling,
    /// Failed, and may be tried again from then on.
    Due(Millis),
    Spent,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    attempt: Attempt,
    progress: Progress,
}

/// The attempts of one call.
#[derive(Clone, Debug)]
pub struct Attempts {
    plan: Vec<Candidate>,
    patience: Patience,
    slots: Vec<Slot>,
    /// The slot that was sent last and when, until it is reported.
    current: Option<(usize, Millis)>,
    failures: Vec<(Attempt, Failure)>,
    retries: u32,
    sent: usize,
    is_over: bool,
}

impl Attempts {
    /// Begins to walk a plan.
    #[must_use]
    pub fn new(
        plan: Vec<Candidate>,
        patience: Patience,
        snapshot: &Snapshot,
        health: &Health,
        now: Millis,
    ) -> Attempts {
        let mut attempts = Attempts {
            plan,
            patience,
            slots: Vec::new(),
            current: None,
            failures: Vec::new(),
            retries: 0,
            sent: 0,
            is_over: false,
        };
        for candidate in 0..attempts.plan.len() {
            attempts.add_slots(candidate, snapshot, health, now);
        }
        attempts
    }

    fn add_slots(&mut self, candidate: usize, snapshot: &Snapshot, health: &Health, now: Millis) {
        let Some(provider) = self.plan.get(candidate).and_then(|one| snapshot.providers.get(one.provider))
        else {
            return;
        };
        let keys = (0..provider.keys.len()).map(Some);
        let keys = keys.chain(provider.keys.is_empty().then_some(None));
        let slots = self.slots.len();
        let mut passed_over = Vec::new();
        for key in keys {
            let attempt = Attempt { candidate, key };
            if let Some(failure) = self.unusable(attempt, snapshot, health, now) {
                passed_over.push((attempt, failure));
                continue;
            }
            let state = self.target(attempt, snapshot).map(|target| health.state(target, now));
            let progress = if state == Some(State::Ready) { Progress::Ready } else { Progress::Cooling };
            self.slots.push(Slot { attempt, progress });
        }
        if self.slots.len() == slots {
            self.failures.extend(passed_over);
        }
    }

    /// Why the key of an attempt may not be sent.
    fn unusable(
        &self,
        attempt: Attempt,
        snapshot: &Snapshot,
        health: &Health,
        now: Millis,
    ) -> Option<Failure> {
        match health.keys.standing(self.key(attempt, snapshot)?, snapshot.version, now) {
            Standing::Usable => None,
            Standing::Resting(until) => Some(Failure::KeyResting(until.since(now))),
            Standing::Dead => Some(Failure::KeyDead),
        }
    }

    /// What to do now. Takes a half-open target's probe where it sends to one.
    pub fn next(&mut self, snapshot: &Snapshot, health: &mut Health, now: Millis) -> Next {
        if self.is_over || self.sent >= MAX_ATTEMPTS || now >= self.patience.deadline {
            return Next::Exhausted;
        }
        while let Some((index, attempt)) = self.first(Progress::Ready) {
            if self.passes_over(index, attempt, snapshot, health, now) {
                continue;
            }
            if self.target(attempt, snapshot).is_some_and(|target| health.admit(target, now)) {
                return self.send(index, attempt, now);
            }
            self.set(index, Progress::Cooling); // another call took the probe meanwhile
        }
        if let Some((index, attempt, due)) = self.first_due() {
            if due > now {
                return Next::Wait(Millis(due.0 - now.0));
            }
            self.retries += 1;
            return self.send(index, attempt, now);
        }
        while let Some((index, attempt)) = self.first(Progress::Cooling) {
            if self.passes_over(index, attempt, snapshot, health, now) {
                continue;
            }
            // Nothing else is left: it is tried though it cools, and is the probe where it may be.
            if let Some(target) = self.target(attempt, snapshot) {
                health.admit(target, now);
            }
            return self.send(index, attempt, now);
        }
        Next::Exhausted
    }

    /// Another call may have found out meanwhile that a key is dead or must rest.
    fn passes_over(
        &mut self,
        index: usize,
        attempt: Attempt,
        snapshot: &Snapshot,
        health: &Health,
        now: Millis,
    ) -> bool {
        let failure = self.unusable(attempt, snapshot, health, now);
        if let Some(failure) = failure {
            self.set(index, Progress::Spent);
            self.failures.push((attempt, failure));
        }
        failure.is_some()
    }

    fn send(&mut self, index: usize, attempt: Attempt, now: Millis) -> Next {
        self.set(index, Progress::Spent);
        self.current = Some((index, now));
        self.sent += 1;
        Next::Send(attempt)
    }

    /// The last attempt sent its first content, or its whole answer.
    pub fn succeeded(&mut self, snapshot: &Snapshot, health: &mut Health) {
        self.is_over = true;
        if let Some((target, sent)) = self.take_current(snapshot) {
            health.succeeded(target, sent);
            health.keys.succeeded(target.key, sent);
        }
    }

    /// The client went away: the attempt tells nothing about its target.
    pub fn abandoned(&mut self, snapshot: &Snapshot, health: &mut Health) {
        self.is_over = true;
        if let Some((target, sent)) = self.take_current(snapshot) {
            health.abandoned(target, sent);
        }
    }

    /// The last attempt failed. `dice` is random: the jitter of the wait.
    pub fn failed(
        &mut self,
        failure: Failure,
        snapshot: &Snapshot,
        health: &mut Health,
        now: Millis,
        dice: u64,
    ) -> Verdict {
        let verdict = failure.verdict();
        let Some((index, sent)) = self.current else { return verdict };
        let Some(attempt) = self.slots.get(index).map(|slot| slot.attempt) else { return verdict };
        self.judge_key(attempt, failure, snapshot, health, (sent, now));
        if let Some((target, sent)) = self.take_current(snapshot) {
            match (failure.trouble(), verdict, failure) {
                (Some(trouble), ..) => health.failed(target, trouble, sent, now),
                // It answered, so it is well, whatever it thought of the request.
                (None, Verdict::GiveUp, Failure::Status { .. }) => health.succeeded(target, sent),
                (None, ..) => health.abandoned(target, sent),
            }
        }
        self.failures.push((attempt, failure));
        let again = match verdict {
            Verdict::GiveUp => {
                self.is_over = true;
                false
            }
            Verdict::NextKey { again } => again,
            Verdict::NextCandidate { again } => {
                // Its other keys lead to the same endpoint.
                for slot in self.slots.iter_mut().filter(|slot| slot.attempt.candidate == attempt.candidate) {
                    slot.progress = Progress::Spent;
                }
                again
            }
        };
        let due = now.plus(failure.backoff(self.patience.base_delay, self.retries, dice));
        if again && due < self.patience.deadline {
            self.set(index, Progress::Due(due));
        }
        verdict
    }

    fn judge_key(
        &self,
        attempt: Attempt,
        failure: Failure,
        snapshot: &Snapshot,
        health: &mut Health,
        (sent, now): (Millis, Millis),
    ) {
        let (Failure::Status { status, retry_after }, Some(key)) = (failure, self.key(attempt, snapshot))
        else {
            return;
        };
        match status {
            401..=403 => health.keys.refused(key, snapshot.version, failure.describe(), now),
            429 if self.keys(attempt, snapshot).len() > 1 => {
                let reason = failure.describe();
                health.keys.limited(key, snapshot.version, retry_after, reason, (sent, now));
            }
            _ => {}
        }
    }

    /// How many attempts were sent so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.sent
    }

    /// The plan that is walked.
    #[must_use]
    pub fn plan(&self) -> &[Candidate] {
        &self.plan
    }

    /// What the caller is told, once nothing is left.
    #[must_use]
    pub fn outcome(&self, snapshot: &Snapshot) -> Outcome {
        let was_sent = |failure: &Failure| {
            !matches!(failure, Failure::NoKey | Failure::KeyDead | Failure::KeyResting(_))
        };
        let failures = || self.failures.iter().map(|(_, failure)| *failure).rev();
        let rests = |failure: &Failure| matches!(failure, Failure::KeyResting(_));
        let last = failures().find(was_sent).or_else(|| failures().find(rests)).or_else(|| failures().next());
        let status = last.map_or(504, Failure::status); // no failure: the time was up before the first attempt
        let waits = failures().filter_map(Failure::retry_after);
        let answered = matches!(last, Some(Failure::Status { .. }));
        Outcome {
            status,
            retry_after: waits.min().filter(|_| matches!(status, 429 | 503 | 529)),
            is_callers_fault: answered && last.is_some_and(|failure| failure.verdict() == Verdict::GiveUp),
            message: self.message(snapshot),
        }
    }

    fn message(&self, snapshot: &Snapshot) -> String {
        let mut tried: Vec<String> = Vec::new();
        for (attempt, failure) in &self.failures {
            let provider =
                self.plan.get(attempt.candidate).and_then(|one| snapshot.providers.get(one.provider));
            let name = provider.map_or("", |provider| provider.name.as_str());
            let hint = self.key(*attempt, snapshot).map_or("", |key| key.hint.as_str());
            let text = match failure.is_about_key() && !hint.is_empty() {
                true => format!("{name} {} (key {hint})", failure.describe()),
                false => format!("{name} {}", failure.describe()),
            };
            if !tried.contains(&text) {
                tried.push(text);
            }
        }
        match tried.is_empty() {
            true => "the call's time was up before a provider could be tried".into(),
            false => format!("no provider could serve the call: {}", tried.join("; ")),
        }
    }

    fn first(&self, progress: Progress) -> Option<(usize, Attempt)> {
        let mut slots = self.slots.iter().enumerate();
        slots.find(|(_, slot)| slot.progress == progress).map(|(index, slot)| (index, slot.attempt))
    }

    fn first_due(&self) -> Option<(usize, Attempt, Millis)> {
        if self.retries >= self.patience.max_retries {
            return None;
        }
        let due = self.slots.iter().enumerate().filter_map(|(index, slot)| match slot.progress {
            Progress::Due(due) => Some((index, slot.attempt, due)),
            _ => None,
        });
        due.min_by_key(|(_, _, due)| *due) // the first of equals: the order of the plan
    }

    fn set(&mut self, index: usize, progress: Progress) {
        if let Some(slot) = self.slots.get_mut(index) {
            slot.progress = progress;
        }
    }

    fn keys<'a>(&self, attempt: Attempt, snapshot: &'a Snapshot) -> &'a [ProviderKey] {
        let provider = self.plan.get(attempt.candidate).and_then(|one| snapshot.providers.get(one.provider));
        provider.map_or(&[], |provider| provider.keys.as_slice())
    }

    fn key<'a>(&self, attempt: Attempt, snapshot: &'a Snapshot) -> Option<&'a ProviderKey> {
        self.keys(attempt, snapshot).get(attempt.key?)
    }

    fn take_current<'a>(&'a mut self, snapshot: &'a Snapshot) -> Option<(Target<'a>, Millis)> {
        let (index, sent) = self.current.take()?;
        let attempt = self.slots.get(index)?.attempt;
        Some((self.target(attempt, snapshot)?, sent))
    }

    fn target<'a>(&'a self, attempt: Attempt, snapshot: &'a Snapshot) -> Option<Target<'a>> {
        let candidate = self.plan.get(attempt.candidate)?;
        let provider = snapshot.providers.get(candidate.provider)?;
        let key = attempt.key.and_then(|key| provider.keys.get(key)).map_or("", |key| key.id.as_str());
        Some(Target { provider: &provider.id, key, model: &candidate.model })
    }
}

#[cfg(test)]
mod tests;

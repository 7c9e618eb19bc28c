//! Health of targets: a circuit breaker for each provider key and model, and one for each key as a whole.
//!
//! closed → open (cooling until a time) → half-open (one probe) → closed, or open again for longer. It lives in an
//! isolate's memory: every isolate finds out for itself, and forgets with it. A healthy target takes no room.

use crate::route::keys::KeyStates;
use crate::time::Millis;
use std::collections::HashMap;

/// Consecutive failures that open a closed target.
pub const FAILURES_TO_OPEN: u32 = 5;
/// The first pause; it doubles with every failed probe.
pub const FIRST_PAUSE: Millis = Millis(5_000);
/// The pause of a key that was refused for what it is (401, 402), doubling likewise.
pub const REFUSED_PAUSE: Millis = Millis::MINUTE;
/// No pause is longer, whatever an upstream asks for.
pub const LONGEST_PAUSE: Millis = Millis(300_000);
/// A probe that has not reported for so long is lost, and another may go.
pub const PROBE_TIMEOUT: Millis = Millis(120_000);
/// More troubled targets than this are forgotten, the one that was quiet for longest first.
pub const MAX_ENTRIES: usize = 1024;

/// One model behind one key of a provider; `key` is empty where a provider needs none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// Row id.
    pub provider: &'a str,
    /// Row id.
    pub key: &'a str,
    /// As sent upstream.
    pub model: &'a str,
}

/// Whether a target should be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Yes; a target whose pause is over counts as ready while nobody probes it.
    Ready,
    /// Not before then: its pause ends, or its probe has reported or is lost.
    Cooling(Millis),
    /// Its key is refused as such; not before then.
    Refused(Millis),
}

/// What a failed attempt says about its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// One more failure in a row.
    Failure,
    /// The upstream asks to be left alone for so long.
    Busy(Millis),
    /// The key was refused for this model only.
    Forbidden,
    /// The key was refused as such, for all models.
    Refused,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    failures: u32,
    /// How often it opened since it was last closed; 0 is closed.
    openings: u32,
    opened: Millis,
    until: Millis,
    probe: Option<Millis>,
    touched: Millis,
}

enum Phase {
    Closed,
    Open,
    HalfOpen,
    /// Half-open, and a probe is out that must report by then.
    Probing(Millis),
}

impl Entry {
    fn phase(&self, now: Millis) -> Phase {
        let left = self.until.0.saturating_sub(now.0);
        // A clock that was set back must not make a pause longer than any pause is.
        if self.openings == 0 {
            Phase::Closed
        } else if left > 0 && left <= LONGEST_PAUSE.0 {
            Phase::Open
        } else {
            let is_out = |since: &Millis| (0..PROBE_TIMEOUT.0).contains(&now.0.saturating_sub(since.0));
            self.probe
                .filter(is_out)
                .map_or(Phase::HalfOpen, |since| Phase::Probing(since.plus(PROBE_TIMEOUT)))
        }
    }

    fn open(&mut self, pause: Millis, now: Millis) {
        self.openings = self.openings.saturating_add(1);
        self.opened = now;
        self.until = now.plus(pause.clamp(Millis(1), LONGEST_PAUSE));
        self.probe = None;
    }

    fn growing(&self, first: Millis) -> Millis {
        Millis(first.0.saturating_mul(1 << self.openings.min(16))).min(LONGEST_PAUSE)
    }
}

/// The health of all targets that had trouble lately.
#[derive(Debug, Default)]
pub struct Health {
    entries: HashMap<String, Entry>,
    /// Which stored keys rest or are dead, whatever the model.
    pub keys: KeyStates,
}

impl Health {
    /// Whether the target should be tried now; changes nothing.
    #[must_use]
    pub fn state(&self, target: Target<'_>, now: Millis) -> State {
        if self.entries.is_empty() {
            return State::Ready;
        }
        let blocked = |name: &str| {
            let entry = self.entries.get(name)?;
            match entry.phase(now) {
                Phase::Closed | Phase::HalfOpen => None,
                Phase::Open => Some(entry.until),
                Phase::Probing(until) => Some(until),
            }
        };
        blocked(&key_name(target))
            .map(State::Refused)
            .or_else(|| blocked(&name(target)).map(State::Cooling))
            .unwrap_or(State::Ready)
    }

    /// Asks to try the target. A half-open one admits a single caller, who must report by [`Health::succeeded`],
    /// [`Health::failed`] or [`Health::abandoned`].
    pub fn admit(&mut self, target: Target<'_>, now: Millis) -> bool {
        if self.entries.is_empty() {
            return true;
        }
        if self.state(target, now) != State::Ready {
            return false;
        }
        for name in [key_name(target), name(target)] {
            if let Some(entry) = self.entries.get_mut(&name)
                && matches!(entry.phase(now), Phase::HalfOpen)
            {
                entry.probe = Some(now);
                entry.touched = now;
            }
        }
        true
    }

    /// An attempt sent at `sent` went well: closes the target, unless it opened meanwhile.
    pub fn succeeded(&mut self, target: Target<'_>, sent: Millis) {
        if self.entries.is_empty() {
            return;
        }
        for name in [key_name(target), name(target)] {
            if self.entries.get(&name).is_some_and(|entry| entry.openings == 0 || entry.opened <= sent) {
                self.entries.remove(&name);
            }
        }
    }

    /// An attempt sent at `sent` went wrong. What was sent before the target opened tells nothing new, but a longer wait
    /// that the upstream asks for counts.
    pub fn failed(&mut self, target: Target<'_>, trouble: Trouble, sent: Millis, now: Millis) {
        let name = if trouble == Trouble::Refused { key_name(target) } else { name(target) };
        self.make_room(&name);
        let entry = self.entries.entry(name).or_default();
        entry.touched = now;
        entry.failures = entry.failures.saturating_add(1);
        let is_late = entry.openings > 0 && sent < entry.opened;
        let is_probe = entry.openings > 0 && !is_late;
        let pause = match trouble {
            Trouble::Busy(wait) if is_late => {
                entry.until = entry.until.max(now.plus(wait.clamp(Millis(0), LONGEST_PAUSE)));
                None
            }
            _ if is_late => None,
            Trouble::Busy(wait) => Some(wait),
            Trouble::Refused => Some(entry.growing(REFUSED_PAUSE)),
            Trouble::Forbidden => Some(entry.growing(FIRST_PAUSE)),
            Trouble::Failure => {
                (is_probe || entry.failures >= FAILURES_TO_OPEN).then(|| entry.growing(FIRST_PAUSE))
            }
        };
        if let Some(pause) = pause {
            entry.open(pause, now);
        }
        // If this was a probe of the other breaker too, it told nothing about that one, and is over.
        let other = if trouble == Trouble::Refused { self::name(target) } else { key_name(target) };
        if let Some(entry) = self.entries.get_mut(&other).filter(|entry| entry.probe == Some(sent)) {
            entry.probe = None;
        }
    }

    /// An attempt ended without telling anything, as when the client went away: frees its probe.
    pub fn abandoned(&mut self, target: Target<'_>, sent: Millis) {
        for name in [key_name(target), name(target)] {
            if let Some(entry) = self.entries.get_mut(&name).filter(|entry| entry.probe == Some(sent)) {
                entry.probe = None;
            }
        }
    }

    /// Settings of this version are in force: a key that was dead and is no more gets a fresh start.
    pub fn learn(&mut self, version: i64) {
        for key in self.keys.learn(version) {
            self.entries.retain(|name, _| name.split('\0').nth(1) != Some(key.as_str()));
        }
    }

    fn make_room(&mut self, name: &str) {
        if self.entries.len() < MAX_ENTRIES || self.entries.contains_key(name) {
            return;
        }
        let quietest =
            self.entries.iter().min_by_key(|(_, entry)| entry.touched).map(|(name, _)| name.clone());
        if let Some(quietest) = quietest {
            self.entries.remove(&quietest);
        }
    }
}

/// Row ids hold no NUL, so names of keys and of models behind them never meet.
fn key_name(target: Target<'_>) -> String {
    format!("{}\0{}", target.provider, target.key)
}

fn name(target: Target<'_>) -> String {
    format!("{}\0{}\0{}", target.provider, target.key, target.model)
}

#[cfg(test)]
mod tests;

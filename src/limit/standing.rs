//! What a client is told of its limits: what is left of them, and why a call was refused.

use super::caps::{Cap, Kind};
use super::window::Window;
use crate::money::NanoUsd;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What is left; each is the limit of its measure that is nearest to its end, of the key or its owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Allowance>,
    /// Input and output tokens together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Allowance>,
    /// Input tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<Allowance>,
    /// Output tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<Allowance>,
}

/// What is left of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    /// The most in a window.
    pub limit: u64,
    /// What is neither used nor held.
    pub remaining: u64,
    /// When the window ends.
    pub resets_at: Millis,
}

impl Allowance {
    /// Keeps of two the one that a client runs into first.
    pub(super) fn tighten(place: &mut Option<Allowance>, other: Allowance) {
        let order = |allowance: &Allowance| (allowance.remaining, std::cmp::Reverse(allowance.resets_at));
        if place.as_ref().is_none_or(|kept| order(&other) < order(kept)) {
            *place = Some(other);
        }
    }
}

/// Whose limit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The key's.
    Key,
    /// Its owner's, over all keys.
    Owner,
}

/// Why a call was refused: of all limits in its way, the one that is lifted last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Whose limit.
    pub scope: Scope,
    /// Its name: that of the setting, `budget` for money.
    pub limit: Cow<'static, str>,
    /// Its kind.
    pub kind: Kind,
    /// Its window; `None` for calls at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// Committed and held, in the limit's unit.
    pub used: u64,
    /// The most.
    pub max: u64,
    /// What the call would have held.
    pub requested: u64,
    /// When the window ends, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Millis>,
    /// How long to wait, ms; `None` where waiting does not help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Millis>,
}

/// A call may end at any time, so a client that has too many is told to come back soon.
const CONCURRENT_RETRY: Millis = Millis(1_000);

impl Refusal {
    /// Of a cap that so much would exceed.
    pub(super) fn new(
        scope: Scope,
        cap: &Cap,
        used: u64,
        requested: u64,
        at: Millis,
        now: Millis,
    ) -> Refusal {
        let window = cap.subject.window();
        let resets_at = window.and_then(|window| window.span(at).end);
        let retry_after = match (window, resets_at) {
            _ if requested > cap.max => None,
            (None, _) => Some(CONCURRENT_RETRY),
            (_, Some(end)) => Some(end.since(now).max(Millis(1))),
            (Some(_), None) => None,
        };
        Refusal {
            scope,
            limit: cap.name.into(),
            kind: cap.kind,
            window,
            used,
            max: cap.max,
            requested,
            resets_at,
            retry_after,
        }
    }

    /// Whether it is lifted later than another.
    pub(super) fn outlasts(&self, other: &Refusal) -> bool {
        let order = |refusal: &Refusal| refusal.retry_after.unwrap_or(Millis(i64::MAX));
        order(self) > order(other)
    }

    /// The HTTP status: 402 where money is the matter, else 429.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.kind {
            Kind::Budget => 402,
            Kind::Rate | Kind::Quota => 429,
        }
    }

    /// The error's code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self.kind {
            Kind::Budget => "budget_exceeded",
            Kind::Quota => "quota_exceeded",
            Kind::Rate => "rate_limit_exceeded",
        }
    }

    /// The value of `Retry-After`: whole seconds, rounded up.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after.and_then(|span| u64::try_from(span.0.max(0)).ok()).map(|ms| ms.div_ceil(1000))
    }

    /// One sentence for people, naming limit, window, use and reset.
    #[must_use]
    pub fn message(&self) -> String {
        let whose = match self.scope {
            Scope::Key => "this gateway key's",
            Scope::Owner => "the account's",
        };
        let amount = |number: u64| match self.kind {
            Kind::Budget => format!("${}", NanoUsd(i64::try_from(number).unwrap_or(i64::MAX)).to_decimal()),
            Kind::Rate | Kind::Quota => number.to_string(),
        };
        let window = self.window.map_or(String::new(), |window| format!(", window {}", window.as_str()));
        let (used, max, requested) = (amount(self.used), amount(self.max), amount(self.requested));
        let reset = match self.resets_at {
            _ if self.requested > self.max => "the request alone may use more than the limit".to_owned(),
            Some(end) => format!("it resets at {}", end.to_iso()),
            None if self.window.is_some() => "it does not reset".to_owned(),
            None => "it frees as calls end".to_owned(),
        };
        format!(
            "{whose} limit {}{window} is reached: {used} of {max} used or reserved, this request needs up to {requested}; {reset}",
            self.limit
        )
    }
}

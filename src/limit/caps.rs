//! A scope's limits as one list of caps: how much of which measure in which window.
//!
//! They travel with each reservation, so that the ledger needs no settings of its own and never has stale ones.

use super::amounts::{Amounts, Measure};
use super::window::Window;
use crate::config::{Budget, Key, Quotas, RateLimits};
use serde::{Deserialize, Serialize};

/// All limits of a key, or of an owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Rates.
    pub rates: RateLimits,
    /// Quotas; those of a single request are none of the ledger's.
    pub quotas: Quotas,
    /// Money.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
}

/// What kind of limit it is, which decides the status of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// 429
    Rate,
    /// 429
    Quota,
    /// 402
    Budget,
}

impl Kind {
    /// The field of a key that such limits stand in.
    #[must_use]
    pub fn setting(self) -> &'static str {
        match self {
            Kind::Rate => "rate_limits",
            Kind::Quota => "quotas",
            Kind::Budget => "budget",
        }
    }
}

/// What a cap is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Calls at the same time.
    Concurrent,
    /// What is used within a window.
    Used(Measure, Window),
}

impl Subject {
    /// The window, where there is one.
    #[must_use]
    pub fn window(self) -> Option<Window> {
        match self {
            Subject::Concurrent => None,
            Subject::Used(_, window) => Some(window),
        }
    }

    /// How much of it a call takes that uses this.
    #[must_use]
    pub fn taken_by(self, amounts: Amounts) -> u64 {
        match self {
            Subject::Concurrent => 1,
            Subject::Used(measure, _) => amounts.get(measure),
        }
    }
}

/// One limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    /// As the setting is called; `budget` for money.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// What it is on.
    pub subject: Subject,
    /// The most, in the measure's unit.
    pub max: u64,
}

impl Limits {
    /// Of a key.
    #[must_use]
    pub fn of(key: &Key) -> Limits {
        Limits { rates: key.rate_limits, quotas: key.quotas, budget: key.budget }
    }

    /// Whether the ledger has nothing to check, so that a call need not ask it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.caps().next().is_none()
    }

    /// Whether a single request has a limit of its own, which is none of the ledger's.
    #[must_use]
    pub fn has_request_quotas(&self) -> bool {
        self.quotas.max_input_tokens.or(self.quotas.max_output_tokens).is_some()
    }

    /// Whether a limit depends on how much a call writes.
    #[must_use]
    pub fn needs_output_bound(&self) -> bool {
        use Measure::{Cost, OutputTokens, Tokens};
        let depends = |cap: Cap| matches!(cap.subject, Subject::Used(Cost | OutputTokens | Tokens, _));
        self.caps().any(depends)
    }

    /// Every limit that is set.
    pub fn caps(&self) -> impl Iterator<Item = Cap> {
        use Measure::{Cost, InputTokens, OutputTokens, Requests, Tokens};
        let Limits { rates, quotas, budget } = *self;
        let used = Subject::Used;
        let budget_window = budget.map_or(Window::Total, |budget| budget.window.into());
        let money = budget.map(|budget| u64::try_from(budget.nano_usd.0).unwrap_or_default());
        [
            ("concurrent", Kind::Rate, Subject::Concurrent, rates.concurrent),
            ("requests_per_minute", Kind::Rate, used(Requests, Window::Minute), rates.requests_per_minute),
            ("requests_per_hour", Kind::Rate, used(Requests, Window::Hour), rates.requests_per_hour),
            ("requests_per_day", Kind::Rate, used(Requests, Window::Day), rates.requests_per_day),
            ("tokens_per_minute", Kind::Rate, used(Tokens, Window::Minute), rates.tokens_per_minute),
            ("requests_per_day", Kind::Quota, used(Requests, Window::Day), quotas.requests_per_day),
            (
                "input_tokens_per_day",
                Kind::Quota,
                used(InputTokens, Window::Day),
                quotas.input_tokens_per_day,
            ),
            (
                "output_tokens_per_day",
                Kind::Quota,
                used(OutputTokens, Window::Day),
                quotas.output_tokens_per_day,
            ),
            ("budget", Kind::Budget, used(Cost, budget_window), money),
        ]
        .into_iter()
        .filter_map(|(name, kind, subject, max)| Some(Cap { name, kind, subject, max: max? }))
    }
}

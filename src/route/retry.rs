//! Verdicts: what a failed attempt means for the next one, and how long to wait before the same target again.

use crate::route::health::Trouble;
use crate::route::mix;
use crate::time::Millis;

/// No backoff is longer; a wait that the upstream asks for may be.
pub const LONGEST_BACKOFF: Millis = Millis(5_000);

/// How an attempt failed before its first content was handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection, or it broke.
    Connection,
    /// A deadline passed.
    Timeout(Deadline),
    /// The upstream answered with this status.
    Status {
        /// 300 or more.
        status: u16,
        /// The wait that it asks for, see [`crate::route::retry_after::parse`].
        retry_after: Option<Millis>,
    },
    /// A stream began with an error.
    ErrorEvent,
    /// A stream ended, or a body was empty or unreadable, before any content.
    Empty,
    /// The provider has no key that can be used.
    NoKey,
    /// The key was refused before, and nobody has changed it since; nothing was sent.
    KeyDead,
    /// The key rests for so long; nothing was sent.
    KeyResting(Millis),
    /// 403, but about this model or this content: the key as such is well.
    Forbidden,
    /// The provider's settings do not allow a call: its base URL or headers.
    Misconfigured,
}

/// The deadlines of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// For the response's headers.
    Headers,
    /// For the first content of a stream.
    FirstContent,
    /// Between two chunks.
    Idle,
    /// For the whole call.
    Total,
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The key may be at fault: its siblings are tried, then other candidates. `again`: it may itself be tried later.
    NextKey {
        /// Whether the same key may serve after a wait.
        again: bool,
    },
    /// The endpoint is at fault: other candidates are tried. `again`: it may itself be tried later.
    NextCandidate {
        /// Whether the same target may serve after a wait.
        again: bool,
    },
    /// The request is at fault, or its time is up: nobody else would do better.
    GiveUp,
}

impl Failure {
    /// What to do about it.
    ///
    /// 400, 404, 413, 422 and their like are the caller's fault. 401, 402 and 403 speak of the key, 429 of its limits; 408,
    /// 409, 5xx and whatever else no caller can mend speak of the endpoint.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        match self {
            Failure::Timeout(Deadline::Total) => Verdict::GiveUp,
            Failure::NoKey | Failure::Misconfigured => Verdict::NextCandidate { again: false },
            Failure::KeyDead | Failure::KeyResting(_) | Failure::Forbidden => {
                Verdict::NextKey { again: false }
            }
            Failure::Connection | Failure::Timeout(_) | Failure::ErrorEvent | Failure::Empty => {
                Verdict::NextCandidate { again: true }
            }
            Failure::Status { status, .. } => match status {
                401..=403 => Verdict::NextKey { again: false },
                429 => Verdict::NextKey { again: true },
                408 | 409 | 425 => Verdict::NextCandidate { again: true },
                400..=499 => Verdict::GiveUp,
                501 | 505 => Verdict::NextCandidate { again: false },
                500.. => Verdict::NextCandidate { again: true },
                _ => Verdict::NextCandidate { again: false }, // a redirect: not an API's answer
            },
        }
    }

    /// What it says about the health of its target; `None` where it says that the target is well, or nothing.
    #[must_use]
    pub fn trouble(self) -> Option<Trouble> {
        match self {
            Failure::Timeout(Deadline::Total) | Failure::NoKey | Failure::Misconfigured => None,
            Failure::KeyDead | Failure::KeyResting(_) => None,
            Failure::Status { status: 401 | 402, .. } => Some(Trouble::Refused),
            Failure::Forbidden | Failure::Status { status: 403, .. } => Some(Trouble::Forbidden),
            Failure::Status { status: 429 | 503 | 529, retry_after: Some(wait) } if wait.0 > 0 => {
                Some(Trouble::Busy(wait))
            }
            Failure::Status { status: 409, .. } => None,
            _ => (self.verdict() != Verdict::GiveUp).then_some(Trouble::Failure),
        }
    }

    /// Whether it is about the key that was sent, or was not.
    #[must_use]
    pub fn is_about_key(self) -> bool {
        let about_key = |status| matches!(status, 401..=403 | 429);
        matches!(self, Failure::KeyDead | Failure::KeyResting(_))
            || matches!(self, Failure::Status { status, .. } if about_key(status))
    }

    /// The wait that it asks for.
    #[must_use]
    pub fn retry_after(self) -> Option<Millis> {
        match self {
            Failure::Status { retry_after, .. } => retry_after,
            Failure::KeyResting(wait) => Some(wait),
            _ => None,
        }
    }

    /// The status that a caller sees when this was the last failure.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Failure::Timeout(_) => 504,
            Failure::NoKey | Failure::KeyDead | Failure::Status { status: 401..=403, .. } => 503,
            Failure::KeyResting(_) => 429,
            Failure::Forbidden => 403,
            Failure::Status { status: status @ 400.., .. } => status,
            _ => 502,
        }
    }

    /// A clause for people, without addresses and keys.
    #[must_use]
    pub fn describe(self) -> String {
        let text = match self {
            Failure::Connection => "could not be reached",
            Failure::Timeout(Deadline::Headers) => "did not answer in time",
            Failure::Timeout(Deadline::FirstContent) => "sent no content in time",
            Failure::Timeout(Deadline::Idle) => "fell silent",
            Failure::Timeout(Deadline::Total) => "did not finish within the call's time",
            Failure::ErrorEvent => "began its stream with an error",
            Failure::Empty => "sent an empty answer",
            Failure::NoKey => "has no usable API key",
            Failure::KeyDead => "is not tried with a key that it refused before",
            Failure::KeyResting(_) => "is not tried while its key rests",
            Failure::Forbidden => "does not allow this call (403)",
            Failure::Misconfigured => "is not set up correctly",
            Failure::Status { status, .. } => {
                return match status {
                    401 | 403 => format!("refused its API key ({status})"),
                    402 => "is out of credit (402)".into(),
                    429 => "is rate limited (429)".into(),
                    _ => format!("answered {status}"),
                };
            }
        };
        text.into()
    }

    /// The wait before the same target is tried again: what it asks for, spread by one base delay so that not all come back
    /// at once; else full jitter over `base × 2^retry`.
    /// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>
    #[must_use]
    pub fn backoff(self, base: Millis, retry: u32, dice: u64) -> Millis {
        let below = |limit: i64| {
            let limit = u64::try_from(limit.max(0)).unwrap_or_default().saturating_add(1);
            Millis(i64::try_from(mix(dice) % limit).unwrap_or_default())
        };
        match self {
            Failure::Status { retry_after: Some(wait), .. } => {
                wait.plus(below(base.0.min(LONGEST_BACKOFF.0)))
            }
            _ => below(base.0.saturating_mul(1 << retry.min(20)).min(LONGEST_BACKOFF.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn status(status: u16) -> Failure {
        Failure::Status { status, retry_after: None }
    }

    #[test]
    fn verdicts_are_by_whose_fault_it_is() {
        for (failures, expected) in [
            (vec![400, 404, 405, 413, 415, 422, 451], Verdict::GiveUp),
            (vec![401, 402, 403], Verdict::NextKey { again: false }),
            (vec![429], Verdict::NextKey { again: true }),
            (vec![408, 409, 425, 500, 502, 503, 504, 520, 529, 599], Verdict::NextCandidate { again: true }),
            (vec![301, 307, 501], Verdict::NextCandidate { again: false }),
        ] {
            for code in failures {
                assert_eq!(status(code).verdict(), expected, "{code}");
            }
        }
        for failure in
            [Failure::Connection, Failure::ErrorEvent, Failure::Empty, Failure::Timeout(Deadline::Headers)]
        {
            assert_eq!(failure.verdict(), Verdict::NextCandidate { again: true }, "{failure:?}");
        }
        assert_eq!(Failure::Timeout(Deadline::Total).verdict(), Verdict::GiveUp);
    }

    #[test]
    fn callers_see_the_status_that_helps_them() {
        for (failure, expected) in [
            (status(429), 429),
            (status(500), 500),
            (status(529), 529),
            (status(401), 503),
            (status(402), 503),
            (status(302), 502),
            (Failure::NoKey, 503),
            (Failure::Connection, 502),
            (Failure::Empty, 502),
            (Failure::Timeout(Deadline::FirstContent), 504),
        ] {
            assert_eq!(failure.status(), expected, "{failure:?}");
        }
    }

    #[test]
    fn a_callers_own_mistake_or_deadline_hurts_nobodys_health() {
        for failure in
            [status(400), status(404), status(409), Failure::Timeout(Deadline::Total), Failure::NoKey]
        {
            assert_eq!(failure.trouble(), None, "{failure:?}");
        }
        let busy = Failure::Status { status: 429, retry_after: Some(Millis(70)) };
        assert_eq!(busy.trouble(), Some(Trouble::Busy(Millis(70))));
        assert_eq!(status(429).trouble(), Some(Trouble::Failure));
        assert_eq!(status(401).trouble(), Some(Trouble::Refused));
        assert_eq!(status(403).trouble(), Some(Trouble::Forbidden));
    }

    proptest! {
        #[test]
        fn a_backoff_is_within_its_bounds(base in 0..10_000_i64, retry in 0..64_u32, dice in any::<u64>(), asked in 0..100_000_i64) {
            let wait = status(500).backoff(Millis(base), retry, dice);
            prop_assert!((0..=LONGEST_BACKOFF.0).contains(&wait.0));
            prop_assert!(wait.0 <= base.saturating_mul(1 << retry.min(20)));
            let told = Failure::Status { status: 429, retry_after: Some(Millis(asked)) };
            let wait = told.backoff(Millis(base), retry, dice);
            prop_assert!((asked..=asked + base.min(LONGEST_BACKOFF.0)).contains(&wait.0));
        }
    }
}

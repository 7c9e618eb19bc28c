//! How long each part of a call may take, from the call's own wish, its router, and the Worker's variables.

use super::controls::Controls;
use crate::config::Router;
use crate::config::variables::Variables;
use crate::route::attempts;
use crate::time::Millis;

/// The deadlines and retries of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// From sending to headers, each attempt.
    pub headers: Millis,
    /// From sending to a stream's first content, each attempt.
    pub first_content: Millis,
    /// Between two chunks of a stream.
    pub idle: Millis,
    /// When the answer must be there: the whole of it, or a stream's first content.
    pub deadline: Millis,
    /// When a stream must be over; `None`: a stream that has begun may run on while it is not idle.
    pub stream_until: Option<Millis>,
    max_retries: u32,
    base_delay: Millis,
}

impl Patience {
    /// The call's own wish comes first, then its router's, then the Worker's variables.
    #[must_use]
    pub fn of(
        variables: &Variables,
        router: Option<&Router>,
        controls: &Controls,
        arrived: Millis,
    ) -> Patience {
        let millis = |value: Option<u64>| value.and_then(|value| i64::try_from(value).ok()).map(Millis);
        let timeouts = router.map(|router| router.timeouts).unwrap_or_default();
        let retry = router.map(|router| router.retry).unwrap_or_default();
        let total = controls.timeout.or(millis(timeouts.total_ms));
        let default = variables.request_timeout;
        Patience {
            headers: millis(timeouts.headers_ms).unwrap_or(default),
            first_content: millis(timeouts.first_content_ms).unwrap_or(default),
            idle: millis(timeouts.idle_ms).unwrap_or(default),
            deadline: arrived.plus(total.unwrap_or(default)),
            stream_until: total.map(|total| arrived.plus(total)),
            max_retries: controls.max_retries.or(retry.max_retries).unwrap_or(variables.max_retries),
            base_delay: millis(retry.base_delay_ms).unwrap_or(variables.retry_base_delay),
        }
    }

    /// For the machine that walks the plan.
    #[must_use]
    pub fn attempts(&self) -> attempts::Patience {
        attempts::Patience {
            max_retries: self.max_retries,
            base_delay: self.base_delay,
            deadline: self.deadline,
        }
    }

    /// What is left of the whole call.
    #[must_use]
    pub fn left(&self, now: Millis) -> Millis {
        Millis(self.deadline.since(now).0.max(1))
    }

    /// A span, but not longer than what is left.
    #[must_use]
    pub fn within(&self, span: Millis, now: Millis) -> Millis {
        span.min(self.left(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{RetrySettings, TimeoutSettings};

    fn variables() -> Variables {
        let key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned();
        Variables::read(|name| (name == "MASTER_KEY").then(|| key.clone()), &[]).unwrap()
    }

    #[test]
    fn the_calls_own_wish_wins_over_its_routers_and_that_over_the_variables() {
        let router = Router {
            timeouts: TimeoutSettings {
                total_ms: Some(5_000),
                headers_ms: Some(700),
                ..TimeoutSettings::default()
            },
            retry: RetrySettings { max_retries: Some(4), base_delay_ms: None },
            ..Router::default()
        };
        let wish = Controls { timeout: Some(Millis(900)), max_retries: Some(1), ..Controls::default() };
        let of = |router: Option<&Router>, controls: &Controls| {
            Patience::of(&variables(), router, controls, Millis(0))
        };
        let plain = of(None, &Controls::default());
        assert_eq!(
            (plain.deadline, plain.headers, plain.attempts().max_retries),
            (Millis(120_000), Millis(120_000), 2)
        );
        let routed = of(Some(&router), &Controls::default());
        assert_eq!(
            (routed.deadline, routed.headers, routed.attempts().max_retries),
            (Millis(5_000), Millis(700), 4)
        );
        let wished = of(Some(&router), &wish);
        assert_eq!((wished.deadline, wished.attempts().max_retries), (Millis(900), 1));
    }

    #[test]
    fn a_stream_that_has_begun_ends_only_at_a_limit_that_somebody_set() {
        let of = |controls: &Controls| Patience::of(&variables(), None, controls, Millis(10));
        assert_eq!(of(&Controls::default()).stream_until, None);
        let wish = Controls { timeout: Some(Millis(900)), ..Controls::default() };
        assert_eq!(of(&wish).stream_until, Some(Millis(910)));
    }

    #[test]
    fn no_part_outlasts_the_whole() {
        let wish = Controls { timeout: Some(Millis(900)), ..Controls::default() };
        let patience = Patience::of(&variables(), None, &wish, Millis(0));
        assert_eq!(patience.within(patience.headers, Millis(400)), Millis(500));
        assert_eq!(patience.left(Millis(2_000)), Millis(1));
    }
}

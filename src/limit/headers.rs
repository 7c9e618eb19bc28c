//! What is left of the limits as response headers: OpenAI's `x-ratelimit-*`, and Anthropic's for Messages clients.

use super::standing::{Allowance, Standing};
use crate::time::Millis;
use chrono::{DateTime, SecondsFormat, Utc};

/// `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`
/// (<https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers>).
#[must_use]
pub fn openai(standing: &Standing, now: Millis) -> Vec<(&'static str, String)> {
    let requests =
        ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"];
    let tokens = ["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"];
    let reset = |allowance: &Allowance| duration(allowance.resets_at.since(now));
    collect([(requests, standing.requests), (tokens, standing.tokens)], reset)
}

/// `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}`
/// (<https://docs.anthropic.com/en/api/rate-limits#response-headers>).
#[must_use]
pub fn anthropic(standing: &Standing) -> Vec<(&'static str, String)> {
    let requests = [
        "anthropic-ratelimit-requests-limit",
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
    ];
    let tokens = [
        "anthropic-ratelimit-tokens-limit",
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
    ];
    let input = [
        "anthropic-ratelimit-input-tokens-limit",
        "anthropic-ratelimit-input-tokens-remaining",
        "anthropic-ratelimit-input-tokens-reset",
    ];
    let output = [
        "anthropic-ratelimit-output-tokens-limit",
        "anthropic-ratelimit-output-tokens-remaining",
        "anthropic-ratelimit-output-tokens-reset",
    ];
    let Standing { requests: of_requests, tokens: of_tokens, input_tokens, output_tokens } = *standing;
    let all = [(requests, of_requests), (tokens, of_tokens), (input, input_tokens), (output, output_tokens)];
    collect(all, |allowance| seconds(allowance.resets_at))
}

fn collect<const N: usize>(
    families: [([&'static str; 3], Option<Allowance>); N],
    reset: impl Fn(&Allowance) -> String,
) -> Vec<(&'static str, String)> {
    let mut headers = Vec::with_capacity(3 * N);
    for ([limit, remaining, resets], allowance) in families {
        if let Some(allowance) = allowance {
            headers.push((limit, allowance.limit.to_string()));
            headers.push((remaining, allowance.remaining.to_string()));
            headers.push((resets, reset(&allowance)));
        }
    }
    headers
}

/// A span as OpenAI writes it, which is as Go does: `12ms`, `1s`, `8.64s`, `6m0s`, `23h59m59.5s`; `0s` is now.
#[must_use]
pub fn duration(span: Millis) -> String {
    let total = span.0.max(0);
    let (hours, minutes, millis) = (total / 3_600_000, total / 60_000 % 60, total % 60_000);
    if (1..1000).contains(&total) {
        return format!("{total}ms");
    }
    let fraction = format!(".{:03}", millis % 1000);
    let seconds = format!("{}{}s", millis / 1000, fraction.trim_end_matches('0').trim_end_matches('.'));
    match (hours, minutes) {
        (0, 0) => seconds,
        (0, _) => format!("{minutes}m{seconds}"),
        _ => format!("{hours}h{minutes}m{seconds}"),
    }
}

/// RFC 3339 in whole seconds; windows end on whole seconds.
fn seconds(at: Millis) -> String {
    let time = DateTime::<Utc>::from_timestamp_millis(at.0).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_openai_writes_them() {
        // The first five are of recorded answers.
        for (millis, text) in [
            (12, "12ms"),
            (120, "120ms"),
            (0, "0s"),
            (360_000, "6m0s"),
            (8_640, "8.64s"),
            (1_000, "1s"),
            (60_000, "1m0s"),
            (90_951, "1m30.951s"),
            (3_600_000, "1h0m0s"),
            (86_399_500, "23h59m59.5s"),
            (2_678_400_000, "744h0m0s"),
            (-5, "0s"),
        ] {
            assert_eq!(duration(Millis(millis)), text, "{millis}");
        }
    }

    #[test]
    fn each_family_has_its_own_names_and_its_own_way_to_write_a_reset() {
        let now = Millis::from_iso("2026-11-20T12:00:15.250Z").unwrap();
        let resets_at = Millis::from_iso("2026-11-20T12:01:00Z").unwrap();
        let allowance = |limit, remaining| Some(Allowance { limit, remaining, resets_at });
        let standing = Standing {
            requests: allowance(100, 99),
            tokens: allowance(1000, 0),
            output_tokens: allowance(7, 6),
            ..Standing::default()
        };
        let lines = |headers: Vec<(&str, String)>| {
            headers.into_iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>()
        };
        assert_eq!(
            lines(openai(&standing, now)),
            [
                "x-ratelimit-limit-requests: 100",
                "x-ratelimit-remaining-requests: 99",
                "x-ratelimit-reset-requests: 44.75s",
                "x-ratelimit-limit-tokens: 1000",
                "x-ratelimit-remaining-tokens: 0",
                "x-ratelimit-reset-tokens: 44.75s",
            ]
        );
        let anthropic = lines(anthropic(&standing));
        assert_eq!(anthropic.len(), 9);
        assert_eq!(anthropic[2], "anthropic-ratelimit-requests-reset: 2026-11-20T12:01:00Z");
        assert_eq!(anthropic[6], "anthropic-ratelimit-output-tokens-limit: 7");
    }
}

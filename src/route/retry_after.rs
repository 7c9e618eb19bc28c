//! When an upstream says to come again, in all the forms that providers use.
//!
//! | source | form |
//! | --- | --- |
//! | `retry-after-ms`, `x-ms-retry-after-ms` (OpenAI, Azure) | milliseconds |
//! | `retry-after` (RFC 9110 §10.2.3) | seconds, or an HTTP date |
//! | `x-ratelimit-reset-{requests,tokens}` (OpenAI, Groq) | durations: `6m0s`, `88ms` |
//! | `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-reset` | RFC 3339 |
//! | `x-ratelimit-reset` (OpenRouter) | seconds from now, or seconds or milliseconds since 1970 |
//! | `google.rpc.RetryInfo` in the body (Gemini) | `"retryDelay": "34s"` |

use crate::time::Millis;

/// Longer waits than this are cut; nobody keeps a call or a cooldown open for a day.
const MAX: Millis = Millis::DAY;

/// The windows of OpenAI and Anthropic, as prefixes and suffixes around `remaining` and `reset`.
const WINDOWS: &[(&str, &str)] = &[
    ("x-ratelimit-", "-requests"),
    ("x-ratelimit-", "-tokens"),
    ("anthropic-ratelimit-requests-", ""),
    ("anthropic-ratelimit-tokens-", ""),
    ("anthropic-ratelimit-input-tokens-", ""),
    ("anthropic-ratelimit-output-tokens-", ""),
];

/// The wait that a refusal asks for, at most a day; `None` where it asks for none. `header` finds a value by its
/// lower-case name. A wait said explicitly wins over what can be read from rate limits.
#[must_use]
pub fn parse(header: impl Fn(&str) -> Option<String>, body: &[u8], now: Millis) -> Option<Millis> {
    let milliseconds = |name: &str| span(header(name)?.trim().parse::<f64>().ok()?);
    let explicit = milliseconds("retry-after-ms")
        .or_else(|| milliseconds("x-ms-retry-after-ms"))
        .filter(|wait| wait.0 > 0) // Azure sends 0 beside `retry-after: 1`
        .or_else(|| seconds_or_date(&header("retry-after")?, now));
    let wait = explicit
        .or_else(|| retry_info(body))
        .or_else(|| longest_window(&header, now))
        .or_else(|| reset(&header("x-ratelimit-reset")?, now))?;
    Some(wait.clamp(Millis(0), MAX))
}

/// The longest reset of the windows that are used up; where none says so, the longest of all.
fn longest_window(header: &impl Fn(&str) -> Option<String>, now: Millis) -> Option<Millis> {
    let windows = WINDOWS.iter().filter_map(|(prefix, suffix)| {
        let wait = reset(&header(&format!("{prefix}reset{suffix}"))?, now)?;
        let used_up = header(&format!("{prefix}remaining{suffix}")).is_some_and(|left| left.trim() == "0");
        Some((used_up, wait))
    });
    windows.max().map(|(_, wait)| wait)
}

fn reset(text: &str, now: Millis) -> Option<Millis> {
    let text = text.trim();
    match text.parse::<f64>() {
        Ok(number) if number >= 1e12 => Some(Millis(span(number)?.0 - now.0)),
        Ok(number) if number >= 1e9 => Some(Millis(span(number * 1000.0)?.0 - now.0)),
        Ok(number) => span(number * 1000.0),
        Err(_) => duration(text).or_else(|| Some(Millis(Millis::from_iso(text)?.0 - now.0))),
    }
}

fn seconds_or_date(text: &str, now: Millis) -> Option<Millis> {
    let text = text.trim();
    match text.parse::<f64>() {
        Ok(seconds) => span(seconds * 1000.0),
        Err(_) => duration(text).or_else(|| Some(Millis(Millis::from_http_date(text)?.0 - now.0))),
    }
}

/// `"retryDelay": "34.07s"`, wherever it stands in the body.
fn retry_info(body: &[u8]) -> Option<Millis> {
    let name = br#""retryDelay""#;
    let at = memchr::memmem::find(body, name)?;
    let mut quoted = body.get(at + name.len()..)?.splitn(3, |byte| *byte == b'"');
    let before = quoted.next()?;
    let is_value = before.iter().all(|byte| *byte == b':' || byte.is_ascii_whitespace());
    duration(std::str::from_utf8(quoted.next().filter(|_| is_value)?).ok()?)
}

/// A duration as Go writes it: `1h2m`, `6m0s`, `1.5s`, `88ms`.
fn duration(text: &str) -> Option<Millis> {
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let (number, after) = rest.split_at_checked(digits)?;
        let unit_end = after.find(|character: char| character.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(unit_end)?;
        let factor = match unit {
            "d" => 86_400_000.0,
            "h" => 3_600_000.0,
            "m" => 60_000.0,
            "s" => 1000.0,
            "ms" => 1.0,
            "us" | "µs" => 1e-3,
            "ns" => 1e-6,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * factor;
        rest = next;
    }
    (!text.is_empty()).then(|| span(total)).flatten()
}

/// Whole milliseconds, rounded up so that nobody comes too early.
#[allow(clippy::cast_possible_truncation, reason = "the range is checked first")]
fn span(milliseconds: f64) -> Option<Millis> {
    (0.0..9e15).contains(&milliseconds).then(|| Millis(milliseconds.ceil() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Wed, 21 Oct 2015 07:28:00 GMT
    const NOW: Millis = Millis(1_445_412_480_000);

    fn parsed(headers: &[(&str, &str)], body: &str) -> Option<i64> {
        let header = |name: &str| {
            headers.iter().find(|(present, _)| *present == name).map(|(_, value)| (*value).to_owned())
        };
        parse(header, body.as_bytes(), NOW).map(|wait| wait.0)
    }

    #[test]
    fn every_form_is_read() {
        for (headers, expected) in [
            (vec![("retry-after", "20")], Some(20_000)),
            (vec![("retry-after", "0.25")], Some(250)),
            (vec![("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT")], Some(30_000)),
            (vec![("retry-after", "Wed, 21 Oct 2015 07:00:00 GMT")], Some(0)),
            (vec![("retry-after", "30s")], Some(30_000)),
            (vec![("retry-after", "soon")], None),
            (vec![("retry-after", "-5")], None),
            (vec![("retry-after", "99999999")], Some(86_400_000)),
            (vec![("retry-after", "NaN")], None),
            (vec![("retry-after-ms", "1500"), ("retry-after", "20")], Some(1_500)),
            (vec![("retry-after-ms", "0"), ("retry-after", "1")], Some(1_000)),
            (vec![("x-ms-retry-after-ms", "700")], Some(700)),
            (vec![("x-ratelimit-reset-requests", "6m0s")], Some(360_000)),
            (vec![("x-ratelimit-reset-tokens", "88ms")], Some(88)),
            (vec![("x-ratelimit-reset-tokens", "1h2m")], Some(3_720_000)),
            (vec![("x-ratelimit-reset-tokens", "7.66s")], Some(7_660)),
            (vec![("x-ratelimit-reset-requests", "1s"), ("x-ratelimit-reset-tokens", "2s")], Some(2_000)),
            (
                vec![
                    ("x-ratelimit-reset-requests", "1s"),
                    ("x-ratelimit-remaining-requests", "0"),
                    ("x-ratelimit-reset-tokens", "60s"),
                    ("x-ratelimit-remaining-tokens", "500"),
                ],
                Some(1_000),
            ),
            (vec![("anthropic-ratelimit-input-tokens-reset", "2015-10-21T07:28:12Z")], Some(12_000)),
            (vec![("x-ratelimit-reset", "1445412485000")], Some(5_000)),
            (vec![("x-ratelimit-reset", "1445412485")], Some(5_000)),
            (vec![("x-ratelimit-reset", "3")], Some(3_000)),
            (vec![], None),
        ] {
            assert_eq!(parsed(&headers, ""), expected, "{headers:?}");
        }
    }

    #[test]
    fn gemini_says_it_in_the_body() {
        let body = |value: &str| format!(r#"[{{"error":{{"details":[{{"retryDelay" : {value}}}]}}}}]"#);
        assert_eq!(parsed(&[], &body(r#""34s""#)), Some(34_000));
        assert_eq!(parsed(&[], &body(r#""34.074824224s""#)), Some(34_075));
        assert_eq!(parsed(&[], &body("null, \"other\": \"3s\"")), None);
    }

    #[test]
    fn recorded_refusals_are_read() {
        let root = std::env::var("EDGEWAY_FIXTURES").unwrap_or_else(|_| "../shared/fixtures".into());
        for (file, expected) in [("gemini/errors.mixed.json", 48_000), ("azure/errors.mixed.json", 1_000)] {
            let Ok(text) = std::fs::read_to_string(format!("{root}/{file}")) else {
                println!("skipped: {file} is not here");
                continue;
            };
            let recorded: serde_json::Value = serde_json::from_str(&text).unwrap();
            let interactions = recorded["interactions"].as_array().unwrap().iter();
            let refusals: Vec<_> = interactions.filter(|one| one["response"]["status"] == 429).collect();
            assert!(!refusals.is_empty(), "{file}");
            for refusal in refusals {
                let response = &refusal["response"];
                let header = |name: &str| response["headers"][name].as_str().map(str::to_owned);
                let wait = parse(header, response["body"].as_str().unwrap().as_bytes(), NOW);
                assert_eq!(wait, Some(Millis(expected)), "{file}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_no_wait_is_out_of_bounds(text in "\\PC{0,24}", name in 0_usize..4) {
            let name = ["retry-after", "retry-after-ms", "x-ratelimit-reset-tokens", "x-ratelimit-reset"][name];
            if let Some(wait) = parsed(&[(name, &text)], &text) {
                prop_assert!((0..=MAX.0).contains(&wait));
            }
        }
    }
}

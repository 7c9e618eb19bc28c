//! The response cache: a call that asks for the very same as one before it, of the same tenant and for the same target, gets
//! its answer.
//!
//! It is wanted call by call (`x-edgeway-cache`) or by a key's policy. What tells calls apart is all that decides their answer,
//! and the body is compared as JSON, whatever the order of its members and its white space.

use super::{Asked, Claim, hash};
use crate::config::Key;
use crate::config::policy::LONGEST_CACHE as LONGEST;
use crate::error::ApiError;
use crate::time::Millis;
use serde_json::Value;

/// How long a call's answer is kept that is refreshed where nothing says how long.
const USUAL: u64 = 3_600;

/// What a call says in `x-edgeway-cache`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// `off`: no cache, whatever the key's policy is.
    Off,
    /// `ttl=…`: no answer that is older than so many seconds.
    Seconds(u64),
    /// `refresh`: a new answer, which takes the place of the one that is kept.
    Refresh,
}

/// Whose call it is and where it goes.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The tenant.
    pub owner: &'a str,
    /// The key, whose settings go into the call.
    pub key: &'a Key,
    /// Whom it may go to: providers and their models.
    pub targets: &'a str,
    /// Headers of the call that change its answer.
    pub headers: &'a str,
}

/// Reads `x-edgeway-cache`.
///
/// # Errors
/// 400.
pub fn wish(text: &str) -> Result<Wish, ApiError> {
    let seconds = |text: &str| text.parse().ok().filter(|seconds| (1..=LONGEST).contains(seconds));
    match text.trim() {
        "off" => Some(Wish::Off),
        "refresh" => Some(Wish::Refresh),
        other => other.strip_prefix("ttl=").and_then(seconds).map(Wish::Seconds),
    }
    .ok_or_else(|| {
        let message =
            format!("x-edgeway-cache must be `off`, `refresh` or `ttl=` and seconds from 1 to {LONGEST}");
        ApiError::invalid("x-edgeway-cache", message)
    })
}

/// The claim of a call that came at `at`; `None` where nothing is to be cached.
#[must_use]
pub fn claim(
    wish: Option<Wish>,
    scope: Scope<'_>,
    asked: Asked<'_>,
    holder: &str,
    at: Millis,
) -> Option<Claim> {
    let usual = scope.key.policy.cache_seconds;
    let (seconds, refreshes) = match wish {
        Some(Wish::Off) => return None,
        Some(Wish::Seconds(seconds)) => (seconds, false),
        Some(Wish::Refresh) => (usual.unwrap_or(USUAL), true),
        None => (usual?, false),
    };
    let mut body: Value = serde_json::from_slice(asked.body).ok()?;
    body.sort_all_objects();
    let body = body.to_string();
    let asked = Asked { body: body.as_bytes(), ..asked };
    let keeps = Millis(i64::try_from(seconds.min(LONGEST)).ok()?.saturating_mul(1_000));
    let Scope { owner, key, targets, headers } = scope;
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    let parts = [
        optional(&key.base_url),
        optional(&key.system_prompt),
        key.quotas.max_output_tokens.map(|most| most.to_string()).unwrap_or_default(),
    ];
    let [base_url, prompt, most] = parts.each_ref().map(String::as_bytes);
    let fingerprint = asked.fingerprint();
    let target = hash(&[targets.as_bytes(), base_url, prompt, most, headers.as_bytes()]);
    Some(Claim {
        id: hash(&[b"cache", owner.as_bytes(), target.as_bytes(), fingerprint.as_bytes()]),
        fingerprint,
        form: None,
        holder: holder.into(),
        keeps,
        since: if refreshes { at } else { Millis(at.0 - keeps.0) },
        is_cache: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_795_179_600_000);

    fn with(wish: Option<Wish>, key: &Key, body: &[u8]) -> Option<Claim> {
        let scope = Scope { owner: "ada", key, targets: "t", headers: "" };
        claim(wish, scope, Asked { endpoint: "chat", model: "m", stream: false, body }, "h", NOW)
    }

    fn caches(seconds: u64) -> Key {
        let mut key = Key::default();
        key.policy.cache_seconds = Some(seconds);
        key
    }

    #[test]
    fn the_header_says_how_long() {
        for (text, expected) in [
            ("off", Some(Wish::Off)),
            ("refresh", Some(Wish::Refresh)),
            ("ttl=60", Some(Wish::Seconds(60))),
            (" ttl=2592000", Some(Wish::Seconds(LONGEST))),
            ("ttl=2592001", None),
            ("ttl=0", None),
            ("ttl=-1", None),
            ("on", None),
        ] {
            assert_eq!(wish(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_call_is_cached_where_it_or_its_key_wants_that() {
        let (plain, key) = (Key::default(), caches(60));
        assert_eq!(with(None, &plain, b"{}"), None);
        assert_eq!(with(Some(Wish::Off), &key, b"{}"), None);
        assert_eq!(with(Some(Wish::Seconds(5)), &key, b"no JSON"), None);
        let since = |wish, key| with(wish, key, b"{}").map(|claim| (claim.keeps.0, NOW.0 - claim.since.0));
        assert_eq!(since(None, &key), Some((60_000, 60_000)));
        assert_eq!(since(Some(Wish::Seconds(5)), &key), Some((5_000, 5_000)));
        assert_eq!(since(Some(Wish::Refresh), &key), Some((60_000, 0)));
        assert_eq!(since(Some(Wish::Refresh), &plain), Some((3_600_000, 0)));
    }

    #[test]
    fn order_and_white_space_of_a_body_are_no_difference_and_values_are() {
        let id = |body: &str| with(Some(Wish::Seconds(5)), &Key::default(), body.as_bytes()).unwrap().id;
        let one = id(r#"{"a":1,"b":{"c":[1,2],"d":"x y"}}"#);
        assert_eq!(one, id("{ \"b\" : {\"d\":\"x y\",\n\"c\":[1, 2]}, \"a\":1}"));
        for other in [
            r#"{"a":1,"b":{"c":[2,1],"d":"x y"}}"#,
            r#"{"a":1,"b":{"c":[1,2],"d":"x  y"}}"#,
            r#"{"a":"1","b":{"c":[1,2],"d":"x y"}}"#,
        ] {
            assert_ne!(one, id(other), "{other}");
        }
    }

    #[test]
    fn whatever_decides_an_answer_tells_calls_apart() {
        let prompted = Key { system_prompt: Some("Rhyme.".into()), ..Key::default() };
        let elsewhere = Key { base_url: Some("https://b".into()), ..Key::default() };
        let plain = Key::default();
        let asked = Asked { endpoint: "chat", model: "m", stream: false, body: b"{}" };
        let of = |owner, key, targets, headers, asked| {
            claim(Some(Wish::Seconds(5)), Scope { owner, key, targets, headers }, asked, "h", NOW).unwrap().id
        };
        let ids = [
            of("ada", &plain, "r", "", asked),
            of("bob", &plain, "r", "", asked),
            of("ada", &prompted, "r", "", asked),
            of("ada", &elsewhere, "r", "", asked),
            of("ada", &plain, "s", "", asked),
            of("ada", &plain, "r", "beta", asked),
            of("ada", &plain, "r", "", Asked { endpoint: "messages", ..asked }),
            of("ada", &plain, "r", "", Asked { model: "n", ..asked }),
            of("ada", &plain, "r", "", Asked { stream: true, ..asked }),
        ];
        for (at, id) in ids.iter().enumerate() {
            assert!(!ids[at + 1..].contains(id), "{at}");
        }
    }
}

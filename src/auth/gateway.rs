//! The caller of the data plane: where its credential is, and whether the key behind it may be used.

use super::session;
use crate::config::variables::Variables;
use crate::config::{Key, glob};
use crate::secret::{Secret, equal};
use crate::time::Millis;

/// The caller's credential: `Authorization: Bearer`, `x-api-key` (Anthropic), `x-goog-api-key` (Gemini) or `?key=`
/// (Gemini), the first that is there. `header` looks a name up, `query` is the part after `?`.
#[must_use]
pub fn credential(header: impl Fn(&str) -> Option<String>, query: &str) -> Option<Secret> {
    let bearer = header("authorization").and_then(|value| {
        let (scheme, token) = value.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    });
    let from_query = || {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find_map(|(name, value)| (name == "key").then(|| value.into_owned()))
    };
    bearer
        .or_else(|| header("x-api-key"))
        .or_else(|| header("x-goog-api-key"))
        .or_else(from_query)
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
        .map(Secret::new)
}

/// Whether the credential is `PASSWORD` or one of `GATEWAY_API_KEYS`. Every one is compared, and in constant time.
#[must_use]
pub fn is_static_key(variables: &Variables, credential: &Secret) -> bool {
    variables
        .password
        .iter()
        .chain(&variables.gateway_api_keys)
        .fold(false, |found, key| equal(key.reveal(), credential.reveal()) | found)
}

/// Whether the credential, or one of those in its comma-separated list, is a secret of this gateway rather than a provider's key:
/// a static key, a password, a session, or what looks like a key that a gateway made. One that was deleted or mistyped nobody
/// here knows any more, and none of them must be taken for a provider's own key and sent to that provider.
#[must_use]
pub fn is_of_ours(variables: &Variables, credential: &Secret) -> bool {
    let passwords =
        || variables.admin_password.iter().chain(variables.metrics.iter().map(|(_, password)| password));
    credential.reveal().split(',').map(|part| Secret::new(part.trim())).any(|part| {
        is_made_here(part.reveal())
            || is_static_key(variables, &part)
            || passwords().any(|password| equal(password.reveal(), part.reveal()))
            || session::verify(&variables.master_key, part.reveal(), Millis(0)).is_some()
    })
}

/// A prefix of ours alone, or one of other people's before 256 bits in URL-safe base64, as `secret::random_key` makes them.
fn is_made_here(key: &str) -> bool {
    let is_random = |rest: &str| {
        rest.len() == 43
            && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    ["gw_", "gm_"].iter().any(|prefix| key.starts_with(prefix))
        || ["sk-ant-", "sk-"].iter().any(|prefix| key.strip_prefix(prefix).is_some_and(is_random))
}

/// Why a known key may not be used, in words for its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    /// Somebody switched it off.
    #[error("this gateway key has been switched off")]
    Inactive,
    /// Its time is over.
    #[error("this gateway key has expired")]
    Expired,
}

/// Whether a key may be used now.
///
/// # Errors
/// [`KeyRefusal`], a 401.
pub fn usable(key: &Key, now: Millis) -> Result<(), KeyRefusal> {
    if !key.is_active {
        Err(KeyRefusal::Inactive)
    } else if key.expires_at.is_some_and(|expiry| expiry <= now) {
        Err(KeyRefusal::Expired)
    } else {
        Ok(())
    }
}

/// Whether a key may call this model, by the name that the client sent: denied wins, then allowed, where any is named.
#[must_use]
pub fn allows_model(key: &Key, model: &str) -> bool {
    !glob::matches_any(&key.denied_models, model)
        && (key.allowed_models.is_empty() || glob::matches_any(&key.allowed_models, model))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_credential_is_found_wherever_an_sdk_puts_it() {
        for (name, value, query, expected) in [
            ("authorization", "Bearer gw_1", "", Some("gw_1")),
            ("authorization", "bearer  gw_1 ", "key=gw_2", Some("gw_1")),
            ("authorization", "Basic dXNlcg==", "", None),
            ("x-api-key", "gw_1", "", Some("gw_1")),
            ("x-goog-api-key", "gw_1", "", Some("gw_1")),
            ("accept", "*/*", "alt=sse&key=gw%5F1", Some("gw_1")),
            ("x-api-key", " ", "", None),
            ("accept", "*/*", "keys=gw_1", None),
        ] {
            let found = credential(|wanted| (wanted == name).then(|| value.into()), query);
            assert_eq!(found.as_ref().map(Secret::reveal), expected, "{name}: {value}?{query}");
        }
    }

    #[test]
    fn our_own_secrets_are_never_taken_for_a_providers_key() {
        let lookup = |name: &str| match name {
            "MASTER_KEY" => Some(format!("{}=", "A".repeat(43))),
            "PASSWORD" => Some("shared".to_owned()),
            "GATEWAY_API_KEYS" => Some("one, two".to_owned()),
            "ADMIN_PASSWORD" => Some("an admin's".to_owned()),
            "METRICS_USERNAME" => Some("prometheus".to_owned()),
            "METRICS_PASSWORD" => Some("a scraper's".to_owned()),
            _ => None,
        };
        let variables = Variables::read(lookup, &[]).unwrap();
        let session = session::token(&variables.master_key, "s", Millis(5)).reveal().to_owned();
        let made = |prefix: &str| crate::secret::random_key(prefix, [7; 32]).reveal().to_owned();
        for (credential, expected) in [
            ("gw_abc".to_owned(), true),
            ("gm_abc".to_owned(), true),
            (made("sk-"), true),
            (made("sk-ant-"), true),
            ("shared,sk-abc".to_owned(), true),
            ("sk-abc, two".to_owned(), true),
            ("an admin's".to_owned(), true),
            ("a scraper's".to_owned(), true),
            (session.clone(), true),
            (format!("sk-abc,{session}"), true),
            (format!("{session}0"), false),
            ("sk-abc".to_owned(), false),
            ("sk-proj-".to_owned() + &"a".repeat(156), false),
            ("gsk_abc,sk-ant-api03-abc".to_owned(), false),
        ] {
            assert_eq!(is_of_ours(&variables, &Secret::new(credential.clone())), expected, "{credential}");
        }
    }

    #[test]
    fn a_key_is_refused_when_switched_off_or_expired() {
        let key = Key { is_active: true, expires_at: Some(Millis(10)), ..Key::default() };
        assert_eq!(usable(&key, Millis(9)), Ok(()));
        assert_eq!(usable(&key, Millis(10)), Err(KeyRefusal::Expired));
        assert_eq!(usable(&Key { is_active: false, ..key }, Millis(9)), Err(KeyRefusal::Inactive));
    }

    #[test]
    fn denied_models_win_over_allowed_ones() {
        let globs = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        for (allowed, denied, model, expected) in [
            (&[][..], &[][..], "gpt-4o", true),
            (&["gpt-4o*"], &[], "gpt-4o-mini", true),
            (&["gpt-4o*"], &[], "claude-3", false),
            (&["gpt-4o*"], &["*-mini"], "gpt-4o-mini", false),
            (&[], &["openai/*"], "openai/gpt-4o", false),
        ] {
            let key = Key { allowed_models: globs(allowed), denied_models: globs(denied), ..Key::default() };
            assert_eq!(allows_model(&key, model), expected, "{model}");
        }
    }

    #[test]
    fn static_keys_are_the_password_and_the_listed_ones() {
        let lookup = |name: &str| match name {
            "MASTER_KEY" => Some(format!("{}=", "A".repeat(43))),
            "PASSWORD" => Some("shared".to_owned()),
            "GATEWAY_API_KEYS" => Some("one, two".to_owned()),
            _ => None,
        };
        let variables = Variables::read(lookup, &[]).unwrap();
        for (text, expected) in
            [("shared", true), ("one", true), ("two", true), ("three", false), ("", false)]
        {
            assert_eq!(is_static_key(&variables, &Secret::new(text)), expected, "{text}");
        }
    }
}

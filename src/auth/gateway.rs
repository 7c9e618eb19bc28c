//! The caller of the data plane: where its credential is, and whether the key behind it may be used.

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

/// Whether the credential looks like a key that a gateway made. Once it was deleted or mistyped nobody here knows it any
/// more, and it must not be taken for a provider's own key and sent to that provider.
#[must_use]
pub fn is_of_ours(credential: &Secret) -> bool {
    ["gw_", "gm_"].iter().any(|prefix| credential.reveal().starts_with(prefix))
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
    fn our_own_keys_are_never_taken_for_a_providers() {
        for (key, expected) in [("gw_abc", true), ("gm_abc", true), ("sk-abc", false), ("gsk_abc", false)] {
            assert_eq!(is_of_ours(&Secret::new(key)), expected, "{key}");
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

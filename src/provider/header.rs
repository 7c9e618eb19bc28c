//! Extra headers of a provider: what may be set by its owner, and what belongs to the gateway or to HTTP itself.

use crate::provider::ProviderError;
use std::collections::BTreeMap;

const MAX_HEADERS: usize = 32;
const MAX_VALUE: usize = 4096;

/// Hop-by-hop headers (RFC 9110 §7.6.1), what the body decides, and credentials, which are kept sealed as keys.
const RESERVED: &[&str] = &[
    "accept-encoding",
    "api-key",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-api-key",
    "x-goog-api-key",
];

/// Families that the platform or a proxy sets.
const RESERVED_PREFIXES: &[&str] = &["cf-", "proxy-", "sec-", "x-edgeway-", "x-forwarded-"];

/// Checks the extra headers of a provider.
///
/// # Errors
/// [`ProviderError::Header`] names the first one that cannot be sent and says why.
pub fn validate(headers: &BTreeMap<String, String>) -> Result<(), ProviderError> {
    let fail = |name: &str, problem| Err(ProviderError::Header { name: name.into(), problem });
    for (position, (name, value)) in headers.iter().enumerate() {
        if position >= MAX_HEADERS {
            return fail(name, "is one too many: 32 are the most");
        }
        if name.len() > 128 || !is_token(name) {
            return fail(name, "is not a header name: letters, digits and hyphens are");
        }
        if is_reserved(name) {
            return fail(name, "is set by the gateway; keys belong into api_key");
        }
        if !is_value(value) {
            return fail(name, "must have a value of printable ASCII, 4096 characters at most");
        }
    }
    Ok(())
}

/// A `token` of RFC 9110 §5.6.2.
fn is_token(name: &str) -> bool {
    let is_token_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token_byte)
}

fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    RESERVED.contains(&name.as_str()) || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a header can carry this value: printable ASCII, so no line end can begin another header.
#[must_use]
pub fn is_value(value: &str) -> bool {
    value.len() <= MAX_VALUE && value.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validated(name: &str, value: &str) -> Result<(), ProviderError> {
        validate(&BTreeMap::from([(name.to_owned(), value.to_owned())]))
    }

    #[test]
    fn ordinary_headers_pass() {
        for (name, value) in
            [("HTTP-Referer", "https://example.com"), ("X-Title", "My App"), ("OpenAI-Project", "p")]
        {
            assert_eq!(validated(name, value), Ok(()), "{name}");
        }
    }

    #[test]
    fn what_belongs_to_the_gateway_or_is_malformed_is_refused_by_name() {
        for (name, value) in [
            ("Authorization", "Bearer x"),
            ("HOST", "evil.example"),
            ("Content-Length", "0"),
            ("transfer-encoding", "chunked"),
            ("Proxy-Authorization", "x"),
            ("CF-Connecting-IP", "1.1.1.1"),
            ("x y", "1"),
            ("", "1"),
            ("x-a:", "1"),
            ("x-a", "1\r\nx-b: 2"),
            ("x-a", "é"),
        ] {
            let Err(ProviderError::Header { name: named, .. }) = validated(name, value) else {
                panic!("{name}: {value} passed")
            };
            assert_eq!(named, name);
        }
    }

    #[test]
    fn there_are_not_too_many() {
        let headers =
            |count: usize| (0..count).map(|number| (format!("x-{number}"), String::new())).collect();
        assert_eq!(validate(&headers(MAX_HEADERS)), Ok(()));
        assert!(validate(&headers(MAX_HEADERS + 1)).is_err());
    }
}

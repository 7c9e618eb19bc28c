//! What names, headers and other texts in a body may look like.

use crate::config::variables::Variables;
use crate::error::ApiError;
use crate::provider::table::{self, Kind};
use crate::provider::{ProviderError, base_url, header};
use crate::secret::Secret;
use std::collections::BTreeMap;

/// A name for people: 1 to 100 characters, no control characters, no space at the ends.
///
/// # Errors
/// 400 naming the field.
pub fn name(field: &str, text: &str) -> Result<(), ApiError> {
    let fits = (1..=100).contains(&text.chars().count());
    if fits && text.trim() == text && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(ApiError::invalid(field, "must have 1 to 100 characters, none of them a control character"))
}

/// A name that is also a model prefix and stands in a response header: visible ASCII without `/` and `,`.
///
/// # Errors
/// 400 naming the field.
pub fn provider_name(field: &str, text: &str) -> Result<(), ApiError> {
    name(field, text)?;
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'/' && byte != b',') {
        return Ok(());
    }
    Err(ApiError::invalid(field, "is the model prefix: visible ASCII characters without / and ,"))
}

/// A text of so many bytes at most; empty is fine.
///
/// # Errors
/// 400 naming the field.
pub fn length(field: &str, text: &str, most: usize) -> Result<(), ApiError> {
    if text.len() <= most {
        return Ok(());
    }
    Err(ApiError::invalid(field, format!("may hold at most {most} bytes")))
}

/// A model name or a glob over them.
///
/// # Errors
/// 400 naming the field.
pub fn model(field: &str, text: &str) -> Result<(), ApiError> {
    if (1..=256).contains(&text.len()) && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(ApiError::invalid(field, "must have 1 to 256 bytes, none of them a control character"))
}

/// A list of globs.
///
/// # Errors
/// 400 naming the entry.
pub fn models(field: &str, list: &[String]) -> Result<(), ApiError> {
    if list.len() > 200 {
        return Err(ApiError::invalid(field, "may hold at most 200 patterns"));
    }
    list.iter().enumerate().try_for_each(|(index, text)| model(&format!("{field}[{index}]"), text))
}

/// A provider's key: visible ASCII, since it travels in a header.
///
/// # Errors
/// 400 naming the field, never the key.
pub fn api_key(field: &str, text: &str) -> Result<Secret, ApiError> {
    let text = text.trim();
    // Some kinds take a JSON document as key, so spaces are allowed and the length is generous.
    if (1..=16_384).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Ok(Secret::new(text));
    }
    Err(ApiError::invalid(field, "must be 1 to 16384 visible ASCII characters"))
}

/// Headers to send upstream.
///
/// # Errors
/// 400 naming the header.
pub fn headers(headers: &BTreeMap<String, String>) -> Result<(), ApiError> {
    header::validate(headers).map_err(|error| match error {
        ProviderError::Header { name, problem } => ApiError::invalid(format!("headers.{name}"), problem),
        other => ApiError::invalid("headers", other.to_string()),
    })
}

/// A kind of provider, by its exact name.
///
/// # Errors
/// 400 naming the field.
pub fn kind(field: &str, name: &str) -> Result<&'static Kind, ApiError> {
    let kind = table::KINDS.iter().find(|kind| kind.name == name);
    kind.ok_or_else(|| ApiError::invalid(field, "there is no such kind; GET /api/provider-kinds lists them"))
}

/// A map of short texts that is logged with calls: 2 KB in all.
///
/// # Errors
/// 400 naming the field.
pub fn metadata(field: &str, metadata: &BTreeMap<String, String>) -> Result<(), ApiError> {
    let size: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size <= 2048 {
        return Ok(());
    }
    Err(ApiError::invalid(field, "may hold at most 2 KB"))
}

/// The base URL of an account of this kind, `None` being the kind's own: calls must be able to go there.
///
/// # Errors
/// 400 naming the field and what is wrong.
pub fn base_url(variables: &Variables, field: &str, kind: &Kind, url: Option<&str>) -> Result<(), ApiError> {
    if url.is_some_and(|url| url.trim().is_empty()) {
        return Err(ApiError::invalid(field, "must not be empty; null stands for the default"));
    }
    base_url::normalise(url, kind, kind.dialect(), variables.allow_private_upstreams)
        .map(|_| ())
        .map_err(|error| ApiError::invalid(field, error.to_string()))
}

/// Whole numbers that must not be zero, by their field.
///
/// # Errors
/// 400 naming the first that is.
pub fn positive<'a>(numbers: impl IntoIterator<Item = (&'a str, Option<u64>)>) -> Result<(), ApiError> {
    // SQLite and JSON are exact up to 2^53.
    match numbers.into_iter().find(|(_, number)| number.is_some_and(|n| n == 0 || n > 1 << 53)) {
        Some((field, _)) => Err(ApiError::invalid(field, "must be a positive whole number")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_name_cannot_be_mistaken_for_a_model() {
        for (text, expected) in [
            ("openai", true),
            ("My Azure 2", true),
            ("a/b", false),
            ("a,b", false),
            ("", false),
            (" a", false),
            ("a\nb", false),
            ("é", false),
        ] {
            assert_eq!(provider_name("name", text).is_ok(), expected, "{text}");
        }
    }
}

//! What a caller asks of the gateway itself, call by call, in `x-edgeway-*` headers.

use super::replay::{self, cache, cache::Wish};
use crate::error::ApiError;
use crate::json;
use crate::time::Millis;
use std::collections::BTreeMap;

/// The most that `x-edgeway-metadata` may hold, bytes.
const METADATA: usize = 2_048;
/// The longest that `x-edgeway-timeout-ms` may ask for.
const TIMEOUT: i64 = 3_600_000;
/// The most that `x-edgeway-max-retries` may ask for.
const RETRIES: u32 = 10;

/// The per-call settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Controls {
    /// `x-edgeway-timeout-ms`: the whole call must end by then.
    pub timeout: Option<Millis>,
    /// `x-edgeway-max-retries`
    pub max_retries: Option<u32>,
    /// `x-edgeway-metadata`: logged.
    pub metadata: BTreeMap<String, String>,
    /// `x-edgeway-log: off`: no bodies in the log, whatever the key says.
    pub without_bodies: bool,
    /// `x-edgeway-strict: true`: a parameter that the target cannot carry is a 400.
    pub strict: bool,
    /// `Idempotency-Key`: the call is made once.
    pub idempotency_key: Option<String>,
    /// `x-edgeway-cache`: whether an answer of before will do.
    pub cache: Option<Wish>,
}

impl Controls {
    /// Reads the headers, of which `header` gives one by its lower-case name.
    ///
    /// # Errors
    /// 400, naming the header.
    pub fn read(header: impl Fn(&str) -> Option<String>) -> Result<Controls, ApiError> {
        Ok(Controls {
            timeout: header("x-edgeway-timeout-ms").map(|text| timeout(&text)).transpose()?,
            max_retries: header("x-edgeway-max-retries").map(|text| max_retries(&text)).transpose()?,
            metadata: header("x-edgeway-metadata").map_or(Ok(BTreeMap::new()), |text| metadata(&text))?,
            without_bodies: header("x-edgeway-log")
                .map_or(Ok(false), |text| one_of(&text, "x-edgeway-log", "on", "off"))?,
            strict: header("x-edgeway-strict")
                .map_or(Ok(false), |text| one_of(&text, "x-edgeway-strict", "false", "true"))?,
            idempotency_key: header("idempotency-key").map(replay::key).transpose()?,
            cache: header("x-edgeway-cache").map(|text| cache::wish(&text)).transpose()?,
        })
    }
}

fn timeout(text: &str) -> Result<Millis, ApiError> {
    let millis = text.trim().parse().ok().filter(|millis| (1..=TIMEOUT).contains(millis));
    millis.map(Millis).ok_or_else(|| {
        ApiError::invalid(
            "x-edgeway-timeout-ms",
            format!("x-edgeway-timeout-ms must be a number of milliseconds from 1 to {TIMEOUT}"),
        )
    })
}

fn max_retries(text: &str) -> Result<u32, ApiError> {
    text.trim().parse().ok().filter(|retries| *retries <= RETRIES).ok_or_else(|| {
        ApiError::invalid(
            "x-edgeway-max-retries",
            format!("x-edgeway-max-retries must be a number from 0 to {RETRIES}"),
        )
    })
}

fn metadata(text: &str) -> Result<BTreeMap<String, String>, ApiError> {
    let object = (text.len() <= METADATA).then(|| json::read(text.as_bytes()).ok()).flatten();
    object.ok_or_else(|| {
        let message =
            format!("x-edgeway-metadata must be a JSON object of strings of at most {METADATA} bytes");
        ApiError::invalid("x-edgeway-metadata", message)
    })
}

/// Whether the header says `on` of two words.
fn one_of(text: &str, header: &str, off: &str, on: &str) -> Result<bool, ApiError> {
    match text.trim() {
        word if word.eq_ignore_ascii_case(on) => Ok(true),
        word if word.eq_ignore_ascii_case(off) => Ok(false),
        _ => Err(ApiError::invalid(header, format!("{header} must be `{on}` or `{off}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &'static str, value: &'static str) -> Result<Controls, ApiError> {
        Controls::read(|asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn each_header_is_read() {
        assert_eq!(read("x-edgeway-timeout-ms", "1500").unwrap().timeout, Some(Millis(1500)));
        assert_eq!(read("x-edgeway-max-retries", "0").unwrap().max_retries, Some(0));
        assert_eq!(read("x-edgeway-metadata", r#"{"team":"a"}"#).unwrap().metadata["team"], "a");
        assert!(read("x-edgeway-log", "off").unwrap().without_bodies);
        assert!(read("x-edgeway-strict", "True").unwrap().strict);
        assert_eq!(read("idempotency-key", "a-1").unwrap().idempotency_key.as_deref(), Some("a-1"));
        assert_eq!(read("other", "1").unwrap(), Controls::default());
    }

    #[test]
    fn a_wrong_header_is_named() {
        for (name, value) in [
            ("x-edgeway-timeout-ms", "0"),
            ("x-edgeway-timeout-ms", "soon"),
            ("x-edgeway-max-retries", "11"),
            ("x-edgeway-metadata", r#"{"team":1}"#),
            ("x-edgeway-metadata", "[]"),
            ("x-edgeway-log", "maybe"),
            ("x-edgeway-cache", "always"),
            ("x-edgeway-strict", ""),
        ] {
            let error = read(name, value).unwrap_err();
            assert_eq!((error.status, error.field.as_deref()), (400, Some(name)), "{value}");
        }
    }
}

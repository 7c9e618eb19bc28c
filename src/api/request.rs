//! A management request, and how its body and query are read: strictly, naming the field that is wrong.

use crate::error::ApiError;
use crate::json;
use crate::time::Millis;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

/// The most that a body may hold.
pub const MAXIMUM_BODY: usize = 256 * 1024;

/// A request as the edge hands it over. The edge need not read more than [`MAXIMUM_BODY`] + 1 bytes of a body.
pub struct ApiRequest<'a> {
    /// `GET`, `POST`, …
    pub method: String,
    /// Without the query: `/api/keys`.
    pub path: String,
    /// The part after `?`; empty without one.
    pub query: String,
    /// Looks up a header, whose name is given in lower case.
    pub header: &'a dyn Fn(&str) -> Option<String>,
    /// As it came.
    pub body: Vec<u8>,
    /// Whether it came over https.
    pub secure: bool,
}

impl ApiRequest<'_> {
    /// Refuses a body that is too large.
    ///
    /// # Errors
    /// 413.
    pub fn check_size(&self) -> Result<(), ApiError> {
        if self.body.len() <= MAXIMUM_BODY {
            return Ok(());
        }
        Err(ApiError::new(413, "body_too_large", "the body may hold at most 256 KB"))
    }

    /// The body as `T`.
    ///
    /// # Errors
    /// 415 where it is not JSON by its content type, 400 naming the field where it is not a `T`.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        let media = (self.header)("content-type").unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim();
        if !media.eq_ignore_ascii_case("application/json") {
            return Err(ApiError::new(
                415,
                "unsupported_media_type",
                "content-type must be application/json",
            ));
        }
        parse(&self.body)
    }

    /// The body as `T`, or the default where there is none.
    ///
    /// # Errors
    /// As [`ApiRequest::body`].
    pub fn optional_body<T: DeserializeOwned + Default>(&self) -> Result<T, ApiError> {
        if self.body.is_empty() { Ok(T::default()) } else { self.body() }
    }

    /// A parameter of the query; an empty one counts as absent.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .find_map(|(key, value)| (key == name).then(|| value.into_owned()))
            .filter(|value| !value.is_empty())
    }

    /// A time in the query.
    ///
    /// # Errors
    /// 400 where it is not ISO 8601.
    pub fn time(&self, name: &str) -> Result<Option<Millis>, ApiError> {
        self.parameter(name).map(|text| time(name, &text)).transpose()
    }

    /// The client's network address, as the platform reports it.
    #[must_use]
    pub fn address(&self) -> String {
        (self.header)("cf-connecting-ip").unwrap_or_default()
    }
}

/// Reads ISO 8601.
///
/// # Errors
/// 400 naming the field.
pub fn time(field: &str, text: &str) -> Result<Millis, ApiError> {
    // A plus sign in a query arrives as a space.
    Millis::from_iso(&text.replace(' ', "+"))
        .ok_or_else(|| ApiError::invalid(field, "must be a time in ISO 8601, such as 2026-11-20T13:00:00Z"))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    json::read(body).map_err(|error| {
        let message = error.to_string();
        match error.classify() {
            serde_json::error::Category::Data => {
                let path = json::path_at(body, error.line(), error.column());
                ApiError::invalid(field(&path, &message), plain(&message))
            }
            _ => ApiError::new(400, "invalid_json", format!("the body is not valid JSON: {message}")),
        }
    })
}

/// The path of the field; a field that is unknown or missing is named by the message alone.
fn field(path: &str, message: &str) -> String {
    let named = ["unknown field `", "missing field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start)?.split('`').next());
    match named {
        Some(name) if path.is_empty() => name.into(),
        Some(name) if path != name && !path.ends_with(&format!(".{name}")) => format!("{path}.{name}"),
        _ if path.is_empty() => "body".into(),
        _ => path.into(),
    }
}

/// Without the position, which means nothing to a program that built its JSON, and without the names of types in here.
fn plain(message: &str) -> String {
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    let Some((before, expected)) = message.split_once("expected ") else { return message.to_owned() };
    let expected = match expected {
        "a map" => "an object",
        "a sequence" => "a list",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, at least 0",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        expected if expected.starts_with("struct ") || expected.starts_with("internally tagged ") => {
            "an object"
        }
        expected => expected,
    };
    format!("{before}expected {expected}")
}

/// For `Option<Option<T>>`: absent is `None`, null is `Some(None)`.
///
/// # Errors
/// As `T`'s.
pub fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Input {
        #[allow(dead_code)]
        name: String,
        #[allow(dead_code)]
        limits: Option<crate::config::RateLimits>,
    }

    #[test]
    fn the_field_that_is_wrong_is_named() {
        for (body, expected) in [
            (r#"{"nmae":"x"}"#, Some("nmae")),
            (r#"{"limits":{}}"#, Some("name")),
            (r#"{"name":1}"#, Some("name")),
            (r#"{"name":"x","limits":{"requests_per_minute":"ten"}}"#, Some("limits.requests_per_minute")),
            (r#"{"name":"x","limits":{"per_minute":1}}"#, Some("limits.per_minute")),
            (r#"[1]"#, Some("body")),
            (r#""text""#, Some("body")),
            (r#"{"name":"x"} trailing"#, None),
            (r#"{"name":"#, None),
            ("", None),
        ] {
            let error = parse::<Input>(body.as_bytes()).unwrap_err();
            assert_eq!((error.status, error.field.as_deref()), (400, expected), "{body}: {error}");
        }
    }

    #[test]
    fn what_is_expected_is_said_in_words_of_json() {
        for (value, expected) in [
            (r#""ten""#, "a whole number, at least 0"),
            ("-1", "a whole number, at least 0"),
            ("1.5", "a whole number, at least 0"),
            ("[]", "a whole number, at least 0"),
        ] {
            let body = format!(r#"{{"name":"x","limits":{{"requests_per_minute":{value}}}}}"#);
            let error = parse::<Input>(body.as_bytes()).unwrap_err();
            assert!(error.message.ends_with(&format!("expected {expected}")), "{error}");
        }
    }
}

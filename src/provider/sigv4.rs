//! AWS's Signature Version 4, for endpoints that take no API key or where the account has none: the request is signed with
//! a secret that is not sent. <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use crate::order::sorted_by;
use crate::secret::Secret;
use crate::time::Millis;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use url::Url;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// Where AWS's services are that say no region.
pub const USUAL_REGION: &str = "us-east-1";

/// A pair of access keys, temporary where it has a session token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credentials<'a> {
    id: &'a str,
    secret: &'a str,
    session_token: Option<&'a str>,
}

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// The whole URL.
    pub url: &'a str,
    /// The header, where there is one.
    pub content_type: Option<&'a str>,
    /// All of it.
    pub body: &'a [u8],
}

impl<'a> Credentials<'a> {
    /// `<access key id>:<secret access key>[:<session token>]`; `None` where a key is something else, such as an API key.
    #[must_use]
    pub fn read(key: &'a Secret) -> Option<Credentials<'a>> {
        let mut parts = key.reveal().trim().splitn(3, ':');
        let (id, secret) = (parts.next()?, parts.next()?);
        let is_id = (16..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let session_token = parts.next().filter(|token| !token.is_empty());
        (is_id && !secret.is_empty()).then_some(Credentials { id, secret, session_token })
    }

    /// The headers that sign a request to this service, names in lower case. Without a `region`, that of the host counts.
    #[must_use]
    pub fn sign(
        &self,
        request: &Request<'_>,
        service: &str,
        region: Option<&str>,
        now: Millis,
    ) -> Vec<(&'static str, String)> {
        let Ok(url) = Url::parse(request.url) else { return Vec::new() };
        let host = match (url.host_str().unwrap_or_default(), url.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        let region = region.or_else(|| region_of(&host)).unwrap_or(USUAL_REGION);
        // `2015-08-30T12:36:00.000Z` without what is between the numbers.
        let time: String = now.to_iso().chars().take(19).filter(|it| !matches!(it, '-' | ':')).collect();
        let time = time + "Z";
        let date = time.get(..8).unwrap_or_default();

        let signed = [
            ("content-type", request.content_type),
            ("host", Some(host.as_str())),
            ("x-amz-date", Some(time.as_str())),
            ("x-amz-security-token", self.session_token),
        ];
        let signed: Vec<(&str, &str)> =
            signed.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let names = signed.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let mut canonical =
            format!("{}\n{}\n{}\n", request.method, canonical_path(url.path()), canonical_query(&url));
        for (name, value) in &signed {
            let _ = writeln!(canonical, "{name}:{}", value.trim());
        }
        let _ = write!(canonical, "\n{names}\n{}", hex(&Sha256::digest(request.body)));

        let scope = format!("{date}/{region}/{service}/aws4_request");
        let text = format!("{ALGORITHM}\n{time}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
        let secret = format!("AWS4{}", self.secret);
        let key = [date, region, service, "aws4_request", &text]
            .iter()
            .fold(secret.into_bytes(), |key, part| authenticated(&key, part));
        let authorization = format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders={names}, Signature={}",
            self.id,
            hex(&key)
        );
        let mut headers = vec![("authorization", authorization), ("x-amz-date", time)];
        headers.extend(self.session_token.map(|token| ("x-amz-security-token", token.to_owned())));
        headers
    }
}

/// The label behind the service's: `bedrock-runtime.eu-west-1.amazonaws.com`.
fn region_of(host: &str) -> Option<&str> {
    let is_aws = [".amazonaws.com", ".api.aws"].iter().any(|end| host.ends_with(end));
    host.split('.').nth(1).filter(|_| is_aws)
}

/// The path as it is sent, each segment encoded once more, as every service but S3 wants it.
fn canonical_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    path.bytes().for_each(|byte| match byte {
        b'/' => out.push('/'),
        byte => push_encoded(&mut out, byte),
    });
    out
}

fn canonical_query(url: &Url) -> String {
    let encode = |text: &str| {
        let mut out = String::new();
        text.bytes().for_each(|byte| push_encoded(&mut out, byte));
        out
    };
    let pairs = url.query_pairs().map(|(name, value)| format!("{}={}", encode(&name), encode(&value)));
    sorted_by(pairs.collect(), Ord::cmp).join("&")
}

/// All but the unreserved characters of RFC 3986.
fn push_encoded(out: &mut String, byte: u8) {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        out.push(char::from(byte));
    } else {
        let _ = write!(out, "%{byte:02X}");
    }
}

fn authenticated(key: &[u8], text: &str) -> Vec<u8> {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AWS's own: "aws-sig-v4-test-suite", with the credentials, the time and the scope of all its cases.
    fn of_the_suite(
        session_token: &str,
        method: &str,
        path: &str,
        content_type: Option<&str>,
        body: &str,
    ) -> String {
        let key = Secret::new(format!(
            "AKIDEXAMPLEAKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY:{session_token}"
        ));
        let url = format!("https://example.amazonaws.com{path}");
        let request = Request { method, url: &url, content_type, body: body.as_bytes() };
        let now = Millis::from_iso("2015-08-30T12:36:00Z").unwrap();
        let credentials = Credentials { id: "AKIDEXAMPLE", ..Credentials::read(&key).unwrap() };
        credentials.sign(&request, "service", Some("us-east-1"), now).remove(0).1
    }

    #[test]
    fn requests_are_signed_as_in_awss_test_suite() {
        let token = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
        let form = "application/x-www-form-urlencoded";
        for (case, expected, names, signed) in [
            (
                "get-vanilla",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
                "host;x-amz-date",
                of_the_suite("", "GET", "/", None, ""),
            ),
            (
                "get-vanilla-query-order-key-case",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
                "host;x-amz-date",
                of_the_suite("", "GET", "/?Param2=value2&Param1=value1", None, ""),
            ),
            (
                "post-vanilla",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
                "host;x-amz-date",
                of_the_suite("", "POST", "/", None, ""),
            ),
            (
                "post-x-www-form-urlencoded",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
                "content-type;host;x-amz-date",
                of_the_suite("", "POST", "/", Some(form), "Param1=value1"),
            ),
            (
                "post-sts-header-before",
                "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
                "host;x-amz-date;x-amz-security-token",
                of_the_suite(token, "POST", "/", None, ""),
            ),
        ] {
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders={names}, \
                 Signature={expected}"
            );
            assert_eq!(signed, expected, "{case}");
        }
    }

    #[test]
    fn a_pair_of_access_keys_is_told_from_an_api_key() {
        let read = |key: &str| {
            let key = Secret::new(key);
            Credentials::read(&key).map(|it| (it.secret.to_owned(), it.session_token.map(str::to_owned)))
        };
        let id = "AKIAIOSFODNN7EXAMPLE";
        assert_eq!(read(&format!("{id}:a/b+c")), Some(("a/b+c".into(), None)));
        assert_eq!(read(&format!("{id}:a/b+c:t==")), Some(("a/b+c".into(), Some("t==".into()))));
        for key in [
            id,
            "bedrock-api-key-YmVkcm9jaw:x",
            "ABSKQmVkcm9ja0FQSUtleS1leGFtcGxl=",
            "",
            "AKIAIOSFODNN7EXAMPLE:",
        ] {
            assert_eq!(read(key), None, "{key}");
        }
    }

    #[test]
    fn the_region_is_in_the_host_unless_it_is_told() {
        let key = Secret::new("AKIAIOSFODNN7EXAMPLE:secret");
        let scope = |url: &str, region| {
            let request = Request { method: "POST", url, content_type: None, body: b"" };
            let headers = Credentials::read(&key).unwrap().sign(&request, "bedrock", region, Millis(0));
            headers[0].1.split('/').nth(2).unwrap().to_owned()
        };
        assert_eq!(scope("https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1", None), "eu-west-1");
        assert_eq!(scope("https://proxy.example.com/openai/v1", None), "us-east-1");
        assert_eq!(scope("https://proxy.example.com/openai/v1", Some("eu-north-1")), "eu-north-1");
    }
}

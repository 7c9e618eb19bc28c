//! Base URLs: what people paste becomes the one form that endpoints' paths are appended to, or a clear refusal.
//!
//! An upstream address is attacker input (a member may add providers), so private networks and metadata services are
//! refused unless the operator allows them. Names are judged by their spelling: there is no DNS here, and the platform
//! itself reaches no private network.

use crate::dialect::Dialect;
use crate::provider::ProviderError;
use crate::provider::table::Kind;
use std::net::{Ipv4Addr, Ipv6Addr};
use url::{Host, Url};

/// An address that is used as it is.
///
/// # Errors
/// As [`normalise`].
pub fn checked(text: &str, allow_private: bool) -> Result<String, ProviderError> {
    let url = parse(text.trim())?;
    match !allow_private && is_private(&url) {
        true => Err(ProviderError::PrivateAddress),
        false => Ok(url.into()),
    }
}

/// The address of a webhook, which may have a query: many hold their token there.
///
/// # Errors
/// What is wrong, to be read after the name of the setting.
pub fn webhook(text: &str, allow_private: bool) -> Result<String, &'static str> {
    let (base, query) = text.trim().split_once('?').map_or((text, None), |(base, query)| (base, Some(query)));
    let mut url = checked(base, allow_private).map_err(|error| match error {
        ProviderError::BaseUrl(problem) => problem,
        _ => "names a private, loopback or link-local address, which this gateway does not call",
    })?;
    if let Some(query) = query {
        if query.len() > MAX_LENGTH || !query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err("must have a query of printable ASCII, and no fragment");
        }
        url.push('?');
        url.push_str(query);
    }
    Ok(url)
}

const MAX_LENGTH: usize = 2048;

/// The base URL of an account of this kind for calls in this dialect, without a trailing slash; `None` is the kind's own.
///
/// What people paste is what the provider's own SDK takes: OpenAI-style with a version, Anthropic and Gemini without. A
/// version that is missing is added, one that is too much is removed, and so is a doubled slash or a trailing one: all of
/// `https://api.openai.com`, `…/v1` and `…/v1/` mean the same.
///
/// # Errors
/// [`ProviderError::BaseUrl`] where it is no plain http(s) URL or the kind needs one and none was given,
/// [`ProviderError::PrivateAddress`] where it may not be called.
pub fn normalise(
    text: Option<&str>,
    kind: &Kind,
    dialect: Dialect,
    allow_private: bool,
) -> Result<String, ProviderError> {
    let text = match text.map(str::trim).filter(|text| !text.is_empty()).or(kind.base_url) {
        Some(text) => text,
        None => return Err(ProviderError::BaseUrl("is required for this kind of provider")),
    };
    let url = parse(text)?;
    if !allow_private && is_private(&url) {
        return Err(ProviderError::PrivateAddress);
    }
    let segments: Vec<&str> = url.path().split('/').filter(|segment| !segment.is_empty()).collect();
    let path = |segments: &[&str]| match segments.is_empty() {
        true => String::new(),
        false => format!("/{}", segments.join("/")),
    };
    let mut base = url.origin().ascii_serialization();
    let has_publishers = !kind.quirks.publishers.is_empty();
    match (dialect, segments.as_slice()) {
        (Dialect::Chat | Dialect::Responses, all @ [.., "locations", _]) if has_publishers => {
            base.push_str(&path(all));
            base.push_str("/endpoints/openapi");
        }
        (Dialect::Messages | Dialect::Gemini, [rest @ .., "endpoints", "openapi"]) if has_publishers => {
            base.push_str(&path(rest));
        }
        (Dialect::Chat | Dialect::Responses, all) => {
            let path = path(all);
            base.push_str(if completes(&path, kind.path) { kind.path } else { &path });
        }
        (Dialect::Converse, [rest @ .., "openai", "v1"])
        | (Dialect::Messages | Dialect::Converse, [rest @ .., "v1"])
        | (Dialect::Gemini, [rest @ .., "v1beta", "openai"] | [rest @ .., "v1beta" | "v1"]) => {
            base.push_str(&path(rest));
        }
        (_, all) => base.push_str(&path(all)),
    }
    Ok(base)
}

/// Whether `path` is the kind's own path cut short at a segment: nothing, `/openai` of `/openai/v1`, or `/v1beta`
/// of `/v1beta/openai`. Gemini's stable `/v1` is also cut short, as it has no OpenAI-compatible endpoint of its own.
fn completes(path: &str, kind_path: &str) -> bool {
    let own = kind_path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    own || (path == "/v1" && kind_path == "/v1beta/openai")
}

fn parse(text: &str) -> Result<Url, ProviderError> {
    // The parser drops tabs and line ends silently; a URL that holds them was not meant well.
    if text.len() > MAX_LENGTH || text.chars().any(|character| character.is_control() || character == '\\') {
        return Err(ProviderError::BaseUrl("is too long or holds control characters or backslashes"));
    }
    let url = Url::parse(text).map_err(|_| ProviderError::BaseUrl("is not a URL such as https://host/v1"))?;
    let problem = if !matches!(url.scheme(), "http" | "https") {
        "must begin with https:// or http://"
    } else if !url.username().is_empty() || url.password().is_some() {
        "must not hold credentials; give the key as api_key"
    } else if url.query().is_some() || url.fragment().is_some() {
        "must not have a query or a fragment"
    } else if url.path().contains('%') {
        "must not have escapes in its path"
    } else {
        return Ok(url);
    };
    Err(ProviderError::BaseUrl(problem))
}

/// The URL parser has read every spelling of an IPv4 address (`0x7f.1`, `2130706433`, `0177.0.0.1`) already.
fn is_private(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => is_private_v4(address),
        Some(Host::Ipv6(address)) => is_private_v6(address),
        Some(Host::Domain(name)) => is_private_name(name),
        None => true,
    }
}

/// Names that only a private network resolves: single labels, and RFC 6761, 6762, 8375 and ICANN's `internal`.
fn is_private_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    match name.rsplit_once('.') {
        None => true,
        Some((_, "localhost" | "local" | "internal" | "intranet" | "lan" | "localdomain")) => true,
        Some(_) => name.ends_with(".home.arpa"),
    }
}

/// The special-purpose registry of IANA (RFC 6890), without the ranges kept for documentation.
fn is_private_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || matches!(first, 0 | 224..)
        || (first == 100 && (64..128).contains(&second)) // carrier-grade NAT; Alibaba's metadata service
        || (first == 192 && second == 0 && third == 0)
        || (first == 198 && matches!(second, 18 | 19))
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    let [first, second, third, _, _, sixth, seventh, eighth] = address.segments();
    let embedded = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    let is_embedding = match (first, second) {
        (0x2002, _) => is_private_v4(embedded(second, third)), // 6to4
        (0x64, 0xff9b) => true,                                // NAT64, whatever is behind
        (0, 0) => true, // unspecified, loopback, and IPv4 in its mapped and compatible forms
        _ => sixth == 0x5efe && is_private_v4(embedded(seventh, eighth)), // ISATAP
    };
    is_embedding || matches!(first, 0xfc00..=0xfdff | 0xfe80..=0xfeff | 0xff00..=0xffff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::table::{KINDS, kind};
    use proptest::prelude::*;

    fn normalised(kind_name: &str, text: &str) -> Result<String, ProviderError> {
        normalise(Some(text), kind(kind_name).unwrap(), Dialect::Chat, false)
    }

    #[test]
    fn each_dialect_has_its_own_end() {
        for (dialect, text, expected) in [
            (Dialect::Messages, "https://api.anthropic.com", "https://api.anthropic.com"),
            (Dialect::Messages, "https://api.anthropic.com/v1/", "https://api.anthropic.com"),
            (Dialect::Messages, "https://api.deepseek.com/anthropic", "https://api.deepseek.com/anthropic"),
            (Dialect::Gemini, "https://g.example.com/v1beta/", "https://g.example.com"),
            (Dialect::Gemini, "https://g.example.com/v1", "https://g.example.com"),
            (Dialect::Gemini, "https://g.example.com/v1beta/openai", "https://g.example.com"),
            (Dialect::Gemini, "https://g.example.com/proxy", "https://g.example.com/proxy"),
            (Dialect::Responses, "https://g.example.com/", "https://g.example.com/v1"),
        ] {
            let kind = kind("openai-compatible").unwrap();
            assert_eq!(normalise(Some(text), kind, dialect, false).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn publishers_live_beside_the_openai_compatible_endpoint() {
        let vertex = kind("vertex").unwrap();
        let place = "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5";
        let compatible = format!("{place}/endpoints/openapi");
        for text in [place, &compatible] {
            let at = |dialect| normalise(Some(text), vertex, dialect, false).unwrap();
            assert_eq!(at(Dialect::Chat), compatible);
            assert_eq!((at(Dialect::Messages), at(Dialect::Gemini)), (place.to_owned(), place.to_owned()));
        }
    }

    #[test]
    fn a_version_and_a_slash_are_tolerated_either_way() {
        for (kind, text, expected) in [
            ("openai", "https://api.openai.com", "https://api.openai.com/v1"),
            ("openai", " https://api.openai.com/v1// ", "https://api.openai.com/v1"),
            ("openai", "HTTPS://API.OpenAI.com:443/v1", "https://api.openai.com/v1"),
            ("anthropic", "https://api.anthropic.com", "https://api.anthropic.com/v1"),
            ("anthropic", "https://api.anthropic.com/v1/", "https://api.anthropic.com/v1"),
            ("gemini", "https://g.example.com", "https://g.example.com/v1beta/openai"),
            ("gemini", "https://g.example.com/v1beta/", "https://g.example.com/v1beta/openai"),
            ("gemini", "https://g.example.com/v1", "https://g.example.com/v1beta/openai"),
            ("groq", "https://api.groq.com/openai", "https://api.groq.com/openai/v1"),
            ("azure", "https://r.openai.azure.com", "https://r.openai.azure.com/openai/v1"),
            ("zai", "https://open.bigmodel.cn/api/paas/v4", "https://open.bigmodel.cn/api/paas/v4"),
            ("perplexity", "https://api.perplexity.ai/", "https://api.perplexity.ai"),
            ("openai-compatible", "http://llm.example.com:9000", "http://llm.example.com:9000/v1"),
            ("openai-compatible", "https://example.com/proxy/openai", "https://example.com/proxy/openai"),
        ] {
            assert_eq!(normalised(kind, text).as_deref(), Ok(expected), "{kind} {text}");
        }
    }

    #[test]
    fn what_is_no_plain_public_url_is_refused() {
        for text in [
            "ftp://example.com",
            "example.com/v1",
            "https://",
            "https://user:pass@example.com",
            "https://example.com/v1?key=1",
            "https://example.com/#x",
            "https://example.com/v1\r\nx: y",
            "https://example.com/a%2Fb",
            "https://example.com\\@127.0.0.1/",
            "https://１２７.0.0.1/v1",
            "https://bücher.example/v1",
            "file:///etc/passwd",
        ] {
            assert!(matches!(normalised("openai", text), Err(ProviderError::BaseUrl(_))), "{text}");
        }
        let missing = normalise(None, kind("azure").unwrap(), Dialect::Chat, false);
        assert!(matches!(missing, Err(ProviderError::BaseUrl(_))));
    }

    #[test]
    fn private_addresses_are_refused_in_every_spelling() {
        for host in [
            "localhost",
            "localhost.",
            "LOCALHOST",
            "a.localhost",
            "intranet",
            "metadata.google.internal",
            "metadata.google.internal.",
            "printer.local",
            "router.home.arpa",
            "127.0.0.1",
            "127.1",
            "0x7f.1",
            "2130706433",
            "0177.0.0.1",
            "0",
            "10.0.0.1",
            "172.16.9.9",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "[ff02::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a00:1]",
            "[::7f00:1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "127.0.0.1.",
            "127%2e0.0.1",
        ] {
            let text = format!("http://{host}:8080/v1");
            assert_eq!(normalised("openai", &text), Err(ProviderError::PrivateAddress), "{host}");
            assert!(normalise(Some(&text), kind("openai").unwrap(), Dialect::Chat, true).is_ok(), "{host}");
        }
    }

    #[test]
    fn public_addresses_are_allowed() {
        for host in ["1.1.1.1", "172.32.0.1", "192.0.2.1", "[2606:4700::1111]", "my-local.example.com"] {
            assert!(normalised("openai", &format!("https://{host}")).is_ok(), "{host}");
        }
    }

    #[test]
    fn the_address_of_every_kind_is_in_normal_form_already() {
        for kind in KINDS.iter().filter(|kind| kind.base_url.is_some()) {
            assert_eq!(
                normalise(None, kind, kind.dialect(), true).ok().as_deref(),
                kind.base_url,
                "{}",
                kind.name
            );
        }
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(text in "https?://[a-z]{1,8}\\.example(:[0-9]{2,4})?[a-z0-9/]{0,20}") {
            for kind in KINDS {
                if let Ok(once) = normalise(Some(&text), kind, Dialect::Chat, false) {
                    prop_assert_eq!(normalise(Some(&once), kind, Dialect::Chat, false), Ok(once.clone()));
                }
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,60}") {
            let _ = normalised("openai", &text);
        }
    }
}

//! Which part of the gateway a request is for: the whole HTTP surface on one page.

use crate::dialect::Endpoint;

/// A part of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Surface<'a> {
    /// A call to a model.
    Call(Endpoint),
    /// The models that this caller may use.
    Models,
    /// One of them; the id is still percent-encoded.
    Model(&'a str),
    /// The providers that this gateway knows.
    Providers,
    /// Whether it is up.
    Health,
    /// What this is.
    Home,
    /// The management plane.
    Management,
    /// A browser asks what it may do.
    Preflight,
    /// The path is known, the method is not; these are.
    MethodNotAllowed(&'static str),
    /// Nothing of ours.
    Unknown,
}

/// Sorts a request by its method and its path (without the query).
#[must_use]
pub fn surface<'a>(method: &str, path: &'a str) -> Surface<'a> {
    // An SDK whose base URL ends in a slash sends two.
    let path = if path.starts_with("//") { path.get(1..).unwrap_or(path) } else { path };
    if path.starts_with("/api/") || path == "/debug/db" {
        return Surface::Management;
    }
    if method == "OPTIONS" {
        return Surface::Preflight;
    }
    let (allowed, surface) = match path {
        "/v1/chat/completions" | "/chat/completions" => ("POST", Surface::Call(Endpoint::ChatCompletions)),
        "/v1/embeddings" | "/embeddings" => ("POST", Surface::Call(Endpoint::Embeddings)),
        "/v1/models" | "/models" => ("GET, POST", Surface::Models),
        "/providers" => ("GET", Surface::Providers),
        "/healthz" => ("GET", Surface::Health),
        "/" | "" => ("GET", Surface::Home),
        _ => match path.strip_prefix("/v1/models/") {
            Some(id) if !id.is_empty() => ("GET", Surface::Model(id)),
            _ => return Surface::Unknown,
        },
    };
    let method = if method == "HEAD" { "GET" } else { method };
    if allowed.split(", ").any(|name| name == method) { surface } else { Surface::MethodNotAllowed(allowed) }
}

/// The path and the query of a URL.
#[must_use]
pub fn split(url: &str) -> (&str, &str) {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let from_path = after_scheme.find('/').and_then(|at| after_scheme.get(at..)).unwrap_or("/");
    let without_fragment = from_path.split_once('#').map_or(from_path, |(before, _)| before);
    without_fragment.split_once('?').unwrap_or((without_fragment, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split() {
        for (url, expected) in [
            ("https://a.test/v1/models?provider=x&y", ("/v1/models", "provider=x&y")),
            ("http://127.0.0.1:8787/", ("/", "")),
            ("http://a.test", ("/", "")),
            ("http://a.test/a#b?c", ("/a", "")),
        ] {
            assert_eq!(split(url), expected, "{url}");
        }
    }

    #[test]
    fn requests_are_sorted() {
        for (method, path, expected) in [
            ("POST", "/v1/chat/completions", Surface::Call(Endpoint::ChatCompletions)),
            ("POST", "//v1/chat/completions", Surface::Call(Endpoint::ChatCompletions)),
            ("POST", "/chat/completions", Surface::Call(Endpoint::ChatCompletions)),
            ("GET", "/v1/chat/completions", Surface::MethodNotAllowed("POST")),
            ("OPTIONS", "/v1/chat/completions", Surface::Preflight),
            ("OPTIONS", "/api/keys", Surface::Management),
            ("POST", "/v1/embeddings", Surface::Call(Endpoint::Embeddings)),
            ("GET", "/v1/models", Surface::Models),
            ("POST", "/v1/models", Surface::Models),
            ("DELETE", "/v1/models", Surface::MethodNotAllowed("GET, POST")),
            ("GET", "/v1/models/meta-llama/llama-3", Surface::Model("meta-llama/llama-3")),
            ("GET", "/v1/models/", Surface::Unknown),
            ("HEAD", "/healthz", Surface::Health),
            ("GET", "/", Surface::Home),
            ("GET", "/providers", Surface::Providers),
            ("GET", "/debug/db", Surface::Management),
            ("GET", "/nowhere", Surface::Unknown),
        ] {
            assert_eq!(surface(method, path), expected, "{method} {path}");
        }
    }
}

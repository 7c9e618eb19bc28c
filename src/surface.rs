//! Which part of the gateway a request is for: the whole HTTP surface on one page.

use crate::dialect::{Dialect, Endpoint};

/// A part of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Surface<'a> {
    /// A call to a model.
    Call(Endpoint),
    /// A call whose path says which model, percent-encoded, and whether the answer streams (Gemini).
    Generate {
        /// The model.
        model: &'a str,
        /// `streamGenerateContent`
        stream: bool,
    },
    /// How many tokens a call would have.
    CountTokens {
        /// In whose words.
        dialect: Dialect,
        /// The model, percent-encoded, where the path says it.
        model: Option<&'a str>,
    },
    /// For callers without an SDK: text for a prompt.
    GenerateText,
    /// The same: the text of an image.
    ExtractText,
    /// Answers that were stored.
    Responses(Responses<'a>),
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
    /// The API, described for programs (`OpenAPI`).
    Document,
    /// The same for people.
    Docs,
    /// The management plane.
    Management,
    /// Finished calls as they happen, over a WebSocket.
    Live,
    /// A browser asks what it may do.
    Preflight,
    /// The path is known, the method is not; these are.
    MethodNotAllowed(&'static str),
    /// Nothing of ours.
    Unknown,
}

/// What is asked of stored answers; ids are as they were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Responses<'a> {
    /// `GET /v1/responses`
    List,
    /// `DELETE /v1/responses/all`
    DeleteAll,
    /// `GET /v1/responses/{id}`
    Get(&'a str),
    /// `DELETE /v1/responses/{id}`
    Delete(&'a str),
    /// `GET /v1/responses/{id}/input_items`
    InputItems(&'a str),
    /// `POST /v1/responses/{id}/cancel`
    Cancel(&'a str),
}

/// Sorts a request by its method and its path (without the query).
#[must_use]
pub fn surface<'a>(method: &str, path: &'a str) -> Surface<'a> {
    // An SDK whose base URL ends in a slash sends two.
    let path = if path.starts_with("//") { path.get(1..).unwrap_or(path) } else { path };
    let is_of_data_plane = path.starts_with("/api/v1/chat/") || path.starts_with("/api/v1/vision/");
    let is_of_data_plane = is_of_data_plane || path == "/api/v1/health";
    if path == "/api/logs/live" && method == "GET" {
        return Surface::Live;
    }
    if (path.starts_with("/api/") && !(is_of_data_plane && method != "OPTIONS"))
        || matches!(path, "/debug/db" | "/metrics")
    {
        return Surface::Management;
    }
    if method == "OPTIONS" {
        return Surface::Preflight;
    }
    let method = if method == "HEAD" { "GET" } else { method };
    let (allowed, surface) = match path {
        "/v1/chat/completions" | "/chat/completions" => ("POST", Surface::Call(Endpoint::ChatCompletions)),
        "/v1/responses" | "/responses" if method == "GET" => ("GET", Surface::Responses(Responses::List)),
        "/v1/responses" | "/responses" => ("GET, POST", Surface::Call(Endpoint::Responses)),
        "/v1/messages" => ("POST", Surface::Call(Endpoint::Messages)),
        "/v1/messages/count_tokens" => {
            ("POST", Surface::CountTokens { dialect: Dialect::Messages, model: None })
        }
        "/v1/models" | "/models" => ("GET, POST", Surface::Models),
        "/v1beta/models" => ("GET", Surface::Models),
        "/providers" => ("GET", Surface::Providers),
        "/healthz" | "/api/v1/health" => ("GET", Surface::Health),
        "/api/v1/chat/generate-text" => ("POST", Surface::GenerateText),
        "/api/v1/vision/extract-text" => ("POST", Surface::ExtractText),
        "/" | "" => ("GET", Surface::Home),
        "/doc" => ("GET", Surface::Document),
        "/docs" => ("GET", Surface::Docs),
        _ => match plain(path).map(|endpoint| ("POST", Surface::Call(endpoint))) {
            Some(found) => found,
            None => match of_collection(method, path) {
                Some(found) => found,
                None => return Surface::Unknown,
            },
        },
    };
    if allowed.split(", ").any(|name| name == method) { surface } else { Surface::MethodNotAllowed(allowed) }
}

/// OpenAI's endpoints beside conversations, at the paths that its SDKs use.
fn plain(path: &str) -> Option<Endpoint> {
    Some(match path.strip_prefix("/v1").unwrap_or(path) {
        "/completions" => Endpoint::Completions,
        "/embeddings" => Endpoint::Embeddings,
        "/images/generations" => Endpoint::ImageGenerations,
        "/images/edits" => Endpoint::ImageEdits,
        "/audio/speech" => Endpoint::Speech,
        "/audio/transcriptions" => Endpoint::Transcriptions,
        "/audio/translations" => Endpoint::Translations,
        "/rerank" => Endpoint::Rerank,
        "/moderations" => Endpoint::Moderations,
        _ => return None,
    })
}

/// What is asked of one member of a collection, and the methods with which it may be asked.
fn of_collection<'a>(method: &str, path: &'a str) -> Option<(&'static str, Surface<'a>)> {
    if let Some(rest) = path.strip_prefix("/v1/responses/").or_else(|| path.strip_prefix("/responses/")) {
        return stored(method, rest);
    }
    let rest = ["/v1beta/models/", "/v1/models/", "/v1alpha/models/", "/models/"]
        .iter()
        .find_map(|prefix| path.strip_prefix(prefix))
        .filter(|rest| !rest.is_empty())?;
    let generate = |model, stream| ("POST", Surface::Generate { model, stream });
    Some(match rest.rsplit_once(':') {
        Some((model, "generateContent")) => generate(model, false),
        Some((model, "streamGenerateContent")) => generate(model, true),
        Some((model, "countTokens")) => {
            ("POST", Surface::CountTokens { dialect: Dialect::Gemini, model: Some(model) })
        }
        _ => ("GET", Surface::Model(rest)),
    })
}

fn stored<'a>(method: &str, rest: &'a str) -> Option<(&'static str, Surface<'a>)> {
    let (allowed, asked) = match rest.split_once('/') {
        None if rest.is_empty() => return None,
        None if rest == "input_tokens" => {
            return Some(("POST", Surface::CountTokens { dialect: Dialect::Responses, model: None }));
        }
        None if rest == "compact" => return None, // not offered
        None if rest == "all" => ("DELETE", Responses::DeleteAll),
        None if method == "DELETE" => ("DELETE", Responses::Delete(rest)),
        None => ("GET, DELETE", Responses::Get(rest)),
        Some((id, "input_items")) => ("GET", Responses::InputItems(id)),
        Some((id, "cancel")) => ("POST", Responses::Cancel(id)),
        Some(_) => return None,
    };
    Some((allowed, Surface::Responses(asked)))
}

/// The dialect of whoever calls this path; `None` where several use it.
#[must_use]
pub fn dialect(path: &str) -> Option<Dialect> {
    let path = if path.starts_with("//") { path.get(1..).unwrap_or(path) } else { path };
    let last = path.rsplit(['/', ':']).next().unwrap_or_default();
    let is_gemini = path.starts_with("/v1beta/") || path.starts_with("/v1alpha/");
    if is_gemini || matches!(last, "generateContent" | "streamGenerateContent" | "countTokens") {
        Some(Dialect::Gemini)
    } else if path.starts_with("/v1/messages") {
        Some(Dialect::Messages)
    } else if path.starts_with("/v1/responses") || path.starts_with("/responses") {
        Some(Dialect::Responses)
    } else if path.starts_with("/v1/models") || path.starts_with("/models") {
        None
    } else {
        Some(Dialect::Chat)
    }
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
            ("POST", "/v1/images/edits", Surface::Call(Endpoint::ImageEdits)),
            ("POST", "/audio/speech", Surface::Call(Endpoint::Speech)),
            ("GET", "/v1/rerank", Surface::MethodNotAllowed("POST")),
            ("GET", "/v1/models", Surface::Models),
            ("POST", "/v1/models", Surface::Models),
            ("DELETE", "/v1/models", Surface::MethodNotAllowed("GET, POST")),
            ("GET", "/v1/models/meta-llama/llama-3", Surface::Model("meta-llama/llama-3")),
            ("GET", "/v1/models/", Surface::Unknown),
            ("HEAD", "/healthz", Surface::Health),
            ("GET", "/api/v1/health", Surface::Health),
            ("POST", "/api/v1/chat/generate-text", Surface::GenerateText),
            ("POST", "/api/v1/vision/extract-text", Surface::ExtractText),
            ("GET", "/api/v1/vision/extract-text", Surface::MethodNotAllowed("POST")),
            ("OPTIONS", "/api/v1/vision/extract-text", Surface::Management),
            ("GET", "/api/v1/chat/x", Surface::Unknown),
            ("GET", "/api/v1/provider-keys", Surface::Management),
            ("GET", "/", Surface::Home),
            ("GET", "/api/logs/live", Surface::Live),
            ("GET", "/doc", Surface::Document),
            ("GET", "/docs", Surface::Docs),
            ("GET", "/providers", Surface::Providers),
            ("GET", "/debug/db", Surface::Management),
            ("GET", "/metrics", Surface::Management),
            ("GET", "/nowhere", Surface::Unknown),
            ("POST", "/v1/responses", Surface::Call(Endpoint::Responses)),
            ("GET", "/v1/responses", Surface::Responses(Responses::List)),
            ("PUT", "/v1/responses", Surface::MethodNotAllowed("GET, POST")),
            ("GET", "/v1/responses/resp_1", Surface::Responses(Responses::Get("resp_1"))),
            ("DELETE", "/v1/responses/resp_1", Surface::Responses(Responses::Delete("resp_1"))),
            ("DELETE", "/v1/responses/all", Surface::Responses(Responses::DeleteAll)),
            ("GET", "/v1/responses/resp_1/input_items", Surface::Responses(Responses::InputItems("resp_1"))),
            ("POST", "/v1/responses/resp_1/cancel", Surface::Responses(Responses::Cancel("resp_1"))),
            ("POST", "/v1/responses/resp_1", Surface::MethodNotAllowed("GET, DELETE")),
            ("GET", "/v1/responses/resp_1/other", Surface::Unknown),
            (
                "POST",
                "/v1/responses/input_tokens",
                Surface::CountTokens { dialect: Dialect::Responses, model: None },
            ),
            ("POST", "/v1/messages", Surface::Call(Endpoint::Messages)),
            (
                "POST",
                "/v1/messages/count_tokens",
                Surface::CountTokens { dialect: Dialect::Messages, model: None },
            ),
            ("GET", "/v1beta/models", Surface::Models),
            ("GET", "/v1beta/models/gemini-2.5-pro", Surface::Model("gemini-2.5-pro")),
            (
                "POST",
                "/v1beta/models/gemini-2.5-pro:generateContent",
                Surface::Generate { model: "gemini-2.5-pro", stream: false },
            ),
            (
                "POST",
                "/v1/models/meta-llama/x:free:streamGenerateContent",
                Surface::Generate { model: "meta-llama/x:free", stream: true },
            ),
            (
                "POST",
                "/v1beta/models/a:countTokens",
                Surface::CountTokens { dialect: Dialect::Gemini, model: Some("a") },
            ),
            ("GET", "/v1beta/models/a:generateContent", Surface::MethodNotAllowed("POST")),
            ("GET", "/v1/models/llama:free", Surface::Model("llama:free")),
        ] {
            assert_eq!(surface(method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn a_path_tells_its_callers_dialect() {
        for (path, expected) in [
            ("/v1/chat/completions", Some(Dialect::Chat)),
            ("/v1/embeddings", Some(Dialect::Chat)),
            ("//v1/messages", Some(Dialect::Messages)),
            ("/v1/messages/count_tokens", Some(Dialect::Messages)),
            ("/v1/responses/resp_1", Some(Dialect::Responses)),
            ("/v1/models/a:generateContent", Some(Dialect::Gemini)),
            ("/v1beta/models", Some(Dialect::Gemini)),
            ("/v1/models", None),
        ] {
            assert_eq!(dialect(path), expected, "{path}");
        }
    }
}

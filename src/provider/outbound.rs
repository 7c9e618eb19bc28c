//! Outbound targets: everything about a call that a provider, a key and an endpoint decide, computed once and reused.

use crate::config::Provider;
use crate::dialect::{Dialect, Endpoint};
use crate::provider::sigv4::Credentials;
use crate::provider::table::{Auth, Kind, WORKERS_AI_BINDING};
use crate::provider::{ProviderError, base_url, header};
use crate::secret::Secret;
use std::fmt;

/// Client headers that travel to every provider, lower case: trace context (W3C), which holds no identity.
///
/// Nothing else does: `openai-organization` and `openai-project` name accounts of the client, while the upstream key is
/// the gateway's, and `x-stainless-*` would tell one provider about the client's machine.
pub const FORWARDED: &[&str] = &["traceparent", "tracestate"];

/// The version of Anthropic's API that is spoken; without one it refuses. <https://docs.anthropic.com/en/api/versioning>
const ANTHROPIC_VERSION: &str = "2023-06-01";

const USER_AGENT: &str = concat!("edgeway/", env!("CARGO_PKG_VERSION"));

/// Where a call goes, and the headers that it always has, credentials included.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// The whole URL.
    pub url: String,
    /// Names in lower case, each once.
    pub headers: Vec<(String, String)>,
}

impl fmt::Debug for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        formatter.debug_struct("Target").field("url", &self.url).field("headers", &names).finish()
    }
}

/// The target of an endpoint at a provider. `key` is the token where the kind's keys are exchanged for one. `base_url` replaces the provider's own (a gateway key may say so). Of
/// an endpoint that names the model in its path the URL lacks what [`rest_of_path`] says.
///
/// # Errors
/// What [`base_url::normalise`] refuses, and a key that is missing or cannot be sent.
pub fn outbound(
    provider: &Provider,
    kind: &Kind,
    key: Option<&Secret>,
    endpoint: Endpoint,
    base_url: Option<&str>,
    allow_private: bool,
) -> Result<Target, ProviderError> {
    let dialect = endpoint.dialect();
    let mut url = base_of(provider, kind, dialect, base_url, allow_private)?;
    if key.is_some() && url.starts_with(WORKERS_AI_BINDING) {
        return Err(ProviderError::BaseUrl(
            "or config.project is required with a key: the AI binding takes none",
        ));
    }
    let is_published = endpoint.is_conversation() && kind.publisher(dialect).is_some();
    url = match api_version(provider, kind) {
        Some(version) => {
            let resource = url.strip_suffix("/v1").unwrap_or(&url);
            match endpoint {
                Endpoint::Responses => format!("{resource}/responses?api-version={version}"),
                _ => format!("{resource}/deployments/"),
            }
        }
        None => url + if is_published { "/publishers/" } else { endpoint.path() },
    };
    let mut headers = headers(provider, kind, dialect, key)?;
    set(&mut headers, "content-type", "application/json");
    Ok(Target { url, headers })
}

/// What is asked of a model where its name is part of the path (Gemini).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A whole answer.
    Generate,
    /// An answer in events.
    Stream,
    /// How many tokens a call would have.
    CountTokens,
}

/// What follows an endpoint's URL for a call of this model; `None` where that is whole.
///
/// # Errors
/// Where the model's name could leave its place in the path.
pub fn rest_of_path(
    provider: &Provider,
    kind: &Kind,
    endpoint: Endpoint,
    model: &str,
    stream: bool,
) -> Result<Option<String>, ProviderError> {
    let method = if stream { Method::Stream } else { Method::Generate };
    if endpoint == Endpoint::Converse {
        let method = if stream { "converse-stream" } else { "converse" };
        // An ARN has slashes and colons in it.
        let encoded: String = url::form_urlencoded::byte_serialize(model.as_bytes()).collect();
        return match is_safe_model_name(model) {
            true => Ok(Some(format!("{encoded}/{method}"))),
            false => Err(ProviderError::ModelName),
        };
    }
    if let Some(version) = api_version(provider, kind) {
        return match is_safe_model_name(model) {
            _ if endpoint == Endpoint::Responses => Ok(None),
            true => Ok(Some(format!("{model}{}?api-version={version}", endpoint.path()))),
            false => Err(ProviderError::ModelName),
        };
    }
    let Some(publisher) = kind.publisher(endpoint.dialect()).filter(|_| endpoint.is_conversation()) else {
        let is_named = endpoint == Endpoint::GenerateContent;
        return if is_named { model_path(model, method).map(Some) } else { Ok(None) };
    };
    let model = publisher.bare(model);
    if endpoint != Endpoint::Messages {
        return Ok(Some(format!("{}/{}", publisher.name, model_path(model, method)?)));
    }
    let method = if stream { "streamRawPredict" } else { "rawPredict" };
    match is_safe_model_name(model) {
        true => Ok(Some(format!("{}/models/{model}:{method}", publisher.name))),
        false => Err(ProviderError::ModelName),
    }
}

/// What follows [`Endpoint::GenerateContent`]'s URL for this method of this model.
///
/// # Errors
/// Where the name could leave its place in the path.
pub fn model_path(model: &str, method: Method) -> Result<String, ProviderError> {
    if !is_safe_model_name(model) {
        return Err(ProviderError::ModelName);
    }
    // Tuned models are a collection of their own: https://ai.google.dev/api/tuning
    let is_full = model.starts_with("models/") || model.starts_with("tunedModels/");
    let collection = if is_full { "" } else { "models/" };
    let method = match method {
        Method::Generate => "generateContent",
        Method::Stream => "streamGenerateContent?alt=sse",
        Method::CountTokens => "countTokens",
    };
    Ok(format!("{collection}{model}:{method}"))
}

/// The base URL of its calls in this dialect.
pub(super) fn base_of(
    provider: &Provider,
    kind: &Kind,
    dialect: Dialect,
    replaced: Option<&str>,
    allow_private: bool,
) -> Result<String, ProviderError> {
    let own = replaced.or(provider.base_url.as_deref());
    let regional = if own.is_none() { regional(provider, kind) } else { None };
    base_url::normalise(own.or(regional.as_deref()), kind, dialect, allow_private)
}

/// <https://learn.microsoft.com/azure/ai-foundry/openai/reference>: the API before its version 1.
fn api_version<'a>(provider: &'a Provider, kind: &Kind) -> Option<&'a str> {
    provider.config.api_version.as_deref().filter(|_| kind.quirks.deployments)
}

pub(super) fn regional(provider: &Provider, kind: &Kind) -> Option<String> {
    let config = &provider.config;
    kind.regional_address(config.region.as_deref(), config.project.as_deref())
}

/// What its calls in this dialect have. Later ones win: the gateway's own, the kind's, the owner's, and what must not be overridden.
pub(super) fn headers(
    provider: &Provider,
    kind: &Kind,
    dialect: Dialect,
    key: Option<&Secret>,
) -> Result<Vec<(String, String)>, ProviderError> {
    header::validate(&provider.headers)?;
    let mut headers = vec![("user-agent".to_owned(), USER_AGENT.to_owned())];
    if dialect == Dialect::Messages {
        set(&mut headers, "anthropic-version", ANTHROPIC_VERSION);
    }
    let kinds_own = kind.quirks.headers.iter().copied();
    let owners = provider.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let forced = kind.quirks.user_agent.map(|agent| ("user-agent", agent));
    for (name, value) in kinds_own.chain(owners).chain(forced) {
        set(&mut headers, name, value);
    }
    let Some(key) = key else {
        return match kind.auth == Auth::None || kind.quirks.key_optional {
            true => Ok(headers),
            false => Err(ProviderError::MissingKey(provider.name.clone())),
        };
    };
    if kind.quirks.aws_service.is_some() && Credentials::read(key).is_some() {
        return Ok(headers); // these sign each request, and are not sent
    }
    let key = key.reveal();
    if key.is_empty() || !header::is_value(key) {
        return Err(ProviderError::InvalidKey(provider.name.clone()));
    }
    match kind.auth_in(dialect) {
        Auth::None => {}
        Auth::Bearer | Auth::Exchanged(_) => set(&mut headers, "authorization", &format!("Bearer {key}")),
        Auth::Header(name) => set(&mut headers, name, key),
    }
    Ok(headers)
}

fn set(headers: &mut Vec<(String, String)>, name: &str, value: &str) {
    let name = name.to_ascii_lowercase();
    match headers.iter_mut().find(|(present, _)| *present == name) {
        Some((_, present)) => value.clone_into(present),
        None => headers.push((name, value.to_owned())),
    }
}

/// The client headers that may travel to this kind, lower case: the only ones to look for in a request. Where both
/// speak Anthropic's dialect, the version that the client wrote its body for goes along, in place of the gateway's own.
pub fn forwarded(
    kind: &Kind,
    caller: Dialect,
    upstream: Dialect,
) -> impl Iterator<Item = &'static str> + use<> {
    let of_dialect: &[&str] = match (caller, upstream) {
        (Dialect::Messages, Dialect::Messages) => &["anthropic-version", "anthropic-beta"],
        _ => &[],
    };
    FORWARDED.iter().chain(kind.quirks.forwards).chain(of_dialect).copied()
}

/// Whether a model name can stand in a URL path and in a header: `meta-llama/Llama-3.3:free` can, what could leave its
/// place in the path (`..`, `//`, `%2F`, `?`, `#`) cannot.
#[must_use]
pub fn is_safe_model_name(model: &str) -> bool {
    let is_safe_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:@+~,=[]()/".contains(&byte);
    model.len() <= 256
        && model.bytes().all(is_safe_byte)
        && model.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::table;
    use std::collections::BTreeMap;

    fn target(kind: &str, headers: &[(&str, &str)], key: Option<&str>) -> Result<Target, ProviderError> {
        let headers: BTreeMap<String, String> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let provider = Provider { name: "mine".into(), kind: kind.into(), headers, ..Provider::default() };
        let kind = table::kind(kind).unwrap();
        outbound(&provider, kind, key.map(Secret::new).as_ref(), Endpoint::ChatCompletions, None, false)
    }

    fn header<'a>(target: &'a Target, name: &str) -> Option<&'a str> {
        target.headers.iter().find(|(present, _)| present == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn a_target_has_its_url_and_its_credential() {
        let target = target("groq", &[("X-Title", "Mine")], Some("gsk-secret")).unwrap();
        assert_eq!(target.url, "https://api.groq.com/openai/v1/chat/completions");
        assert_eq!(header(&target, "authorization"), Some("Bearer gsk-secret"));
        assert_eq!(header(&target, "content-type"), Some("application/json"));
        assert_eq!(header(&target, "x-title"), Some("Mine"));
        assert!(!format!("{target:?}").contains("gsk-secret"));
    }

    #[test]
    fn each_dialect_has_its_own_address_and_credential() {
        let key = Secret::new("k");
        let at = |kind: &str, endpoint| {
            let provider = Provider::default();
            outbound(&provider, table::kind(kind).unwrap(), Some(&key), endpoint, None, false).unwrap()
        };
        let messages = at("anthropic", Endpoint::Messages);
        assert_eq!(messages.url, "https://api.anthropic.com/v1/messages");
        assert_eq!(header(&messages, "x-api-key"), Some("k"));
        assert_eq!(header(&messages, "anthropic-version"), Some("2023-06-01"));
        assert_eq!(header(&messages, "authorization"), None);
        let compatible = at("anthropic", Endpoint::ChatCompletions);
        assert_eq!(compatible.url, "https://api.anthropic.com/v1/chat/completions");
        assert_eq!(header(&compatible, "authorization"), Some("Bearer k"));
        let gemini = at("gemini", Endpoint::GenerateContent);
        let whole = gemini.url.clone() + &model_path("gemini-2.5-pro", Method::Stream).unwrap();
        assert_eq!(
            whole,
            "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse"
        );
        assert_eq!(header(&gemini, "x-goog-api-key"), Some("k"));
        assert_eq!(
            at("gemini", Endpoint::Embeddings).url,
            "https://generativelanguage.googleapis.com/v1beta/openai/embeddings"
        );
        assert_eq!(at("openai", Endpoint::Responses).url, "https://api.openai.com/v1/responses");
    }

    #[test]
    fn a_models_name_keeps_its_place_in_the_path() {
        assert_eq!(
            model_path("tunedModels/a", Method::Generate).as_deref(),
            Ok("tunedModels/a:generateContent")
        );
        for name in ["../x", "a?key=1", "a#b", "a%2F..", ""] {
            assert_eq!(model_path(name, Method::CountTokens), Err(ProviderError::ModelName), "{name}");
        }
    }

    #[test]
    fn a_model_of_bedrocks_is_one_segment_of_the_path() {
        let kind = table::kind("bedrock").unwrap();
        let rest =
            |model, stream| rest_of_path(&Provider::default(), kind, Endpoint::Converse, model, stream);
        assert_eq!(rest("amazon.nova-lite-v1:0", false), Ok(Some("amazon.nova-lite-v1%3A0/converse".into())));
        assert_eq!(
            rest("arn:aws:bedrock:eu-west-1:1:inference-profile/x", true),
            Ok(Some("arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Fx/converse-stream".into()))
        );
        assert_eq!(rest("../x", false), Err(ProviderError::ModelName));
    }

    #[test]
    fn azure_has_its_own_header_and_base_url_replaces() {
        let provider =
            Provider { base_url: Some("https://a.openai.azure.com".into()), ..Provider::default() };
        let kind = table::kind("azure").unwrap();
        let key = Secret::new("abc");
        let of = |base| outbound(&provider, kind, Some(&key), Endpoint::Embeddings, base, false).unwrap();
        assert_eq!(of(None).url, "https://a.openai.azure.com/openai/v1/embeddings");
        assert_eq!(header(&of(None), "api-key"), Some("abc"));
        assert_eq!(header(&of(None), "authorization"), None);
        assert_eq!(
            of(Some("https://b.example.com/openai/v1/")).url,
            "https://b.example.com/openai/v1/embeddings"
        );
    }

    #[test]
    fn a_forced_user_agent_wins_over_the_owners() {
        let kimi = target("kimi", &[("User-Agent", "other")], Some("k")).unwrap();
        assert_eq!(header(&kimi, "user-agent"), Some("KimiCLI/1.3"));
        assert_eq!(kimi.headers.iter().filter(|(name, _)| name == "user-agent").count(), 1);
        let groq = target("groq", &[("User-Agent", "other")], Some("k")).unwrap();
        assert_eq!(header(&groq, "user-agent"), Some("other"));
    }

    #[test]
    fn a_key_that_is_missing_or_breaks_the_header_is_refused() {
        assert_eq!(target("openai", &[], None), Err(ProviderError::MissingKey("mine".into())));
        assert_eq!(target("openai", &[], Some("a\r\nb: c")), Err(ProviderError::InvalidKey("mine".into())));
        assert_eq!(target("openai", &[], Some("")), Err(ProviderError::InvalidKey("mine".into())));
    }

    #[test]
    fn an_owner_cannot_set_the_credential_by_a_header() {
        assert!(target("openai", &[("Authorization", "Bearer other")], Some("k")).is_err());
    }

    #[test]
    fn a_dated_version_of_azure_is_asked_by_deployments() {
        let kind = table::kind("azure").unwrap();
        let mut provider =
            Provider { base_url: Some("https://r.openai.azure.com".into()), ..Provider::default() };
        provider.config.api_version = Some("2024-10-21".into());
        let key = Secret::new("k");
        for (endpoint, expected) in [
            (Endpoint::ChatCompletions, "deployments/gpt/chat/completions?api-version=2024-10-21"),
            (Endpoint::Transcriptions, "deployments/gpt/audio/transcriptions?api-version=2024-10-21"),
            (Endpoint::Responses, "responses?api-version=2024-10-21"),
        ] {
            let target = outbound(&provider, kind, Some(&key), endpoint, None, false).unwrap();
            let rest = rest_of_path(&provider, kind, endpoint, "gpt", true).unwrap().unwrap_or_default();
            assert_eq!(target.url + &rest, format!("https://r.openai.azure.com/openai/{expected}"));
        }
        let escaping = rest_of_path(&provider, kind, Endpoint::Embeddings, "../x", false);
        assert_eq!(escaping, Err(ProviderError::ModelName));
    }

    #[test]
    fn a_region_moves_calls_and_access_keys_are_not_sent() {
        let kind = table::kind("bedrock").unwrap();
        let mut provider = Provider::default();
        provider.config.region = Some("eu-west-1".into());
        let pair = Secret::new("AKIAIOSFODNN7EXAMPLE:secret");
        let target = outbound(&provider, kind, Some(&pair), Endpoint::ChatCompletions, None, false).unwrap();
        assert_eq!(target.url, "https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1/chat/completions");
        assert_eq!(header(&target, "authorization"), None);
    }

    #[test]
    fn only_harmless_client_headers_travel() {
        let (chat, messages) = (Dialect::Chat, Dialect::Messages);
        let openrouter: Vec<_> = forwarded(table::kind("openrouter").unwrap(), chat, chat).collect();
        assert_eq!(openrouter, ["traceparent", "tracestate", "http-referer", "x-title"]);
        let anthropic = |caller| forwarded(table::kind("anthropic").unwrap(), caller, messages);
        assert!(anthropic(messages).any(|name| name == "anthropic-version"));
        assert!(!anthropic(chat).any(|name| name == "anthropic-version"));
        for kind in table::KINDS {
            assert!(
                forwarded(kind, messages, messages)
                    .all(|name| !["authorization", "cookie", "x-api-key"].contains(&name))
            );
        }
    }

    #[test]
    fn model_names_that_could_leave_a_path_are_unsafe() {
        for name in
            ["gpt-4o", "meta-llama/Llama-3.3:free", "@cf/meta/llama", "a..b", "claude-opus-4-1@20250805"]
        {
            assert!(is_safe_model_name(name), "{name}");
        }
        for name in
            ["", "../x", "a/../b", "a//b", "/a", "a/", "a%2Fb", "a?b", "a#b", "a\r\nb", "a b", "é", "a\\b"]
        {
            assert!(!is_safe_model_name(name), "{name}");
        }
    }
}

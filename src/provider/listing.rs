//! A provider's lists of models: where they are asked for, and what they say.

use crate::config::Provider;
use crate::dialect::Dialect;
use crate::order::sorted_by;
use crate::provider::ProviderError;
use crate::provider::outbound::{Target, base_of, headers, regional};
use crate::provider::sigv4::{Credentials, Request, USUAL_REGION};
use crate::provider::table::Kind;
use crate::secret::Secret;
use crate::time::Millis;
use serde_json::Value;

/// The most models that are kept of one provider.
const MOST_MODELS: usize = 5000;
/// The most pages that are asked for of one list.
const MOST_PAGES: usize = 8;

/// What AWS's control plane lists that can be called: models, profiles of its own (`us.…`, `global.…`), and an account's.
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListFoundationModels.html>,
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListInferenceProfiles.html>
const OF_AWS: [&str; 3] = [
    "foundation-models?byInferenceType=ON_DEMAND&byOutputModality=TEXT",
    "inference-profiles?maxResults=1000&type=SYSTEM_DEFINED",
    "inference-profiles?maxResults=1000&type=APPLICATION",
];

/// Where the provider's models are listed, each list by a request of its own; nothing where it has none. `key` is the token
/// where the kind's keys are exchanged for one, `now` is for what is signed.
///
/// # Errors
/// As [`outbound`](super::outbound::outbound).
pub fn targets(
    provider: &Provider,
    kind: &Kind,
    key: Option<&Secret>,
    allow_private: bool,
    now: Millis,
) -> Result<Vec<Target>, ProviderError> {
    let Some(path) = kind.models_path else { return Ok(Vec::new()) };
    let dialect = provider.config.dialect.unwrap_or(kind.dialect());
    let base = |dialect| base_of(provider, kind, dialect, None, allow_private);
    if let Some(service) = kind.quirks.aws_service {
        let credentials = key.and_then(Credentials::read);
        if let Some(host) = base(Dialect::Converse)?.strip_prefix("https://bedrock-runtime.") {
            let target = |list: &&str| {
                let url = format!("https://{service}.{host}/{list}");
                let mut headers = headers(provider, kind, kind.dialect(), key)?;
                let request = Request { method: "GET", url: &url, content_type: None, body: b"" };
                let region = provider.config.region.as_deref();
                let signed = credentials.iter().flat_map(|it| it.sign(&request, service, region, now));
                headers.extend(signed.map(|(name, value)| (name.to_owned(), value)));
                Ok(Target { url, headers })
            };
            return OF_AWS.iter().map(target).collect();
        }
        if credentials.is_some() {
            return Ok(Vec::new()); // they sign for AWS alone
        }
    }
    let url = match (dialect, provider.base_url.as_ref()) {
        // Publishers are beside projects: …/v1/projects/<project>/locations/<region>
        _ if !kind.quirks.publishers.is_empty() => match base(Dialect::Messages)?.split_once("/v1/projects/")
        {
            Some((host, _)) => host.to_owned() + path,
            None => return Ok(Vec::new()),
        },
        (Dialect::Messages, _) => base(dialect)? + "/v1/models?limit=1000",
        (Dialect::Gemini, _) => base(dialect)? + "/v1beta/models?pageSize=1000",
        // A list on another host is only right beside the kind's own address, or the key would leave for there.
        (_, None) if path.starts_with("https://") => match &provider.config.region {
            Some(region) if regional(provider, kind).is_some() => path.replace(USUAL_REGION, region),
            _ => path.to_owned(),
        },
        _ if path.starts_with("https://") => base(dialect)? + "/models",
        _ => match path.strip_prefix("/..") {
            Some(beside) => base(dialect)?.trim_end_matches(kind.path).to_owned() + beside,
            None => base(dialect)? + path,
        },
    };
    Ok(vec![Target { url, headers: headers(provider, kind, dialect, key)? }])
}

/// Why a provider gave no list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// What it answered, if it did.
    pub status: Option<u16>,
    /// A sentence of ours.
    pub message: String,
    /// Its own words.
    pub said: Option<String>,
}

/// A provider's lists, asked for one after the other and added up. One that the account may not ask for takes nothing from the
/// others; where one fails, there is none.
#[derive(Debug)]
pub struct Listing {
    kind: &'static Kind,
    left: Vec<Target>,
    pages: usize,
    names: Option<Vec<String>>,
    refusal: Option<Refusal>,
    has_failed: bool,
}

impl Listing {
    /// Of all these.
    #[must_use]
    pub fn of(kind: &'static Kind, mut targets: Vec<Target>) -> Listing {
        targets.reverse();
        Listing { kind, left: targets, pages: 0, names: None, refusal: None, has_failed: false }
    }

    /// What to ask for next.
    pub fn next_target(&mut self) -> Option<Target> {
        if self.has_failed { None } else { self.left.pop() }
    }

    /// What came of it: status and body, or a sentence why there is none.
    pub fn take(&mut self, target: Target, answer: Result<(u16, &[u8]), String>) {
        let refusal = match answer {
            Err(message) => Refusal { message, ..Refusal::default() },
            Ok((status @ 200..=299, body)) => match read(self.kind, body) {
                Some((names, next)) => {
                    self.names.get_or_insert_default().extend(names);
                    self.pages += 1;
                    if let Some(token) = next.filter(|_| self.pages < MOST_PAGES) {
                        let Target { url, headers } = target;
                        let url = url.split("&pageToken=").next().unwrap_or(&url);
                        let token: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
                        self.left.push(Target { url: format!("{url}&pageToken={token}"), headers });
                    }
                    return;
                }
                None => {
                    let message = "the provider's answer is not a list of models".to_owned();
                    Refusal { status: Some(status), message, said: None }
                }
            },
            Ok((status, body)) => Refusal {
                status: Some(status),
                message: format!("the provider answered {status}"),
                said: upstream_message(body),
            },
        };
        self.has_failed = !matches!(refusal.status, Some(400 | 403 | 404));
        if self.has_failed || self.refusal.is_none() {
            self.refusal = Some(refusal);
        }
    }

    /// The names, sorted, each once.
    ///
    /// # Errors
    /// There is none: see [`Refusal`].
    pub fn finish(self) -> Result<Vec<String>, Refusal> {
        match (self.names, self.refusal) {
            (Some(names), refusal) if !self.has_failed || refusal.is_none() => {
                let mut names = sorted_by(names, Ord::cmp);
                names.dedup();
                names.truncate(MOST_MODELS);
                Ok(names)
            }
            (_, refusal) => Err(refusal.unwrap_or_default()),
        }
    }
}

/// The names in a list, and what its next page is asked for with; `None` where it is none: OpenAI's and Anthropic's
/// `data[].id`, Gemini's `models[].name` without `models/`, those of the clouds, and plain arrays.
fn read(kind: &Kind, body: &[u8]) -> Option<(Vec<String>, Option<String>)> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let list = ["data", "models", "result", "modelSummaries", "inferenceProfileSummaries", "publisherModels"]
        .iter()
        .find_map(|name| value.get(name));
    // A page of Google's without models has no member for them.
    let is_empty = list.is_none() && value.as_object().is_some_and(serde_json::Map::is_empty);
    let list = match list.unwrap_or(&value).as_array() {
        None if is_empty && !kind.quirks.publishers.is_empty() => &Vec::new(),
        list => list?,
    };
    let names = list
        .iter()
        .filter_map(|model| named(model).unwrap_or(model).as_str())
        .filter_map(|name| match name.strip_prefix("publishers/") {
            Some(published) => callable(kind, published),
            None => Some(name.strip_prefix("models/").unwrap_or(name).to_owned()),
        })
        .filter(|name| !name.is_empty() && name.len() <= 256)
        .take(MOST_MODELS)
        .collect();
    let next = value.get("nextPageToken").and_then(Value::as_str).filter(|token| !token.is_empty());
    Some((names, next.map(str::to_owned)))
}

/// `id`, `modelId` (Bedrock); of an account's own profiles there their ARN, by which alone they can be called; of Cloudflare's
/// models, whose ids are numbers of their rows, `name`.
fn named(model: &Value) -> Option<&Value> {
    let name = || model.get("name");
    let is_cloudflares = name().is_some_and(|name| name.as_str().is_some_and(|name| name.starts_with('@')));
    let is_own = model.get("type").is_some_and(|kind| kind == "APPLICATION");
    match () {
        () if is_cloudflares => name(),
        () if is_own => model.get("inferenceProfileArn"),
        () => ["id", "modelId", "inferenceProfileId"].iter().find_map(|id| model.get(id)).or_else(name),
    }
}

/// What a model `<publisher>/models/<model>` of Vertex AI is called by; `None` of one that must be deployed first, or is asked
/// in a way of its own. What its OpenAI-compatible endpoint has is named `…-maas`, or is xAI's.
fn callable(kind: &Kind, published: &str) -> Option<String> {
    let (publisher, model) = published.split_once("/models/")?;
    let model = model.split('@').next().unwrap_or(model);
    let full = format!("{publisher}/{model}");
    let own = kind.quirks.publishers.iter().find(|own| own.name == publisher && own.has(&full));
    match own {
        Some(_) => Some(model.to_owned()),
        None => (model.ends_with("-maas") || publisher == "xai").then_some(full),
    }
}

/// `error.message` (OpenAI, Anthropic, Google) or `message`, cut to 300 characters.
fn upstream_message(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let message = value.pointer("/error/message").or_else(|| value.get("message"))?;
    Some(message.as_str()?.chars().take(300).collect())
}

#[cfg(test)]
mod tests;

//! The provider table: an OpenAI-compatible provider is a row, with flags for its quirks, and no code.
//!
//! Addresses and names of variables are those of the providers' own documentation, read in November 2026.

use crate::config::glob;
use crate::dialect::Dialect;
use crate::provider::exchange::{COPILOT_HEADERS, Exchange};
use serde::{Serialize, Serializer};

/// A kind of provider; serialised, it is one entry of `GET /api/provider-kinds`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Kind {
    /// What `providers.kind` says, and the prefix of a model name.
    #[serde(rename = "kind")]
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// Where it lives; `None` where each account has an address of its own.
    pub base_url: Option<&'static str>,
    /// The path of its OpenAI-style endpoints, where an address has only the host.
    #[serde(skip)]
    pub path: &'static str,
    /// What its endpoints can speak; the first is what they are spoken to in unless the account says otherwise.
    pub dialects: &'static [Dialect],
    /// How a key is sent in its first dialect; for the others see [`Kind::auth_in`].
    pub auth: Auth,
    /// The prefix of its variables, `<ENV>_API_KEY` and `<ENV>_BASE_URL`; empty where it has none. Serialised, it is the
    /// name of the first, or null.
    #[serde(serialize_with = "key_variable")]
    pub env: &'static str,
    /// Other prefixes that are honoured, and after a `=` other names of the key alone, whole.
    #[serde(skip)]
    pub env_aliases: &'static [&'static str],
    /// Globs of bare model names that belong to it.
    pub models: &'static [&'static str],
    /// Where it lists its models, below the base URL or as a whole URL; `None` where it does not.
    pub models_path: Option<&'static str>,
    /// Where it differs from OpenAI's own API.
    pub quirks: Quirks,
    /// What a person who sets it up should know.
    pub note: &'static str,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn key_variable<S: Serializer>(prefix: &&str, serializer: S) -> Result<S::Ok, S::Error> {
    match *prefix {
        "" => serializer.serialize_none(),
        prefix => serializer.collect_str(&format_args!("{prefix}_API_KEY")),
    }
}

/// How a key is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// No key at all.
    None,
    /// `Authorization: Bearer <key>`
    Bearer,
    /// This header, the key as its value.
    Header(&'static str),
    /// The key is exchanged for a token, which is then sent as `Authorization: Bearer <token>`.
    Exchanged(Exchange),
}

/// Where a provider differs from OpenAI's own API.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Quirks {
    /// It understands `stream_options.include_usage`; others refuse it or send usage unasked.
    pub stream_options: bool,
    /// Its endpoint may be called without a key.
    pub key_optional: bool,
    /// It has `/completions`, too, as far as is known; others are asked to chat.
    pub completes: bool,
    /// The gateway answers itself, without any network.
    pub built_in: bool,
    /// The only model it has, whatever the caller names.
    pub forced_model: Option<&'static str>,
    /// It serves only this client.
    pub user_agent: Option<&'static str>,
    /// Sent with every call.
    pub headers: &'static [(&'static str, &'static str)],
    /// A caller's own dialect is spoken to it where it is one of `dialects`; otherwise only the first is.
    pub answers_in_kind: bool,
    /// Whose models it serves at endpoints of their own, each in its publisher's dialect (Vertex AI).
    #[serde(skip)]
    pub publishers: &'static [Publisher],
    /// Globs of the models that are spoken to in Converse, unless the account says otherwise (Amazon Bedrock).
    #[serde(skip)]
    pub converses: &'static [&'static str],
    /// With a `config.api_version`, a model is a part of the address: `/openai/deployments/<model>/…` (Azure OpenAI).
    #[serde(skip)]
    pub deployments: bool,
    /// The service of AWS that requests are signed for, where a key is a pair of access keys and no API key.
    #[serde(skip)]
    pub aws_service: Option<&'static str>,
    /// Its address by `config.region` and `config.project`, which stand in it as `{region}` and `{project}`.
    #[serde(skip)]
    pub regional: Option<&'static str>,
    /// Client headers that travel to it, beside those of [`crate::provider::outbound::FORWARDED`]; lower case.
    pub forwards: &'static [&'static str],
}

/// Whose models a provider serves, beside its own.
#[derive(Clone, Copy, Debug)]
pub struct Publisher {
    /// As it stands in an address, and in front of a model's name.
    pub name: &'static str,
    /// A glob of its models' names.
    pub models: &'static str,
    /// What they are spoken to in.
    pub dialect: Dialect,
}

/// As OpenAI's own API is.
pub const PLAIN: Quirks = Quirks {
    stream_options: true,
    key_optional: false,
    completes: false,
    built_in: false,
    forced_model: None,
    user_agent: None,
    headers: &[],
    answers_in_kind: false,
    publishers: &[],
    converses: &[],
    deployments: false,
    aws_service: None,
    regional: None,
    forwards: &[],
};

/// What OpenAI's own endpoints speak.
const OPENAI: &[Dialect] = &[Dialect::Chat, Dialect::Responses];

const LOCAL: Quirks = Quirks { key_optional: true, completes: true, ..PLAIN };

/// As OpenAI is, with its older endpoint for text completions.
const COMPLETES: Quirks = Quirks { completes: true, ..PLAIN };

/// A row for a provider that is as OpenAI is; `path` is the end of `base_url` after its host.
#[must_use]
pub const fn row(
    name: &'static str,
    title: &'static str,
    base_url: Option<&'static str>,
    path: &'static str,
    env: &'static str,
) -> Kind {
    Kind {
        name,
        title,
        base_url,
        path,
        dialects: &[Dialect::Chat],
        auth: Auth::Bearer,
        env,
        env_aliases: &[],
        models: &[],
        models_path: Some("/models"),
        quirks: PLAIN,
        note: "",
    }
}

/// The kind for any other endpoint.
pub const GENERIC: &str = "openai-compatible";

/// Where Workers AI is by the binding of the gateway's own account, which whoever pays for it shares with its users and with
/// nobody who only brings a key. `edge/workers-ai.js` has the host, too.
pub const WORKERS_AI_BINDING: &str = "https://workers-ai.binding/v1";

/// The kind that answers itself.
pub const DEMO: &str = "demo";

/// Every kind there is.
pub static KINDS: &[Kind] = &[
    Kind {
        dialects: OPENAI,
        env_aliases: &["CHATGPT"],
        quirks: Quirks { answers_in_kind: true, forwards: &["openai-beta"], ..COMPLETES },
        ..row("openai", "OpenAI", Some("https://api.openai.com/v1"), "/v1", "OPENAI")
    },
    Kind {
        dialects: &Dialect::ALL,
        quirks: LOCAL,
        note: "Any endpoint that speaks OpenAI's API: give its base_url, and a key where it wants one. Of one that \
               speaks another API, config.dialect tells which.",
        ..row(GENERIC, "OpenAI-compatible", None, "/v1", "OPENAI_COMPATIBLE")
    },
    Kind {
        auth: Auth::None,
        quirks: Quirks { key_optional: true, built_in: true, ..PLAIN },
        note: "Built in: answers without a key and without a network, to try the gateway out.",
        ..row(DEMO, "Demo", None, "", "")
    },
    Kind {
        dialects: &[Dialect::Messages, Dialect::Chat],
        auth: Auth::Header("x-api-key"),
        models: &["claude*"],
        note: "Its OpenAI-compatible endpoint is used where config.dialect is chat.",
        ..row("anthropic", "Anthropic", Some("https://api.anthropic.com"), "/v1", "ANTHROPIC")
    },
    Kind {
        dialects: &[Dialect::Gemini, Dialect::Chat],
        auth: Auth::Header("x-goog-api-key"),
        env_aliases: &["GOOGLE", "GOOGLE_AI_STUDIO"],
        models: &["gemini*", "gemma-*"],
        note: "Its OpenAI-compatible endpoint is used for embeddings, and for all where config.dialect is chat.",
        ..row(
            "gemini",
            "Google Gemini",
            Some("https://generativelanguage.googleapis.com"),
            "/v1beta/openai",
            "GEMINI",
        )
    },
    Kind {
        models: &["mistral-*", "ministral-*", "codestral*", "magistral-*", "devstral-*", "pixtral-*"],
        quirks: Quirks { stream_options: false, ..PLAIN }, // usage comes unasked in the last chunk
        ..row("mistral", "Mistral", Some("https://api.mistral.ai/v1"), "/v1", "MISTRAL")
    },
    Kind {
        models: &["command-*"],
        models_path: Some("https://api.cohere.com/v1/models"),
        quirks: Quirks { stream_options: false, ..PLAIN }, // refused; usage comes unasked
        ..row(
            "cohere",
            "Cohere",
            Some("https://api.cohere.ai/compatibility/v1"),
            "/compatibility/v1",
            "COHERE",
        )
    },
    row("groq", "Groq", Some("https://api.groq.com/openai/v1"), "/openai/v1", "GROQ"),
    Kind {
        quirks: COMPLETES,
        ..row("cerebras", "Cerebras", Some("https://api.cerebras.ai/v1"), "/v1", "CEREBRAS")
    },
    Kind {
        models: &["deepseek-chat*", "deepseek-reasoner*", "deepseek-v*"],
        ..row("deepseek", "DeepSeek", Some("https://api.deepseek.com/v1"), "/v1", "DEEPSEEK")
    },
    Kind {
        dialects: OPENAI,
        models: &["grok*"],
        env_aliases: &["GROK"],
        ..row("xai", "xAI", Some("https://api.x.ai/v1"), "/v1", "XAI")
    },
    Kind {
        models: &["sonar*"],
        models_path: None,
        quirks: Quirks { stream_options: false, ..PLAIN }, // every chunk carries usage
        ..row("perplexity", "Perplexity", Some("https://api.perplexity.ai"), "", "PERPLEXITY")
    },
    Kind {
        quirks: Quirks { forwards: &["http-referer", "x-title"], ..COMPLETES },
        ..row("openrouter", "OpenRouter", Some("https://openrouter.ai/api/v1"), "/api/v1", "OPENROUTER")
    },
    Kind {
        env_aliases: &["AI_GATEWAY", "VERCEL", "GATEWAY"],
        quirks: Quirks { forwards: &["http-referer", "x-title"], ..PLAIN },
        ..row(
            "vercel",
            "Vercel AI Gateway",
            Some("https://ai-gateway.vercel.sh/v1"),
            "/v1",
            "VERCEL_AI_GATEWAY",
        )
    },
    Kind {
        models: &["kimi*"],
        quirks: Quirks { forced_model: Some("kimi-for-coding"), user_agent: Some("KimiCLI/1.3"), ..PLAIN },
        note: "Kimi for Coding has one model, and serves coding clients only. For the open platform: moonshot.",
        ..row("kimi", "Kimi for Coding", Some("https://api.kimi.com/coding/v1"), "/coding/v1", "KIMI")
    },
    Kind {
        models: &["moonshot-*"],
        note: "In China: https://api.moonshot.cn/v1.",
        ..row("moonshot", "Moonshot AI", Some("https://api.moonshot.ai/v1"), "/v1", "MOONSHOT")
    },
    Kind {
        env_aliases: &["ARK"],
        models: &["doubao*"],
        ..row(
            "doubao",
            "Doubao (Volcengine Ark)",
            Some("https://ark.cn-beijing.volces.com/api/v3"),
            "/api/v3",
            "DOUBAO",
        )
    },
    Kind {
        env_aliases: &["=MODELSCOPE_SDK_TOKEN"],
        ..row("modelscope", "ModelScope", Some("https://api-inference.modelscope.cn/v1"), "/v1", "MODELSCOPE")
    },
    Kind {
        env_aliases: &["INFINIAI"],
        ..row("infini", "Infini-AI", Some("https://cloud.infini-ai.com/maas/v1"), "/maas/v1", "INFINI")
    },
    row("nvidia", "NVIDIA NIM", Some("https://integrate.api.nvidia.com/v1"), "/v1", "NVIDIA"),
    Kind { dialects: OPENAI, ..row("poixe", "Poixe", Some("https://api.poixe.com/v1"), "/v1", "POIXE") },
    Kind {
        models: &["morph-*"],
        ..row("morph", "Morph", Some("https://api.morphllm.com/v1"), "/v1", "MORPH")
    },
    Kind {
        env_aliases: &["=GITHUB_TOKEN"],
        models_path: Some("https://models.github.ai/catalog/models"),
        note: "The key is a GitHub token with the scope models:read.",
        ..row("github", "GitHub Models", Some("https://models.github.ai/inference"), "/inference", "GITHUB")
    },
    Kind { dialects: OPENAI, ..row("poe", "Poe", Some("https://api.poe.com/v1"), "/v1", "POE") },
    Kind {
        env_aliases: &["HF", "=HF_TOKEN"],
        ..row("huggingface", "Hugging Face", Some("https://router.huggingface.co/v1"), "/v1", "HUGGINGFACE")
    },
    Kind {
        quirks: COMPLETES,
        ..row("together", "Together AI", Some("https://api.together.xyz/v1"), "/v1", "TOGETHER")
    },
    Kind {
        quirks: COMPLETES,
        ..row(
            "fireworks",
            "Fireworks AI",
            Some("https://api.fireworks.ai/inference/v1"),
            "/inference/v1",
            "FIREWORKS",
        )
    },
    Kind {
        env_aliases: &["DASHSCOPE"],
        models: &["qwen-*", "qwen?-*", "qwq-*"],
        note: "In China: https://dashscope.aliyuncs.com/compatible-mode/v1. A workspace of its own: \
               https://<workspace>.<region>.maas.aliyuncs.com/compatible-mode/v1.",
        ..row(
            "qwen",
            "Qwen (Alibaba Model Studio)",
            Some("https://dashscope-intl.aliyuncs.com/compatible-mode/v1"),
            "/compatible-mode/v1",
            "QWEN",
        )
    },
    Kind {
        models: &["glm-*"],
        note: "In China: https://open.bigmodel.cn/api/paas/v4.",
        ..row("zai", "Z.ai", Some("https://api.z.ai/api/paas/v4"), "/api/paas/v4", "ZAI")
    },
    Kind {
        dialects: OPENAI,
        models: &["minimax-*"],
        note: "In China: https://api.minimaxi.com/v1.",
        ..row("minimax", "MiniMax", Some("https://api.minimax.io/v1"), "/v1", "MINIMAX")
    },
    Kind {
        note: "In China: https://api.siliconflow.cn/v1.",
        ..row("siliconflow", "SiliconFlow", Some("https://api.siliconflow.com/v1"), "/v1", "SILICONFLOW")
    },
    Kind {
        dialects: OPENAI,
        auth: Auth::Header("api-key"),
        env_aliases: &["AZURE"],
        quirks: Quirks { deployments: true, answers_in_kind: true, forwards: &["openai-beta"], ..COMPLETES },
        note: "base_url is https://<resource>.openai.azure.com/openai/v1; a model is the name of a deployment. \
               With config.api_version, calls go to /openai/deployments/<model> as they did before v1.",
        ..row("azure", "Azure OpenAI", None, "/openai/v1", "AZURE_OPENAI")
    },
    Kind {
        dialects: &[Dialect::Chat, Dialect::Responses, Dialect::Converse],
        env_aliases: &["BEDROCK", "=AWS_BEARER_TOKEN_BEDROCK"],
        quirks: Quirks {
            aws_service: Some("bedrock"),
            // All makers that Converse has, but for OpenAI, whose models are at the OpenAI-compatible endpoint.
            converses: &[
                "arn:*",
                "*amazon.*",
                "*anthropic.*",
                "*meta.*",
                "*mistral.*",
                "*cohere.*",
                "*ai21.*",
                "*deepseek.*",
                "*qwen.*",
                "*writer.*",
                "*google.*",
                "*minimax.*",
                "*moonshot*.*",
                "*nvidia.*",
                "*zai.*",
            ],
            regional: Some("https://bedrock-runtime.{region}.amazonaws.com/openai/v1"),
            ..PLAIN
        },
        note: "The key is a Bedrock API key, or <access key id>:<secret access key>[:<session token>], with which requests \
               are signed; config.region is us-east-1 unless told. OpenAI's models (openai.…) are asked at the OpenAI-compatible \
               endpoint, all others by Converse; config.dialect says chat, responses or converse for all of them.",
        ..row(
            "bedrock",
            "Amazon Bedrock",
            Some("https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1"),
            "/openai/v1",
            "AWS_BEDROCK",
        )
    },
    Kind {
        dialects: &[Dialect::Chat, Dialect::Messages, Dialect::Gemini],
        env_aliases: &["VERTEX"],
        // beside its projects: https://cloud.google.com/vertex-ai/docs/reference/rest/v1beta1/publishers.models/list
        models_path: Some("/v1beta1/publishers/*/models?filter=is_hf_wildcard(false)&pageSize=200"),
        auth: Auth::Exchanged(Exchange::GoogleServiceAccount),
        quirks: Quirks {
            publishers: &[
                Publisher { name: "anthropic", models: "claude*", dialect: Dialect::Messages },
                Publisher { name: "google", models: "gemini*", dialect: Dialect::Gemini },
            ],
            regional: Some(
                "https://{region}-aiplatform.googleapis.com/v1/projects/{project}/locations/{region}/endpoints/openapi",
            ),
            ..PLAIN
        },
        note: "The key is a service account's JSON, or an access token; config.project and config.region say where, or base_url: \
               https://<region>-aiplatform.googleapis.com/v1/projects/<project>/locations/<region>. Claude and Gemini are \
               asked at their own endpoints, other models at the OpenAI-compatible one.",
        ..row("vertex", "Google Vertex AI", None, "", "VERTEX_AI")
    },
    Kind {
        env_aliases: &["CLOUDFLARE"],
        models_path: Some("/../models/search?per_page=1000"), // beside the OpenAI-compatible endpoints
        quirks: Quirks {
            key_optional: true,
            regional: Some("https://api.cloudflare.com/client/v4/accounts/{project}/ai/v1"),
            ..PLAIN
        },
        note: "By the binding `AI` of the gateway's own account (wrangler.toml), without a key; or, with the account's id as \
               config.project and an API token as key, by the REST API. Models are named @cf/….",
        ..row("workers-ai", "Cloudflare Workers AI", Some(WORKERS_AI_BINDING), "/v1", "WORKERS_AI")
    },
    Kind {
        auth: Auth::Exchanged(Exchange::GigaChat),
        env_aliases: &["=GIGACHAT_AUTH_KEY", "=GIGACHAT_CREDENTIALS"],
        models: &["gigachat*"],
        note: "The key is the authorization key of a project; config.scope is GIGACHAT_API_PERS unless told.",
        ..row(
            "gigachat",
            "GigaChat",
            Some("https://gigachat.devices.sberbank.ru/api/v1"),
            "/api/v1",
            "GIGACHAT",
        )
    },
    Kind {
        auth: Auth::Exchanged(Exchange::GithubCopilot),
        quirks: Quirks { headers: COPILOT_HEADERS, ..PLAIN },
        note: "The key is a GitHub user's token (ghu_…) of somebody who has Copilot.",
        ..row("copilot", "GitHub Copilot", Some("https://api.githubcopilot.com"), "", "COPILOT")
    },
    Kind {
        quirks: LOCAL,
        note: "Runs on your own machine, so it needs ALLOW_PRIVATE_UPSTREAMS.",
        ..row("ollama", "Ollama", Some("http://localhost:11434/v1"), "/v1", "OLLAMA")
    },
    Kind {
        dialects: OPENAI,
        quirks: LOCAL,
        note: "Runs on your own machine, so it needs ALLOW_PRIVATE_UPSTREAMS.",
        ..row("lmstudio", "LM Studio", Some("http://localhost:1234/v1"), "/v1", "LMSTUDIO")
    },
];

/// Each kind with each prefix of its variables, the documented one first: what
/// [`Variables::read`](crate::config::variables::Variables::read) looks for.
#[must_use]
pub fn variable_prefixes() -> Vec<(&'static str, &'static str)> {
    KINDS.iter().flat_map(|kind| kind.env_prefixes().map(|prefix| (kind.name, prefix))).collect()
}

/// The row of this name; case matters not.
#[must_use]
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name.eq_ignore_ascii_case(name))
}

/// The row of this name, or, where the table lost it since the provider was stored, that of any other endpoint.
#[must_use]
pub fn kind_or_generic(name: &str) -> &'static Kind {
    kind(name).or_else(|| kind(GENERIC)).unwrap_or(&FALLBACK)
}

static FALLBACK: Kind = row(GENERIC, "OpenAI-compatible", None, "/v1", "");

/// The kind that a model name asks for: by its prefix (`groq/…`), or by the pattern that a bare name matches
/// (`claude*`). `None`: nothing is known of this name.
#[must_use]
pub fn kind_of_model(model: &str) -> Option<&'static Kind> {
    match model.split_once('/') {
        Some((prefix, _)) => kind(prefix),
        None => KINDS.iter().find(|kind| kind.models.iter().any(|pattern| glob::matches(pattern, model))),
    }
}

impl Kind {
    /// What it is spoken to in, unless the account says otherwise.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialects.first().copied().unwrap_or_default()
    }

    /// What an account of it is spoken to in for this model, by a caller of this dialect. `told` is the account's
    /// `config.dialect`.
    #[must_use]
    pub fn spoken_by(&self, caller: Dialect, told: Option<Dialect>, model: &str) -> Dialect {
        let in_kind = self.quirks.answers_in_kind && self.dialects.contains(&caller);
        let publisher = || self.quirks.publishers.iter().find(|publisher| publisher.has(model));
        let converses = || self.quirks.converses.iter().any(|models| glob::matches(models, model));
        told.or_else(|| publisher().map(|publisher| publisher.dialect)).unwrap_or_else(|| match () {
            () if in_kind => caller,
            () if converses() => Dialect::Converse,
            () => self.dialect(),
        })
    }

    /// Its address for accounts that say a region, and a project where it has those; `None` where it has no such address, or
    /// they could not stand in it.
    #[must_use]
    pub fn regional_address(&self, region: Option<&str>, project: Option<&str>) -> Option<String> {
        let address = self.quirks.regional?;
        let place = |name: &str, value: Option<&'_ str>| match address.contains(name) {
            true => value.filter(|value| is_label(value)).map(str::to_owned),
            false => Some(String::new()),
        };
        let (region, project) = (place("{region}", region)?, place("{project}", project)?);
        let address = address.replace("{region}", &region).replace("{project}", &project);
        // Vertex AI has one host that is nowhere in particular.
        Some(address.replace("//global-", "//"))
    }

    /// How its keys are sent with calls in this dialect: each dialect has a way of its own, which a provider with several
    /// of them follows.
    #[must_use]
    pub fn auth_in(&self, dialect: Dialect) -> Auth {
        let is_openai_style = |dialect| matches!(dialect, Dialect::Chat | Dialect::Responses);
        match dialect {
            _ if self.auth == Auth::None || dialect == self.dialect() => self.auth,
            _ if matches!(self.auth, Auth::Exchanged(_)) => self.auth,
            _ if is_openai_style(dialect) && is_openai_style(self.dialect()) => self.auth,
            Dialect::Chat | Dialect::Responses | Dialect::Converse => Auth::Bearer,
            Dialect::Messages => Auth::Header("x-api-key"),
            Dialect::Gemini => Auth::Header("x-goog-api-key"),
        }
    }

    /// The publisher whose models are spoken to in this dialect.
    #[must_use]
    pub fn publisher(&self, dialect: Dialect) -> Option<&Publisher> {
        self.quirks.publishers.iter().find(|publisher| publisher.dialect == dialect)
    }

    /// The model that is sent upstream for this one.
    #[must_use]
    pub fn upstream_model<'a>(&self, model: &'a str) -> &'a str {
        self.quirks.forced_model.unwrap_or(model)
    }

    /// The prefixes of its variables, the documented one first.
    pub fn env_prefixes(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.env).chain(self.env_aliases.iter().copied()).filter(|prefix| !prefix.is_empty())
    }
}

impl Publisher {
    /// The model's name without the publisher's, which may stand in front of it.
    #[must_use]
    pub fn bare<'a>(&self, model: &'a str) -> &'a str {
        model.strip_prefix(self.name).and_then(|rest| rest.strip_prefix('/')).unwrap_or(model)
    }

    /// Whether this is one of its models, with or without its name in front.
    #[must_use]
    pub fn has(&self, model: &str) -> bool {
        glob::matches(self.models, self.bare(model))
    }
}

/// Whether this can be a region or a project, which stand in addresses.
#[must_use]
pub fn is_label(text: &str) -> bool {
    let is_of_label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(is_of_label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_and_variables_are_unique() {
        let names: BTreeSet<_> = KINDS.iter().map(|kind| kind.name).collect();
        assert_eq!(names.len(), KINDS.len());
        let prefixes: Vec<_> = KINDS.iter().flat_map(Kind::env_prefixes).collect();
        assert_eq!(prefixes.iter().collect::<BTreeSet<_>>().len(), prefixes.len());
    }

    #[test]
    fn every_row_is_complete() {
        for kind in KINDS {
            let base = kind.base_url.unwrap_or_default();
            let is_openai_style = matches!(kind.dialect(), Dialect::Chat | Dialect::Responses);
            let ends_well = base.ends_with(kind.path) || kind.base_url.is_none() || !is_openai_style;
            assert!(ends_well, "{}: {base}", kind.name);
            let own_address = ["openai-compatible", "demo", "azure", "vertex"].contains(&kind.name);
            assert_eq!(kind.base_url.is_none(), own_address, "{}", kind.name);
            assert!(!kind.dialects.is_empty() && !kind.title.is_empty(), "{}", kind.name);
        }
    }

    #[test]
    fn a_model_name_leads_to_its_kind() {
        for (model, expected) in [
            ("claude-sonnet-4-5", Some("anthropic")),
            ("Gemini-2.5-pro", Some("gemini")),
            ("kimi-k2", Some("kimi")),
            ("groq/llama-3.3-70b", Some("groq")),
            ("OpenRouter/openai/gpt-4o", Some("openrouter")),
            ("gpt-4o", None),
            ("meta-llama/claude", None),
        ] {
            assert_eq!(kind_of_model(model).map(|kind| kind.name), expected, "{model}");
        }
    }

    #[test]
    fn a_kind_is_written_for_people() {
        let json = serde_json::to_value(kind("azure").unwrap()).unwrap();
        assert_eq!(json["kind"], "azure");
        assert_eq!(json["dialects"], serde_json::json!(["chat", "responses"]));
        assert_eq!(json["auth"], serde_json::json!({"header": "api-key"}));
        assert_eq!(json["env"], "AZURE_OPENAI_API_KEY");
        assert!(serde_json::to_value(kind("demo").unwrap()).unwrap()["env"].is_null());
    }

    #[test]
    fn a_caller_is_answered_in_kind_where_the_provider_can() {
        let spoken = |name: &str, caller, told| kind(name).unwrap().spoken_by(caller, told, "m");
        use Dialect::{Chat, Gemini, Messages, Responses};
        for (name, caller, told, expected) in [
            ("openai", Chat, None, Chat),
            ("openai", Responses, None, Responses),
            ("openai", Responses, Some(Chat), Chat),
            ("openai", Messages, None, Chat),
            ("anthropic", Chat, None, Messages),
            ("anthropic", Chat, Some(Chat), Chat),
            ("gemini", Responses, None, Gemini),
            ("openai-compatible", Responses, None, Chat),
            ("openai-compatible", Chat, Some(Messages), Messages),
            ("groq", Messages, None, Chat),
        ] {
            assert_eq!(spoken(name, caller, told), expected, "{name} {caller:?} {told:?}");
        }
    }

    #[test]
    fn a_publishers_models_are_spoken_to_in_its_dialect() {
        let vertex = kind("vertex").unwrap();
        use Dialect::{Chat, Gemini, Messages};
        for (model, told, expected) in [
            ("claude-sonnet-4-5@20250929", None, Messages),
            ("anthropic/claude-opus-4-1", None, Messages),
            ("google/gemini-2.5-flash", None, Gemini),
            ("gemini-2.5-flash", None, Gemini),
            ("google/gemini-2.5-flash", Some(Chat), Chat),
            ("meta/llama-3.3-70b-instruct-maas", None, Chat),
            ("meta/claude", None, Chat),
        ] {
            assert_eq!(vertex.spoken_by(Dialect::Responses, told, model), expected, "{model}");
        }
    }

    #[test]
    fn bedrock_converses_but_with_openais_models() {
        let bedrock = kind("bedrock").unwrap();
        use Dialect::{Chat, Converse, Messages};
        for (model, told, expected) in [
            ("us.anthropic.claude-haiku-4-5-20251001-v1:0", None, Converse),
            ("amazon.nova-2-lite-v1:0", None, Converse),
            ("arn:aws:bedrock:us-east-1:1:application-inference-profile/x", None, Converse),
            ("openai.gpt-oss-120b-1:0", None, Chat),
            ("openai.gpt-oss-120b-1:0", Some(Converse), Converse),
            ("deepseek.v3.1", Some(Chat), Chat),
            ("gpt-4.1", None, Chat),
        ] {
            assert_eq!(bedrock.spoken_by(Messages, told, model), expected, "{model}");
        }
    }

    #[test]
    fn a_region_is_an_address() {
        let address = |name: &str, region, project| kind(name).unwrap().regional_address(region, project);
        assert_eq!(
            address("bedrock", Some("eu-west-1"), None).as_deref(),
            Some("https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1")
        );
        assert_eq!(
            address("vertex", Some("global"), Some("p-1")).as_deref(),
            Some("https://aiplatform.googleapis.com/v1/projects/p-1/locations/global/endpoints/openapi")
        );
        assert_eq!(
            address("workers-ai", None, Some("0af3")).as_deref(),
            Some("https://api.cloudflare.com/client/v4/accounts/0af3/ai/v1")
        );
        for (name, region, project) in [
            ("vertex", Some("us-east5"), None),
            ("vertex", Some("evil.example/"), Some("p")),
            ("vertex", Some("us-east5"), Some("../p")),
            ("bedrock", Some(""), None),
            ("openai", Some("us-east5"), None),
            ("workers-ai", None, None),
            ("workers-ai", None, Some("a/../b")),
        ] {
            assert_eq!(address(name, region, project), None, "{name} {region:?} {project:?}");
        }
    }

    #[test]
    fn a_kind_with_one_model_sends_that_one() {
        assert_eq!(kind("kimi").unwrap().upstream_model("kimi-k2"), "kimi-for-coding");
        assert_eq!(kind("groq").unwrap().upstream_model("llama"), "llama");
    }
}

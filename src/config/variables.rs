//! The Worker's variables and secrets: read once, validated, typed. The list and its defaults are the contract's.

use crate::secret::{MasterKey, Secret};
use crate::time::Millis;
use std::collections::BTreeMap;
use std::str::FromStr;

/// A variable that cannot be used as it is set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} {problem}")]
pub struct VariablesError {
    /// Its name.
    pub name: String,
    /// What is wrong, to be read after the name.
    pub problem: String,
}

/// Everything that the Worker is configured with.
#[derive(Clone, Debug)]
pub struct Variables {
    /// `MASTER_KEY`, required.
    pub master_key: MasterKey,
    /// `ADMIN_USERNAME`, `admin`.
    pub admin_username: String,
    /// `ADMIN_PASSWORD`; without it nobody is created.
    pub admin_password: Option<Secret>,
    /// `PASSWORD`, a shared gateway password.
    pub password: Option<Secret>,
    /// `GATEWAY_API_KEYS`, static gateway keys.
    pub gateway_api_keys: Vec<Secret>,
    /// `ALLOW_BYOK`, `false`: a caller may bring a provider's own key.
    pub allow_byok: bool,
    /// `CORS_ORIGINS`, none.
    pub cors_origins: CorsOrigins,
    /// `ALLOW_PRIVATE_UPSTREAMS`, `false`: a base URL may be a private address.
    pub allow_private_upstreams: bool,
    /// `<PROVIDER>_API_KEY` and `<PROVIDER>_BASE_URL`, by kind; only kinds for which one is set.
    pub providers: BTreeMap<String, ProviderVariables>,
    /// `REQUEST_TIMEOUT_SECS`, 120 s.
    pub request_timeout: Millis,
    /// `UPSTREAM_MAX_RETRIES`, 2.
    pub max_retries: u32,
    /// `UPSTREAM_RETRY_BASE_DELAY_MS`, 150 ms.
    pub retry_base_delay: Millis,
    /// `KEEP_ALIVE_MS`, 15 000: a stream that is silent for so long sends a comment.
    pub keep_alive: Millis,
    /// `LOG_RETENTION_DAYS`, 30.
    pub log_retention_days: u32,
    /// `RESPONSE_RETENTION_DAYS`, 30.
    pub response_retention_days: u32,
    /// `CATALOG_URL`, LiteLLM's list in its repository; `None` where it is `off`.
    pub catalog_url: Option<String>,
    /// `METRICS_USERNAME` and `METRICS_PASSWORD`, both or neither.
    pub metrics: Option<(String, Secret)>,
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`: spans are exported where it is set.
    pub telemetry: Option<Telemetry>,
}

/// Where spans go, by the variables that every OpenTelemetry SDK reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telemetry {
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` with the path of traces.
    pub url: String,
    /// `OTEL_EXPORTER_OTLP_HEADERS`, `name=value,…`, the values percent-encoded.
    pub headers: Vec<(String, Secret)>,
    /// `OTEL_SERVICE_NAME`, `edgeway`.
    pub service: String,
}

/// LiteLLM's list of models and prices as it is maintained, MIT.
const CATALOG_URL: &str =
    "https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json";

/// What the variables say of one kind of provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderVariables {
    /// `<PROVIDER>_API_KEY`, one or several.
    pub keys: Vec<Secret>,
    /// `<PROVIDER>_BASE_URL`.
    pub base_url: Option<String>,
    /// `<PROVIDER>_SCOPE` and `<PROVIDER>_TOKEN_URL`, of keys that are exchanged for tokens.
    pub scope: Option<String>,
    /// Where they are.
    pub token_url: Option<String>,
    /// `<PROVIDER>_CHAT_MODEL_NAME` or `<PROVIDER>_DEFAULT_MODEL`: what the simple helpers ask where nobody names a model.
    pub chat_model: Option<String>,
    /// `<PROVIDER>_VISION_MODEL_NAME`, the same of pictures; else the other.
    pub vision_model: Option<String>,
}

/// Who may call the management plane from a page of another origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CorsOrigins {
    /// Nobody.
    #[default]
    None,
    /// Any page, but without cookies.
    Any,
    /// These origins, with cookies.
    List(Vec<String>),
}

impl CorsOrigins {
    /// Whether this origin is named; `*` names none.
    #[must_use]
    pub fn names(&self, origin: &str) -> bool {
        matches!(self, CorsOrigins::List(list) if list.iter().any(|known| known == origin))
    }
}

impl Variables {
    /// Reads all of them. `kinds` are the provider kinds with their prefix: `("openai", "OPENAI")`. A kind may have
    /// several: all their keys count, each once, and the first base URL; `=NAME` is another name of the key alone. A variable
    /// that is empty counts as not set.
    ///
    /// # Errors
    /// [`VariablesError`] names the first that cannot be used.
    pub fn read(
        lookup: impl Fn(&str) -> Option<String>,
        kinds: &[(&str, &str)],
    ) -> Result<Variables, VariablesError> {
        let text = |name: &str| lookup(name).map(|value| value.trim().to_owned()).filter(|v| !v.is_empty());
        let secret = |name: &str| text(name).map(Secret::new);
        let secrets =
            |name: &str| -> Vec<Secret> { list(&text(name).unwrap_or_default()).map(Secret::new).collect() };
        let mut providers = BTreeMap::new();
        let address = |name: String| text(&name).map(|url| web_address(&name, url)).transpose();
        let mut first = ("", "");
        for (kind, prefix) in kinds {
            if *kind != first.0 {
                first = (kind, prefix);
            }
            let name = prefix.strip_prefix('=').map_or_else(|| format!("{prefix}_API_KEY"), str::to_owned);
            let keys = secrets(&name);
            let base_url =
                address(format!("{prefix}_BASE_URL"))?.or(address(format!("{prefix}_API_BASE_URL"))?);
            if keys.is_empty() && base_url.is_none() && !providers.contains_key(*kind) {
                continue;
            }
            let settings: &mut ProviderVariables = providers.entry((*kind).to_owned()).or_default();
            for key in keys {
                if !settings.keys.contains(&key) {
                    settings.keys.push(key);
                }
            }
            settings.base_url = settings.base_url.take().or(base_url);
            let model = |name: &str| text(&format!("{prefix}_{name}"));
            let chat_model = model("CHAT_MODEL_NAME").or_else(|| model("DEFAULT_MODEL"));
            settings.chat_model = settings.chat_model.take().or(chat_model);
            settings.vision_model = settings.vision_model.take().or_else(|| model("VISION_MODEL_NAME"));
            settings.scope = text(&format!("{}_SCOPE", first.1));
            settings.token_url = address(format!("{}_TOKEN_URL", first.1))?;
        }
        let master_key = text("MASTER_KEY").unwrap_or_default();
        Ok(Variables {
            master_key: MasterKey::from_base64(&master_key)
                .map_err(|_| problem("MASTER_KEY", "must be set to 32 random bytes in base64"))?,
            admin_username: text("ADMIN_USERNAME").unwrap_or_else(|| "admin".into()),
            admin_password: secret("ADMIN_PASSWORD"),
            password: secret("PASSWORD"),
            gateway_api_keys: secrets("GATEWAY_API_KEYS"),
            allow_byok: flag("ALLOW_BYOK", text("ALLOW_BYOK"))?,
            cors_origins: cors_origins(&text("CORS_ORIGINS").unwrap_or_default())?,
            allow_private_upstreams: flag("ALLOW_PRIVATE_UPSTREAMS", text("ALLOW_PRIVATE_UPSTREAMS"))?,
            providers,
            request_timeout: Millis(
                1000 * number("REQUEST_TIMEOUT_SECS", text("REQUEST_TIMEOUT_SECS"), 120, 1, 3600)?,
            ),
            max_retries: number("UPSTREAM_MAX_RETRIES", text("UPSTREAM_MAX_RETRIES"), 2, 0, 20)?,
            retry_base_delay: Millis(number(
                "UPSTREAM_RETRY_BASE_DELAY_MS",
                text("UPSTREAM_RETRY_BASE_DELAY_MS"),
                150,
                0,
                60_000,
            )?),
            keep_alive: Millis(number("KEEP_ALIVE_MS", text("KEEP_ALIVE_MS"), 15_000, 100, 90_000)?),
            log_retention_days: number("LOG_RETENTION_DAYS", text("LOG_RETENTION_DAYS"), 30, 1, 3650)?,
            response_retention_days: number(
                "RESPONSE_RETENTION_DAYS",
                text("RESPONSE_RETENTION_DAYS"),
                30,
                1,
                3650,
            )?,
            catalog_url: match text("CATALOG_URL") {
                None => Some(CATALOG_URL.to_owned()),
                Some(off) if off.eq_ignore_ascii_case("off") => None,
                Some(url) => Some(web_address("CATALOG_URL", url)?),
            },
            metrics: match (text("METRICS_USERNAME"), secret("METRICS_PASSWORD")) {
                (Some(username), Some(password)) => Some((username, password)),
                (None, None) => None,
                (Some(_), None) => return Err(problem("METRICS_PASSWORD", "must be set too")),
                (None, Some(_)) => return Err(problem("METRICS_USERNAME", "must be set too")),
            },
            telemetry: match text("OTEL_EXPORTER_OTLP_ENDPOINT") {
                None => None,
                Some(endpoint) => Some(Telemetry {
                    url: traces_of(&web_address("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)?),
                    headers: pairs(&text("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default())?,
                    service: text("OTEL_SERVICE_NAME").unwrap_or_else(|| "edgeway".into()),
                }),
            },
        })
    }
}

/// The endpoint is a base: `/v1/traces` goes behind it.
fn traces_of(endpoint: &str) -> String {
    format!("{}/v1/traces", endpoint.trim_end_matches('/'))
}

fn pairs(text: &str) -> Result<Vec<(String, Secret)>, VariablesError> {
    let wrong = || problem("OTEL_EXPORTER_OTLP_HEADERS", "must be `name=value`, separated by commas");
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').ok_or_else(wrong)?;
        // As a query's value, but with `+` for itself.
        let value = format!("v={}", value.trim().replace('+', "%2B"));
        let value = url::form_urlencoded::parse(value.as_bytes()).next().map(|(_, value)| value.into_owned());
        let is_header = |text: &str| text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        let value = value.filter(|value| is_header(value)).ok_or_else(wrong)?;
        let name = name.trim().to_ascii_lowercase();
        let is_name = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if is_name { Ok((name, Secret::new(value))) } else { Err(wrong()) }
    };
    list(text).map(pair).collect()
}

fn problem(name: &str, problem: impl Into<String>) -> VariablesError {
    VariablesError { name: name.into(), problem: problem.into() }
}

/// The parts of a comma-separated list.
fn list(text: &str) -> impl Iterator<Item = &str> {
    // A key that is a JSON document (Vertex) has commas of its own, and is the only one.
    let separator = if text.trim_start().starts_with('{') { '\0' } else { ',' };
    text.split(separator).map(str::trim).filter(|part| !part.is_empty())
}

fn flag(name: &str, value: Option<String>) -> Result<bool, VariablesError> {
    match value.map(|value| value.to_ascii_lowercase()).as_deref() {
        Some("true" | "1" | "yes" | "on") => Ok(true),
        None | Some("false" | "0" | "no" | "off") => Ok(false),
        Some(_) => Err(problem(name, "must be true or false")),
    }
}

fn number<T>(name: &str, value: Option<String>, default: T, least: T, most: T) -> Result<T, VariablesError>
where
    T: FromStr + PartialOrd + std::fmt::Display + Copy,
{
    let Some(text) = value else { return Ok(default) };
    let parsed = text.parse().ok().filter(|number| *number >= least && *number <= most);
    parsed.ok_or_else(|| problem(name, format!("must be a whole number from {least} to {most}")))
}

fn web_address(name: &str, text: String) -> Result<String, VariablesError> {
    match url::Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(text),
        _ => Err(problem(name, "must be an http or https URL")),
    }
}

fn cors_origins(text: &str) -> Result<CorsOrigins, VariablesError> {
    let mut origins = Vec::new();
    for part in list(text) {
        if part == "*" {
            return Ok(CorsOrigins::Any);
        }
        let origin = url::Url::parse(part).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let Some(origin) = origin.filter(|url| matches!(url.path(), "" | "/") && url.query().is_none())
        else {
            return Err(problem(
                "CORS_ORIGINS",
                format!("holds {part}, which is not an origin (https://host)"),
            ));
        };
        origins.push(origin.origin().ascii_serialization());
    }
    Ok(if origins.is_empty() { CorsOrigins::None } else { CorsOrigins::List(origins) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASTER_KEY: (&str, &str) = ("MASTER_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");

    fn read(set: &[(&str, &str)]) -> Result<Variables, VariablesError> {
        let all: Vec<_> = [MASTER_KEY].iter().chain(set).copied().collect();
        let lookup = |name: &str| all.iter().rfind(|(key, _)| *key == name).map(|(_, v)| (*v).to_owned());
        Variables::read(lookup, &[("openai", "OPENAI"), ("gemini", "GEMINI"), ("gemini", "GOOGLE")])
    }

    #[test]
    fn the_defaults_are_the_contracts() {
        let variables = read(&[("PASSWORD", "  ")]).unwrap();
        assert_eq!(variables.admin_username, "admin");
        assert_eq!(variables.password, None, "blank is not set");
        assert!(!variables.allow_byok && !variables.allow_private_upstreams);
        assert_eq!(variables.request_timeout, Millis(120_000));
        assert_eq!((variables.max_retries, variables.retry_base_delay), (2, Millis(150)));
        assert_eq!((variables.log_retention_days, variables.response_retention_days), (30, 30));
        assert_eq!(variables.cors_origins, CorsOrigins::None);
        assert!(variables.providers.is_empty());
    }

    #[test]
    fn telemetry_is_set_by_opentelemetrys_own_variables() {
        assert_eq!(read(&[]).unwrap().telemetry, None);
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.test/otlp/");
        let headers = |text| read(&[endpoint, ("OTEL_EXPORTER_OTLP_HEADERS", text)]);
        let telemetry =
            headers("Authorization=Basic%20a+b%3D%3D, x-tenant = one").unwrap().telemetry.unwrap();
        assert_eq!(telemetry.url, "https://collector.test/otlp/v1/traces");
        assert_eq!(telemetry.service, "edgeway");
        let sent: Vec<_> =
            telemetry.headers.iter().map(|(name, value)| (name.as_str(), value.reveal())).collect();
        assert_eq!(sent, [("authorization", "Basic a+b=="), ("x-tenant", "one")]);
        for wrong in ["nonsense", "=a", "a b=c", "a=%0d%0a"] {
            assert_eq!(headers(wrong).unwrap_err().name, "OTEL_EXPORTER_OTLP_HEADERS", "{wrong}");
        }
    }

    #[test]
    fn providers_come_from_their_prefix() {
        let variables =
            read(&[("OPENAI_API_KEY", "sk-1, sk-2"), ("GEMINI_BASE_URL", "https://gemini.test")]).unwrap();
        let keys: Vec<_> = variables.providers["openai"].keys.iter().map(Secret::reveal).collect();
        assert_eq!(keys, ["sk-1", "sk-2"]);
        assert_eq!(variables.providers["gemini"].base_url.as_deref(), Some("https://gemini.test"));
    }

    #[test]
    fn the_prefixes_of_a_kind_add_up_and_the_documented_one_comes_first() {
        let gemini = |set: &[(&str, &str)]| read(set).unwrap().providers["gemini"].clone();
        let both = gemini(&[
            ("GOOGLE_API_KEY", "b,a"),
            ("GEMINI_API_KEY", "a"),
            ("GOOGLE_BASE_URL", "https://google.test"),
            ("GEMINI_BASE_URL", "https://gemini.test"),
        ]);
        assert_eq!(both.keys.iter().map(Secret::reveal).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(both.base_url.as_deref(), Some("https://gemini.test"));
        let other = gemini(&[("GEMINI_API_KEY", "a"), ("GOOGLE_BASE_URL", "https://google.test")]);
        assert_eq!((other.keys.len(), other.base_url.as_deref()), (1, Some("https://google.test")));
    }

    #[test]
    fn a_key_may_have_another_name_and_a_scope_beside_it() {
        let lookup = |set: &'static [(&str, &str)]| {
            let with = |name: &str| {
                let master = ("MASTER_KEY", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
                set.iter()
                    .chain([&master])
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| (*value).into())
            };
            Variables::read(with, &[("gigachat", "GIGACHAT"), ("gigachat", "=GIGACHAT_AUTH_KEY")])
        };
        let variables = lookup(&[
            ("GIGACHAT_AUTH_KEY", "a"),
            ("GIGACHAT_SCOPE", "GIGACHAT_API_CORP"),
            ("GIGACHAT_TOKEN_URL", "https://tokens.test/oauth"),
            ("GIGACHAT_API_BASE_URL", "https://giga.test/v1"),
        ]);
        let gigachat = variables.unwrap().providers["gigachat"].clone();
        assert_eq!(gigachat.keys.iter().map(Secret::reveal).collect::<Vec<_>>(), ["a"]);
        assert_eq!(gigachat.scope.as_deref(), Some("GIGACHAT_API_CORP"));
        assert_eq!(gigachat.token_url.as_deref(), Some("https://tokens.test/oauth"));
        assert_eq!(gigachat.base_url.as_deref(), Some("https://giga.test/v1"));
        let wrong = lookup(&[("GIGACHAT_API_KEY", "a"), ("GIGACHAT_TOKEN_URL", "tokens")]);
        assert_eq!(wrong.unwrap_err().name, "GIGACHAT_TOKEN_URL");
    }

    #[test]
    fn origins_are_normalised() {
        for (text, expected) in [
            ("*", CorsOrigins::Any),
            ("https://a.test, http://b.test:3000/", {
                CorsOrigins::List(vec!["https://a.test".into(), "http://b.test:3000".into()])
            }),
        ] {
            assert_eq!(read(&[("CORS_ORIGINS", text)]).unwrap().cors_origins, expected);
        }
    }

    #[test]
    fn the_price_list_has_an_address_until_it_is_switched_off() {
        assert!(read(&[]).unwrap().catalog_url.unwrap().starts_with("https://"));
        assert_eq!(read(&[("CATALOG_URL", "Off")]).unwrap().catalog_url, None);
        let own = read(&[("CATALOG_URL", "https://prices.test/list.json")]).unwrap();
        assert_eq!(own.catalog_url.as_deref(), Some("https://prices.test/list.json"));
    }

    #[test]
    fn a_bad_value_is_refused_by_name() {
        for (name, value) in [
            ("MASTER_KEY", "short"),
            ("ALLOW_BYOK", "maybe"),
            ("REQUEST_TIMEOUT_SECS", "0"),
            ("UPSTREAM_MAX_RETRIES", "-1"),
            ("UPSTREAM_RETRY_BASE_DELAY_MS", "1.5"),
            ("LOG_RETENTION_DAYS", "forever"),
            ("RESPONSE_RETENTION_DAYS", "0"),
            ("CORS_ORIGINS", "example.com"),
            ("CORS_ORIGINS", "https://a.test/path"),
            ("OPENAI_BASE_URL", "ftp://a.test"),
            ("CATALOG_URL", "never"),
        ] {
            assert_eq!(read(&[(name, value)]).unwrap_err().name, name, "{value}");
        }
        assert_eq!(read(&[("METRICS_USERNAME", "prometheus")]).unwrap_err().name, "METRICS_PASSWORD");
    }
}

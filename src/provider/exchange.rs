//! Keys that are not sent to the endpoint but exchanged for a short-lived token at another address: how to ask for one,
//! and what the answer says. The edge sends, and signs what must be signed.

use crate::config::ProviderConfig;
use crate::json;
use crate::json::json;
use crate::provider::{ProviderError, base_url};
use crate::secret::Secret;
use crate::time::Millis;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

/// A way to exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Exchange {
    /// A service account's JSON for an access token: RFC 7523, <https://developers.google.com/identity/protocols/oauth2/service-account>.
    /// A key that is no JSON is an access token already.
    GoogleServiceAccount,
    /// An authorization key: <https://developers.sber.ru/docs/ru/gigachat/api/reference/rest/post-token>.
    #[serde(rename = "gigachat")]
    GigaChat,
    /// A GitHub user's token for one of Copilot's own.
    GithubCopilot,
}

/// What is sent for a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Ask {
    /// The whole URL.
    pub url: String,
    /// Credentials included.
    pub headers: Vec<(String, String)>,
    /// Posted; `None` is a GET.
    pub body: Option<String>,
    /// The body ends in the signature of this.
    pub signing: Option<Signing>,
}

/// What is to be signed with RSASSA-PKCS1-v1_5 and SHA-256.
#[derive(Clone, PartialEq, Eq)]
pub struct Signing {
    /// The header and the claims of a JWT.
    pub text: String,
    /// The private key, PKCS #8 in DER.
    pub key: Vec<u8>,
}

/// A token that endpoints take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The token.
    pub secret: Secret,
    /// Refused from then on.
    pub expires_at: Millis,
    /// The address that its account is to be called at (Copilot), without a slash at its end.
    pub endpoint: Option<String>,
}

#[derive(Deserialize)]
struct ServiceAccount {
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
}

/// What to send for a token in place of a key; `None` where the key is a token itself. `random` is fresh for each.
///
/// # Errors
/// [`ProviderError::InvalidKey`] where the key is not what this exchange takes, and what `config.token_url` is refused for.
pub fn ask(
    exchange: Exchange,
    key: &Secret,
    config: &ProviderConfig,
    allow_private: bool,
    now: Millis,
    random: [u8; 16],
) -> Result<Option<Ask>, ProviderError> {
    let url = match &config.token_url {
        Some(url) => base_url::checked(url, allow_private)?,
        None => exchange.url().to_owned(),
    };
    let key = key.reveal().trim();
    let header = |name: &str, value: String| (name.to_owned(), value);
    let form = header("content-type", "application/x-www-form-urlencoded".into());
    let accept = header("accept", "application/json".into());
    Ok(Some(match exchange {
        Exchange::GoogleServiceAccount if !key.starts_with('{') => return Ok(None),
        Exchange::GoogleServiceAccount => {
            let account: ServiceAccount = json::read(key.as_bytes())
                .map_err(|_| ProviderError::InvalidKey("service account".into()))?;
            let signing = signing(&account, config, &url, now)?;
            let body = format!(
                "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={}.",
                signing.text
            );
            Ask { url, headers: vec![form, accept], body: Some(body), signing: Some(signing) }
        }
        Exchange::GigaChat => {
            let scope = config.scope.as_deref().unwrap_or("GIGACHAT_API_PERS");
            let body =
                url::form_urlencoded::Serializer::new(String::new()).append_pair("scope", scope).finish();
            let id = uuid::Builder::from_random_bytes(random).into_uuid().hyphenated().to_string();
            let basic = header("authorization", format!("Basic {key}"));
            Ask {
                url,
                headers: vec![form, accept, basic, header("rquid", id)],
                body: Some(body),
                signing: None,
            }
        }
        Exchange::GithubCopilot => {
            let mut headers = vec![accept, header("authorization", format!("token {key}"))];
            headers.extend(COPILOT_HEADERS.iter().map(|(name, value)| header(name, (*value).into())));
            Ask { url, headers, body: None, signing: None }
        }
    }))
}

/// What Copilot's servers ask of an editor, with every request.
pub const COPILOT_HEADERS: &[(&str, &str)] = &[
    ("copilot-integration-id", "vscode-chat"),
    ("editor-plugin-version", "copilot-chat/0.35.0"),
    ("editor-version", "vscode/1.107.0"),
    ("user-agent", "GitHubCopilotChat/0.35.0"),
    ("x-github-api-version", "2025-04-01"),
];

impl Exchange {
    /// Where tokens are given out, unless the account says otherwise.
    fn url(self) -> &'static str {
        match self {
            Exchange::GoogleServiceAccount => "https://oauth2.googleapis.com/token",
            Exchange::GigaChat => "https://ngw.devices.sberbank.ru:9443/api/v2/oauth",
            Exchange::GithubCopilot => "https://api.github.com/copilot_internal/v2/token",
        }
    }
}

fn signing(
    account: &ServiceAccount,
    config: &ProviderConfig,
    audience: &str,
    now: Millis,
) -> Result<Signing, ProviderError> {
    let base64: String = account.private_key.lines().filter(|line| !line.starts_with("-----")).collect();
    let key = STANDARD
        .decode(base64.replace(char::is_whitespace, ""))
        .map_err(|_| ProviderError::InvalidKey("service account".into()))?;
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = match &account.private_key_id {
        Some(id) => json!({ "alg": "RS256", "typ": "JWT", "kid": id }),
        None => json!({ "alg": "RS256", "typ": "JWT" }),
    };
    let issued = now.0 / 1000;
    let claims = json!({
        "iss": account.client_email,
        "scope": config.scope.as_deref().unwrap_or("https://www.googleapis.com/auth/cloud-platform"),
        "aud": audience,
        "iat": issued,
        "exp": issued + 3600,
    });
    Ok(Signing { text: format!("{}.{}", encode(&header), encode(&claims)), key })
}

/// The token in the body of a 200; `None` where there is none.
#[must_use]
pub fn read(body: &[u8], now: Millis) -> Option<Token> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let secret = ["access_token", "token"].iter().find_map(|name| body.get(name)?.as_str())?;
    let expires_at = match (body.get("expires_at").and_then(Value::as_i64), body.get("expires_in")) {
        // Copilot tells seconds since 1970, GigaChat milliseconds.
        (Some(at), _) if at < 100_000_000_000 => Millis(at.saturating_mul(1000)),
        (Some(at), _) => Millis(at),
        (None, Some(span)) => now.plus(Millis(span.as_i64()?.saturating_mul(1000))),
        (None, None) => now.plus(Millis(1_800_000)),
    };
    let endpoint = body.pointer("/endpoints/api").and_then(Value::as_str).and_then(copilots);
    (!secret.is_empty()).then(|| Token { secret: Secret::new(secret), expires_at, endpoint })
}

/// The address where it is one of Copilot's own: a token goes nowhere else, whatever its server says.
fn copilots(address: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    let host = url.host_str()?;
    let is_own = host == "githubcopilot.com" || host.ends_with(".githubcopilot.com");
    let is_plain =
        url.scheme() == "https" && url.port().is_none() && url.username().is_empty() && url.path() == "/";
    (is_own && is_plain && url.query().is_none()).then(|| format!("https://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(exchange: Exchange, key: &str, config: &ProviderConfig) -> Result<Option<Ask>, ProviderError> {
        ask(exchange, &Secret::new(key), config, false, Millis(1_328_550_785_000), [7; 16])
    }

    #[test]
    fn a_service_account_signs_a_claim_of_an_hour() {
        // The example of Google's own documentation, but for the scope.
        let key = json!({
            "type": "service_account", "client_email": "761326798069-x@developer.gserviceaccount.com",
            "private_key": "-----BEGIN PRIVATE KEY-----\nAQID\nBA==\n-----END PRIVATE KEY-----\n",
            "token_uri": "https://elsewhere.test/token",
        });
        let key = key.to_string();
        let ask = asked(Exchange::GoogleServiceAccount, &key, &ProviderConfig::default()).unwrap().unwrap();
        assert_eq!(ask.url, "https://oauth2.googleapis.com/token", "whatever the key says");
        let signing = ask.signing.unwrap();
        assert_eq!(signing.key, [1, 2, 3, 4]);
        let (header, claims) = signing.text.split_once('.').unwrap();
        assert_eq!(header, "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9");
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        assert_eq!((&claims["iat"], &claims["exp"]), (&json!(1_328_550_785), &json!(1_328_554_385)));
        assert_eq!(claims["aud"], "https://oauth2.googleapis.com/token");
        assert!(ask.body.unwrap().ends_with(&format!("&assertion={}.", signing.text)));
        assert!(
            asked(Exchange::GoogleServiceAccount, "ya29.token", &ProviderConfig::default())
                .unwrap()
                .is_none()
        );
        assert!(asked(Exchange::GoogleServiceAccount, "{}", &ProviderConfig::default()).is_err());
    }

    #[test]
    fn each_provider_is_asked_in_its_own_way() {
        let header = |ask: &Ask, name: &str| {
            ask.headers
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.clone())
                .unwrap_or_default()
        };
        let corporate =
            ProviderConfig { scope: Some("GIGACHAT_API_CORP".into()), ..ProviderConfig::default() };
        let ask = asked(Exchange::GigaChat, "Y2xpZW50OnNlY3JldA==", &corporate).unwrap().unwrap();
        assert_eq!(ask.body.as_deref(), Some("scope=GIGACHAT_API_CORP"));
        assert_eq!(header(&ask, "authorization"), "Basic Y2xpZW50OnNlY3JldA==");
        assert_eq!(header(&ask, "rquid"), "07070707-0707-4707-8707-070707070707");
        let ask = asked(Exchange::GithubCopilot, "ghu_x", &ProviderConfig::default()).unwrap().unwrap();
        assert_eq!((header(&ask, "authorization").as_str(), ask.body), ("token ghu_x", None));
        let inside =
            ProviderConfig { token_url: Some("http://127.0.0.1/".into()), ..ProviderConfig::default() };
        assert!(asked(Exchange::GigaChat, "x", &inside).is_err());
    }

    #[test]
    fn a_token_goes_to_copilots_own_hosts_only() {
        for (address, expected) in [
            ("https://api.business.githubcopilot.com", Some("https://api.business.githubcopilot.com")),
            ("https://api.individual.githubcopilot.com/", Some("https://api.individual.githubcopilot.com")),
            ("https://githubcopilot.com", Some("https://githubcopilot.com")),
            ("http://api.githubcopilot.com", None),
            ("https://api.githubcopilot.com.evil.test", None),
            ("https://evilgithubcopilot.com", None),
            ("https://api.githubcopilot.com@evil.test", None),
            ("https://x@api.githubcopilot.com", None),
            ("https://api.githubcopilot.com:8443", None),
            ("https://api.githubcopilot.com/../x", None),
            ("https://evil.test/.githubcopilot.com", None),
            ("", None),
        ] {
            let body = json!({ "token": "t", "expires_at": 1, "endpoints": { "api": address, "proxy": "https://x" } });
            let token = read(body.to_string().as_bytes(), Millis(0)).unwrap();
            assert_eq!(token.endpoint.as_deref(), expected, "{address}");
        }
    }

    #[test]
    fn an_answer_tells_when_its_token_expires_in_one_of_three_ways() {
        let now = Millis(1_700_000_000_000);
        for (body, expires_at) in [
            (json!({"access_token": "t", "expires_in": 3599}), now.0 + 3_599_000),
            (json!({"access_token": "t", "expires_at": 1_700_001_800_000_i64}), 1_700_001_800_000),
            (json!({"token": "t", "expires_at": 1_700_001_500}), 1_700_001_500_000),
        ] {
            let token = read(body.to_string().as_bytes(), now).unwrap();
            assert_eq!((token.secret.reveal(), token.expires_at.0), ("t", expires_at), "{body}");
        }
        assert_eq!(read(b"{}", now), None);
    }
}

//! Settings of one gateway key, compiled: stored rows become one validated value that a call needs nothing beside.
//!
//! A [`Snapshot`] is plain data: it is loaded from D1 in one round trip ([`load`]), kept in KV as JSON with provider
//! keys still sealed, and cached in the isolate. [`variables`] reads the Worker's own variables.

pub mod environment;
pub mod glob;
pub mod load;
pub mod policy;
pub mod variables;

use crate::json;
use crate::money::NanoUsd;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that a call of one gateway key needs, as stored in KV.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The `config_version` it was compiled at.
    pub version: i64,
    /// The key itself.
    pub key: Key,
    /// Its router, where it has one.
    pub router: Option<Router>,
    /// The enabled providers of the key's owner, in order of creation.
    pub providers: Vec<Provider>,
}

/// A gateway key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Key {
    /// Row id; empty for a static key.
    pub id: String,
    /// Its owner's id.
    pub user_id: String,
    /// Its name.
    pub name: String,
    /// What may be shown of it.
    pub hint: String,
    /// A key that was switched off is refused.
    pub is_active: bool,
    /// Refused from then on.
    pub expires_at: Option<Millis>,
    /// All calls go to this provider, where no router decides.
    pub provider_id: Option<String>,
    /// The model of a call that names none.
    pub default_model: Option<String>,
    /// Globs; empty allows all.
    pub allowed_models: Vec<String>,
    /// Globs; these win over the allowed ones.
    pub denied_models: Vec<String>,
    /// Injected into every call.
    pub system_prompt: Option<String>,
    /// Replaces the provider's base URL.
    pub base_url: Option<String>,
    /// Limits on rates.
    pub rate_limits: RateLimits,
    /// Limits on tokens.
    pub quotas: Quotas,
    /// The limit on money.
    pub budget: Option<Budget>,
    /// What becomes of calls that cannot be limited exactly.
    pub policy: policy::Policy,
    /// Bodies go into the log.
    pub log_bodies: bool,
    /// Logged with every call.
    pub metadata: BTreeMap<String, String>,
}

/// Limits on the rate of calls; accepted and stored, enforced by the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RateLimits {
    /// Calls in a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u64>,
    /// Calls in an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_hour: Option<u64>,
    /// Calls in a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_day: Option<u64>,
    /// Input and output tokens in a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u64>,
    /// Calls at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<u64>,
}

/// Limits on tokens and calls of a day, and of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Quotas {
    /// Input tokens in a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens_per_day: Option<u64>,
    /// Output tokens in a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens_per_day: Option<u64>,
    /// Calls in a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_day: Option<u64>,
    /// Input tokens of one request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_input_tokens: Option<u64>,
    /// Output tokens of one request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
}

/// A limit on money in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// The most that may be spent in one window.
    pub nano_usd: NanoUsd,
    /// The window.
    pub window: BudgetWindow,
}

/// A calendar window, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum BudgetWindow {
    /// From midnight.
    Day,
    /// From Monday.
    Week,
    /// From the first.
    Month,
    /// For ever.
    Total,
}

/// A router: rules, and how patient it is. `None` falls back to the Worker's variables.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Router {
    /// Row id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Retries.
    pub retry: RetrySettings,
    /// Deadlines.
    pub timeouts: TimeoutSettings,
    /// Enabled rules whose provider is enabled, by priority, then in order of creation.
    pub rules: Vec<Rule>,
}

/// How often and how soon a failed call is tried again on the same target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RetrySettings {
    /// Retries beyond the first attempt, over the whole call.
    pub max_retries: Option<u32>,
    /// The base of the exponential backoff, ms.
    pub base_delay_ms: Option<u64>,
}

/// Deadlines in ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct TimeoutSettings {
    /// From sending to the response's headers, each attempt.
    pub headers_ms: Option<u64>,
    /// From sending to the first content event of a stream, each attempt.
    pub first_content_ms: Option<u64>,
    /// Between two chunks of a stream.
    pub idle_ms: Option<u64>,
    /// The whole call; where it is not set, a stream that has begun may run on while it is not idle.
    pub total_ms: Option<u64>,
}

/// A rule: which models go to which provider, and when.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Row id.
    pub id: String,
    /// Glob on the name that the client sent.
    pub model_pattern: String,
    /// A row of `providers`.
    pub provider_id: String,
    /// The model upstream; `None` is the name that the client sent.
    pub target_model: Option<String>,
    /// Lower is tried first.
    pub priority: i64,
    /// The share among equal priorities.
    pub weight: u64,
    /// All must hold.
    pub conditions: BTreeMap<String, Condition>,
}

/// What a field must be: a plain value, or operators that must all hold.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Condition {
    /// `{eq|ne|in|not_in|gt|gte|lt|lte|glob: value}`
    Operators(BTreeMap<Operator, serde_json::Value>),
    /// Equal to this.
    Equals(serde_json::Value),
}

/// As serde reads an untagged enum, without its machinery, which is large and serves nothing else.
impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Condition, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let operators = value.is_object().then(|| json::read(value.to_string().as_bytes()));
        Ok(operators.and_then(Result::ok).map_or(Condition::Equals(value), Condition::Operators))
    }
}

/// An operator of a rule's condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each is its name")]
pub enum Operator {
    Eq,
    Ne,
    In,
    NotIn,
    Gt,
    Gte,
    Lt,
    Lte,
    Glob,
}

/// An upstream account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provider {
    /// Row id; `env:<kind>` for one that exists through variables alone.
    pub id: String,
    /// The model prefix.
    pub name: String,
    /// A row of the provider table.
    pub kind: String,
    /// `None`: the kind's own.
    pub base_url: Option<String>,
    /// Sent with every call.
    pub headers: BTreeMap<String, String>,
    /// Further settings, as the kind understands them.
    pub config: ProviderConfig,
    /// Its enabled keys in the order of creation, beginning with the selected one and going round.
    pub keys: Vec<ProviderKey>,
}

/// Further settings of a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ProviderConfig {
    /// What its endpoint speaks, where its kind allows more than its default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialect: Option<crate::dialect::Dialect>,
    /// Where its keys are exchanged for tokens, where that is not the kind's own address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_url: Option<String>,
    /// What its tokens are to be good for, where that is not the kind's own scope.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The dated version of an API that is asked for by deployments (Azure OpenAI), in place of that of its newest endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// The region that it is called in, where the kind's address depends on that and no base URL is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The project that it is called for, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

/// A key of a provider, still sealed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProviderKey {
    /// Row id; it is the seal's associated data.
    pub id: String,
    /// What may be shown of it.
    pub hint: String,
    /// See [`crate::secret::MasterKey::seal`].
    pub ciphertext: String,
    /// Resting until then.
    pub disabled_until: Option<Millis>,
    /// Why it rests, or rested last; without an end to its rest, why it is dead.
    pub disabled_reason: Option<String>,
}

impl ProviderKey {
    /// Whether its provider refused it for what it is, and nobody has changed or enabled it since.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.disabled_reason.is_some() && self.disabled_until.is_none()
    }
}

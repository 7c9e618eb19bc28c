//! The body that creates or changes a gateway key: its fields, their rules, and the statement that writes them.

use super::keys::nullable;
use super::query::Query;
use super::request::{self, present};
use super::row::text;
use super::rules::owns_provider;
use super::{Call, Platform, validate};
use crate::config::policy::{LONGEST_CACHE, Policy, UnknownOutput};
use crate::config::{Budget, BudgetWindow, Quotas, RateLimits};
use crate::error::ApiError;
use crate::money::NanoUsd;
use crate::provider::table;
use crate::store::{Statement, Store};
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a key begins with: some clients insist on the prefix of their provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub enum Prefix {
    /// Edgeway's own.
    #[default]
    #[serde(rename = "gw_")]
    Gateway,
    /// As OpenAI's.
    #[serde(rename = "sk-")]
    OpenAi,
    /// As Anthropic's.
    #[serde(rename = "sk-ant-")]
    Anthropic,
    /// For Gemini clients.
    #[serde(rename = "gm_")]
    Gemini,
}

impl Prefix {
    /// The prefix itself.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Prefix::Gateway => "gw_",
            Prefix::OpenAi => "sk-",
            Prefix::Anthropic => "sk-ant-",
            Prefix::Gemini => "gm_",
        }
    }
}

/// Who runs the tools: their caller. The gateway has none of its own yet, so `gateway` is kept, and does what `pass-through` does.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) enum ToolMode {
    PassThrough,
    Gateway,
}

/// A budget in USD, as bodies and answers have it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BudgetView {
    usd: f64,
    window: BudgetWindow,
}

impl From<Budget> for BudgetView {
    fn from(budget: Budget) -> BudgetView {
        BudgetView { usd: budget.nano_usd.to_usd(), window: budget.window }
    }
}

impl BudgetView {
    fn amount(self) -> Option<NanoUsd> {
        // Amounts are exact in JSON up to 2^53 nano-USD.
        NanoUsd::from_usd(self.usd).filter(|amount| (1..1 << 53).contains(&amount.0))
    }
}

/// All fields are optional in a change; `null` takes a setting away.
#[derive(Default, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct Input {
    pub(super) name: Option<String>,
    pub(super) key_prefix: Option<Prefix>,
    pub(super) is_active: Option<bool>,
    #[serde(deserialize_with = "present")]
    router_id: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    provider_id: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    default_model: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    allowed_models: Option<Option<Vec<String>>>,
    #[serde(deserialize_with = "present")]
    denied_models: Option<Option<Vec<String>>>,
    #[serde(deserialize_with = "present")]
    system_prompt: Option<Option<String>>,
    tool_mode: Option<ToolMode>,
    #[serde(deserialize_with = "present")]
    base_url: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    rate_limits: Option<Option<RateLimits>>,
    #[serde(deserialize_with = "present")]
    quotas: Option<Option<Quotas>>,
    #[serde(deserialize_with = "present")]
    budget: Option<Option<BudgetView>>,
    #[serde(deserialize_with = "present")]
    policy: Option<Option<Policy>>,
    #[serde(deserialize_with = "present")]
    expires_at: Option<Option<String>>,
    log_bodies: Option<bool>,
    #[serde(deserialize_with = "present")]
    metadata: Option<Option<BTreeMap<String, String>>>,
}

impl Input {
    /// Checks every field, and that router and provider are the owner's.
    pub(super) async fn check<P: Platform>(&self, call: &Call<'_, P>, owner: &str) -> Result<(), ApiError> {
        if let Some(name) = &self.name {
            validate::name("name", name)?;
        }
        if let Some(Some(model)) = &self.default_model {
            validate::model("default_model", model)?;
        }
        for (field, list) in
            [("allowed_models", &self.allowed_models), ("denied_models", &self.denied_models)]
        {
            validate::models(field, list.iter().flatten().next().map_or(&[], Vec::as_slice))?;
        }
        if let Some(Some(prompt)) = &self.system_prompt {
            validate::length("system_prompt", prompt, 32_768)?;
        }
        if let Some(Some(url)) = &self.base_url {
            // Whatever kind it will be for: the address alone matters here.
            let kind = table::kind_or_generic(table::GENERIC);
            validate::base_url(call.context.variables, "base_url", kind, Some(url))?;
        }
        if let Some(Some(metadata)) = &self.metadata {
            validate::metadata("metadata", metadata)?;
        }
        self.check_limits()?;
        if let Some(Some(text)) = &self.expires_at {
            request::time("expires_at", text)?;
        }
        if let Some(Some(provider_id)) = &self.provider_id {
            owns_provider(call, "provider_id", owner, provider_id).await?;
        }
        if let Some(Some(router_id)) = &self.router_id {
            let statement = Statement::new("SELECT id FROM routers WHERE id = ?1 AND user_id = ?2");
            let outcome = call.store().run(statement.bind(router_id.as_str()).bind(owner)).await?;
            if outcome.count() == 0 {
                return Err(ApiError::invalid("router_id", "there is no such router"));
            }
        }
        Ok(())
    }

    fn check_limits(&self) -> Result<(), ApiError> {
        let rates = self.rate_limits.flatten().unwrap_or_default();
        let quotas = self.quotas.flatten().unwrap_or_default();
        validate::positive([
            ("rate_limits.requests_per_minute", rates.requests_per_minute),
            ("rate_limits.requests_per_hour", rates.requests_per_hour),
            ("rate_limits.requests_per_day", rates.requests_per_day),
            ("rate_limits.tokens_per_minute", rates.tokens_per_minute),
            ("rate_limits.concurrent", rates.concurrent),
            ("quotas.input_tokens_per_day", quotas.input_tokens_per_day),
            ("quotas.output_tokens_per_day", quotas.output_tokens_per_day),
            ("quotas.requests_per_day", quotas.requests_per_day),
            ("quotas.max_input_tokens", quotas.max_input_tokens),
            ("quotas.max_output_tokens", quotas.max_output_tokens),
        ])?;
        if self.policy.flatten().is_some_and(|policy| policy.unknown_output == UnknownOutput::Cap(0)) {
            return Err(ApiError::invalid("policy.unknown_output", "must be a positive number of tokens"));
        }
        let cache = self.policy.flatten().and_then(|policy| policy.cache_seconds);
        if cache.is_some_and(|seconds| !(1..=LONGEST_CACHE).contains(&seconds)) {
            let message = format!("must be a number of seconds from 1 to {LONGEST_CACHE}");
            return Err(ApiError::invalid("policy.cache_seconds", message));
        }
        match self.budget.flatten() {
            Some(budget) if budget.amount().is_none() => {
                Err(ApiError::invalid("budget.usd", "must be a positive amount of at most nine million USD"))
            }
            _ => Ok(()),
        }
    }

    /// The statement that writes what is given; [`Input::check`] has passed.
    pub(super) fn change(self, id: &str, now: Millis) -> Statement {
        let tool_mode = self.tool_mode.map(|mode| match mode {
            ToolMode::PassThrough => "pass-through",
            ToolMode::Gateway => "gateway",
        });
        let budget = self.budget.map(|budget| {
            let stored = |view: BudgetView| Some(Budget { nano_usd: view.amount()?, window: view.window });
            nullable(budget.and_then(stored))
        });
        let expires_at = self.expires_at.map(|text| text.and_then(|text| request::time("", &text).ok()));
        Query::new("UPDATE gateway_keys SET updated_at = ?")
            .bind(now)
            .then_some(", name = ?", self.name)
            .then_some(", is_active = ?", self.is_active)
            .then_some(", router_id = ?", self.router_id)
            .then_some(", provider_id = ?", self.provider_id)
            .then_some(", default_model = ?", self.default_model)
            .then_some(
                ", allowed_models = ?",
                self.allowed_models.map(|list| text(&list.unwrap_or_default())),
            )
            .then_some(", denied_models = ?", self.denied_models.map(|list| text(&list.unwrap_or_default())))
            .then_some(", system_prompt = ?", self.system_prompt)
            .then_some(", tool_mode = ?", tool_mode)
            .then_some(", base_url = ?", self.base_url)
            .then_some(", rate_limits = ?", self.rate_limits.map(|limits| text(&limits.unwrap_or_default())))
            .then_some(", quotas = ?", self.quotas.map(|quotas| text(&quotas.unwrap_or_default())))
            .then_some(", budget = ?", budget)
            .then_some(", policy = ?", self.policy.map(|policy| text(&policy.unwrap_or_default())))
            .then_some(", expires_at = ?", expires_at)
            .then_some(", log_bodies = ?", self.log_bodies)
            .then_some(", metadata = ?", self.metadata.map(|metadata| text(&metadata.unwrap_or_default())))
            .filter("id = ?", id)
            .build()
    }
}

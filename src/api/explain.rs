//! `POST /api/routers/{id}/explain`: what would be tried for a call, without making it.

use super::{ApiResponse, Call, Platform, routers, validate};
use crate::config::{Snapshot, environment, load};
use crate::dialect::Endpoint;
use crate::error::ApiError;
use crate::json::{json, tree_of};
use crate::provider::table;
use crate::route::{Facts, plan};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A call that is explained instead of made.
#[derive(Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    /// As a client would name it.
    model: String,
    /// As a client would send them.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// As `x-edgeway-metadata` would carry it.
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

/// A target that the call would be sent to.
#[derive(Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub(super) struct Candidate<'a> {
    provider: &'a str,
    provider_id: &'a str,
    /// As sent upstream.
    model: &'a str,
    priority: i64,
    weight: u64,
    rule_id: Option<&'a str>,
    /// `ready` or `cooling`.
    state: &'static str,
    /// Why it is here, or why it rests.
    reason: String,
}

/// The candidates in the order in which they would be tried, with the health that this isolate knows. The error is the
/// one that such a call would get.
pub(super) async fn explain<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let question: Question = call.request.body()?;
    validate::model("model", &question.model)?;
    let row = routers::find(call, call.id()).await?;
    let snapshot = load::load_router(call.store(), &row.id).await?;
    let mut snapshot = snapshot.ok_or_else(|| ApiError::not_found("router"))?;
    environment::merge(&mut snapshot, call.context.variables);
    let plan = {
        let health = call.context.platform.health();
        plan::plan(&snapshot, &question.facts(&|name| question.header(name)), &health, call.now, dice(call))?
    };
    let candidates: Vec<_> = plan.iter().map(|candidate| shown(candidate, &snapshot)).collect();
    Ok(ApiResponse::ok(&json!({ "candidates": tree_of(&candidates) })))
}

fn dice<P: Platform>(call: &Call<'_, P>) -> u64 {
    u64::from_be_bytes(call.random())
}

impl Question {
    fn facts<'a>(&'a self, header: &'a dyn Fn(&str) -> Option<String>) -> Facts<'a> {
        Facts {
            model: &self.model,
            kind: table::kind_of_model(&self.model).map(|kind| kind.name),
            endpoint: Endpoint::ChatCompletions,
            stream: false,
            has_tools: false,
            has_images: false,
            input_tokens: None,
            max_tokens: None,
            metadata: &self.metadata,
            header,
        }
    }

    fn header(&self, name: &str) -> Option<String> {
        let mut headers = self.headers.iter();
        headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    }
}

fn shown<'a>(candidate: &'a plan::Candidate, snapshot: &'a Snapshot) -> Candidate<'a> {
    let provider = snapshot.providers.get(candidate.provider);
    let rule = candidate.rule(snapshot);
    Candidate {
        provider: provider.map_or("", |provider| &provider.name),
        provider_id: provider.map_or("", |provider| &provider.id),
        model: &candidate.model,
        priority: rule.map_or(0, |rule| rule.priority),
        weight: rule.map_or(1, |rule| rule.weight),
        rule_id: rule.map(|rule| rule.id.as_str()),
        state: candidate.state.as_str(),
        reason: candidate.reason(snapshot),
    }
}

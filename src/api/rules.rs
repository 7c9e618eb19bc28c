//! `/api/routers/{id}/rules`: which models go to which provider, and when.

use super::conditions::Conditions;
use super::query::Query;
use super::request::present;
use super::row::{Embedded, Flag, Time, text};
use super::{ApiResponse, Call, Platform, routers, validate};
use crate::config::environment;
use crate::error::ApiError;
use crate::store::{Statement, Store};
use serde::{Deserialize, Serialize};

/// A rule, as stored and as shown.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(rename = "Rule"))]
pub struct Row {
    id: String,
    router_id: String,
    model_pattern: String,
    provider_id: String,
    target_model: Option<String>,
    priority: i64,
    weight: i64,
    conditions: Embedded<serde_json::Value>,
    enabled: Flag,
    created_at: Time,
}

fn rules() -> Query {
    Query::new(
        "SELECT id, router_id, model_pattern, provider_id, target_model, priority, weight, conditions, enabled, \
         created_at FROM rules",
    )
}

/// All rules of a router, in the order in which they are looked at.
#[must_use]
pub fn of_router(router_id: &str) -> Statement {
    rules().filter("router_id = ?", router_id).then(" ORDER BY priority, id").build()
}

/// A rule's fields; all are optional in a change.
#[derive(Default, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct Input {
    model_pattern: Option<String>,
    provider_id: Option<String>,
    #[serde(deserialize_with = "present")]
    target_model: Option<Option<String>>,
    priority: Option<i64>,
    weight: Option<u32>,
    conditions: Option<Conditions>,
    enabled: Option<bool>,
}

impl Input {
    fn check(&self) -> Result<(), ApiError> {
        if let Some(pattern) = &self.model_pattern {
            validate::model("model_pattern", pattern)?;
        }
        if let Some(Some(model)) = &self.target_model {
            validate::model("target_model", model)?;
        }
        if self.priority.is_some_and(|priority| priority.unsigned_abs() > 1_000_000) {
            return Err(ApiError::invalid("priority", "must be from -1000000 to 1000000"));
        }
        if self.weight.is_some_and(|weight| weight > 1_000_000) {
            return Err(ApiError::invalid("weight", "must be from 0 to 1000000"));
        }
        self.conditions.as_ref().map_or(Ok(()), Conditions::check)
    }

    fn change(self, rule_id: &str) -> Statement {
        // Setting the id to itself stands for a change of nothing.
        Query::new("UPDATE rules SET id = id")
            .then_some(", model_pattern = ?", self.model_pattern)
            .then_some(", provider_id = ?", self.provider_id)
            .then_some(", target_model = ?", self.target_model)
            .then_some(", priority = ?", self.priority)
            .then_some(", weight = ?", self.weight.map(i64::from))
            .then_some(", conditions = ?", self.conditions.as_ref().map(text))
            .then_some(", enabled = ?", self.enabled)
            .filter("id = ?", rule_id)
            .build()
    }
}

/// `POST /api/routers/{id}/rules`
pub(super) async fn create<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let input: Input = call.request.body()?;
    input.check()?;
    let missing = |field: &'static str| ApiError::invalid(field, format!("missing field `{field}`"));
    let pattern = input.model_pattern.clone().ok_or_else(|| missing("model_pattern"))?;
    let provider_id = input.provider_id.clone().ok_or_else(|| missing("provider_id"))?;
    let priority = input.priority.ok_or_else(|| missing("priority"))?;
    let router = routers::find(call, call.id()).await?;
    owns_provider(call, "provider_id", &router.user_id, &provider_id).await?;
    let id = call.new_id();
    let insert = Statement::new(
        "INSERT INTO rules (id, router_id, model_pattern, provider_id, priority, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .bind(id.as_str())
    .bind(router.id.as_str())
    .bind(pattern)
    .bind(provider_id)
    .bind(priority)
    .bind(call.now);
    call.commit(&router.user_id, vec![insert, input.change(&id)]).await?;
    Ok(ApiResponse::created(&find(call, &router.id, &id).await?))
}

/// `PUT /api/routers/{id}/rules/{rule_id}`: what is given changes.
pub(super) async fn update<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let input: Input = call.request.body()?;
    input.check()?;
    let router = routers::find(call, call.id()).await?;
    let rule = find(call, &router.id, call.second_id()).await?;
    if let Some(provider_id) = &input.provider_id {
        owns_provider(call, "provider_id", &router.user_id, provider_id).await?;
    }
    call.commit(&router.user_id, vec![input.change(&rule.id)]).await?;
    Ok(ApiResponse::ok(&find(call, &router.id, &rule.id).await?))
}

/// `DELETE /api/routers/{id}/rules/{rule_id}`
pub(super) async fn delete<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let router = routers::find(call, call.id()).await?;
    let rule = find(call, &router.id, call.second_id()).await?;
    let statement = Statement::new("DELETE FROM rules WHERE id = ?1").bind(rule.id.as_str());
    call.commit(&router.user_id, vec![statement]).await?;
    Ok(ApiResponse::deleted(&rule.id))
}

async fn find<P: Platform>(call: &Call<'_, P>, router_id: &str, id: &str) -> Result<Row, ApiError> {
    let query = rules().filter("id = ?", id).filter("router_id = ?", router_id);
    call.store().first(query.build()).await?.ok_or_else(|| ApiError::not_found("rule"))
}

/// A rule or a key may only name a provider of its own owner.
pub(super) async fn owns_provider<P: Platform>(
    call: &Call<'_, P>,
    field: &str,
    owner: &str,
    provider_id: &str,
) -> Result<(), ApiError> {
    if environment::is_without_row(provider_id) {
        let message = "a provider that variables alone make cannot be named; create one of its kind under \
                       /api/providers, without api_key and base_url it has the variables' ones";
        return Err(ApiError::invalid(field, message));
    }
    let statement = Statement::new("SELECT id FROM providers WHERE id = ?1 AND user_id = ?2");
    let outcome = call.store().run(statement.bind(provider_id).bind(owner)).await?;
    if outcome.count() == 0 {
        return Err(ApiError::invalid(field, "there is no such provider"));
    }
    Ok(())
}

//! `/api/users`: the people who may sign in, managed by administrators.

use super::page::Page;
use super::query::Query;
use super::row::Time;
use super::sessions::acceptable;
use super::{ApiResponse, Call, Change, Platform, keys, validate};
use crate::auth::{Role, password};
use crate::error::ApiError;
use crate::secret::Secret;
use crate::store::{Statement, Store};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub(super) struct User {
    id: String,
    username: String,
    role: Role,
    created_at: Time,
    updated_at: Time,
}

fn users() -> Query {
    Query::new("SELECT id, username, role, created_at, updated_at FROM users")
}

/// `GET /api/users`
pub(super) async fn list<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let page = Page::read(call.request)?;
    let rows: Vec<User> = call.store().all(page.ascending(users())).await?;
    Ok(page.answer(rows, |user| user.id.clone()))
}

#[derive(Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct NewUser {
    username: String,
    password: String,
    #[serde(default)]
    role: Role,
}

/// `POST /api/users`
pub(super) async fn create<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let input: NewUser = call.request.body()?;
    validate::name("username", &input.username)?;
    let hash = hashed(call, &acceptable("password", input.password)?).await?;
    let id = call.new_id();
    call.store()
        .run(
            Statement::new(
                "INSERT INTO users (id, username, password_hash, role, created_at, updated_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
            )
            .bind(id.as_str())
            .bind(input.username)
            .bind(hash)
            .bind(input.role.as_str())
            .bind(call.now),
        )
        .await?;
    Ok(ApiResponse::created(&find(call, &id).await?))
}

#[derive(Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct UserChange {
    username: Option<String>,
    password: Option<String>,
    role: Option<Role>,
}

/// `PUT /api/users/{id}`: a new password or role ends the person's sessions. Nobody changes their own role, so that an
/// administrator always remains.
pub(super) async fn update<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let input: UserChange = call.request.body()?;
    let principal = call.principal()?;
    let itself = principal.user_id == call.id();
    if let Some(username) = &input.username {
        validate::name("username", username)?;
    }
    if itself && input.role.is_some_and(|role| role != principal.role) {
        return Err(ApiError::new(409, "own_role", "nobody may change their own role"));
    }
    let hash = match input.password {
        Some(text) => Some(hashed(call, &acceptable("password", text)?).await?),
        None => None,
    };
    find(call, call.id()).await?;
    let ends_sessions = !itself && (hash.is_some() || input.role.is_some());
    let mut statements = vec![change(call.id(), input.username, hash, input.role, call.now)];
    if ends_sessions {
        statements.push(crate::auth::session::close_others(call.id(), ""));
    }
    call.store().batch(statements).await?;
    Ok(ApiResponse::ok(&find(call, call.id()).await?))
}

fn change(
    id: &str,
    username: Option<String>,
    hash: Option<String>,
    role: Option<Role>,
    now: crate::time::Millis,
) -> Statement {
    Query::new("UPDATE users SET updated_at = ?")
        .bind(now)
        .then_some(", username = ?", username)
        .then_some(", password_hash = ?", hash)
        .then_some(", role = ?", role.map(Role::as_str))
        .filter("id = ?", id)
        .build()
}

/// `DELETE /api/users/{id}`: with everything that they own, in an order in which nothing refers to what is gone.
pub(super) async fn delete<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let id = call.id();
    if call.principal()?.user_id == id {
        return Err(ApiError::new(409, "own_account", "nobody may delete their own account"));
    }
    find(call, id).await?;
    let of_user = |sql: &'static str| Statement::new(sql).bind(id);
    let outcomes = call
        .store()
        .batch(vec![
            keys::hashes_of(id),
            of_user("DELETE FROM gateway_keys WHERE user_id = ?1"),
            of_user("DELETE FROM rules WHERE router_id IN (SELECT id FROM routers WHERE user_id = ?1)"),
            of_user("DELETE FROM routers WHERE user_id = ?1"),
            of_user("DELETE FROM providers WHERE user_id = ?1"),
            of_user("DELETE FROM models WHERE user_id = ?1 AND user_id <> ''"),
            of_user("DELETE FROM users WHERE id = ?1"),
        ])
        .await?;
    let key_hashes = outcomes.first().map(keys::hashes).unwrap_or_default();
    call.context.platform.invalidate(Change { owner: id.into(), key_hashes }).await;
    Ok(ApiResponse::deleted(id))
}

async fn find<P: Platform>(call: &Call<'_, P>, id: &str) -> Result<User, ApiError> {
    let user = call.store().first(users().filter("id = ?", id).build()).await?;
    user.ok_or_else(|| ApiError::not_found("user"))
}

async fn hashed<P: Platform>(call: &Call<'_, P>, password: &Secret) -> Result<String, ApiError> {
    password::hash(call.context.platform, password, call.random())
        .await
        .map_err(|_| ApiError::new(503, "unavailable", "the platform cannot hash passwords now"))
}

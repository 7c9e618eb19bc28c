//! `/api/auth/*`: signing in and out, who I am, my password.

use super::{ApiResponse, Call, Platform};
use crate::auth::login::{self, Attempt, LoginError};
use crate::auth::{password, session};
use crate::error::ApiError;
use crate::json::{json, tree_of};
use crate::secret::Secret;
use crate::store::{Statement, Store};
use crate::time::Millis;
use serde::Deserialize;

#[derive(Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Credentials {
    username: String,
    password: String,
}

/// `POST /api/auth/login`
pub(super) async fn login<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let input: Credentials = call.request.body()?;
    super::validate::length("username", &input.username, 128)?;
    super::validate::length("password", &input.password, password::MAXIMUM_LENGTH)?;
    let (platform, variables) = (call.context.platform, call.context.variables);
    let attempt = Attempt {
        username: &input.username,
        password: &Secret::new(input.password),
        address: &call.request.address(),
        salt: call.random(),
        new_user_id: call.new_id(),
        now: call.now,
    };
    let principal = login::login(call.store(), platform, variables, attempt)
        .await
        .map_err(|error| explain(error, call.now, 401, "username"))?;

    let (id, expires_at) = (secret_id(call), call.now.plus(session::LIFETIME));
    call.store().batch(session::open(&id, &principal.user_id, call.now)).await?;
    let token = session::token(&variables.master_key, &id, expires_at);
    let cookie = session::set_cookie(token.reveal(), session::LIFETIME.0 / 1000, call.request.secure);
    let body =
        json!({ "token": token.reveal(), "expires_at": expires_at.to_iso(), "user": tree_of(&principal) });
    Ok(ApiResponse::ok(&body).header("set-cookie", cookie))
}

/// `POST /api/auth/logout`
pub(super) async fn logout<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    call.principal()?;
    if let Some(caller) = &call.caller {
        call.store().run(session::close(&caller.session_id)).await?;
    }
    let cookie = session::set_cookie("", 0, call.request.secure);
    Ok(ApiResponse::ok(&json!({ "ok": true })).header("set-cookie", cookie))
}

/// `GET /api/auth/me`
pub(super) async fn me<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    Ok(ApiResponse::ok(call.principal()?))
}

#[derive(Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordChange {
    current: String,
    new: String,
}

#[derive(Deserialize)]
struct StoredPassword {
    password_hash: String,
}

/// `PUT /api/auth/password`: ends all other sessions. Guessing the current one is throttled like signing in.
pub(super) async fn change_password<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let input: PasswordChange = call.request.body()?;
    let principal = call.principal()?;
    let current = Secret::new(input.current);
    let new = acceptable("new", input.new)?;
    let address = call.request.address();
    let attempt = Attempt {
        username: &principal.username,
        password: &current,
        address: &address,
        salt: call.random(),
        new_user_id: String::new(),
        now: call.now,
    };
    let refuse = |error| explain(error, call.now, 403, "current");
    login::reserve(call.store(), &attempt).await.map_err(refuse)?;
    let stored: Option<StoredPassword> = call
        .store()
        .first(
            Statement::new("SELECT password_hash FROM users WHERE id = ?1").bind(principal.user_id.as_str()),
        )
        .await?;
    let hash = stored.as_ref().map(|row| row.password_hash.as_str());
    let crypto = call.context.platform;
    if !password::verify(crypto, &current, hash).await.map_err(|error| refuse(error.into()))? {
        return Err(refuse(LoginError::Refused));
    }
    let hash = password::hash(crypto, &new, call.random()).await.map_err(|error| refuse(error.into()))?;
    let session_id = call.caller.as_ref().map(|caller| caller.session_id.as_str()).unwrap_or_default();
    call.store()
        .batch(vec![
            set_password(&principal.user_id, &hash, call.now),
            session::close_others(&principal.user_id, session_id),
            login::forgive(&principal.username, &address),
        ])
        .await?;
    Ok(ApiResponse::ok(&json!({ "ok": true })))
}

/// Stores a password's hash.
pub(super) fn set_password(user_id: &str, hash: &str, now: Millis) -> Statement {
    Statement::new("UPDATE users SET password_hash = ?2, updated_at = ?3 WHERE id = ?1")
        .bind(user_id)
        .bind(hash)
        .bind(now)
}

/// A password that may be chosen.
pub(super) fn acceptable(field: &str, password: String) -> Result<Secret, ApiError> {
    if (password::MINIMUM_LENGTH..=password::MAXIMUM_LENGTH).contains(&password.len()) {
        return Ok(Secret::new(password));
    }
    Err(ApiError::invalid(field, "must have 8 to 1024 characters"))
}

/// Session ids stand in tokens, so they are random throughout, unlike row ids.
fn secret_id<P: Platform>(call: &Call<'_, P>) -> String {
    crate::secret::hex(&call.random::<16>())
}

/// What to tell whoever could not sign in: `refused` is the status, `field` what was wrong.
pub(super) fn explain(error: LoginError, now: Millis, refused: u16, field: &str) -> ApiError {
    match error {
        LoginError::Refused => ApiError {
            field: Some(field.into()),
            ..ApiError::new(refused, "wrong_credentials", "wrong username or password")
        },
        LoginError::Throttled(until) => {
            let seconds = u64::try_from(until.since(now).0).unwrap_or_default().div_ceil(1000).max(1);
            ApiError::new(429, "too_many_attempts", "too many failed attempts; try again later")
                .retry_after(seconds)
        }
        LoginError::Store(error) => error.into(),
        LoginError::Crypto(_) => ApiError::new(503, "unavailable", "the platform cannot check passwords now"),
    }
}

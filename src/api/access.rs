//! Who sent a management request: the session token in a header or a cookie, and the role that a route asks for.

use super::{ApiRequest, Context, Platform};
use crate::auth::{Principal, Role, session};
use crate::error::ApiError;
use crate::time::Millis;

/// A signed-in person and the session.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The person.
    pub principal: Principal,
    /// The session's row id.
    pub session_id: String,
}

/// 401.
#[must_use]
pub fn unauthenticated() -> ApiError {
    ApiError::new(401, "unauthenticated", "sign in at POST /api/auth/login and send its token")
}

/// Finds out who it is.
///
/// # Errors
/// 401 without a valid session; 403 where another site's page uses the cookie.
pub async fn authenticate<P: Platform>(
    context: &Context<'_, P>,
    request: &ApiRequest<'_>,
    now: Millis,
) -> Result<Caller, ApiError> {
    let bearer = (request.header)("authorization")
        .and_then(|value| value.split_once(' ').map(|(_, token)| token.trim().to_owned()));
    let token = match bearer {
        Some(token) => token,
        None => {
            let cookies = (request.header)("cookie").unwrap_or_default();
            let token = session::from_cookie(&cookies).ok_or_else(unauthenticated)?.to_owned();
            refuse_foreign_page(context, request)?;
            token
        }
    };
    let id = session::verify(&context.variables.master_key, &token, now).ok_or_else(unauthenticated)?;
    let principal = session::principal(context.platform.store(), id, now).await?;
    Ok(Caller { principal: principal.ok_or_else(unauthenticated)?, session_id: id.into() })
}

/// The same, for administrators.
///
/// # Errors
/// As [`authenticate`], and 403 for members.
pub async fn administrator<P: Platform>(
    context: &Context<'_, P>,
    request: &ApiRequest<'_>,
    now: Millis,
) -> Result<Caller, ApiError> {
    let caller = authenticate(context, request, now).await?;
    match caller.principal.role {
        Role::Admin => Ok(caller),
        Role::Member => Err(ApiError::forbidden("only an administrator may do this")),
    }
}

/// `SameSite=Lax` keeps other sites out but not other hosts of the same site, so a change that is authorised by the
/// cookie alone must come from a page of ours or of a named origin.
fn refuse_foreign_page<P>(context: &Context<'_, P>, request: &ApiRequest<'_>) -> Result<(), ApiError> {
    let Some(origin) = (request.header)("origin") else { return Ok(()) };
    let host = (request.header)("host").unwrap_or_default();
    let own = origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(&host));
    if own || request.method == "GET" || context.variables.cors_origins.names(&origin) {
        return Ok(());
    }
    Err(ApiError::forbidden("this origin is not in CORS_ORIGINS"))
}

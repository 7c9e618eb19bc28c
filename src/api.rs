//! The management plane (`/api/*`): from a request to a response, over the ports that a platform provides.
//!
//! [`handle`] checks the size, answers preflights, finds the route in [`routes`], the person behind the request in
//! [`access`], and runs the route's handler. Handlers are commands and queries, one file for each resource: they read
//! the body with [`request`], build statements with [`query`], and write rows as [`row`] types.

pub mod access;
pub mod activity;
pub mod conditions;
pub mod cors;
pub mod database;
pub mod explain;
pub mod import;
pub mod key_change;
pub mod key_input;
mod key_usage;
pub mod keys;
pub mod logs;
pub mod metrics;
pub mod models;
#[cfg(not(target_arch = "wasm32"))]
pub mod openapi;
pub mod page;
pub mod platform;
pub mod prices;
pub mod probe;
pub mod provider_keys;
pub mod providers;
pub mod query;
pub mod request;
pub mod response;
pub mod routers;
pub mod routes;
pub mod row;
pub mod rules;
pub mod sessions;
pub mod settings;
pub mod users;
pub mod validate;

use crate::auth::Principal;
use crate::config::variables::Variables;
use crate::error::ApiError;
use crate::identifier::new_id;
use crate::store::{Outcome, Statement, Store, StoreError};
use crate::time::Millis;
pub use platform::{Change, Platform};
pub use request::ApiRequest;
pub use response::{ApiResponse, Body};
use std::cell::Cell;

/// What every request is handled with.
#[derive(Debug)]
pub struct Context<'a, P> {
    /// The ports.
    pub platform: &'a P,
    /// The Worker's variables.
    pub variables: &'a Variables,
}

/// One request on its way to its handler.
pub struct Call<'a, P> {
    /// What it is handled with.
    pub context: &'a Context<'a, P>,
    /// As it came.
    pub request: &'a ApiRequest<'a>,
    /// Who sent it; `None` only where the route is open to anyone.
    pub caller: Option<access::Caller>,
    /// What stands in the path for `{id}`, `{rule_id}`, in order.
    pub parameters: Vec<&'a str>,
    /// The time of the request.
    pub now: Millis,
    /// How many row ids this request has made.
    pub ids_made: Cell<u16>,
}

impl<P: Platform> Call<'_, P> {
    /// Who is signed in.
    ///
    /// # Errors
    /// 401 where nobody is.
    pub fn principal(&self) -> Result<&Principal, ApiError> {
        self.caller.as_ref().map(|caller| &caller.principal).ok_or_else(access::unauthenticated)
    }

    /// The first id in the path.
    #[must_use]
    pub fn id(&self) -> &str {
        self.parameters.first().copied().unwrap_or_default()
    }

    /// The second id in the path.
    #[must_use]
    pub fn second_id(&self) -> &str {
        self.parameters.get(1).copied().unwrap_or_default()
    }

    /// The database.
    #[must_use]
    pub fn store(&self) -> &P::Store {
        self.context.platform.store()
    }

    /// A fresh row id. Those of one request sort in the order in which they are made, like those of different times.
    #[must_use]
    pub fn new_id(&self) -> String {
        let made = self.ids_made.get();
        self.ids_made.set(made.wrapping_add(1));
        // The twelve bits behind the time: RFC 9562 §6.2, method 1.
        let ([high, low], [a, b, c, d, e, f, g, h]) = (made.to_be_bytes(), self.random());
        new_id(self.now, [high, low, a, b, c, d, e, f, g, h])
    }

    /// Fresh randomness.
    #[must_use]
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.context.platform.random(&mut bytes);
        bytes
    }

    /// Commits statements that change what the keys of `owner` may do, then has the caches of those keys refreshed.
    /// The outcomes are those of `statements`, in order.
    ///
    /// # Errors
    /// As the store's.
    pub async fn commit(
        &self,
        owner: &str,
        mut statements: Vec<Statement>,
    ) -> Result<Vec<Outcome>, StoreError> {
        statements.push(keys::hashes_of(owner));
        let mut outcomes = self.store().batch(statements).await?;
        let key_hashes = outcomes.pop().as_ref().map(keys::hashes).unwrap_or_default();
        self.context.platform.invalidate(Change { owner: owner.into(), key_hashes }).await;
        Ok(outcomes)
    }

    /// Deletes a row that others may refer to, with what goes before it; where some do, nothing happens and the error
    /// names them. `holders` gives their names as `holder`.
    ///
    /// # Errors
    /// 409 while something refers to it.
    pub async fn delete(
        &self,
        owner: &str,
        delete: Vec<Statement>,
        holders: Statement,
    ) -> Result<(), ApiError> {
        match self.commit(owner, delete).await {
            Ok(_) => Ok(()),
            Err(StoreError::Referenced) => {
                let holders: Vec<Holder> = self.store().all(holders).await?;
                let names: Vec<&str> = holders.iter().map(|found| found.holder.as_str()).collect();
                let message = format!("still in use by {}", names.join(", "));
                Err(ApiError::new(409, "still_referenced", message))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// A row that refers to another.
#[derive(serde::Deserialize)]
struct Holder {
    holder: String,
}

/// Answers a management request; never fails, errors are answers too.
pub async fn handle<P: Platform>(context: &Context<'_, P>, request: &ApiRequest<'_>) -> ApiResponse {
    let mut response = if request.method == "OPTIONS" {
        ApiResponse::empty(204)
    } else {
        respond(context, request).await.unwrap_or_else(|error| ApiResponse::error(&error))
    };
    if response.status == 405 {
        response.headers.push(("allow", routes::methods(&request.path)));
    }
    cors::apply(&context.variables.cors_origins, request, &mut response);
    response
}

async fn respond<P: Platform>(
    context: &Context<'_, P>,
    request: &ApiRequest<'_>,
) -> Result<ApiResponse, ApiError> {
    request.check_size()?;
    let (route, parameters) = routes::find(&request.method, &request.path)?;
    let now = context.platform.now();
    let caller = match route.access {
        routes::Access::Anyone => None,
        routes::Access::Member => Some(access::authenticate(context, request, now).await?),
        routes::Access::Admin => Some(access::administrator(context, request, now).await?),
    };
    routes::dispatch(route, &Call { context, request, caller, parameters, now, ids_made: Cell::new(0) }).await
}

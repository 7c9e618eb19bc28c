//! The routes of the management plane, on one page: method, path, who may, and what answers.

use super::{ApiResponse, Call, Platform};
use super::{
    activity, database, explain, import, keys, logs, metrics, models, prices, probe, provider_keys,
    providers, routers, rules,
};
use super::{sessions, settings, users};
use crate::error::ApiError;
use std::future::ready;
use std::pin::Pin;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nobody need be signed in.
    Anyone,
    /// Everybody who is signed in.
    Member,
    /// Administrators.
    Admin,
}

/// A row of the table.
#[derive(Debug)]
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path; a part in braces stands for any one segment.
    pub pattern: &'static str,
    /// Who may.
    pub access: Access,
}

macro_rules! routes {
    ($($method:ident $pattern:literal $access:ident => $($handler:ident)::+;)*) => {
        /// All routes.
        pub const ROUTES: &[Route] = &[
            $(Route { method: stringify!($method), pattern: $pattern, access: Access::$access }),*
        ];

        /// Runs the handler of a route. Boxed, for what is common to all routes should not have room for each of them.
        ///
        /// # Errors
        /// As the handler's.
        pub fn dispatch<'a, P: Platform>(
            route: &Route,
            call: &'a Call<'_, P>,
        ) -> Pin<Box<dyn Future<Output = Result<ApiResponse, ApiError>> + 'a>> {
            match (route.method, route.pattern) {
                $((stringify!($method), $pattern) => Box::pin($($handler)::+(call)),)*
                _ => Box::pin(ready(Err(ApiError::not_found("path")))),
            }
        }
    };
}

routes! {
    POST   "/api/auth/login"                      Anyone => sessions::login;
    POST   "/api/auth/logout"                     Member => sessions::logout;
    GET    "/api/auth/me"                         Member => sessions::me;
    PUT    "/api/auth/password"                   Member => sessions::change_password;
    GET    "/api/users"                           Admin  => users::list;
    POST   "/api/users"                           Admin  => users::create;
    PUT    "/api/users/{id}"                      Admin  => users::update;
    DELETE "/api/users/{id}"                      Admin  => users::delete;
    GET    "/api/provider-kinds"                  Member => providers::kinds;
    GET    "/api/providers"                       Member => providers::list;
    POST   "/api/providers"                       Member => providers::create;
    GET    "/api/providers/{id}"                  Member => providers::get;
    PUT    "/api/providers/{id}"                  Member => providers::update;
    DELETE "/api/providers/{id}"                  Member => providers::delete;
    POST   "/api/providers/{id}/test"             Member => probe::test;
    POST   "/api/providers/{id}/models/refresh"   Member => probe::refresh_models;
    GET    "/api/v1/provider-keys"                Member => provider_keys::list;
    POST   "/api/v1/provider-keys"                Member => provider_keys::create;
    POST   "/api/v1/provider-keys/import"         Member => import::import;
    PUT    "/api/v1/provider-keys/{id}"           Member => provider_keys::update;
    DELETE "/api/v1/provider-keys/{id}"           Member => provider_keys::delete;
    GET    "/api/v1/activity-logs"                Member => activity::list;
    GET    "/api/routers"                         Member => routers::list;
    POST   "/api/routers"                         Member => routers::create;
    GET    "/api/routers/{id}"                    Member => routers::get;
    PUT    "/api/routers/{id}"                    Member => routers::update;
    DELETE "/api/routers/{id}"                    Member => routers::delete;
    POST   "/api/routers/{id}/explain"            Member => explain::explain;
    POST   "/api/routers/{id}/rules"              Member => rules::create;
    PUT    "/api/routers/{id}/rules/{rule_id}"    Member => rules::update;
    DELETE "/api/routers/{id}/rules/{rule_id}"    Member => rules::delete;
    GET    "/api/keys"                            Member => keys::list;
    POST   "/api/keys"                            Member => keys::create;
    GET    "/api/keys/{id}"                       Member => keys::get;
    PUT    "/api/keys/{id}"                       Member => keys::update;
    DELETE "/api/keys/{id}"                       Member => keys::delete;
    POST   "/api/keys/{id}/rotate"                Member => keys::rotate;
    GET    "/api/user-models/global"              Member => models::list;
    GET    "/api/user-models/stats"               Member => models::stats;
    POST   "/api/user-models/refresh"             Admin  => models::refresh;
    PUT    "/api/user-models/{id}"                Member => prices::override_price;
    GET    "/api/logs"                            Member => logs::list;
    GET    "/api/logs/summary"                    Member => logs::summary::summary;
    GET    "/api/logs/export"                     Member => logs::export::export;
    GET    "/api/logs/{id}"                       Member => logs::get;
    GET    "/api/settings"                        Admin  => settings::get;
    PUT    "/api/settings"                        Admin  => settings::update;
    GET    "/debug/db"                            Admin  => database::report;
    GET    "/metrics"                             Anyone => metrics::get;
}

/// The route of a request, and the segments that stand for the braces. Literal segments win over braces by the order
/// of the table.
///
/// # Errors
/// 404 for an unknown path, 405 for an unknown method on a known one.
pub fn find<'a>(method: &str, path: &'a str) -> Result<(&'static Route, Vec<&'a str>), ApiError> {
    let mut known = false;
    for route in ROUTES {
        let Some(parameters) = captures(route.pattern, path) else { continue };
        if route.method == method {
            return Ok((route, parameters));
        }
        known = true;
    }
    if !known {
        return Err(ApiError::not_found("path"));
    }
    Err(ApiError::new(405, "method_not_allowed", format!("allowed here: {}", methods(path))))
}

/// The methods of a path, as the `Allow` header lists them.
#[must_use]
pub fn methods(path: &str) -> String {
    let known = ROUTES.iter().filter(|route| captures(route.pattern, path).is_some());
    known.map(|route| route.method).collect::<Vec<_>>().join(", ")
}

fn captures<'a>(pattern: &str, path: &'a str) -> Option<Vec<&'a str>> {
    let (mut expected, mut segments) = (pattern.split('/'), path.split('/'));
    let mut parameters = Vec::new();
    loop {
        match (expected.next(), segments.next()) {
            (None, None) => return Some(parameters),
            (Some(part), Some(segment)) if part.starts_with('{') && !segment.is_empty() => {
                parameters.push(segment);
            }
            (Some(part), Some(segment)) if part == segment => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_their_route() {
        for (method, path, expected) in [
            ("GET", "/api/keys/k1", Ok(("/api/keys/{id}", vec!["k1"]))),
            ("PUT", "/api/routers/r/rules/x", Ok(("/api/routers/{id}/rules/{rule_id}", vec!["r", "x"]))),
            ("GET", "/api/logs/summary", Ok(("/api/logs/summary", vec![]))),
            ("GET", "/api/logs/0198", Ok(("/api/logs/{id}", vec!["0198"]))),
            ("PATCH", "/api/keys", Err(405)),
            ("GET", "/api/keys/", Err(404)),
            ("GET", "/api/nothing", Err(404)),
            ("GET", "", Err(404)),
        ] {
            let found = find(method, path).map(|(route, ids)| (route.pattern, ids)).map_err(|e| e.status);
            assert_eq!(found, expected, "{method} {path}");
        }
    }
}

//! CORS: which pages of other origins may call the management plane, and what they may read.
//!
//! A named origin may send the cookie; `*` opens the API to every page that has a token, but never to cookies, which
//! a browser would send without the person's doing.

use super::{ApiRequest, ApiResponse};
use crate::config::variables::CorsOrigins;

/// Adds the headers for the origin that asks (the Fetch standard, §3.2).
pub fn apply(origins: &CorsOrigins, request: &ApiRequest<'_>, response: &mut ApiResponse) {
    if *origins != CorsOrigins::Any {
        response.headers.push(("vary", "origin".into()));
    }
    let Some(origin) = (request.header)("origin") else { return };
    match origins {
        CorsOrigins::Any => response.headers.push(("access-control-allow-origin", "*".into())),
        CorsOrigins::List(_) if origins.names(&origin) => {
            response.headers.push(("access-control-allow-origin", origin));
            response.headers.push(("access-control-allow-credentials", "true".into()));
        }
        CorsOrigins::List(_) | CorsOrigins::None => return,
    }
    response
        .headers
        .push(("access-control-expose-headers", "x-request-id, retry-after, content-disposition".into()));
    if request.method == "OPTIONS" {
        response.headers.extend([
            ("access-control-allow-methods", "GET, POST, PUT, DELETE".into()),
            ("access-control-allow-headers", "authorization, content-type".into()),
            ("access-control-max-age", "86400".into()),
        ]);
    }
}

//! A request on its way in: its id, its time, and the headers that every answer has.

use super::clock::now;
use super::isolate::{self, Isolate};
use super::request_head::RequestHead;
use super::response::Head;
use super::settings::Settings;
use crate::call::home;
use crate::config::variables::CorsOrigins;
use crate::dialect::Dialect;
use crate::error::ApiError;
use crate::surface;
use crate::time::Millis;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::Response;
use worker::{Context, Env};

/// What page of another origin may read of an answer.
const EXPOSED: &str = "x-request-id, x-edgeway-provider, x-edgeway-model, x-edgeway-attempts, x-edgeway-latency-ms, \
     x-edgeway-overhead-ms, x-edgeway-cost, x-edgeway-dropped-params, x-edgeway-usage-source, \
     x-edgeway-cache, age, x-edgeway-replay-of, idempotent-replayed, x-ratelimit-limit-requests, \
     x-ratelimit-remaining-requests, x-ratelimit-reset-requests, x-ratelimit-limit-tokens, \
     x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens, retry-after";

#[wasm_bindgen(module = "/src/edge/openapi.js")]
extern "C" {
    /// Text that is JSON already: it need not pass through the wasm.
    fn openapi() -> js_sys::JsString;
}

/// A request that has come in.
pub(super) struct Arrival {
    /// The `x-request-id`.
    pub(super) id: String,
    /// When.
    pub(super) at: Millis,
    /// The bindings.
    pub(super) env: Env,
    /// What goes on behind the answer goes on here.
    pub(super) context: Context,
    /// The isolate's memory.
    pub(super) isolate: Rc<Isolate>,
    /// The request's headers.
    pub(super) headers: RequestHead,
    /// What callers of its path speak; `None` where several use it.
    dialect: Option<Dialect>,
}

impl Arrival {
    /// A request that comes in now.
    pub(super) fn now(headers: RequestHead, path: &str, env: Env, context: Context) -> Arrival {
        let (at, isolate) = (now(), isolate::current());
        let id = isolate.dice.id(at);
        Arrival { id, at, env, context, isolate, headers, dialect: surface::dialect(path) }
    }

    /// Where settings come from.
    pub(super) fn settings(&self) -> Settings<'_> {
        Settings { isolate: &self.isolate, env: &self.env, context: &self.context }
    }

    /// The headers that every answer of the data plane has.
    pub(super) fn head(&self) -> Head {
        let head = Head::new();
        head.set("x-request-id", &self.id);
        head.set("x-edgeway-latency-ms", &now().since(self.at).0.to_string());
        self.allow_origin(&head);
        head
    }

    /// What the caller speaks. Of a path that several share the headers tell: Anthropic's clients send their version, Google's
    /// their own header for the key.
    pub(super) fn dialect(&self) -> Dialect {
        self.dialect.unwrap_or_else(|| {
            if self.headers.get("anthropic-version").is_some() {
                Dialect::Messages
            } else if self.headers.get("x-goog-api-key").is_some() {
                Dialect::Gemini
            } else {
                Dialect::Chat
            }
        })
    }

    /// 200 with JSON.
    pub(super) fn json(&self, body: &serde_json::Value) -> Response {
        let head = self.head();
        head.set("content-type", "application/json");
        head.text(200, &body.to_string())
    }

    /// The API, described.
    pub(super) fn document(&self) -> Response {
        let head = self.head();
        head.set("content-type", "application/json");
        head.set("cache-control", "public, max-age=3600");
        head.buffer(200, openapi().unchecked_ref())
    }

    /// The page that renders it.
    pub(super) fn docs(&self) -> Response {
        let head = self.head();
        head.set("content-type", "text/html; charset=utf-8");
        head.set("content-security-policy", home::DOCS_POLICY);
        head.text(200, home::DOCS)
    }

    /// An error, in the caller's dialect.
    pub(super) fn refuse(&self, error: &ApiError) -> Response {
        self.refuse_with(&self.head(), error)
    }

    /// An error, in the caller's dialect, with headers that are known already.
    pub(super) fn refuse_with(&self, head: &Head, error: &ApiError) -> Response {
        head.set("content-type", "application/json");
        if let Some(seconds) = error.retry_after {
            head.set("retry-after", &seconds.to_string());
        }
        head.text(error.status, &error.dialect_body(self.dialect(), &self.id).to_string())
    }

    /// What a browser may send.
    pub(super) fn preflight(&self) -> Response {
        let head = self.head();
        head.set("access-control-allow-methods", "GET, POST, DELETE");
        let asked = self.headers.get("access-control-request-headers");
        head.set("access-control-allow-headers", asked.as_deref().unwrap_or("authorization, content-type"));
        head.set("access-control-max-age", "86400");
        head.empty(204)
    }

    /// Only requests of a page have an origin, and only where origins are allowed is it looked for.
    fn allow_origin(&self, head: &Head) {
        let Ok(variables) = self.isolate.variables(&self.env) else { return };
        let allowed = match &variables.cors_origins {
            CorsOrigins::None => return,
            CorsOrigins::Any => "*".to_owned(),
            origins @ CorsOrigins::List(_) => {
                head.set("vary", "origin");
                let Some(origin) = self.headers.get("origin") else { return };
                if !origins.names(&origin) {
                    return;
                }
                origin
            }
        };
        head.set("access-control-allow-origin", &allowed);
        head.set("access-control-expose-headers", EXPOSED);
    }
}

//! Edgeway, an AI gateway at the edge: one Cloudflare Worker that every OpenAI SDK can be pointed at.
//!
//! The map, from the ground up. Nothing but `edge` does I/O; `tests/layers.rs` guards who may import whom.
//!
//! * foundations: [`time`], [`money`], [`secret`], [`json`], [`order`], [`identifier`], [`store`] (the port to a SQL database)
//! * bytes: [`sse`], the incremental decoder and encoder
//! * [`conversation`]: the hub that every dialect decodes into and encodes from · [`dialect`]: *what does this body say?*
//! * [`config`]: stored rows become validated, ready-to-use settings
//! * [`provider`]: *where and how is it sent?* · [`route`]: *whom do we try next?*
//! * [`limit`]: what may be used, held and was used: rates, quotas and budgets, exactly
//! * [`usage`], [`cost`]: what a call used and what that costs · [`catalog`]: where prices come from · [`auth`]: who is calling
//! * [`call`]: the pipeline of one call, sans I/O · [`log`]: what is kept of it
//! * [`surface`]: which part of the gateway a request is for · [`api`]: the management plane · [`error`]: one user-facing error, rendered in the caller's dialect
//! * `edge`: the only place that knows the platform

#![cfg_attr(target_arch = "wasm32", warn(clippy::disallowed_methods))]

pub mod alert;
pub mod api;
pub mod auth;
pub mod call;
pub mod catalog;
pub mod config;
pub mod conversation;
pub mod cost;
pub mod dialect;
#[cfg(target_arch = "wasm32")]
mod edge;
pub mod error;
pub mod identifier;
pub mod json;
pub mod limit;
pub mod log;
pub mod money;
pub mod order;
pub mod provider;
pub mod route;
pub mod secret;
pub mod sse;
pub mod store;
pub mod surface;
pub mod time;
pub mod usage;

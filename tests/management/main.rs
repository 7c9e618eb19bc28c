//! Stories of the management plane, told through its HTTP surface over SQLite.

#![allow(unreachable_pub, reason = "the modules of one test binary")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what stands around the tests may fail like the tests"
)]

#[path = "../support/sqlite.rs"]
mod sqlite;
mod world;

mod alerts;
mod input;
mod key_states;
mod keys;
mod logs;
mod metrics;
mod models;
mod providers;
mod roles;
mod routers;
mod sign_in;

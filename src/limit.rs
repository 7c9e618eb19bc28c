//! Limits that hold exactly: rates, quotas and budgets as functions of a ledger's state, without I/O.
//!
//! A call *reserves* an upper bound before it is dispatched and *settles* its true figure afterwards. One [`Ledger`]
//! holds an owner and all of its keys, so that both are checked and counted in one step; a Durable Object keeps it in
//! memory and writes what changed through to SQLite ([`rows`]). Why it is so: `docs/adr/0010-ledger.md`.
//!
//! * before the call: [`bound`] prices the most that it can use, under a key's [`crate::config::policy`]
//! * to the object and back: [`message`], which reads as [`headers`] and a [`standing::Refusal`] to the client
//! * in the object: [`ledger`] over [`counters`] of calendar [`window`]s; [`usage`] lists them for `GET /api/keys/{id}`

pub mod amounts;
pub mod bound;
pub mod caps;
pub mod counters;
pub mod headers;
pub mod ledger;
pub mod message;
pub mod rows;
pub mod standing;
pub mod usage;
pub mod window;

pub use amounts::{Amounts, Measure};
pub use caps::Limits;
pub use ledger::Ledger;
pub use message::{Message, Reply};
pub use standing::{Refusal, Standing};
pub use window::Window;

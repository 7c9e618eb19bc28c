//! The pipeline of one call, sans I/O.
//!
//! 1. [`controls`]: what the caller asked of the gateway itself, in headers.
//! 2. [`accept`]: the key may be used, the body can be read, the model is known and allowed.
//! 3. `route::plan`: whom to try, in order.
//! 4. [`limits`]: where the key has any, its ledger holds what the call can use at most, over all of these targets.
//! 5. For each attempt, `provider::outbound`, and the body: as it came but for what the gateway owns, or, where the target
//!    speaks another dialect, by [`translation`]; the edge sends it.
//!    Where it is to give several answers and can give one, [`fan_out`] makes several calls of it.
//! 6. `route::retry` says what a failure means: again, another key, another candidate, or the caller's fault.
//!    What a call goes on from, and what is kept of its answer, is in [`stored`] (Responses).
//! 7. [`trace`]: everything that happened becomes one log record, with its usage and cost, exactly once.

pub mod accept;
pub mod caller_keys;
pub mod controls;
pub mod count;
pub mod fan_out;
pub mod home;
pub mod limits;
pub mod metering;
pub mod models;
pub mod patience;
pub mod refusal;
pub mod replay;
pub mod stored;
pub mod trace;
pub mod translation;

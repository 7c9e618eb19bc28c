//! *Whom do we try next?* Plans, attempts, verdicts, health: state machines that are told the time and never wait.

pub mod attempts;
pub mod condition;
pub mod health;
pub mod keys;
pub mod plan;
pub mod retry;
pub mod retry_after;

use crate::dialect::Endpoint;
use std::collections::BTreeMap;

/// What is known of a call before it is sent: all that rules may ask about.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The model as the client named it.
    pub model: &'a str,
    /// The kind that the provider table gives this name (`provider::table::kind_of_model`), by prefix or pattern.
    pub kind: Option<&'a str>,
    /// What is asked for.
    pub endpoint: Endpoint,
    /// The answer is to be streamed.
    pub stream: bool,
    /// The call offers tools.
    pub has_tools: bool,
    /// A message holds an image.
    pub has_images: bool,
    /// Estimated.
    pub input_tokens: Option<u64>,
    /// The client's limit on output.
    pub max_tokens: Option<u64>,
    /// The key's metadata with the call's on top.
    pub metadata: &'a BTreeMap<String, String>,
    /// The value of a client header by its lower-case name: looked up, as few rules ask and headers are many.
    pub header: &'a dyn Fn(&str) -> Option<String>,
}

/// Why a call has no candidate. All are the caller's to solve, and say how.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// 400: the call and its key name no model.
    #[error("name a model: this key has no default model")]
    MissingModel,
    /// 404: no provider is there at all.
    #[error(
        "no provider is set up for this key; add one under /api/providers, or set a provider's API key variable"
    )]
    NoProviders,
    /// 404: the provider that the key is bound to is disabled or gone.
    #[error("the provider that this key is bound to is disabled or deleted; bind the key to another one")]
    KeyProvider,
    /// 404: the name belongs to a provider that is not set up.
    #[error("model {model:?} belongs to the provider {kind}, which is not set up; {known}")]
    MissingProvider {
        /// As the client named it.
        model: String,
        /// The kind of provider.
        kind: String,
        /// A clause that names the providers there are.
        known: String,
    },
    /// 404: nothing is known of the name, and there is no default provider.
    #[error(
        "no provider for model {model:?}: no rule matches it and there is no provider named openai; {known}"
    )]
    UnknownModel {
        /// As the client named it.
        model: String,
        /// A clause that names the providers there are.
        known: String,
    },
}

/// A pseudo-random number from another, by `SplitMix64`: <https://prng.di.unimi.it/splitmix64.c>.
fn mix(dice: u64) -> u64 {
    let mut number = dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

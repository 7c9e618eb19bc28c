//! *Where and how is it sent?* The provider table, base URLs, outbound targets, the built-in demo provider.

pub mod base_url;
pub mod demo;
pub mod exchange;
pub mod header;
pub mod listing;
pub mod outbound;
pub mod sigv4;
pub mod table;
pub mod tokens;
pub mod vertex;

/// Why a call cannot be sent to a provider, or why a provider's settings are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// The user corrects `base_url`.
    #[error("base_url {0}")]
    BaseUrl(&'static str),
    /// The user gives a public address, or the operator sets `ALLOW_PRIVATE_UPSTREAMS`.
    #[error("base_url names a private, loopback or link-local address, which this gateway does not call")]
    PrivateAddress,
    /// The user corrects this extra header.
    #[error("header {name:?} {problem}")]
    Header {
        /// Its name, as given.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The user adds a key for the provider.
    #[error("provider {0} has no API key; add one, or set its API key variable")]
    MissingKey(String),
    /// The stored key holds characters that cannot be in a header.
    #[error("the API key of provider {0} holds characters that no HTTP header can carry")]
    InvalidKey(String),
    /// The caller, or the owner of a rule, corrects the model's name.
    #[error("this model name cannot stand in the provider's address")]
    ModelName,
}

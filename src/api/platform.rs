//! What the management plane needs of the platform.

use crate::auth::password::Crypto;
use crate::config::Provider;
use crate::error::ApiError;
use crate::limit::{Message, Reply};
use crate::provider::outbound::Target;
use crate::route::health::Health;
use crate::secret::Secret;
use crate::store::Store;
use crate::time::Millis;
use std::ops::Deref;

/// The ports: implemented over Cloudflare by the edge, over SQLite by the tests.
#[allow(async_fn_in_trait, reason = "one thread: no caller needs a Send bound")]
pub trait Platform: Crypto {
    /// The database.
    type Store: Store;

    /// The database.
    fn store(&self) -> &Self::Store;

    /// The clock.
    fn now(&self) -> Millis;

    /// Fills with cryptographic randomness.
    fn random(&self, bytes: &mut [u8]);

    /// Called after every commit that changes what keys may do: drop or renew what is cached of them.
    async fn invalidate(&self, change: Change);

    /// Asks the ledger of an owner.
    ///
    /// # Errors
    /// 503 where it does not answer.
    async fn ledger(&self, owner: &str, message: Message) -> Result<Reply, ApiError>;

    /// Asks the ledgers of several owners at once; the replies are in the order of the owners.
    async fn ledgers(&self, owners: &[&str], message: &Message) -> Vec<Result<Reply, ApiError>>;

    /// What waits in the queues of log records: a JSON array of samples of [`super::metrics::families::QUEUES`].
    async fn backlogs(&self) -> String;

    /// Sends a GET to an upstream. The error is a sentence without secrets.
    async fn get(&self, target: &Target) -> Result<ProbeAnswer, String>;

    /// The targets of a provider's lists of models for this key, which is exchanged for a token first where its kind wants
    /// that; none where it has no list. The error is a sentence.
    async fn list_targets(&self, provider: &Provider, key: Option<Secret>) -> Result<Vec<Target>, String>;

    /// Which upstreams cool, as far as this isolate knows.
    fn health(&self) -> impl Deref<Target = Health>;

    /// Fetches the catalogue of models and prices anew; gives the number of models.
    async fn refresh_catalogue(&self) -> Result<u64, ApiError>;
}

/// Whose settings have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The owner; the static keys are concerned where this is the first administrator.
    pub owner: String,
    /// Hashes (previous ones too) of the keys concerned.
    pub key_hashes: Vec<String>,
}

/// What an upstream answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeAnswer {
    /// Its status.
    pub status: u16,
    /// Its body, which the platform caps.
    pub body: Vec<u8>,
}

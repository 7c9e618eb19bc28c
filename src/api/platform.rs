//! What the management plane needs of the platform and of the layers beside it.

use crate::auth::password::Crypto;
use crate::config::{Provider, Snapshot};
use crate::error::ApiError;
use crate::secret::Secret;
use crate::store::Store;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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

    /// Sends a GET to an upstream. The error is a sentence without secrets.
    async fn get(&self, probe: &Probe) -> Result<ProbeAnswer, String>;

    /// The candidates of a call, in the order in which they would be tried: `route::plan` with the health that the
    /// isolate knows. The error is the one that such a call would get.
    fn explain(&self, snapshot: &Snapshot, question: &Question) -> Result<Vec<Candidate>, ApiError>;

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

/// A GET to an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Where to.
    pub url: String,
    /// With authentication.
    pub headers: Vec<(String, String)>,
}

/// What an upstream answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeAnswer {
    /// Its status.
    pub status: u16,
    /// Its body, which the platform caps.
    pub body: Vec<u8>,
}

/// A call that is explained instead of made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// As a client would name it.
    pub model: String,
    /// As a client would send them.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// As `x-edgeway-metadata` would carry it.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// A target that a call would be sent to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// Its name.
    pub provider: String,
    /// Row id.
    pub provider_id: String,
    /// As sent upstream.
    pub model: String,
    /// Lower is tried first.
    pub priority: i64,
    /// The share among equal priorities.
    pub weight: u64,
    /// The rule that names it.
    pub rule_id: Option<String>,
    /// `ready` or `cooling`.
    pub state: String,
    /// Why it is here, or why it rests.
    pub reason: String,
}

/// A row of the provider table, as far as the management plane shows or needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KindInfo {
    /// Its name in `providers.kind`.
    pub kind: String,
    /// For people.
    pub title: String,
    /// Where its API is; `None` where the user must say.
    pub base_url: Option<String>,
    /// What it speaks, the default first.
    pub dialects: Vec<String>,
    /// How it authenticates.
    pub auth: String,
    /// The variable that gives it a key.
    pub env: Option<String>,
}

/// See [`Collaborators::validate_headers`].
pub type ValidateHeaders = fn(headers: &BTreeMap<String, String>) -> Result<(), (String, String)>;

/// See [`Collaborators::model_list`].
pub type ModelList =
    fn(provider: &Provider, key: Option<&Secret>, allow_private: bool) -> Result<Option<Probe>, String>;

/// What the other layers contribute, as data and plain functions.
#[derive(Clone, Copy, Debug)]
pub struct Collaborators<'a> {
    /// The provider table.
    pub kinds: &'a [KindInfo],
    /// Whether calls may go to this base URL; the flag allows private addresses. The error says what is wrong.
    pub validate_base_url: fn(url: &str, allow_private: bool) -> Result<(), String>,
    /// Whether calls may carry these headers. The error is the name of the first that is wrong, and what is.
    pub validate_headers: ValidateHeaders,
    /// The request that lists a provider's models, `None` where its kind has no such list; the flag allows private
    /// addresses.
    pub model_list: ModelList,
}

impl<'a> Collaborators<'a> {
    /// The row of this kind.
    #[must_use]
    pub fn kind(&self, kind: &str) -> Option<&'a KindInfo> {
        self.kinds.iter().find(|info| info.kind == kind)
    }
}

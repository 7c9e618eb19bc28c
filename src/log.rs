//! What is kept of a finished call: the record, and the statement that stores a batch of them.

pub mod latency;
pub mod retention;

use crate::money::NanoUsd;
use crate::store::Statement;
use crate::time::Millis;
use crate::usage::{Usage, UsageSource};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One finished call, as it travels through the queue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The `x-request-id`.
    pub id: String,
    /// When the call arrived.
    pub created_at: Millis,
    /// The key's owner; empty for none.
    pub user_id: String,
    /// The gateway key; empty for none.
    pub key_id: String,
    /// `chat.completions`, `embeddings`, …
    pub endpoint: String,
    /// The caller's dialect.
    pub dialect: String,
    /// As the client named it.
    pub model: String,
    /// The provider that answered; empty where none was reached.
    pub provider: String,
    /// As sent upstream.
    pub target_model: String,
    /// The status that the client got.
    pub status: u16,
    /// Why it failed.
    pub error: Option<String>,
    /// Whether the client asked for a stream.
    pub stream: bool,
    /// All input tokens.
    pub input_tokens: u64,
    /// All output tokens.
    pub output_tokens: u64,
    /// Of the input: read from a cache.
    pub cached_input_tokens: u64,
    /// Of the input: written to a cache.
    pub cache_write_tokens: u64,
    /// Of the output: reasoning.
    pub reasoning_tokens: u64,
    /// Where the counts come from.
    pub usage_source: UsageSource,
    /// What it cost.
    pub cost: NanoUsd,
    /// `false`: there was no price for the model, so `cost` says nothing.
    pub priced: bool,
    /// From arrival to the last byte, ms.
    pub latency_ms: i64,
    /// From arrival to the first content, ms.
    pub first_content_ms: Option<i64>,
    /// How it ended.
    pub end_reason: End,
    /// The key's and the call's own.
    pub metadata: BTreeMap<String, String>,
    /// Every attempt, in order.
    pub attempts: Vec<Attempt>,
    /// What the target could not carry.
    pub dropped_params: Vec<String>,
    /// The request's body, where it is kept.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request_body: Option<String>,
    /// The response's body, where it is kept.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub response_body: Option<String>,
}

impl Record {
    /// Takes the counts in.
    pub fn set_usage(&mut self, usage: &Usage, source: UsageSource) {
        self.input_tokens = usage.total_input();
        self.output_tokens = usage.total_output();
        self.cached_input_tokens = usage.cached_input;
        self.cache_write_tokens = usage.cache_write.saturating_add(usage.cache_write_1h);
        self.reasoning_tokens = usage.reasoning;
        self.usage_source = source;
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The client has the whole answer, or a plain refusal.
    #[default]
    Done,
    /// The client went away.
    ClientClosed,
    /// No upstream answered well, or one died in mid-stream.
    UpstreamError,
    /// A deadline passed.
    Timeout,
}

/// One attempt upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The provider's name.
    pub provider: String,
    /// As sent upstream.
    pub model: String,
    /// Which of its keys.
    pub key_hint: Option<String>,
    /// The upstream's status; `None` where it gave none.
    pub status: Option<u16>,
    /// Why it failed; `None` where it did not.
    pub error: Option<String>,
    /// ms.
    pub latency_ms: i64,
}

/// Stores a batch: one parameter holds the records as a JSON array, so that the number of rows is not limited by the
/// number of parameters (100 on D1). A record that is there already is passed over, and its sums with it.
pub const INSERT_BATCH: &str = "INSERT OR IGNORE INTO request_logs (id, created_at, user_id, key_id, endpoint, dialect, \
     model, provider, target_model, status, error, stream, input_tokens, output_tokens, cached_input_tokens, \
     cache_write_tokens, reasoning_tokens, usage_source, cost, priced, latency_ms, latency_bucket, first_content_ms, \
     end_reason, metadata, attempts, dropped_params) \
     SELECT value ->> 'id', value ->> 'created_at', value ->> 'user_id', value ->> 'key_id', value ->> 'endpoint', \
     value ->> 'dialect', value ->> 'model', value ->> 'provider', value ->> 'target_model', value ->> 'status', \
     value ->> 'error', value ->> 'stream', value ->> 'input_tokens', value ->> 'output_tokens', \
     value ->> 'cached_input_tokens', value ->> 'cache_write_tokens', value ->> 'reasoning_tokens', \
     value ->> 'usage_source', value ->> 'cost', value ->> 'priced', value ->> 'latency_ms', \
     value ->> 'latency_bucket', value ->> 'first_content_ms', value ->> 'end_reason', value -> 'metadata', \
     value -> 'attempts', value -> 'dropped_params' FROM json_each(?1)";

/// Stores the bodies of a batch, of those records that have one.
pub const INSERT_BODIES: &str = "INSERT OR IGNORE INTO request_log_bodies (id, created_at, request, response) \
     SELECT value ->> 'id', value ->> 'created_at', value ->> 'request_body', value ->> 'response_body' \
     FROM json_each(?1) WHERE value ->> 'request_body' IS NOT NULL OR value ->> 'response_body' IS NOT NULL";

/// The statements that store a batch of records, each given as its JSON text (see [`encode`]).
#[must_use]
pub fn insert(records: &[String]) -> Vec<Statement> {
    let array = format!("[{}]", records.join(","));
    vec![Statement::new(INSERT_BATCH).bind(array.clone()), Statement::new(INSERT_BODIES).bind(array)]
}

/// A record's JSON text, with its latency bucket, as [`insert`] expects it.
#[must_use]
pub fn encode(record: &Record) -> String {
    #[derive(Serialize)]
    struct Stored<'a> {
        #[serde(flatten)]
        record: &'a Record,
        latency_bucket: i64,
    }
    let stored = Stored { record, latency_bucket: latency::bucket(record.latency_ms) };
    serde_json::to_string(&stored).unwrap_or_default() // maps with string keys always serialise
}

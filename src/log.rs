//! What is kept of a finished call: the record, and the statement that stores a batch of them and adds it to the sums.

pub mod latency;
pub mod live;
pub mod otlp;
pub mod retention;
pub mod trace_context;

use crate::dialect::imprint::Imprint;
use crate::money::NanoUsd;
use crate::time::Millis;
use crate::usage::{Units, Usage, UsageSource};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Serialize, Serializer};
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
    /// What it used beside text, where it did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub units: Option<Units>,
    /// What only spans need, where they are exported.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub telemetry: Option<Telemetry>,
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
        self.units = Units::of(usage);
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
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
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
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
    /// What it used, where not only the last attempt used anything: the call has the sum.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub used: Option<Used>,
}

/// What the spans of a call need beside its record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telemetry(
    /// The caller's `traceparent`, as it came; empty for none.
    pub String,
    /// Of each attempt the kind of its provider, when it was sent, in ms after the call's arrival, and what its answer said of
    /// itself.
    pub Vec<(String, i64, Option<Imprint>)>,
);

/// What one attempt used: also one that failed may be billed by its provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct Used {
    /// All input tokens.
    pub input_tokens: u64,
    /// All output tokens.
    pub output_tokens: u64,
    /// Where the counts come from.
    pub usage_source: UsageSource,
    /// nano-USD.
    pub cost_nano_usd: i64,
    /// What it used beside text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub units: Option<Units>,
}

/// A record on its way to the database: JSON arrays whose places the statements know. Names would double its size, and
/// every record is copied through a queue.
///
/// Messages wait in queues while a new version is deployed, so a place never changes its meaning; new ones go behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The record without its bodies.
    pub record: String,
    /// `[id, created_at, request, response]`, where a body is kept.
    pub bodies: Option<String>,
}

/// A table that a batch goes into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// `request_logs`
    Records,
    /// `request_log_bodies`
    Bodies,
}

impl Table {
    /// Stores a batch: its one parameter is a JSON array of what [`encode`] gives, so that the number of rows is not limited
    /// by the number of parameters (100 on D1). What is there already is passed over, and counts nothing.
    #[must_use]
    pub fn insert(self) -> &'static str {
        match self {
            Table::Records => INSERT_RECORDS,
            Table::Bodies => INSERT_BODIES,
        }
    }
}

/// A view whose trigger does all of it (schema.sql): the statement is as atomic as a transaction.
const INSERT_RECORDS: &str = "INSERT INTO log_batches (records) VALUES (?1)";

const INSERT_BODIES: &str = "INSERT OR IGNORE INTO request_log_bodies (id, created_at, request, response) \
     SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?1)";

/// A record as the database takes it.
#[must_use]
pub fn encode(record: &Record) -> Encoded {
    let bodies = (record.request_body.is_some() || record.response_body.is_some())
        .then(|| json(&(&record.id, record.created_at, &record.request_body, &record.response_body)));
    Encoded { record: json(&Places(record)), bodies }
}

/// A record by place.
struct Places<'a>(&'a Record);

impl Serialize for Places<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Places(record) = self;
        let mut places = serializer.serialize_seq(None)?;
        places.serialize_element(&record.id)?;
        places.serialize_element(&record.created_at)?;
        places.serialize_element(&record.user_id)?;
        places.serialize_element(&record.key_id)?;
        places.serialize_element(&record.endpoint)?;
        places.serialize_element(&record.dialect)?;
        places.serialize_element(&record.model)?;
        places.serialize_element(&record.provider)?;
        places.serialize_element(&record.target_model)?;
        places.serialize_element(&record.status)?;
        places.serialize_element(&record.error)?;
        places.serialize_element(&record.stream)?;
        places.serialize_element(&record.input_tokens)?;
        places.serialize_element(&record.output_tokens)?;
        places.serialize_element(&record.cached_input_tokens)?;
        places.serialize_element(&record.cache_write_tokens)?;
        places.serialize_element(&record.reasoning_tokens)?;
        places.serialize_element(&record.usage_source)?;
        places.serialize_element(&record.cost)?;
        places.serialize_element(&record.priced)?;
        places.serialize_element(&record.latency_ms)?;
        places.serialize_element(&latency::bucket(record.latency_ms))?;
        places.serialize_element(&record.first_content_ms)?;
        places.serialize_element(&record.end_reason)?;
        places.serialize_element(&record.metadata)?;
        places.serialize_element(&record.attempts)?;
        places.serialize_element(&record.dropped_params)?;
        places.serialize_element(&record.telemetry)?;
        places.serialize_element(&record.units)?;
        places.end()
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default() // maps with string keys always serialise
}

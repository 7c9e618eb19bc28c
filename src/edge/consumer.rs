//! The queue's consumer: each message holds a JSON array of log records; a batch of messages is one round trip to D1.
//!
//! Delivery is at least once; the insert passes over what is there already, so that every record is stored once.
//! While D1 refuses, messages go back with growing delays; those that used up their tries wait in the dead-letter
//! queue, which this consumer reads too, at an hour's distance, so that nothing is lost while D1 is down.

use super::database::Database;
use crate::log;
use crate::store::{Store, StoreError};
use worker::{Env, MessageBatch, MessageExt, QueueRetryOptionsBuilder, RawMessage};

/// The most text that one statement is given; D1 refuses values over 2 MB.
const BATCH: usize = 1_000_000;
/// Seconds between tries from the log queue, and from the dead-letter queue.
const DELAY: u32 = 20;
const DEAD_LETTER_DELAY: u32 = 3_600;

/// Stores what the batch holds and acknowledges each message once its records are in.
pub(super) async fn consume(batch: &MessageBatch<serde_json::Value>, env: &Env) {
    let delay = if batch.queue().ends_with("-dead") { DEAD_LETTER_DELAY } else { DELAY };
    let mut pending: Vec<(RawMessage, Vec<String>)> = Vec::new();
    let mut size = 0;
    for message in batch.raw_iter() {
        let Some(records) = message.body().as_string().and_then(|text| split(&text)) else {
            worker::console_error!(
                "a log message {} is not an array of records; it is dropped",
                message.id()
            );
            message.ack();
            continue;
        };
        size += records.iter().map(String::len).sum::<usize>();
        pending.push((message, records));
        if size > BATCH {
            store(env, std::mem::take(&mut pending), delay).await;
            size = 0;
        }
    }
    store(env, pending, delay).await;
}

/// The records of a message, each as its own JSON text.
fn split(text: &str) -> Option<Vec<String>> {
    let records: Vec<&serde_json::value::RawValue> = serde_json::from_str(text).ok()?;
    Some(records.into_iter().map(|record| record.get().to_owned()).collect())
}

async fn store(env: &Env, messages: Vec<(RawMessage, Vec<String>)>, delay: u32) {
    if messages.is_empty() {
        return;
    }
    let records: Vec<String> = messages.iter().flat_map(|(_, records)| records.iter().cloned()).collect();
    match insert(env, &records).await {
        Ok(()) => messages.iter().for_each(|(message, _)| message.ack()),
        Err(error) => {
            worker::console_error!(
                "storing {} log records failed, they are tried again: {error}",
                records.len()
            );
            let options = QueueRetryOptionsBuilder::new().with_delay_seconds(delay).build();
            messages.iter().for_each(|(message, _)| message.retry_with_options(&options));
        }
    }
}

async fn insert(env: &Env, records: &[String]) -> Result<(), StoreError> {
    Database::open(env)?.batch(log::insert(records)).await.map(|_| ())
}

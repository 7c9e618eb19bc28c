//! The queue's consumer: each message holds rows for one table; a batch of messages is one statement a table.
//!
//! Delivery is at least once; the insert passes over what is there already, so that every record is stored once.
//! While D1 refuses, messages go back with a delay; those that used up their tries wait in the dead-letter queue, which
//! this consumer reads too, with longer delays (wrangler.toml), so that nothing is lost while D1 is down. The rows stay
//! JavaScript's strings from the queue to D1: nothing of them concerns Rust.

use super::alert;
use super::database::Database;
use super::settlement::{insert, letter};
use super::telemetry;
use crate::api::metrics::health;
use crate::log::Table;
use crate::store::{Store, StoreError};
use js_sys::{Array, JsString};
use std::cell::Cell;
use wasm_bindgen::prelude::*;
use worker::Env;

#[wasm_bindgen]
extern "C" {
    /// A batch of messages of one queue.
    pub type Batch;
    #[wasm_bindgen(method, getter)]
    fn queue(this: &Batch) -> String;
    #[wasm_bindgen(method, getter)]
    fn messages(this: &Batch) -> Array;

    type Message;
    #[wasm_bindgen(method, getter)]
    fn id(this: &Message) -> String;
    #[wasm_bindgen(method, getter)]
    fn body(this: &Message) -> JsValue;
    /// Which delivery this is, from 1.
    #[wasm_bindgen(method, getter)]
    fn attempts(this: &Message) -> u32;
    #[wasm_bindgen(method)]
    fn ack(this: &Message);
    #[wasm_bindgen(method)]
    fn retry(this: &Message);
}

/// The most text that one statement is given, UTF-16 units; D1 refuses values over 2 MB.
const STATEMENT: u32 = 600_000;

/// A message that has not been stored yet, and its rows without the brackets around them.
struct Pending {
    message: Message,
    rows: JsString,
}

/// What became of a batch.
struct Stored {
    /// The rows of records.
    records: Array,
    /// How many deliveries of its messages there were beyond their first.
    redeliveries: Cell<u32>,
    /// How many of its messages came through the dead-letter queue.
    dead_letters: Cell<u32>,
    is_dead: bool,
}

impl Stored {
    fn done(&self, Pending { message, rows }: &Pending, table: Table) {
        message.ack();
        if table == Table::Records {
            self.records.push(rows);
        }
        self.redeliveries.set(self.redeliveries.get() + message.attempts().saturating_sub(1));
        self.dead_letters.set(self.dead_letters.get() + u32::from(self.is_dead));
    }

    /// Counts what was late, for whoever scrapes; nearly always nothing was.
    async fn count_late(&self, env: &Env) {
        let (redeliveries, dead_letters) = (self.redeliveries.get(), self.dead_letters.get());
        if redeliveries + dead_letters == 0 {
            return;
        }
        let Ok(database) = Database::open(env) else { return };
        if let Err(error) = database.run(health::delivered_late(redeliveries, dead_letters)).await {
            worker::console_error!("{redeliveries} repeated deliveries are not counted: {error}");
        }
    }
}

/// Stores what the batch holds and acknowledges each message once its rows are in.
pub(super) async fn consume(batch: &Batch, env: &Env) {
    let mut tables = [(Table::Records, Vec::new(), 0), (Table::Bodies, Vec::new(), 0)];
    let stored = Stored {
        records: Array::new(),
        redeliveries: Cell::default(),
        dead_letters: Cell::default(),
        is_dead: batch.queue().ends_with("-dead"),
    };
    for message in batch.messages().iter() {
        let message: Message = message.unchecked_into();
        let text = message.body().dyn_into::<JsString>().ok();
        let table = text.as_ref().and_then(|text| {
            let first = text.char_at(0);
            tables.iter_mut().find(|(table, ..)| first == letter(*table).to_string().as_str())
        });
        let (Some((table, pending, size)), Some(text)) = (table, text) else {
            worker::console_error!("the log message {} is nobody's; it is dropped", message.id());
            message.ack();
            continue;
        };
        if *size + text.length() > STATEMENT {
            store(env, *table, std::mem::take(pending), &stored).await;
            *size = 0;
        }
        *size += text.length();
        // Without its letter and the brackets.
        let rows = text.slice(2, text.length().saturating_sub(1));
        pending.push(Pending { message, rows });
    }
    for (table, pending, _) in tables {
        store(env, table, pending, &stored).await;
    }
    telemetry::export(env, &array_of(&stored.records)).await;
    stored.count_late(env).await;
    alert::send(env).await;
}

/// Stores messages together; where they cannot be, each by itself, so that one that is broken does not hold up the rest.
/// Records that are in then are added to `stored`.
async fn store(env: &Env, table: Table, pending: Vec<Pending>, stored: &Stored) {
    let done = |pending: &Pending| stored.done(pending, table);
    if pending.is_empty() {
        return;
    }
    let rows: Array = pending.iter().map(|pending| pending.rows.clone()).collect();
    match insert_joined(env, table, &rows).await {
        Ok(()) => pending.iter().for_each(done),
        Err(error) if pending.len() == 1 || is_outage(&error) => {
            worker::console_error!(
                "storing {} log messages failed, they are tried again: {error}",
                pending.len()
            );
            // How soon, and how often, wrangler.toml says.
            pending.iter().for_each(|pending| pending.message.retry());
        }
        Err(_) => {
            for pending in pending {
                match insert_joined(env, table, &Array::of1(&pending.rows)).await {
                    Ok(()) => done(&pending),
                    Err(error) => {
                        let message = &pending.message;
                        worker::console_error!("storing the log message {} failed: {error}", message.id());
                        message.retry();
                    }
                }
            }
        }
    }
}

/// Whether the database as a whole does not answer, rather than these rows being refused.
fn is_outage(error: &StoreError) -> bool {
    !matches!(error, StoreError::Unavailable(message) if message.contains("malformed JSON") || message.contains("constraint"))
}

async fn insert_joined(env: &Env, table: Table, rows: &Array) -> Result<(), StoreError> {
    insert(env, table, &array_of(rows)).await
}

/// The rows of several messages as one JSON array.
fn array_of(rows: &Array) -> JsString {
    JsString::from("[").concat(&rows.join(",")).concat(&"]".into())
}

//! Settling finished calls: their records are gathered in the isolate, sent to the queue together, and stored once.
//!
//! Plain data may be shared between the calls of an isolate, so records gather in its memory; one call's settlement
//! task undertakes to wait some milliseconds and send all that is there. No call awaits another's promise. Where there
//! is no queue, or it refuses, the same task writes D1 itself.

use super::arrival::Arrival;
use super::clock::{now, sleep};
use super::database::Database;
use super::isolate::Isolate;
use super::ledger;
use super::live;
use super::presence;
use super::task::behind_the_answer;
use super::telemetry;
use super::wire::Wire;
use crate::call::limits::settlement;
use crate::call::trace::{Finish, Metered, Trace};
use crate::dialect::Endpoint;
use crate::log::{self, End, Table};
use crate::store::StoreError;
use crate::time::Millis;
use js_sys::JsString;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use worker::{Env, QueueContentType, RawMessageBuilder};

/// How long records gather at most, and how much time lies between two messages at least. More records in a message cost less
/// each, but a killed isolate takes along what it has gathered: the record of a call that ends alone is sent at once.
const GATHER: Millis = Millis(100);
/// Whoever undertook to send the records and did not within this time is taken for gone.
const ABANDONED: Millis = Millis(2_000);
/// A queue message holds 128 KB; this leaves room for its envelope and for what escaping adds.
const MESSAGE: usize = 100_000;
/// Pauses between tries to store records where neither the queue nor D1 takes them; a task lives 30 s at most.
const PAUSES: [Millis; 5] = [Millis(200), Millis(800), Millis(2_000), Millis(6_000), Millis(12_000)];

/// One call's meter: whoever sees the call's end settles it, and only the first does.
pub(super) struct Meter {
    arrival: Rc<Arrival>,
    wire: Wire,
    trace: RefCell<Option<Trace>>,
    held: RefCell<Option<Rc<dyn Any>>>,
    is_reserved: Cell<bool>,
    /// It is one of the isolate's open calls.
    is_counted: Cell<bool>,
    end: Cell<Option<End>>,
    /// The call that this is a part of, which has the record.
    whole: Option<Rc<Meter>>,
    /// Parts that have not ended.
    parts: Cell<usize>,
    /// How the call ended, while parts of it have not.
    ending: RefCell<Option<Finish>>,
}

impl Meter {
    /// Begins to meter; until the call is settled, the invocation goes on.
    pub(super) fn start(arrival: &Rc<Arrival>, wire: &Wire, trace: Trace) -> Rc<Meter> {
        let meter = Meter::new(arrival, wire, trace);
        meter.count();
        meter
    }

    fn new(arrival: &Rc<Arrival>, wire: &Wire, trace: Trace) -> Rc<Meter> {
        let (arrival, wire) = (arrival.clone(), wire.clone());
        Rc::new(Meter {
            arrival,
            wire,
            trace: RefCell::new(Some(trace)),
            held: RefCell::default(),
            is_reserved: Cell::new(false),
            is_counted: Cell::new(false),
            end: Cell::default(),
            whole: None,
            parts: Cell::new(0),
            ending: RefCell::default(),
        })
    }

    /// The meter of a part of the call, without which the call is not settled.
    pub(super) fn part(self: &Rc<Meter>, wire: &Wire, endpoint: Endpoint) -> Rc<Meter> {
        let trace = self.trace(|trace| trace.part());
        let trace = trace.unwrap_or_else(|| Trace::new(self.arrival.id.clone(), self.arrival.at, endpoint));
        let mut part = Meter::new(&self.arrival, wire, trace);
        if let Some(part) = Rc::get_mut(&mut part) {
            part.whole = Some(self.clone());
            self.parts.set(self.parts.get() + 1);
        }
        part
    }

    /// A part has ended.
    fn join(&self, part: Trace, used: &Metered) {
        self.trace(|trace| trace.join(part, used));
        self.parts.set(self.parts.get().saturating_sub(1));
        if self.parts.get() == 0
            && let Some(finish) = self.ending.take()
        {
            self.settle(finish);
        }
    }

    /// Lets the call's facts be added to, while it is not settled.
    pub(super) fn trace<T>(&self, change: impl FnOnce(&mut Trace) -> T) -> Option<T> {
        self.trace.borrow_mut().as_mut().map(change)
    }

    /// Keeps a stream alive until the call is settled.
    pub(super) fn hold(&self, thing: Rc<dyn Any>) {
        *self.held.borrow_mut() = Some(thing);
    }

    /// The ledger was asked for this call: it must be told how it ended, and counts it until then.
    pub(super) fn reserved(&self) {
        self.is_reserved.set(true);
        self.uncount();
    }

    /// The ledger did not answer, and the call goes on without it.
    pub(super) fn passed_ledger(self: &Rc<Meter>) {
        self.trace(Trace::passed_ledger);
        self.count();
    }

    fn count(self: &Rc<Meter>) {
        self.is_counted.set(true);
        presence::began(&self.arrival, self);
    }

    fn uncount(&self) {
        if self.is_counted.replace(false) {
            presence::ended(&self.arrival);
        }
    }

    /// It refused, and holds nothing.
    pub(super) fn refused(&self) {
        self.is_reserved.set(false);
    }

    /// Whether the call was settled.
    pub(super) fn is_settled(&self) -> bool {
        self.trace.borrow().is_none() || self.ending.borrow().is_some()
    }

    /// How the call ended, once it was settled.
    pub(super) fn end(&self) -> Option<End> {
        self.end.get()
    }

    /// The end of the call: its record joins those that wait. Later calls of this do nothing.
    pub(super) fn settle(&self, finish: Finish) {
        if self.is_settled() {
            return;
        }
        self.end.set(Some(finish.end));
        if self.parts.get() > 0 {
            *self.ending.borrow_mut() = Some(finish);
            return;
        }
        let Some(trace) = self.trace.borrow_mut().take() else { return };
        self.uncount();
        match &self.whole {
            Some(whole) => whole.join(trace, &finish.metered),
            None => self.record(trace, finish),
        }
        self.wire.release();
        drop(self.held.take());
    }

    /// The record of the call joins those that wait.
    fn record(&self, trace: Trace, finish: Finish) {
        let isolate = &self.arrival.isolate;
        let record = trace.finish(now(), finish);
        if self.is_reserved.get() {
            let owner = record.user_id.clone();
            ledger::settle(isolate, &self.arrival.env, &self.arrival.context, owner, settlement(&record));
        }
        isolate.records.borrow_mut().push(log::encode(&record));
        if !somebody_flushes(isolate) {
            let (isolate, env) = (isolate.clone(), self.arrival.env.clone());
            behind_the_answer(&self.arrival.context, async move { flush(&isolate, &env).await });
        }
    }
}

fn somebody_flushes(isolate: &Isolate) -> bool {
    isolate.flusher.get().is_some_and(|since| now().since(since) < ABANDONED)
}

/// Sends all records that gather until [`GATHER`] has passed since this was last done; the call's own answer goes out before.
async fn flush(isolate: &Isolate, env: &Env) {
    let at = now();
    isolate.flusher.set(Some(at));
    let left = GATHER.0 - at.since(isolate.flushed.get()).0;
    sleep(Millis(left.clamp(1, GATHER.0))).await;
    isolate.flusher.set(None);
    isolate.flushed.set(now());
    let encoded = isolate.records.take();
    let records: Vec<&str> = encoded.iter().map(|encoded| encoded.record.as_str()).collect();
    let bodies: Vec<&str> = encoded.iter().filter_map(|encoded| encoded.bodies.as_deref()).collect();
    for (table, rows) in [(Table::Records, records), (Table::Bodies, bodies)] {
        store_all(env, table, &rows).await;
    }
}

/// Stores rows as [`log::encode`] gives them, however many; whether all of them are in good hands.
pub(super) async fn store_all(env: &Env, table: Table, rows: &[&str]) -> bool {
    let mut is_stored = true;
    for run in runs(rows) {
        is_stored &= store(env, table, run).await;
    }
    is_stored
}

/// Splits rows into runs that each fit a queue message; a row that is larger than that is alone.
fn runs<'a>(rows: &'a [&'a str]) -> Vec<&'a [&'a str]> {
    let mut runs = Vec::new();
    let (mut start, mut size) = (0, 0);
    for (index, row) in rows.iter().enumerate() {
        if index > start && size + row.len() > MESSAGE {
            runs.extend(rows.get(start..index));
            (start, size) = (index, 0);
        }
        size += row.len() + 1;
    }
    runs.extend(rows.get(start..).filter(|rest| !rest.is_empty()));
    runs
}

/// Gives one run of rows to the queue, or to D1, until one of them takes it.
async fn store(env: &Env, table: Table, rows: &[&str]) -> bool {
    let message = JsString::from(format!("{}[{}]", letter(table), rows.join(",")));
    for pause in PAUSES.iter().map(Some).chain([None]) {
        if enqueue(env, &message).await {
            return true;
        }
        let rows = message.slice(1, u32::MAX);
        if insert(env, table, &rows).await.is_ok() {
            if table == Table::Records {
                telemetry::export(env, &rows).await;
            }
            return true;
        }
        if let Some(pause) = pause {
            sleep(*pause).await;
        }
    }
    worker::console_error!("{} log rows are lost: neither the queue nor the database took them", rows.len());
    false
}

async fn enqueue(env: &Env, message: &JsString) -> bool {
    let Ok(queue) = env.queue("LOGS") else { return false };
    let message =
        RawMessageBuilder::new(message.clone().into()).build_with_content_type(QueueContentType::Text);
    queue.send_raw(message).await.is_ok()
}

/// Stores rows, a JSON array as [`Table::insert`] takes it, without taking it through Rust.
pub(super) async fn insert(env: &Env, table: Table, rows: &JsString) -> Result<(), StoreError> {
    Database::open(env)?.run_text(table.insert(), rows).await?;
    if table == Table::Records {
        live::publish(env, rows).await;
    }
    Ok(())
}

/// What a queue message begins with.
pub(super) fn letter(table: Table) -> char {
    match table {
        Table::Records => 'R',
        Table::Bodies => 'B',
    }
}

//! The ledger's Durable Object, one for each owner of keys: it keeps [`Ledger`] in memory and writes its changes through.
//!
//! From reading the state to writing its changes there is no await, so a step is atomic; the platform holds the answer back
//! until what was written is durable.

use super::clock::now;
use super::database::Database;
use super::settlement;
use crate::call::limits;
use crate::json;
use crate::limit::Ledger;
use crate::limit::ledger::{Audit, Step};
use crate::limit::message::{self, Message};
use crate::limit::rows::{self, Changes, EndedCall, EndedCalls, Rows};
use crate::log::{self, Table};
use crate::store::{Store, Value};
use crate::time::Millis;
use chrono::{DateTime, Utc};
use std::cell::RefCell;
use worker::{
    DurableObject, Env, Error, Request, Response, Result, SqlStorage, SqlStorageValue, State, durable_object,
};

/// The object.
#[durable_object(alarm)]
pub struct LedgerObject {
    state: State,
    env: Env,
    /// Nothing is in it before the first step, and after one that failed: then memory and rows may differ.
    ledger: RefCell<Option<Ledger>>,
}

impl DurableObject for LedgerObject {
    fn new(state: State, env: Env) -> Self {
        LedgerObject { state, env, ledger: RefCell::default() }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let message = match message::decode::<Message>(request.text().await?.as_bytes()) {
            Ok(message) => message,
            Err(error) => return Response::error(error.to_string(), 400),
        };
        match self.step(|ledger, ended| ledger.handle(message, now(), ended)) {
            Ok((reply, alarm)) => {
                self.wake(alarm).await?;
                Response::ok(message::encode(&reply).map_err(failed)?)
            }
            Err(error) => Response::error(error.to_string(), 500),
        }
    }

    /// Ends the calls that were lost, by their bounds; then sees to it that the log and the ledger say the same.
    async fn alarm(&self) -> Result<Response> {
        let (audit, alarm) = self.step(|ledger, ended| {
            let step = ledger.ring(now(), ended)?;
            Ok(Step { reply: ledger.audit(now()), changes: step.changes, alarm: step.alarm })
        })?;
        self.wake(alarm).await?;
        match self.compare(&audit).await {
            Ok(()) => {
                let ((), alarm) = self.step(|ledger, ended| {
                    let least = ended.least(&ledger.audit(now()).behind, audit.until)?;
                    ledger.audited(&audit, least, now(), ended)
                })?;
                self.wake(alarm).await?;
            }
            Err(error) => worker::console_error!("the log cannot be compared with the ledger yet: {error}"),
        }
        Response::empty()
    }
}

impl LedgerObject {
    /// One step of the ledger and the writing of what it changed; whatever fails, the ledger is loaded anew next time.
    fn step<T>(
        &self,
        act: impl FnOnce(&mut Ledger, &Ended) -> Result<Step<T>>,
    ) -> Result<(T, Option<Millis>)> {
        let ended = Ended(self.state.storage().sql());
        let kept = self.ledger.take();
        let mut ledger = kept.map_or_else(|| load(&ended.0), Ok)?;
        let Step { reply, changes, alarm } = act(&mut ledger, &ended)?;
        write(&ended.0, &changes)?;
        *self.ledger.borrow_mut() = Some(ledger);
        Ok((reply, alarm))
    }

    /// Each of these calls, and each whose bound stands, is in the log as it is here: what either lacks it learns of the other.
    async fn compare(&self, audit: &Audit) -> Result<()> {
        let owner = self.state.id().name().unwrap_or_default();
        for is_provisional in [true, false] {
            let mut behind = if is_provisional { String::new() } else { audit.behind.clone() };
            loop {
                let page = Ended(self.state.storage().sql()).page(is_provisional, &behind, audit)?;
                let Some(last) = page.last() else { break };
                behind.clone_from(&last.id);
                let database = Database::open(&self.env).map_err(failed)?;
                let found = database.run(limits::compare(&page)).await.map_err(failed)?;
                let (calls, records) = limits::differences(&owner, &page, &found);
                self.step(|ledger, ended| ledger.handle(Message::Settle { calls }, now(), ended))?;
                let records: Vec<String> = records.iter().map(|record| log::encode(record).record).collect();
                let records: Vec<&str> = records.iter().map(String::as_str).collect();
                if !settlement::store_all(&self.env, Table::Records, &records).await {
                    return Err(failed("records are not stored"));
                }
            }
        }
        self.count_passed(&owner, &audit.since).await
    }

    /// Calls that were let past this ledger while it did not answer are told to it by the log, where they did not tell it.
    async fn count_passed(&self, owner: &str, since: &str) -> Result<()> {
        let mut behind = since.to_owned();
        loop {
            let database = Database::open(&self.env).map_err(failed)?;
            let found = database.run(limits::passed(owner, &behind)).await.map_err(failed)?;
            let calls = limits::passed_calls(&found);
            let Some(last) = calls.last() else { return Ok(()) };
            behind.clone_from(&last.id);
            let counted = limits::counted(&calls);
            self.step(|ledger, ended| ledger.handle(Message::Settle { calls }, now(), ended))?;
            database.run(counted).await.map_err(failed)?;
        }
    }

    async fn wake(&self, alarm: Option<Millis>) -> Result<()> {
        match alarm.and_then(|at| DateTime::<Utc>::from_timestamp_millis(at.0)) {
            Some(at) => self.state.storage().set_alarm(at).await,
            None => Ok(()),
        }
    }
}

fn load(sql: &SqlStorage) -> Result<Ledger> {
    sql.exec(rows::SCHEMA, None)?;
    let mut pairs = Vec::new();
    for row in sql.exec(rows::LOAD, None)?.raw() {
        let mut row = row?.into_iter().map(text);
        pairs.push((row.next().unwrap_or_default(), row.next().unwrap_or_default()));
    }
    Ok(Ledger::restore(Rows::read(pairs).map_err(failed)?))
}

fn write(sql: &SqlStorage, changes: &Changes) -> Result<()> {
    let Some(statement) = changes.statement() else { return Ok(()) };
    let parameters = statement.parameters.into_iter().map(|value| match value {
        Value::Null => SqlStorageValue::Null,
        Value::Integer(number) => SqlStorageValue::Integer(number),
        Value::Text(text) => SqlStorageValue::String(text),
    });
    sql.exec(&statement.sql, parameters.collect::<Vec<_>>()).map(drop)
}

fn text(value: SqlStorageValue) -> String {
    match value {
        SqlStorageValue::String(text) => text,
        _ => String::new(),
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::RustError(error.to_string())
}

/// The rows of ended calls.
struct Ended(SqlStorage);

impl Ended {
    /// A page of ended calls behind an id: those whose bounds stand, or those of an audit.
    fn page(&self, is_provisional: bool, behind: &str, audit: &Audit) -> Result<Vec<EndedCall>> {
        let behind = SqlStorageValue::String(behind.to_owned());
        let rows = match is_provisional {
            true => self.0.exec(rows::PROVISIONAL, vec![behind])?,
            false => {
                let span = [audit.after, audit.until].map(|at| SqlStorageValue::Integer(at.0));
                self.0.exec(rows::ENDED_BETWEEN, [behind].into_iter().chain(span).collect::<Vec<_>>())?
            }
        };
        let read = |row: Result<Vec<SqlStorageValue>>| {
            let row = row?.into_iter().next().map(text).unwrap_or_default();
            json::read(row.as_bytes()).map_err(failed)
        };
        rows.raw().map(read).collect()
    }

    fn least(&self, behind: &str, since: Millis) -> Result<String> {
        let parameters = vec![SqlStorageValue::String(behind.to_owned()), SqlStorageValue::Integer(since.0)];
        let row = self.0.exec(rows::LEAST_ENDED, parameters)?.raw().next().transpose()?;
        Ok(row.and_then(|row| row.into_iter().next()).map(text).unwrap_or_default())
    }
}

impl EndedCalls for Ended {
    type Error = Error;

    fn find(&self, id: &str) -> Result<Option<EndedCall>> {
        let found = self.0.exec(rows::FIND_ENDED, vec![SqlStorageValue::String(id.to_owned())])?;
        let Some(row) = found.raw().next() else { return Ok(None) };
        let row = row?.into_iter().next().map(text).unwrap_or_default();
        json::read(row.as_bytes()).map(Some).map_err(failed)
    }

    fn any(&self) -> Result<bool> {
        Ok(self.0.exec(rows::ANY_ENDED, None)?.raw().next().is_some())
    }
}

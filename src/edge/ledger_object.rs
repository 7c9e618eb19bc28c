//! The ledger's Durable Object, one for each owner of keys: it keeps [`Ledger`] in memory and writes its changes through.
//!
//! From reading the state to writing its changes there is no await, so a step is atomic; the platform holds the answer back
//! until what was written is durable.

use super::clock::now;
use super::database::Database;
use super::settlement;
use crate::call::limits;
use crate::limit::Ledger;
use crate::limit::ledger::Step;
use crate::limit::message::{self, Message, Settlement};
use crate::limit::rows::{self, Changes, EndedCall, EndedCalls, Rows};
use crate::log::{self, Table};
use crate::store::{Store, StoreError, Value};
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

    /// Ends the calls that were lost: by what the log knows of them, else by their bounds, which the log is told.
    async fn alarm(&self) -> Result<Response> {
        let at = now();
        let (ids, _) = self.step(|ledger, _| Ok(still(ledger.lost(at))))?;
        if !ids.is_empty() {
            match self.logged(&ids).await {
                Ok(calls) => {
                    self.step(|ledger, ended| ledger.handle(Message::Settle { calls }, at, ended))?;
                }
                Err(error) => worker::console_error!("lost calls are not looked up in the log: {error}"),
            }
        }
        let (lost, alarm) = self.step(|ledger, ended| {
            let Step { changes, alarm, .. } = ledger.ring(at, ended)?;
            Ok(Step { reply: changes.ended.values().cloned().collect::<Vec<_>>(), changes, alarm })
        })?;
        self.wake(alarm).await?;
        let owner = self.state.id().name().unwrap_or_default();
        let records: Vec<String> =
            lost.iter().map(|call| log::encode(&limits::lost(&owner, call, at)).record).collect();
        settlement::store_all(
            &self.env,
            Table::Records,
            &records.iter().map(String::as_str).collect::<Vec<_>>(),
        )
        .await;
        Response::empty()
    }
}

/// A step that changes nothing.
fn still<T>(reply: T) -> Step<T> {
    Step { reply, changes: Changes::default(), alarm: None }
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

    /// What the log knows of these calls.
    async fn logged(&self, ids: &[String]) -> std::result::Result<Vec<Settlement>, StoreError> {
        let found = Database::open(&self.env)?.run(limits::logged(ids)).await?;
        Ok(limits::settlements(&found))
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

impl EndedCalls for Ended {
    type Error = Error;

    fn find(&self, id: &str) -> Result<Option<EndedCall>> {
        let found = self.0.exec(rows::FIND_ENDED, vec![SqlStorageValue::String(id.to_owned())])?;
        let Some(row) = found.raw().next() else { return Ok(None) };
        let row = row?.into_iter().next().map(text).unwrap_or_default();
        serde_json::from_slice(row.as_bytes()).map(Some).map_err(failed)
    }

    fn any(&self) -> Result<bool> {
        Ok(self.0.exec(rows::ANY_ENDED, None)?.raw().next().is_some())
    }
}

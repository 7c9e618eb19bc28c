//! Stored answers at the edge: what a call goes on from is read, its answer is kept, and questions about them are answered.

use super::arrival::Arrival;
use super::clock::{now, sleep};
use super::data_plane::caller;
use super::database::Database;
use super::task::behind_the_answer;
use crate::auth::gateway;
use crate::call::accept::Accepted;
use crate::call::models::decode;
use crate::call::stored::history::{self, History};
use crate::call::stored::keep::Keeping;
use crate::call::stored::{self, Found, list};
use crate::config::Key;
use crate::config::variables::Variables;
use crate::dialect::responses::request::Peek;
use crate::error::ApiError;
use crate::surface::Responses;
use crate::time::Millis;
use futures_util::future::{Either, select};
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use web_sys::Response;

/// An answer does not wait longer than this to be stored.
const PATIENCE: Millis = Millis(10_000);
/// A client may go on from a stream whose last event it has seen and whose end it did not wait for.
const SOON: Millis = Millis(300);

/// Whose stored answers a caller sees.
pub(super) fn owner(arrival: &Arrival, variables: &Variables, key: &Key, query: &str) -> String {
    stored::owner(key, variables, || gateway::credential(|name| arrival.headers.get(name), query))
}

/// What a call goes on from.
pub(super) async fn history(
    arrival: &Arrival,
    peek: Option<&Peek>,
    body: &[u8],
    owner: &str,
) -> Result<Option<History>, ApiError> {
    let Some(peek) = peek.filter(|peek| history::is_wanted(peek, body)) else { return Ok(None) };
    let database = Database::open(&arrival.env)?;
    match history::read(&database, owner, peek, body).await {
        Err(error) if error.code == history::NOT_FOUND => {
            sleep(SOON).await;
            history::read(&database, owner, peek, body).await
        }
        read => read,
    }
}

/// Stores one call's answer.
pub(super) struct Keeper {
    arrival: Rc<Arrival>,
    keeping: Keeping,
}

impl Keeper {
    /// `None` where the answer is not to be stored.
    pub(super) fn of(
        arrival: &Rc<Arrival>,
        accepted: &Accepted,
        body: &[u8],
        owner: &str,
        key: &Key,
    ) -> Option<Rc<Keeper>> {
        let keeping = Keeping::of(accepted, body, owner, &key.id, arrival.at)?;
        Some(Rc::new(Keeper { arrival: arrival.clone(), keeping }))
    }

    /// Stores it. The client gets its answer whatever comes of this.
    pub(super) async fn keep(&self, response: &[u8]) {
        let database = match Database::open(&self.arrival.env) {
            Ok(database) => database,
            Err(error) => return self.complain(&error),
        };
        match select(pin!(self.keeping.keep(&database, response)), pin!(sleep(PATIENCE))).await {
            Either::Left((Ok(()), _)) => {}
            Either::Left((Err(error), _)) => self.complain(&error),
            Either::Right(_) => self.complain(&"the database took too long"),
        }
    }

    fn complain(&self, why: &dyn std::fmt::Display) {
        let (id, after) = (&self.arrival.id, now().since(self.arrival.at).0);
        worker::console_error!("the answer of call {id} is not stored, {after} ms after it came: {why}");
    }

    /// Goes on with this when the client has its answer, and even when it has left.
    pub(super) fn behind_the_answer(&self, task: impl Future<Output = ()> + 'static) {
        behind_the_answer(&self.arrival.context, task);
    }
}

/// Answers a question about stored answers.
pub(super) async fn serve(arrival: &Arrival, query: &str, asked: Responses<'_>) -> Response {
    let head = arrival.head();
    match answer(arrival, query, asked).await {
        Ok(Found::Json(body)) => {
            head.set("content-type", "application/json");
            head.buffer(200, &js_sys::Uint8Array::from(body.as_slice()))
        }
        Ok(Found::Events(body)) => {
            head.set("content-type", "text/event-stream; charset=utf-8");
            head.set("cache-control", "no-cache");
            head.buffer(200, &js_sys::Uint8Array::from(body.as_slice()))
        }
        Err(error) => arrival.refuse(&error),
    }
}

async fn answer(arrival: &Arrival, query: &str, asked: Responses<'_>) -> Result<Found, ApiError> {
    let variables = arrival.isolate.variables(&arrival.env)?;
    let compiled = caller(arrival, &variables, query).await?;
    let owner = &owner(arrival, &variables, &compiled.snapshot.key, query);
    let database = &Database::open(&arrival.env)?;
    match asked {
        Responses::List => list::responses(database, owner, query).await,
        Responses::DeleteAll => stored::delete_all(database, owner).await,
        Responses::Get(id) => stored::get(database, owner, &decode(id), query).await,
        Responses::Delete(id) => stored::delete(database, owner, &decode(id)).await,
        Responses::InputItems(id) => stored::input_items(database, owner, &decode(id), query).await,
        Responses::Cancel(id) => stored::cancel(database, owner, &decode(id)).await,
    }
}

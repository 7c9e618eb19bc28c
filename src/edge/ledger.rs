//! The Worker's side of the ledger: one question before a call, and settlements after it, which travel together.

use super::clock::{now, sleep};
use super::isolate::Isolate;
use super::task::{behind_the_answer, settled};
use crate::limit::message::{self, MessageError, Settlement};
use crate::limit::{Message, Reply};
use crate::time::Millis;
use std::cell::RefCell;
use std::collections::HashMap;
use std::mem::take;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use worker::{Context, Env};

#[wasm_bindgen(module = "/src/edge/ledger.js")]
extern "C" {
    #[wasm_bindgen(js_name = ask)]
    fn ask_within(env: &JsValue, owner: &str, message: &str, ms: f64) -> js_sys::Promise;
}

/// A ledger that does not answer within this time is taken for unreachable, ms.
const DEADLINE: f64 = 5_000.0;
/// Whoever undertook to send settlements hands over after this time: a task lives 30 s behind its answer.
const SHIFT: Millis = Millis(5_000);
/// Settlements that travel together at most.
const TOGETHER: usize = 500;
/// Pauses between tries to settle. A settlement that is lost all the same stands at its bound when its time is over.
const PAUSES: [Millis; 5] = [Millis(50), Millis(200), Millis(1_000), Millis(3_000), Millis(8_000)];

/// The ledger gave no reply, in words for the Worker's log.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    /// The platform's own.
    #[error("the ledger does not answer: {0}")]
    Unreachable(String),
    /// Another version's, while one is deployed.
    #[error("the ledger's reply: {0}")]
    Unreadable(#[from] MessageError),
}

/// Settlements for one owner that wait, and who is sending: each sender has a number, and only the last one goes on.
#[derive(Default)]
pub(super) struct Pending {
    calls: Vec<Settlement>,
    sender: u64,
    since: Option<Millis>,
}

/// Asks once.
///
/// # Errors
/// There is no reply that can be read.
pub(super) async fn ask(env: &Env, owner: &str, message: &Message) -> Result<Reply, Unanswered> {
    let message = message::encode(message)?;
    let reply = settled(&ask_within(env, owner, &message, DEADLINE)).await;
    let reply = reply.map_err(|error| Unanswered::Unreachable(super::upstream::reason(&error)))?;
    Ok(message::decode(reply.as_string().unwrap_or_default().as_bytes())?)
}

/// Asks again where the object has just been moved or restarted: every message may be repeated.
///
/// # Errors
/// As for [`ask`].
pub(super) async fn insist(env: &Env, owner: &str, message: &Message) -> Result<Reply, Unanswered> {
    match ask(env, owner, message).await {
        Err(Unanswered::Unreachable(_)) => ask(env, owner, message).await,
        result => result,
    }
}

/// Settles a call behind its answer: at once, or with the next message where one is under way.
pub(super) fn settle(isolate: &Rc<Isolate>, env: &Env, context: &Context, owner: String, call: Settlement) {
    let mut all = isolate.settlements.borrow_mut();
    let pending = all.entry(owner.clone()).or_default();
    pending.calls.push(call);
    if pending.since.is_some_and(|since| now().since(since) < SHIFT) {
        return;
    }
    pending.sender += 1;
    pending.since = Some(now());
    let (isolate, env, sender) = (isolate.clone(), env.clone(), pending.sender);
    behind_the_answer(context, async move { send(&isolate, &env, &owner, sender).await });
}

async fn send(isolate: &Isolate, env: &Env, owner: &str, sender: u64) {
    while let Some(calls) = waiting(&isolate.settlements, owner, sender) {
        let count = calls.len();
        let message = Message::Settle { calls };
        let mut pauses = PAUSES.iter();
        loop {
            let Err(error) = ask(env, owner, &message).await else { break };
            let Some(pause) = pauses.next() else {
                worker::console_error!("{count} settlements are lost, and stand at their bounds: {error}");
                break;
            };
            sleep(*pause).await;
        }
    }
}

/// What a sender is to send next; nothing where another has taken over, or all is sent.
fn waiting(all: &RefCell<HashMap<String, Pending>>, owner: &str, sender: u64) -> Option<Vec<Settlement>> {
    let mut all = all.borrow_mut();
    let pending = all.get_mut(owner).filter(|pending| pending.sender == sender)?;
    if pending.calls.is_empty() {
        all.remove(owner);
        return None;
    }
    let rest = pending.calls.split_off(pending.calls.len().min(TOGETHER));
    Some(take(&mut pending.calls)).inspect(|_| pending.calls = rest)
}

//! Calls that are made once, at the edge: one of those with an `Idempotency-Key`, or of those that the cache may answer, goes
//! upstream, and the others get what it got.

use super::arrival::Arrival;
use super::clock::{now, sleep};
use super::data_plane::Call;
use super::database::Database;
use super::settings::Compiled;
use super::task::{behind_the_answer, settled};
use super::wire;
use crate::auth::gateway;
use crate::call::replay::cache::{self, Scope};
use crate::call::replay::{self, Answer, Asked, Claim, HEADERS, Standing};
use crate::call::trace::{Finish, Metered};
use crate::config::Key;
use crate::error::ApiError;
use crate::log::End;
use crate::order::sorted_by;
use crate::route::plan::Candidate;
use crate::secret::sha256_hex;
use crate::time::Millis;
use futures_util::future::{Either, select};
use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Response;

/// A second try to end a claim comes after this.
const AGAIN: Millis = Millis(500);

thread_local! {
    static NAMES: js_sys::Array = HEADERS.iter().map(|name| JsValue::from_str(name)).collect();
}

/// The copy that is made of an answer on its way to the client.
#[derive(Clone, Default)]
pub(super) struct AnswerCopy(Rc<RefCell<Copied>>);

#[derive(Default)]
struct Copied {
    /// The answer's status, and what [`HEADERS`] are of it, once it is there.
    head: Option<(u16, String)>,
    /// For whom.
    claims: Vec<Claim>,
}

/// Answers a call by `respond`, unless its key was answered before.
pub(super) async fn once(call: &Call, query: &str, respond: impl AsyncFnOnce() -> Response) -> Response {
    if let Some(key) = &call.controls.idempotency_key {
        let mut claim = Claim::new(&caller(call, query), key, asked(call), &call.arrival.id);
        match wait(call, &mut claim).await {
            Ok(Some(Standing::Answered { by, answer, .. })) => {
                return replayed(call, &by, &answer, &[("idempotent-replayed", "true")]);
            }
            Ok(Some(_)) => hold(call, claim),
            // Nobody is there to read it.
            Ok(None) => {
                call.meter.settle(Finish::client_left(Metered::default()));
                return call.arrival.head().empty(204);
            }
            Err(error) => {
                call.meter.settle(Finish::refused(&error, End::Done));
                return call.arrival.refuse(&error);
            }
        }
    }
    let response = respond().await;
    let Some(copy) = call.copy.get() else { return response };
    let values = NAMES.with(|names| wire::pick(&response.headers(), names));
    copy.0.borrow_mut().head = Some((response.status(), values));
    let copied = settled(&call.wire.copied(&response, replay::MAXIMUM as f64)).await;
    copied.map_or_else(|_| Response::error(), JsCast::unchecked_into)
}

/// Whether a call of this key may want an answer of before.
pub(super) fn may_be_cached(arrival: &Arrival, key: &Key) -> bool {
    key.policy.cache_seconds.is_some() || arrival.headers.get("x-edgeway-cache").is_some()
}

/// The answer that the cache has for a call which its limits let pass. Where another call fetches it, that is waited for; where
/// nobody does, the copy of this call's will be it.
pub(super) async fn cached(
    call: &Call,
    compiled: &Rc<Compiled>,
    candidates: &[Candidate],
) -> Option<Response> {
    let key = &call.compiled.snapshot.key;
    // Keys that a caller brings for this call are of an account of its own.
    let is_usual = call.upload.is_none() && Rc::ptr_eq(compiled, &call.compiled);
    if !is_usual || !may_be_cached(&call.arrival, key) {
        return None;
    }
    let providers = &compiled.snapshot.providers;
    let mut targets: Vec<String> = candidates
        .iter()
        .filter_map(|each| Some(format!("{}\n{}\n", providers.get(each.provider)?.id, each.model)))
        .collect();
    targets = sorted_by(targets, Ord::cmp);
    let headers: String = ["anthropic-version", "anthropic-beta", "openai-beta", "x-edgeway-strict"]
        .iter()
        .map(|name| call.arrival.headers.get(name).unwrap_or_default() + "\n")
        .collect();
    let scope = Scope { owner: &call.owner, key, targets: &targets.concat(), headers: &headers };
    let mut claim = cache::claim(call.controls.cache, scope, asked(call), &call.arrival.id, call.arrival.at)?;
    match wait(call, &mut claim).await {
        Ok(Some(Standing::Answered { by, at, answer })) => {
            let age = (now().since(at).0 / 1_000).max(0).to_string();
            return Some(replayed(call, &by, &answer, &[("x-edgeway-cache", "hit"), ("age", &age)]));
        }
        Ok(Some(_)) => hold(call, claim),
        Ok(None) => {}
        // A call that waits for too long, or that no database answers, goes by itself.
        Err(error) if error.status == 409 => {}
        Err(error) => worker::console_error!("the cache does not answer: {error}"),
    }
    call.is_miss.set(true);
    None
}

/// An `Idempotency-Key` is its caller's: the gateway key, whatever its text after a rotation, or whatever else was sent as one.
fn caller(call: &Call, query: &str) -> String {
    let key = &call.compiled.snapshot.key;
    if !key.id.is_empty() {
        return key.id.clone();
    }
    let credential = gateway::credential(|name| call.arrival.headers.get(name), query);
    credential.map_or_else(|| key.user_id.clone(), |credential| sha256_hex(credential.reveal()))
}

fn asked(call: &Call) -> Asked<'_> {
    let accepted = &call.accepted;
    Asked {
        endpoint: accepted.endpoint.as_str(),
        model: &accepted.model,
        stream: accepted.asked.stream,
        body: &call.body,
    }
}

/// Waits for this call's turn, or for the answer of the one before it; `None` where the client does not.
async fn wait(call: &Call, claim: &mut Claim) -> Result<Option<Standing>, ApiError> {
    let database = Database::open(&call.arrival.env)?;
    let since = now();
    loop {
        let standing = claim.make(&database, now()).await?;
        let is_own = standing == Standing::Own;
        let is_sendable = call.upload.as_ref().is_none_or(|upload| upload.replays());
        if is_own && !(call.wire.left() || is_sendable) {
            claim.end(&database, None, now()).await?;
            return Err(replay::unsent());
        }
        if call.wire.left() {
            if is_own {
                claim.end(&database, None, now()).await?;
            }
            return Ok(None);
        }
        match &call.upload {
            // Whether another call was the same is to be seen only by all of this one.
            Some(upload) if !is_own && claim.form.is_none() => {
                claim.form = upload.whole().await?;
                if claim.form.is_none() {
                    return Ok(None);
                }
            }
            _ if standing != Standing::Waits => return Ok(Some(standing)),
            _ => sleep(replay::pause(now().since(since))?).await,
        }
    }
}

/// Holds a claim until the client has the whole answer.
fn hold(call: &Call, claim: Claim) {
    if let Some(copy) = call.copy.get() {
        copy.0.borrow_mut().claims.push(claim);
        return;
    }
    let copy = AnswerCopy::default();
    copy.0.borrow_mut().claims.push(claim);
    let _ = call.copy.set(copy.clone()); // there is none, see above
    let (arrival, meter, bytes) = (call.arrival.clone(), call.meter.clone(), call.wire.copy());
    let upload = call.upload.clone();
    behind_the_answer(&call.arrival.context, async move {
        let Ok(database) = Database::open(&arrival.env) else { return };
        let renewal = async {
            loop {
                sleep(replay::RENEWAL).await;
                let claims = copy.0.borrow().claims.clone();
                for mut claim in claims {
                    claim.form = claim.form.or_else(|| upload.as_ref()?.hashed());
                    if let Err(error) = claim.renew(&database, now()).await {
                        worker::console_error!("a claim of call {} is not renewed: {error}", arrival.id);
                    }
                }
            }
        };
        let bytes = match select(settled(&bytes), pin!(renewal)).await {
            Either::Left((bytes, _)) => bytes.ok(),
            Either::Right((never, _)) => never,
        };
        let Copied { head, claims } = copy.0.take();
        let bytes = bytes.and_then(|bytes| bytes.dyn_into::<js_sys::Uint8Array>().ok());
        let mut is_whole = meter.end() == Some(End::Done);
        let mut form = None;
        if let Some(upload) = &upload {
            // An upstream may have answered before all of it had come.
            upload.drain().await;
            form = upload.hashed();
            is_whole &= form.is_some();
        }
        let answer = bytes.zip(head).filter(|_| is_whole).map(|(bytes, (status, values))| Answer {
            status,
            headers: headers(&values),
            body: bytes.to_vec(),
        });
        for mut claim in claims {
            claim.form = claim.form.or_else(|| form.clone());
            end(&database, &claim, answer.as_ref(), &arrival.id).await;
        }
    });
}

async fn end(database: &Database, claim: &Claim, answer: Option<&Answer>, id: &str) {
    if claim.end(database, answer, now()).await.is_err() {
        sleep(AGAIN).await;
        if let Err(error) = claim.end(database, answer, now()).await {
            worker::console_error!("the answer of call {id} is not kept: {error}");
        }
    }
}

/// What [`HEADERS`] are, a line each.
fn headers(values: &str) -> Vec<(String, String)> {
    let pairs = HEADERS.iter().zip(values.lines()).filter(|(_, value)| !value.is_empty());
    pairs.map(|(name, value)| ((*name).to_owned(), value.to_owned())).collect()
}

/// The answer again, which costs nothing: in the log the call is marked as a replay.
fn replayed(call: &Call, by: &str, answer: &Answer, marks: &[(&str, &str)]) -> Response {
    let head = call.head();
    let kept = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in kept.chain(marks.iter().copied()) {
        head.set(name, value);
    }
    head.set("x-edgeway-replay-of", by);
    head.set("x-edgeway-overhead-ms", &now().since(call.arrival.at).0.to_string());
    if !answer.headers.iter().any(|(_, value)| value.starts_with("text/event-stream")) {
        head.set("x-edgeway-cost", "0");
    }
    call.meter.trace(|trace| {
        trace.metadata([(&"replay_of".to_owned(), &by.to_owned())]);
        trace.first_content(now());
        trace.response_body(&answer.body);
    });
    call.meter.settle(Finish::answered(answer.status, Metered::default()));
    head.buffer(answer.status, &js_sys::Uint8Array::from(answer.body.as_slice()))
}

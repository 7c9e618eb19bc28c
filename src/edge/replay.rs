//! Calls with an `Idempotency-Key` at the edge: one of them goes upstream, and the others get what it got.

use super::clock::{now, sleep};
use super::data_plane::Call;
use super::database::Database;
use super::task::{behind_the_answer, settled};
use super::wire;
use crate::auth::gateway;
use crate::call::replay::{self, Answer, Asked, Claim, HEADERS, Standing};
use crate::call::trace::{Finish, Metered};
use crate::error::ApiError;
use crate::log::End;
use crate::secret::sha256_hex;
use crate::time::Millis;
use futures_util::future::{Either, select};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Response;

thread_local! {
    static NAMES: js_sys::Array = HEADERS.iter().map(|name| JsValue::from_str(name)).collect();
}

/// Answers a call by `respond`, unless its key was answered before.
pub(super) async fn once(call: &Call, query: &str, respond: impl Future<Output = Response>) -> Response {
    let Some(key) = &call.controls.idempotency_key else { return respond.await };
    let claim = claim(call, query, key);
    match wait(call, &claim).await {
        Ok(Some(Standing::Answered { by, answer })) => replayed(call, &by, &answer).await,
        Ok(Some(_)) => {
            let head = begin(call, claim);
            let response = respond.await;
            *head.borrow_mut() = Some((response.status(), wire::pick(&response.headers(), &names())));
            let copied = settled(&call.wire.copied(&response, replay::MAXIMUM as f64)).await;
            copied.map_or_else(|_| Response::error(), JsCast::unchecked_into)
        }
        // Nobody is there to read it.
        Ok(None) => {
            call.meter.settle(Finish::client_left(Metered::default()));
            call.arrival.head().empty(204)
        }
        Err(error) => {
            call.meter.settle(Finish::refused(&error, End::Done));
            call.arrival.refuse(&error)
        }
    }
}

fn names() -> js_sys::Array {
    NAMES.with(Clone::clone)
}

/// A key is its caller's: the gateway key, whatever its text after a rotation, or whatever else was sent as one.
fn claim(call: &Call, query: &str, key: &str) -> Claim {
    let gateway_key = &call.compiled.snapshot.key;
    let caller = if gateway_key.id.is_empty() {
        let credential = gateway::credential(|name| call.arrival.headers.get(name), query);
        credential.map_or_else(|| gateway_key.user_id.clone(), |credential| sha256_hex(credential.reveal()))
    } else {
        gateway_key.id.clone()
    };
    let accepted = &call.accepted;
    let asked = Asked {
        endpoint: accepted.endpoint.as_str(),
        model: &accepted.model,
        stream: accepted.asked.stream,
        body: &call.body,
    };
    Claim::new(&caller, key, asked, &call.arrival.id)
}

/// Waits for this call's turn, or for the answer of the one before it; `None` where the client does not.
async fn wait(call: &Call, claim: &Claim) -> Result<Option<Standing>, ApiError> {
    let database = Database::open(&call.arrival.env)?;
    let since = now();
    loop {
        let standing = claim.make(&database, now()).await?;
        if call.wire.left() {
            if standing == Standing::Own {
                claim.end(&database, None, now()).await?;
            }
            return Ok(None);
        }
        if standing != Standing::Waits {
            return Ok(Some(standing));
        }
        sleep(replay::pause(now().since(since))?).await;
    }
}

/// What the answer's status and headers are, once it is there.
type Head = Rc<RefCell<Option<(u16, String)>>>;

/// Holds the claim until the client has the whole answer, and then keeps that or gives the claim up.
fn begin(call: &Call, claim: Claim) -> Head {
    let head = Head::default();
    let (arrival, meter, copy, head_of_task) =
        (call.arrival.clone(), call.meter.clone(), call.wire.copy(), head.clone());
    behind_the_answer(&call.arrival.context, async move {
        let Ok(database) = Database::open(&arrival.env) else { return };
        let renewal = async {
            loop {
                sleep(replay::RENEWAL).await;
                if let Err(error) = claim.renew(&database, now()).await {
                    worker::console_error!("the claim of call {} is not renewed: {error}", arrival.id);
                }
            }
        };
        let copied = match select(settled(&copy), pin!(renewal)).await {
            Either::Left((copied, _)) => copied.ok(),
            Either::Right((never, _)) => never,
        };
        let body = copied.and_then(|copy| copy.dyn_into::<js_sys::Uint8Array>().ok());
        let answer = body.zip(head_of_task.take()).and_then(|(body, (status, values))| {
            let headers = headers(&values);
            let was_sent = headers.iter().any(|(name, _)| name == "x-edgeway-provider");
            let is_whole = meter.end() == Some(End::Done);
            (is_whole && replay::is_final(status, was_sent)).then(|| Answer {
                status,
                headers,
                body: body.to_vec(),
            })
        });
        for pause in [Some(Millis(500)), None] {
            match (claim.end(&database, answer.as_ref(), now()).await, pause) {
                (Ok(()), _) => return,
                (Err(_), Some(pause)) => sleep(pause).await,
                (Err(error), None) => {
                    worker::console_error!("the answer of call {} is not kept: {error}", arrival.id);
                }
            }
        }
    });
    head
}

/// What [`HEADERS`] are, a line each.
fn headers(values: &str) -> Vec<(String, String)> {
    let pairs = HEADERS.iter().zip(values.lines()).filter(|(_, value)| !value.is_empty());
    pairs.map(|(name, value)| ((*name).to_owned(), value.to_owned())).collect()
}

/// The answer again, which costs nothing: in the log the call is marked as a replay.
async fn replayed(call: &Call, by: &str, answer: &Answer) -> Response {
    if let Some(upload) = &call.upload {
        upload.drain().await;
    }
    let head = call.arrival.head();
    for (name, value) in &answer.headers {
        head.set(name, value);
    }
    head.set("idempotent-replayed", "true");
    head.set("x-edgeway-replay-of", by);
    head.set("x-edgeway-overhead-ms", &now().since(call.arrival.at).0.to_string());
    if !answer.headers.iter().any(|(_, value)| value.starts_with("text/event-stream")) {
        head.set("x-edgeway-cost", "0");
    }
    call.meter.trace(|trace| {
        trace.metadata(&BTreeMap::from([("replay_of".to_owned(), by.to_owned())]));
        trace.first_content(now());
        trace.response_body(&answer.body);
    });
    call.meter.settle(Finish::answered(answer.status, Metered::default()));
    head.buffer(answer.status, &js_sys::Uint8Array::from(answer.body.as_slice()))
}

//! Upstreams: why one gave no answer, and the plain requests beside calls: for lists of models, for counts of tokens.

use super::settings::Remote;
use crate::error::ApiError;
use crate::provider::outbound::Target;
use crate::route::retry::{Deadline, Failure};
use crate::time::Millis;
use crate::usage::Reported;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Response};

#[wasm_bindgen(module = "/src/edge/workers-ai.js")]
extern "C" {
    #[wasm_bindgen(js_name = reach, catch)]
    fn fetch(url: &js_sys::JsString, init: &web_sys::RequestInit) -> Result<js_sys::Promise, JsValue>;
}

/// Why an attempt did not give an answer.
pub(super) enum Setback {
    /// The upstream failed.
    Failed {
        /// What the core needs to know.
        failure: Failure,
        /// The upstream's or the platform's own words.
        detail: String,
        /// The upstream's refusal, to be handed on where the fault is the caller's own, and its body.
        answer: Option<(Response, Vec<u8>)>,
        /// What it said that it used, which it may bill.
        used: Option<Box<Reported>>,
    },
    /// The request itself cannot be served by this target, and that is the caller's to mend.
    Invalid(ApiError),
    /// The client went away.
    ClientLeft,
}

impl Setback {
    /// The same, of an upstream that has said what it used.
    pub(super) fn having_used(self, reported: Option<Reported>) -> Setback {
        match self {
            Setback::Failed { failure, detail, answer, .. } => {
                Setback::Failed { failure, detail, answer, used: reported.map(Box::new) }
            }
            other => other,
        }
    }

    /// The upstream failed without saying anything that could be handed on.
    pub(super) fn failed(failure: Failure, detail: impl Into<String>) -> Setback {
        Setback::Failed { failure, detail: detail.into(), answer: None, used: None }
    }
}

/// A promise was rejected, or one of the platform's objects could not be made.
impl From<JsValue> for Setback {
    fn from(error: JsValue) -> Setback {
        Setback::failed(Failure::Connection, reason(&error))
    }
}

/// What a GET brought.
pub(super) struct Fetched {
    /// HTTP status.
    pub(super) status: u16,
    /// The server's mark of this version.
    pub(super) etag: Option<String>,
    /// The body, or as much of it as was allowed.
    pub(super) body: Vec<u8>,
}

/// A GET with a deadline, and at most `limit` bytes of the body; the error is a sentence.
pub(super) async fn get(
    url: &str,
    headers: &[(String, String)],
    deadline: Millis,
    limit: u32,
) -> Result<Fetched, String> {
    send(&Remote::get(url, headers), deadline, limit).await
}

/// A small POST that is no call to a model, with a deadline; the error is a sentence.
pub(super) async fn post(
    target: &Target,
    body: &[u8],
    deadline: Millis,
    limit: u32,
) -> Result<Fetched, String> {
    let remote = Remote::post(target, None);
    remote.init.set_body(&js_sys::Uint8Array::from(body));
    send(&remote, deadline, limit).await
}

/// An exchange with a deadline, and at most `limit` bytes of the body; the error is a sentence.
pub(super) async fn send(remote: &Remote, deadline: Millis, limit: u32) -> Result<Fetched, String> {
    let span = u32::try_from(deadline.0).unwrap_or(u32::MAX);
    remote.init.set_signal(Some(&AbortSignal::timeout_with_u32(span)));
    let exchange = async {
        let response: Response = JsFuture::from(fetch(&remote.url, &remote.init)?).await?.unchecked_into();
        let buffer = JsFuture::from(response.array_buffer()?).await?;
        let bytes = js_sys::Uint8Array::new(&buffer);
        Ok(Fetched {
            status: response.status(),
            etag: response.headers().get("etag").ok().flatten(),
            body: bytes.subarray(0, bytes.length().min(limit)).to_vec(),
        })
    };
    exchange.await.map_err(|error: JsValue| {
        let is_timeout = error.dyn_ref::<js_sys::Error>().is_some_and(|error| error.name() == "TimeoutError");
        let failure = if is_timeout { Failure::Timeout(Deadline::Total) } else { Failure::Connection };
        format!("the provider {}", failure.describe())
    })
}

/// The platform's own words for a failed connection; they name no address.
pub(super) fn reason(error: &JsValue) -> String {
    let message = error.dyn_ref::<js_sys::Error>().map(|error| String::from(error.message()));
    message.unwrap_or_else(|| "the connection failed".into()).chars().take(200).collect()
}

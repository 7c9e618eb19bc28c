//! The demo provider's answers, as if an upstream had sent them: built here, without a network.

use super::clock::{now, sleep};
use super::response::{Head, streamed};
use crate::dialect::Endpoint;
use crate::provider::demo::{self, Answer};
use crate::sse;
use crate::time::Millis;
use wasm_bindgen::JsValue;
use web_sys::{ReadableStream, Response};

/// Between two events of a stream: fast enough not to bore, slow enough to be seen to stream.
const PACE: Millis = Millis(4);

/// Answers a body as the demo provider does.
pub(super) fn answer(endpoint: Endpoint, body: &[u8], id: &str) -> Result<Response, JsValue> {
    let head = Head::new();
    let (status, body) = match demo::answer(endpoint, body, id, now()) {
        Answer::Events(events) => {
            head.set("content-type", "text/event-stream");
            return Ok(head.stream(200, &paced(events)?));
        }
        Answer::Json(body) => (200, body),
        Answer::Refused(body) => (400, body),
    };
    head.set("content-type", "application/json");
    Ok(head.text(status, &body.to_string()))
}

/// A stream of these events, one each [`PACE`].
fn paced(events: Vec<String>) -> Result<ReadableStream, JsValue> {
    streamed(futures_util::stream::unfold(events.into_iter(), |mut events| async {
        let event = events.next()?;
        sleep(PACE).await;
        Some((Ok(sse::data(event.as_bytes())), events))
    }))
}

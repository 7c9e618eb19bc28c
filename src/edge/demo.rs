//! The demo provider's answers, as if an upstream had sent them: built here, without a network.

use super::clock::{now, sleep};
use super::response::streamed;
use super::wire::{Reader, Reply};
use crate::dialect::Endpoint;
use crate::provider::demo::{self, Answer};
use crate::sse;
use crate::time::Millis;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::ReadableStream;

/// Between two events of a stream: fast enough not to bore, slow enough to be seen to stream.
const PACE: Millis = Millis(4);

/// Answers a body as the demo provider does.
pub(super) fn answer(endpoint: Endpoint, body: &[u8], stream: bool, id: &str) -> Result<Reply, JsValue> {
    let (status, body) = match demo::answer(endpoint, body, id, now()) {
        Answer::Events(events) if stream => {
            let reader: Reader = paced(events)?.get_reader().unchecked_into();
            return Ok(Reply::events(&reader));
        }
        Answer::Events(events) => (200, serde_json::Value::from(events)),
        Answer::Json(body) => (200, body),
        Answer::Refused(body) => (400, body),
    };
    Ok(Reply::whole(status, body.to_string().as_bytes()))
}

/// A stream of these events, one each [`PACE`].
fn paced(events: Vec<String>) -> Result<ReadableStream, JsValue> {
    streamed(futures_util::stream::unfold(events.into_iter(), |mut events| async {
        let event = events.next()?;
        sleep(PACE).await;
        Some((Ok(sse::data(event.as_bytes())), events))
    }))
}

//! Exports the spans of calls that were just stored, behind their answers and behind the log.
//!
//! Whatever the collector does, nothing waits for it but this: what it does not take in a few tries is dropped, and then it is
//! left alone for a while, so that one that is down does not hold up the queue.

use super::clock::{now, sleep};
use super::{isolate, upstream};
use crate::log::otlp;
use crate::provider::outbound::Target;
use crate::time::Millis;
use js_sys::JsString;
use std::cell::Cell;
use worker::Env;

/// How long the collector may take, each time.
const DEADLINE: Millis = Millis(5_000);
/// Pauses between tries.
const PAUSES: [Millis; 2] = [Millis(500), Millis(2_000)];
/// How long it is left alone after the last of them.
const REST: Millis = Millis(30_000);

thread_local! {
    static RESTS_UNTIL: Cell<Millis> = const { Cell::new(Millis(0)) };
}

/// Exports the calls in rows as the log stores them, a JSON array, where that is configured.
pub(super) async fn export(env: &Env, rows: &JsString) {
    let Ok(variables) = isolate::current().variables(env) else { return };
    let Some(telemetry) = &variables.telemetry else { return };
    if now() < RESTS_UNTIL.get() {
        return;
    }
    let Some(body) = otlp::export(&String::from(rows), &telemetry.service) else { return };
    let own = telemetry.headers.iter().map(|(name, value)| (name.clone(), value.reveal().to_owned()));
    let headers = own.chain([("content-type".into(), "application/json".into())]).collect();
    let target = Target { url: telemetry.url.clone(), headers };
    for pause in PAUSES.iter().map(Some).chain([None]) {
        let problem = match upstream::post(&target, body.as_bytes(), DEADLINE, 0).await {
            Ok(answer) if (200..300).contains(&answer.status) => return,
            Ok(answer) => Err(answer.status),
            Err(_) => Ok(()),
        };
        // Those alone are worth another try: https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes
        match (problem, pause) {
            (Ok(()) | Err(429 | 502..=504), Some(pause)) => sleep(*pause).await,
            _ => {
                worker::console_error!("the collector of spans does not take them: {problem:?}");
                RESTS_UNTIL.set(now().plus(REST));
                return;
            }
        }
    }
}

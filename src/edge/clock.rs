//! Time and chance: the clock, timers, and random bytes that the core takes as arguments.

use super::task::settled;
use crate::time::Millis;
use std::cell::Cell;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = Date, js_name = now)]
    fn date_now() -> f64;
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &js_sys::Function, delay: f64) -> f64;
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(id: f64);
}

#[wasm_bindgen(module = "/src/edge/wire.js")]
extern "C" {
    fn after(ms: f64) -> js_sys::Promise;
}

/// The current time. On the deployed platform it stands still between I/O.
#[allow(clippy::cast_possible_truncation, reason = "milliseconds since 1970 fit far below 2^53")]
pub(super) fn now() -> Millis {
    Millis(date_now() as i64)
}

/// Waits so long.
#[allow(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
pub(super) async fn sleep(span: Millis) {
    let _ = settled(&after(span.0 as f64)).await; // it only ever fulfils
}

/// A timer that calls a closure; it is cleared when dropped.
pub(super) struct Timer {
    id: Cell<f64>,
    callback: Closure<dyn FnMut()>,
}

impl Timer {
    /// Not armed yet.
    pub(super) fn new(callback: impl FnMut() + 'static) -> Timer {
        Timer { id: Cell::new(0.0), callback: Closure::new(callback) }
    }

    /// Calls the closure once after `span`, instead of whenever it was to be called.
    #[allow(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
    pub(super) fn arm(&self, span: Millis) {
        self.disarm();
        // Beyond 2^31 − 1 ms a timer fires at once; a day is longer than any call.
        let delay = span.0.clamp(0, Millis::DAY.0) as f64;
        self.id.set(set_timeout(self.callback.as_ref().unchecked_ref(), delay));
    }

    /// Calls nothing.
    pub(super) fn disarm(&self) {
        let id = self.id.replace(0.0);
        if id != 0.0 {
            clear_timeout(id);
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.disarm();
    }
}

/// Random bytes from the platform's cryptographic source, for secrets.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// The same, into a buffer.
pub(super) fn fill(bytes: &mut [u8]) {
    // The platform's source does not fail inside an event; if it ever does, nothing made of zeros may pass for a secret.
    if getrandom::fill(bytes).is_err() {
        wasm_bindgen::throw_str("the platform gives no randomness");
    }
}

/// A fast generator (`SplitMix64`) for what need not be unguessable: request ids, jitter, weights.
pub(super) struct Dice(Cell<u64>);

impl Dice {
    /// Seeded once from the cryptographic source.
    pub(super) fn new() -> Dice {
        Dice(Cell::new(u64::from_le_bytes(random())))
    }

    /// The next number.
    pub(super) fn roll(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A new request or row id.
    pub(super) fn id(&self, now: Millis) -> String {
        let [a, b, c, d, e, f, g, h] = self.roll().to_le_bytes();
        let [i, j, ..] = self.roll().to_le_bytes();
        crate::identifier::new_id(now, [a, b, c, d, e, f, g, h, i, j])
    }
}

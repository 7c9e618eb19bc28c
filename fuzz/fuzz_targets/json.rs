//! Scans and splices of JSON.
#![no_main]

#[path = "../../tests/support/feed.rs"]
#[allow(dead_code, reason = "each target has its part of it")]
mod feed;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    feed::json(bytes);
});

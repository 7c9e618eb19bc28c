//! Server-sent events.
#![no_main]

#[path = "../../tests/support/feed.rs"]
#[allow(dead_code, reason = "each target has its part of it")]
mod feed;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (size, bytes) = bytes.split_first().map_or((1, bytes), |(size, rest)| (usize::from(*size), rest));
    feed::events(bytes, size);
});

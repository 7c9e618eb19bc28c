//! Requests, answers, errors and streams of Gemini, for all other dialects.
#![no_main]

#[path = "../../tests/support/feed.rs"]
#[allow(dead_code, reason = "each target has its part of it")]
mod feed;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // The first byte says in pieces of which size a stream comes.
    let (size, bytes) = bytes.split_first().map_or((1, bytes), |(size, rest)| (usize::from(*size), rest));
    let dialect = edgeway::conversation::Dialect::Gemini;
    feed::request(dialect, bytes);
    feed::answer(dialect, bytes);
    feed::stream(dialect, bytes, size);
});

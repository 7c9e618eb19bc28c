//! Streams: the bytes of one that passes are only watched, those of others go into the hub and out of it.
//!
//! Each event that passes is scanned once for the few members that matter; no tree is built and nothing is allocated unless
//! bytes must change. The text that passes is weighed on the way, which costs less than keeping it for an upstream that
//! reports no usage.
//!
//! ```
//! use edgeway::dialect::chat::stream::Watch;
//! use edgeway::dialect::relay::{End, Pushed, Relay};
//!
//! let mut relay = Relay::new(Box::new(Watch::new(true)));
//! let text = br#"data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}"#;
//! let (first, second) = text.split_at(20);
//! assert_eq!(relay.push(first)?, Pushed::Nothing);
//! assert_eq!(relay.push(second)?, Pushed::Nothing);
//! assert_eq!(relay.push(b"\n\n")?, Pushed::Bytes([&text[..], b"\n\n"].concat()));
//! let usage = br#"data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#;
//! assert_eq!(relay.push(&[&usage[..], b"\n\n"].concat())?, Pushed::Nothing, "the client did not ask for it");
//! assert_eq!(relay.seen().usage.map(|reported| reported.usage.total_input()), Some(3));
//! assert_eq!(relay.finish(), (End::Complete, b"data: [DONE]\n\n".to_vec()), "which the upstream left out");
//! # Ok::<(), edgeway::sse::TooLarge>(())
//! ```

mod decode;
mod encode;
mod watch;

use crate::conversation::StreamError;
use crate::json::json;
use crate::sse;
pub use decode::Decoder;
pub use encode::Encoder;
pub use watch::Watch;

/// What ends a stream that is complete.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// Writes an error after the stream has begun, as OpenAI's clients understand it; [`DONE`] never follows it.
pub(in crate::dialect) fn push_error(error: &StreamError, out: &mut Vec<u8>) {
    let kind = match error.status.unwrap_or(500) {
        401 => "authentication_error",
        402 => "insufficient_quota",
        403 => "permission_error",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    };
    let body = json!({ "error": {
        "message": error.message, "type": kind, "param": null, "code": error.code,
    } });
    out.extend(sse::data(body.to_string().as_bytes()));
}

#[cfg(test)]
mod tests;

//! A `GenerateContentResponse`: what is read of it in passing, and from and to the hub.
//!
//! ```
//! use edgeway::conversation::StopReason;
//! use edgeway::dialect::gemini::response::decode;
//!
//! let body = br#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":4}}"#;
//! let response = decode(body)?;
//! assert_eq!(response.choices[0].stop, Some(StopReason::ContentFilter));
//! # Ok::<(), edgeway::dialect::InvalidBody>(())
//! ```

mod citations;
mod decode;
mod encode;
mod logprobs;
mod read;
mod stop;
mod usage;

pub(super) use citations::{Grounding, Segments, Told, metadata};
pub use decode::decode;
pub use encode::encode;
pub(super) use logprobs::{from_gemini as logprobs_from_gemini, to_gemini as logprobs_to_gemini};
pub use read::read;
pub(super) use read::{add_parts, has_parts, is_error};
pub(super) use stop::{is_blocked, read as read_stop, written as written_stop};
pub(super) use usage::{encode as encode_usage, of_value as usage_of_value, reported};

#[cfg(test)]
mod tests;

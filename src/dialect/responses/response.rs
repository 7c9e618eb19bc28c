//! An answer: what it says of its cost, and its way into the hub and out of it.
//!
//! ```
//! use edgeway::conversation::Losses;
//! use edgeway::dialect::responses::response::{decode, encode, read};
//! use edgeway::dialect::translate::Reply;
//!
//! let body = br#"{"id":"resp_1","output":[{"type":"message","id":"msg_1","role":"assistant","status":"completed",
//!     "content":[{"type":"output_text","text":"Hi","annotations":[]}]}],"usage":{"input_tokens":3,"output_tokens":1}}"#;
//! assert_eq!(read(body)?.usage.map(|reported| reported.usage.total_input()), Some(3));
//! let answer = encode(decode(body)?, &Reply::default(), &mut Losses::default());
//! let answer: serde_json::Value = serde_json::from_slice(&answer)?;
//! assert_eq!(answer["output"][0]["content"][0]["text"], "Hi");
//! assert_eq!(answer["tool_choice"], "auto");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod decode;
pub(super) mod encode;
pub(super) mod object;
mod read;
pub(super) mod usage;

pub use decode::decode;
pub use encode::encode;
pub use read::read;
pub use usage::reported;

#[cfg(test)]
mod tests;

//! A request: what it asks for, the few bytes that the gateway changes, and its way into the hub and out of it.
//!
//! ```
//! use edgeway::conversation::Losses;
//! use edgeway::dialect::responses::request::{decode, encode};
//! use edgeway::dialect::translate::Target;
//!
//! let request = decode(br#"{"model":"fast","input":"Hi","instructions":"Be brief.","truncation":"auto"}"#)?;
//! assert_eq!((request.messages.len(), request.instructions.len()), (1, 1));
//! let body = encode(request, &Target { model: "gpt-5", ..Target::default() }, &mut Losses::default());
//! assert_eq!(
//!     String::from_utf8(body)?,
//!     r#"{"model":"gpt-5","instructions":"Be brief.","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"Hi"}]}],"truncation":"auto"}"#,
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod decode;
mod encode;
mod name;
mod namespaces;
mod peek;

pub use decode::decode;
pub use encode::encode;
pub use name::name_of;
pub use namespaces::{Namespaces, open_namespaces};
pub use peek::{Peek, Rewrite, peek, rewrite};

/// What `include` calls the provider's reasoning state.
const REASONING_STATE: &str = "reasoning.encrypted_content";
/// What `include` calls log probabilities.
const LOGPROBS: &str = "message.output_text.logprobs";

#[cfg(test)]
mod tests;

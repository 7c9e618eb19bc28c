//! A `generateContent` request: what is read of it in passing, and from and to the hub.
//!
//! ```
//! use edgeway::conversation::{Losses, Role};
//! use edgeway::dialect::gemini::request::{decode, encode};
//! use edgeway::dialect::translate::Target;
//!
//! let body = br#"{"contents":{"parts":{"text":"Hi"}},"generation_config":{"max_output_tokens":5}}"#;
//! let request = decode(body, "gemini-3-pro", false)?;
//! assert_eq!(request.messages[0].role, Role::User);
//! assert_eq!(request.settings.max_output_tokens, Some(5));
//! let target = Target { model: "gemini-3-pro", ..Target::default() };
//! assert_eq!(
//!     String::from_utf8(encode(request, &target, &mut Losses::default()))?,
//!     r#"{"contents":[{"role":"user","parts":[{"text":"Hi"}]}],"generationConfig":{"maxOutputTokens":5}}"#,
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod call_ids;
mod chunks;
mod decode;
mod encode;
mod name;
mod peek;
mod rewrite;
mod schema;
mod settings;
mod thinking;
mod tools;
mod turns;

pub use decode::decode;
pub use encode::encode;
pub use name::name_of;
pub use peek::{Peek, peek};
pub use rewrite::{Rewrite, rewrite};

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

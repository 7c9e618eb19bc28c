//! The few bytes of a request that the gateway changes where the upstream speaks this dialect, too.
//!
//! ```
//! use edgeway::dialect::messages::request::{Rewrite, peek, rewrite};
//!
//! let body = br#"{"model":"fast","system":"Be kind.","messages":[{"role":"user","content":"Hi"}]}"#;
//! let wanted = Rewrite { model: Some("claude-haiku-4-5"), system_prompt: Some("Be brief.") };
//! let out = rewrite(body, &peek(body)?, &wanted);
//! assert_eq!(
//!     std::str::from_utf8(&out)?,
//!     r#"{"model":"claude-haiku-4-5","system":"Be brief.\n\nBe kind.","messages":[{"role":"user","content":"Hi"}]}"#,
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use super::Peek;
use crate::json::{self, Edit, Raw};
use std::borrow::Cow;
use std::ops::Range;

/// What is to be changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewrite<'a> {
    /// The name that the upstream knows the model by.
    pub model: Option<&'a str>,
    /// Instructions in front of the client's own `system`.
    pub system_prompt: Option<&'a str>,
}

/// The body with these changes; borrowed where nothing changes. `peek` must be of this body.
#[must_use]
pub fn rewrite<'b>(body: &'b [u8], peek: &Peek, rewrite: &Rewrite<'_>) -> Cow<'b, [u8]> {
    let places = &peek.places;
    let mut edits: Vec<Edit<'_>> = Vec::new();
    // The object has a member, `messages` at least, so what goes in front of it takes a comma.
    let write = |place: Option<&Range<usize>>, name: &str, value: String| match place {
        Some(range) => Edit::new(range.clone(), value),
        None => Edit::new(places.inside..places.inside, format!("\"{name}\":{value},")),
    };
    if let Some(model) = rewrite.model.filter(|model| peek.asked.model.as_deref() != Some(*model)) {
        edits.push(write(places.model.as_ref(), "model", json::quote(model)));
    }
    if let Some(prompt) = rewrite.system_prompt {
        let system = places.system.clone().and_then(|range| {
            let bytes = body.get(range.clone())?;
            Some(Raw { bytes, start: range.start }).filter(|system| !system.is_blank())
        });
        edits.push(match system {
            // Blocks keep their places in the cache of the provider; a string becomes a longer one.
            Some(blocks) if blocks.is_array() => {
                let block = format!("{{\"type\":\"text\",\"text\":{}}},", json::quote(prompt));
                Edit::new(blocks.start + 1..blocks.start + 1, block)
            }
            Some(text) => {
                let quoted = json::quote(&format!("{prompt}\n\n"));
                let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
                Edit::new(text.start + 1..text.start + 1, inner.unwrap_or_default().to_owned())
            }
            None => write(places.system.as_ref(), "system", json::quote(prompt)),
        });
    }
    if edits.is_empty() { Cow::Borrowed(body) } else { Cow::Owned(json::splice(body, edits)) }
}

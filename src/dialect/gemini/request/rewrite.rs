//! The few bytes of a request that the gateway changes where the upstream speaks Gemini, too.

use super::peek::{Peek, System};
use crate::json::{self, Edit};
use std::borrow::Cow;

/// What is to be changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewrite<'a> {
    /// The name that the upstream knows the model by. It goes into the path; here only where the client repeated it.
    pub model: Option<&'a str>,
    /// A part in front of the client's system instruction.
    pub system_prompt: Option<&'a str>,
}

/// The body with these changes; borrowed where nothing changes. `peek` must be of this body.
#[must_use]
pub fn rewrite<'b>(body: &'b [u8], peek: &Peek, rewrite: &Rewrite<'_>) -> Cow<'b, [u8]> {
    let places = &peek.places;
    let mut edits: Vec<Edit<'_>> = Vec::new();
    if let (Some(model), Some(place)) = (rewrite.model, &places.model) {
        let name = if model.contains('/') { model.to_owned() } else { format!("models/{model}") };
        edits.push(Edit::new(place.clone(), json::quote(&name)));
    }
    if let Some(prompt) = rewrite.system_prompt {
        let part = format!("{{\"text\":{}}}", json::quote(prompt));
        match &places.system {
            System::Listed(inside) => edits.push(Edit::new(*inside..*inside, format!("{part},"))),
            System::Single(only) => {
                edits.push(Edit::new(only.start..only.start, format!("[{part},")));
                edits.push(Edit::new(only.end..only.end, "]"));
            }
            System::Replaced(range) => {
                edits.push(Edit::new(range.clone(), format!("{{\"parts\":[{part}]}}")));
            }
            // The object has a member, `contents` at least, so what goes in front of it takes a comma.
            System::Absent => {
                let member = format!("\"systemInstruction\":{{\"parts\":[{part}]}},");
                edits.push(Edit::new(places.inside..places.inside, member));
            }
        }
    }
    if edits.is_empty() { Cow::Borrowed(body) } else { Cow::Owned(json::splice(body, edits)) }
}

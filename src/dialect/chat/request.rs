//! What a chat request asks for, and the few bytes of it that the gateway changes.
//!
//! ```
//! use edgeway::dialect::chat::request::{Rewrite, peek, rewrite};
//!
//! let body = br#"{"model":"fast","stream":true,"messages":[{"role":"user","content":"Hi"}]}"#;
//! let seen = peek(body)?;
//! assert_eq!((seen.asked.model.as_deref(), seen.asked.stream), (Some("fast"), true));
//! let out = rewrite(body, &seen, &Rewrite { model: Some("gpt-4o"), include_usage: true, ..Rewrite::default() });
//! assert_eq!(
//!     std::str::from_utf8(&out)?,
//!     r#"{"stream_options":{"include_usage":true},"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"Hi"}]}"#,
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod decode;
mod encode;
mod names;

use crate::dialect::{Asked, InvalidBody};
use crate::json::{self, Edit, Raw};
use crate::usage::estimate::Estimate;
pub use decode::decode;
pub use encode::encode;
pub use names::name_of;
use std::borrow::Cow;
use std::ops::Range;

/// What the gateway needs to know of a request. It goes with the body that it was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peek {
    /// What routing asks for.
    pub asked: Asked,
    places: Places,
}

/// Where in the body the changes would go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Places {
    inside: usize,
    model: Option<Range<usize>>,
    stream_options: Option<Range<usize>>,
    messages: usize,
}

/// What is to be changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewrite<'a> {
    /// The name that the upstream knows the model by.
    pub model: Option<&'a str>,
    /// Have a streamed answer end with its usage; other members of `stream_options` stay.
    pub include_usage: bool,
    /// A first message with role `system`.
    pub system_prompt: Option<&'a str>,
}

/// The fields that are read; each may be there only once.
const FIELDS: [&str; 9] = [
    "model",
    "stream",
    "stream_options",
    "messages",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "tools",
    "functions",
];

/// Reads a request.
///
/// # Errors
/// Where the body is no JSON object, or a field that is read has the wrong type.
pub fn peek(body: &[u8]) -> Result<Peek, InvalidBody> {
    let object = json::peek(body, &FIELDS)?;
    // A field that is `null` is a field that is not there, as OpenAI has it; `places` still knows where it is.
    let [model, stream, stream_options, messages, max_tokens, max_completion_tokens, n, tools, functions] =
        object.fields.map(|field| field.filter(|field| !field.is_null()));
    let [model_place, _, stream_options_place, ..] = object.fields;

    let messages =
        messages.filter(Raw::is_array).ok_or_else(|| InvalidBody::field("messages", "an array"))?;
    if messages.is_blank() {
        return Err(InvalidBody::field("messages", "an array with at least one message"));
    }
    if let Some(index) = messages.items().position(|message| !message.value.is_object()) {
        return Err(InvalidBody::field(format!("messages[{index}]"), "an object"));
    }
    let mut estimate = Estimate::default();
    estimate.add_messages(messages);
    for schema in [tools, functions].into_iter().flatten() {
        if !schema.is_array() {
            let name = if tools == Some(schema) { "tools" } else { "functions" };
            return Err(InvalidBody::field(name, "an array"));
        }
        estimate.add_schema(schema);
    }
    let include_usage = match stream_options {
        None => false,
        Some(options) if options.is_object() => {
            let wanted = options.member("include_usage").filter(|wanted| !wanted.is_null());
            boolean("stream_options.include_usage", wanted)?
        }
        Some(_) => return Err(InvalidBody::field("stream_options", "an object")),
    };
    let asked = Asked {
        model: model_name(model)?,
        stream: boolean("stream", stream)?,
        include_usage,
        max_tokens: count("max_completion_tokens", max_completion_tokens)?
            .or(count("max_tokens", max_tokens)?),
        n: count("n", n)?.unwrap_or(1).max(1),
        has_tools: [tools, functions].iter().flatten().any(|list| !list.is_blank()),
        has_images: estimate.images > 0,
        prompts: 1,
        input_tokens: estimate.tokens(),
        ..Asked::default()
    };
    Ok(Peek {
        asked,
        places: Places {
            inside: object.inside,
            model: model_place.map(|model| model.range()),
            stream_options: stream_options_place.map(|options| options.range()),
            messages: messages.start + 1,
        },
    })
}

/// The body with these changes; borrowed where nothing changes. `peek` must be of this body.
#[must_use]
pub fn rewrite<'b>(body: &'b [u8], peek: &Peek, rewrite: &Rewrite<'_>) -> Cow<'b, [u8]> {
    let places = &peek.places;
    let mut edits: Vec<Edit<'_>> = Vec::new();
    // The object has a member, `messages` at least, so what goes in front of it takes a comma.
    let insert =
        |name: &str, value: &str| Edit::new(places.inside..places.inside, format!("\"{name}\":{value},"));
    if let Some(model) = rewrite.model.filter(|model| peek.asked.model.as_deref() != Some(*model)) {
        edits.push(replace_or_insert(places.model.as_ref(), &json::quote(model), |value| {
            insert("model", value)
        }));
    }
    if rewrite.include_usage && peek.asked.stream && !peek.asked.include_usage {
        let current = places.stream_options.clone().and_then(|range| {
            let bytes = body.get(range.clone())?;
            Some(Raw { bytes, start: range.start }).filter(Raw::is_object)
        });
        edits.push(match current {
            Some(options) => match options.member("include_usage") {
                Some(wanted) => wanted.replace("true"),
                None => {
                    let comma = if options.is_blank() { "" } else { "," };
                    let inside = options.start + 1;
                    Edit::new(inside..inside, format!("\"include_usage\":true{comma}"))
                }
            },
            None => replace_or_insert(places.stream_options.as_ref(), r#"{"include_usage":true}"#, |value| {
                insert("stream_options", value)
            }),
        });
    }
    if let Some(prompt) = rewrite.system_prompt {
        let message = format!("{{\"role\":\"system\",\"content\":{}}},", json::quote(prompt));
        edits.push(Edit::new(places.messages..places.messages, message));
    }
    if edits.is_empty() { Cow::Borrowed(body) } else { Cow::Owned(json::splice(body, edits)) }
}

fn replace_or_insert(
    place: Option<&Range<usize>>,
    value: &str,
    insert: impl FnOnce(&str) -> Edit<'static>,
) -> Edit<'static> {
    match place {
        Some(range) => Edit::new(range.clone(), value.to_owned()),
        None => insert(value),
    }
}

/// `model`, shared with the other endpoints of this dialect.
pub(in crate::dialect) fn model_name(model: Option<Raw<'_>>) -> Result<Option<String>, InvalidBody> {
    let Some(model) = model else { return Ok(None) };
    let name = model.as_str().filter(|name| !name.is_empty());
    name.map(|name| Some(name.into_owned()))
        .ok_or_else(|| InvalidBody::field("model", "a string that is not empty"))
}

fn boolean(name: &str, value: Option<Raw<'_>>) -> Result<bool, InvalidBody> {
    value
        .map_or(Some(false), |value| value.as_bool())
        .ok_or_else(|| InvalidBody::field(name, "true or false"))
}

fn count(name: &str, value: Option<Raw<'_>>) -> Result<Option<u64>, InvalidBody> {
    let Some(value) = value else { return Ok(None) };
    value.as_u64().map(Some).ok_or_else(|| InvalidBody::field(name, "a whole number that is not negative"))
}

#[cfg(test)]
mod tests;

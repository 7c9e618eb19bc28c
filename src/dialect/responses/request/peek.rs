//! What a request asks for, in one pass over its bytes, and the few of them that the gateway changes.

use crate::dialect::{Asked, InvalidBody};
use crate::json::{self, Edit, Raw};
use crate::usage::estimate::Estimate;
use std::borrow::Cow;
use std::ops::Range;

/// What the gateway needs to know of a request. It goes with the body that it was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peek {
    /// What every dialect's requests say.
    pub asked: Asked,
    /// The answer that this one goes on from.
    pub previous_response_id: Option<String>,
    /// The answer is to be stored; yes unless told.
    pub store: bool,
    /// The client does not wait for the answer.
    pub background: bool,
    places: Places,
}

/// Where in the body the changes would go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Places {
    inside: usize,
    is_empty: bool,
    input: Option<Range<usize>>,
    model: Option<Range<usize>>,
    instructions: Option<Range<usize>>,
}

/// What is to be changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewrite<'a> {
    /// The name that the upstream knows the model by.
    pub model: Option<&'a str>,
    /// Instructions in front of the client's own.
    pub system_prompt: Option<&'a str>,
}

impl Peek {
    /// `input` as it stands in the body, which must be the one that this was read from.
    #[must_use]
    pub fn input<'b>(&self, body: &'b [u8]) -> Option<&'b [u8]> {
        body.get(self.places.input.clone()?)
    }
}

/// The fields that are read; each may be there only once.
const FIELDS: [&str; 9] = [
    "model",
    "stream",
    "input",
    "instructions",
    "max_output_tokens",
    "tools",
    "previous_response_id",
    "store",
    "background",
];

/// Reads a request.
///
/// # Errors
/// Where the body is no JSON object, or a field that is read has the wrong type.
pub fn peek(body: &[u8]) -> Result<Peek, InvalidBody> {
    let object = json::peek(body, &FIELDS)?;
    let [model_place, _, _, instructions_place, ..] = object.fields;
    // A field that is `null` is a field that is not there; `places` still knows where it is.
    let [model, stream, input, instructions, max_output_tokens, tools, previous, store, background] =
        object.fields.map(|field| field.filter(|field| !field.is_null()));

    let mut estimate = Estimate::default();
    if let Some(instructions) = instructions {
        string("instructions", Some(instructions))?;
        estimate.add_content(instructions);
    }
    match input {
        None => {}
        Some(text) if text.string_text().is_some() => estimate.add_content(text),
        Some(items) if items.is_array() => {
            if let Some(index) = items.items().position(|item| !item.value.is_object()) {
                return Err(InvalidBody::field(format!("input[{index}]"), "an object"));
            }
            estimate.add_messages(items);
        }
        Some(_) => return Err(InvalidBody::field("input", "a string or an array")),
    }
    if let Some(tools) = tools {
        if !tools.is_array() {
            return Err(InvalidBody::field("tools", "an array"));
        }
        estimate.add_schema(tools);
    }
    let model = string("model", model)?;
    if model.as_deref() == Some("") {
        return Err(InvalidBody::field("model", "a string that is not empty"));
    }
    Ok(Peek {
        asked: Asked {
            model,
            stream: boolean("stream", stream)?.unwrap_or(false),
            include_usage: true,
            max_tokens: count("max_output_tokens", max_output_tokens)?,
            n: 1,
            has_tools: tools.is_some_and(|tools| !tools.is_blank()),
            has_images: estimate.images > 0,
            prompts: 1,
            input_tokens: estimate.tokens(),
            ..Asked::default()
        },
        previous_response_id: string("previous_response_id", previous)?,
        store: boolean("store", store)?.unwrap_or(true),
        background: boolean("background", background)?.unwrap_or(false),
        places: Places {
            inside: object.inside,
            is_empty: object.is_empty,
            input: input.map(|input| input.range()),
            model: model_place.map(|model| model.range()),
            instructions: instructions_place.map(|instructions| instructions.range()),
        },
    })
}

/// The body with these changes; borrowed where nothing changes. `peek` must be of this body.
#[must_use]
pub fn rewrite<'b>(body: &'b [u8], peek: &Peek, rewrite: &Rewrite<'_>) -> Cow<'b, [u8]> {
    let places = &peek.places;
    let mut edits: Vec<Edit<'_>> = Vec::new();
    let mut has_members = !places.is_empty;
    // In front of all that is there, in the order of the edits.
    let mut inserted = Vec::new();
    let mut put = |place: Option<&Range<usize>>, name: &str, value: String| match place {
        Some(range) => edits.push(Edit::new(range.clone(), value)),
        None => inserted.push(format!("\"{name}\":{value}")),
    };
    if let Some(model) = rewrite.model.filter(|model| peek.asked.model.as_deref() != Some(*model)) {
        put(places.model.as_ref(), "model", json::quote(model));
    }
    if let Some(prompt) = rewrite.system_prompt {
        let own = places.instructions.as_ref().and_then(|range| body.get(range.clone()));
        let own = own.and_then(|own| own.strip_prefix(b"\"")).and_then(|own| std::str::from_utf8(own).ok());
        let quoted = json::quote(prompt);
        let value = match (quoted.strip_suffix('"'), own) {
            (Some(prompt), Some(own)) => format!("{prompt}\\n\\n{own}"),
            _ => quoted,
        };
        put(places.instructions.as_ref(), "instructions", value);
    }
    if !inserted.is_empty() {
        let mut text = inserted.join(",");
        if std::mem::take(&mut has_members) {
            text.push(',');
        }
        edits.push(Edit::new(places.inside..places.inside, text));
    }
    if edits.is_empty() { Cow::Borrowed(body) } else { Cow::Owned(json::splice(body, edits)) }
}

fn string(name: &str, value: Option<Raw<'_>>) -> Result<Option<String>, InvalidBody> {
    let Some(value) = value else { return Ok(None) };
    let text = value.as_str().ok_or_else(|| InvalidBody::field(name, "a string"))?;
    Ok(Some(text.into_owned()))
}

fn boolean(name: &str, value: Option<Raw<'_>>) -> Result<Option<bool>, InvalidBody> {
    let Some(value) = value else { return Ok(None) };
    value.as_bool().map(Some).ok_or_else(|| InvalidBody::field(name, "true or false"))
}

fn count(name: &str, value: Option<Raw<'_>>) -> Result<Option<u64>, InvalidBody> {
    let Some(value) = value else { return Ok(None) };
    value.as_u64().map(Some).ok_or_else(|| InvalidBody::field(name, "a whole number that is not negative"))
}

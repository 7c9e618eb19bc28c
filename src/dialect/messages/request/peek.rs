//! What a request asks for, read in passing.

use crate::conversation::Opaque;
use crate::dialect::{Asked, InvalidBody};
use crate::json::{self, Raw};
use crate::usage::estimate::Estimate;
use std::ops::Range;

/// What an image counts, whose size is unknown here: one as large as Claude sees it
/// (<https://platform.claude.com/docs/en/build-with-claude/vision#calculate-image-costs>).
const IMAGE_TOKENS: u64 = 1_600;
/// Role and separators around a message.
const MESSAGE_TOKENS: u64 = 4;
/// How deep results of tools may nest before they are no longer looked into.
const DEPTH: u32 = 4;

/// What the gateway needs to know of a request. It goes with the body that it was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peek {
    /// What every dialect's request says.
    pub asked: Asked,
    /// State of another provider may be in it: then it must be decoded and encoded even for an upstream of this dialect.
    pub may_have_foreign_state: bool,
    pub(super) places: Places,
}

/// Where in the body the changes would go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) inside: usize,
    pub(super) model: Option<Range<usize>>,
    pub(super) system: Option<Range<usize>>,
}

/// The fields that are read; each may be there only once.
const FIELDS: [&str; 6] = ["model", "stream", "messages", "max_tokens", "tools", "system"];

/// Reads a request, in one pass over its bytes. `max_tokens` may be absent, as it is where tokens are to be counted.
///
/// # Errors
/// Where the body is no JSON object, or a field that is read has the wrong type.
pub fn peek(body: &[u8]) -> Result<Peek, InvalidBody> {
    let object = json::peek(body, &FIELDS)?;
    let [model, stream, messages, max_tokens, tools, system] =
        object.fields.map(|field| field.filter(|field| !field.is_null()));
    let [model_place, .., system_place] = object.fields;

    let messages =
        messages.filter(Raw::is_array).ok_or_else(|| InvalidBody::field("messages", "an array"))?;
    let mut estimate = Estimate::default();
    let mut count = 0;
    for (index, message) in messages.items().enumerate() {
        if !message.value.is_object() {
            return Err(InvalidBody::field(format!("messages[{index}]"), "an object"));
        }
        count += 1;
        estimate.add_tokens(MESSAGE_TOKENS);
        if let Some(content) = message.value.member("content") {
            add_content(&mut estimate, content, DEPTH);
        }
    }
    if count == 0 {
        return Err(InvalidBody::field("messages", "an array with at least one message"));
    }
    if let Some(system) = system {
        if system.string_text().is_none() && !system.is_array() {
            return Err(InvalidBody::field("system", "a string or an array of blocks"));
        }
        add_content(&mut estimate, system, DEPTH);
    }
    if let Some(tools) = tools {
        if !tools.is_array() {
            return Err(InvalidBody::field("tools", "an array"));
        }
        estimate.add_schema(tools);
    }
    let stream = stream.map_or(Some(false), |stream| stream.as_bool());
    let max_tokens = max_tokens.map(|most| {
        most.as_u64().ok_or_else(|| InvalidBody::field("max_tokens", "a whole number that is not negative"))
    });
    let asked = Asked {
        model: crate::dialect::chat::request::model_name(model)?,
        stream: stream.ok_or_else(|| InvalidBody::field("stream", "true or false"))?,
        include_usage: true,
        max_tokens: max_tokens.transpose()?,
        n: 1,
        has_tools: tools.is_some_and(|tools| !tools.is_blank()),
        has_images: estimate.images > 0,
        prompts: 1,
        input_tokens: estimate.tokens(),
        ..Asked::default()
    };
    let places = Places {
        inside: object.inside,
        model: model_place.map(|model| model.range()),
        system: system_place.map(|system| system.range()),
    };
    Ok(Peek { asked, may_have_foreign_state: Opaque::may_be_in(body), places })
}

/// What a model reads of `content`: texts, pictures, calls and results; not ids, signatures or encoded bytes.
fn add_content(estimate: &mut Estimate, content: Raw<'_>, depth: u32) {
    if let Some(text) = content.string_text() {
        estimate.add_json_text(text);
    }
    let Some(depth) = depth.checked_sub(1) else { return };
    for block in content.is_array().then(|| content.items()).into_iter().flatten() {
        add_block(estimate, block.value, depth);
    }
}

fn add_block(estimate: &mut Estimate, block: Raw<'_>, depth: u32) {
    let is_image = block.member("type").is_some_and(|kind| kind.string_text() == Some(b"image"));
    if is_image {
        estimate.images += 1;
        return estimate.add_tokens(IMAGE_TOKENS);
    }
    for member in block.is_object().then(|| block.items()).into_iter().flatten() {
        match member.key {
            b"text" | b"thinking" | b"title" | b"context" => {
                estimate.add_json_text(member.value.string_text().unwrap_or_default());
            }
            b"name" | b"input" => estimate.add_content(member.value),
            b"content" => add_content(estimate, member.value, depth),
            // What is encoded costs by its pages, which nothing here knows; text costs as text.
            b"source" if is_text(member.value) => {
                let text = member.value.member("data").and_then(|data| data.string_text());
                estimate.add_json_text(text.unwrap_or_default());
                if let Some(content) = member.value.member("content") {
                    add_content(estimate, content, depth);
                }
            }
            _ => {}
        }
    }
}

fn is_text(source: Raw<'_>) -> bool {
    let kind = source.member("type").and_then(|kind| kind.string_text());
    matches!(kind, Some(b"text" | b"content"))
}

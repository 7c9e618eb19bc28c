//! What the gateway needs to store answers for any provider, as pure functions over bodies.
//!
//! A turn is stored as the items that went in and the items that came out, in the API's own shape. The input of a turn that
//! goes on from another holds that one's items in front of its own, so one stored turn is all that the next one needs, and
//! it may go to another provider, or another dialect, than the one before.
//!
//! ```
//! use edgeway::dialect::responses::request::decode;
//! use edgeway::dialect::responses::store::{StoredTurn, continue_from, input_items};
//! use crate::json::json;
//!
//! let first = decode(br#"{"model":"m","input":"Hi"}"#)?;
//! let output = vec![json!({"type":"message","id":"msg_1","role":"assistant","content":[{"type":"output_text","text":"Hello"}]})];
//! let stored = StoredTurn { input: input_items(&first), output };
//! let mut next = decode(br#"{"model":"m","input":"And you?","previous_response_id":"resp_1"}"#)?;
//! continue_from(&mut next, &stored);
//! assert_eq!(next.messages.len(), 3);
//! assert_eq!(input_items(&next)[0], stored.input[0], "an item keeps its id");
//! # Ok::<(), edgeway::dialect::InvalidBody>(())
//! ```

mod replay;

pub use replay::replay;

use super::item::decode::Decoder;
use super::item::encode::{Encoder, Reader};
use super::item::{is_made, prefix};
use crate::conversation::{Block, Content, Dialect, Losses, Message, Request};
use crate::json::Fields;
use crate::json::json;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// One turn as it is stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredTurn {
    /// What [`input_items`] gave for its request.
    pub input: Vec<Value>,
    /// `output` of its response.
    pub output: Vec<Value>,
}

/// The items of a request, each with an id: what `GET /v1/responses/{id}/input_items` lists and what is stored. An id that
/// the client did not give is made from the item and its place, so it is the same in every turn that goes on from this one.
#[must_use]
pub fn input_items(request: &Request) -> Vec<Value> {
    let mut losses = Losses::default();
    let is_own = request.dialect == Dialect::Responses;
    let mut encoder = Encoder::new(Reader::Client, is_own, &mut losses);
    request.messages.iter().cloned().for_each(|message| encoder.push(message));
    let mut items = encoder.finish();
    for (index, item) in items.iter_mut().enumerate() {
        let text = item.to_string();
        let Value::Object(members) = item else { continue };
        if members.get("id").is_none_or(Value::is_null) {
            let kind = members.get("type").and_then(Value::as_str).unwrap_or_default();
            let id = made_id(prefix(kind), index, &text);
            members.insert("id".into(), Value::String(id));
        }
        if matches!(
            members.get("type").and_then(Value::as_str),
            Some("message" | "function_call" | "function_call_output")
        ) {
            members.entry("status").or_insert_with(|| "completed".into());
        }
    }
    items
}

fn made_id(prefix: &str, index: usize, item: &str) -> String {
    let hash = Sha256::digest(format!("{index}/{item}").as_bytes());
    let digits: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{prefix}_ew{digits}")
}

/// Puts a stored turn in front of a request's messages, in place of its `previous_response_id`. Its instructions are not
/// carried over, as the API has it.
pub fn continue_from(request: &mut Request, stored: &StoredTurn) {
    request.extras.shift_remove("previous_response_id");
    let mut messages = messages(stored.input.iter().chain(&stored.output));
    messages.append(&mut request.messages);
    request.messages = messages;
}

/// Items that were stored, as messages; what cannot be read any more is left out.
fn messages<'a>(items: impl Iterator<Item = &'a Value>) -> Vec<Message> {
    let mut decoder = Decoder::default();
    for item in items {
        // An item that cannot be read leaves the decoder as it was.
        let _unreadable = Fields::of(item.clone(), "input").and_then(|item| decoder.push(item));
    }
    decoder.finish()
}

/// Ids of items to which a request merely refers (`item_reference`), in order.
pub fn references(request: &Request) -> impl Iterator<Item = &str> {
    request.messages.iter().flat_map(|message| &message.content).filter_map(reference)
}

/// Puts items in the place of references to them, as far as `find` knows them.
pub fn resolve(request: &mut Request, find: impl Fn(&str) -> Option<Value>) {
    let found = |message: &Message| match message.content.as_slice() {
        [block] => reference(block).and_then(&find),
        _ => None,
    };
    let mut resolved = Vec::with_capacity(request.messages.len());
    for message in std::mem::take(&mut request.messages) {
        match found(&message) {
            Some(item) => resolved.extend(messages(std::iter::once(&item))),
            None => resolved.push(message),
        }
    }
    request.messages = resolved;
}

fn reference(block: &Block) -> Option<&str> {
    let Content::Native(value) = &block.content else { return None };
    let is_reference = match value.get("type") {
        Some(kind) if !kind.is_null() => kind == "item_reference",
        _ => true,
    };
    value.get("id").and_then(Value::as_str).filter(|_| is_reference)
}

/// Whether the gateway, and not a provider, gave this id to an item: no provider can find it.
#[must_use]
pub fn is_own_item(id: &str) -> bool {
    is_made(id)
}

/// A page of a list, in the API's shape.
#[must_use]
pub fn list(data: Vec<Value>, has_more: bool) -> Value {
    let id = |item: Option<&Value>| item.and_then(|item| item.get("id")).cloned().unwrap_or_default();
    let (first, last) = (id(data.first()), id(data.last()));
    let mut list = Map::new();
    list.insert("object".into(), "list".into());
    list.insert("data".into(), Value::Array(data));
    list.insert("first_id".into(), first);
    list.insert("last_id".into(), last);
    list.insert("has_more".into(), Value::Bool(has_more));
    Value::Object(list)
}

/// A page of items: at most `limit` behind the one whose id is `after`; the newest first unless `is_ascending`, as
/// `order` has it. An `after` that is not there begins at the beginning.
#[must_use]
pub fn item_page(mut items: Vec<Value>, after: Option<&str>, limit: usize, is_ascending: bool) -> Value {
    if !is_ascending {
        items.reverse();
    }
    let is_after = |item: &Value| after.is_some() && item.get("id").and_then(Value::as_str) == after;
    let start = items.iter().position(is_after).map_or(0, |at| at + 1);
    let mut page = items.split_off(start);
    let has_more = page.len() > limit;
    page.truncate(limit);
    list(page, has_more)
}

/// What the deletion of a response answers.
#[must_use]
pub fn deleted(id: &str) -> Value {
    json!({"id": id, "object": "response", "deleted": true})
}

#[cfg(test)]
mod tests;

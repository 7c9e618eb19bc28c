//! The conversation that a call goes on from, out of the store.

use super::rows::{self, Turn};
use crate::conversation::{Dialect, Request};
use crate::dialect::responses::request::{Peek, decode};
use crate::dialect::responses::store::{self, StoredTurn, continue_from, references, resolve};
use crate::error::ApiError;
use crate::json::Raw;
use crate::json::json;
use crate::store::Store;
use crate::usage::estimate::Estimate;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// OpenAI's code where what a call goes on from is not there.
pub const NOT_FOUND: &str = "previous_response_not_found";

/// What items that merely refer to others have as their type.
const REFERENCE: &[u8] = b"item_reference";

/// What was before a call, and the items to which it refers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The response that it goes on from, and the first of its conversation.
    previous: Option<(String, String)>,
    before: StoredTurn,
    items: BTreeMap<String, Value>,
    tokens: u64,
}

impl History {
    /// The response that the call goes on from, and the first of its conversation.
    #[must_use]
    pub fn previous(&self) -> Option<(&str, &str)> {
        self.previous.as_ref().map(|(id, thread)| (id.as_str(), thread.as_str()))
    }

    /// What it adds to the call, estimated.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Puts it before the messages of a request, and items in the place of references to them.
    pub fn put_before(&self, request: &mut Request) {
        if self.previous.is_some() {
            continue_from(request, &self.before);
        }
        if !self.items.is_empty() {
            resolve(request, |id| self.items.get(id).cloned());
        }
    }
}

/// Whether a call needs anything of the store.
#[must_use]
pub fn is_wanted(peek: &Peek, body: &[u8]) -> bool {
    peek.previous_response_id.is_some() || has_references(body)
}

fn has_references(text: &[u8]) -> bool {
    memchr::memmem::find(text, REFERENCE).is_some()
}

/// What a call goes on from; `None` where that is nothing of the store, and the body may go as it is.
///
/// # Errors
/// 400 where the previous response, or one before it, is not there; 503.
pub async fn read(
    store: &impl Store,
    owner: &str,
    peek: &Peek,
    body: &[u8],
) -> Result<Option<History>, ApiError> {
    let (mut history, mut refers) = match &peek.previous_response_id {
        Some(id) => conversation(store, owner, id).await?,
        None => (History::default(), false),
    };
    refers |= has_references(body);
    if refers {
        let mut request = decode(body)?;
        history.put_before(&mut request);
        let mut ids = BTreeSet::new();
        ids.extend(references(&request));
        if !ids.is_empty() {
            history.items = items(store, owner, &ids).await?;
        }
    }
    Ok((history.previous.is_some() || !history.items.is_empty()).then_some(history))
}

/// The turns up to this one, and whether they may refer to items of others.
async fn conversation(store: &impl Store, owner: &str, id: &str) -> Result<(History, bool), ApiError> {
    let turns = rows::chain(store, owner, id).await?;
    let (Some(first), Some(last)) = (turns.first(), turns.last()) else {
        return Err(missing(format!("Previous response with id '{id}' not found.")));
    };
    if let Some(earlier) = &first.previous_id {
        return Err(missing(match first.is_last_allowed {
            true => format!("The conversation before '{id}' is too long to be continued."),
            false => format!("Response with id '{earlier}', from which '{id}' goes on, not found."),
        }));
    }
    let previous = Some((last.id.clone(), last.thread_id.clone()));
    let refers = turns.iter().any(|turn| has_references(turn.input.as_bytes()));
    let mut history = History { previous, ..History::default() };
    let mut estimate = Estimate::default();
    for turn in turns {
        let [input, response] =
            [&turn.input, &turn.response].map(|text| Raw { bytes: text.as_bytes(), start: 0 });
        estimate.add_content(input);
        if let Some(output) = response.member("output") {
            estimate.add_content(output);
        }
        let (input, output) = read_turn(&turn);
        history.before.input.extend(input.into_iter().chain(portable(output)));
    }
    history.tokens = estimate.tokens();
    Ok((history, refers))
}

/// The items of these ids that are in stored outputs.
async fn items(
    store: &impl Store,
    owner: &str,
    ids: &BTreeSet<&str>,
) -> Result<BTreeMap<String, Value>, ApiError> {
    let asked: Vec<&str> = ids.iter().copied().collect();
    let mut found = BTreeMap::new();
    for (_, text) in rows::with_items(store, owner, &asked).await? {
        let output = output(&text);
        let id = |item: &Value| item.get("id").and_then(Value::as_str).map(str::to_owned);
        let kept: Vec<Option<String>> = output.iter().filter(|item| !is_bare(item)).map(id).collect();
        // What is not portable is nothing, in whose place nothing is put.
        let bare = output.iter().filter(|item| is_bare(item)).filter_map(id).map(|id| (id, Value::Null));
        found.extend(bare.collect::<Vec<_>>());
        found.extend(kept.into_iter().zip(portable(output)).filter_map(|(id, item)| Some((id?, item))));
    }
    Ok(found)
}

/// All items that went into the last of these turns, each with an id; `None` where there is no turn.
pub(super) fn items_before_answer(mut turns: Vec<Turn>) -> Option<Vec<Value>> {
    let last = turns.pop()?;
    let mut all = StoredTurn::default();
    for turn in &turns {
        let (input, output) = read_turn(turn);
        all.input.extend(input.into_iter().chain(output));
    }
    all.input.extend(read_turn(&last).0);
    let mut request = Request { dialect: Dialect::Responses, ..Request::default() };
    continue_from(&mut request, &all);
    Some(store::input_items(&request))
}

/// The items that went in and those that came out.
fn read_turn(turn: &Turn) -> (Vec<Value>, Vec<Value>) {
    let input = match serde_json::from_slice(turn.input.as_bytes()) {
        Ok(Value::Array(items)) => items,
        Ok(text @ Value::String(_)) => vec![json!({"type": "message", "role": "user", "content": text})],
        _ => Vec::new(),
    };
    (input, output(&turn.response))
}

fn output(response: &str) -> Vec<Value> {
    let response: Map<String, Value> = serde_json::from_slice(response.as_bytes()).unwrap_or_default();
    match response.into_iter().find(|(name, _)| name == "output") {
        Some((_, Value::Array(items))) => items,
        _ => Vec::new(),
    }
}

/// The items of one answer as any upstream takes them. A thought whose state did not come with it is a reference into the store
/// of the provider that had it, and OpenAI wants the items behind such a thought together with it, as long as they have the ids
/// by which it knows them ("was provided without its required 'reasoning' item").
fn portable(mut items: Vec<Value>) -> Vec<Value> {
    if items.iter().any(is_bare) {
        items.retain(|item| !is_bare(item));
        for item in items.iter_mut().filter_map(Value::as_object_mut) {
            if item.get("type").is_some_and(|kind| kind == "message" || kind == "function_call") {
                item.shift_remove("id");
            }
        }
    }
    items
}

/// A thought without its state.
fn is_bare(item: &Value) -> bool {
    item.get("type").is_some_and(|kind| kind == "reasoning")
        && item.get("encrypted_content").is_none_or(Value::is_null)
}

fn missing(message: String) -> ApiError {
    let error = ApiError::new(400, NOT_FOUND, message);
    ApiError { field: Some("previous_response_id".into()), ..error }
}

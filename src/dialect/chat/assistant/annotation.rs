//! `annotations`, and what Perplexity has in their place.

use crate::conversation::{Block, Citation, Content};
use crate::json::json;
use crate::json::{FieldError, Fields};
use serde_json::Value;

/// Takes the annotations of a message into its first text; where there is none, they stay.
pub(super) fn take(message: &mut Fields, said: &mut [Block]) -> Result<(), FieldError> {
    let text = said.iter_mut().find_map(|block| match &mut block.content {
        Content::Text(text) => Some(text),
        _ => None,
    });
    if let (Some(text), Some(Value::Array(_))) = (text, message.get("annotations")) {
        let annotations = message.array("annotations")?.unwrap_or_default();
        text.citations.extend(annotations.into_iter().map(url_citation));
    }
    Ok(())
}

/// An annotation; one of another type than `url_citation` has only its original.
pub(in crate::dialect::chat) fn url_citation(annotation: Value) -> Citation {
    let inner = annotation.get("url_citation").unwrap_or(&Value::Null);
    let text = |name: &str| inner.get(name).and_then(Value::as_str).map(str::to_owned);
    let number = |name: &str| inner.get(name).and_then(Value::as_u64);
    Citation {
        url: text("url"),
        title: text("title"),
        quote: text("content"),
        start: number("start_index"),
        end: number("end_index"),
        original: Some(annotation),
    }
}

/// Perplexity's `search_results` (<https://docs.perplexity.ai/api-reference/chat-completions-post>) as citations of the
/// whole text. Their original has no type: they are no annotations and stay where they stood.
pub(in crate::dialect::chat) fn search_results(results: &Value) -> Vec<Citation> {
    let citation = |result: &Value| {
        let text = |name: &str| result.get(name).and_then(Value::as_str).map(str::to_owned);
        Citation {
            url: text("url"),
            title: text("title"),
            quote: text("snippet"),
            original: Some(Value::Null),
            ..Citation::default()
        }
    };
    results.as_array().map(|results| results.iter().map(citation).collect()).unwrap_or_default()
}

/// A citation as an annotation of a text that begins at `start` of the message and has `length` characters; `None` for
/// what Chat cannot say: one without an address, and one that is not to be said.
pub(in crate::dialect::chat) fn written(citation: Citation, start: u64, length: u64) -> Option<Value> {
    if let Some(original) = citation.original.filter(|original| {
        original.is_null()
            || original.get("type").and_then(Value::as_str) == Some("url_citation")
                && original.get("url_citation").is_some()
    }) {
        return Some(original).filter(|original| !original.is_null());
    }
    Some(json!({ "type": "url_citation", "url_citation": {
        "start_index": start + citation.start.unwrap_or_default(),
        "end_index": start + citation.end.unwrap_or(length),
        "title": citation.title.unwrap_or_default(),
        "url": citation.url?,
    } }))
}

//! Annotations of a text: what it rests on.

use crate::conversation::Citation;
use crate::json::Fields;
use serde_json::Value;

/// Reads an annotation.
pub(super) fn decode(annotation: Value) -> Citation {
    let mut fields = Fields::lenient(annotation.clone());
    let mut text = |name: &str| fields.string(name).ok().flatten();
    let (url, title) = (text("url"), text("title").or_else(|| text("filename")));
    let mut count = |name: &str| fields.count(name).ok().flatten();
    let (start, end) = (count("start_index"), count("end_index"));
    Citation { url, title, quote: None, start, end, original: Some(annotation) }
}

/// Writes an annotation; `None` for what is no page. `length` is that of the text so far, in characters: what rests on a
/// source without saying where rests on it as a whole.
pub(super) fn encode(citation: &Citation, length: usize) -> Option<Value> {
    if let Some(original) = citation.original.as_ref().filter(|original| is_annotation(original)) {
        return Some(original.clone());
    }
    let url = citation.url.as_deref()?;
    Some(crate::json::json!({
        "type": "url_citation",
        "url": url,
        "title": citation.title.as_deref().unwrap_or(url),
        "start_index": citation.start.unwrap_or(0),
        "end_index": citation.end.unwrap_or(length as u64),
    }))
}

/// Whether this is an annotation of this dialect; Chat's has the same type but its members one level below.
fn is_annotation(value: &Value) -> bool {
    match value.get("type").and_then(Value::as_str) {
        Some("url_citation") => value.get("url").is_some(),
        Some("file_citation" | "container_file_citation" | "file_path") => value.get("file_id").is_some(),
        _ => false,
    }
}

//! Edits of raw JSON: what is not edited is copied, byte for byte.

use std::borrow::Cow;
use std::ops::Range;

/// A piece of a body and the text that takes its place; an empty range is an insertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit<'a> {
    /// Bytes of the body.
    pub range: Range<usize>,
    /// What comes there.
    pub text: Cow<'a, str>,
}

impl<'a> Edit<'a> {
    /// An edit of this range.
    #[must_use]
    pub fn new(range: Range<usize>, text: impl Into<Cow<'a, str>>) -> Edit<'a> {
        Edit { range, text: text.into() }
    }
}

/// The body with these edits made. They may come in any order; insertions at one place keep theirs. An edit that lies
/// outside the body or overlaps an earlier one is left out, since no half of it would make sense.
#[must_use]
pub fn splice<'a>(body: &[u8], edits: impl IntoIterator<Item = Edit<'a>>) -> Vec<u8> {
    // Put in their places one by one: they are few, and a sort of the library's is 3 KB of wasm.
    let mut ordered: Vec<Edit<'a>> = Vec::new();
    for edit in edits {
        ordered.insert(ordered.partition_point(|known| known.range.start <= edit.range.start), edit);
    }
    let edits = ordered;
    let added: usize = edits.iter().map(|edit| edit.text.len()).sum();
    let mut out = Vec::with_capacity(body.len() + added);
    let mut copied = 0;
    for edit in &edits {
        let (Some(before), true) = (body.get(copied..edit.range.start), edit.range.end <= body.len()) else {
            continue;
        };
        out.extend_from_slice(before);
        out.extend_from_slice(edit.text.as_bytes());
        copied = edit.range.end.max(edit.range.start);
    }
    out.extend_from_slice(body.get(copied..).unwrap_or_default());
    out
}

/// A text as a JSON string, quotes included.
#[must_use]
pub fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

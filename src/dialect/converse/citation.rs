//! Where a text comes from, in Converse's words and in those of the Messages dialect.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CitationLocation.html>

use super::object;
use serde_json::Value;

/// A kind of place: its name here and there, and each of its members here and there.
type Place = (&'static str, &'static str, [(&'static str, &'static str); 3]);

const PLACES: [Place; 5] = [
    (
        "documentChar",
        "char_location",
        [("documentIndex", "document_index"), ("start", "start_char_index"), ("end", "end_char_index")],
    ),
    (
        "documentPage",
        "page_location",
        [("documentIndex", "document_index"), ("start", "start_page_number"), ("end", "end_page_number")],
    ),
    (
        "documentChunk",
        "content_block_location",
        [("documentIndex", "document_index"), ("start", "start_block_index"), ("end", "end_block_index")],
    ),
    (
        "searchResultLocation",
        "search_result_location",
        [
            ("searchResultIndex", "search_result_index"),
            ("start", "start_block_index"),
            ("end", "end_block_index"),
        ],
    ),
    ("web", "web_search_result_location", [("url", "url"), ("", ""), ("", "")]),
];

/// As the Messages dialect says it.
pub(super) fn read(citation: &Value) -> Value {
    let member = |object: &Value, name: &str| object.get(name).cloned().unwrap_or_default();
    let quotes = member(citation, "sourceContent");
    let quotes = quotes.as_array().into_iter().flatten();
    let quote: String = quotes.filter_map(|part| part.get("text")?.as_str()).collect();
    let location = member(citation, "location");
    let found = PLACES.iter().find_map(|place| Some((place, location.get(place.0)?)));
    let ((_, kind, [first, start, end]), there) = found.unwrap_or((&PLACES[0], &Value::Null));
    let is_of_document = first.0 == "documentIndex";
    let title = if is_of_document { "document_title" } else { "title" };
    let source = if is_of_document { Value::Null } else { member(citation, "source") };
    object(&mut [
        ("type", (*kind).into()),
        ("cited_text", quote.into()),
        (first.1, member(there, first.0)),
        (start.1, member(there, start.0)),
        (end.1, member(there, end.0)),
        (title, member(citation, "title")),
        ("source", source),
    ])
}

/// As Converse says it; `None` for a place of which it knows nothing.
pub(super) fn write(citation: &Value) -> Option<Value> {
    let kind = citation.get("type")?.as_str()?;
    let (name, _, [first, start, end]) = PLACES.iter().find(|(_, there, _)| *there == kind)?;
    let member = |name: &str| citation.get(name).cloned().unwrap_or_default();
    let place = object(&mut [(first.0, member(first.1)), (start.0, member(start.1)), (end.0, member(end.1))]);
    let title = citation.get("title").or_else(|| citation.get("document_title")).cloned();
    let quote = object(&mut [("text", member("cited_text"))]);
    Some(object(&mut [
        ("title", title.unwrap_or_default()),
        ("source", member("source")),
        ("sourceContent", Value::Array(vec![quote])),
        ("location", object(&mut [(name, place)])),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_kind_of_place_is_said_both_ways() {
        for (here, there) in [
            (
                json!({ "title": "T", "sourceContent": [{ "text": "q" }], "location": { "documentChar": { "documentIndex": 1, "start": 2, "end": 3 } } }),
                json!({ "type": "char_location", "cited_text": "q", "document_index": 1, "start_char_index": 2, "end_char_index": 3, "document_title": "T" }),
            ),
            (
                json!({ "title": "T", "sourceContent": [{ "text": "q" }], "location": { "documentPage": { "documentIndex": 0, "start": 2, "end": 3 } } }),
                json!({ "type": "page_location", "cited_text": "q", "document_index": 0, "start_page_number": 2, "end_page_number": 3, "document_title": "T" }),
            ),
            (
                json!({ "title": "T", "sourceContent": [{ "text": "q" }], "location": { "documentChunk": { "documentIndex": 0, "start": 2, "end": 3 } } }),
                json!({ "type": "content_block_location", "cited_text": "q", "document_index": 0, "start_block_index": 2, "end_block_index": 3, "document_title": "T" }),
            ),
            (
                json!({ "title": "T", "source": "https://a.test", "sourceContent": [{ "text": "q" }], "location": { "searchResultLocation": { "searchResultIndex": 0, "start": 0, "end": 1 } } }),
                json!({ "type": "search_result_location", "cited_text": "q", "search_result_index": 0, "start_block_index": 0, "end_block_index": 1, "title": "T", "source": "https://a.test" }),
            ),
            (
                json!({ "title": "T", "sourceContent": [{ "text": "q" }], "location": { "web": { "url": "https://a.test/x" } } }),
                json!({ "type": "web_search_result_location", "cited_text": "q", "url": "https://a.test/x", "title": "T" }),
            ),
        ] {
            assert_eq!(read(&here), there);
            assert_eq!(write(&there), Some(here));
        }
        assert_eq!(read(&json!({ "title": "T" }))["document_title"], "T", "without a place");
        assert_eq!(write(&json!({ "type": "unheard_of" })), None);
    }
}

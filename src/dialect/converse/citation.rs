//! Where a text comes from, in Converse's words and in those of the Messages dialect.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CitationLocation.html>

use serde_json::{Map, Value, json};

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
    let member = |name: &str| citation.get(name).filter(|value| !value.is_null());
    let quotes = member("sourceContent").and_then(Value::as_array).into_iter().flatten();
    let quote: String = quotes.filter_map(|part| part.get("text")?.as_str()).collect();
    let location = member("location");
    let found = PLACES.iter().find_map(|place| Some((place, location?.get(place.0)?)));
    let ((_, kind, members), there) = found.unwrap_or((&PLACES[0], &Value::Null));
    let mut out = Map::new();
    out.insert("type".into(), (*kind).into());
    out.insert("cited_text".into(), quote.into());
    for (here, name) in members {
        out.extend(there.get(here).map(|value| ((*name).to_owned(), value.clone())));
    }
    let is_of_document = members.iter().any(|(here, _)| *here == "documentIndex");
    let title = if is_of_document { "document_title" } else { "title" };
    out.insert(title.into(), member("title").cloned().unwrap_or_default());
    if !is_of_document {
        out.extend(member("source").map(|source| ("source".to_owned(), source.clone())));
    }
    Value::Object(out)
}

/// As Converse says it; `None` for a place of which it knows nothing.
pub(super) fn write(citation: &Value) -> Option<Value> {
    let kind = citation.get("type")?.as_str()?;
    let (name, _, members) = PLACES.iter().find(|(_, there, _)| *there == kind)?;
    let member = |name: &str| citation.get(name).filter(|value| !value.is_null()).cloned();
    let place = members.iter().filter_map(|(here, there)| Some(((*here).to_owned(), member(there)?)));
    let mut out = Map::new();
    out.insert("location".into(), json!({ *name: place.collect::<Map<_, _>>() }));
    out.extend(member("title").or_else(|| member("document_title")).map(|title| ("title".to_owned(), title)));
    out.extend(member("source").map(|source| ("source".to_owned(), source)));
    out.extend(member("cited_text").map(|text| ("sourceContent".to_owned(), json!([{ "text": text }]))));
    Some(Value::Object(out))
}

#[cfg(test)]
mod tests {
    use super::*;

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

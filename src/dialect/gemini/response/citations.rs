//! `groundingMetadata` and `citationMetadata`: what a text rests on, counted there in bytes, in the hub in characters.

use crate::conversation::Citation;
use crate::json::json;
use serde_json::{Map, Value};

/// What a chunk of grounding points at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    url: Option<String>,
    title: Option<String>,
    quote: Option<String>,
}

/// The sources of one candidate: the events of a stream tell them once and count them over all events.
#[derive(Clone, Debug, Default)]
pub(in crate::dialect::gemini) struct Grounding {
    places: Vec<Place>,
}

/// A citation that does not know its text yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::dialect::gemini) struct Segments {
    place: Place,
    /// Which part's text, where told.
    pub(in crate::dialect::gemini) part: Option<usize>,
    /// From and to which byte of it, where told.
    bytes: Option<(usize, usize)>,
    /// These bytes.
    words: Option<String>,
}

impl Grounding {
    /// Takes the metadata of a candidate, or of one event of it.
    pub(in crate::dialect::gemini) fn read(&mut self, candidate: &Map<String, Value>) -> Vec<Segments> {
        let mut found = Vec::new();
        if let Some(metadata) = candidate.get("groundingMetadata") {
            self.supports(metadata, &mut found);
        }
        let sources = candidate.get("citationMetadata").and_then(|metadata| {
            // Vertex calls them `citations`.
            metadata.get("citationSources").or_else(|| metadata.get("citations"))?.as_array()
        });
        for source in sources.into_iter().flatten() {
            let place = Place { url: text(source, "uri"), title: text(source, "title"), quote: None };
            found.push(Segments { place, bytes: bytes(source), ..Segments::default() });
        }
        found
    }

    fn supports(&mut self, metadata: &Value, found: &mut Vec<Segments>) {
        let first = self.places.len();
        for chunk in metadata.get("groundingChunks").and_then(Value::as_array).into_iter().flatten() {
            let source = ["web", "retrievedContext", "maps"].iter().find_map(|kind| chunk.get(kind));
            self.places.push(source.map(place).unwrap_or_default());
        }
        let mut is_used = vec![false; self.places.len()];
        for support in metadata.get("groundingSupports").and_then(Value::as_array).into_iter().flatten() {
            let segment = support.get("segment").unwrap_or(&Value::Null);
            let indices = support.get("groundingChunkIndices").and_then(Value::as_array);
            for index in indices.into_iter().flatten().filter_map(whole) {
                let Some(place) = self.places.get(index) else { continue };
                if let Some(is_used) = is_used.get_mut(index) {
                    *is_used = true;
                }
                found.push(Segments {
                    place: place.clone(),
                    part: segment.get("partIndex").and_then(whole),
                    bytes: bytes(segment),
                    words: text(segment, "text"),
                });
            }
        }
        // A source of the whole.
        for (place, is_used) in self.places.iter().zip(is_used).skip(first) {
            if !is_used && *place != Place::default() {
                found.push(Segments { place: place.clone(), ..Segments::default() });
            }
        }
    }
}

impl Segments {
    /// Whether it speaks of this text: it says the same words there, or nobody knows.
    pub(in crate::dialect::gemini) fn fits(&self, text: &str) -> bool {
        match (&self.words, self.bytes) {
            (Some(words), Some((start, end))) => text.get(start..end) == Some(words.as_str()),
            _ => true,
        }
    }

    /// The citation in this text.
    pub(in crate::dialect::gemini) fn citation(self, text: &str) -> Citation {
        let characters = |byte: usize| {
            let before = text.char_indices().take_while(|(at, _)| *at < byte);
            before.count() as u64
        };
        Citation {
            url: self.place.url,
            title: self.place.title,
            quote: self.place.quote,
            start: self.bytes.map(|(start, _)| characters(start)),
            end: self.bytes.map(|(_, end)| characters(end)),
            original: None,
        }
    }
}

fn place(source: &Value) -> Place {
    Place { url: text(source, "uri"), title: text(source, "title"), quote: text(source, "text") }
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(str::to_owned)
}

fn whole(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|value| usize::try_from(value).ok())
}

/// A first byte of 0 is left out.
fn bytes(segment: &Value) -> Option<(usize, usize)> {
    let end = segment.get("endIndex").and_then(whole)?;
    Some((segment.get("startIndex").and_then(whole).unwrap_or_default(), end))
}

/// The sources that a client has been told, and how further ones are told.
#[derive(Clone, Debug, Default)]
pub(in crate::dialect::gemini) struct Told {
    places: Vec<Place>,
}

/// `groundingMetadata` of these citations: each with the text that it is of, and that text's part where it is known.
pub(in crate::dialect::gemini) fn metadata<'c>(
    told: &mut Told,
    citations: impl IntoIterator<Item = (&'c Citation, &'c str, Option<usize>)>,
) -> Value {
    let (mut chunks, mut supports) = (Vec::new(), Vec::new());
    for (citation, text, part) in citations {
        let place =
            Place { url: citation.url.clone(), title: citation.title.clone(), quote: citation.quote.clone() };
        let index = told.places.iter().position(|known| *known == place).unwrap_or_else(|| {
            chunks.push(chunk(&place));
            told.places.push(place);
            told.places.len() - 1
        });
        let byte = |characters: u64| {
            let at = usize::try_from(characters).unwrap_or(usize::MAX);
            text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte)
        };
        let (Some(start), Some(end)) = (citation.start.map(byte), citation.end.map(byte)) else { continue };
        let mut segment = Map::new();
        segment.insert("startIndex".into(), start.into());
        segment.insert("endIndex".into(), end.into());
        if let Some(words) = text.get(start..end) {
            segment.insert("text".into(), words.into());
        }
        if let Some(part) = part.filter(|part| *part > 0) {
            segment.insert("partIndex".into(), part.into());
        }
        supports.push(json!({"segment": segment, "groundingChunkIndices": [index]}));
    }
    let mut metadata = Map::new();
    for (name, list) in [("groundingChunks", chunks), ("groundingSupports", supports)] {
        if !list.is_empty() {
            metadata.insert(name.into(), Value::Array(list));
        }
    }
    Value::Object(metadata)
}

/// A page; of what is quoted, a document.
fn chunk(place: &Place) -> Value {
    let mut source = Map::new();
    for (name, value) in [("uri", &place.url), ("title", &place.title), ("text", &place.quote)] {
        if let Some(value) = value {
            source.insert(name.into(), value.as_str().into());
        }
    }
    let kind = if place.quote.is_some() { "retrievedContext" } else { "web" };
    json!({kind: source})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_characters_and_bytes_again() {
        let text = "né à 1900.";
        let candidate = json!({"groundingMetadata": {
            "groundingChunks": [{"web": {"uri": "https://a.test", "title": "A"}}, {"web": {"uri": "https://b.test"}}],
            "groundingSupports": [{"segment": {"startIndex": 4, "endIndex": 11, "text": "à 1900"}, "groundingChunkIndices": [0]}],
        }});
        let found = Grounding::default().read(candidate.as_object().unwrap());
        assert!(found[0].fits(text) && !found[0].fits("something else"));
        let citations: Vec<Citation> = found.into_iter().map(|it| it.citation(text)).collect();
        assert_eq!((citations[0].start, citations[0].end), (Some(3), Some(9)));
        assert_eq!((citations[1].url.as_deref(), citations[1].start), (Some("https://b.test"), None));
        let mut written = json!({});
        written["groundingMetadata"] =
            metadata(&mut Told::default(), citations.iter().map(|citation| (citation, text, None)));
        assert_eq!(written, candidate);
    }
}

//! Media in parts: `inlineData` and `fileData`.

use crate::conversation::{Content, Extras, Media, Source};
use crate::dialect::gemini::nested;
use crate::json::json;
use crate::json::{FieldError, Fields};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// What to guess a media type by where nobody told it.
const EXTENSIONS: [(&str, &str); 22] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("gif", "image/gif"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("avif", "image/avif"),
    ("mp3", "audio/mpeg"),
    ("wav", "audio/wav"),
    ("ogg", "audio/ogg"),
    ("flac", "audio/flac"),
    ("aac", "audio/aac"),
    ("mp4", "video/mp4"),
    ("webm", "video/webm"),
    ("mov", "video/quicktime"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("html", "text/html"),
    ("csv", "text/csv"),
    ("json", "application/json"),
];

/// Reads `inlineData`; members that are not known are kept under `place`.
pub(super) fn inline(mut blob: Fields, extras: &mut Extras, place: &str) -> Result<Content, FieldError> {
    let media = Media {
        media_type: blob.string("mimeType")?,
        source: Source::Data(standard(blob.required("data")?)),
        name: blob.string("displayName")?,
        detail: None,
    };
    nested::keep(extras, place, blob.rest());
    Ok(kind(media))
}

/// Reads `fileData`: what Google stores is a file, what lies elsewhere a URL.
pub(super) fn file(mut data: Fields, extras: &mut Extras, place: &str) -> Result<Content, FieldError> {
    let uri = data.required("fileUri")?;
    let is_url = uri.starts_with("http") && !uri.contains("generativelanguage.googleapis.com");
    let media = Media {
        media_type: data.string("mimeType")?,
        source: if is_url { Source::Url(uri) } else { Source::File(uri) },
        name: data.string("displayName")?,
        detail: None,
    };
    nested::keep(extras, place, data.rest());
    Ok(kind(media))
}

fn kind(media: Media) -> Content {
    let guessed = match &media.source {
        Source::Url(url) | Source::File(url) => guess(url),
        _ => None,
    };
    let media_type = media.media_type.as_deref().or(guessed).unwrap_or_default();
    match media_type.split('/').next() {
        Some("image") => Content::Image(media),
        Some("audio") => Content::Audio(media),
        Some("video") => Content::Video(media),
        _ => Content::Document(media),
    }
}

/// The media type that a URL's ending tells; a page of `YouTube` is a film.
fn guess(url: &str) -> Option<&'static str> {
    if url.contains("youtube.com/") || url.contains("youtu.be/") {
        return Some("video/*");
    }
    let path = url.split(['?', '#']).next()?;
    let (_, ending) = path.rsplit_once('.')?;
    EXTENSIONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(ending)).map(|(_, kind)| *kind)
}

/// Google and its clients write bytes in either alphabet of base64; other dialects know only the standard one.
fn standard(mut data: String) -> String {
    if memchr::memchr2(b'-', b'_', data.as_bytes()).is_some() {
        data = data.replace('-', "+").replace('_', "/");
    }
    // Without its padding, other dialects refuse it.
    while !data.len().is_multiple_of(4) {
        data.push('=');
    }
    data
}

/// The part for media; `None` where it is with a provider of another kind, or where it is plain text, which is a text.
pub(super) fn part(media: &Media, unless_told: &str, is_own: bool) -> Option<Value> {
    let (name, mut value) = match &media.source {
        Source::Data(data) => {
            let media_type = media.media_type.as_deref().unwrap_or(unless_told);
            ("inlineData", json!({"mimeType": media_type, "data": data}))
        }
        Source::Url(uri) => ("fileData", file_data(media, uri, is_own)),
        Source::File(uri) if is_own || uri.starts_with("https://") || uri.starts_with("gs://") => {
            ("fileData", file_data(media, uri, is_own))
        }
        Source::Text(text) if !is_own => {
            let titled = media.name.as_ref().map(|name| format!("{name}\n\n{text}"));
            return Some(json!({"text": titled.as_ref().unwrap_or(text)}));
        }
        Source::Text(text) => {
            ("inlineData", json!({"mimeType": "text/plain", "data": STANDARD.encode(text)}))
        }
        Source::File(_) => return None,
    };
    // The Gemini API has no such field; who sent one gets it back.
    if let (Some(label), true, Value::Object(value)) = (&media.name, is_own, &mut value) {
        value.insert("displayName".into(), Value::from(label.as_str()));
    }
    Some(json!({name: value}))
}

/// The API fetches public addresses itself (<https://ai.google.dev/gemini-api/docs/file-input-methods>).
fn file_data(media: &Media, uri: &str, is_own: bool) -> Value {
    let guessed = if is_own { None } else { guess(uri) };
    match media.media_type.as_deref().or(guessed).filter(|kind| !kind.ends_with('*')) {
        Some(media_type) => json!({"mimeType": media_type, "fileUri": uri}),
        None => json!({"fileUri": uri}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_tells_what_it_is() {
        for (url, expected) in [
            ("https://a.test/x.PNG?y=1.pdf", Some("image/png")),
            ("https://www.youtube.com/watch?v=1", Some("video/*")),
            ("https://a.test/x", None),
            ("gs://bucket/y.pdf", Some("application/pdf")),
        ] {
            assert_eq!(guess(url), expected, "{url}");
        }
    }

    #[test]
    fn both_alphabets_are_read() {
        assert_eq!(standard("a-_b".into()), "a+/b");
        assert_eq!(standard("AAAAAA".into()), "AAAAAA==");
    }
}

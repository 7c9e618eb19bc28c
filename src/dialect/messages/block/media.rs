//! Pictures and documents: where their bytes are.

use super::{Members, merge};
use crate::conversation::block::{Media, Source};
use crate::json::json;
use crate::json::{FieldError, Fields};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// The pictures that Claude sees (<https://platform.claude.com/docs/en/build-with-claude/vision>).
const PICTURES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// What the beginning of some bytes in base64 tells of them.
const BEGINNINGS: [(&str, &str); 5] = [
    ("/9j/", "image/jpeg"),
    ("iVBORw", "image/png"),
    ("R0lG", "image/gif"),
    ("UklGR", "image/webp"),
    ("JVBERi", "application/pdf"),
];

/// Whether the hub has a place for this kind of source; where not, the block is kept as it is.
pub(super) fn is_known(fields: &Fields) -> bool {
    let kind = fields.get("source").and_then(|source| source.get("type")).and_then(Value::as_str);
    // A source without a type is an error of the client's, which `decode` finds.
    kind.is_none_or(|kind| matches!(kind, "base64" | "url" | "file" | "text" | "content"))
}

/// `source` and `title`. Members of the source that are not known stay in the block's extras, as `source`; so does a
/// document of blocks whole, beside its text.
pub(super) fn decode(fields: &mut Fields) -> Result<Media, FieldError> {
    let Some(mut source) = fields.object("source")? else { return Err(fields.error("source", "an object")) };
    let kind = source.required("type")?;
    let place = match kind.as_str() {
        "url" => Source::Url(source.required("url")?),
        "file" => Source::File(source.required("file_id")?),
        "text" => Source::Text(source.required("data")?),
        "content" => Source::Text(source.get("content").map(text_of).unwrap_or_default()),
        _ => Source::Data(source.required("data")?),
    };
    let media_type = source.string("media_type")?;
    let mut rest = source.rest();
    if kind == "content" {
        rest.insert("type".into(), kind.into());
    }
    if !rest.is_empty() {
        fields.put("source", Value::Object(rest));
    }
    Ok(Media { source: place, media_type, name: fields.string("title")?, detail: None })
}

/// A search result as the document that it is for others; what makes it one stays in the extras.
pub(super) fn search_result(fields: &mut Fields) -> Result<Media, FieldError> {
    let Some(Value::String(_)) = fields.get("source") else { return Err(fields.error("source", "a string")) };
    let text = fields.get("content").map(text_of).unwrap_or_default();
    let media_type = Some("text/plain".to_owned());
    Ok(Media { source: Source::Text(text), media_type, name: fields.string("title")?, detail: None })
}

/// The text of `content`.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let texts = blocks.iter().filter_map(|block| block.get("text")?.as_str());
            texts.collect::<Vec<_>>().join("\n\n")
        }
        _ => String::new(),
    }
}

/// An image block; `None` where Claude cannot see it. A file is known only to the provider that has it.
pub(super) fn image(media: Media, is_own: bool) -> Option<Members> {
    let media_type = media.media_type.or_else(|| told_by(&media.source));
    let is_visible = media_type.as_deref().is_none_or(|it| PICTURES.contains(&it));
    let source = match media.source {
        Source::Data(data) if is_own || is_visible => {
            let media_type = media_type.unwrap_or_else(|| "image/jpeg".into());
            json!({ "type": "base64", "media_type": media_type, "data": data })
        }
        Source::Url(url) if is_own || url.starts_with("http") => json!({ "type": "url", "url": url }),
        Source::File(id) if is_own => json!({ "type": "file", "file_id": id }),
        _ => return None,
    };
    Some(members("image", source))
}

/// A document block; `None` for what is neither PDF nor text.
pub(super) fn document(media: Media, extras: &mut Members, is_own: bool) -> Option<Members> {
    if is_own && let Some(Value::String(_)) = extras.get("source") {
        let mut block = Members::new();
        block.insert("type".into(), "search_result".into());
        if let Some(title) = media.name {
            block.insert("title".into(), title.into());
        }
        return Some(block);
    }
    let media_type = media.media_type.or_else(|| told_by(&media.source));
    let is_pdf = media_type.as_deref().is_none_or(|it| it == "application/pdf");
    let source = match media.source {
        Source::Data(data) if is_own || is_pdf => {
            let media_type = media_type.unwrap_or_else(|| "application/pdf".into());
            json!({ "type": "base64", "media_type": media_type, "data": data })
        }
        Source::Data(data) if media_type.as_deref().is_some_and(is_text) => {
            let text = String::from_utf8(STANDARD.decode(data).ok()?).ok()?;
            json!({ "type": "text", "media_type": "text/plain", "data": text })
        }
        Source::Text(_) if is_own && extras.get("source").is_some() => json!({}),
        Source::Text(text) => json!({ "type": "text", "media_type": "text/plain", "data": text }),
        Source::Url(url) if is_own || url.starts_with("http") => json!({ "type": "url", "url": url }),
        Source::File(id) if is_own => json!({ "type": "file", "file_id": id }),
        _ => return None,
    };
    let mut block = members("document", source);
    if is_own && let Some(rest) = extras.remove("source") {
        merge(&mut block, "source", rest);
    }
    if let Some(title) = media.name {
        block.insert("title".into(), title.into());
    }
    Some(block)
}

fn members(kind: &str, source: Value) -> Members {
    let mut members = Members::new();
    members.insert("type".into(), kind.into());
    members.insert("source".into(), source);
    members
}

fn told_by(source: &Source) -> Option<String> {
    let Source::Data(data) = source else { return None };
    let found = BEGINNINGS.iter().find(|(beginning, _)| data.starts_with(beginning));
    found.map(|(_, media_type)| (*media_type).to_owned())
}

fn is_text(media_type: &str) -> bool {
    media_type.starts_with("text/")
        || matches!(
            media_type,
            "application/json" | "application/xml" | "application/yaml" | "application/x-yaml"
        )
}

//! Parts of a message, and of a tool's output.

use super::citation;
use super::item::{merge, object};
use crate::conversation::{Block, CacheBreakpoint, Content, Field, Losses, Media, Source, Text};
use crate::json::json;
use crate::json::{FieldError, Fields};
use serde_json::{Map, Value};

/// Reads the content of a message or the output of a tool: a text, or parts.
///
/// # Errors
/// Where the field is neither, or a part has a field of the wrong type.
pub(super) fn decode(fields: &mut Fields, name: &str) -> Result<Vec<Block>, FieldError> {
    match fields.get(name) {
        Some(Value::String(_)) => Ok(fields.string(name)?.map(Block::text).into_iter().collect()),
        Some(Value::Array(_)) => fields.objects(name)?.into_iter().map(part).collect(),
        _ => Err(fields.error(name, "a string or an array")),
    }
}

/// Reads a part. Of types that the hub does not know it stays whole.
pub(super) fn part(mut fields: Fields) -> Result<Block, FieldError> {
    let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let content = match kind.as_str() {
        "input_text" | "output_text" => {
            let text = fields.required("text")?;
            let annotations = fields.array("annotations")?.unwrap_or_default();
            Content::Text(Text { text, citations: annotations.into_iter().map(citation::decode).collect() })
        }
        "refusal" => Content::Refusal(fields.required("refusal")?),
        "input_image" => match source(&mut fields, "image_url", "file_id")? {
            Some(media) => Content::Image(Media { detail: fields.string("detail")?, ..media }),
            None => return Ok(Block::new(Content::Native(Value::Object(fields.rest())))),
        },
        "input_file" => match file(&mut fields)? {
            Some(media) => Content::Document(media),
            None => return Ok(Block::new(Content::Native(Value::Object(fields.rest())))),
        },
        "input_audio" => match audio(&mut fields)? {
            Some(media) => Content::Audio(media),
            None => return Ok(Block::new(Content::Native(Value::Object(fields.rest())))),
        },
        _ => return Ok(Block::new(Content::Native(Value::Object(fields.rest())))),
    };
    fields.take("type");
    let is_explicit = fields.get("prompt_cache_breakpoint") == Some(&json!({"mode": "explicit"}));
    let cache = is_explicit.then(CacheBreakpoint::default);
    if is_explicit {
        fields.take("prompt_cache_breakpoint");
    }
    if fields.get("logprobs").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        fields.take("logprobs");
    }
    let mut extras = fields.rest();
    extras.retain(|_, value| !value.is_null());
    Ok(Block { content, cache, signature: None, extras })
}

fn source(fields: &mut Fields, url: &str, id: &str) -> Result<Option<Media>, FieldError> {
    if let Some(url) = fields.string(url)? {
        return Ok(Some(Media::at(&url)));
    }
    Ok(fields.string(id)?.map(|id| Media { source: Source::File(id), ..Media::at("") }))
}

fn file(fields: &mut Fields) -> Result<Option<Media>, FieldError> {
    let media = match fields.string("file_data")? {
        Some(data) if data.starts_with("data:") => Some(Media::at(&data)),
        Some(data) => Some(Media { source: Source::Data(data), ..Media::at("") }),
        None => source(fields, "file_url", "file_id")?,
    };
    let Some(media) = media else { return Ok(None) };
    Ok(Some(Media { name: fields.string("filename")?, detail: fields.string("detail")?, ..media }))
}

fn audio(fields: &mut Fields) -> Result<Option<Media>, FieldError> {
    let Some(mut inner) = fields.object("input_audio")? else { return Ok(None) };
    let (data, format) = (inner.required("data")?, inner.string("format")?);
    let media_type = format.map(|format| format!("audio/{format}"));
    Ok(Some(Media { source: Source::Data(data), media_type, name: None, detail: None }))
}

/// Whose words a part is in, which decides its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The user, the system, a tool.
    Input,
    /// The model.
    Output,
}

/// Writes parts. `is_own`: they were decoded from this dialect, which gets its own members back.
pub(super) struct Parts<'a> {
    pub(super) is_own: bool,
    pub(super) losses: &'a mut Losses,
}

impl Parts<'_> {
    /// A part; `None` where the dialect has none for it, which is noted.
    pub(super) fn part(&mut self, block: Block, side: Side) -> Option<Value> {
        let Block { content, cache, extras, .. } = block;
        let mut part = match (content, side) {
            (Content::Text(text), Side::Input) => {
                object([("type", "input_text".into()), ("text", Value::String(text.text))])
            }
            (Content::Text(text), Side::Output) => self.output_text(text),
            (Content::Refusal(refusal), Side::Output) => {
                object([("type", "refusal".into()), ("refusal", Value::String(refusal))])
            }
            (Content::Refusal(text), Side::Input) => {
                object([("type", "input_text".into()), ("text", Value::String(text))])
            }
            (Content::Image(media), Side::Input) => self.image(media)?,
            (Content::Document(media), Side::Input) => self.document(media)?,
            (Content::Audio(media), Side::Input) => self.audio(media)?,
            (Content::Native(Value::Object(part)), _) if self.is_own => return Some(Value::Object(part)),
            (content, _) => {
                self.losses.note(lost(&content));
                return None;
            }
        };
        if self.is_own {
            if cache.is_some() {
                part.insert("prompt_cache_breakpoint".into(), json!({"mode": "explicit"}));
            }
            merge(&mut part, extras);
        } else {
            self.losses.note_if(cache.is_some(), Field::CacheBreakpoint);
            self.losses.note_extras("messages.content", &extras);
        }
        Some(Value::Object(part))
    }

    fn output_text(&mut self, text: Text) -> Map<String, Value> {
        let length = if text.citations.is_empty() { 0 } else { text.text.chars().count() };
        let annotations: Vec<Value> =
            text.citations.iter().filter_map(|citation| citation::encode(citation, length)).collect();
        self.losses.note_if(annotations.len() < text.citations.len(), Field::Citations);
        object([
            ("type", "output_text".into()),
            ("text", Value::String(text.text)),
            ("annotations", Value::Array(annotations)),
        ])
    }

    fn image(&mut self, media: Media) -> Option<Map<String, Value>> {
        let mut part = object([("type", "input_image".into())]);
        match media.url("image/png") {
            Some(url) => part.insert("image_url".into(), Value::String(url)),
            None => part.insert("file_id".into(), Value::String(self.file_id(media.source, Field::Image)?)),
        };
        if let Some(detail) = media.detail {
            part.insert("detail".into(), Value::String(detail));
        }
        Some(part)
    }

    fn document(&mut self, media: Media) -> Option<Map<String, Value>> {
        let mut part = object([("type", "input_file".into())]);
        let (name, value) = match media.source {
            Source::Text(text) => {
                let titled = media.name.map_or(text.clone(), |name| format!("{name}\n\n{text}"));
                return Some(object([("type", "input_text".into()), ("text", Value::String(titled))]));
            }
            Source::Url(url) => ("file_url", url),
            Source::Data(data) if media.media_type.is_none() && self.is_own => ("file_data", data),
            Source::Data(data) => {
                let media_type = media.media_type.as_deref().unwrap_or("application/pdf");
                ("file_data", format!("data:{media_type};base64,{data}"))
            }
            source @ Source::File(_) => ("file_id", self.file_id(source, Field::Document)?),
        };
        // A file that comes with its bytes must have a name.
        let needs_name = name == "file_data" && !self.is_own;
        part.insert(name.into(), Value::String(value));
        if let Some(name) = media.name.or_else(|| needs_name.then(|| "document.pdf".to_owned())) {
            part.insert("filename".into(), Value::String(name));
        }
        if let Some(detail) = media.detail {
            part.insert("detail".into(), Value::String(detail));
        }
        Some(part)
    }

    /// The API has no sounds in its reference any more; a client that sends some anyway gets them through.
    fn audio(&mut self, media: Media) -> Option<Map<String, Value>> {
        let Media { source: Source::Data(data), media_type, .. } = media else {
            self.losses.note(Field::Audio);
            return None;
        };
        if !self.is_own {
            self.losses.note(Field::Audio);
            return None;
        }
        let mut inner = object([("data", Value::String(data))]);
        if let Some(format) = media_type.as_deref().and_then(|kind| kind.strip_prefix("audio/")) {
            inner.insert("format".into(), format.into());
        }
        Some(object([("type", "input_audio".into()), ("input_audio", Value::Object(inner))]))
    }

    /// A file that lies at the provider: another provider's means nothing to this one.
    fn file_id(&mut self, source: Source, field: Field) -> Option<String> {
        match source {
            Source::File(id) if self.is_own => Some(id),
            _ => {
                self.losses.note(field);
                None
            }
        }
    }
}

/// What is lost with this content.
pub(super) fn lost(content: &Content) -> Field {
    match content {
        Content::Image(_) => Field::Image,
        Content::Audio(_) => Field::Audio,
        Content::Video(_) => Field::Video,
        Content::Document(_) => Field::Document,
        Content::Thinking(_) => Field::Thinking,
        _ => Field::NativeBlock,
    }
}

//! Parts of a message's `content`.

use super::assistant::reasoning;
use crate::conversation::{Block, CacheBreakpoint, Content, Extras, Field, Losses, Media, Source, Text};
use crate::json::json;
use crate::json::{FieldError, Fields};
use serde_json::{Map, Value};

/// Takes `content`: a text, which is one block, or parts. An empty text is no block.
pub(super) fn content(message: &mut Fields) -> Result<Vec<Block>, FieldError> {
    if let Some(Value::Array(_)) = message.get("content") {
        return message.objects("content")?.into_iter().map(decode).collect();
    }
    let expected = message.error("content", "a string or an array of parts");
    let text = message.string("content").map_err(|_| expected)?;
    Ok(text.filter(|text| !text.is_empty()).map(Block::text).into_iter().collect())
}

/// One part. A type that is not known here is a block of this dialect only.
pub(super) fn decode(mut part: Fields) -> Result<Block, FieldError> {
    let kind = part.required("type")?;
    let content = match kind.as_str() {
        "text" => Content::Text(Text { text: part.required("text")?, citations: Vec::new() }),
        "refusal" => Content::Refusal(part.required("refusal")?),
        "thinking" => Content::Thinking(reasoning::from_part(&mut part)?),
        "image_url" => Content::Image(located(&mut part, "image_url")?),
        "video_url" => Content::Video(located(&mut part, "video_url")?),
        "audio_url" => Content::Audio(located(&mut part, "audio_url")?),
        "input_audio" => Content::Audio(sound(&mut part)?),
        "file" => Content::Document(file(&mut part)?),
        _ => {
            part.put("type", kind.into());
            return Ok(Block::new(Content::Native(Value::Object(part.rest()))));
        }
    };
    let cache = cache(&mut part)?;
    Ok(Block { cache, extras: part.rest(), ..Block::new(content) })
}

/// Takes an object that must be there; lenient fields give an empty one.
pub(super) fn inner(fields: &mut Fields, name: &str) -> Result<Fields, FieldError> {
    if let Some(inner) = fields.object(name)? {
        return Ok(inner);
    }
    let expected = fields.error(name, "an object");
    fields.required(name).map(|_| Fields::lenient(Value::Null)).map_err(|_| expected)
}

/// What is left of an inner object goes back into its outer one.
pub(super) fn put_rest(outer: &mut Fields, name: &str, inner: Fields) {
    let rest = inner.rest();
    if !rest.is_empty() {
        outer.put(name, Value::Object(rest));
    }
}

/// `cache_control`, which providers that serve Claude take here (OpenRouter, Vercel).
pub(super) fn cache(fields: &mut Fields) -> Result<Option<CacheBreakpoint>, FieldError> {
    let Some(mut control) = fields.object("cache_control")? else { return Ok(None) };
    let ttl = control.string("ttl")?;
    Ok(Some(CacheBreakpoint { is_hour: ttl.map(|ttl| ttl == "1h") }))
}

/// The same, written.
pub(super) fn cache_control(cache: CacheBreakpoint) -> Value {
    match cache.is_hour {
        None => json!({ "type": "ephemeral" }),
        Some(is_hour) => json!({ "type": "ephemeral", "ttl": if is_hour { "1h" } else { "5m" } }),
    }
}

/// `{"url","detail"}`; Mistral takes the URL alone, too.
fn located(part: &mut Fields, name: &str) -> Result<Media, FieldError> {
    if let Some(Value::String(_)) = part.get(name) {
        return Ok(Media::at(&part.required(name)?));
    }
    let mut inner = inner(part, name)?;
    let media = Media::at(&inner.required("url")?);
    Ok(Media { detail: inner.string("detail")?, ..media })
}

/// `{"data","format"}`.
fn sound(part: &mut Fields) -> Result<Media, FieldError> {
    let mut inner = inner(part, "input_audio")?;
    let source = Source::Data(inner.required("data")?);
    let media_type = inner.string("format")?.map(|format| match format.as_str() {
        "mp3" => "audio/mpeg".to_owned(),
        format => format!("audio/{format}"),
    });
    Ok(Media { source, media_type, name: None, detail: None })
}

/// `{"file_data","filename"}` or `{"file_id"}`.
fn file(part: &mut Fields) -> Result<Media, FieldError> {
    let mut inner = inner(part, "file")?;
    let name = inner.string("filename")?;
    let media = match (inner.string("file_data")?, inner.string("file_id")?) {
        (Some(data), _) if data.starts_with("data:") || data.starts_with("http") => Media::at(&data),
        (Some(data), _) => Media { source: Source::Data(data), media_type: None, name: None, detail: None },
        (None, Some(id)) => Media { source: Source::File(id), media_type: None, name: None, detail: None },
        (None, None) => return Err(part.error("file", "an object with `file_data` or `file_id`")),
    };
    Ok(Media { name, ..media })
}

/// A part of text.
pub(super) fn text(text: String, cache: Option<CacheBreakpoint>, extras: Extras) -> Value {
    whole("text", Value::String(text), cache, extras)
}

/// A picture; `None` for one that only another provider can find.
pub(super) fn image(media: &Media, extras: Extras) -> Option<Value> {
    Some(whole("image_url", url_object(media, "image/png")?, None, extras))
}

fn url_object(media: &Media, unless_told: &str) -> Option<Value> {
    let mut inner = Map::new();
    inner.insert("url".into(), media.url(unless_told)?.into());
    if let Some(detail) = &media.detail {
        inner.insert("detail".into(), detail.as_str().into());
    }
    Some(Value::Object(inner))
}

fn whole(kind: &str, value: Value, cache: Option<CacheBreakpoint>, extras: Extras) -> Value {
    let mut part = Map::new();
    part.insert("type".into(), kind.into());
    part.insert(kind.into(), value);
    if let Some(cache) = cache {
        part.insert("cache_control".into(), cache_control(cache));
    }
    part.extend(extras);
    Value::Object(part)
}

/// A block of a user's message or of a tool's result; `None`, noted, for what an upstream of this dialect does not take.
/// What OpenAI does not take but others do (films, sounds by URL) goes to the others.
pub(super) fn encode(block: Block, is_own: bool, is_openai: bool, losses: &mut Losses) -> Option<Value> {
    let Block { content, cache, extras, .. } = block;
    if !is_own {
        losses.note_if(cache.is_some(), Field::CacheBreakpoint);
        losses.note_extras("messages.content", &extras);
    }
    let (cache, extras) = if is_own { (cache, extras) } else { (None, Extras::new()) };
    let (kind, value, field) = match content {
        Content::Text(text) => {
            losses.note_if(!text.citations.is_empty() && !is_own, Field::Citations);
            ("text", Some(Value::String(text.text)), Field::NativeBlock)
        }
        Content::Refusal(text) => ("refusal", Some(Value::String(text)), Field::NativeBlock),
        Content::Image(media) => ("image_url", url_object(&media, "image/png"), Field::Image),
        Content::Video(media) if is_own || !is_openai => {
            ("video_url", url_object(&media, "video/mp4"), Field::Video)
        }
        Content::Video(_) => ("video_url", None, Field::Video),
        Content::Audio(media) => match media.source {
            Source::Data(data) => {
                let format = media.media_type.as_deref().map_or("wav", sound_format);
                ("input_audio", Some(json!({ "data": data, "format": format })), Field::Audio)
            }
            Source::Url(url) if is_own || !is_openai => {
                ("audio_url", Some(json!({ "url": url })), Field::Audio)
            }
            _ => ("input_audio", None, Field::Audio),
        },
        Content::Document(Media { source: Source::Text(text), name, .. }) => {
            let titled = name.map_or(text.clone(), |name| format!("{name}\n\n{text}"));
            ("text", Some(Value::String(titled)), Field::Document)
        }
        Content::Document(media) => ("file", file_object(media, is_own, is_openai), Field::Document),
        Content::Native(value) if is_own => return Some(value),
        Content::Thinking(_) => return None,
        Content::Native(_) | Content::ToolCall(_) | Content::ToolResult(_) => {
            ("native", None, Field::NativeBlock)
        }
    };
    losses.note_if(value.is_none(), field);
    Some(whole(kind, value?, cache, extras))
}

/// OpenAI takes a file's bytes or its own id of it, others also its address (OpenRouter).
fn file_object(media: Media, is_own: bool, is_openai: bool) -> Option<Value> {
    let mut inner = Map::new();
    match media.source {
        Source::File(id) if is_own => {
            inner.insert("file_id".into(), id.into());
        }
        Source::Data(data) if is_own && media.media_type.is_none() => {
            inner.insert("file_data".into(), data.into());
        }
        Source::Url(_) if is_openai && !is_own => return None,
        _ => {
            inner.insert("file_data".into(), media.url("application/pdf")?.into());
        }
    }
    // OpenAI refuses bytes without a name.
    let name = media.name.or_else(|| inner.get("file_data").filter(|_| !is_own).map(|_| "file.pdf".into()));
    if let Some(name) = name {
        inner.insert("filename".into(), name.into());
    }
    Some(Value::Object(inner))
}

/// `wav` and `mp3` are what OpenAI has.
fn sound_format(media_type: &str) -> &str {
    match media_type.rsplit('/').next().unwrap_or(media_type) {
        "mpeg" | "mp3" => "mp3",
        "x-wav" | "wave" | "wav" => "wav",
        other => other,
    }
}

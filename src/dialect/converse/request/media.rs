//! Pictures, sounds, films and documents: which of them Converse knows, and where their bytes are.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html> and those of the other kinds.

use crate::dialect::converse::object;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// What a block of this kind says of these bytes, `None` where it can say nothing. A URL is nothing that Bedrock would fetch,
/// unless it is one of S3.
pub(super) fn format_and_source(
    kind: &str,
    title: Option<&str>,
    source: &mut Value,
) -> Option<(&'static str, Value)> {
    let text = |source: &Value, name: &str| source.get(name).and_then(Value::as_str).map(str::to_owned);
    let by_title = || format(kind, ending(title?)?);
    match text(source, "type").as_deref() {
        Some("text") => {
            let bytes = STANDARD.encode(text(source, "data")?);
            let format = by_title().filter(|format| matches!(*format, "csv" | "html" | "md"));
            Some((format.unwrap_or("txt"), object(&mut [("bytes", bytes.into())])))
        }
        Some("content") => {
            let parts = match source.get("content")? {
                Value::Array(parts) => parts.iter().filter_map(|part| part.get("text")).collect(),
                text => vec![text],
            };
            let parts: Vec<Value> =
                parts.into_iter().map(|text| object(&mut [("text", text.clone())])).collect();
            (!parts.is_empty()).then(|| ("txt", object(&mut [("content", parts.into())])))
        }
        Some("url") => {
            let url = text(source, "url").filter(|url| url.starts_with("s3://"))?;
            let format = format(kind, ending(&url)?).or_else(by_title)?;
            let place = object(&mut [("uri", url.into())]);
            Some((format, object(&mut [("s3Location", place)])))
        }
        _ => {
            let media_type = text(source, "media_type").unwrap_or_default().to_ascii_lowercase();
            let media_type = media_type.split(';').next().unwrap_or_default().trim();
            let by_type = media_type.split_once('/').and_then(|(_, subtype)| format(kind, subtype));
            let is_text = || kind == "document" && media_type.starts_with("text/");
            let format = by_type.or_else(by_title).or_else(|| is_text().then_some("txt"))?;
            let data = source.get_mut("data").filter(|data| data.is_string())?;
            Some((format, object(&mut [("bytes", data.take())])))
        }
    }
}

/// Behind the last dot.
fn ending(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(_, ending)| ending)
}

/// Converse's word for what a media type ends in, or a file's name.
fn format(kind: &str, name: &str) -> Option<&'static str> {
    let known = match kind {
        "image" => "png jpeg jpg=jpeg gif webp",
        "video" => {
            "mp4 webm mov quicktime=mov mkv x-matroska=mkv mpeg mpg flv x-flv=flv wmv x-ms-wmv=wmv 3gp=three_gp 3gpp=three_gp"
        }
        "audio" => "mp3 mpeg=mp3 wav x-wav=wav flac ogg opus aac m4a x-m4a=m4a mp4 webm mka pcm",
        _ => {
            "pdf csv doc msword=doc docx vnd.openxmlformats-officedocument.wordprocessingml.document=docx \
             xls vnd.ms-excel=xls xlsx vnd.openxmlformats-officedocument.spreadsheetml.sheet=xlsx \
             html md markdown=md txt plain=txt json=txt xml=txt yaml=txt x-yaml=txt"
        }
    };
    let mut known = known.split(' ').map(|it| it.split_once('=').unwrap_or((it, it)));
    known.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, format)| format)
}

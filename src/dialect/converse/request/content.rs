//! Messages and their blocks.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html>

use super::{Maker, NAME_LIMIT};
use crate::conversation::{Field, Losses, tool_call_id};
use crate::json::json;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Says blocks of the Messages dialect anew.
pub(super) struct Writer<'l> {
    pub(super) maker: Maker,
    pub(super) losses: &'l mut Losses,
    /// Names of the tools that were called.
    pub(super) called: Vec<String>,
    /// How many documents there were: each has a name of its own.
    documents: usize,
}

impl<'l> Writer<'l> {
    pub(super) fn new(maker: Maker, losses: &'l mut Losses) -> Writer<'l> {
        Writer { maker, losses, called: Vec::new(), documents: 0 }
    }

    /// In turns that alternate; one of which nothing is left is left out.
    pub(super) fn messages(&mut self, messages: Option<Value>) -> Vec<Value> {
        let mut turns: Vec<(Value, Vec<Value>)> = Vec::new();
        let Some(Value::Array(messages)) = messages else { return Vec::new() };
        for mut message in messages {
            let mut take = |name: &str| message.get_mut(name).map(Value::take);
            let role = take("role").unwrap_or_default();
            let mut content = self.blocks(take("content"), false);
            match turns.last_mut() {
                _ if content.is_empty() => {}
                Some((last, there)) if *last == role => there.append(&mut content),
                _ => turns.push((role, content)),
            }
        }
        turns.into_iter().map(|(role, content)| json!({ "role": role, "content": content })).collect()
    }

    /// Text or blocks; `is_result`: of a tool's result, in which caches cannot end.
    pub(super) fn blocks(&mut self, content: Option<Value>, is_result: bool) -> Vec<Value> {
        let blocks = match content {
            Some(Value::Array(blocks)) => blocks,
            Some(text @ Value::String(_)) => vec![json!({ "type": "text", "text": text })],
            _ => Vec::new(),
        };
        let mut out = Vec::with_capacity(blocks.len());
        for mut block in blocks {
            let cache = block.get_mut("cache_control").map(Value::take);
            let Some(written) = self.block(block) else { continue };
            out.push(written);
            let can_end = !is_result && matches!(self.maker, Maker::Anthropic | Maker::Amazon);
            out.extend(self.cache_point(cache, can_end));
        }
        out
    }

    /// What ends a cache, where it can.
    pub(super) fn cache_point(&mut self, cache: Option<Value>, can_end: bool) -> Option<Value> {
        let cache = cache?;
        self.losses.note_if(!can_end, Field::CacheBreakpoint);
        let mut point = json!({ "type": "default" });
        if let (Maker::Anthropic, Some(ttl)) = (self.maker, cache.get("ttl")) {
            point.as_object_mut()?.insert("ttl".into(), ttl.clone());
        }
        can_end.then(|| json!({ "cachePoint": point }))
    }

    fn block(&mut self, mut block: Value) -> Option<Value> {
        let mut take = |name: &str| block.get_mut(name).map(Value::take).unwrap_or_default();
        let kind = take("type");
        Some(match kind.as_str()? {
            "text" => {
                let text = take("text");
                // More than white space is wanted.
                text.as_str().filter(|text| !text.trim().is_empty())?;
                self.losses.note_if(!take("citations").is_null(), Field::Citations);
                json!({ "text": text })
            }
            "image" => {
                let mut source = take("source");
                let bytes = bytes_of(&mut source, "image/");
                self.losses.note_if(bytes.is_none(), Field::Image);
                let (format, source) = bytes?;
                json!({ "image": { "format": if format == "jpg" { "jpeg".into() } else { format }, "source": source } })
            }
            "document" => {
                let mut source = take("source");
                let document = match source.get("type").and_then(Value::as_str) {
                    Some("text") => {
                        let text = source.get("data").and_then(Value::as_str);
                        text.map(|text| ("txt".to_owned(), json!({ "bytes": STANDARD.encode(text) })))
                    }
                    _ => bytes_of(&mut source, "application/"),
                };
                self.losses.note_if(document.is_none(), Field::Document);
                let (format, source) = document?;
                json!({ "document": { "format": format, "name": self.name(&take("title")), "source": source } })
            }
            "tool_use" => {
                let (id, name) = (fitted(&take("id")), fitted(&take("name")));
                if !self.called.contains(&name) {
                    self.called.push(name.clone());
                }
                json!({ "toolUse": { "toolUseId": id, "name": name, "input": take("input") } })
            }
            "tool_result" => {
                let mut content = self.blocks(Some(take("content")), true);
                if content.is_empty() {
                    content.push(json!({ "json": {} }));
                }
                let mut result = json!({ "toolUseId": fitted(&take("tool_use_id")), "content": content });
                if take("is_error") == true {
                    result.as_object_mut()?.insert("status".into(), "error".into());
                }
                json!({ "toolResult": result })
            }
            "thinking" => {
                let text = json!({ "text": take("thinking"), "signature": take("signature") });
                json!({ "reasoningContent": { "reasoningText": text } })
            }
            "redacted_thinking" => json!({ "reasoningContent": { "redactedContent": take("data") } }),
            _ => {
                self.losses.note(Field::NativeBlock);
                return None;
            }
        })
    }

    /// A document's name: of letters, digits and a few signs, without two blanks in a row, and another for each.
    fn name(&mut self, title: &Value) -> String {
        self.documents += 1;
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-()[]".contains(letter);
        let words = title.as_str().unwrap_or("document").split(|letter: char| !is_plain(letter));
        let name = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        let name = name.get(..name.len().min(150)).unwrap_or_default();
        format!("{name} {}", self.documents).trim_start().to_owned()
    }
}

/// An id or a name, in what every service of AWS takes.
pub(super) fn fitted(name: &Value) -> String {
    tool_call_id::fit(name.as_str().unwrap_or_default(), NAME_LIMIT).into_owned()
}

/// What comes behind `kind` in the media type, and the bytes. A URL is nothing that Bedrock would fetch, unless it is one of
/// S3.
fn bytes_of(source: &mut Value, kind: &str) -> Option<(String, Value)> {
    let url = source.get("url").and_then(Value::as_str).filter(|url| url.starts_with("s3://"));
    if let Some(url) = url {
        let (_, end) = url.rsplit_once('.')?;
        return Some((end.to_ascii_lowercase(), json!({ "s3Location": { "uri": url } })));
    }
    let format = source.get("media_type")?.as_str()?.strip_prefix(kind)?.to_owned();
    let data = source.get_mut("data").filter(|data| data.is_string())?;
    Some((format, json!({ "bytes": data.take() })))
}

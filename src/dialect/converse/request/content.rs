//! Messages and their blocks.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html>

use super::{Maker, NAME_LIMIT, media};
use crate::conversation::{Field, Losses, tool_call_id};
use crate::dialect::converse::{citation, object};
use serde_json::{Map, Value};

/// What is said with documents by whoever says nothing: a message with one needs a text.
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html>
const BESIDE_DOCUMENTS: &str = "...";

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
            let has = |content: &[Value], kind| content.iter().any(|block| block.get(kind).is_some());
            if has(&content, "document") && !has(&content, "text") {
                content.push(object(&mut [("text", BESIDE_DOCUMENTS.into())]));
            }
            match turns.last_mut() {
                _ if content.is_empty() => {}
                Some((last, there)) if *last == role => there.append(&mut content),
                _ => turns.push((role, content)),
            }
        }
        let message =
            |(role, content): (Value, Vec<Value>)| object(&mut [("role", role), ("content", content.into())]);
        turns.into_iter().map(message).collect()
    }

    /// Text or blocks; `is_result`: of a tool's result, in which caches cannot end.
    pub(super) fn blocks(&mut self, content: Option<Value>, is_result: bool) -> Vec<Value> {
        let blocks = match content {
            Some(Value::Array(blocks)) => blocks,
            Some(text @ Value::String(_)) => vec![object(&mut [("type", "text".into()), ("text", text)])],
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
        let ttl = cache.get("ttl").filter(|_| self.maker == Maker::Anthropic).cloned().unwrap_or_default();
        let point = object(&mut [("type", "default".into()), ("ttl", ttl)]);
        can_end.then(|| object(&mut [("cachePoint", point)]))
    }

    fn block(&mut self, mut block: Value) -> Option<Value> {
        let mut take = |name: &str| block.get_mut(name).map(Value::take).unwrap_or_default();
        let kind = take("type");
        Some(match kind.as_str()? {
            "text" => {
                let text = take("text");
                // More than white space is wanted.
                text.as_str().filter(|text| !text.trim().is_empty())?;
                let cited = take("citations");
                let cited = cited.as_array().map(Vec::as_slice).unwrap_or_default();
                match self.maker {
                    Maker::Anthropic if !cited.is_empty() => {
                        let written: Vec<Value> = cited.iter().filter_map(citation::write).collect();
                        self.losses.note_if(written.len() < cited.len(), Field::Citations);
                        let content = vec![object(&mut [("text", text)])];
                        let said = object(&mut [("content", content.into()), ("citations", written.into())]);
                        object(&mut [("citationsContent", said)])
                    }
                    _ => {
                        self.losses.note_if(!cited.is_empty(), Field::Citations);
                        object(&mut [("text", text)])
                    }
                }
            }
            "image" | "audio" | "video" | "document" => {
                let kind = kind.as_str()?;
                let field = match kind {
                    "image" => Field::Image,
                    "audio" => Field::Audio,
                    "video" => Field::Video,
                    _ => Field::Document,
                };
                let (title, mut source) = (take("title"), take("source"));
                let is_heard = self.maker != Maker::Anthropic || !matches!(kind, "audio" | "video");
                let found = media::format_and_source(kind, title.as_str(), &mut source).filter(|_| is_heard);
                self.losses.note_if(found.is_none(), field);
                let (format, source) = found?;
                let (mut name, mut context, mut citations) = (Value::Null, Value::Null, Value::Null);
                if kind == "document" {
                    (name, context) = (self.name(&title).into(), take("context"));
                    citations = cited(&take("citations"));
                    if self.maker != Maker::Anthropic {
                        self.losses.note_if(!citations.is_null(), Field::Citations);
                        citations = Value::Null;
                    }
                }
                let written = object(&mut [
                    ("format", format.into()),
                    ("name", name),
                    ("source", source),
                    ("context", context),
                    ("citations", citations),
                ]);
                object(&mut [(kind, written)])
            }
            "search_result" if self.maker == Maker::Anthropic => {
                let texts = take("content");
                let texts = texts.as_array().into_iter().flatten().filter_map(|it| it.get("text"));
                let texts: Vec<Value> = texts.map(|text| object(&mut [("text", text.clone())])).collect();
                let result = object(&mut [
                    ("source", take("source")),
                    ("title", take("title")),
                    ("content", texts.into()),
                    ("citations", cited(&take("citations"))),
                ]);
                object(&mut [("searchResult", result)])
            }
            "tool_use" => {
                let (id, name) = (fitted(&take("id")), fitted(&take("name")));
                if !self.called.contains(&name) {
                    self.called.push(name.clone());
                }
                let call =
                    object(&mut [("toolUseId", id.into()), ("name", name.into()), ("input", take("input"))]);
                object(&mut [("toolUse", call)])
            }
            "tool_result" => {
                let mut content = self.blocks(Some(take("content")), true);
                if content.is_empty() {
                    content.push(object(&mut [("json", Value::Object(Map::new()))]));
                }
                let status = if take("is_error") == true { "error".into() } else { Value::Null };
                let id = fitted(&take("tool_use_id"));
                let result =
                    object(&mut [("toolUseId", id.into()), ("content", content.into()), ("status", status)]);
                object(&mut [("toolResult", result)])
            }
            "thinking" => {
                let text = object(&mut [("text", take("thinking")), ("signature", take("signature"))]);
                object(&mut [("reasoningContent", object(&mut [("reasoningText", text)]))])
            }
            "redacted_thinking" => {
                object(&mut [("reasoningContent", object(&mut [("redactedContent", take("data"))]))])
            }
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

/// Whether citations are asked for.
fn cited(citations: &Value) -> Value {
    let is_asked = citations.get("enabled") == Some(&Value::Bool(true));
    if is_asked { object(&mut [("enabled", true.into())]) } else { Value::Null }
}

/// An id or a name, in what every service of AWS takes.
pub(super) fn fitted(name: &Value) -> String {
    tool_call_id::fit(name.as_str().unwrap_or_default(), NAME_LIMIT).into_owned()
}

//! Messages and their blocks.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html>

use super::{Maker, NAME_LIMIT, media};
use crate::conversation::{Field, Losses, tool_call_id};
use crate::dialect::converse::citation;
use serde_json::{Value, json};

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
                content.push(json!({ "text": BESIDE_DOCUMENTS }));
            }
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
                let cited = take("citations");
                let cited = cited.as_array().map(Vec::as_slice).unwrap_or_default();
                match self.maker {
                    Maker::Anthropic if !cited.is_empty() => {
                        let written: Vec<Value> = cited.iter().filter_map(citation::write).collect();
                        self.losses.note_if(written.len() < cited.len(), Field::Citations);
                        json!({ "citationsContent": { "content": [{ "text": text }], "citations": written } })
                    }
                    _ => {
                        self.losses.note_if(!cited.is_empty(), Field::Citations);
                        json!({ "text": text })
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
                let mut written = json!({ "format": format, "source": source });
                if kind == "document" {
                    let members = written.as_object_mut()?;
                    members.insert("name".into(), self.name(&title).into());
                    let context = take("context");
                    if !context.is_null() {
                        members.insert("context".into(), context);
                    }
                    if take("citations").get("enabled") == Some(&true.into()) {
                        match self.maker {
                            Maker::Anthropic => {
                                drop(members.insert("citations".into(), json!({ "enabled": true })))
                            }
                            _ => self.losses.note(Field::Citations),
                        }
                    }
                }
                json!({ kind: written })
            }
            "search_result" if self.maker == Maker::Anthropic => {
                let texts = take("content");
                let texts = texts.as_array().into_iter().flatten();
                let texts: Vec<Value> =
                    texts.filter_map(|it| Some(json!({ "text": it.get("text")? }))).collect();
                let mut result =
                    json!({ "source": take("source"), "title": take("title"), "content": texts });
                if take("citations").get("enabled") == Some(&true.into()) {
                    result.as_object_mut()?.insert("citations".into(), json!({ "enabled": true }));
                }
                json!({ "searchResult": result })
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

//! What a model said, in a message of a conversation and in an answer alike: text, reasoning, refusals, calls of tools.
//!
//! Chat has a member for each, so their order among each other is not said; it is taken as: reasoning, content, refusal,
//! sound, pictures, calls.

pub(super) mod annotation;
pub(super) mod reasoning;
pub(super) mod tool_call;

use super::part;
use crate::conversation::{
    Block, CacheBreakpoint, Content, Extras, Field, Losses, Media, Opaque, Source, Text,
};
use crate::json::json;
use crate::json::{FieldError, Fields};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Whom a message is written for.
pub(super) struct Style<'a> {
    /// It was decoded from this dialect: what is its own is given back.
    pub(super) is_own: bool,
    /// A client gets it, rather than an upstream.
    pub(super) is_client: bool,
    /// Custom tools are known there.
    pub(super) knows_custom: bool,
    /// Custom tools that the upstream was given as functions: their calls become calls of custom tools again.
    pub(super) custom_tools: &'a BTreeSet<String>,
    /// The client offered `functions`, so it expects a `function_call`.
    pub(super) is_legacy: bool,
}

/// Takes what was said out of a message. `seed` makes ids for calls that have none.
pub(super) fn decode(message: &mut Fields, seed: &str) -> Result<Vec<Block>, FieldError> {
    let mut blocks = reasoning::take(message)?;
    let mut said = part::content(message)?;
    annotation::take(message, &mut said)?;
    blocks.append(&mut said);
    if let Some(refusal) = message.string("refusal")?.filter(|refusal| !refusal.is_empty()) {
        blocks.push(Block::new(Content::Refusal(refusal)));
    }
    if let Some(audio) = message.object("audio")? {
        take_audio(audio, &mut blocks)?;
    }
    if message.get("images").is_some_and(Value::is_array) {
        for image in message.objects("images")? {
            blocks.push(part::decode(image)?);
        }
    }
    for (index, call) in message.objects("tool_calls")?.into_iter().enumerate() {
        blocks.push(tool_call::decode(call, seed, index)?);
    }
    if let Some(call) = message.object("function_call")? {
        blocks.push(tool_call::decode_legacy(call, seed)?);
    }
    Ok(attach(blocks))
}

/// State that had no place of its own belongs to the first block that is no thinking.
fn attach(mut blocks: Vec<Block>) -> Vec<Block> {
    let mut attached = None;
    blocks.retain_mut(|block| match &mut block.content {
        Content::Thinking(thinking) if thinking.signature.as_ref().is_some_and(|state| state.is_attached) => {
            attached = thinking.signature.take();
            false
        }
        _ => true,
    });
    let first = blocks.iter_mut().find(|block| !matches!(block.content, Content::Thinking(_)));
    if let (Some(state), Some(block)) = (attached, first) {
        block.signature.get_or_insert(Opaque { is_attached: false, ..state });
    }
    blocks
}

/// `audio` of an answer has the sound, of a message in a request only its id. What it says is text as well, for dialects
/// that have no sound.
fn take_audio(mut audio: Fields, blocks: &mut Vec<Block>) -> Result<(), FieldError> {
    let data = audio.string("data")?;
    let transcript = audio.get("transcript").and_then(Value::as_str).map(str::to_owned);
    let source = match data {
        Some(data) => Source::Data(data),
        None => Source::File(audio.required("id")?),
    };
    let media = Media { source, media_type: None, name: None, detail: None };
    blocks.push(Block { extras: audio.rest(), ..Block::new(Content::Audio(media)) });
    blocks.extend(transcript.filter(|text| !text.is_empty()).map(Block::text));
    Ok(())
}

/// Writes what was said. Members that are not said are left out, except that there is always a `content`.
pub(super) fn encode(blocks: Vec<Block>, style: &Style<'_>, losses: &mut Losses) -> Map<String, Value> {
    let mut message = Map::new();
    let mut content = Said::default();
    let mut thoughts = reasoning::Thoughts::default();
    let (mut refusal, mut calls, mut images) = (String::new(), Vec::new(), Vec::new());
    for block in blocks {
        let Block { content: what, cache, signature, extras } = block;
        losses.note_if(cache.is_some() && !style.is_own, Field::CacheBreakpoint);
        if !matches!(what, Content::Text(_)) {
            content.is_broken = true;
        }
        match what {
            Content::Text(text) => {
                if let Some(state) = signature.filter(|_| style.is_client) {
                    thoughts.attach(&state);
                }
                content.push(text, cache, extras, style, losses);
            }
            Content::Refusal(text) => refusal.push_str(&text),
            Content::Thinking(thinking) => {
                if let Some(part) = thoughts.push(thinking, extras, style, losses) {
                    content.part(part);
                }
            }
            Content::ToolCall(call) => calls.push(tool_call::encode(call, signature, extras, style, losses)),
            Content::Audio(media) => {
                content.transcript = put_audio(media, extras, style, &mut message, losses);
            }
            Content::Image(media) if style.is_client || style.is_own => {
                images.extend(part::image(&media, extras));
            }
            Content::Native(value) if style.is_own => content.part(value),
            Content::Native(_) => losses.note_if(!style.is_client, Field::NativeBlock),
            Content::Image(_) => losses.note(Field::Image),
            Content::Video(_) => losses.note(Field::Video),
            Content::Document(_) => losses.note(Field::Document),
            Content::ToolResult(_) => {}
        }
    }
    let annotations = std::mem::take(&mut content.annotations);
    message.insert("content".into(), content.value(!calls.is_empty() || !refusal.is_empty()));
    thoughts.put(&mut message);
    if !refusal.is_empty() {
        message.insert("refusal".into(), Value::String(refusal));
    }
    if !annotations.is_empty() {
        message.insert("annotations".into(), Value::Array(annotations));
    }
    if !images.is_empty() {
        message.insert("images".into(), Value::Array(images));
    }
    if style.is_legacy && !calls.is_empty() {
        let function = calls.swap_remove(0).get_mut("function").map(Value::take);
        message.insert("function_call".into(), function.unwrap_or_default());
    } else if !calls.is_empty() {
        message.insert("tool_calls".into(), Value::Array(calls));
    }
    message
}

/// Sound; gives the text that it says, which must not stand there twice.
fn put_audio(
    media: Media,
    extras: Extras,
    style: &Style<'_>,
    message: &mut Map<String, Value>,
    losses: &mut Losses,
) -> Option<String> {
    let mut audio = if style.is_own { extras } else { Extras::new() };
    match media.source {
        Source::Data(data) if style.is_client || style.is_own => audio.insert("data".into(), data.into()),
        Source::File(id) if style.is_own => audio.insert("id".into(), id.into()),
        _ => {
            losses.note(Field::Audio);
            return None;
        }
    };
    if style.is_client {
        for (name, value) in [("id", json!("")), ("expires_at", json!(0)), ("transcript", json!(""))] {
            audio.entry(name).or_insert(value);
        }
    }
    let transcript = audio.get("transcript").and_then(Value::as_str).map(str::to_owned);
    message.insert("audio".into(), Value::Object(audio));
    transcript
}

/// `content`, as it grows.
#[derive(Default)]
struct Said {
    text: String,
    /// Parts, where it cannot be one string.
    parts: Vec<Value>,
    annotations: Vec<Value>,
    /// Something else stood behind the last text.
    is_broken: bool,
    transcript: Option<String>,
}

impl Said {
    /// Texts next to each other are one (Messages cuts a text where its citations change); others are paragraphs.
    fn push(
        &mut self,
        text: Text,
        cache: Option<CacheBreakpoint>,
        extras: Extras,
        style: &Style<'_>,
        losses: &mut Losses,
    ) {
        if self.transcript.take().is_some_and(|transcript| transcript == text.text) {
            return;
        }
        if self.is_broken && !style.is_own && !self.text.is_empty() && !text.text.is_empty() {
            self.text.push_str("\n\n");
        }
        self.is_broken = false;
        if !text.citations.is_empty() && (style.is_client || style.is_own) {
            let (start, length) = (self.text.chars().count(), text.text.chars().count());
            let written = |citation| annotation::written(citation, start as u64, length as u64);
            self.annotations.extend(text.citations.into_iter().filter_map(written));
        } else {
            losses.note_if(!text.citations.is_empty(), Field::Citations);
        }
        let is_plain = extras.is_empty() && cache.is_none() && self.parts.is_empty() && self.text.is_empty();
        if style.is_own && !is_plain {
            return self.part(part::text(text.text, cache, extras));
        }
        losses.note_extras("messages.content", &extras);
        if self.text.is_empty() {
            self.text = text.text;
        } else {
            self.text.push_str(&text.text);
        }
    }

    fn part(&mut self, part: Value) {
        self.flush();
        self.parts.push(part);
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.parts.push(part::text(std::mem::take(&mut self.text), None, Extras::new()));
        }
    }

    fn value(mut self, may_be_null: bool) -> Value {
        if !self.parts.is_empty() {
            self.flush();
            return Value::Array(self.parts);
        }
        if self.text.is_empty() && may_be_null { Value::Null } else { Value::String(self.text) }
    }
}

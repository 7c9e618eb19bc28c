//! From a block to its part.

use super::media;
use crate::conversation::{Block, Content, Dialect, Extras, Field, Losses, Media, Opaque, Source};
use crate::conversation::{ToolCall, ToolResult, tool_call_id};
use crate::dialect::gemini::{nested, tool_name};
use crate::json::json;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// The most characters of a call's id that came from another dialect.
const ID_LIMIT: usize = 64;

/// Writes parts for one reader.
#[derive(Clone, Copy, Debug)]
pub(in crate::dialect::gemini) struct Writer {
    /// For Google rather than for a client.
    pub(in crate::dialect::gemini) is_upstream: bool,
    /// The blocks came from this dialect, so their extras and native blocks are its own.
    pub(in crate::dialect::gemini) is_own: bool,
    /// The model takes media within function responses: Gemini 3 does, those before it answer 400.
    pub(in crate::dialect::gemini) nests_media: bool,
}

/// The parts of one message.
#[derive(Debug, Default)]
pub(in crate::dialect::gemini) struct Parts {
    /// In order.
    list: Vec<Value>,
    /// Media of function responses that have no place in them: they follow all responses, since nothing may stand
    /// between those.
    after_results: Vec<Value>,
}

impl Parts {
    /// How many there are so far.
    pub(in crate::dialect::gemini) fn len(&self) -> usize {
        self.list.len()
    }

    /// All parts.
    pub(in crate::dialect::gemini) fn finish(mut self) -> Vec<Value> {
        let is_result = |part: &Value| part.get("functionResponse").is_some();
        let behind = self.list.iter().rposition(is_result).map_or(0, |last| last + 1);
        self.list.splice(behind..behind, self.after_results);
        self.list
    }
}

impl Writer {
    /// Writes a block.
    pub(in crate::dialect::gemini) fn push(&self, block: Block, parts: &mut Parts, losses: &mut Losses) {
        losses.note_if(block.cache.is_some(), Field::CacheBreakpoint);
        let mut signature = block.signature;
        let part = match block.content {
            Content::Text(text) => {
                losses.note_if(self.is_upstream && !text.citations.is_empty(), Field::Citations);
                Some(json!({"text": text.text}))
            }
            Content::Refusal(text) => Some(json!({"text": text})),
            Content::Thinking(thinking) => {
                signature = thinking.signature.or(signature);
                let has_state = signature.as_ref().is_some_and(|state| self.state(state).is_some());
                match (thinking.is_redacted, thinking.thought.is_empty()) {
                    (false, false) => Some(json!({"text": thinking.thought.joined(), "thought": true})),
                    (true, _) if has_state => Some(json!({"thought": true})),
                    (false, true) if has_state || self.is_own => Some(json!({"text": "", "thought": true})),
                    // Another provider's state, of which nothing can be read.
                    _ => None,
                }
            }
            Content::ToolCall(call) => Some(self.tool_call(&call)),
            Content::ToolResult(result) => Some(self.tool_result(result, parts, losses)),
            Content::Image(media) => self.media(&media, "image/jpeg", Field::Image, losses),
            Content::Audio(media) => self.media(&media, "audio/wav", Field::Audio, losses),
            Content::Video(media) => self.media(&media, "video/mp4", Field::Video, losses),
            Content::Document(media) => self.media(&media, "application/pdf", Field::Document, losses),
            Content::Native(native @ Value::Object(_)) if self.is_own => Some(native),
            Content::Native(_) => {
                losses.note(Field::NativeBlock);
                None
            }
        };
        let Some(Value::Object(mut part)) = part else { return };
        if let Some(state) = signature.as_ref().and_then(|state| self.state(state)) {
            part.insert("thoughtSignature".into(), Value::from(state.into_owned()));
        }
        self.put_extras(&mut part, block.extras, losses);
        parts.list.push(Value::Object(part));
    }

    fn put_extras(&self, part: &mut Map<String, Value>, extras: Extras, losses: &mut Losses) {
        if self.is_own {
            nested::put_back(part, extras);
        } else {
            losses.note_extras("messages.content", &extras);
        }
    }

    /// Reasoning state as this reader may have it.
    fn state<'s>(&self, state: &'s Opaque) -> Option<Cow<'s, str>> {
        match self.is_upstream {
            true => state.for_provider(Dialect::Gemini).map(Cow::Borrowed),
            false => Some(state.carried_by(Dialect::Gemini)),
        }
    }

    /// An id that Gemini or its client gave stays; Gemini itself has no rule for them.
    fn id<'i>(&self, id: &'i str) -> Cow<'i, str> {
        if self.is_own || id.is_empty() { Cow::Borrowed(id) } else { tool_call_id::fit(id, ID_LIMIT) }
    }

    /// Clients know their functions by any name, Google only by one that fits.
    fn name<'n>(&self, name: &'n str) -> Cow<'n, str> {
        if self.is_upstream { tool_name::fit(name) } else { Cow::Borrowed(name) }
    }

    pub(in crate::dialect::gemini) fn tool_call(&self, call: &ToolCall) -> Value {
        let arguments = match serde_json::from_slice(call.arguments.as_bytes()) {
            Ok(Value::Object(arguments)) if !call.is_custom => arguments,
            _ if call.arguments.is_empty() && !call.is_custom => Map::new(),
            // A custom tool's text; what is no object has no other place.
            _ => [("input".to_owned(), Value::from(call.arguments.as_str()))].into_iter().collect(),
        };
        let mut written = json!({"name": self.name(&call.name), "args": arguments});
        add_id(&mut written, &self.id(&call.id));
        json!({"functionCall": written})
    }

    fn tool_result(&self, result: ToolResult, parts: &mut Parts, losses: &mut Losses) -> Value {
        let (mut texts, mut nested): (Vec<String>, Vec<Value>) = (Vec::new(), Vec::new());
        for block in result.content {
            losses.note_if(block.cache.is_some(), Field::CacheBreakpoint);
            let (is_inline, part) = match block.content {
                Content::Text(text) => {
                    losses.note_if(!text.citations.is_empty(), Field::Citations);
                    texts.push(text.text);
                    continue;
                }
                Content::Refusal(text) => {
                    texts.push(text);
                    continue;
                }
                Content::Document(Media { source: Source::Text(text), .. }) if !self.is_own => {
                    texts.push(text);
                    continue;
                }
                Content::Image(media)
                | Content::Audio(media)
                | Content::Video(media)
                | Content::Document(media) => (
                    matches!(media.source, Source::Data(_)),
                    self.media(&media, "image/jpeg", Field::ToolResultImage, losses),
                ),
                Content::Native(native) if self.is_own => (true, Some(native)),
                _ => {
                    losses.note(Field::NativeBlock);
                    continue;
                }
            };
            let Some(Value::Object(mut part)) = part else { continue };
            self.put_extras(&mut part, block.extras, losses);
            // Of URLs, function responses of the Gemini API know nothing.
            if self.is_own || (self.nests_media && is_inline) {
                nested.push(Value::Object(part));
            } else {
                parts.after_results.push(Value::Object(part));
            }
        }
        let is_error = result.is_error == Some(true);
        let name = self.name(result.name.as_deref().unwrap_or(&result.id));
        let mut written = json!({"name": name, "response": answer(&texts.join("\n"), is_error, self.is_own)});
        add_id(&mut written, &self.id(&result.id));
        if let (false, Some(written)) = (nested.is_empty(), written.as_object_mut()) {
            written.insert("parts".into(), Value::Array(nested));
        }
        json!({"functionResponse": written})
    }

    fn media(&self, media: &Media, unless_told: &str, field: Field, losses: &mut Losses) -> Option<Value> {
        let is_choice = media.detail.as_deref().is_some_and(|detail| detail != "auto");
        losses.note_if(is_choice, Field::ImageDetail);
        let part = media::part(media, unless_told, self.is_own);
        losses.note_if(part.is_none(), field);
        part
    }
}

/// The part of a block of Gemini's own, for a stream, whose events have no place for it but this.
pub(in crate::dialect::gemini) fn native(block: Block) -> Option<Value> {
    let mut parts = Parts::default();
    let writer = Writer { is_upstream: false, is_own: true, nests_media: true };
    writer.push(block, &mut parts, &mut Losses::default());
    parts.list.pop()
}

/// Whether this is a part that only Gemini has, rather than another dialect's block, which says its `type`.
pub(in crate::dialect::gemini) fn is_native(value: &Value) -> bool {
    value.as_object().is_some_and(|part| !part.is_empty() && !part.contains_key("type"))
}

fn add_id(written: &mut Value, id: &str) {
    if let (false, Some(written)) = (id.is_empty(), written.as_object_mut()) {
        written.shift_insert(0, "id".to_owned(), Value::from(id));
    }
}

/// What a tool answered, as the object that it must be: its own, or one around its text under the keys that Google's
/// reference suggests. Google takes a `$ref` anywhere in it for one of its own and answers 400, so that stays text.
fn answer(text: &str, is_error: bool, is_own: bool) -> Value {
    let object = match text.trim_start().starts_with('{') && (is_own || !text.contains("\"$ref\"")) {
        true => serde_json::from_slice::<Map<String, Value>>(text.as_bytes()).ok(),
        false => None,
    };
    match (object, is_error) {
        (Some(object), true) if !object.contains_key("error") => json!({"error": object}),
        (Some(object), _) => Value::Object(object),
        (None, true) => json!({"error": text}),
        (None, false) => json!({"result": text}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_always_an_object() {
        for (text, is_error, expected) in [
            ("40 C", false, json!({"result": "40 C"})),
            ("", false, json!({"result": ""})),
            ("[1]", false, json!({"result": "[1]"})),
            ("{\"a\":1}", false, json!({"a": 1})),
            ("{\"a\":1", false, json!({"result": "{\"a\":1"})),
            ("no", true, json!({"error": "no"})),
            ("{\"a\":1}", true, json!({"error": {"a": 1}})),
            ("{\"error\":1}", true, json!({"error": 1})),
            ("{\"$ref\":\"#/x\"}", false, json!({"result": "{\"$ref\":\"#/x\"}"})),
        ] {
            assert_eq!(answer(text, is_error, false), expected, "{text}");
        }
    }
}

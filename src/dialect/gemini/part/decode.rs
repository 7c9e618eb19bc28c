//! From a part to a block.

use super::media;
use crate::conversation::{Block, Content, Dialect, Extras, Opaque, Text, Thinking, Thought};
use crate::conversation::{ToolCall, ToolResult, opaque, tool_call_id};
use crate::dialect::gemini::{nested, tool_name};
use crate::json::{FieldError, Fields};
use serde_json::{Map, Value};

/// Who wrote a part: whether reasoning state in it may be another provider's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dialect::gemini) enum Side {
    /// A client, which may carry it.
    Client,
    /// Google.
    Provider,
}

impl Side {
    /// The state in this text; `None` for what was carried and broke. Google's client for Python gives bytes back in the
    /// other alphabet of base64.
    fn state(self, text: String) -> Option<Opaque> {
        match self {
            Side::Provider => Some(Opaque::new(Dialect::Gemini, text)),
            Side::Client if text.starts_with(opaque::MARKER_TEXT) => {
                Opaque::carried(Dialect::Gemini, &text.replace('-', "+").replace('_', "/"))
            }
            Side::Client => Opaque::carried(Dialect::Gemini, &text),
        }
    }

    /// A function's own name: Google knows it by one that fits.
    fn name(self, name: String) -> String {
        match self {
            Side::Client => name,
            Side::Provider => tool_name::restore(&name).into_owned(),
        }
    }
}

/// Reads a part. Calls and results without an id get an empty one, for the caller to fill.
pub(in crate::dialect::gemini) fn block(mut part: Fields, side: Side) -> Result<Block, FieldError> {
    let signature = part.string("thoughtSignature")?.and_then(|text| side.state(text));
    let mut extras = Extras::new();
    let content = if let Some(call) = part.object("functionCall")? {
        tool_call(call, &mut extras, side)?
    } else if let Some(response) = part.object("functionResponse")? {
        tool_result(response, &mut extras, side)?
    } else if let Some(blob) = part.object("inlineData")? {
        media::inline(blob, &mut extras, "inlineData")?
    } else if let Some(data) = part.object("fileData")? {
        media::file(data, &mut extras, "fileData")?
    } else {
        return words(part, signature);
    };
    extras.extend(part.rest());
    Ok(Block { content, cache: None, signature, extras })
}

/// A part of text, thought or spoken, or else of something that only Gemini has.
fn words(mut part: Fields, signature: Option<Opaque>) -> Result<Block, FieldError> {
    let text = part.string("text")?;
    let is_thought = part.boolean("thought")?.unwrap_or_default();
    let mut rest = part.rest();
    let (content, signature) = match (text, is_thought) {
        (Some(text), false) => (Content::Text(Text { text, citations: Vec::new() }), signature),
        (Some(text), true) => {
            let thought = Thought::text(text);
            (Content::Thinking(Thinking { thought, signature, ..Thinking::default() }), None)
        }
        // So the encoder writes state of a thought of which nothing may be read.
        (None, true) if rest.is_empty() && signature.is_some() => {
            (Content::Thinking(Thinking { is_redacted: true, signature, ..Thinking::default() }), None)
        }
        (None, false) if rest.is_empty() && signature.is_some() => {
            (Content::Text(Text::default()), signature)
        }
        (None, is_thought) => {
            if is_thought {
                rest.insert("thought".into(), Value::Bool(true));
            }
            let native = Value::Object(std::mem::take(&mut rest));
            (Content::Native(native), signature)
        }
    };
    Ok(Block { content, cache: None, signature, extras: rest })
}

fn tool_call(mut call: Fields, extras: &mut Extras, side: Side) -> Result<Content, FieldError> {
    let arguments = call.object("args")?.map(Fields::rest).unwrap_or_default();
    let found = ToolCall {
        id: call.string("id")?.map(|id| restored(&id)).unwrap_or_default(),
        name: side.name(call.required("name")?),
        arguments: text_of(arguments),
        is_custom: false,
    };
    nested::keep(extras, "functionCall", call.rest());
    Ok(Content::ToolCall(found))
}

fn tool_result(mut response: Fields, extras: &mut Extras, side: Side) -> Result<Content, FieldError> {
    let answer = response.object("response")?.map(Fields::rest).unwrap_or_default();
    let is_error = answer.len() == 1 && answer.contains_key("error");
    let mut content = vec![Block::text(text_of(answer))];
    for part in response.objects("parts")? {
        content.push(block(part, side)?);
    }
    let result = ToolResult {
        id: response.string("id")?.map(|id| restored(&id)).unwrap_or_default(),
        name: Some(side.name(response.required("name")?)),
        content,
        is_error: is_error.then_some(true),
        is_custom: false,
    };
    nested::keep(extras, "functionResponse", response.rest());
    Ok(Content::ToolResult(result))
}

fn restored(id: &str) -> String {
    tool_call_id::restore(id).into_owned()
}

fn text_of(object: Map<String, Value>) -> String {
    Value::Object(object).to_string()
}

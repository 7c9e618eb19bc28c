//! Blocks into the hub.

use super::{media, rest, state};
use crate::conversation::block::{CacheBreakpoint, Citation, Text, Thinking, ToolCall, ToolResult};
use crate::conversation::{Block, Content, Opaque, Thought, tool_call_id};
use crate::json::{FieldError, Fields};
use serde_json::Value;

/// What an element of `content` is.
pub(in crate::dialect::messages) enum Piece {
    Block(Block),
    /// State of the block that follows.
    Attached(Opaque),
    /// A carrier that is not whole any more.
    Nothing,
}

/// `content`: a string, or blocks.
pub(in crate::dialect::messages) fn content(
    fields: &mut Fields,
    name: &str,
) -> Result<Option<Vec<Block>>, FieldError> {
    match fields.get(name) {
        None => Ok(None),
        Some(Value::String(_)) => {
            let text = fields.required(name)?;
            Ok(Some(if text.is_empty() { Vec::new() } else { vec![Block::text(text)] }))
        }
        Some(Value::Array(_)) => {
            let pieces: Result<Vec<_>, _> = fields.objects(name)?.into_iter().map(piece).collect();
            pieces.map(joined).map(Some)
        }
        Some(_) => Err(fields.error(name, "a string or an array of blocks")),
    }
}

/// `content` of an answer: what cannot be understood is kept as it is.
pub(in crate::dialect::messages) fn answer(content: Option<Value>) -> Vec<Block> {
    match content {
        Some(Value::String(text)) => vec![Block::text(text)],
        Some(Value::Array(list)) => joined(list.into_iter().map(piece_of_answer).collect()),
        _ => Vec::new(),
    }
}

/// State that was attached comes to its block.
fn joined(pieces: Vec<Piece>) -> Vec<Block> {
    let mut blocks = Vec::with_capacity(pieces.len());
    let mut attached = None;
    for piece in pieces {
        match piece {
            Piece::Attached(state) => attached = Some(state),
            Piece::Block(mut block) => {
                block.signature = attached.take();
                blocks.push(block);
            }
            Piece::Nothing => {}
        }
    }
    blocks
}

/// One block of an answer. Of those that clients may send, a model writes only four; on Bedrock, pictures too.
pub(in crate::dialect::messages) fn piece_of_answer(block: Value) -> Piece {
    match block.get("type").and_then(Value::as_str) {
        Some("text" | "thinking" | "redacted_thinking" | "tool_use") => {
            piece(Fields::lenient(block)).unwrap_or(Piece::Nothing)
        }
        Some("image") if block.get("source").is_some() => {
            piece(Fields::lenient(block)).unwrap_or(Piece::Nothing)
        }
        Some(_) => Piece::Block(Block::new(Content::Native(block))),
        None => Piece::Nothing,
    }
}

/// One block of a request.
fn piece(mut fields: Fields) -> Result<Piece, FieldError> {
    let kind = fields.required("type")?;
    let content = match kind.as_str() {
        "text" => Content::Text(Text {
            text: fields.required("text")?,
            citations: fields.array("citations")?.unwrap_or_default().into_iter().map(citation).collect(),
        }),
        "thinking" => {
            let text = fields.string("thinking")?.filter(|text| !text.is_empty());
            let signature = fields.string("signature")?;
            Content::Thinking(Thinking {
                thought: text.map(Thought::text).unwrap_or_default(),
                signature: signature.as_deref().filter(|it| !it.is_empty()).and_then(state),
                ..Thinking::default()
            })
        }
        "redacted_thinking" => match state(&fields.required("data")?) {
            Some(state) if state.is_attached => return Ok(Piece::Attached(state)),
            Some(state) => Content::Thinking(Thinking {
                signature: Some(state),
                is_redacted: true,
                ..Thinking::default()
            }),
            None => return Ok(Piece::Nothing),
        },
        "tool_use" => {
            let name = fields.required("name")?;
            // Called by the model itself, as everywhere else; only a call by running code is told apart.
            if fields.get("caller").is_some_and(|it| it.get("type").is_some_and(|kind| kind == "direct")) {
                fields.take("caller");
            }
            Content::ToolCall(ToolCall {
                id: tool_call_id::restore(&fields.required("id")?).into_owned(),
                name: tool_call_id::restore(&name).into_owned(),
                arguments: fields
                    .object("input")?
                    .map_or_else(|| "{}".into(), |it| Value::Object(it.rest()).to_string()),
                is_custom: false,
            })
        }
        "tool_result" => Content::ToolResult(ToolResult {
            id: tool_call_id::restore(&fields.required("tool_use_id")?).into_owned(),
            content: content(&mut fields, "content")?.unwrap_or_default(),
            is_error: fields.boolean("is_error")?,
            ..ToolResult::default()
        }),
        "image" if media::is_known(&fields) => Content::Image(media::decode(&mut fields)?),
        "document" if media::is_known(&fields) => Content::Document(media::decode(&mut fields)?),
        "search_result" => Content::Document(media::search_result(&mut fields)?),
        _ => {
            let mut members = fields.rest();
            let mut whole = super::Members::with_capacity(members.len() + 1);
            whole.insert("type".into(), kind.into());
            whole.append(&mut members);
            return Ok(Piece::Block(Block::new(Content::Native(Value::Object(whole)))));
        }
    };
    let cache = cache_breakpoint(&mut fields);
    Ok(Piece::Block(Block { content, cache, signature: None, extras: rest(fields) }))
}

/// `cache_control`; any other than `ephemeral` stays where it is.
pub(in crate::dialect::messages) fn cache_breakpoint(fields: &mut Fields) -> Option<CacheBreakpoint> {
    let control = fields.get("cache_control")?.as_object()?;
    let is_hour = match control.get("ttl").filter(|ttl| !ttl.is_null()) {
        None => None,
        Some(ttl) => match ttl.as_str()? {
            "1h" => Some(true),
            "5m" => Some(false),
            _ => return None,
        },
    };
    let is_plain = control.keys().all(|key| key == "type" || key == "ttl");
    if control.get("type")?.as_str()? != "ephemeral" || !is_plain {
        return None;
    }
    fields.take("cache_control");
    Some(CacheBreakpoint { is_hour })
}

/// A citation. Its places are in what is cited; the text that rests on it is the whole block, so `start` and `end` are not
/// said. One that the gateway made for another provider's has no original, which Anthropic would refuse.
pub(in crate::dialect::messages) fn citation(value: Value) -> Citation {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let is_ours = text("encrypted_index").is_some_and(|index| index == super::unsigned());
    Citation {
        url: text("url").or_else(|| text("source")),
        title: text("title").or_else(|| text("document_title")),
        quote: text("cited_text").filter(|quote| !quote.is_empty()),
        start: None,
        end: None,
        original: (!is_ours).then_some(value),
    }
}

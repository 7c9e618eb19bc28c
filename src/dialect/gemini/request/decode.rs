//! From a Gemini request to the hub's.

use super::{call_ids, chunks, settings, tools};
use crate::conversation::{Dialect, Message, Request, Role};
use crate::dialect::InvalidBody;
use crate::dialect::gemini::part::{Side, block};
use crate::dialect::gemini::{parse, spelling};
use crate::json::{FieldError, Fields};
use serde_json::Value;

/// Decodes a request; model and stream are told by its path.
///
/// # Errors
/// Where the body is no JSON object, or a field has the wrong type.
pub fn decode(body: &[u8], model: &str, stream: bool) -> Result<Request, InvalidBody> {
    let mut body = parse(body)?;
    spelling::of_request(&mut body);
    let mut body = Fields::of(body, "")?;
    // The path counts; clients repeat it here for `countTokens`.
    body.take("model");
    let mut request = Request {
        dialect: Dialect::Gemini,
        model: model.to_owned(),
        stream,
        include_usage: true,
        ..Request::default()
    };
    if let Some(instruction) = body.object("systemInstruction")? {
        request.instructions = message(instruction)?.content;
    }
    for content in one_or_more(&mut body, "contents")? {
        request.messages.push(message(content)?);
    }
    request.messages = chunks::join(request.messages);
    call_ids::fill(&mut request.messages);
    for tool in one_or_more(&mut body, "tools")? {
        tools::decode(tool, &mut request.tools)?;
    }
    if let Some(config) = body.object("toolConfig")? {
        request.tool_choice = tools::decode_choice(config, &mut request.extras)?;
    }
    if let Some(config) = body.object("generationConfig")? {
        settings::decode(config, &mut request.settings, &mut request.extras)?;
    }
    request.settings.service_tier = body.string("serviceTier")?;
    request.settings.store = body.boolean("store")?;
    request.extras.extend(body.rest());
    Ok(request)
}

/// A content. Of a system instruction the role means nothing.
fn message(mut content: Fields) -> Result<Message, FieldError> {
    let role = match content.string("role")?.as_deref() {
        None | Some("" | "user" | "function" | "tool" | "system") => Role::User,
        Some("model") => Role::Assistant,
        Some(_) => return Err(content.error("role", "`user` or `model`")),
    };
    let mut message = Message { role, ..Message::default() };
    for part in one_or_more(&mut content, "parts")? {
        message.content.push(block(part, Side::Client)?);
    }
    message.extras = content.rest();
    Ok(message)
}

/// A list of objects, for which Google also takes one alone.
fn one_or_more(fields: &mut Fields, name: &str) -> Result<Vec<Fields>, FieldError> {
    match fields.get(name) {
        Some(Value::Object(_)) => Ok(fields.object(name)?.into_iter().collect()),
        _ => fields.objects(name),
    }
}

//! A request into the hub.

use super::{LOGPROBS, REASONING_STATE};
use crate::conversation::{Block, Dialect, Effort, Format, Message, Reasoning, Request, Role, Settings};
use crate::dialect::InvalidBody;
use crate::dialect::responses::item::decode::Decoder;
use crate::dialect::responses::tool;
use crate::json::{FieldError, Fields};
use serde_json::Value;
use std::collections::BTreeMap;

/// Reads a request; `previous_response_id`, which only the gateway can resolve, is among its extras.
///
/// # Errors
/// Where the body is no JSON object or a field has the wrong type, with its path.
pub fn decode(body: &[u8]) -> Result<Request, InvalidBody> {
    // Tells where the body is broken, and refuses what is given twice.
    crate::json::peek(body, &["model", "input", "stream"])?;
    let body: Value = serde_json::from_slice(body)
        .map_err(|_| InvalidBody { field: None, message: "a JSON object is expected".into() })?;
    let mut fields = Fields::of(body, "")?;
    let model = fields.string("model")?.unwrap_or_default();
    let stream = fields.boolean("stream")?.unwrap_or(false);
    let instructions = fields.string("instructions")?.map(Block::text).into_iter().collect();
    let messages = input(&mut fields)?;
    let tools = fields.objects("tools")?.into_iter().map(tool::decode).collect::<Result<_, _>>()?;
    let tool_choice = tool::decode_choice(&mut fields)?;
    let parallel_tool_calls = fields.boolean("parallel_tool_calls")?;
    let settings = settings(&mut fields)?;
    let mut extras = fields.rest();
    extras.retain(|_, value| !value.is_null());
    Ok(Request {
        dialect: Dialect::Responses,
        model,
        stream,
        include_usage: true,
        instructions,
        messages,
        tools,
        tool_choice,
        parallel_tool_calls,
        settings,
        extras,
    })
}

/// `input`: a text is one message of the user.
fn input(fields: &mut Fields) -> Result<Vec<Message>, FieldError> {
    match fields.get("input") {
        None => Ok(Vec::new()),
        Some(Value::String(_)) => {
            let content = fields.string("input")?.map(Block::text).into_iter().collect();
            Ok(vec![Message { role: Role::User, content, ..Message::default() }])
        }
        Some(Value::Array(_)) => {
            let mut decoder = Decoder::default();
            for item in fields.objects("input")? {
                decoder.push(item)?;
            }
            Ok(decoder.finish())
        }
        Some(_) => Err(fields.error("input", "a string or an array")),
    }
}

fn settings(fields: &mut Fields) -> Result<Settings, FieldError> {
    let mut settings = Settings {
        max_output_tokens: fields.count("max_output_tokens")?,
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        top_logprobs: fields.count("top_logprobs")?,
        metadata: metadata(fields)?,
        user: fields.string("safety_identifier")?,
        service_tier: fields.string("service_tier")?,
        prompt_cache_key: fields.string("prompt_cache_key")?,
        store: fields.boolean("store")?,
        reasoning: reasoning(fields)?,
        ..Settings::default()
    };
    if settings.user.is_none() {
        // Its older name.
        settings.user = fields.string("user")?;
    }
    text(fields, &mut settings)?;
    if let Some(mut include) = fields.strings("include")? {
        let mut takes = |name: &str| {
            let before = include.len();
            include.retain(|wanted| wanted != name);
            (include.len() < before).then_some(true)
        };
        settings.logprobs = takes(LOGPROBS);
        settings.reasoning_state = takes(REASONING_STATE);
        if !include.is_empty() {
            fields.put("include", include.into());
        }
    }
    Ok(settings)
}

fn metadata(fields: &mut Fields) -> Result<BTreeMap<String, String>, FieldError> {
    let Some(metadata) = fields.object("metadata")? else { return Ok(BTreeMap::new()) };
    let path = metadata.own_path().to_owned();
    let mut pairs = BTreeMap::new();
    for (name, value) in metadata.rest() {
        match value {
            Value::String(value) => pairs.insert(name, value),
            _ => return Err(FieldError::new(format!("{path}.{name}"), "a string")),
        };
    }
    Ok(pairs)
}

/// `reasoning`; what the hub does not know of it stays.
fn reasoning(fields: &mut Fields) -> Result<Option<Reasoning>, FieldError> {
    let Some(mut inner) = fields.object("reasoning")? else { return Ok(None) };
    let effort = inner.string("effort")?;
    let known = effort.as_deref().and_then(Effort::parse);
    if let (None, Some(unknown)) = (known, effort) {
        inner.put("effort", Value::String(unknown));
    }
    let summary = inner.string("summary")?;
    let rest = inner.rest();
    if rest.values().any(|value| !value.is_null()) {
        fields.put("reasoning", Value::Object(rest));
    }
    let is_shown = summary.is_some().then_some(true);
    let is_asked = known.is_some() || summary.is_some();
    Ok(is_asked.then(|| Reasoning { effort: known, summary, is_shown, ..Reasoning::default() }))
}

/// `text`; what the hub does not know of it stays.
fn text(fields: &mut Fields, settings: &mut Settings) -> Result<(), FieldError> {
    let Some(mut inner) = fields.object("text")? else { return Ok(()) };
    settings.verbosity = inner.string("verbosity")?;
    if let Some(mut format) = inner.object("format")? {
        let kind = format.required("type")?;
        settings.format = Some(match kind.as_str() {
            "text" => Format::Text,
            "json_object" => Format::JsonObject,
            "json_schema" => Format::JsonSchema {
                name: format.string("name")?,
                description: format.string("description")?,
                schema: format
                    .object("schema")?
                    .map(|schema| Value::Object(schema.rest()))
                    .ok_or_else(|| format.error("schema", "an object"))?,
                strict: format.boolean("strict")?,
            },
            _ => return Err(format.error("type", "`text`, `json_object` or `json_schema`")),
        });
        let rest = format.rest();
        if rest.values().any(|value| !value.is_null()) {
            inner.put("format", Value::Object(rest));
        }
    }
    let rest = inner.rest();
    if rest.values().any(|value| !value.is_null()) {
        fields.put("text", Value::Object(rest));
    }
    Ok(())
}

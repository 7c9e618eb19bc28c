//! A chat answer as one of the hub.

use super::{stop, usage};
use crate::conversation::{Block, Choice, Content, Dialect, Response};
use crate::dialect::InvalidBody;
use crate::dialect::chat::{assistant, part};
use crate::json::Fields;
use serde_json::Value;

/// Reads a whole answer, whatever a provider makes of the format.
///
/// Perplexity's `search_results` are citations of the text, beside staying where they are.
///
/// # Errors
/// Where the body is no JSON object.
pub fn decode(body: &[u8]) -> Result<Response, InvalidBody> {
    let value = match serde_json::from_slice(body) {
        Ok(value @ Value::Object(_)) => value,
        _ => return Err(InvalidBody { field: None, message: "the answer is no JSON object".into() }),
    };
    let mut fields = Fields::lenient(value);
    let mut response = Response {
        dialect: Dialect::Chat,
        id: fields.required("id")?,
        model: fields.required("model")?,
        created: fields.count("created")?.and_then(|seconds| i64::try_from(seconds).ok()),
        ..Response::default()
    };
    if fields.get("object").is_some_and(|object| object == "chat.completion") {
        fields.take("object");
    }
    let mut choices = Vec::new();
    for (place, mut choice) in fields.objects("choices")?.into_iter().enumerate() {
        let index = choice.count("index")?.unwrap_or(place as u64);
        let decoded = decode_choice(choice, &response.id)?;
        choices.insert(choices.partition_point(|(known, _)| *known <= index), (index, decoded));
    }
    response.choices = choices.into_iter().map(|(_, choice)| choice).collect();
    if let Some(usage) = fields.object("usage")? {
        let usage = Value::Object(usage.rest());
        response.usage = usage::of(&usage).map(|reported| reported.usage);
        response.original_usage = Some(usage);
    } else if let Some(usage) = fields.get("x_groq").and_then(|groq| groq.get("usage")) {
        response.usage = usage::of(usage).map(|reported| reported.usage);
    }
    if let Some(results) = fields.get("search_results") {
        cite(&mut response, results);
    }
    response.extras = fields.rest();
    Ok(response)
}

fn decode_choice(mut choice: Fields, answer: &str) -> Result<Choice, InvalidBody> {
    let mut content = Vec::new();
    if let Some(mut message) = choice.object("message")? {
        if message.get("role").is_some_and(|role| role == "assistant") {
            message.take("role");
        }
        content = assistant::decode(&mut message, answer)?;
        part::put_rest(&mut choice, "message", message);
    }
    let has = |wanted: fn(&Block) -> bool| content.iter().any(wanted);
    let has_calls = has(|block| matches!(block.content, Content::ToolCall(_)));
    let has_refusal = has(|block| matches!(block.content, Content::Refusal(_)));
    let original_stop = choice.string("finish_reason")?;
    let stop = original_stop.as_deref().map(|reason| stop::parse(reason, has_calls, has_refusal));
    let logprobs = choice.take("logprobs");
    Ok(Choice { content, stop, original_stop, logprobs, extras: choice.rest() })
}

fn cite(response: &mut Response, results: &Value) {
    let blocks = response.choices.iter_mut().flat_map(|choice| &mut choice.content);
    for block in blocks {
        if let Content::Text(text) = &mut block.content
            && text.citations.is_empty()
        {
            text.citations = assistant::annotation::search_results(results);
        }
    }
}

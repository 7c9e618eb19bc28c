//! From Gemini's answer to the hub's.

use super::{Grounding, is_blocked, logprobs_from_gemini, read_stop, usage_of_value};
use crate::conversation::{Block, Choice, Content, Dialect, Response, StopReason};
use crate::dialect::InvalidBody;
use crate::dialect::gemini::part::{Side, block};
use crate::dialect::gemini::{call_id, nested, parse};
use crate::json::{FieldError, Fields};
use crate::time::Millis;
use serde_json::Value;

/// Decodes an answer, whatever is strange in it.
///
/// # Errors
/// Where the body is no JSON object at all.
pub fn decode(body: &[u8]) -> Result<Response, InvalidBody> {
    let body = parse(body)?;
    if !body.is_object() {
        return Err(FieldError::new("the body", "a JSON object").into());
    }
    let mut body = Fields::lenient(body);
    let mut response = Response {
        dialect: Dialect::Gemini,
        id: body.required("responseId")?,
        model: body.required("modelVersion")?,
        created: created(&mut body)?,
        ..Response::default()
    };
    if let Some(usage) = body.take("usageMetadata") {
        response.usage = usage_of_value(&usage);
        response.original_usage = Some(usage);
    }
    for (index, candidate) in body.objects("candidates")?.into_iter().enumerate() {
        response.choices.push(choice(candidate, index, &response.id)?);
    }
    if response.choices.is_empty() && is_blocked(body.get("promptFeedback")) {
        let stop = Some(StopReason::ContentFilter);
        response.choices.push(Choice { stop, ..Choice::default() });
    }
    response.extras = body.rest();
    Ok(response)
}

fn created(body: &mut Fields) -> Result<Option<i64>, FieldError> {
    let time = body.string("createTime")?;
    Ok(time.and_then(|time| Millis::from_iso(&time)).map(|time| time.0.div_euclid(1000)))
}

fn choice(mut candidate: Fields, index: usize, answer: &str) -> Result<Choice, FieldError> {
    candidate.take("index");
    let mut choice = Choice::default();
    let mut calls = 0;
    if let Some(mut content) = candidate.object("content")? {
        content.take("role");
        for part in content.objects("parts")? {
            let mut block = block(part, Side::Provider)?;
            if let Content::ToolCall(call) = &mut block.content {
                if call.id.is_empty() {
                    call.id = call_id(answer, index, calls, &call.name, &call.arguments);
                }
                calls += 1;
            }
            choice.content.push(block);
        }
        nested::keep(&mut choice.extras, "content", content.rest());
    }
    choice.original_stop = candidate.string("finishReason")?;
    choice.stop = choice.original_stop.as_deref().and_then(|reason| read_stop(reason, calls > 0));
    if let Some(result) = candidate.take("logprobsResult") {
        choice.logprobs = logprobs_from_gemini(&result);
        if let Some(sum) = result.get("logProbabilitySum") {
            choice.extras.insert("logprobsResult.logProbabilitySum".into(), sum.clone());
        }
    }
    let rest = candidate.rest();
    for found in Grounding::default().read(&rest) {
        cite(&mut choice.content, found);
    }
    choice.extras.extend(rest);
    Ok(choice)
}

/// Puts a citation on the text that it names, or else on the last one.
fn cite(content: &mut [Block], found: super::Segments) {
    let text_at = |at: usize, content: &[Block]| match content.get(at).map(|block| &block.content) {
        Some(Content::Text(text)) => found.fits(&text.text),
        _ => false,
    };
    let told = found.part.filter(|part| text_at(*part, content));
    let last = || content.iter().rposition(|block| matches!(block.content, Content::Text(_)));
    let Some(at) = told.or_else(last) else { return };
    if let Some(Block { content: Content::Text(text), .. }) = content.get_mut(at) {
        let citation = found.citation(&text.text);
        text.citations.push(citation);
    }
}

/// Whether a candidate says nothing but that the prompt was blocked: it stood not in the body.
pub(super) fn is_made(choice: &Choice, feedback: Option<&Value>) -> bool {
    choice.content.is_empty() && choice.original_stop.is_none() && is_blocked(feedback)
}

//! What an answer says that passes as it came: its usage, how much was written, or that it is an error after all.

use super::reported;
use crate::dialect::chat::response::Answer;
use crate::dialect::error::read_error;
use crate::json::{self, Item, JsonError, Raw};
use crate::usage::estimate::Estimate;

/// Reads the body of an answer.
///
/// # Errors
/// Where it is no JSON object: such a 200 is not an answer.
pub fn read(body: &[u8]) -> Result<Answer, JsonError> {
    let object = json::peek_lenient(body, &["candidates", "usageMetadata", "error"])?;
    let [candidates, usage, error] = object.fields;
    let mut output = Estimate::default();
    for candidate in candidates.iter().flat_map(Raw::items) {
        if let Some(parts) = candidate.value.member("content").and_then(|content| content.member("parts")) {
            add_parts(&mut output, parts);
        }
    }
    Ok(Answer {
        usage: usage.and_then(reported),
        output,
        error: is_error(error).then(|| read_error(body)),
        ..Answer::default()
    })
}

/// Whether a body or an event is an error: it has one.
pub(in crate::dialect::gemini) fn is_error(error: Option<Raw<'_>>) -> bool {
    error.is_some_and(|error| !error.is_blank())
}

/// Adds what a model wrote: text and thoughts, calls of functions, code.
pub(in crate::dialect::gemini) fn add_parts(estimate: &mut Estimate, parts: Raw<'_>) {
    for member in parts.items().flat_map(|part| part.value.items()) {
        match member.key {
            b"text" | b"executableCode" | b"codeExecutionResult" => estimate.add_content(member.value),
            b"functionCall" => {
                let told = member.value.items().filter(|member| member.key != b"id");
                told.for_each(|member| estimate.add_content(member.value));
            }
            _ => {}
        }
    }
}

/// Whether a client would show something of these parts or act on it: not a signature alone.
pub(in crate::dialect::gemini) fn has_parts(parts: Raw<'_>) -> bool {
    let is_content = |member: Item<'_>| {
        !matches!(member.key, b"thought" | b"thoughtSignature") && !member.value.is_blank()
    };
    parts.items().any(|part| part.value.items().any(is_content))
}

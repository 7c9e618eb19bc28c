//! What an answer that came as a whole says: its usage, how much text it holds, or that it is an error after all.
//!
//! ```
//! use edgeway::dialect::chat::response::read;
//!
//! let answer = read(br#"{"choices":[{"message":{"content":"Hi"}}],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#)?;
//! assert_eq!(answer.usage.map(|reported| reported.usage.total_input()), Some(3));
//! # Ok::<(), edgeway::json::JsonError>(())
//! ```

mod decode;
mod encode;
pub(super) mod stop;
pub(super) mod usage;

use crate::conversation::StopReason;
use crate::dialect::error::{UpstreamError, is_error, read_error};
use crate::json::{self, JsonError, Raw};
use crate::usage::Reported;
use crate::usage::estimate::Estimate;
pub use decode::decode;
pub use encode::encode;
pub(super) use encode::{answer_id, is_legacy};
pub use usage::reported;
pub(in crate::dialect) use usage::{of as usage_of, written as usage_object};

/// What the body of a 200 says, for chat and for the endpoints beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// What the upstream says was used; `None` where it does not say.
    pub usage: Option<Reported>,
    /// The text that was written, weighed: for an upstream that reports nothing.
    pub output: Estimate,
    /// Pictures that are in it.
    pub images: u64,
    /// The body is an error although the status is not.
    pub error: Option<UpstreamError>,
}

/// Reads the body of an answer.
///
/// # Errors
/// Where it is no JSON object: such a 200 is not an answer.
pub fn read(body: &[u8]) -> Result<Answer, JsonError> {
    let object = json::peek_lenient(body, &["choices", "usage", "x_groq", "error", "object", "data"])?;
    let [choices, usage, x_groq, error, kind, data] = object.fields;
    let has_answer = choices.or(data).is_some_and(|answer| !answer.is_blank());
    let mut output = Estimate::default();
    for choice in choices.iter().flat_map(Raw::items) {
        if let Some(message) = choice.value.member("message") {
            add_output(&mut output, message);
        }
    }
    Ok(Answer {
        usage: usage.or_else(|| x_groq?.member("usage")).and_then(reported),
        output,
        error: is_error(error, kind, has_answer).then(|| read_error(body)),
        ..Answer::default()
    })
}

/// `finish_reason` of an answer whose refusal, if any, is in words.
pub(in crate::dialect) fn finish_reason(reason: &StopReason) -> &'static str {
    stop::name(reason, true, false)
}

/// Adds what a model wrote in a message or a delta: text, reasoning, refusals, calls of tools. Where reasoning comes
/// under two names, or once more as `reasoning_details`, it is one text.
pub(super) fn add_output(estimate: &mut Estimate, message: Raw<'_>) {
    let mut reasoning: Option<Raw<'_>> = None;
    for member in message.items() {
        match member.key {
            b"content" | b"refusal" | b"tool_calls" | b"function_call" => estimate.add_content(member.value),
            b"reasoning_content" | b"reasoning" if !member.value.is_blank() => reasoning = Some(member.value),
            _ => {}
        }
    }
    if let Some(reasoning) = reasoning {
        estimate.add_content(reasoning);
    }
}

#[cfg(test)]
mod tests;

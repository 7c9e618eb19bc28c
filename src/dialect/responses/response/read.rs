//! What an answer that passes says: its usage, how much text it holds, or that it is an error after all.

use super::usage::reported;
use crate::dialect::chat::response::Answer;
use crate::dialect::error::read_error;
use crate::json::{self, JsonError, Raw};
use crate::usage::estimate::Estimate;

/// Reads the body of an answer.
///
/// # Errors
/// Where it is no JSON object: such a 200 is not an answer.
pub fn read(body: &[u8]) -> Result<Answer, JsonError> {
    let object = json::peek_lenient(body, &["output", "usage", "error"])?;
    let [output, usage, error] = object.fields;
    let mut written = Estimate::default();
    output.iter().flat_map(Raw::items).for_each(|item| add_item(&mut written, item.value));
    let error = error.filter(|error| !error.is_blank() && error.as_bool() != Some(false));
    Ok(Answer {
        usage: usage.and_then(reported),
        output: written,
        error: error.map(|_| read_error(body)),
        ..Answer::default()
    })
}

/// Adds what a model wrote in an item: text, what may be read of its thoughts, arguments of calls.
pub(in crate::dialect::responses) fn add_item(estimate: &mut Estimate, item: Raw<'_>) {
    for member in item.items() {
        match member.key {
            b"content" | b"summary" => {
                member.value.items().for_each(|part| add_part(estimate, part.value));
            }
            b"name" | b"arguments" | b"input" | b"code" => estimate.add_content(member.value),
            _ => {}
        }
    }
}

fn add_part(estimate: &mut Estimate, part: Raw<'_>) {
    for member in part.items().filter(|member| matches!(member.key, b"text" | b"refusal")) {
        estimate.add_content(member.value);
    }
}

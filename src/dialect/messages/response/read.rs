//! What an answer says, read in passing.
//!
//! ```
//! use edgeway::dialect::messages::response::read;
//!
//! let answer = read(br#"{"type":"message","content":[{"type":"text","text":"Hi"}],"usage":{"input_tokens":3,"output_tokens":1}}"#)?;
//! assert_eq!(answer.usage.map(|reported| reported.usage.total_input()), Some(3));
//! # Ok::<(), edgeway::json::JsonError>(())
//! ```

use crate::dialect::chat::response::Answer;
use crate::dialect::messages::{error, usage::Counters};
use crate::json::{self, JsonError, Raw};
use crate::usage::estimate::Estimate;

/// Reads the body of an answer.
///
/// # Errors
/// Where it is no JSON object: such a 200 is not an answer.
pub fn read(body: &[u8]) -> Result<Answer, JsonError> {
    let object = json::peek_lenient(body, &["content", "usage", "type", "error"])?;
    let [content, usage, kind, failure] = object.fields;
    let mut counters = Counters::default();
    if let Some(usage) = usage {
        counters.merge(usage);
    }
    let mut output = Estimate::default();
    for block in content.filter(Raw::is_array).iter().flat_map(Raw::items) {
        add_output(&mut output, block.value);
    }
    let is_error = kind.is_some_and(|kind| kind.string_text() == Some(b"error"))
        || failure.is_some_and(|failure| !failure.is_blank());
    Ok(Answer {
        usage: counters.reported(),
        output,
        error: is_error.then(|| error::read(body)),
        ..Answer::default()
    })
}

/// Adds what a model wrote in a block or a delta: text, thoughts, calls of tools.
pub(in crate::dialect::messages) fn add_output(estimate: &mut Estimate, block: Raw<'_>) {
    for member in block.is_object().then(|| block.items()).into_iter().flatten() {
        match member.key {
            b"text" | b"thinking" | b"partial_json" => {
                estimate.add_json_text(member.value.string_text().unwrap_or_default());
            }
            b"name" | b"input" => estimate.add_content(member.value),
            _ => {}
        }
    }
}

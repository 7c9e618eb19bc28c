//! What an answer in JSON says: what was used, or that it is an error after all.

use crate::dialect::Endpoint;
use crate::dialect::chat::response::{Answer, usage_of};
use crate::dialect::error::{is_error, read_error};
use crate::json::{self, JsonError, Raw};
use crate::usage::Reported;
use serde_json::Value;

/// Reads the body of an answer of this endpoint.
///
/// # Errors
/// Where it is no JSON: such a 200 is not an answer.
pub fn read(endpoint: Endpoint, body: &[u8]) -> Result<Answer, JsonError> {
    // Some rerankers answer with a bare list, some transcribers with a bare string.
    if !body.trim_ascii_start().starts_with(b"{") && json::is_valid(body) {
        return Ok(Answer::default());
    }
    let names = ["usage", "meta", "error", "object", "data", "results", "choices", "text"];
    let object = json::peek_lenient(body, &names)?;
    let [usage, meta, error, kind, data, results, choices, text] = object.fields;
    let has_answer = [data, results, choices, text].iter().flatten().any(|answer| !answer.is_blank());
    let mut answer = Answer {
        usage: usage.or_else(|| meta?.member("tokens")).and_then(|usage| reported(endpoint, usage)),
        error: is_error(error, kind, has_answer).then(|| read_error(body)),
        ..Answer::default()
    };
    text.into_iter().for_each(|text| answer.output.add_content(text));
    let texts = choices.iter().flat_map(Raw::items).filter_map(|choice| choice.value.member("text"));
    texts.for_each(|text| answer.output.add_content(text));
    Ok(answer)
}

/// Reads a `usage` object; `None` where it counts no tokens, but seconds or search units.
///
/// Sources: <https://platform.openai.com/docs/api-reference/images/object>, <…/audio/json-object>, where the parts of the
/// input are under `input_tokens_details` and `input_token_details`; the speech that is written is all audio.
#[must_use]
pub fn reported(endpoint: Endpoint, usage: Raw<'_>) -> Option<Reported> {
    let usage: Value = serde_json::from_slice(usage.bytes).ok()?;
    let mut reported = usage_of(&usage)?;
    let counts = &mut reported.usage;
    let part = |name: &str| {
        let details = ["input_tokens_details", "input_token_details"];
        details.iter().find_map(|details| usage.get(details)?.get(name)?.as_u64()).unwrap_or_default()
    };
    let audio = part("audio_tokens").min(counts.input);
    counts.input -= audio;
    counts.audio_input += audio;
    let cached = part("cached_tokens").min(counts.input);
    counts.input -= cached;
    counts.cached_input += cached;
    if endpoint == Endpoint::Speech {
        counts.audio_output += std::mem::take(&mut counts.output);
    }
    Some(reported)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::Usage;

    #[test]
    fn each_endpoints_usage_is_in_its_buckets() {
        for (endpoint, body, expected) in [
            (
                Endpoint::Embeddings,
                r#"{"object":"list","data":[],"usage":{"prompt_tokens":8,"total_tokens":8}}"#,
                Some(Usage { input: 8, ..Usage::default() }),
            ),
            (
                Endpoint::ImageGenerations,
                r#"{"created":1,"data":[{"b64_json":"aa"}],"usage":{"input_tokens":50,"output_tokens":1056,"total_tokens":1106,
                    "input_tokens_details":{"text_tokens":50,"image_tokens":0}}}"#,
                Some(Usage { input: 50, output: 1056, ..Usage::default() }),
            ),
            (
                Endpoint::Transcriptions,
                r#"{"text":"hi","usage":{"type":"tokens","input_tokens":14,"output_tokens":3,"total_tokens":17,
                    "input_token_details":{"text_tokens":4,"audio_tokens":10}}}"#,
                Some(Usage { input: 4, audio_input: 10, output: 3, ..Usage::default() }),
            ),
            (Endpoint::Transcriptions, r#"{"text":"hi","usage":{"type":"duration","seconds":9}}"#, None),
            (
                Endpoint::Speech,
                r#"{"usage":{"input_tokens":4,"output_tokens":30,"total_tokens":34}}"#,
                Some(Usage { input: 4, audio_output: 30, ..Usage::default() }),
            ),
            (
                Endpoint::Rerank,
                r#"{"results":[],"meta":{"billed_units":{"search_units":1},"tokens":{"input_tokens":7}}}"#,
                Some(Usage { input: 7, ..Usage::default() }),
            ),
            (Endpoint::Rerank, r#"[{"index":0,"score":0.9}]"#, None),
            (Endpoint::Transcriptions, "\"Hello\"", None),
        ] {
            let found = read(endpoint, body.as_bytes()).unwrap();
            assert_eq!((found.usage.map(|reported| reported.usage), found.error), (expected, None), "{body}");
        }
    }

    #[test]
    fn an_error_is_seen_whatever_its_status() {
        let answer = read(Endpoint::Rerank, br#"{"error":{"message":"no such model"}}"#).unwrap();
        assert_eq!(answer.error.unwrap().message, "no such model");
        assert!(read(Endpoint::Rerank, b"<html>").is_err());
        assert!(read(Endpoint::Rerank, b"[1,").is_err());
    }

    #[test]
    fn text_is_weighed_for_upstreams_that_count_nothing() {
        let transcript = read(Endpoint::Transcriptions, br#"{"text":"four"}"#).unwrap();
        let completion = read(Endpoint::Completions, br#"{"choices":[{"text":"four"}]}"#).unwrap();
        assert_eq!((transcript.output.tokens(), completion.output.tokens()), (1, 1));
    }
}

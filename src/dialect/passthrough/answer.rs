//! What an answer in JSON says: what was used, or that it is an error after all.

use crate::dialect::Endpoint;
use crate::dialect::chat::response::{Answer, usage_of};
use crate::dialect::error::{is_error, read_error};
use crate::json::{self, JsonError, Raw};
use crate::usage::{Reported, Usage};
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
    let names = ["usage", "meta", "error", "object", "data", "results", "choices", "text", "duration"];
    let object = json::peek_lenient(body, &names)?;
    let [usage, meta, error, kind, data, results, choices, text, duration] = object.fields;
    let has_answer = [data, results, choices, text].iter().flatten().any(|answer| !answer.is_blank());
    let mut answer = Answer {
        usage: usage
            .or_else(|| meta?.member("tokens"))
            .and_then(|usage| reported(endpoint, usage))
            .or_else(|| only_seconds(endpoint, duration)),
        error: is_error(error, kind, has_answer).then(|| read_error(body)),
        ..Answer::default()
    };
    text.into_iter().for_each(|text| answer.output.add_content(text));
    let texts = choices.iter().flat_map(Raw::items).filter_map(|choice| choice.value.member("text"));
    texts.for_each(|text| answer.output.add_content(text));
    if endpoint.draws() {
        answer.images = data.map_or(0, |data| data.items().count() as u64);
    }
    let searches = || meta?.member("billed_units")?.member("search_units")?.as_u64();
    if let Some(searches) = searches().filter(|count| *count < ABSURD) {
        answer.usage.get_or_insert_default().usage.searches = searches;
    }
    Ok(answer)
}

/// More seconds or searches than any call can use: an upstream's fault, which must not be billed.
const ABSURD: u64 = 1_000_000;

/// `duration` of a transcript, in seconds, where it has no usage: Groq's, xAI's, and OpenAI's older ones.
fn only_seconds(endpoint: Endpoint, duration: Option<Raw<'_>>) -> Option<Reported> {
    let duration = duration.filter(|_| endpoint.listens())?;
    let seconds: Value = serde_json::from_slice(duration.bytes).ok()?;
    let audio_ms = milliseconds(&seconds)?;
    Some(Reported { usage: Usage { audio_ms, ..Usage::default() }, cost: None })
}

/// Seconds, in a number or in text, as milliseconds, rounded up.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "the range is checked first"
)]
fn milliseconds(seconds: &Value) -> Option<u64> {
    let seconds = seconds.as_f64().or_else(|| seconds.as_str()?.parse().ok())?;
    (0.0..ABSURD as f64).contains(&seconds).then_some((seconds * 1000.0).ceil() as u64)
}

/// Reads a `usage` object; `None` where it counts neither tokens nor seconds.
///
/// Sources: <https://platform.openai.com/docs/api-reference/images/object>, <…/audio/json-object>, where the parts of the
/// input are under `input_tokens_details` and `input_token_details`; the speech that is written is all audio, the pictures that
/// are made are pictures but for the text that is told apart. Seconds: OpenAI's `seconds`, Mistral's `prompt_audio_seconds`.
#[must_use]
pub fn reported(endpoint: Endpoint, usage: Raw<'_>) -> Option<Reported> {
    let usage: Value = serde_json::from_slice(usage.bytes).ok()?;
    let seconds = || usage.get("seconds").or_else(|| usage.get("prompt_audio_seconds"));
    let audio_ms = seconds().and_then(milliseconds);
    let only_seconds = || audio_ms.map(|_| Reported::default());
    let mut reported = usage_of(&usage).or_else(only_seconds)?;
    let counts = &mut reported.usage;
    counts.audio_ms = audio_ms.unwrap_or_default();
    let part = |name: &str| {
        let details = ["input_tokens_details", "input_token_details"];
        details.iter().find_map(|details| usage.get(details)?.get(name)?.as_u64()).unwrap_or_default()
    };
    let audio = part("audio_tokens").min(counts.input);
    counts.input -= audio;
    counts.audio_input += audio;
    let image = part("image_tokens").min(counts.input);
    counts.input -= image;
    counts.image_input += image;
    let cached = part("cached_tokens").min(counts.input);
    counts.input -= cached;
    counts.cached_input += cached;
    match endpoint {
        Endpoint::Speech => counts.audio_output += std::mem::take(&mut counts.output),
        drawing if drawing.draws() => {
            let text =
                usage.get("output_tokens_details").and_then(|details| details.get("text_tokens")?.as_u64());
            let text = text.unwrap_or_default().min(counts.output);
            counts.image_output += counts.output - text;
            counts.output = text;
        }
        _ => {}
    }
    Some(reported)
}

#[cfg(test)]
mod tests {
    use super::*;

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
                Some(Usage { input: 50, image_output: 1056, ..Usage::default() }),
            ),
            (
                Endpoint::ImageEdits,
                r#"{"data":[{}],"usage":{"input_tokens":60,"output_tokens":1056,"total_tokens":1116,
                    "input_tokens_details":{"text_tokens":10,"image_tokens":50},
                    "output_tokens_details":{"text_tokens":6,"image_tokens":1050}}}"#,
                Some(Usage { input: 10, image_input: 50, output: 6, image_output: 1050, ..Usage::default() }),
            ),
            (
                Endpoint::Transcriptions,
                r#"{"text":"hi","usage":{"type":"tokens","input_tokens":14,"output_tokens":3,"total_tokens":17,
                    "input_token_details":{"text_tokens":4,"audio_tokens":10}}}"#,
                Some(Usage { input: 4, audio_input: 10, output: 3, ..Usage::default() }),
            ),
            (
                Endpoint::Transcriptions,
                r#"{"text":"hi","duration":8.47,"usage":{"type":"duration","seconds":9}}"#,
                Some(Usage { audio_ms: 9_000, ..Usage::default() }),
            ),
            (
                Endpoint::Transcriptions,
                r#"{"text":"hi","usage":{"prompt_audio_seconds":5,"prompt_tokens":4,"completion_tokens":3,"total_tokens":407}}"#,
                Some(Usage { audio_ms: 5_000, input: 4, output: 3, ..Usage::default() }),
            ),
            (
                Endpoint::Translations,
                r#"{"text":"hi","duration":"8.4701","segments":[]}"#,
                Some(Usage { audio_ms: 8_471, ..Usage::default() }),
            ),
            (Endpoint::Transcriptions, r#"{"text":"hi","duration":1e99}"#, None),
            (Endpoint::Embeddings, r#"{"data":[1],"duration":3}"#, None),
            (
                Endpoint::Speech,
                r#"{"usage":{"input_tokens":4,"output_tokens":30,"total_tokens":34}}"#,
                Some(Usage { input: 4, audio_output: 30, ..Usage::default() }),
            ),
            (
                Endpoint::Rerank,
                r#"{"results":[],"meta":{"billed_units":{"search_units":1},"tokens":{"input_tokens":7}}}"#,
                Some(Usage { input: 7, searches: 1, ..Usage::default() }),
            ),
            (
                Endpoint::Rerank,
                r#"{"results":[],"meta":{"billed_units":{"search_units":3}}}"#,
                Some(Usage { searches: 3, ..Usage::default() }),
            ),
            (
                Endpoint::Rerank,
                r#"{"results":[],"meta":{"billed_units":{"search_units":99999999999}}}"#,
                None,
            ),
            (Endpoint::Rerank, r#"[{"index":0,"score":0.9}]"#, None),
            (Endpoint::Transcriptions, "\"Hello\"", None),
        ] {
            let found = read(endpoint, body.as_bytes()).unwrap();
            assert_eq!((found.usage.map(|reported| reported.usage), found.error), (expected, None), "{body}");
        }
    }

    #[test]
    fn pictures_are_counted() {
        let read = |endpoint, body: &str| read(endpoint, body.as_bytes()).unwrap();
        let pictures = r#"{"created":1,"data":[{"url":"https://a.test/1"},{"url":"https://a.test/2"}]}"#;
        assert_eq!(read(Endpoint::ImageGenerations, pictures).images, 2);
        assert_eq!(read(Endpoint::Embeddings, pictures).images, 0);
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

//! A stream, in events of the Messages dialect.
//!
//! Blocks of text and of thought begin here without saying so; why the model stopped comes before its usage, with which all
//! is said. A failure is a message of its own kind, `exception`.

use super::frame::{Frames, Message};
use super::response;
use crate::json::json;
use crate::json::{self, Raw};
use serde_json::Value;

/// Events out of a binary stream cut anywhere.
#[derive(Clone, Debug, Default)]
pub struct Events {
    frames: Frames,
    /// Indices of the blocks that have begun.
    begun: Vec<u64>,
    has_failed: bool,
}

impl Events {
    /// Takes a chunk and gives the events that are whole with it. One that is damaged is an error event, and the last.
    pub fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        if self.has_failed {
            return out;
        }
        self.frames.push(chunk);
        loop {
            let message = match self.frames.next() {
                Ok(None) => return out,
                Ok(Some(message)) => Some(message).filter(|message| json::is_valid(message.payload)),
                Err(_) => None,
            };
            let failure = match message {
                None => Some(("api_error", "its event stream is damaged".into())),
                Some(message) if message.kind == b"event" => {
                    event(message, &mut self.begun, &mut out);
                    continue;
                }
                Some(message) => failure(message),
            };
            if let Some((kind, words)) = failure {
                let error = json!({ "type": kind, "message": words }).to_string();
                write(&mut out, "error", &[b"\"error\":", error.as_bytes()]);
                self.has_failed = true;
                return out;
            }
        }
    }
}

/// An exception, or what kept the service from saying one (`error`), by the other dialect's type; `None` for a message of a
/// kind that nobody knows.
fn failure(message: Message<'_>) -> Option<(&'static str, String)> {
    if !matches!(message.kind, b"exception" | b"error") {
        return None;
    }
    let kind = match message.name {
        b"throttlingException" => "rate_limit_error",
        b"serviceUnavailableException" => "overloaded_error",
        b"validationException" => "invalid_request_error",
        b"modelTimeoutException" => "timeout_error",
        _ => "api_error",
    };
    let payload = Raw { bytes: message.payload, start: 0 };
    let words =
        ["originalMessage", "message", "Message"].iter().find_map(|name| payload.member(name)?.as_str());
    let words = words.unwrap_or_else(|| String::from_utf8_lossy(message.error));
    let name = String::from_utf8_lossy(message.name);
    Some((kind, if words.is_empty() { name.into_owned() } else { words.into_owned() }))
}

fn event(message: Message<'_>, begun: &mut Vec<u64>, out: &mut Vec<u8>) {
    let payload = Raw { bytes: message.payload, start: 0 };
    let within = |names: [&str; 2]| names.iter().try_fold(payload, |outer, name| outer.member(name));
    let index = payload.member("contentBlockIndex").and_then(|index| index.as_u64()).unwrap_or_default();
    let number = index.to_string();
    let place: &[u8] = number.as_bytes();
    let mut begin = |out: &mut Vec<u8>, block: &[&[u8]]| {
        if !begun.contains(&index) {
            begun.push(index);
            let block = block.concat();
            write(
                out,
                "content_block_start",
                &[b"\"index\":", place, b",\"content_block\":{\"type\":", &block, b"}"],
            );
        }
    };
    let go_on = |out: &mut Vec<u8>, name: &[u8], value: Raw<'_>| {
        write(
            out,
            "content_block_delta",
            &[b"\"index\":", place, b",\"delta\":{\"type\":\"", name, value.bytes, b"}"],
        );
    };
    match message.name {
        b"messageStart" => write(out, "message_start", &[b"\"message\":{}"]),
        b"contentBlockStart" => {
            let call = within(["start", "toolUse"]);
            let member = |name| string(call, name);
            if let (Some(id), Some(name)) = (member("toolUseId"), member("name")) {
                begin(out, &[b"\"tool_use\",\"id\":", id.bytes, b",\"name\":", name.bytes, b",\"input\":{}"]);
            }
        }
        b"contentBlockDelta" => {
            let thought = within(["delta", "reasoningContent"]);
            let of_thought = |name| string(thought, name);
            if let Some(text) = string(payload.member("delta"), "text") {
                begin(out, &[b"\"text\",\"text\":\"\""]);
                go_on(out, b"text_delta\",\"text\":", text);
            } else if let Some(data) = of_thought("redactedContent") {
                begin(out, &[b"\"redacted_thinking\",\"data\":", data.bytes]);
            } else if thought.is_some() {
                begin(out, &[b"\"thinking\",\"thinking\":\"\",\"signature\":\"\""]);
                if let Some(text) = of_thought("text") {
                    go_on(out, b"thinking_delta\",\"thinking\":", text);
                }
                if let Some(signature) = of_thought("signature") {
                    go_on(out, b"signature_delta\",\"signature\":", signature);
                }
            } else if let Some(input) = string(within(["delta", "toolUse"]), "input") {
                go_on(out, b"input_json_delta\",\"partial_json\":", input);
            }
        }
        b"contentBlockStop" => write(out, "content_block_stop", &[b"\"index\":", place]),
        b"messageStop" => {
            let reason = payload.member("stopReason").map_or(&b"null"[..], |reason| reason.bytes);
            write(out, "message_delta", &[b"\"delta\":{\"stop_reason\":", reason, b"}"]);
        }
        b"metadata" => {
            let metadata: Value = serde_json::from_slice(message.payload).unwrap_or_default();
            let usage = metadata.get("usage").map(response::usage).unwrap_or_default().to_string();
            write(out, "message_delta", &[b"\"delta\":{},\"usage\":", usage.as_bytes()]);
            write(out, "message_stop", &[]);
        }
        _ => {}
    }
}

/// A member that is a string.
fn string<'a>(object: Option<Raw<'a>>, name: &str) -> Option<Raw<'a>> {
    object?.member(name).filter(|it| it.string_text().is_some())
}

/// One event with these members, which are JSON without line ends already.
fn write(out: &mut Vec<u8>, kind: &str, members: &[&[u8]]) {
    out.extend_from_slice(format!("event: {kind}\ndata: {{\"type\":\"{kind}\"").as_bytes());
    if !members.is_empty() {
        out.push(b',');
    }
    for member in members {
        out.extend(member.iter().filter(|byte| !matches!(byte, b'\n' | b'\r')));
    }
    out.extend_from_slice(b"}\n\n");
}

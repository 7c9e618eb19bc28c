//! What an answer says of itself, in whichever dialect: its id, the model that gave it, and why it ended. Only spans want to know.

use crate::json::Raw;
use crate::sse;
use serde::{Deserialize, Serialize};

/// The most of a name that is kept, bytes, and of reasons.
const NAME: usize = 200;
const REASONS: usize = 16;

/// What was said: the id, the model, and a reason for each answer that has ended; empty where nothing was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imprint(pub String, pub String, pub Vec<String>);

impl Imprint {
    /// Reads a whole answer.
    #[must_use]
    pub fn of(body: &[u8]) -> Imprint {
        let mut imprint = Imprint::default();
        imprint.read(body);
        imprint
    }

    fn read(&mut self, body: &[u8]) {
        self.members(Raw { bytes: body.trim_ascii(), start: 0 }, true);
    }

    /// Reads an event.
    pub fn event(&mut self, frame: &[u8]) {
        if let Some(event) = sse::parse(frame) {
            self.read(&event.data);
        }
    }

    /// `is_whole`: of the answer itself, and not of one of several in it.
    fn members(&mut self, object: Raw<'_>, is_whole: bool) {
        for member in object.items() {
            let value = member.value;
            let text = || value.as_str().filter(|text| text.len() <= NAME).unwrap_or_default().into_owned();
            match member.key {
                b"id" | b"responseId" if is_whole && self.0.is_empty() => self.0 = text(),
                b"model" | b"modelVersion" if is_whole && self.1.is_empty() => self.1 = text(),
                b"finish_reason" | b"finishReason" | b"stop_reason" | b"stopReason" => {
                    let reason = text();
                    if !reason.is_empty() && self.2.len() < REASONS {
                        self.2.push(reason);
                    }
                }
                b"choices" | b"candidates" => {
                    value.items().for_each(|answer| self.members(answer.value, false));
                }
                // Of events of Messages and of Responses.
                b"message" | b"response" | b"delta" if is_whole && value.is_object() => {
                    self.members(value, true);
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(bodies: &[&str]) -> Imprint {
        let mut imprint = Imprint::default();
        for body in bodies {
            imprint.event(format!("data: {body}\n\n").as_bytes());
        }
        imprint
    }

    fn imprint(id: &str, model: &str, reasons: &[&str]) -> Imprint {
        Imprint(id.into(), model.into(), reasons.iter().map(|reason| (*reason).to_owned()).collect())
    }

    #[test]
    fn every_dialect_says_it_in_its_own_words() {
        for (bodies, expected) in [
            (
                &[
                    r#"{"id":"c1","model":"gpt-5-0807","choices":[{"index":0,"finish_reason":"stop","message":{"id":"m"}},{"finish_reason":"length"}]}"#,
                ][..],
                imprint("c1", "gpt-5-0807", &["stop", "length"]),
            ),
            (
                &[
                    r#"{"id":"c1","model":"m","choices":[{"delta":{"content":"x"},"finish_reason":null}]}"#,
                    r#"{"id":"c1","model":"m","choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#,
                    "[DONE]",
                ],
                imprint("c1", "m", &["tool_calls"]),
            ),
            (
                &[r#"{"id":"msg_1","model":"claude","stop_reason":"end_turn","content":[{"id":"tool"}]}"#],
                imprint("msg_1", "claude", &["end_turn"]),
            ),
            (
                &[
                    r#"{"type":"message_start","message":{"id":"msg_1","model":"claude","stop_reason":null}}"#,
                    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#,
                ],
                imprint("msg_1", "claude", &["end_turn"]),
            ),
            (
                &[
                    r#"{"type":"response.created","response":{"id":"resp_1","model":"gpt-5-0807"}}"#,
                    r#"{"type":"response.output_text.delta","delta":"\"model\":\"other\"","item_id":"i"}"#,
                ],
                imprint("resp_1", "gpt-5-0807", &[]),
            ),
            (
                &[r#"{"responseId":"r1","modelVersion":"gemini-3","candidates":[{"finishReason":"STOP"}]}"#],
                imprint("r1", "gemini-3", &["STOP"]),
            ),
            (&["no JSON", "[1]", r#"{"id":7,"model":null}"#], imprint("", "", &[])),
        ] {
            assert_eq!(said(bodies), expected, "{bodies:?}");
        }
    }
}

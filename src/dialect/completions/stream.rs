//! Events of the hub as a stream of text completions.

use super::response::{answer_id, legacy_logprobs, reason};
use crate::conversation::{Delta, Event, Opening, StreamError};
use crate::dialect::chat::response::usage_object;
use crate::dialect::chat::stream::{DONE, push_error};
use crate::dialect::translate::{Encode, Reply};
use crate::json::json;
use crate::sse;
use crate::usage::Usage;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Encodes one stream.
#[derive(Debug)]
pub struct Encoder {
    reply: Reply,
    id: String,
    model: String,
    /// Which answer the open blocks of text belong to.
    texts: HashMap<usize, usize>,
    /// Where the next token of an answer begins.
    offsets: HashMap<usize, usize>,
    usage: Option<Usage>,
    /// An error or the end was written: nothing may follow.
    is_over: bool,
}

impl Encoder {
    /// An encoder for one stream.
    #[must_use]
    pub fn new(reply: Reply) -> Encoder {
        let (id, model) = (answer_id(String::new(), &reply), reply.model.clone());
        Encoder {
            reply,
            id,
            model,
            texts: HashMap::new(),
            offsets: HashMap::new(),
            usage: None,
            is_over: false,
        }
    }

    fn chunk(&self, choices: Value, usage: Option<Value>, out: &mut Vec<u8>) {
        let mut chunk = Map::new();
        chunk.insert("id".into(), self.id.as_str().into());
        chunk.insert("object".into(), "text_completion".into());
        chunk.insert("created".into(), self.reply.created.into());
        chunk.insert("choices".into(), choices);
        chunk.insert("model".into(), self.model.as_str().into());
        if self.reply.include_usage {
            chunk.insert("usage".into(), usage.unwrap_or_default());
        }
        out.extend(sse::data(Value::Object(chunk).to_string().as_bytes()));
    }

    fn choice(&self, index: usize, text: &str, logprobs: &Value, reason: Option<&str>, out: &mut Vec<u8>) {
        let choice = json!({ "text": text, "index": index, "logprobs": logprobs, "finish_reason": reason });
        self.chunk(json!([choice]), None, out);
    }
}

impl Encode for Encoder {
    fn event(&mut self, event: Event, out: &mut Vec<u8>) {
        if self.is_over {
            return;
        }
        match event {
            Event::Start { id, model } => {
                self.id = answer_id(id, &self.reply);
                if !model.is_empty() {
                    self.model = model;
                }
            }
            Event::Open { block, choice, opening: Opening::Text | Opening::Refusal } => {
                self.texts.insert(block, choice);
            }
            Event::Delta { block, delta: Delta::Text(text) } => {
                if let Some(choice) = self.texts.get(&block) {
                    self.choice(*choice, &text, &Value::Null, None, out);
                }
            }
            Event::Logprobs { choice, value } => {
                let logprobs = legacy_logprobs(&value, self.offsets.entry(choice).or_default());
                self.choice(choice, "", &logprobs, None, out);
            }
            Event::Stop { choice, reason: stopped } => {
                self.choice(choice, "", &Value::Null, Some(reason(&stopped)), out);
            }
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Error(error) => self.error(&error, out),
            Event::End => {
                if let Some(usage) = self.usage.filter(|_| self.reply.include_usage) {
                    self.chunk(json!([]), Some(usage_object(&usage)), out);
                }
                out.extend_from_slice(DONE);
                self.is_over = true;
            }
            Event::Open { .. } | Event::Delta { .. } | Event::Close { .. } => {}
        }
    }

    fn error(&mut self, error: &StreamError, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.is_over, true) {
            push_error(error, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::StopReason;

    #[test]
    fn text_streams_and_thoughts_do_not() {
        let delta = |block, text: &str| Event::Delta { block, delta: Delta::Text(text.into()) };
        let open = |block, opening| Event::Open { block, choice: 0, opening };
        let events = vec![
            Event::Start { id: "x".into(), model: "m".into() },
            open(0, Opening::Thinking { is_summary: false }),
            delta(0, "hm"),
            open(1, Opening::Text),
            delta(1, "hi"),
            Event::Usage(Usage { input: 1, output: 2, ..Usage::default() }),
            Event::Stop { choice: 0, reason: StopReason::MaxTokens },
            Event::End,
        ];
        let mut encoder = Encoder::new(Reply { include_usage: true, ..Reply::default() });
        let mut out = Vec::new();
        for event in events {
            encoder.event(event, &mut out);
        }
        let out = String::from_utf8(out).unwrap();
        let data: Vec<&str> = out.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
        let [text, stop, usage, done] = data[..] else { panic!("{out}") };
        let text: Value = serde_json::from_str(text).unwrap();
        assert_eq!((&text["choices"][0]["text"], &text["usage"]), (&json!("hi"), &json!(null)));
        let stop: Value = serde_json::from_str(stop).unwrap();
        assert_eq!(stop["choices"][0]["finish_reason"], "length");
        let usage: Value = serde_json::from_str(usage).unwrap();
        assert_eq!((&usage["choices"], &usage["usage"]["total_tokens"]), (&json!([]), &json!(3)));
        assert_eq!(done, "[DONE]");
    }
}

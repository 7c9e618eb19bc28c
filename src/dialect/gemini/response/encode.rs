//! From the hub's answer to Gemini's.

use super::decode::is_made;
use super::{Told, encode_usage, logprobs_to_gemini, metadata, written_stop};
use crate::conversation::{Block, Choice, Citation, Content, Dialect, Losses, Response};
use crate::dialect::gemini::part::{Parts, Writer};
use crate::dialect::gemini::{call_id, nested};
use crate::dialect::translate::Reply;
use crate::time::Millis;
use serde_json::{Map, Value};

/// Encodes an answer for a client of Gemini's.
#[must_use]
pub fn encode(response: Response, reply: &Reply, losses: &mut Losses) -> Vec<u8> {
    let is_own = response.dialect == Dialect::Gemini;
    let writer = Writer { is_upstream: false, is_own, nests_media: true };
    let feedback = response.extras.get("promptFeedback");
    let mut candidates = Vec::with_capacity(response.choices.len());
    for (index, choice) in response.choices.into_iter().enumerate() {
        if !(is_own && is_made(&choice, feedback)) {
            candidates.push(candidate(choice, index, &response.id, &writer, losses));
        }
    }
    let mut body = Map::new();
    if !candidates.is_empty() {
        body.insert("candidates".into(), Value::Array(candidates));
    }
    let usage = response.original_usage.filter(|_| is_own);
    if let Some(usage) = usage.or_else(|| response.usage.as_ref().map(encode_usage)) {
        body.insert("usageMetadata".into(), usage);
    }
    let or = |own: String, other: &str| if own.is_empty() { other.to_owned() } else { own };
    for (name, value) in
        [("modelVersion", or(response.model, &reply.model)), ("responseId", or(response.id, &reply.id))]
    {
        if !value.is_empty() {
            body.insert(name.into(), value.into());
        }
    }
    if let Some(created) = response.created.filter(|_| is_own) {
        body.insert("createTime".into(), Millis(created.saturating_mul(1000)).to_iso().into());
    }
    if is_own {
        nested::put_back(&mut body, response.extras);
    } else {
        losses.note_extras("", &response.extras);
    }
    Value::Object(body).to_string().into_bytes()
}

fn candidate(mut choice: Choice, index: usize, answer: &str, writer: &Writer, losses: &mut Losses) -> Value {
    let is_own = writer.is_own;
    if is_own {
        forget_made_ids(&mut choice, index, answer);
    }
    let (mut parts, mut cited) = (Parts::default(), Cited::default());
    for block in choice.content {
        if !is_own {
            cited.collect(&block, parts.len());
        }
        writer.push(block, &mut parts, losses);
    }
    let mut content = Map::new();
    let parts = parts.finish();
    if !parts.is_empty() {
        content.insert("parts".into(), Value::Array(parts));
    }
    content.insert("role".into(), "model".into());
    let mut candidate = Map::new();
    candidate.insert("content".into(), Value::Object(content));
    let reason = choice.original_stop.filter(|_| is_own);
    if let Some(reason) = reason.or_else(|| choice.stop.as_ref().map(|stop| written_stop(stop).to_owned())) {
        candidate.insert("finishReason".into(), reason.into());
    }
    candidate.insert("index".into(), index.into());
    if let Some(grounding) = cited.metadata() {
        candidate.insert("groundingMetadata".into(), grounding);
    }
    if let Some(logprobs) = choice.logprobs.as_ref().and_then(logprobs_to_gemini) {
        candidate.insert("logprobsResult".into(), logprobs);
    }
    if is_own {
        nested::put_back(&mut candidate, choice.extras);
    } else {
        losses.note_extras("choices", &choice.extras);
    }
    Value::Object(candidate)
}

/// Calls to which Google gave no id had none.
fn forget_made_ids(choice: &mut Choice, index: usize, answer: &str) {
    let calls = choice.content.iter_mut().filter_map(|block| match &mut block.content {
        Content::ToolCall(call) => Some(call),
        _ => None,
    });
    for (nth, call) in calls.enumerate() {
        if call.id == call_id(answer, index, nth, &call.name, &call.arguments) {
            call.id.clear();
        }
    }
}

/// Texts that rest on something, with their places among the parts.
#[derive(Default)]
struct Cited {
    texts: Vec<(String, Vec<Citation>, usize)>,
}

impl Cited {
    fn collect(&mut self, block: &Block, part: usize) {
        if let Content::Text(text) = &block.content
            && !text.citations.is_empty()
        {
            self.texts.push((text.text.clone(), text.citations.clone(), part));
        }
    }

    fn metadata(&self) -> Option<Value> {
        let each = self.texts.iter().flat_map(|(text, citations, part)| {
            citations.iter().map(move |citation| (citation, text.as_str(), Some(*part)))
        });
        (!self.texts.is_empty()).then(|| metadata(&mut Told::default(), each))
    }
}

//! A call for several answers at a target that gives one: as many calls for one answer each, put together again.
//!
//! The parts are calls like any other, and each answers in the client's dialect. So all that is to be done here is to number
//! their answers, add up what they used, and let one stream end when all have; what stands in an answer is not looked at.

use super::translation::Exchange;
use crate::conversation::StreamError;
use crate::dialect::Endpoint;
use crate::dialect::chat::stream::DONE;
use crate::dialect::relay::{End, Seen, Verdict, Watch};
use crate::json::json;
use crate::sse;
use serde_json::{Map, Value};

/// The most parts that a call is taken into. OpenAI takes an `n` of 128, but there the input is read, and paid, once.
pub const MOST: u64 = 16;
/// How many run at a time: the platform gives an invocation six connections, and one is left for what the calls need to know.
pub const AT_ONCE: usize = 5;

/// What the members of an answer are called.
#[derive(Clone, Copy, Debug)]
struct Words {
    /// The list of answers.
    list: &'static str,
    /// Why one of them ended.
    reason: &'static str,
    usage: &'static str,
    /// What is said of the whole, and must be the same in all events.
    whole: &'static [&'static str],
    /// Each event has the usage so far; else one event at the end has all of it, and an end mark follows.
    has_usage_so_far: bool,
}

impl Words {
    fn of(client: Endpoint) -> Words {
        match client {
            Endpoint::GenerateContent => Words {
                list: "candidates",
                reason: "finishReason",
                usage: "usageMetadata",
                whole: &["responseId", "modelVersion"],
                has_usage_so_far: true,
            },
            _ => Words {
                list: "choices",
                reason: "finish_reason",
                usage: "usage",
                whole: &["id", "object", "created", "model"],
                has_usage_so_far: false,
            },
        }
    }

    /// The answers in a body.
    fn answers<'a>(&self, body: &'a mut Map<String, Value>) -> Option<&'a mut Vec<Value>> {
        body.get_mut(self.list)?.as_array_mut()
    }

    /// Numbers the answers of a part.
    fn number(&self, body: &mut Map<String, Value>, part: usize) {
        for answer in self.answers(body).into_iter().flatten().filter_map(Value::as_object_mut) {
            answer.insert("index".into(), part.into());
        }
    }
}

/// The answer of a call whose parts were answered so, in their order.
///
/// # Errors
/// One of them is no JSON.
pub fn whole(client: Endpoint, answers: &[Vec<u8>]) -> Result<Vec<u8>, serde_json::Error> {
    let words = Words::of(client);
    let mut all = Map::new();
    for (part, body) in answers.iter().enumerate() {
        let Value::Object(mut body) = serde_json::from_slice(body)? else { continue };
        words.number(&mut body, part);
        if part == 0 {
            all = body;
            continue;
        }
        let own = words.answers(&mut body).map(std::mem::take).unwrap_or_default();
        match words.answers(&mut all) {
            Some(list) => list.extend(own),
            None => drop(all.insert(words.list.into(), own.into())),
        }
        if let Some(used) = body.get(words.usage) {
            add(all.entry(words.usage).or_insert(Value::Null), used);
        }
    }
    Ok(Value::Object(all).to_string().into_bytes())
}

/// Adds up what two parts used: numbers by their names, and Gemini's lists by modality.
fn add(sum: &mut Value, other: &Value) {
    match (&mut *sum, other) {
        (Value::Object(sum), Value::Object(other)) => {
            for (name, value) in other {
                add(sum.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(sum), Value::Array(other)) => {
            for item in other {
                let same = |known: &&mut Value| known.get("modality") == item.get("modality");
                match sum.iter_mut().find(same) {
                    Some(known) => add(known, item),
                    None => sum.push(item.clone()),
                }
            }
        }
        (Value::Number(one), Value::Number(two)) => {
            *sum = match (one.as_u64(), two.as_u64()) {
                (Some(one), Some(two)) => one.saturating_add(two).into(),
                _ => (one.as_f64().unwrap_or_default() + two.as_f64().unwrap_or_default()).into(),
            };
        }
        (Value::Null, other) => *sum = other.clone(),
        _ => {}
    }
}

/// What stands before a piece of a part's stream, to say whose it is: a comment, which no client ever sees.
#[must_use]
pub fn mark(part: usize) -> String {
    format!("{MARK}{part}\n\n")
}

const MARK: &str = ": edgeway-part ";

/// An error event, as a part's stream would have it.
#[must_use]
pub fn error_event(client: Endpoint, error: &StreamError) -> Vec<u8> {
    let mut out = Vec::new();
    Exchange::same(client, false, false).watch().error(error, &mut out);
    out
}

/// Makes one stream of those of the parts, whose pieces come in any order, each of whole events behind its [`mark`].
pub struct Merge {
    words: Words,
    /// Sees what the client gets.
    watch: Box<dyn Watch>,
    parts: Vec<Part>,
    /// Whose events come now.
    current: usize,
    /// What the first event said of the whole.
    said: Map<String, Value>,
}

#[derive(Clone, Default)]
struct Part {
    used: Option<Value>,
    has_ended: bool,
}

impl Merge {
    /// Of so many parts; `watch` is that of a stream whose bytes pass.
    #[must_use]
    pub fn new(client: Endpoint, watch: Box<dyn Watch>, parts: usize) -> Merge {
        let parts = vec![Part::default(); parts];
        Merge { words: Words::of(client), watch, parts, current: 0, said: Map::new() }
    }

    /// An event of a part as the client is to see it; `None`: not at all.
    fn merged(&mut self, mut event: Map<String, Value>) -> Option<Map<String, Value>> {
        let words = self.words;
        words.number(&mut event, self.current);
        let part = self.parts.get_mut(self.current)?;
        let answers = words.answers(&mut event);
        let has_answers = answers.as_ref().is_some_and(|answers| !answers.is_empty());
        part.has_ended |= answers
            .into_iter()
            .flatten()
            .any(|answer| answer.get(words.reason).is_some_and(|reason| !reason.is_null()));
        part.has_ended |= event.contains_key("promptFeedback");
        let used = event.get(words.usage).filter(|used| !used.is_null()).cloned();
        if let Some(used) = used {
            part.used = Some(used);
            if words.has_usage_so_far {
                event.insert(words.usage.into(), self.used());
            } else if has_answers {
                event.shift_remove(words.usage);
            } else {
                return None;
            }
        }
        for name in words.whole {
            if let Some(value) = event.get_mut(*name) {
                value.clone_from(self.said.entry(*name).or_insert_with(|| value.clone()));
            }
        }
        Some(event)
    }

    fn used(&self) -> Value {
        let mut sum = Value::Null;
        self.parts.iter().filter_map(|part| part.used.as_ref()).for_each(|used| add(&mut sum, used));
        sum
    }

    fn pass(&mut self, frame: &[u8], out: &mut Vec<u8>) {
        self.watch.observe(frame).write(frame, out);
    }
}

impl Watch for Merge {
    fn observe(&mut self, frame: &[u8]) -> Verdict {
        let Some(event) = sse::parse(frame) else {
            // Where nothing comes for a while, each part says so, and so does the whole by itself.
            let part = frame.strip_prefix(MARK.as_bytes()).and_then(|part| str::from_utf8(part).ok());
            if let Some(part) = part.and_then(|part| part.trim_ascii_end().parse().ok()) {
                self.current = part;
            }
            return Verdict::Drop;
        };
        let mut out = Vec::new();
        match serde_json::from_slice(&event.data) {
            Ok(Value::Object(said)) if said.contains_key("error") => self.pass(frame, &mut out),
            Ok(Value::Object(said)) => {
                if let Some(merged) = self.merged(said) {
                    self.pass(&sse::data(Value::Object(merged).to_string().as_bytes()), &mut out);
                }
            }
            _ => {} // a part's end mark
        }
        if out.is_empty() { Verdict::Drop } else { Verdict::Replace(out) }
    }

    fn seen(&self) -> &Seen {
        self.watch.seen()
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> End {
        let is_whole = self.parts.iter().all(|part| part.has_ended);
        if !is_whole && self.watch.seen().failure.is_none() {
            return if self.watch.seen().has_content { End::CutShort } else { End::Empty };
        }
        if is_whole && !self.words.has_usage_so_far {
            let used = self.used();
            if !used.is_null() {
                let mut last = self.said.clone();
                last.insert(self.words.list.into(), json!([]));
                last.insert(self.words.usage.into(), used);
                self.pass(&sse::data(Value::Object(last).to_string().as_bytes()), out);
            }
            self.pass(DONE, out);
        }
        self.watch.finish(out)
    }

    fn error(&mut self, error: &StreamError, out: &mut Vec<u8>) {
        self.watch.error(error, out);
    }
}

#[cfg(test)]
mod tests;

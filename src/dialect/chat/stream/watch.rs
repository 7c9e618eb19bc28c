//! What the events of a chat stream say, and which of them a client must not see.

use super::{DONE, push_error};
use crate::conversation::StreamError;
use crate::dialect::chat::response::{add_output, reported};
use crate::dialect::error::{UpstreamError, is_error, read_error};
use crate::dialect::relay::{self, End, Failure, Seen, Verdict};
use crate::json::{Item, Raw};
use crate::sse;
use std::borrow::Cow;

/// Reads a stream whose bytes pass, and hides the usage that its client did not ask for.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// The client did not ask for the usage that the gateway asked for.
    hide_usage: bool,
    seen: Seen,
    /// Choices that were begun and that were finished, a bit each; OpenAI allows 128.
    begun: u128,
    finished: u128,
}

/// The members of a chunk that matter.
#[derive(Default)]
struct Chunk<'a> {
    choices: Option<Raw<'a>>,
    usage: Option<Item<'a>>,
    x_groq: Option<Raw<'a>>,
    error: Option<Raw<'a>>,
    object: Option<Raw<'a>>,
}

impl<'a> Chunk<'a> {
    fn read(data: &'a [u8]) -> Chunk<'a> {
        let mut chunk = Chunk::default();
        for item in (Raw { bytes: data, start: 0 }).items() {
            match item.key {
                b"choices" => chunk.choices = Some(item.value),
                b"usage" => chunk.usage = Some(item),
                b"x_groq" => chunk.x_groq = Some(item.value),
                b"error" => chunk.error = Some(item.value),
                b"object" => chunk.object = Some(item.value),
                _ => {}
            }
        }
        chunk
    }
}

impl relay::Watch for Watch {
    fn observe(&mut self, frame: &[u8]) -> Verdict {
        let Some(event) = sse::parse(frame) else {
            // An upstream may answer a stream with a bare error object.
            let body = frame.trim_ascii();
            if body.starts_with(b"{") && is_error(Chunk::read(body).error, Chunk::read(body).object, false) {
                self.fail(read_error(body));
            }
            return Verdict::Keep;
        };
        if event.data.trim_ascii() == b"[DONE]" {
            self.seen.is_done = true;
            return Verdict::Keep;
        }
        let chunk = Chunk::read(&event.data);
        let has_choices = chunk.choices.is_some_and(|choices| !choices.is_blank());
        let told = chunk.usage.map(|usage| usage.value).filter(|usage| !usage.is_null());
        if let Some(usage) = told.or_else(|| chunk.x_groq?.member("usage")).and_then(reported) {
            self.seen.usage = Some(usage);
        }
        if event.name == Some(b"error") || is_error(chunk.error, chunk.object, has_choices) {
            self.fail(read_error(&event.data));
            return Verdict::Keep;
        }
        for choice in chunk.choices.iter().flat_map(Raw::items) {
            self.observe_choice(choice.value);
        }
        match chunk.usage {
            Some(_) if self.hide_usage && told.is_some() && !has_choices => Verdict::Drop,
            Some(usage) if self.hide_usage && told.is_none() => match &event.data {
                Cow::Borrowed(data) => {
                    let cut = usage.removal(data);
                    Verdict::Cut(event.data_start + cut.start..event.data_start + cut.end)
                }
                // Data of several lines does not lie in the frame as it was read; a `null` does no harm.
                Cow::Owned(_) => Verdict::Keep,
            },
            _ => Verdict::Keep,
        }
    }

    fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Writes the end mark for an upstream that leaves it out.
    fn finish(&mut self, out: &mut Vec<u8>) -> End {
        let end = self.end();
        if end == End::Complete && !self.seen.is_done {
            out.extend_from_slice(DONE);
        }
        end
    }

    fn error(&mut self, error: &StreamError, out: &mut Vec<u8>) {
        push_error(error, out);
    }
}

impl Watch {
    /// A watch for one stream. `hide_usage`: the gateway asked for usage and the client did not, so the last chunk, with
    /// usage and no choice, is left out, and so is the `"usage":null` that OpenAI puts into all others. Usage beside
    /// choices, which some providers always send, stays.
    #[must_use]
    pub fn new(hide_usage: bool) -> Watch {
        Watch { hide_usage, ..Watch::default() }
    }

    fn observe_choice(&mut self, choice: Raw<'_>) {
        let (mut index, mut delta, mut finish) = (0, None, None);
        for member in choice.items() {
            match member.key {
                b"index" => index = member.value.as_u64().unwrap_or_default().min(127),
                b"delta" => delta = Some(member.value),
                // Where there is no delta; beside one, Perplexity repeats here all that has been said.
                b"message" => delta = delta.or(Some(member.value)),
                // A text completion's.
                b"text" => {
                    self.seen.output.add_content(member.value);
                    self.seen.has_content |= !member.value.is_blank();
                }
                b"finish_reason" => finish = member.value.string_text().filter(|reason| !reason.is_empty()),
                _ => {}
            }
        }
        if finish == Some(b"error") {
            let error = choice.member("error").map(|error| read_error(error.bytes)).unwrap_or_else(|| {
                UpstreamError {
                    message: "the answer ended with finish_reason `error`".into(),
                    ..UpstreamError::default()
                }
            });
            return self.fail(error);
        }
        self.begun |= 1 << index;
        if finish.is_some() {
            self.finished |= 1 << index;
            self.seen.has_content = true;
        }
        if let Some(delta) = delta {
            add_output(&mut self.seen.output, delta);
            self.seen.has_content = self.seen.has_content || delta.items().any(is_content);
        }
    }

    fn fail(&mut self, error: UpstreamError) {
        let is_after_content = self.seen.has_content;
        self.seen.failure.get_or_insert(Failure { error, is_after_content });
    }

    fn end(&self) -> End {
        let all_finished = self.begun != 0 && self.begun == self.finished;
        match &self.seen {
            Seen { failure: Some(_), .. } => End::Failed,
            Seen { has_content: false, .. } => End::Empty,
            Seen { is_done, .. } if *is_done || all_finished => End::Complete,
            _ => End::CutShort,
        }
    }
}

/// A member of a delta that says something; unknown ones (images, annotations) are content too.
fn is_content(member: Item<'_>) -> bool {
    !matches!(member.key, b"role" | b"name") && !member.value.is_blank()
}

//! From Gemini's events to the hub's.
//!
//! Parts that continue the last text or thought go on in its block. It closes where the next text or thought begins or the stream
//! ends, so that a signature or a citation that comes last still finds it.

use crate::conversation::{Block, Content, Delta, Event, Opaque, Opening, StopReason, StreamError};
use crate::dialect::error::read_error;
use crate::dialect::gemini::call_id;
use crate::dialect::gemini::part::{Side, block};
use crate::dialect::gemini::response::{
    Grounding, is_blocked, logprobs_from_gemini, read_stop, usage_of_value,
};
use crate::dialect::translate::Decode;
use crate::json::Fields;
use crate::sse;
use crate::usage::Usage;
use serde_json::{Map, Value};

/// The state of one stream.
#[derive(Debug, Default)]
pub struct Decoder {
    has_started: bool,
    has_failed: bool,
    is_blocked: bool,
    /// The answer's id.
    id: String,
    usage: Option<Usage>,
    candidates: Vec<Candidate>,
    /// The number of the next block.
    next: usize,
}

#[derive(Debug, Default)]
struct Candidate {
    open: Option<Open>,
    calls: usize,
    finish: Option<String>,
    grounding: Grounding,
}

/// A block that may go on.
#[derive(Debug)]
struct Open {
    block: usize,
    is_thought: bool,
    /// Its signature has come, or another part: what follows is not a part of it.
    is_over: bool,
    /// Its text so far, in which citations count.
    text: String,
}

/// More candidates than any model gives; an index beyond is an upstream's fault.
const MOST_CANDIDATES: usize = 128;

impl Decode for Decoder {
    fn event(&mut self, event: &sse::Event<'_>, emit: &mut dyn FnMut(Event)) {
        if self.has_failed {
            return;
        }
        let Ok(Value::Object(mut chunk)) = serde_json::from_slice::<Value>(&event.data) else { return };
        if chunk.get("error").is_some_and(|error| !error.is_null()) {
            self.has_failed = true;
            return emit(Event::Error(failure(&chunk, &event.data)));
        }
        let text = |name: &str| chunk.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        if !self.has_started {
            self.has_started = true;
            self.id = text("responseId");
            emit(Event::Start { id: self.id.clone(), model: text("modelVersion") });
        }
        self.is_blocked |= is_blocked(chunk.get("promptFeedback"));
        if let Some(Value::Array(candidates)) = chunk.remove("candidates") {
            for (place, candidate) in candidates.into_iter().enumerate() {
                if let Value::Object(candidate) = candidate {
                    self.candidate(candidate, place, emit);
                }
            }
        }
        if let Some(usage) = chunk.get("usageMetadata").and_then(usage_of_value)
            && self.usage != Some(usage)
        {
            self.usage = Some(usage);
            emit(Event::Usage(usage));
        }
    }

    fn finish(&mut self, emit: &mut dyn FnMut(Event)) {
        if self.has_failed || !self.has_started {
            return;
        }
        let mut is_whole = true;
        for (choice, candidate) in self.candidates.iter_mut().enumerate() {
            candidate.close(emit);
            let reason =
                candidate.finish.as_deref().and_then(|reason| read_stop(reason, candidate.calls > 0));
            is_whole &= reason.is_some();
            if let Some(reason) = reason {
                emit(Event::Stop { choice, reason });
            }
        }
        if self.candidates.is_empty() {
            is_whole = self.is_blocked;
            if is_whole {
                emit(Event::Stop { choice: 0, reason: StopReason::ContentFilter });
            }
        }
        if is_whole {
            emit(Event::End);
        }
    }
}

/// What the event of an error says.
fn failure(chunk: &Map<String, Value>, data: &[u8]) -> StreamError {
    let error = read_error(data);
    let status = chunk.get("error").and_then(|error| error.get("status")).and_then(Value::as_str);
    StreamError {
        status: error.status,
        code: status.map(str::to_owned).or(error.code),
        message: error.message,
    }
}

impl Decoder {
    fn candidate(&mut self, mut candidate: Map<String, Value>, place: usize, emit: &mut dyn FnMut(Event)) {
        let index = candidate.get("index").and_then(Value::as_u64);
        let index = index.and_then(|index| usize::try_from(index).ok()).unwrap_or(place);
        if index >= MOST_CANDIDATES {
            return;
        }
        if self.candidates.len() <= index {
            self.candidates.resize_with(index + 1, Candidate::default);
        }
        let mut content = candidate.remove("content").map(Fields::lenient);
        let parts = content.as_mut().and_then(|content| content.objects("parts").ok());
        for part in parts.into_iter().flatten() {
            if let Ok(block) = block(part, Side::Provider) {
                self.part(block, index, emit);
            }
        }
        let Some(state) = self.candidates.get_mut(index) else { return };
        let cited = state.grounding.read(&candidate);
        if !cited.is_empty() && state.open.as_ref().is_none_or(|open| open.is_thought) {
            // Its text is closed: where in it the sources count cannot be said any more, and which they are can.
            state.close(emit);
            let block = self.next;
            self.next += 1;
            emit(Event::Open { block, choice: index, opening: Opening::Text });
            state.open = Some(Open { block, is_thought: false, is_over: true, text: String::new() });
        }
        for found in cited {
            if let Some(open) = &state.open {
                let mut citation = found.citation(&open.text);
                if open.text.is_empty() {
                    (citation.start, citation.end) = (None, None);
                }
                emit(Event::Delta { block: open.block, delta: Delta::Citation(citation) });
            }
        }
        if let Some(value) = candidate.get("logprobsResult").and_then(logprobs_from_gemini) {
            emit(Event::Logprobs { choice: index, value });
        }
        if let Some(Value::String(reason)) = candidate.remove("finishReason") {
            state.finish = Some(reason);
        }
    }

    fn part(&mut self, part: Block, choice: usize, emit: &mut dyn FnMut(Event)) {
        let signature = part.signature;
        match part.content {
            Content::Text(text) => self.words(text.text, false, signature, choice, emit),
            Content::Thinking(thinking) => match (thinking.is_redacted, thinking.signature) {
                (true, Some(state)) => self.whole(Opening::Redacted(state), None, choice, emit),
                (_, state) => self.words(thinking.thought.joined(), true, state, choice, emit),
            },
            Content::ToolCall(mut call) => {
                let nth = self.candidates.get(choice).map_or(0, |candidate| candidate.calls);
                if call.id.is_empty() {
                    call.id = call_id(&self.id, choice, nth, &call.name, &call.arguments);
                }
                if let Some(candidate) = self.candidates.get_mut(choice) {
                    candidate.calls += 1;
                }
                let opening = Opening::ToolCall { id: call.id, name: call.name, is_custom: false, signature };
                let arguments = (call.arguments != "{}").then_some(Delta::Arguments(call.arguments));
                self.whole(opening, arguments, choice, emit);
            }
            Content::Native(native) => self.whole(Opening::Native(native), None, choice, emit),
            Content::Image(media) => {
                self.whole(Opening::Image(media), signature.map(Delta::Signature), choice, emit);
            }
            // Other media have no opening of their own.
            media => {
                let block = Block { extras: part.extras, signature, ..Block::new(media) };
                if let Some(native) = crate::dialect::gemini::part::native(block) {
                    self.whole(Opening::Native(native), None, choice, emit);
                }
            }
        }
    }

    /// Text that goes on, or begins.
    fn words(
        &mut self,
        text: String,
        is_thought: bool,
        signature: Option<Opaque>,
        choice: usize,
        emit: &mut dyn FnMut(Event),
    ) {
        if text.is_empty() && signature.is_none() {
            return;
        }
        let next = self.next;
        let Some(candidate) = self.candidates.get_mut(choice) else { return };
        let goes_on = |open: &Open| open.is_thought == is_thought && !open.is_over;
        if !candidate.open.as_ref().is_some_and(goes_on) {
            candidate.close(emit);
            let opening = if is_thought { Opening::Thinking { is_summary: false } } else { Opening::Text };
            emit(Event::Open { block: next, choice, opening });
            self.next += 1;
            candidate.open = Some(Open { block: next, is_thought, is_over: false, text: String::new() });
        }
        let Some(open) = &mut candidate.open else { return };
        if !is_thought {
            open.text.push_str(&text);
        }
        if !text.is_empty() {
            emit(Event::Delta { block: open.block, delta: Delta::Text(text) });
        }
        if let Some(state) = signature {
            open.is_over = true;
            emit(Event::Delta { block: open.block, delta: Delta::Signature(state) });
        }
    }

    /// A block that comes whole. Beside a picture the text before it stays open, for its citations come last, and has no more
    /// words; a call is not to wait for that.
    fn whole(&mut self, opening: Opening, delta: Option<Delta>, choice: usize, emit: &mut dyn FnMut(Event)) {
        match self.candidates.get_mut(choice) {
            Some(Candidate { open: Some(open), .. })
                if !open.is_thought && matches!(opening, Opening::Image(_)) =>
            {
                open.is_over = true;
            }
            Some(candidate) => candidate.close(emit),
            None => {}
        }
        let block = self.next;
        self.next += 1;
        emit(Event::Open { block, choice, opening });
        if let Some(delta) = delta {
            emit(Event::Delta { block, delta });
        }
        emit(Event::Close { block });
    }
}

impl Candidate {
    fn close(&mut self, emit: &mut dyn FnMut(Event)) {
        if let Some(open) = self.open.take() {
            emit(Event::Close { block: open.block });
        }
    }
}

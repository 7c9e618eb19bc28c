//! One answer of a stream: which of its blocks are open.

mod call;
mod thought;

use crate::conversation::{Delta, Event, Media, Opening};
use crate::dialect::chat::assistant::annotation::{search_results, url_citation};
use crate::dialect::chat::response::stop;
use crate::json::Raw;
use call::Calls;
use serde_json::Value;
use std::borrow::Cow;
use thought::Thought;

/// What a chunk says of an answer.
#[derive(Default)]
pub(super) struct Read<'a> {
    pub(super) index: usize,
    pub(super) finish: Option<&'a [u8]>,
    pub(super) error: Option<Raw<'a>>,
    delta: Option<Raw<'a>>,
    logprobs: Option<Raw<'a>>,
}

impl<'a> Read<'a> {
    pub(super) fn of(choice: Raw<'a>) -> Read<'a> {
        let mut read = Read::default();
        for member in choice.items() {
            let value = member.value;
            match member.key {
                b"index" => {
                    read.index = value.as_u64().and_then(|index| index.try_into().ok()).unwrap_or_default();
                }
                b"delta" => read.delta = Some(value),
                // Where there is no delta; beside one, Perplexity repeats here all that has been said.
                b"message" => read.delta = read.delta.or(Some(value)),
                b"finish_reason" => read.finish = value.string_text().filter(|reason| !reason.is_empty()),
                b"logprobs" => read.logprobs = Some(value).filter(|value| !value.is_blank()),
                b"error" => read.error = Some(value),
                _ => {}
            }
        }
        read
    }
}

/// The state of one answer.
#[derive(Debug, Default)]
pub(super) struct Choice {
    is_begun: bool,
    finish: Option<String>,
    open: Open,
    /// White space that came where no text was open. Some models put it around reasoning and calls; alone it is no block,
    /// for Anthropic refuses one of nothing else when it comes back.
    blank: String,
    calls: Calls,
    has_refusal: bool,
    is_stopped: bool,
}

/// The block that is open beside calls of tools.
#[derive(Debug, Default)]
pub(super) enum Open {
    #[default]
    Nothing,
    Text(usize),
    Refusal(usize),
    Thinking(usize, Thought),
}

/// Where blocks are opened: which answer, how many there are, and who is told.
pub(super) struct Blocks<'a> {
    choice: usize,
    next: &'a mut usize,
    pub(super) emit: &'a mut dyn FnMut(Event),
}

impl Blocks<'_> {
    pub(super) fn open(&mut self, opening: Opening) -> usize {
        let block = *self.next;
        *self.next += 1;
        (self.emit)(Event::Open { block, choice: self.choice, opening });
        block
    }

    pub(super) fn delta(&mut self, block: usize, delta: Delta) {
        (self.emit)(Event::Delta { block, delta });
    }
}

impl Open {
    pub(super) fn close(&mut self, emit: &mut dyn FnMut(Event)) {
        match std::mem::take(self) {
            Open::Nothing => {}
            Open::Text(block) | Open::Refusal(block) => emit(Event::Close { block }),
            Open::Thinking(block, thought) => {
                if let Some(state) = thought.state() {
                    emit(Event::Delta { block, delta: Delta::Signature(state) });
                }
                emit(Event::Close { block });
            }
        }
    }

    fn text(&mut self, text: Cow<'_, str>, blocks: &mut Blocks<'_>) {
        if !matches!(self, Open::Text(_)) {
            self.close(blocks.emit);
            *self = Open::Text(blocks.open(Opening::Text));
        }
        if let Open::Text(block) = self {
            blocks.delta(*block, Delta::Text(text.into_owned()));
        }
    }

    fn refusal(&mut self, text: Cow<'_, str>, blocks: &mut Blocks<'_>) {
        if !matches!(self, Open::Refusal(_)) {
            self.close(blocks.emit);
            *self = Open::Refusal(blocks.open(Opening::Refusal));
        }
        if let Open::Refusal(block) = self {
            blocks.delta(*block, Delta::Text(text.into_owned()));
        }
    }
}

/// The members of a delta that matter; blank ones are not there.
#[derive(Default)]
struct Said<'a> {
    content: Option<Raw<'a>>,
    refusal: Option<Raw<'a>>,
    reasoning: Option<(&'static str, Raw<'a>)>,
    details: Option<Raw<'a>>,
    audio: Option<Raw<'a>>,
    annotations: Option<Raw<'a>>,
    calls: Option<Raw<'a>>,
    function: Option<Raw<'a>>,
    images: Option<Raw<'a>>,
}

impl<'a> Said<'a> {
    fn read(delta: Raw<'a>) -> Said<'a> {
        let mut said = Said::default();
        for member in delta.items().filter(|member| !member.value.is_blank()) {
            let value = Some(member.value);
            match member.key {
                b"content" => said.content = value,
                b"refusal" => said.refusal = value,
                b"reasoning_content" => said.reasoning = Some(("reasoning_content", member.value)),
                b"reasoning" => said.reasoning = said.reasoning.or(Some(("reasoning", member.value))),
                b"reasoning_details" => said.details = value,
                b"audio" => said.audio = value,
                b"annotations" => said.annotations = value,
                b"tool_calls" => said.calls = value,
                b"function_call" => said.function = value,
                b"images" => said.images = value,
                _ => {}
            }
        }
        said
    }
}

impl Choice {
    pub(super) fn is_begun(&self) -> bool {
        self.is_begun
    }

    pub(super) fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// Takes what a chunk says. `answer` is the id of the whole answer.
    pub(super) fn take(
        &mut self,
        read: &Read<'_>,
        choice: usize,
        answer: &str,
        next: &mut usize,
        emit: &mut dyn FnMut(Event),
    ) {
        self.is_begun = true;
        let mut blocks = Blocks { choice, next, emit };
        if let Some(delta) = read.delta {
            self.delta(&Said::read(delta), answer, &mut blocks);
        }
        if let Some(logprobs) = read.logprobs
            && let Ok(value) = serde_json::from_slice(logprobs.bytes)
        {
            (blocks.emit)(Event::Logprobs { choice, value });
        }
        // Some upstreams say it again in a later chunk.
        if let (None, Some(finish)) = (&self.finish, read.finish) {
            self.finish = Some(String::from_utf8_lossy(finish).into_owned());
        }
    }

    fn delta(&mut self, said: &Said<'_>, answer: &str, blocks: &mut Blocks<'_>) {
        if said.details.is_some() || said.reasoning.is_some() {
            self.blank.clear();
        }
        if let Some(details) = said.details {
            thought::details(details, said.reasoning, &mut self.open, blocks);
        } else if let Some((name, reasoning)) = said.reasoning
            && let Some(text) = reasoning.as_str()
        {
            thought::plain(name, text, &mut self.open, blocks);
        }
        if let Some(content) = said.content {
            self.content(content, blocks);
        }
        // Sound has no place in the hub's events; what it says has.
        if let Some(text) =
            said.audio.and_then(|audio| audio.member("transcript")).and_then(|text| text.as_str())
        {
            self.text(text, blocks);
        }
        if let Some(refusal) = said.refusal.and_then(|refusal| refusal.as_str()) {
            self.has_refusal = true;
            self.open.refusal(refusal, blocks);
        }
        if let Some(annotations) = said.annotations
            && let Ok(Value::Array(annotations)) = serde_json::from_slice(annotations.bytes)
            && let Open::Text(block) = self.open
        {
            for annotation in annotations {
                blocks.delta(block, Delta::Citation(url_citation(annotation)));
            }
        }
        for url in said.images.iter().flat_map(Raw::items) {
            let url = url.value.member("image_url").and_then(|image| image.member("url"));
            if let Some(url) = url.and_then(|url| url.as_str()) {
                self.open.close(blocks.emit);
                let block = blocks.open(Opening::Image(Media::at(&url)));
                (blocks.emit)(Event::Close { block });
            }
        }
        if said.calls.is_some() || said.function.is_some() {
            self.blank.clear();
        }
        for call in said.calls.iter().flat_map(Raw::items) {
            self.calls.take(call.value, answer, &mut self.open, blocks);
        }
        if let Some(function) = said.function {
            self.calls.take_legacy(function, answer, &mut self.open, blocks);
        }
    }

    /// Text, or Mistral's parts.
    fn content(&mut self, content: Raw<'_>, blocks: &mut Blocks<'_>) {
        if let Some(text) = content.as_str() {
            return self.text(text, blocks);
        }
        for part in content.items() {
            if let Some(thinking) = part.value.member("thinking") {
                let pieces = thinking
                    .as_str()
                    .into_iter()
                    .chain(thinking.items().filter_map(|piece| piece.value.member("text")?.as_str()));
                for text in pieces {
                    thought::plain("thinking", text, &mut self.open, blocks);
                }
            } else if let Some(text) = part.value.member("text").and_then(|text| text.as_str())
                && !text.is_empty()
            {
                self.text(text, blocks);
            }
        }
    }

    fn text(&mut self, text: Cow<'_, str>, blocks: &mut Blocks<'_>) {
        if !matches!(self.open, Open::Text(_)) && text.trim().is_empty() {
            return self.blank.push_str(&text);
        }
        if self.blank.is_empty() {
            return self.open.text(text, blocks);
        }
        let text = std::mem::take(&mut self.blank) + &text;
        self.open.text(Cow::Owned(text), blocks);
    }

    /// Cites the whole text, where it is still open.
    pub(super) fn cite(&self, results: &[u8], emit: &mut dyn FnMut(Event)) {
        if let Open::Text(block) = self.open
            && let Ok(results) = serde_json::from_slice::<Value>(results)
        {
            for citation in search_results(&results) {
                emit(Event::Delta { block, delta: Delta::Citation(citation) });
            }
        }
    }

    pub(super) fn close(&mut self, emit: &mut dyn FnMut(Event)) {
        self.open.close(emit);
        self.calls.close(emit);
    }

    /// Says why it stopped. An upstream that ended the stream properly without a reason had said all.
    pub(super) fn stop(&mut self, choice: usize, is_whole: bool, emit: &mut dyn FnMut(Event)) {
        let reason = self.finish.as_deref().or(is_whole.then_some("stop"));
        if let Some(reason) = reason.filter(|_| !self.is_stopped) {
            self.is_stopped = true;
            let reason = stop::parse(reason, !self.calls.is_empty(), self.has_refusal);
            emit(Event::Stop { choice, reason });
        }
    }
}

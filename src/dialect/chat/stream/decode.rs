//! A chat stream as events of the hub.
//!
//! Chunks are read in place, without a tree, save for their rare members. What closes a block is what follows it, or
//! the end; calls of tools stay open until the end, for their pieces may come in turns. The reason to stop and what comes
//! with it wait for the end, too: chunks with annotations or the usage may follow the one that has it.

mod choice;

use crate::conversation::{Event, StreamError};
use crate::dialect::chat::response::reported;
use crate::dialect::error::{is_error, read_error};
use crate::dialect::translate::Decode;
use crate::json::Raw;
use crate::sse;
use choice::Choice;

/// OpenAI allows so many answers.
const CHOICES: usize = 128;

/// Decodes one stream.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The answer's id, once it is known; calls without an id have theirs from it.
    id: String,
    is_started: bool,
    /// `End` or `Error` has been given: nothing may follow.
    is_over: bool,
    choices: Vec<Choice>,
    /// How many blocks have been opened.
    blocks: usize,
    /// Perplexity's, as JSON, the same in every chunk.
    search_results: Vec<u8>,
}

/// The members of a chunk that matter.
#[derive(Default)]
struct Chunk<'a> {
    id: Option<Raw<'a>>,
    model: Option<Raw<'a>>,
    choices: Option<Raw<'a>>,
    usage: Option<Raw<'a>>,
    error: Option<Raw<'a>>,
    object: Option<Raw<'a>>,
    search_results: Option<Raw<'a>>,
}

impl<'a> Chunk<'a> {
    fn read(data: &'a [u8]) -> Chunk<'a> {
        let mut chunk = Chunk::default();
        for item in (Raw { bytes: data, start: 0 }).items() {
            let value = Some(item.value);
            match item.key {
                b"id" => chunk.id = value,
                b"model" => chunk.model = value,
                b"choices" => chunk.choices = value,
                b"usage" if !item.value.is_null() => chunk.usage = value,
                b"x_groq" => chunk.usage = chunk.usage.or(item.value.member("usage")),
                b"error" => chunk.error = value,
                b"object" => chunk.object = value,
                b"search_results" => chunk.search_results = value,
                _ => {}
            }
        }
        chunk
    }
}

impl Decode for Decoder {
    fn event(&mut self, event: &sse::Event<'_>, emit: &mut dyn FnMut(Event)) {
        if self.is_over {
            return;
        }
        if event.data.trim_ascii() == b"[DONE]" {
            self.start(&Chunk::default(), emit);
            return self.complete(emit);
        }
        let chunk = Chunk::read(&event.data);
        let has_choices = chunk.choices.is_some_and(|choices| !choices.is_blank());
        if event.name == Some(b"error") || is_error(chunk.error, chunk.object, has_choices) {
            return self.fail(&event.data, emit);
        }
        let usage = chunk.usage.and_then(reported);
        // Azure's first chunk has no choice and no id, only what its filter found in the prompt.
        if has_choices || usage.is_some() {
            self.start(&chunk, emit);
        }
        if let Some(results) =
            chunk.search_results.filter(|results| results.bytes.len() != self.search_results.len())
        {
            self.search_results = results.bytes.to_vec();
        }
        for choice in chunk.choices.iter().flat_map(Raw::items) {
            if let Err(error) = self.choice(choice.value, emit) {
                return self.fail(error.bytes, emit);
            }
        }
        if let Some(reported) = usage {
            emit(Event::Usage(reported.usage));
        }
    }

    fn finish(&mut self, emit: &mut dyn FnMut(Event)) {
        if self.is_over {
            return;
        }
        let begun = || self.choices.iter().filter(|choice| choice.is_begun());
        if begun().next().is_some() && begun().all(Choice::is_finished) {
            return self.complete(emit);
        }
        for (index, choice) in self.choices.iter_mut().enumerate() {
            choice.close(emit);
            choice.stop(index, false, emit);
        }
        self.is_over = true;
    }
}

impl Decoder {
    fn start(&mut self, chunk: &Chunk<'_>, emit: &mut dyn FnMut(Event)) {
        if !self.is_started {
            let text = |raw: Option<Raw<'_>>| raw.and_then(|raw| Some(raw.as_str()?.into_owned()));
            self.id = text(chunk.id).unwrap_or_default();
            self.is_started = true;
            emit(Event::Start { id: self.id.clone(), model: text(chunk.model).unwrap_or_default() });
        }
    }

    /// Reads one choice of a chunk; an error where it ends with one.
    fn choice<'a>(&mut self, raw: Raw<'a>, emit: &mut dyn FnMut(Event)) -> Result<(), Raw<'a>> {
        let read = choice::Read::of(raw);
        if read.finish == Some(b"error") {
            return Err(read.error.unwrap_or(raw));
        }
        let index = read.index.min(CHOICES - 1);
        if self.choices.len() <= index {
            self.choices.resize_with(index + 1, Choice::default);
        }
        if let Some(choice) = self.choices.get_mut(index) {
            choice.take(&read, index, &self.id, &mut self.blocks, emit);
        }
        Ok(())
    }

    fn complete(&mut self, emit: &mut dyn FnMut(Event)) {
        for (index, choice) in self.choices.iter_mut().enumerate() {
            if choice.is_begun() {
                choice.cite(&self.search_results, emit);
                choice.close(emit);
                choice.stop(index, true, emit);
            }
        }
        self.is_over = true;
        emit(Event::End);
    }

    fn fail(&mut self, body: &[u8], emit: &mut dyn FnMut(Event)) {
        let error = read_error(body);
        self.is_over = true;
        emit(Event::Error(StreamError { status: error.status, code: error.code, message: error.message }));
    }
}

#[cfg(test)]
mod tests;

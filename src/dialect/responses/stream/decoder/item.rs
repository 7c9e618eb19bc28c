//! One item of a stream, and the blocks that it becomes.

use super::member::{Members, text};
use super::{Open, Told};
use crate::conversation::tool_call_id::restore;
use crate::conversation::{Delta, Event, Opening};
use crate::dialect::responses::{citation, reasoning};
use crate::json::Raw;
use crate::json::json;
use serde_json::Value;

/// An item as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Item {
    state: State,
    is_done: bool,
}

#[derive(Debug, Default)]
enum State {
    /// Nothing has been said of it.
    #[default]
    Unknown,
    /// Its parts, by their `content_index`; one that is over has no block.
    Message(Vec<(u64, Option<Open>)>),
    Thought {
        open: Option<Open>,
        is_summary: bool,
        /// The paragraph that is being said, and where the block's text stood when it began.
        paragraph: (u64, usize),
    },
    Call {
        open: Open,
        is_custom: bool,
    },
    /// An item that only this dialect has, told when it is over.
    Native,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Added,
    Done,
    PartAdded,
    PartDone,
    Text,
    Refusal,
    Summary,
    Thought,
    Arguments,
    Input,
}

impl Kind {
    /// Of the events that say something of an item; progress of hosted tools does not.
    pub(super) fn of_event(kind: &[u8]) -> Option<Kind> {
        Some(match kind.strip_prefix(b"response.")? {
            b"output_item.added" => Kind::Added,
            b"output_item.done" => Kind::Done,
            b"content_part.added" => Kind::PartAdded,
            b"content_part.done" => Kind::PartDone,
            b"output_text.delta" | b"output_text.done" | b"output_text.annotation.added" => Kind::Text,
            b"refusal.delta" | b"refusal.done" => Kind::Refusal,
            b"reasoning_summary_part.added"
            | b"reasoning_summary_text.delta"
            | b"reasoning_summary_text.done" => Kind::Summary,
            b"reasoning_text.delta" | b"reasoning_text.done" => Kind::Thought,
            b"function_call_arguments.delta" | b"function_call_arguments.done" => Kind::Arguments,
            b"custom_tool_call_input.delta" | b"custom_tool_call_input.done" => Kind::Input,
            _ => return None,
        })
    }
}

/// Gives out events and numbers the blocks that open.
struct Emitter<'a> {
    blocks: &'a mut usize,
    emit: &'a mut dyn FnMut(Event),
}

impl Emitter<'_> {
    fn open(&mut self, opening: Opening) -> Open {
        let block = *self.blocks;
        *self.blocks += 1;
        (self.emit)(Event::Open { block, choice: 0, opening });
        Open { block, said: 0, annotations: 0 }
    }

    fn close(&mut self, open: Option<Open>) {
        if let Some(Open { block, .. }) = open {
            (self.emit)(Event::Close { block });
        }
    }
}

impl Item {
    /// Takes an event of this item.
    pub(super) fn event(
        &mut self,
        name: &[u8],
        kind: Kind,
        members: &Members<'_>,
        blocks: &mut usize,
        emit: &mut dyn FnMut(Event),
    ) -> Told {
        let mut to = Emitter { blocks, emit };
        if self.is_done {
            return Told::default();
        }
        let index = members.part_index();
        match kind {
            Kind::Added => {
                if let Some(item) = members.item {
                    self.begin(item, &mut to);
                }
            }
            Kind::Done => {
                if let Some(item) = members.item {
                    return self.done(item, &mut to);
                }
            }
            Kind::PartAdded | Kind::PartDone => {
                if let Some(part) = members.part {
                    self.part(index, part, kind == Kind::PartDone, &mut to);
                }
            }
            Kind::Text | Kind::Refusal => self.text(index, kind, members, &mut to),
            Kind::Summary | Kind::Thought => {
                let is_summary = kind == Kind::Summary;
                self.paragraph(index, is_summary, &mut to);
                self.think(is_summary, members, &mut to);
            }
            Kind::Arguments | Kind::Input => {
                if let State::Call { open, .. } = &mut self.state {
                    if name.ends_with(b".delta") {
                        open.say(text(members.delta), true, to.emit);
                    } else if let Some(whole) = members.whole {
                        open.say_rest(&text(Some(whole)), true, to.emit);
                    }
                }
            }
        }
        Told { is_call: matches!(self.state, State::Call { .. }), is_refusal: kind == Kind::Refusal }
    }

    /// Takes an item of which no event came.
    pub(super) fn whole(&mut self, item: Raw<'_>, blocks: &mut usize, emit: &mut dyn FnMut(Event)) -> Told {
        let mut to = Emitter { blocks, emit };
        self.begin(item, &mut to);
        self.done(item, &mut to)
    }

    /// The stream ends: what is open is over.
    pub(super) fn close(&mut self, emit: &mut dyn FnMut(Event)) {
        let mut blocks = 0;
        let mut to = Emitter { blocks: &mut blocks, emit };
        self.is_done = true;
        match std::mem::take(&mut self.state) {
            State::Message(parts) => parts.into_iter().for_each(|(_, open)| to.close(open)),
            State::Thought { open, .. } => to.close(open),
            State::Call { open, .. } => to.close(Some(open)),
            State::Unknown | State::Native => {}
        }
    }

    fn begin(&mut self, item: Raw<'_>, to: &mut Emitter<'_>) {
        if !matches!(self.state, State::Unknown) {
            return;
        }
        let kind = item.member("type");
        self.state = match kind.and_then(|kind| kind.string_text()).unwrap_or_default() {
            b"message" => State::Message(Vec::new()),
            b"reasoning" => State::Thought { open: None, is_summary: true, paragraph: (0, 0) },
            kind @ (b"function_call" | b"custom_tool_call") => {
                let id = restore(&text(item.member("call_id"))).into_owned();
                let (name, is_custom) = (text(item.member("name")), kind == b"custom_tool_call");
                let mut open = to.open(Opening::ToolCall { id, name, is_custom, signature: None });
                let said = item.member(if is_custom { "input" } else { "arguments" });
                open.say(text(said), true, to.emit);
                State::Call { open, is_custom }
            }
            _ => State::Native,
        };
    }

    /// The block of this part, opened where it was not announced; `None` where it is over.
    fn open_part(&mut self, index: u64, is_refusal: bool, to: &mut Emitter<'_>) -> Option<&mut Open> {
        if matches!(self.state, State::Unknown) {
            self.state = State::Message(Vec::new());
        }
        let State::Message(parts) = &mut self.state else { return None };
        if !parts.iter().any(|(known, _)| *known == index) {
            let open = to.open(if is_refusal { Opening::Refusal } else { Opening::Text });
            parts.push((index, Some(open)));
        }
        parts.iter_mut().find(|(known, _)| *known == index)?.1.as_mut()
    }

    fn part(&mut self, index: u64, part: Raw<'_>, is_done: bool, to: &mut Emitter<'_>) {
        let kind = part.member("type");
        let is_refusal = match kind.and_then(|kind| kind.string_text()) {
            Some(b"output_text") => false,
            Some(b"refusal") => true,
            Some(b"reasoning_text") => {
                if !is_done {
                    self.paragraph(index, false, to);
                }
                return;
            }
            _ => return,
        };
        let Some(open) = self.open_part(index, is_refusal, to) else { return };
        let whole = part.member(if is_refusal { "refusal" } else { "text" });
        open.say_rest(&text(whole), false, to.emit);
        let annotations = part.member("annotations");
        for annotation in annotations.iter().flat_map(Raw::items).skip(open.annotations) {
            cite(open, annotation.value, to);
        }
        if is_done && let State::Message(parts) = &mut self.state {
            let open = parts.iter_mut().find(|(known, _)| *known == index).and_then(|(_, open)| open.take());
            to.close(open);
        }
    }

    fn text(&mut self, index: u64, kind: Kind, members: &Members<'_>, to: &mut Emitter<'_>) {
        let Some(open) = self.open_part(index, kind == Kind::Refusal, to) else { return };
        if let Some(annotation) = members.annotation {
            cite(open, annotation, to);
        } else if let Some(delta) = members.delta {
            let tokens = members.logprobs.filter(|tokens| !tokens.is_blank());
            if let Some(tokens) = tokens.and_then(|tokens| serde_json::from_slice::<Value>(tokens.bytes).ok())
            {
                (to.emit)(Event::Logprobs { choice: 0, value: json!({"content": tokens}) });
            }
            open.say(text(Some(delta)), false, to.emit);
        } else if let Some(whole) = members.whole {
            open.say_rest(&text(Some(whole)), false, to.emit);
        }
    }

    /// A paragraph of a thought begins, or goes on.
    fn paragraph(&mut self, index: u64, of_summary: bool, to: &mut Emitter<'_>) {
        if matches!(self.state, State::Unknown) {
            self.state = State::Thought { open: None, is_summary: true, paragraph: (0, 0) };
        }
        let State::Thought { open, is_summary, paragraph } = &mut self.state else { return };
        match open {
            None => {
                *is_summary = of_summary;
                *paragraph = (index, 0);
                *open = Some(to.open(Opening::Thinking { is_summary: of_summary }));
            }
            // Beside a summary the thought itself would be said twice, and the other way round.
            Some(open) if *is_summary == of_summary && paragraph.0 != index => {
                *paragraph = (index, open.said);
                (to.emit)(Event::Delta { block: open.block, delta: Delta::Paragraph });
            }
            Some(_) => {}
        }
    }

    fn think(&mut self, of_summary: bool, members: &Members<'_>, to: &mut Emitter<'_>) {
        let State::Thought { open: Some(open), is_summary, paragraph } = &mut self.state else { return };
        if *is_summary != of_summary {
            return;
        }
        if let Some(delta) = members.delta {
            open.say(text(Some(delta)), false, to.emit);
        } else if let Some(whole) = members.whole
            && let Some(rest) = text(Some(whole)).get(open.said.saturating_sub(paragraph.1)..)
        {
            open.say(rest.to_owned(), false, to.emit);
        }
    }

    fn done(&mut self, item: Raw<'_>, to: &mut Emitter<'_>) -> Told {
        self.begin(item, to);
        if matches!(self.state, State::Message(_)) {
            let parts = item.member("content");
            for (index, part) in parts.iter().flat_map(Raw::items).enumerate() {
                self.part(index as u64, part.value, true, to);
            }
        }
        if matches!(self.state, State::Thought { open: None, .. }) {
            self.whole_thought(item, to);
        }
        let told = Told {
            is_call: matches!(self.state, State::Call { .. }),
            is_refusal: item
                .member("content")
                .is_some_and(|parts| parts.items().any(|part| part.value.member("refusal").is_some())),
        };
        match &mut self.state {
            State::Call { open, is_custom } => {
                let whole = item.member(if *is_custom { "input" } else { "arguments" });
                open.say_rest(&text(whole), true, to.emit);
            }
            State::Thought { open, .. } => {
                let id = text(item.member("id"));
                let encrypted = item.member("encrypted_content").and_then(|encrypted| encrypted.as_str());
                let state = encrypted.and_then(|encrypted| reasoning::state(Some(&id), &encrypted));
                match (open.as_ref(), state) {
                    (Some(open), Some(state)) => {
                        let delta = Delta::Signature(state);
                        (to.emit)(Event::Delta { block: open.block, delta });
                    }
                    (None, Some(state)) => *open = Some(to.open(Opening::Redacted(state))),
                    _ => {}
                }
            }
            State::Native => {
                if let Ok(value) = serde_json::from_slice(item.bytes) {
                    let open = to.open(Opening::Native(value));
                    to.close(Some(open));
                }
            }
            State::Message(_) | State::Unknown => {}
        }
        self.close(to.emit);
        told
    }

    /// A thought of which only the end was told.
    fn whole_thought(&mut self, item: Raw<'_>, to: &mut Emitter<'_>) {
        let parts = |name: &str| item.member(name).filter(|parts| !parts.is_blank());
        let (parts, of_summary) = match (parts("content"), parts("summary")) {
            (Some(content), _) => (content, false),
            (None, Some(summary)) => (summary, true),
            (None, None) => return,
        };
        for (index, part) in parts.items().enumerate() {
            self.paragraph(index as u64, of_summary, to);
            if let State::Thought { open: Some(open), .. } = &mut self.state {
                open.say(text(part.value.member("text")), false, to.emit);
            }
        }
    }
}

fn cite(open: &mut Open, annotation: Raw<'_>, to: &mut Emitter<'_>) {
    if let Ok(annotation) = serde_json::from_slice::<Value>(annotation.bytes) {
        open.annotations += 1;
        let delta = Delta::Citation(citation::decode(annotation));
        (to.emit)(Event::Delta { block: open.block, delta });
    }
}

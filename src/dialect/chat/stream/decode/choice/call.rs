//! Calls of tools in a stream, whose pieces may come in turns.

use super::{Blocks, Open};
use crate::conversation::tool_call_id::{make, restore};
use crate::conversation::{Delta, Dialect, Event, Opaque, Opening};
use crate::json::Raw;
use std::borrow::Cow;

/// The calls of an answer.
#[derive(Debug, Default)]
pub(super) struct Calls(Vec<Call>);

#[derive(Debug, Default)]
struct Call {
    /// `index`; `None` where the upstream gives none.
    index: Option<u64>,
    id: String,
    /// Its block, once its name is known.
    block: Option<usize>,
    /// Arguments that came before the name.
    held: String,
    signature: Option<Opaque>,
}

/// What a chunk says of a call.
#[derive(Default)]
struct Piece<'a> {
    index: Option<u64>,
    id: Cow<'a, str>,
    name: Cow<'a, str>,
    arguments: Cow<'a, str>,
    is_custom: bool,
    signature: Option<Opaque>,
}

impl<'a> Piece<'a> {
    fn read(call: Raw<'a>) -> Piece<'a> {
        let mut piece = Piece::default();
        for member in call.items() {
            match member.key {
                b"index" => piece.index = member.value.as_u64(),
                b"id" => piece.id = member.value.as_str().unwrap_or_default(),
                b"function" => piece.function(member.value),
                b"custom" => {
                    piece.is_custom = true;
                    piece.function(member.value);
                }
                b"extra_content" => {
                    let google = member.value.member("google");
                    let state = google.and_then(|google| google.member("thought_signature"));
                    let state = state.and_then(|state| state.as_str());
                    piece.signature = state.and_then(|state| Opaque::carried(Dialect::Chat, &state));
                }
                _ => {}
            }
        }
        piece
    }

    fn function(&mut self, function: Raw<'a>) {
        for member in function.items() {
            match member.key {
                b"name" => self.name = member.value.as_str().unwrap_or_default(),
                b"arguments" | b"input" if !member.value.is_null() => {
                    // Some upstreams send an object in place of its text.
                    let text = || String::from_utf8_lossy(member.value.bytes);
                    self.arguments = member.value.as_str().unwrap_or_else(text);
                }
                _ => {}
            }
        }
    }
}

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, call: Raw<'_>, answer: &str, open: &mut Open, blocks: &mut Blocks<'_>) {
        self.piece(Piece::read(call), answer, open, blocks);
    }

    /// `function_call`: there is only one.
    pub(super) fn take_legacy(
        &mut self,
        call: Raw<'_>,
        answer: &str,
        open: &mut Open,
        blocks: &mut Blocks<'_>,
    ) {
        let mut piece = Piece { index: Some(0), ..Piece::default() };
        piece.function(call);
        self.piece(piece, answer, open, blocks);
    }

    fn piece(&mut self, piece: Piece<'_>, answer: &str, open: &mut Open, blocks: &mut Blocks<'_>) {
        let place = self.place(&piece);
        let Some(call) = self.0.get_mut(place) else { return };
        if call.id.is_empty() {
            call.id = restore(&piece.id).into_owned();
        }
        let signature = piece.signature.or_else(|| call.signature.take());
        match call.block {
            Some(block) => {
                if let Some(state) = signature {
                    blocks.delta(block, Delta::Signature(state));
                }
                if !piece.arguments.is_empty() {
                    blocks.delta(block, Delta::Arguments(piece.arguments.into_owned()));
                }
            }
            None if piece.name.is_empty() => {
                call.held.push_str(&piece.arguments);
                call.signature = signature;
            }
            None => {
                if call.id.is_empty() {
                    call.id = make(answer, place);
                }
                open.close(blocks.emit);
                let block = blocks.open(Opening::ToolCall {
                    id: call.id.clone(),
                    name: piece.name.into_owned(),
                    is_custom: piece.is_custom,
                    signature,
                });
                call.block = Some(block);
                let mut arguments = std::mem::take(&mut call.held);
                arguments.push_str(&piece.arguments);
                if !arguments.is_empty() {
                    blocks.delta(block, Delta::Arguments(arguments));
                }
            }
        }
    }

    /// The call that a piece belongs to, perhaps a new one. Later pieces may lack the id, or all have the same index
    /// (Gemini's endpoint gives every call 0), or none: a named call with another id is another call.
    fn place(&mut self, piece: &Piece<'_>) -> usize {
        let found = match piece.index {
            Some(index) => self.0.iter().rposition(|call| call.index == Some(index)),
            None if piece.id.is_empty() && piece.name.is_empty() => self.0.len().checked_sub(1),
            None => self.0.iter().rposition(|call| !piece.id.is_empty() && call.id == restore(&piece.id)),
        };
        let is_another = |place: &usize| {
            let call = self.0.get(*place);
            !piece.name.is_empty()
                && !piece.id.is_empty()
                && call.is_some_and(|call| !call.id.is_empty() && call.id != restore(&piece.id))
        };
        if let Some(place) = found.filter(|place| !is_another(place)) {
            return place;
        }
        self.0.push(Call { index: piece.index, ..Call::default() });
        self.0.len() - 1
    }

    pub(super) fn close(&mut self, emit: &mut dyn FnMut(Event)) {
        for call in &mut self.0 {
            if let Some(block) = call.block.take() {
                emit(Event::Close { block });
            }
        }
    }
}

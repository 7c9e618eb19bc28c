//! Brings the blocks of a stream one after the other, for dialects in which only one is open at a time.
//!
//! Chat may stream parallel tool calls in turns, a piece of the first, a piece of the second; Messages and Responses clients
//! expect each block to be closed before the next opens. The block that opened first goes on at once, so a stream that is
//! in sequence already is never held; what belongs to later blocks waits until those before them close.

use super::event::Event;
use std::collections::VecDeque;

/// The state of one stream.
#[derive(Clone, Debug, Default)]
pub struct Sequencer {
    /// The block that is going out.
    current: Option<usize>,
    /// Later blocks, in the order in which they opened, with what is held of each.
    waiting: VecDeque<(usize, Vec<Event>)>,
}

impl Sequencer {
    /// Takes an event and gives those that may go now, in sequence.
    pub fn push(&mut self, event: Event, emit: &mut impl FnMut(Event)) {
        match &event {
            Event::Open { block, .. } => {
                if self.current.is_some() {
                    self.waiting.push_back((*block, vec![event]));
                } else {
                    self.current = Some(*block);
                    emit(event);
                }
            }
            Event::Delta { block, .. } | Event::Close { block } => {
                let block = *block;
                if self.current == Some(block) {
                    let is_over = matches!(event, Event::Close { .. });
                    emit(event);
                    if is_over {
                        self.current = None;
                        self.advance(emit);
                    }
                } else if let Some((_, held)) = self.waiting.iter_mut().find(|(waiting, _)| *waiting == block)
                {
                    held.push(event);
                }
            }
            // Nothing may follow these within a block; whatever still waits has its chance now.
            Event::Stop { .. } | Event::End => {
                self.release(emit);
                emit(event);
            }
            Event::Start { .. } | Event::Usage(_) | Event::Logprobs { .. } | Event::Error(_) => emit(event),
        }
    }

    /// Lets waiting blocks go, up to the first that is still open.
    fn advance(&mut self, emit: &mut impl FnMut(Event)) {
        while let Some((block, held)) = self.waiting.pop_front() {
            let is_over = matches!(held.last(), Some(Event::Close { .. }));
            held.into_iter().for_each(&mut *emit);
            if !is_over {
                self.current = Some(block);
                return;
            }
        }
    }

    /// Closes whatever is open, as far as a decoder has not.
    fn release(&mut self, emit: &mut impl FnMut(Event)) {
        while let Some(block) = self.current.take() {
            emit(Event::Close { block });
            self.advance(emit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::{Delta, Opening};
    use super::*;
    use proptest::prelude::*;

    fn open(block: usize) -> Event {
        Event::Open { block, choice: 0, opening: Opening::Text }
    }

    fn delta(block: usize, text: &str) -> Event {
        Event::Delta { block, delta: Delta::Text(text.into()) }
    }

    fn sequenced(events: Vec<Event>) -> Vec<Event> {
        let (mut sequencer, mut out) = (Sequencer::default(), Vec::new());
        for event in events {
            sequencer.push(event, &mut |event| out.push(event));
        }
        out
    }

    #[test]
    fn a_stream_in_sequence_is_never_held() {
        let mut sequencer = Sequencer::default();
        for event in [open(0), delta(0, "a"), Event::Close { block: 0 }, open(1), Event::Close { block: 1 }] {
            let mut out = Vec::new();
            sequencer.push(event.clone(), &mut |event| out.push(event));
            assert_eq!(out, [event]);
        }
    }

    #[test]
    fn interleaved_blocks_come_one_after_the_other() {
        let close = |block| Event::Close { block };
        let stop = Event::Stop { choice: 0, reason: super::super::StopReason::ToolUse };
        let events = vec![open(0), open(1), delta(1, "x"), delta(0, "a"), delta(1, "y"), close(1), close(0)];
        assert_eq!(
            sequenced([events, vec![stop.clone()]].concat()),
            [open(0), delta(0, "a"), close(0), open(1), delta(1, "x"), delta(1, "y"), close(1), stop]
        );
    }

    proptest! {
        /// However blocks interleave, each comes out whole, in order of opening, and only one is open at a time.
        #[test]
        fn nothing_is_lost(steps in proptest::collection::vec((0..6usize, 0..4u8), 0..60)) {
            let (mut events, mut opened, mut closed) = (Vec::new(), 0, vec![]);
            for (pick, what) in steps {
                let is_open = pick < opened && !closed.contains(&pick);
                match what {
                    0 => { events.push(open(opened)); opened += 1; }
                    1 if is_open => { closed.push(pick); events.push(Event::Close { block: pick }); }
                    _ if is_open => events.push(delta(pick, &events.len().to_string())),
                    _ => {}
                }
            }
            events.push(Event::End);
            let out = sequenced(events.clone());
            let mut current = None;
            for event in &out {
                match event {
                    Event::Open { block, .. } => { prop_assert_eq!(current, None); current = Some(*block); }
                    Event::Delta { block, .. } => prop_assert_eq!(current, Some(*block)),
                    Event::Close { block } => { prop_assert_eq!(current, Some(*block)); current = None; }
                    _ => prop_assert_eq!(current, None),
                }
            }
            for block in 0..opened {
                let of = |events: &[Event]| events.iter().filter(|event| matches!(event, Event::Delta { block: of, .. } if *of == block)).cloned().collect::<Vec<_>>();
                prop_assert_eq!(of(&events), of(&out));
            }
        }
    }
}

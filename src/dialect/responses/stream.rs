//! A stream: decoded from an upstream, encoded for a client, or watched on its way through.
//!
//! Each event has a type, which SSE repeats as its name, and a `sequence_number`; deltas say by `output_index` and
//! `content_index` or `summary_index` what they add to. What the official clients make of them: the accumulators of
//! `openai` for Node (`lib/responses/ResponseAccumulator`) and for Python, which fail where an index was not announced.

mod decoder;
mod encoder;
pub(super) mod event;
mod watch;

pub use decoder::Decoder;
pub use encoder::Encoder;
pub use watch::Watch;

#[cfg(test)]
mod tests;

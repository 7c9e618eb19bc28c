//! Streams: looked at in passing, decoded, encoded
//! (<https://platform.claude.com/docs/en/build-with-claude/streaming>).

mod decoder;
mod encoder;
mod frame;
mod native;
mod watch;

pub use decoder::Decoder;
pub use encoder::Encoder;
pub use watch::Watch;

#[cfg(test)]
mod tests;

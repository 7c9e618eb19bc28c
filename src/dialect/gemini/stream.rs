//! A `streamGenerateContent` stream: whole answers in pieces, one an event, without an end mark.
//!
//! Clients that ask without `alt=sse` get the same as one JSON array. After an error nothing follows; google-genai raises for
//! an event whose first member is `error`.

mod decoder;
mod encoder;
mod framing;
mod watch;

pub use decoder::Decoder;
pub use encoder::Encoder;
pub use watch::Watch;

#[cfg(test)]
mod tests;

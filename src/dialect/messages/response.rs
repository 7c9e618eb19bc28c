//! Answers that came as a whole: looked at in passing, decoded, encoded.

mod decode;
mod encode;
mod read;
mod stop;

pub use decode::decode;
pub use encode::encode;
pub(super) use encode::message_id;
pub(super) use read::add_output;
pub use read::read;
pub(super) use stop::{reason_of, words_of};

#[cfg(test)]
mod tests;

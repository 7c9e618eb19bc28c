//! The parts that messages consist of, in requests as in answers.

mod decode;
mod encode;
mod media;

pub(super) use decode::{Side, block};
pub(super) use encode::{Parts, Writer, is_native, native};

//! Anthropic Messages (<https://platform.claude.com/docs/en/api/messages>), of Anthropic itself, of Claude on Vertex and
//! Bedrock, and of the many who serve other models in its shape.
//!
//! [`request`], [`response`] and [`stream`] are what every dialect has (see [`crate::dialect::translate`]); [`count`] counts
//! tokens. Beneath them, `block` is what messages of both directions are made of, and
//! `generation` knows what which Claude refuses.

mod block;
pub mod count;
mod error;
mod generation;
pub mod request;
pub mod response;
pub mod stream;
mod usage;

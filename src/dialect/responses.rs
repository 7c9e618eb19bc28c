//! OpenAI Responses: `POST /v1/responses`, its streams, and the objects around stored responses.
//!
//! Where Chat has messages, this dialect has items: a message, a function call, a thought, a search are each an element of
//! `input` and of `output`, with an id of their own. [`request`], [`response`] and [`stream`] translate; `item`, `content`,
//! `reasoning`, `citation` and `tool` are what they share; [`store`] is what a stored response needs; [`count`] the token count.
//! Rules come from the API reference (<https://platform.openai.com/docs/api-reference/responses>) and from recorded traffic.

mod citation;
mod content;
pub mod count;
mod item;
mod reasoning;
pub mod request;
pub mod response;
pub mod store;
pub mod stream;
mod tool;

#[cfg(test)]
mod properties;

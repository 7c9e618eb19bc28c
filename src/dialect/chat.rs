//! OpenAI Chat Completions, the dialect of most providers.
//!
//! Where both sides speak it, bodies are only read in passing: [`request::peek`], [`request::rewrite`],
//! [`response::read`] and [`stream::Watch`] leave every byte that is not the gateway's as it came. Where the other side
//! speaks another dialect, `decode` and `encode` bring them into the hub and out of it. `assistant` is what both have
//! in common: an assistant's message of a request is one of an answer that comes back.

mod assistant;
mod part;
pub mod request;
pub mod response;
pub mod stream;

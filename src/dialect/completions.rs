//! OpenAI's text completions, for clients that still speak them, over models that only chat.
//!
//! A prompt becomes a user's message and the answer's text comes back as `text_completion` objects; a chat model answers
//! the prompt rather than going on with it, which is what every such bridge does.

pub mod request;
pub mod response;
pub mod stream;

//! OpenAI Chat Completions, the dialect of most providers, read in passing: nothing here rebuilds a body.

pub mod request;
pub mod response;
pub mod stream;

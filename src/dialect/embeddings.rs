//! OpenAI Embeddings.

pub mod request;

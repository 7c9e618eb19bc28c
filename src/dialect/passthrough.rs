//! OpenAI's endpoints beside conversations: bodies that pass, whoever serves them, and of which only the model is changed.
//!
//! Embeddings, images, speech, transcriptions, rerank, moderations, and text completions of upstreams that have them. The
//! gateway reads what routing and the log need ([`request`], and [`multipart`] of a form with a file) and what was used
//! ([`answer`], [`stream`]); everything else is between the client and the upstream.

pub mod answer;
pub mod multipart;
pub mod request;
pub mod stream;

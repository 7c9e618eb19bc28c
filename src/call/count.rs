//! How many tokens a call would have: asked of an upstream that counts in the caller's own dialect, else estimated.

use super::translation::InPath;
use crate::dialect::{Dialect, InvalidBody, gemini, messages, responses};
use crate::provider::{ProviderError, outbound};
use std::borrow::Cow;

/// A question of how many tokens a call would have.
pub struct Question<'b> {
    /// The model as the client named it, if it did.
    pub model: Option<String>,
    /// The gateway's own estimate.
    pub estimate: u64,
    /// The request that is counted.
    pub request: &'b [u8],
}

/// Reads a question.
///
/// # Errors
/// Where the body is not what its dialect says.
pub fn read<'b>(dialect: Dialect, body: &'b [u8], in_path: &InPath) -> Result<Question<'b>, InvalidBody> {
    let (asked, request) = match dialect {
        Dialect::Responses | Dialect::Chat => (responses::request::peek(body)?.asked, body),
        Dialect::Messages | Dialect::Converse => (messages::request::peek(body)?.asked, body),
        Dialect::Gemini => {
            let request = gemini::count::asked(body)?;
            (gemini::request::peek(request, &in_path.model, false)?.asked, request)
        }
    };
    Ok(Question { model: asked.model, estimate: asked.input_tokens, request })
}

/// The body that asks an upstream of the caller's own dialect, which knows the model by this name.
///
/// # Errors
/// Where the body is not what its dialect says.
pub fn ask<'b>(dialect: Dialect, question: &Question<'b>, model: &str) -> Result<Cow<'b, [u8]>, InvalidBody> {
    let body = question.request;
    Ok(match dialect {
        Dialect::Responses | Dialect::Chat => {
            let changes = responses::request::Rewrite { model: Some(model), ..Default::default() };
            responses::request::rewrite(body, &responses::request::peek(body)?, &changes)
        }
        Dialect::Messages | Dialect::Converse => {
            let changes = messages::request::Rewrite { model: Some(model), ..Default::default() };
            messages::request::rewrite(body, &messages::request::peek(body)?, &changes)
        }
        Dialect::Gemini => Cow::Owned(gemini::count::ask(body, model)),
    })
}

/// What follows the upstream's URL for conversations in this dialect.
///
/// # Errors
/// Where the model's name cannot stand in an address.
pub fn path(dialect: Dialect, model: &str) -> Result<String, ProviderError> {
    Ok(match dialect {
        Dialect::Responses | Dialect::Chat => "/input_tokens".into(),
        Dialect::Messages | Dialect::Converse => "/count_tokens".into(),
        Dialect::Gemini => outbound::model_path(model, outbound::Method::CountTokens)?,
    })
}

/// What an upstream counted; `None` where its answer is none.
#[must_use]
pub fn counted(dialect: Dialect, body: &[u8]) -> Option<u64> {
    match dialect {
        Dialect::Responses | Dialect::Chat => responses::count::decode(body),
        Dialect::Messages | Dialect::Converse => messages::count::decode(body),
        Dialect::Gemini => gemini::count::decode(body),
    }
}

/// The answer in the caller's dialect.
#[must_use]
pub fn answer(dialect: Dialect, tokens: u64) -> Vec<u8> {
    match dialect {
        Dialect::Responses | Dialect::Chat => responses::count::encode(tokens),
        Dialect::Messages | Dialect::Converse => messages::count::encode(tokens),
        Dialect::Gemini => gemini::count::encode(tokens),
    }
}

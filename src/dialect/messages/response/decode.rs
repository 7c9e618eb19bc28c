//! An answer into the hub.

use super::reason_of;
use crate::conversation::{Choice, Dialect, Response};
use crate::dialect::InvalidBody;
use crate::dialect::messages::block;
use crate::dialect::messages::request::tree;
use crate::dialect::messages::usage::Counters;
use crate::json::{Fields, Raw};

/// Reads an answer, leniently: what an upstream leaves out or writes otherwise is passed over.
///
/// # Errors
/// Where the body is no JSON object.
pub fn decode(body: &[u8]) -> Result<Response, InvalidBody> {
    let mut fields = Fields::lenient(tree(body)?);
    let blocks = block::answer(fields.take("content"));
    let original_stop = fields.string("stop_reason")?;
    let sequence = fields.string("stop_sequence")?;
    let original_usage = fields.take("usage");
    let mut counters = Counters::default();
    if let Some(usage) = &original_usage {
        counters.merge(Raw { bytes: usage.to_string().as_bytes(), start: 0 });
    }
    let choice = Choice {
        content: blocks,
        stop: original_stop.as_deref().map(|reason| reason_of(reason, sequence)),
        original_stop,
        ..Choice::default()
    };
    let (id, model) = (fields.string("id")?, fields.string("model")?);
    fields.take("type");
    fields.take("role");
    Ok(Response {
        dialect: Dialect::Messages,
        id: id.unwrap_or_default(),
        model: model.unwrap_or_default(),
        created: None,
        choices: vec![choice],
        usage: counters.usage(),
        original_usage,
        extras: block::rest(fields),
    })
}

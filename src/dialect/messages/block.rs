//! The blocks that messages are made of, in requests and in answers alike.
//!
//! Two shapes here are the gateway's own. State that another provider attached to a block that is no thinking travels as a
//! `redacted_thinking` in front of that block; and a thought of another provider, which has no signature that this dialect
//! requires, is signed with an empty carrier, so that the gateway knows it again when it comes back.

mod decode;
mod encode;
mod media;

use crate::conversation::{Dialect, Extras, Opaque};
use crate::json::Fields;
pub(super) use decode::{Piece, answer, cache_breakpoint, citation, content, piece_of_answer};
pub(super) use encode::{Side, Writer, cache_control, citation_for_client, content_value, merge};
use serde_json::Value;
use std::borrow::Cow;

/// The most characters of an id: Bedrock's limit, the API itself only limits the letters.
pub(super) const ID_LIMIT: usize = 64;
/// The most characters of a tool's name: `^[a-zA-Z0-9_-]{1,128}$`.
pub(super) const NAME_LIMIT: usize = 128;

/// State that came as a signature or as redacted data; `None` where there is none, or no more than the mark of a thought
/// that never had any.
pub(super) fn state(text: &str) -> Option<Opaque> {
    Opaque::carried(Dialect::Messages, text).filter(|state| !state.data.is_empty())
}

/// What a client carries as the signature of a thought.
pub(super) fn signature(state: Option<&Opaque>) -> Cow<'_, str> {
    match state {
        Some(state) => state.carried_by(Dialect::Messages),
        None => Cow::Owned(unsigned()),
    }
}

/// Carries nothing but the mark that this comes from another provider: in place of a signature, and of what else only
/// Anthropic can give and its clients' types require.
pub(super) fn unsigned() -> String {
    Opaque::new(Dialect::Chat, "").carried_by(Dialect::Messages).into_owned()
}

/// Whether a block is one that only this dialect has, by its type; for streams, which do not say where a block is from.
pub(super) fn is_native(block: &Value) -> bool {
    let kind = block.get("type").and_then(Value::as_str).unwrap_or_default();
    kind.ends_with("_tool_result")
        || matches!(kind, "server_tool_use" | "mcp_tool_use" | "container_upload" | "compaction")
}

/// The members of an object under construction.
pub(super) type Members = Extras;

/// What was not taken of an object; a member that is `null` is one that is not there.
pub(super) fn rest(fields: Fields) -> Extras {
    let mut rest = fields.rest();
    rest.retain(|_, value| !value.is_null());
    rest
}

/// A body, written.
pub(super) fn bytes(members: &Members) -> Vec<u8> {
    // Writing a tree to memory cannot fail.
    serde_json::to_vec(members).unwrap_or_default()
}

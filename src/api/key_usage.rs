//! The ledger, as the management plane asks it: what of its limits a key has used, and whether it is revoked.

use super::keys::Row;
use super::{Call, Platform};
use crate::error::ApiError;
use crate::limit::message::{Message, Reply};
use serde_json::Value;

/// All limits of a key and what is used of them, in the limits' own units; what calls under way hold counts as used.
pub(super) async fn of<P: Platform>(call: &Call<'_, P>, key: &Row) -> Result<Vec<Value>, ApiError> {
    let limits = key.limits();
    if limits.is_empty() && !limits.has_request_quotas() {
        return Ok(Vec::new());
    }
    let message = Message::Usage { key: key.id.clone(), limits };
    match call.context.platform.ledger(&key.user_id, message).await? {
        Reply::Usage { entries } => Ok(entries.iter().map(|entry| entry.view()).collect()),
        _ => Err(ApiError::ledger_unavailable()),
    }
}

/// Has the ledger refuse a key's calls, so that they stop at once wherever settings are still cached, or take them again.
/// A key without limits is never asked for there; its revocation is in force when the caches notice.
pub(super) async fn revoke<P: Platform>(
    call: &Call<'_, P>,
    key: &Row,
    revoked: bool,
) -> Result<(), ApiError> {
    let message = Message::Revoke { key: key.id.clone(), revoked };
    call.context.platform.ledger(&key.user_id, message).await.map(|_| ())
}

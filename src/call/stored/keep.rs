//! What is kept of an answer, and when.

use super::rows::{self, Row};
use crate::call::accept::Accepted;
use crate::json::Raw;
use crate::store::{Store, StoreError};
use crate::time::Millis;

/// What is known of a call before its answer, and stored with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keeping {
    owner: String,
    key_id: String,
    at: Millis,
    /// What the call goes on from: its id, and the first of its conversation.
    previous: Option<(String, String)>,
    input: String,
}

/// Why an answer is not stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeepError {
    /// It is no response object.
    #[error("the answer has no id")]
    NoId,
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Keeping {
    /// `None` where the answer is not to be stored. `body` is the one that the call was accepted by.
    #[must_use]
    pub fn of(accepted: &Accepted, body: &[u8], owner: &str, key_id: &str, at: Millis) -> Option<Keeping> {
        let peek = accepted.as_responses().filter(|peek| peek.store)?;
        let input = peek.input(body).unwrap_or_default();
        let previous = accepted.history.as_ref().and_then(super::History::previous);
        Some(Keeping {
            owner: owner.to_owned(),
            key_id: key_id.to_owned(),
            at,
            previous: previous.map(|(id, thread)| (id.to_owned(), thread.to_owned())),
            input: String::from_utf8_lossy(input).into_owned(),
        })
    }

    /// Stores the answer: the response object as the client gets it.
    ///
    /// # Errors
    /// It is none, or the store's.
    pub async fn keep(&self, store: &impl Store, response: &[u8]) -> Result<(), KeepError> {
        let text = String::from_utf8_lossy(response);
        let object = Raw { bytes: text.trim().as_bytes(), start: 0 };
        let member = |name: &str| object.member(name).and_then(|value| value.as_str());
        let id = member("id").filter(|id| !id.is_empty()).ok_or(KeepError::NoId)?;
        let output = object.member("output").map(|output| output.items());
        let item_id = |item: Raw<'_>| item.member("id")?.as_str().map(String::from);
        let items: Vec<String> =
            output.into_iter().flatten().filter_map(|item| item_id(item.value)).collect();
        let row = Row {
            owner: &self.owner,
            id: &id,
            key_id: &self.key_id,
            created_at: self.at,
            model: &member("model").unwrap_or_default(),
            status: &member("status").unwrap_or_default(),
            previous: self.previous.as_ref().map(|(id, thread)| (id.as_str(), thread.as_str())),
        };
        store.batch(rows::insert(&row, &self.input, text.trim(), &items)).await?;
        Ok(())
    }
}

//! `/api/v1/activity-logs`: what happened to provider keys.

use super::page::Page;
use super::query::Query;
use super::row::Time;
use super::{ApiResponse, Call, Platform};
use crate::error::ApiError;
use crate::identifier::first_id;
use crate::store::{Statement, Store};
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs, reason = "each is its name")]
pub enum Action {
    Add,
    Delete,
    Select,
    Unselect,
    Import,
    Exhausted,
}

impl Action {
    /// All of them.
    const ALL: [Action; 6] =
        [Action::Add, Action::Delete, Action::Select, Action::Unselect, Action::Import, Action::Exhausted];

    /// As a query names it, in whatever case.
    fn named(name: &str) -> Result<Action, ApiError> {
        let known = Action::ALL.into_iter().find(|action| action.as_str().eq_ignore_ascii_case(name));
        known.ok_or_else(|| {
            let names = Action::ALL.map(Action::as_str).join(", ");
            ApiError::invalid("action", format!("must be one of {names}"))
        })
    }

    /// As stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Add => "ADD",
            Action::Delete => "DELETE",
            Action::Select => "SELECT",
            Action::Unselect => "UNSELECT",
            Action::Import => "IMPORT",
            Action::Exhausted => "EXHAUSTED",
        }
    }
}

/// An entry to be written; `EXHAUSTED` ones come from the data plane.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Fresh.
    pub id: String,
    /// The owner of the key.
    pub user_id: &'a str,
    /// When.
    pub at: Millis,
    /// What.
    pub action: Action,
    /// The provider's name.
    pub provider: &'a str,
    /// What may be shown of the key.
    pub key_hint: &'a str,
    /// For people.
    pub description: String,
}

/// Writes an entry.
#[must_use]
pub fn record(entry: Entry<'_>) -> Statement {
    Statement::new(
        "INSERT INTO activity_logs (id, user_id, created_at, action, provider, key_hint, description) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .bind(entry.id)
    .bind(entry.user_id)
    .bind(entry.at)
    .bind(entry.action.as_str())
    .bind(entry.provider)
    .bind(entry.key_hint)
    .bind(entry.description)
}

#[derive(Deserialize, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(rename = "Activity"))]
pub(super) struct Row {
    id: String,
    user_id: String,
    created_at: Time,
    action: Action,
    provider: String,
    key_hint: String,
    description: String,
}

/// What to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// One owner's.
    pub scope: Option<String>,
    /// One action's.
    pub action: Option<Action>,
    /// One provider's, by name.
    pub provider: Option<String>,
    /// From then on.
    pub since: Option<Millis>,
    /// Until before then.
    pub until: Option<Millis>,
    /// Which page.
    pub page: Page,
}

/// The entries, newest first. Their ids carry their time, so a range of time is a range of ids.
#[must_use]
pub fn entries(filter: &Filter) -> Statement {
    let query = Query::new(
        "SELECT id, user_id, created_at, action, provider, key_hint, description FROM activity_logs",
    )
    .filter_some("user_id = ?", filter.scope.clone())
    .filter_some("action = ?", filter.action.map(Action::as_str))
    .filter_some("provider = ?", filter.provider.clone())
    .filter_some("id >= ?", filter.since.map(first_id))
    .filter_some("id < ?", filter.until.map(first_id));
    filter.page.descending(query)
}

/// `GET /api/v1/activity-logs`
pub(super) async fn list<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let request = call.request;
    let filter = Filter {
        scope: call.principal()?.scope().map(str::to_owned),
        action: request.parameter("action").map(|name| Action::named(&name)).transpose()?,
        provider: request.parameter("provider"),
        since: request.time("since")?,
        until: request.time("until")?,
        page: Page::read(request)?,
    };
    let rows: Vec<Row> = call.store().all(entries(&filter)).await?;
    Ok(filter.page.answer(rows, |row| row.id.clone()))
}

//! What a ledger persists: its rows, what one message changes of them, and the SQL that loads and applies it.
//!
//! A reservation writes one row, a settlement moves that row and rewrites its two scopes; whatever a message changes is
//! one statement, which SQLite applies whole or not at all.

use super::amounts::Amounts;
use super::window::Window;
use crate::identifier::first_id;
use crate::json;
use crate::store::Statement;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The object's schema; it may be run at every start.
pub const SCHEMA: &str = include_str!("ledger.sql");

/// Everything that must be in memory, as pairs of text: what kind of row it is, and the row.
pub const LOAD: &str = "SELECT 'scope' AS kind, row FROM scopes UNION ALL SELECT 'open', row FROM open_calls \
     UNION ALL SELECT 'horizon', row FROM horizon";

/// The row of an ended call, `?1` its id.
pub const FIND_ENDED: &str = "SELECT row FROM ended_calls WHERE id = ?1";

/// Whether there are ended calls, one row with `1` if so.
pub const ANY_ENDED: &str = "SELECT 1 FROM ended_calls LIMIT 1";

/// Calls that ended from `?2` on and before `?3`, a page of those with ids behind `?1`.
pub const ENDED_BETWEEN: &str =
    "SELECT row FROM ended_calls WHERE id > ?1 AND ended >= ?2 AND ended < ?3 ORDER BY id LIMIT 500";

/// Calls whose bounds stand, a page of those with ids behind `?1`.
pub const PROVISIONAL: &str =
    "SELECT row FROM ended_calls WHERE row ->> 'provisional' AND id > ?1 ORDER BY id LIMIT 500";

/// The least id behind `?1` of a call that ended at `?2` or since; `''` for none.
pub const LEAST_ENDED: &str = "SELECT coalesce(min(id), '') FROM ended_calls WHERE id > ?1 AND ended >= ?2";

/// Applies [`Changes`], `?1` as JSON.
pub const APPLY: &str = "INSERT INTO journal (changes) VALUES (?1)";

/// A scope's committed counters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScopeRow {
    /// A key's id; empty for the owner.
    pub scope: String,
    /// Calls of a revoked key are refused.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
    /// The windows of each kind by their start, and what was committed in them.
    pub windows: BTreeMap<Window, Vec<(Millis, Amounts)>>,
}

/// A call that holds its bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCall {
    /// The request's id.
    pub id: String,
    /// The key's id.
    pub key: String,
    /// In whose windows it counts: the moment of its reservation.
    pub at: Millis,
    /// When it is taken for lost.
    pub expires_at: Millis,
    /// What it holds.
    pub bound: Amounts,
}

/// A call that has ended, kept so that a second settlement changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedCall {
    /// The request's id.
    pub id: String,
    /// The key's id.
    pub key: String,
    /// In whose windows it counts.
    pub at: Millis,
    /// When it ended here.
    pub ended: Millis,
    /// What was committed.
    pub committed: Amounts,
    /// It is the bound of a call whose outcome is not known; a true figure may still replace it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub provisional: bool,
}

/// How far ended calls were looked through: for what may be forgotten, and for what the log lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Horizon {
    /// A call that ended before then is forgotten.
    pub at: Millis,
    /// No id that was made since then sorts before it.
    pub id: String,
    /// The log has every call that ended before then.
    #[serde(default)]
    pub logged: Millis,
    /// No call that ended since then has an id before it.
    #[serde(default)]
    pub unlogged: String,
}

impl Horizon {
    /// Calls that ended before a moment are forgotten from now on.
    #[must_use]
    pub fn forgetting(self, at: Millis) -> Horizon {
        Horizon { at, id: first_id(at), ..self }
    }
}

/// What one message changed; nothing, where all are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Calls that were opened.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub opened: Vec<OpenCall>,
    /// Calls that ended, or ended otherwise than was thought.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", serialize_with = "values")]
    pub ended: BTreeMap<String, EndedCall>,
    /// Scopes whose counters changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<ScopeRow>,
    /// The horizon that ended calls are forgotten up to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub horizon: Option<Horizon>,
}

impl Changes {
    /// The one statement that applies them; `None` where there is nothing to write.
    #[must_use]
    pub fn statement(&self) -> Option<Statement> {
        if *self == Changes::default() {
            return None;
        }
        // Maps with text as keys and numbers: this cannot fail.
        serde_json::to_string(self).ok().map(|json| Statement::new(APPLY).bind(json))
    }
}

fn values<S: serde::Serializer>(map: &BTreeMap<String, EndedCall>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(map.values())
}

/// What [`LOAD`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// All scopes.
    pub scopes: Vec<ScopeRow>,
    /// All open calls.
    pub open: Vec<OpenCall>,
    /// How far ended calls are forgotten.
    pub horizon: Horizon,
}

impl Rows {
    /// Reads the pairs that [`LOAD`] gives.
    ///
    /// # Errors
    /// A row is not what this version writes.
    pub fn read(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Rows, serde_json::Error> {
        let mut rows = Rows::default();
        for (kind, row) in pairs {
            match kind.as_str() {
                "scope" => rows.scopes.push(json::read(row.as_bytes())?),
                "open" => rows.open.push(json::read(row.as_bytes())?),
                _ => rows.horizon = json::read(row.as_bytes())?,
            }
        }
        Ok(rows)
    }
}

/// The rows of ended calls, which are too many to be in memory; read synchronously, between no awaits.
pub trait EndedCalls {
    /// Storage does not answer.
    type Error;

    /// The row of a call, by [`FIND_ENDED`].
    ///
    /// # Errors
    /// Storage does not answer.
    fn find(&self, id: &str) -> Result<Option<EndedCall>, Self::Error>;

    /// Whether there are any, by [`ANY_ENDED`].
    ///
    /// # Errors
    /// Storage does not answer.
    fn any(&self) -> Result<bool, Self::Error>;
}

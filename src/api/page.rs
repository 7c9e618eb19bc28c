//! Pages of a list: `limit` and `cursor` in, `{"data":[…],"next_cursor":…}` out.
//!
//! A cursor is the id of the last row of a page, so that rows which come and go between two pages shift nothing.

use super::query::Query;
use super::{ApiRequest, ApiResponse};
use crate::error::ApiError;
use crate::identifier::is_id;
use crate::store::Statement;
use serde::Serialize;

/// Which page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// 1 to 200.
    pub limit: i64,
    /// Where the page before it ended.
    pub cursor: Option<String>,
}

/// What is wrong with a cursor.
pub const NO_CURSOR: &str = "is not one that a list gave";

/// Sorts after every id.
pub const LAST: &str = "~";

impl Page {
    /// Reads the query of a list whose cursors are ids.
    ///
    /// # Errors
    /// 400 where the limit is not 1 to 200, or the cursor is none that a list gave.
    pub fn read(request: &ApiRequest<'_>) -> Result<Page, ApiError> {
        let page = Page::with_any_cursor(request)?;
        match &page.cursor {
            Some(cursor) if !is_id(cursor) => Err(ApiError::invalid("cursor", NO_CURSOR)),
            _ => Ok(page),
        }
    }

    /// Reads the query of a list that has cursors of its own, and checks them.
    ///
    /// # Errors
    /// 400 where the limit is not 1 to 200.
    pub fn with_any_cursor(request: &ApiRequest<'_>) -> Result<Page, ApiError> {
        let limit = request.parameter("limit").map(|text| text.parse::<i64>()).transpose();
        match limit.map(|limit| limit.unwrap_or(50)) {
            Ok(limit @ 1..=200) => Ok(Page { limit, cursor: request.parameter("cursor") }),
            _ => Err(ApiError::invalid("limit", "must be a whole number from 1 to 200")),
        }
    }

    /// In order of creation. One row more than asked for tells whether there is another page.
    #[must_use]
    pub fn ascending(&self, query: Query) -> Statement {
        let after = self.cursor.clone().unwrap_or_default();
        query.filter("id > ?", after).then(" ORDER BY id LIMIT ?").bind(self.limit + 1).build()
    }

    /// The newest first.
    #[must_use]
    pub fn descending(&self, query: Query) -> Statement {
        let before = self.cursor.clone().unwrap_or_else(|| LAST.into());
        query.filter("id < ?", before).then(" ORDER BY id DESC LIMIT ?").bind(self.limit + 1).build()
    }

    /// The answer. `cursor` gives the cursor of a row.
    #[must_use]
    pub fn answer<T: Serialize>(&self, mut rows: Vec<T>, cursor: impl Fn(&T) -> String) -> ApiResponse {
        let limit = usize::try_from(self.limit).unwrap_or_default();
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = if more { rows.last().map(cursor) } else { None };
        ApiResponse::ok(&Listed { data: &rows, next_cursor })
    }
}

/// A page as it is answered.
#[derive(Serialize)]
pub struct Listed<'a, T> {
    /// Its rows.
    pub data: &'a [T],
    /// Where the next one begins, if there is one.
    pub next_cursor: Option<String>,
}

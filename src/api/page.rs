//! Pages of a list: `limit` and `cursor` in, `{"data":[…],"next_cursor":…}` out.
//!
//! A cursor is the id of the last row of a page, so that rows which come and go between two pages shift nothing.

use super::query::Query;
use super::{ApiRequest, ApiResponse};
use crate::error::ApiError;
use crate::store::Statement;
use serde::Serialize;
use serde_json::json;

/// Which page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// 1 to 200.
    pub limit: i64,
    /// Where the page before it ended.
    pub cursor: Option<String>,
}

/// Sorts after every id.
const LAST: &str = "~";

impl Page {
    /// Reads the query.
    ///
    /// # Errors
    /// 400 where the limit is not 1 to 200.
    pub fn read(request: &ApiRequest<'_>) -> Result<Page, ApiError> {
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
        ApiResponse::ok(&json!({ "data": rows, "next_cursor": next_cursor }))
    }
}

/// No id made since then sorts before this: ids are UUID v7, whose first 48 bits are their time. It lets a range of
/// time use the index on ids.
#[must_use]
pub fn first_id(at: crate::time::Millis) -> String {
    let hex = format!("{:012x}", at.0.clamp(0, (1 << 48) - 1));
    let (high, low) = hex.split_at_checked(8).unwrap_or((&hex, ""));
    format!("{high}-{low}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identifier::new_id;
    use crate::time::Millis;

    #[test]
    fn an_id_sorts_after_the_first_of_its_millisecond_and_before_the_next() {
        let id = new_id(Millis(1_800_000_000_123), [0; 10]);
        assert!(first_id(Millis(1_800_000_000_123)) < id);
        assert!(id < first_id(Millis(1_800_000_000_124)));
        assert!(id.as_str() < LAST);
    }
}

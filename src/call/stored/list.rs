//! Pages: of an owner's stored answers, and of the items of one.

use super::{Found, json, rows};
use crate::dialect::responses::store;
use crate::error::ApiError;
use crate::store::{Statement, Store, StoreError};
use crate::time::Millis;
use serde::Deserialize;
use serde_json::Value;

/// What a page of stored answers may weigh, bytes: beyond it, it ends before its limit.
const PAGE: i64 = 8_000_000;

/// Sorts behind every id.
const LAST: &str = "\u{10ffff}";

/// Which page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    limit: usize,
    /// Behind the one of this id.
    after: Option<String>,
    /// In front of the one of this id.
    before: Option<String>,
    prefix: String,
    is_ascending: bool,
}

impl Page {
    /// Of items: 1 to 100, 20 unless told, as the API has it.
    ///
    /// # Errors
    /// 400 naming the parameter.
    pub fn of_items(query: &str) -> Result<Page, ApiError> {
        Page::read(query, 100, 20)
    }

    /// Of stored answers: 1 to 200, 50 unless told.
    ///
    /// # Errors
    /// 400 naming the parameter.
    pub fn of_responses(query: &str) -> Result<Page, ApiError> {
        Page::read(query, 200, 50)
    }

    fn read(query: &str, most: usize, usual: usize) -> Result<Page, ApiError> {
        let limit = parameter(query, "limit").map(|text| text.parse().ok());
        let limit = match limit.unwrap_or(Some(usual)) {
            Some(limit) if (1..=most).contains(&limit) => limit,
            _ => {
                let message = format!("must be a whole number from 1 to {most}");
                return Err(ApiError::invalid("limit", message));
            }
        };
        let is_ascending = match parameter(query, "order").as_deref() {
            Some("asc") => true,
            None | Some("desc") => false,
            Some(_) => return Err(ApiError::invalid("order", "must be `asc` or `desc`")),
        };
        Ok(Page {
            limit,
            after: parameter(query, "after").or_else(|| parameter(query, "cursor")),
            before: parameter(query, "before"),
            prefix: parameter(query, "prefix").unwrap_or_default(),
            is_ascending,
        })
    }

    /// This page of items.
    #[must_use]
    pub fn of(&self, mut items: Vec<Value>) -> Value {
        let place =
            items.iter().position(|item| item.get("id").and_then(Value::as_str) == self.before.as_deref());
        if let Some(place) = place {
            if self.is_ascending {
                items.truncate(place);
            } else {
                items.drain(..=place);
            }
        }
        store::item_page(items, self.after.as_deref(), self.limit, self.is_ascending)
    }
}

/// A parameter of a query; an empty one counts as absent.
#[must_use]
pub fn parameter(query: &str, name: &str) -> Option<String> {
    url::form_urlencoded::parse(query.as_bytes())
        .find_map(|(key, value)| (key == name).then(|| value.into_owned()))
        .filter(|value| !value.is_empty())
}

#[derive(Clone, Debug, Deserialize)]
struct Row {
    id: String,
    created_at: Millis,
    size: i64,
}

/// `GET /v1/responses`: an owner's stored answers, the newest first unless `order=asc`. Whole objects; `next_cursor` is what
/// `cursor` or `after` takes for the next page.
///
/// # Errors
/// 400 naming the parameter, 503.
pub async fn responses(store: &impl Store, owner: &str, query: &str) -> Result<Found, ApiError> {
    let page = Page::of_responses(query)?;
    let after = place(store, owner, "after", page.after.as_deref()).await?;
    let before = place(store, owner, "before", page.before.as_deref()).await?;
    let mut rows: Vec<Row> = store.all(select(owner, &page, after, before)).await?;
    let mut weight = 0;
    let fits = |row: &Row| {
        weight += row.size;
        weight <= PAGE
    };
    let count = rows.iter().take(page.limit).map(fits).take_while(|fits| *fits).count().max(1);
    let has_more = rows.len() > count;
    rows.truncate(count);
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let texts = rows::responses(store, owner, &ids).await?;
    let object = |id: &str| {
        let text = texts.iter().find_map(|(known, text)| (known == id).then_some(text))?;
        serde_json::from_slice::<Value>(text.as_bytes()).ok()
    };
    let mut list = store::list(ids.iter().filter_map(|id| object(id)).collect(), has_more);
    let next = rows.last().filter(|_| has_more).map_or(Value::Null, |row| row.id.as_str().into());
    if let Some(members) = list.as_object_mut() {
        members.insert("next_cursor".into(), next);
    }
    Ok(json(&list))
}

type Place = (Millis, String);

/// Where the response of this id is in an owner's list.
async fn place(
    store: &impl Store,
    owner: &str,
    field: &str,
    id: Option<&str>,
) -> Result<Option<Place>, ApiError> {
    let Some(id) = id else { return Ok(None) };
    let found: Result<Option<Row>, StoreError> = store.first(find(owner, id)).await;
    match found? {
        Some(row) => Ok(Some((row.created_at, row.id))),
        None => Err(ApiError::invalid(field, format!("there is no response with id '{id}'"))),
    }
}

/// One of an owner's stored answers.
#[must_use]
pub fn find(owner: &str, id: &str) -> Statement {
    Statement::new("SELECT id, created_at, size FROM responses WHERE owner = ?1 AND id = ?2")
        .bind(owner)
        .bind(id)
}

/// A page of them and one row more, which tells whether there is another.
#[must_use]
pub fn select(owner: &str, page: &Page, after: Option<Place>, before: Option<Place>) -> Statement {
    // In the order of time both are bounds.
    let (over, under) = if page.is_ascending { (after, before) } else { (before, after) };
    let (over, under) =
        (over.unwrap_or_default(), under.unwrap_or((Millis(i64::MAX >> 11), LAST.to_owned())));
    // A prefix is looked up by the primary key: the plus keeps the order of time from deciding.
    let sql = match (page.prefix.is_empty(), page.is_ascending) {
        (true, false) => {
            "SELECT id, created_at, size FROM responses WHERE owner = ?1 \
             AND (created_at, id) > (?2, ?3) AND (created_at, id) < (?4, ?5) AND ?6 = '' AND ?7 <> '' \
             ORDER BY created_at DESC, id DESC LIMIT ?8"
        }
        (true, true) => {
            "SELECT id, created_at, size FROM responses WHERE owner = ?1 \
             AND (created_at, id) > (?2, ?3) AND (created_at, id) < (?4, ?5) AND ?6 = '' AND ?7 <> '' \
             ORDER BY created_at, id LIMIT ?8"
        }
        (false, false) => {
            "SELECT id, created_at, size FROM responses WHERE owner = ?1 AND id >= ?6 AND id < ?7 \
             AND (+created_at, +id) > (?2, ?3) AND (+created_at, +id) < (?4, ?5) \
             ORDER BY +created_at DESC, +id DESC LIMIT ?8"
        }
        (false, true) => {
            "SELECT id, created_at, size FROM responses WHERE owner = ?1 AND id >= ?6 AND id < ?7 \
             AND (+created_at, +id) > (?2, ?3) AND (+created_at, +id) < (?4, ?5) \
             ORDER BY +created_at, +id LIMIT ?8"
        }
    };
    let ((over_at, over_id), (under_at, under_id)) = (over, under);
    Statement::new(sql)
        .bind(owner)
        .bind(over_at)
        .bind(over_id)
        .bind(under_at)
        .bind(under_id)
        .bind(page.prefix.as_str())
        .bind(format!("{}{LAST}", page.prefix))
        .bind(i64::try_from(page.limit + 1).unwrap_or(i64::MAX))
}

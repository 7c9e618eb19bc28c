//! Fetching the live list of models and prices, and having the core take it over.

use super::clock::now;
use super::database::Database;
use super::upstream::{self, Fetched};
use crate::catalog::{CatalogError, refresh};
use crate::config::variables::Variables;
use crate::error::ApiError;
use crate::time::Millis;

/// How long the list may take to come.
const DEADLINE: Millis = Millis(30_000);
/// Five times its size of November 2026, bytes.
const LIMIT: u32 = 16 * 1024 * 1024;

/// Fetches the list and takes it over; gives the number of models in it. A list that has not changed is not sent again.
pub(super) async fn refresh(database: &Database, variables: &Variables) -> Result<u64, ApiError> {
    let url = variables.catalog_url.as_deref().ok_or_else(|| {
        ApiError::new(409, "refresh_off", "CATALOG_URL is off: the catalogue changes with a deployment only")
    })?;
    let last = refresh::last(database).await?.filter(|last| last.url == url);
    let mark = last.as_ref().and_then(|last| last.etag.clone());
    let headers: Vec<_> = mark.into_iter().map(|etag| ("if-none-match".to_owned(), etag)).collect();
    let fetched = upstream::get(url, &headers, DEADLINE, LIMIT).await;
    let Fetched { status, etag, body } = fetched.map_err(|problem| unavailable(&problem))?;
    match (status, last) {
        (304, Some(last)) => return Ok(last.models),
        (200, _) if body.len() < LIMIT as usize => {}
        (200, _) => return Err(unavailable("it is too large")),
        _ => return Err(unavailable(&format!("its server answered {status}"))),
    }
    let report = refresh::refresh(database, &body, url, etag, now()).await.map_err(refused)?;
    worker::console_log!("prices refreshed: {}", report.summary());
    Ok(report.models)
}

fn unavailable(problem: &str) -> ApiError {
    ApiError::new(502, "catalog_unavailable", format!("the price list could not be fetched: {problem}"))
}

fn refused(error: CatalogError) -> ApiError {
    match error {
        CatalogError::Store(error) => error.into(),
        error => ApiError::new(502, "catalog_refused", format!("{error}; the old prices stay in force")),
    }
}

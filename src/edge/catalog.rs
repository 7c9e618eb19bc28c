//! Refreshing the catalogue of models and prices.

use crate::error::ApiError;
use worker::Env;

/// Fetches the catalogue anew; gives the number of models.
pub(super) async fn refresh(_env: &Env) -> Result<u64, ApiError> {
    Err(ApiError::new(501, "not_available", "refreshing is not there yet"))
}

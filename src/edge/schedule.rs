//! What happens by the clock: old rows are deleted every hour, prices and stored lists of models are refreshed every day.

use super::clock::now;
use super::database::Database;
use super::{alert, catalog, isolate, management};
use crate::api::settings;
use crate::call::{replay, stored};
use crate::error::ApiError;
use crate::log::retention;
use crate::store::{Statement, Store, StoreError};
use worker::Env;

/// Bites of one run; what they leave, the next hour takes.
const BITES: usize = 50;

/// Does what is due; `cron` is the trigger's own text in wrangler.toml.
pub(super) async fn run(cron: &str, env: &Env) {
    if let Err(error) = retain(env).await {
        worker::console_error!("deleting old rows failed, the next hour tries again: {error}");
    }
    alert::send(env).await;
    // The daily trigger is the one that names an hour.
    if cron.contains("* * * *") {
        return;
    }
    if let Err(error) = refresh_prices(env).await {
        worker::console_error!("refreshing prices failed, the old ones stay in force: {error}");
    }
    if let Err(error) = management::refresh_lists(env).await {
        worker::console_error!("refreshing lists of models failed, the old ones are shown: {error}");
    }
}

async fn refresh_prices(env: &Env) -> Result<(), ApiError> {
    let variables = isolate::current().variables(env)?;
    if variables.catalog_url.is_some() {
        catalog::refresh(&Database::open(env)?, &variables).await?;
    }
    Ok(())
}

async fn retain(env: &Env) -> Result<(), ApiError> {
    let database = Database::open(env)?;
    let variables = isolate::current().variables(env)?;
    let days = settings::log_retention_days(&database, variables.log_retention_days).await?;
    delete(&database, retention::BITE, || retention::bite(now(), days)).await?;
    delete(&database, replay::rows::BITE, || vec![replay::rows::expire(now())]).await?;
    let days = variables.response_retention_days;
    Ok(delete(&database, stored::BITE, || vec![stored::bite(now(), days)]).await?)
}

/// Runs statements again while one of them changes as many rows as it may.
async fn delete(database: &Database, most: i64, bite: impl Fn() -> Vec<Statement>) -> Result<(), StoreError> {
    for _ in 0..BITES {
        let outcomes = database.batch(bite()).await?;
        if outcomes.iter().all(|outcome| outcome.changes() < most.unsigned_abs()) {
            break;
        }
    }
    Ok(())
}

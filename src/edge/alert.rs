//! Sends alerts to the webhook, behind whatever may have caused one.

use super::clock::now;
use super::database::Database;
use super::{isolate, upstream};
use crate::alert::{self, Alert};
use crate::config::variables::Variables;
use crate::error::ApiError;
use crate::provider::base_url;
use crate::provider::outbound::Target;
use crate::store::Store;
use crate::time::Millis;
use worker::Env;

/// How long the webhook may take.
const DEADLINE: Millis = Millis(5_000);

/// Sends what waits. What is not taken waits for the next time.
pub(super) async fn send(env: &Env) {
    if let Err(error) = send_all(env).await {
        worker::console_error!("alerts are not sent: {}", error.message);
    }
}

async fn send_all(env: &Env) -> Result<(), ApiError> {
    let database = Database::open(env)?;
    let alerts = alert::read(&database.run(alert::take(now())).await?)?;
    if alerts.is_empty() {
        return Ok(());
    }
    let variables = isolate::current().variables(env)?;
    for alert in &alerts {
        match post(alert, &variables).await {
            Ok(()) => drop(database.run(alert.sent(now())).await?),
            Err(problem) => worker::console_error!("the webhook did not take an alert: {problem}"),
        }
    }
    Ok(())
}

async fn post(alert: &Alert, variables: &Variables) -> Result<(), String> {
    // It was checked when it was set; since then private addresses may have been forbidden.
    let url = base_url::webhook(&alert.url(), variables.allow_private_upstreams)?;
    let headers = vec![("content-type".into(), "application/json".into())];
    let answer = upstream::post(&Target { url, headers }, alert.body().as_bytes(), DEADLINE, 1024).await?;
    match answer.status {
        200..=299 => Ok(()),
        status => Err(format!("it answered {status}")),
    }
}

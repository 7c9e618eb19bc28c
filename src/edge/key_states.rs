//! Stores what calls find out about provider keys, behind their answers and once for each change.

use super::alert;
use super::arrival::Arrival;
use super::clock::now;
use super::database::Database;
use super::isolate::Isolate;
use super::task::behind_the_answer;
use crate::api::key_change;
use crate::route::keys::Change;
use crate::store::{Store, StoreError};
use worker::Env;

/// Stores what is new, if anything is.
pub(super) fn store_changes(arrival: &Arrival) {
    let isolate = &arrival.isolate;
    let changes = isolate.health.borrow_mut().keys.take();
    for change in changes {
        let (isolate, env) = (isolate.clone(), arrival.env.clone());
        behind_the_answer(&arrival.context, async move {
            let result = store(&isolate, &env, &change).await;
            let is_dead = change.until.is_none() && result.is_ok();
            {
                let keys = &mut isolate.health.borrow_mut().keys;
                match result {
                    Ok(version) => keys.stored(&change.key, version),
                    Err(error) => {
                        worker::console_error!("the state of a provider key could not be stored: {error}");
                        keys.forget(&change.key);
                    }
                }
            }
            if is_dead {
                alert::send(&env).await;
            }
        });
    }
}

/// Gives the version of the settings that have it.
async fn store(isolate: &Isolate, env: &Env, change: &Change) -> Result<i64, StoreError> {
    let ids = [(); 3].map(|()| isolate.dice.id(now()));
    let mut outcomes = Database::open(env)?.batch(key_change::statements(change, ids)).await?;
    let version = outcomes.pop().as_ref().map(crate::config::load::number);
    version.ok_or_else(|| StoreError::Unavailable("a batch gave too few results".into()))
}

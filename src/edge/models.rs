//! `/v1/models`: what this caller may use, in the shape of its dialect.

mod live;

use super::arrival::Arrival;
use super::clock::now;
use super::data_plane::caller;
use super::database::Database;
use super::settings::Compiled;
use crate::call::caller_keys;
use crate::call::models::lists::Problem;
use crate::call::models::{self, Model, render};
use crate::error::ApiError;
use crate::store::Store;
use std::collections::BTreeMap;
use std::rc::Rc;
use web_sys::Response;

/// All of them; `?provider=` narrows it to one.
pub(super) async fn list(arrival: &Arrival, query: &str) -> Response {
    match load(arrival, query).await {
        Ok((models, errors)) => arrival.json(&render::list(arrival.dialect(), &models, &errors)),
        Err(error) => arrival.refuse(&error),
    }
}

/// One of them.
pub(super) async fn get(arrival: &Arrival, query: &str, id: &str) -> Response {
    let id = models::decode(id);
    let found = load(arrival, query).await.and_then(|(models, _)| {
        let message = format!("the model `{id}` does not exist, or this gateway key may not use it");
        models.into_iter().find(|model| model.id == id).ok_or_else(|| ApiError {
            field: Some("model".into()),
            ..ApiError::new(404, "model_not_found", message)
        })
    });
    match found {
        Ok(model) => arrival.json(&render::one(arrival.dialect(), &model)),
        Err(error) => arrival.refuse(&error),
    }
}

async fn load(arrival: &Arrival, query: &str) -> Result<(Vec<Model>, Vec<Problem>), ApiError> {
    let variables = arrival.isolate.variables(&arrival.env)?;
    let mut compiled = caller(arrival, &variables, query).await?;
    let header = |name: &str| arrival.headers.get(name);
    if let Some(brought) = caller_keys::for_all(&compiled.snapshot, &variables, &header) {
        compiled = Rc::new(Compiled::brought(brought));
    }
    let database = Database::open(&arrival.env)?;
    let opens = |provider, key| compiled.secret(provider, key, &variables).is_some();
    let mut problems = models::problems(&compiled.snapshot, query, now(), opens);
    let mut names = BTreeMap::new();
    for (id, list) in live::lists(arrival, &compiled, &variables, query, &database).await {
        problems.extend(list.problem);
        names.extend(list.names.map(|of_provider| (id, of_provider)));
    }
    let rows = database.all(models::select(&compiled.snapshot, query, &names)).await?;
    Ok((models::usable(&compiled.snapshot, rows, query), problems))
}

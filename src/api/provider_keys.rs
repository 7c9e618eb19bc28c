//! `/api/v1/provider-keys`: the keys of upstream accounts, sealed before they are stored.

use super::activity::{Action, Entry, record};
use super::page::Page;
use super::query::Query;
use super::row::{Flag, Time, text};
use super::{ApiResponse, Call, Platform, providers, validate};
use crate::error::ApiError;
use crate::json::json;
use crate::secret::Secret;
use crate::store::{Statement, Store, StoreError};
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A key, as stored and as shown.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(rename = "ProviderKey"))]
pub(super) struct Row {
    id: String,
    user_id: String,
    provider: String,
    provider_id: String,
    name: String,
    hint: String,
    is_selected: Flag,
    enabled: Flag,
    disabled_until: Option<Time>,
    disabled_reason: Option<String>,
    /// Not stored: what the rest of the row means now.
    #[serde(skip_deserializing)]
    state: &'static str,
    created_at: Time,
}

impl Row {
    /// The row as it is to be shown at a time.
    fn at(mut self, now: Millis) -> Row {
        if self.disabled_until.is_some_and(|until| until.0 <= now) {
            (self.disabled_until, self.disabled_reason) = (None, None);
        }
        self.state = match (self.enabled.0, self.disabled_until, &self.disabled_reason) {
            (false, ..) => "disabled",
            (true, Some(_), _) => "resting",
            (true, None, Some(_)) => "exhausted",
            (true, None, None) => "ready",
        };
        self
    }
}

fn provider_keys() -> Query {
    Query::new(
        "SELECT id, user_id, (SELECT name FROM providers WHERE providers.id = provider_id) AS provider, \
         provider_id, name, hint, is_selected, enabled, disabled_until, disabled_reason, created_at \
         FROM provider_keys",
    )
}

/// What to list.
#[must_use]
pub fn listing(scope: Option<&str>, provider: Option<&str>, page: &Page) -> Statement {
    let query = provider_keys()
        .filter_some("user_id = ?", scope)
        .filter_some("provider_id IN (SELECT id FROM providers WHERE ? IN (id, name))", provider);
    page.ascending(query)
}

/// `GET /api/v1/provider-keys?provider=`
pub(super) async fn list<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let page = Page::read(call.request)?;
    let provider = call.request.parameter("provider");
    let statement = listing(call.principal()?.scope(), provider.as_deref(), &page);
    let rows: Vec<Row> = call.store().all(statement).await?;
    let rows = rows.into_iter().map(|row| row.at(call.now)).collect();
    Ok(page.answer(rows, |row: &Row| row.id.clone()))
}

/// A key to be stored.
pub(super) struct NewKey<'a> {
    /// Fresh.
    pub(super) id: String,
    pub(super) provider_id: &'a str,
    pub(super) provider: &'a str,
    pub(super) name: &'a str,
    pub(super) key: &'a Secret,
    pub(super) action: Action,
}

/// Seals and stores keys, and writes down that it did: two statements for any number of keys, since the platform
/// limits how many an invocation may run.
pub(super) fn insert_keys<P: Platform>(
    call: &Call<'_, P>,
    owner: &str,
    keys: &[NewKey<'_>],
) -> Result<[Statement; 2], ApiError> {
    let rows: Result<Vec<_>, ApiError> = keys.iter().map(|new| stored(call, owner, new)).collect();
    let rows = text(&rows?);
    let insert = Statement::new(
        "INSERT INTO provider_keys (id, user_id, provider_id, name, hint, ciphertext, fingerprint, created_at) \
         SELECT value ->> 'id', value ->> 'user_id', value ->> 'provider_id', value ->> 'name', value ->> 'hint', \
         value ->> 'ciphertext', value ->> 'fingerprint', value ->> 'created_at' FROM json_each(?1)",
    );
    let record = Statement::new(
        "INSERT INTO activity_logs (id, user_id, created_at, action, provider, key_hint, description) \
         SELECT value ->> 'activity_id', value ->> 'user_id', value ->> 'created_at', value ->> 'action', \
         value ->> 'provider', value ->> 'hint', value ->> 'description' FROM json_each(?1)",
    );
    Ok([insert.bind(rows.as_str()), record.bind(rows)])
}

/// Deletes all keys of a provider, whichever it has by then, and writes down that it did.
pub(super) fn delete_keys<P: Platform>(call: &Call<'_, P>, provider_id: &str) -> [Statement; 2] {
    // Each entry has the place of this id among those of the request, and its own last twelve digits.
    let record = Statement::new(
        "INSERT INTO activity_logs (id, user_id, created_at, action, provider, key_hint, description) \
         SELECT substr(?1, 1, 24) || lower(hex(randomblob(6))), provider_keys.user_id, ?2, ?3, providers.name, hint, \
         'deleted a key of ' || providers.name \
         FROM provider_keys JOIN providers ON providers.id = provider_id WHERE provider_id = ?4",
    );
    let record = record.bind(call.new_id()).bind(call.now).bind(Action::Delete.as_str()).bind(provider_id);
    [record, Statement::new("DELETE FROM provider_keys WHERE provider_id = ?1").bind(provider_id)]
}

/// What [`insert_keys`] stores of a key.
fn stored<P: Platform>(call: &Call<'_, P>, owner: &str, new: &NewKey<'_>) -> Result<Value, ApiError> {
    let verb = if new.action == Action::Import { "imported" } else { "added" };
    Ok(json!({
        "id": new.id,
        "user_id": owner,
        "provider_id": new.provider_id,
        "name": new.name,
        "hint": new.key.hint(),
        "ciphertext": sealed(call, new.key, &new.id)?,
        "fingerprint": fingerprint(call, new.key),
        "created_at": call.now.0,
        "activity_id": call.new_id(),
        "action": new.action.as_str(),
        "provider": new.provider,
        "description": format!("{verb} a key for {}", new.provider),
    }))
}

fn sealed<P: Platform>(call: &Call<'_, P>, key: &Secret, id: &str) -> Result<String, ApiError> {
    let sealed = call.context.variables.master_key.seal(key, id, call.random());
    sealed.map_err(|_| ApiError::new(500, "internal", "the key could not be sealed"))
}

fn taken(error: StoreError) -> ApiError {
    match error {
        StoreError::Duplicate => ApiError::new(409, "key_exists", "this provider has that key already"),
        error => error.into(),
    }
}

/// Finds duplicates without opening what is stored.
pub(super) fn fingerprint<P: Platform>(call: &Call<'_, P>, key: &Secret) -> String {
    call.context.variables.master_key.sign("provider key", key.reveal())
}

fn activity<P: Platform>(
    call: &Call<'_, P>,
    user_id: &str,
    action: Action,
    provider: &str,
    key_hint: &str,
    description: String,
) -> Statement {
    record(Entry { id: call.new_id(), user_id, at: call.now, action, provider, key_hint, description })
}

/// The statements that create a provider of a kind that has a base URL of its own.
pub(super) fn provider_of_kind<P: Platform>(
    call: &Call<'_, P>,
    owner: &str,
    kind: &str,
) -> Option<(String, Statement)> {
    validate::kind("provider", kind).ok().filter(|kind| kind.base_url.is_some())?;
    let id = call.new_id();
    let statement = providers::insert(&id, owner, kind, kind, call.now)
        .bind(None::<String>)
        .bind(true)
        .bind("{}")
        .bind("{}");
    Some((id, statement))
}

#[derive(Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct NewProviderKey {
    provider: String,
    #[serde(default)]
    name: String,
    api_key: String,
}

/// `POST /api/v1/provider-keys`: `provider` is an id or a name; the name of a kind creates that provider with its
/// first key.
pub(super) async fn create<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let input: NewProviderKey = call.request.body()?;
    validate::length("name", &input.name, 200)?;
    let key = validate::api_key("api_key", &input.api_key)?;
    let owner = call.principal()?.user_id.clone();
    let mut statements = Vec::new();
    let (provider_id, provider) = match providers::find_own(call, &input.provider).await? {
        Some(row) => (row.id, row.name),
        None => {
            let (id, insert) = provider_of_kind(call, &owner, &input.provider)
                .ok_or_else(|| ApiError::invalid("provider", "there is no such provider or kind"))?;
            statements.push(insert);
            (id, input.provider)
        }
    };
    let id = call.new_id();
    let new = NewKey {
        id: id.clone(),
        provider_id: &provider_id,
        provider: &provider,
        name: &input.name,
        key: &key,
        action: Action::Add,
    };
    statements.extend(insert_keys(call, &owner, &[new])?);
    call.commit(&owner, statements).await.map_err(taken)?;
    Ok(ApiResponse::created(&find(call, &id).await?))
}

#[derive(Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct KeyChange {
    is_selected: Option<bool>,
    name: Option<String>,
    enabled: Option<bool>,
    api_key: Option<String>,
}

/// `PUT /api/v1/provider-keys/{id}`: selecting one unselects the others of its provider; enabling one, or giving it
/// another value, clears its state.
pub(super) async fn update<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let input: KeyChange = call.request.body()?;
    if let Some(name) = &input.name {
        validate::length("name", name, 200)?;
    }
    let row = find(call, call.id()).await?;
    let mut statements = Vec::new();
    if input.is_selected == Some(true) {
        statements.push(
            Statement::new(
                "UPDATE provider_keys SET is_selected = 0 WHERE provider_id = ?1 AND is_selected AND id <> ?2",
            )
            .bind(row.provider_id.as_str())
            .bind(row.id.as_str()),
        );
    }
    let mut change = Query::new("UPDATE provider_keys SET name = ?")
        .bind(input.name.unwrap_or(row.name))
        .then_some(", is_selected = ?", input.is_selected)
        .then_some(", enabled = ?", input.enabled);
    if let Some(text) = &input.api_key {
        let key = validate::api_key("api_key", text)?;
        change = change
            .then_some(", hint = ?", Some(key.hint()))
            .then_some(", ciphertext = ?", Some(sealed(call, &key, &row.id)?))
            .then_some(", fingerprint = ?", Some(fingerprint(call, &key)));
    }
    if input.enabled == Some(true) || input.api_key.is_some() {
        change = change.then(", disabled_until = NULL, disabled_reason = NULL");
    }
    statements.push(change.filter("id = ?", row.id.as_str()).build());
    if let Some(selected) = input.is_selected.filter(|selected| *selected != row.is_selected.0) {
        let (action, verb) =
            if selected { (Action::Select, "selected") } else { (Action::Unselect, "unselected") };
        let description = format!("{verb} a key of {}", row.provider);
        statements.push(activity(call, &row.user_id, action, &row.provider, &row.hint, description));
    }
    call.commit(&row.user_id, statements).await.map_err(taken)?;
    Ok(ApiResponse::ok(&find(call, &row.id).await?))
}

/// `DELETE /api/v1/provider-keys/{id}`
pub(super) async fn delete<P: Platform>(call: &Call<'_, P>) -> Result<ApiResponse, ApiError> {
    let row = find(call, call.id()).await?;
    let description = format!("deleted a key of {}", row.provider);
    call.commit(
        &row.user_id,
        vec![
            Statement::new("DELETE FROM provider_keys WHERE id = ?1").bind(row.id.as_str()),
            activity(call, &row.user_id, Action::Delete, &row.provider, &row.hint, description),
        ],
    )
    .await?;
    Ok(ApiResponse::deleted(&row.id))
}

async fn find<P: Platform>(call: &Call<'_, P>, id: &str) -> Result<Row, ApiError> {
    let query = provider_keys().filter("id = ?", id).filter_some("user_id = ?", call.principal()?.scope());
    let row: Option<Row> = call.store().first(query.build()).await?;
    row.map(|row| row.at(call.now)).ok_or_else(|| ApiError::not_found("provider key"))
}

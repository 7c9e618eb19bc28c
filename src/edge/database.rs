//! D1 as the core's [`Store`].

use crate::store::{Outcome, Statement, Store, StoreError, Value};
use wasm_bindgen::JsValue;
use worker::{D1Database, D1PreparedStatement, D1Result, Env};

/// The `DB` binding.
pub(super) struct Database(D1Database);

impl Database {
    /// Takes the binding.
    pub(super) fn open(env: &Env) -> Result<Database, StoreError> {
        env.d1("DB").map(Database).map_err(|_| StoreError::Unavailable("the binding DB is missing".into()))
    }

    /// Runs one statement whose only parameter is a text that JavaScript holds already.
    pub(super) async fn run_text(
        &self,
        sql: &'static str,
        text: &js_sys::JsString,
    ) -> Result<(), StoreError> {
        let failed = |error: worker::Error| StoreError::from_message(&error.to_string());
        let statement = self.0.prepare(sql).bind(&[text.into()]).map_err(failed)?;
        statement.run().await.map(|_| ()).map_err(failed)
    }

    fn prepare(&self, statement: &Statement) -> Result<D1PreparedStatement, StoreError> {
        let prepared = self.0.prepare(statement.sql.as_ref());
        if statement.parameters.is_empty() {
            return Ok(prepared);
        }
        let parameters: Vec<JsValue> = statement.parameters.iter().map(bound).collect();
        prepared.bind(&parameters).map_err(|error| StoreError::from_message(&error.to_string()))
    }
}

impl Store for Database {
    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, StoreError> {
        let prepared =
            statements.iter().map(|statement| self.prepare(statement)).collect::<Result<_, _>>()?;
        let results =
            self.0.batch(prepared).await.map_err(|error| StoreError::from_message(&error.to_string()))?;
        results.iter().map(outcome).collect()
    }
}

/// D1's own binding of integers is 32 bits wide; its transport is JSON, where a number is exact up to 2^53.
#[allow(clippy::cast_precision_loss, reason = "see above; nothing here is larger")]
fn bound(value: &Value) -> JsValue {
    match value {
        Value::Null => JsValue::NULL,
        Value::Integer(number) => JsValue::from_f64(*number as f64),
        Value::Text(text) => JsValue::from_str(text),
    }
}

fn outcome(result: &D1Result) -> Result<Outcome, StoreError> {
    let unavailable = |error: worker::Error| StoreError::Unavailable(error.to_string());
    let rows = result.results::<serde_json::Value>().map_err(unavailable)?;
    let changes = result.meta().map_err(unavailable)?.and_then(|meta| meta.changes).unwrap_or_default();
    Ok(Outcome { rows, changes: changes as u64 })
}

//! D1 as the core's [`Store`], through `database.js`: the crate's own binding makes a JavaScript object of every row and reads
//! it value by value.

use super::task::settled;
use super::upstream::reason;
use crate::json::quote;
use crate::store::{Asked, Outcome, Statement, Store, StoreError, Value};
use std::fmt::Write as _;
use wasm_bindgen::prelude::*;
use worker::Env;

#[wasm_bindgen(module = "/src/edge/database.js")]
extern "C" {
    fn batch(database: &JsValue, statements: &str) -> js_sys::Promise;
    #[wasm_bindgen(js_name = runText)]
    fn run_text(database: &JsValue, sql: &str, text: &js_sys::JsString) -> js_sys::Promise;
}

/// The `DB` binding.
pub(super) struct Database(JsValue);

impl Database {
    /// Takes the binding.
    pub(super) fn open(env: &Env) -> Result<Database, StoreError> {
        let binding = js_sys::Reflect::get(env, &"DB".into()).ok().filter(JsValue::is_object);
        binding.map(Database).ok_or_else(|| StoreError::Unavailable("the binding DB is missing".into()))
    }

    /// Runs one statement whose only parameter is a text that JavaScript holds already.
    pub(super) async fn run_text(
        &self,
        sql: &'static str,
        text: &js_sys::JsString,
    ) -> Result<(), StoreError> {
        settled(&run_text(&self.0, sql, text)).await.map(|_| ()).map_err(|error| failed(&error))
    }
}

impl Store for Database {
    fn batch(&self, statements: Vec<Statement>) -> Asked<'_, Vec<Outcome>> {
        Box::pin(async move {
            let given = settled(&batch(&self.0, &encoded(&statements)));
            let given = js_sys::Array::from(&given.await.map_err(|error| failed(&error))?);
            Ok((0..given.length()).step_by(3).map(|at| outcome(&given, at)).collect())
        })
    }
}

/// As `database.js` takes them. D1 speaks JSON, where a number is exact up to 2^53; nothing here is larger.
fn encoded(statements: &[Statement]) -> String {
    let mut text = String::from("[");
    for Statement { sql, parameters } in statements {
        text.push_str(if text.len() > 1 { ",[" } else { "[" });
        text.push_str(&quote(sql));
        for (at, parameter) in parameters.iter().enumerate() {
            text.push_str(if at == 0 { ",[" } else { "," });
            // Writing to a text cannot fail.
            let _ = match parameter {
                Value::Null => text.write_str("null"),
                Value::Integer(number) => write!(text, "{number}"),
                Value::Text(parameter) => text.write_str(&quote(parameter)),
            };
        }
        text.push_str(if parameters.is_empty() { "]" } else { "]]" });
    }
    text.push(']');
    text
}

fn failed(error: &JsValue) -> StoreError {
    StoreError::from_message(&reason(error))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of rows")]
fn outcome(given: &js_sys::Array, at: u32) -> Outcome {
    let number = |at| given.get(at).as_f64().unwrap_or_default();
    let rows = given.get(at).as_string().unwrap_or_default();
    Outcome::new(rows, number(at + 1) as usize, number(at + 2) as u64)
}

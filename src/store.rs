//! The port to a SQL database: statements as data, rows as JSON objects.
//!
//! The edge implements [`Store`] over D1, the native tests over SQLite, so that everything above it, SQL included, is
//! tested natively.

use crate::json;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::pin::Pin;

/// A bound parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// A whole number, exact up to 2^53 (D1 speaks JSON).
    Integer(i64),
    /// Text.
    Text(String),
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Integer(number)
    }
}
impl From<bool> for Value {
    fn from(flag: bool) -> Value {
        Value::Integer(flag.into())
    }
}
impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.into())
    }
}
impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}
impl From<crate::time::Millis> for Value {
    fn from(time: crate::time::Millis) -> Value {
        Value::Integer(time.0)
    }
}
impl From<crate::money::NanoUsd> for Value {
    fn from(amount: crate::money::NanoUsd) -> Value {
        Value::Integer(amount.0)
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

/// One SQL statement (parameters `?1`, `?2`, …) and what is bound to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The text; never built from input.
    pub sql: Cow<'static, str>,
    /// Its parameters, in order.
    pub parameters: Vec<Value>,
}

impl Statement {
    /// A statement without parameters yet.
    #[must_use]
    pub fn new(sql: impl Into<Cow<'static, str>>) -> Statement {
        Statement { sql: sql.into(), parameters: Vec::new() }
    }

    /// Binds the next parameter.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Statement {
        self.parameters.push(value.into());
        self
    }
}

/// What a caller can do about a failed statement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A UNIQUE constraint refused: something of that name is there already.
    #[error("already exists")]
    Duplicate,
    /// A FOREIGN KEY refused: something still refers to it, or it refers to nothing.
    #[error("still referenced")]
    Referenced,
    /// The database did not answer, or not as expected; trying later may help.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
}

impl StoreError {
    /// Sorts SQLite's own message, which D1 passes on.
    #[must_use]
    pub fn from_message(message: &str) -> StoreError {
        if message.contains("UNIQUE constraint failed") {
            StoreError::Duplicate
        } else if message.contains("FOREIGN KEY constraint failed") {
            StoreError::Referenced
        } else {
            StoreError::Unavailable(message.into())
        }
    }
}

/// What one statement gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    rows: String,
    count: usize,
    changes: u64,
}

impl Outcome {
    /// Takes the rows as a JSON array of objects keyed by column, how many there are, and how many rows were changed.
    #[must_use]
    pub fn new(rows: String, count: usize, changes: u64) -> Outcome {
        Outcome { rows, count, changes }
    }

    /// How many rows it gave.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many rows it changed.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// The rows, read as `T`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where a row does not have that shape.
    pub fn read<T: DeserializeOwned>(&self) -> Result<Vec<T>, StoreError> {
        if self.count == 0 {
            return Ok(Vec::new());
        }
        json::read(self.rows.as_bytes()).map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    /// The rows as they came, for statements whose columns are few.
    #[must_use]
    pub fn values(&self) -> Vec<serde_json::Value> {
        self.read().unwrap_or_default()
    }
}

/// What a database is asked. Boxed, so that whatever awaits it does not hold, or repeat, how it is asked.
pub type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + 'a>>;

/// A SQL database.
#[allow(async_fn_in_trait, reason = "one thread: no caller needs a Send bound")]
pub trait Store {
    /// Runs the statements in order in one transaction and one round trip: all of them, or none.
    ///
    /// # Errors
    /// None of them has run then.
    fn batch(&self, statements: Vec<Statement>) -> Asked<'_, Vec<Outcome>>;

    /// Runs one statement.
    ///
    /// # Errors
    /// As [`Store::batch`].
    fn run(&self, statement: Statement) -> Asked<'_, Outcome> {
        let asked = self.batch(vec![statement]);
        Box::pin(async { Ok(asked.await?.into_iter().next().unwrap_or_default()) })
    }

    /// Runs one statement and reads all its rows.
    ///
    /// # Errors
    /// As [`Store::batch`].
    async fn all<T: DeserializeOwned>(&self, statement: Statement) -> Result<Vec<T>, StoreError> {
        self.run(statement).await?.read()
    }

    /// Runs one statement and reads its first row.
    ///
    /// # Errors
    /// As [`Store::batch`].
    async fn first<T: DeserializeOwned>(&self, statement: Statement) -> Result<Option<T>, StoreError> {
        Ok(self.all(statement).await?.into_iter().next())
    }
}

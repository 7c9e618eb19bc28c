//! The store port over SQLite, with the project's schema: what D1 is at the edge.

use edgeway::log::{Encoded, Table};
use edgeway::store::{Asked, Outcome, Statement, Store, StoreError, Value};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ToSql};
use std::cell::Cell;

pub struct Sqlite(pub Connection, pub Cell<Health>);

/// What the database does next.
#[derive(Clone, Copy, PartialEq)]
pub enum Health {
    Answers,
    Fails,
}

pub const SCHEMA: &str = include_str!("../../schema.sql");

impl Sqlite {
    pub fn new() -> Sqlite {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("PRAGMA foreign_keys = ON").unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        Sqlite(connection, Cell::new(Health::Answers))
    }

    /// Stores log records as the queue's consumer does.
    #[allow(dead_code, reason = "not every test that includes this module stores logs")]
    pub fn store_logs(&self, encoded: &[Encoded]) {
        let records: Vec<&str> = encoded.iter().map(|encoded| encoded.record.as_str()).collect();
        let bodies: Vec<&str> = encoded.iter().filter_map(|encoded| encoded.bodies.as_deref()).collect();
        for (table, rows) in [(Table::Records, records), (Table::Bodies, bodies)] {
            self.0.execute(table.insert(), [format!("[{}]", rows.join(","))]).unwrap();
        }
    }

    fn run_one(&self, statement: &Statement) -> rusqlite::Result<Outcome> {
        let mut prepared = self.0.prepare(&statement.sql)?;
        let names: Vec<String> = prepared.column_names().iter().map(ToString::to_string).collect();
        let parameters: Vec<Box<dyn ToSql>> = statement.parameters.iter().map(to_sql).collect();
        let mut rows = prepared.query(rusqlite::params_from_iter(parameters))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let cells =
                names.iter().enumerate().map(|(at, name)| (name.clone(), json(row.get_ref(at).unwrap())));
            found.push(serde_json::Value::Object(cells.collect()));
        }
        drop(rows);
        Ok(Outcome::new(serde_json::json!(found).to_string(), found.len(), self.0.changes()))
    }
}

fn to_sql(value: &Value) -> Box<dyn ToSql> {
    match value {
        Value::Null => Box::new(rusqlite::types::Null),
        Value::Integer(number) => Box::new(*number),
        Value::Text(text) => Box::new(text.clone()),
    }
}

fn json(value: ValueRef<'_>) -> serde_json::Value {
    match value {
        ValueRef::Null => serde_json::Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
        ValueRef::Blob(_) => panic!("no statement gives a blob"),
    }
}

impl Store for Sqlite {
    fn batch(&self, statements: Vec<Statement>) -> Asked<'_, Vec<Outcome>> {
        Box::pin(std::future::ready(self.batch_now(&statements)))
    }
}

impl Sqlite {
    fn batch_now(&self, statements: &[Statement]) -> Result<Vec<Outcome>, StoreError> {
        if self.1.get() == Health::Fails {
            return Err(StoreError::from_message("D1_ERROR: secret-host: no such table: users"));
        }
        self.0.execute_batch("BEGIN").unwrap();
        let outcomes: rusqlite::Result<Vec<_>> = statements.iter().map(|each| self.run_one(each)).collect();
        self.0.execute_batch(if outcomes.is_ok() { "COMMIT" } else { "ROLLBACK" }).unwrap();
        outcomes.map_err(|error| {
            let error = StoreError::from_message(&error.to_string());
            assert!(!matches!(error, StoreError::Unavailable(_)), "a statement is wrong: {error}");
            error
        })
    }
}

//! Statements put together from fixed fragments: filters that may or may not be there, columns that change.
//!
//! Every fragment is a `&'static str`, so input can reach a statement as a bound parameter only. Parameters are
//! bare `?`, bound in the order of the fragments.

use crate::store::{Statement, Value};

/// A statement in the making.
#[derive(Clone, Debug)]
pub struct Query {
    sql: String,
    parameters: Vec<Value>,
    filtered: bool,
}

impl Query {
    /// Begins with a statement that has no WHERE yet.
    #[must_use]
    pub fn new(base: &'static str) -> Query {
        Query { sql: base.into(), parameters: Vec::new(), filtered: false }
    }

    /// Binds a parameter of the text so far.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Query {
        self.parameters.push(value.into());
        self
    }

    /// Goes on with this text.
    #[must_use]
    pub fn then(mut self, fragment: &'static str) -> Query {
        self.sql.push_str(fragment);
        self
    }

    /// Goes on with this text and its parameter, where there is a value.
    #[must_use]
    pub fn then_some<T: Into<Value>>(self, fragment: &'static str, value: Option<T>) -> Query {
        match value {
            Some(value) => self.then(fragment).bind(value),
            None => self,
        }
    }

    /// Goes on with this text, in which a SELECT begins that has no WHERE yet.
    #[must_use]
    pub fn then_select(mut self, fragment: &'static str) -> Query {
        self.filtered = false;
        self.then(fragment)
    }

    /// Only rows for which this holds.
    #[must_use]
    pub fn filter(mut self, condition: &'static str, value: impl Into<Value>) -> Query {
        self.sql.push_str(if self.filtered { " AND " } else { " WHERE " });
        self.sql.push_str(condition);
        self.filtered = true;
        self.bind(value)
    }

    /// The same, where there is a value.
    #[must_use]
    pub fn filter_some<T: Into<Value>>(self, condition: &'static str, value: Option<T>) -> Query {
        match value {
            Some(value) => self.filter(condition, value),
            None => self,
        }
    }

    /// The statement.
    #[must_use]
    pub fn build(self) -> Statement {
        Statement { sql: self.sql.into(), parameters: self.parameters }
    }
}

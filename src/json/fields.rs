//! An object taken apart field by field: a wrong type is an error with the field's whole path, and what nobody asked for is
//! left over.
//!
//! ```
//! use edgeway::json::Fields;
//!
//! let body = serde_json::json!({"model": "a", "stop": ["x", 1], "new": true});
//! let mut fields = Fields::of(body, "")?;
//! assert_eq!(fields.string("model")?.as_deref(), Some("a"));
//! assert_eq!(fields.strings("stop").unwrap_err().to_string(), "`stop[1]` must be a string");
//! assert_eq!(fields.rest().keys().collect::<Vec<_>>(), ["stop", "new"]);
//! # Ok::<(), edgeway::json::FieldError>(())
//! ```

use serde_json::{Map, Number, Value};

/// A field is not what it must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` must be {expected}")]
pub struct FieldError {
    /// Where it is: `messages[2].content`.
    pub path: String,
    /// `a string`, …
    pub expected: String,
}

impl FieldError {
    /// The field at this path must be …
    pub fn new(path: impl Into<String>, expected: impl Into<String>) -> FieldError {
        FieldError { path: path.into(), expected: expected.into() }
    }
}

/// An object whose fields are taken out one by one. A field that is `null` is one that is not there.
#[derive(Clone, Debug)]
pub struct Fields {
    path: String,
    map: Map<String, Value>,
    is_lenient: bool,
}

impl Fields {
    /// The fields of an object that stands at this path (`""` is the body itself).
    ///
    /// # Errors
    /// Where it is no object.
    pub fn of(value: Value, path: impl Into<String>) -> Result<Fields, FieldError> {
        let path = path.into();
        match value {
            Value::Object(map) => Ok(Fields { path, map, is_lenient: false }),
            _ if path.is_empty() => Err(FieldError::new("the body", "a JSON object")),
            _ => Err(FieldError::new(path, "an object")),
        }
    }

    /// For what an upstream sent: a field of another type than expected counts as absent and is left over; and what is no
    /// object has no fields. No getter of these fields fails, nor of the fields in them.
    #[must_use]
    pub fn lenient(value: Value) -> Fields {
        let map = if let Value::Object(map) = value { map } else { Map::new() };
        Fields { path: String::new(), map, is_lenient: true }
    }

    /// The path of a field of this name.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The path of this object; empty for a body.
    #[must_use]
    pub fn own_path(&self) -> &str {
        &self.path
    }

    /// An error: this field must be …
    #[must_use]
    pub fn error(&self, name: &str, expected: &str) -> FieldError {
        FieldError::new(self.path(name), expected)
    }

    /// A look at a field that stays where it is.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// Takes a field, whatever it is.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.map.shift_remove(name).filter(|value| !value.is_null())
    }

    /// Puts a field (back): what is left over is given back by [`Fields::rest`].
    pub fn put(&mut self, name: &str, value: Value) {
        self.map.insert(name.to_owned(), value);
    }

    /// What was not taken.
    #[must_use]
    pub fn rest(self) -> Map<String, Value> {
        self.map
    }

    fn typed<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl FnOnce(Value) -> Result<T, Value>,
    ) -> Result<Option<T>, FieldError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match read(value) {
            Ok(read) => Ok(Some(read)),
            Err(value) if self.is_lenient => {
                self.put(name, value);
                Ok(None)
            }
            Err(_) => Err(self.error(name, expected)),
        }
    }

    /// Takes a string.
    ///
    /// # Errors
    /// Where the field is something else; so with all that follow.
    pub fn string(&mut self, name: &str) -> Result<Option<String>, FieldError> {
        self.typed(name, "a string", |value| match value {
            Value::String(text) => Ok(text),
            other => Err(other),
        })
    }

    /// Takes a string that must be there.
    ///
    /// # Errors
    /// Where it is not; lenient fields give an empty one.
    pub fn required(&mut self, name: &str) -> Result<String, FieldError> {
        match self.string(name)? {
            Some(text) => Ok(text),
            None if self.is_lenient => Ok(String::new()),
            None => Err(self.error(name, "a string")),
        }
    }

    /// Takes true or false.
    ///
    /// # Errors
    /// As [`Fields::string`].
    pub fn boolean(&mut self, name: &str) -> Result<Option<bool>, FieldError> {
        self.typed(name, "true or false", |value| value.as_bool().ok_or(value))
    }

    /// Takes a number, as it was written.
    ///
    /// # Errors
    /// As [`Fields::string`].
    pub fn number(&mut self, name: &str) -> Result<Option<Number>, FieldError> {
        self.typed(name, "a number", |value| match value {
            Value::Number(number) => Ok(number),
            other => Err(other),
        })
    }

    /// Takes a whole number that is not negative; `5.0` is one, too.
    ///
    /// # Errors
    /// As [`Fields::string`].
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be whole and in range"
    )]
    pub fn count(&mut self, name: &str) -> Result<Option<u64>, FieldError> {
        let whole = |number: f64| number.fract() == 0.0 && (0.0..9e15).contains(&number);
        self.typed(name, "a whole number that is not negative", |value| {
            let count = value.as_u64().or_else(|| value.as_f64().filter(|it| whole(*it)).map(|it| it as u64));
            count.ok_or(value)
        })
    }

    /// Takes strings; one alone counts as a list of one.
    ///
    /// # Errors
    /// As [`Fields::string`].
    pub fn strings(&mut self, name: &str) -> Result<Option<Vec<String>>, FieldError> {
        if let Some(Value::Array(items)) = self.get(name)
            && let Some(index) = items.iter().position(|item| !item.is_string())
            && !self.is_lenient
        {
            return Err(self.error(&format!("{name}[{index}]"), "a string"));
        }
        self.typed(name, "a string or an array of strings", |value| match value {
            Value::String(text) => Ok(vec![text]),
            Value::Array(items) if items.iter().all(Value::is_string) => Ok(items
                .into_iter()
                .filter_map(|item| if let Value::String(text) = item { Some(text) } else { None })
                .collect()),
            other => Err(other),
        })
    }

    /// Takes an object.
    ///
    /// # Errors
    /// As [`Fields::string`].
    pub fn object(&mut self, name: &str) -> Result<Option<Fields>, FieldError> {
        let (path, is_lenient) = (self.path(name), self.is_lenient);
        self.typed(name, "an object", |value| match value {
            Value::Object(map) => Ok(Fields { path, map, is_lenient }),
            other => Err(other),
        })
    }

    /// Takes a list of anything.
    ///
    /// # Errors
    /// As [`Fields::string`].
    pub fn array(&mut self, name: &str) -> Result<Option<Vec<Value>>, FieldError> {
        self.typed(name, "an array", |value| match value {
            Value::Array(items) => Ok(items),
            other => Err(other),
        })
    }

    /// Takes a list of objects; empty where there is none.
    ///
    /// # Errors
    /// As [`Fields::string`]; so where an element is no object. Lenient fields pass over such an element.
    pub fn objects(&mut self, name: &str) -> Result<Vec<Fields>, FieldError> {
        let (path, is_lenient) = (self.path(name), self.is_lenient);
        let mut objects = Vec::new();
        for (index, item) in self.array(name)?.unwrap_or_default().into_iter().enumerate() {
            match Fields::of(item, format!("{path}[{index}]")) {
                Ok(fields) => objects.push(Fields { is_lenient, ..fields }),
                Err(_) if is_lenient => {}
                Err(error) => return Err(error),
            }
        }
        Ok(objects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_error_names_the_whole_path() {
        let body = json!({"messages": [{"content": "a"}, {"content": [{"type": 1}]}, "x"], "n": -1});
        let mut fields = Fields::of(body.clone(), "").unwrap();
        assert_eq!(fields.objects("messages").unwrap_err().to_string(), "`messages[2]` must be an object");
        assert_eq!(fields.count("n").unwrap_err().path, "n");
        let second = body["messages"][1].clone();
        let mut second = Fields::of(second, "messages[1]").unwrap();
        let mut part = second.objects("content").unwrap().remove(0);
        assert_eq!(part.string("type").unwrap_err().path, "messages[1].content[0].type");
        assert_eq!(Fields::of(json!([]), "").unwrap_err().to_string(), "`the body` must be a JSON object");
    }

    #[test]
    fn null_is_absent_and_the_rest_keeps_its_order() {
        let mut fields = Fields::of(json!({"z": 1, "user": null, "a": 2, "n": 5.0}), "").unwrap();
        assert_eq!(fields.string("user"), Ok(None));
        assert_eq!(fields.count("n"), Ok(Some(5)));
        assert_eq!(fields.rest().keys().collect::<Vec<_>>(), ["z", "a"]);
    }

    #[test]
    fn lenient_fields_never_fail() {
        let mut fields = Fields::lenient(json!({"id": 7, "parts": [1, {"text": []}], "n": "x"}));
        assert_eq!(fields.string("id"), Ok(None));
        assert_eq!(fields.required("name"), Ok(String::new()));
        let mut parts = fields.objects("parts").unwrap();
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].string("text"), Ok(None));
        assert_eq!(fields.count("n"), Ok(None));
        assert_eq!(fields.rest().keys().collect::<Vec<_>>(), ["id", "n"]);
        assert_eq!(Fields::lenient(json!("text")).rest().len(), 0);
    }
}

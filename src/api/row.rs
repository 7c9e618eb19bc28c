//! How stored values show in JSON: flags, times, money and embedded JSON.
//!
//! Each type reads the stored form and writes the shown one, so that one struct is both the row and the answer.

use crate::json;
use crate::money::NanoUsd;
use crate::time::Millis;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// 0 or 1 in a row, `false` or `true` in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flag(pub bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Flag, D::Error> {
        i64::deserialize(deserializer).map(|number| Flag(number != 0))
    }
}
impl Serialize for Flag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(self.0)
    }
}

/// Milliseconds in a row, ISO 8601 in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub struct Time(pub Millis);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_iso())
    }
}

/// Nano-USD in a row, decimal USD in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Usd(pub NanoUsd);

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0.to_usd())
    }
}

/// Text in a row that may be empty for want of anything to say; null in JSON then.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Blank(pub String);

impl Serialize for Blank {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Some(&self.0).filter(|text| !text.is_empty()).serialize(serializer)
    }
}

/// JSON text in a row, the value itself in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Embedded<T>(pub T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Embedded<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Embedded<T>, D::Error> {
        let text = String::deserialize(deserializer)?;
        json::read(text.as_bytes()).map(Embedded).map_err(D::Error::custom)
    }
}
impl<T: Serialize> Serialize for Embedded<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// The JSON text to store for a value.
#[must_use]
pub fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".into()) // plain data with string keys always serialises
}

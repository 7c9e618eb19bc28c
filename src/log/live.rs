//! What whoever watches `/api/logs/live` is told: each finished call as `/api/logs` shows it, and the sums of the day.

use crate::json;
use crate::json::json;
use crate::money::NanoUsd;
use crate::store::Statement;
use crate::time::Millis;
use serde_json::{Map, Value};

/// The places of an encoded record by the names that they are shown by; an empty one is not shown.
const NAMES: [&str; 29] = [
    "id",
    "created_at",
    "user_id",
    "key_id",
    "endpoint",
    "dialect",
    "model",
    "provider",
    "target_model",
    "status",
    "error",
    "stream",
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "usage_source",
    "cost",
    "priced",
    "latency_ms",
    "",
    "first_content_ms",
    "end",
    "metadata",
    "attempts",
    "dropped_params",
    "",
    "units",
];

/// Texts of these that say nothing are `null`.
const BLANK: [&str; 5] = ["user_id", "key_id", "model", "provider", "target_model"];

/// A finished call, and whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// Its key's owner; empty for none.
    pub user_id: String,
    /// The message: `{"type":"call","data":{…}}`.
    pub message: String,
}

/// The calls in rows as [`super::encode`] gives them, in a JSON array; none where it is something else.
#[must_use]
pub fn finished(rows: &str) -> Vec<Finished> {
    let rows: Vec<Vec<Value>> = json::read(rows.as_bytes()).unwrap_or_default();
    rows.into_iter().map(call).collect()
}

fn call(places: Vec<Value>) -> Finished {
    let mut shown = Map::new();
    for (name, value) in NAMES.into_iter().zip(places) {
        let value = match name {
            "" => continue,
            "created_at" => value.as_i64().map_or(Value::Null, |at| Millis(at).to_iso().into()),
            "cost" => value.as_i64().map_or(Value::Null, |cost| NanoUsd(cost).to_usd().into()),
            name if BLANK.contains(&name) && value == "" => Value::Null,
            _ => value,
        };
        shown.insert(name.into(), value);
    }
    let user_id = shown.get("user_id").and_then(Value::as_str).unwrap_or_default().to_owned();
    Finished { user_id, message: json!({ "type": "call", "data": shown }).to_string() }
}

/// The sums of the UTC day, of one owner or of all; see [`totals`].
#[must_use]
pub fn sums(owner: Option<&str>, now: Millis) -> Statement {
    let sql = match owner {
        None => {
            "SELECT coalesce(sum(requests), 0) AS requests, coalesce(sum(errors), 0) AS errors, \
             coalesce(sum(input_tokens), 0) AS input_tokens, coalesce(sum(output_tokens), 0) AS output_tokens, \
             coalesce(sum(cost), 0) AS cost FROM usage_daily WHERE day >= ?1"
        }
        Some(_) => {
            "SELECT coalesce(sum(requests), 0) AS requests, coalesce(sum(errors), 0) AS errors, \
             coalesce(sum(input_tokens), 0) AS input_tokens, coalesce(sum(output_tokens), 0) AS output_tokens, \
             coalesce(sum(cost), 0) AS cost FROM usage_daily WHERE day >= ?1 AND user_id = ?2"
        }
    };
    let day = Millis(now.0 - now.0.rem_euclid(Millis::DAY.0));
    let statement = Statement::new(sql).bind(day);
    match owner {
        None => statement,
        Some(owner) => statement.bind(owner),
    }
}

/// The message for a row of [`sums`]: `{"type":"totals","data":{requests, errors, input_tokens, output_tokens, cost}}`, the cost
/// in USD.
#[must_use]
pub fn totals(mut row: Map<String, Value>) -> String {
    let cost = row.get("cost").and_then(Value::as_i64).unwrap_or_default();
    row.insert("cost".into(), NanoUsd(cost).to_usd().into());
    json!({ "type": "totals", "data": row }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Record, encode};

    #[test]
    fn a_call_is_shown_as_the_list_shows_it() {
        let record = Record {
            id: "1".into(),
            created_at: Millis(0),
            user_id: "u".into(),
            cost: NanoUsd(1_500_000_000),
            status: 200,
            ..Record::default()
        };
        let rows = format!("[{}]", encode(&record).record);
        let [Finished { user_id, message }] = &finished(&rows)[..] else { panic!("one call") };
        let message: Value = serde_json::from_str(message).unwrap();
        assert_eq!(user_id, "u");
        assert_eq!(message["type"], "call");
        assert_eq!(message["data"]["created_at"], "1970-01-01T00:00:00.000Z");
        assert_eq!(message["data"]["cost"], 1.5);
        assert_eq!(message["data"]["key_id"], Value::Null);
        assert_eq!(message["data"]["end"], "done");
        assert_eq!(message["data"]["dropped_params"], json!([]));
    }

    #[test]
    fn every_place_has_a_name() {
        let Value::Array(places) = serde_json::from_str(&encode(&Record::default()).record).unwrap() else {
            panic!("an array")
        };
        assert_eq!(places.len(), NAMES.len());
    }

    #[test]
    fn what_is_no_record_is_nobodys() {
        assert_eq!(finished("nonsense"), []);
        assert_eq!(finished("[]"), []);
    }
}

//! The list of models: `GET /v1/models` (<https://platform.claude.com/docs/en/api/models-list>).

use crate::time::Millis;
use serde_json::{Value, json};

/// A model of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model<'a> {
    /// What to send as `model`.
    pub id: &'a str,
    /// For people; the id where there is no other.
    pub display_name: Option<&'a str>,
    /// When it came out; the beginning of 1970 where nobody knows, as Anthropic has it.
    pub created: Millis,
    /// The most tokens that it reads.
    pub max_input_tokens: Option<u64>,
    /// The most tokens that it writes.
    pub max_tokens: Option<u64>,
}

/// Writes a page of the list.
#[must_use]
pub fn encode<'a>(models: impl IntoIterator<Item = Model<'a>>, has_more: bool) -> Vec<u8> {
    let data: Vec<Value> = models.into_iter().map(|model| value(&model)).collect();
    let id = |model: Option<&Value>| model.and_then(|model| model.get("id")).cloned().unwrap_or_default();
    let (first, last) = (id(data.first()), id(data.last()));
    json!({ "data": data, "has_more": has_more, "first_id": first, "last_id": last }).to_string().into_bytes()
}

/// Writes one model: `GET /v1/models/{id}`.
#[must_use]
pub fn encode_one(model: &Model<'_>) -> Vec<u8> {
    value(model).to_string().into_bytes()
}

fn value(model: &Model<'_>) -> Value {
    json!({
        "type": "model",
        "id": model.id,
        "display_name": model.display_name.unwrap_or(model.id),
        "created_at": model.created.to_iso(),
        "max_input_tokens": model.max_input_tokens,
        "max_tokens": model.max_tokens,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_its_ends() {
        let model = |id| Model { id, created: Millis(1_000), ..Model::default() };
        let list: Value = serde_json::from_slice(&encode([model("a"), model("b")], false)).unwrap();
        assert_eq!((&list["first_id"], &list["last_id"]), (&json!("a"), &json!("b")));
        assert_eq!(list["data"][0]["display_name"], "a");
        assert_eq!(list["data"][0]["created_at"], "1970-01-01T00:00:01.000Z");
        let none: Value = serde_json::from_slice(&encode([], false)).unwrap();
        assert_eq!(none, json!({ "data": [], "has_more": false, "first_id": null, "last_id": null }));
    }
}

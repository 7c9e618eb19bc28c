//! The list of models as Gemini's clients know it.

use serde_json::{Map, Value, json};

/// A model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What callers name it by, without `models/`.
    pub id: &'a str,
    /// What people call it; its id where nobody said.
    pub title: Option<&'a str>,
    /// The most tokens that it reads.
    pub input_tokens: Option<u64>,
    /// The most tokens that it writes.
    pub output_tokens: Option<u64>,
}

/// One model, as `GET /v1beta/models/{id}` gives it.
#[must_use]
pub fn entry(model: &Entry<'_>) -> Value {
    let mut written = Map::new();
    written.insert("name".into(), format!("models/{}", model.id).into());
    written.insert("baseModelId".into(), model.id.into());
    written.insert("version".into(), "001".into());
    written.insert("displayName".into(), model.title.unwrap_or(model.id).into());
    for (name, count) in [("inputTokenLimit", model.input_tokens), ("outputTokenLimit", model.output_tokens)]
    {
        if let Some(count) = count {
            written.insert(name.into(), count.into());
        }
    }
    let methods = json!(["generateContent", "countTokens", "streamGenerateContent"]);
    written.insert("supportedGenerationMethods".into(), methods);
    Value::Object(written)
}

/// The list, on one page.
#[must_use]
pub fn encode<'a>(models: impl IntoIterator<Item = Entry<'a>>) -> Vec<u8> {
    let entries: Vec<Value> = models.into_iter().map(|model| entry(&model)).collect();
    json!({"models": entries}).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_has_what_clients_read() {
        let model = Entry { id: "a/b", output_tokens: Some(7), ..Entry::default() };
        let list: Value = serde_json::from_slice(&encode([model])).unwrap();
        let expected = json!({"models": [{
            "name": "models/a/b", "baseModelId": "a/b", "version": "001", "displayName": "a/b", "outputTokenLimit": 7,
            "supportedGenerationMethods": ["generateContent", "countTokens", "streamGenerateContent"],
        }]});
        assert_eq!(list, expected);
    }
}

//! Lists of models in the shape of each dialect.

use super::Model;
use super::lists::Problem;
use crate::dialect::Dialect;
use crate::json::{json, tree_of};
use serde_json::Value;

/// The whole list. In OpenAI's shape, it has what was wrong with providers that gave none beside it.
#[must_use]
pub fn list(dialect: Dialect, models: &[Model], errors: &[Problem]) -> Value {
    let each: Vec<Value> = models.iter().map(|model| one(dialect, model)).collect();
    match dialect {
        Dialect::Chat | Dialect::Responses => {
            json!({ "object": "list", "data": each, "errors": tree_of(&errors) })
        }
        Dialect::Messages | Dialect::Converse => {
            let id = |model: Option<&Model>| model.map(|model| model.id.clone());
            let (first, last) = (id(models.first()), id(models.last()));
            json!({ "data": each, "has_more": false, "first_id": first, "last_id": last })
        }
        Dialect::Gemini => json!({ "models": each }),
    }
}

/// One model: OpenAI's shape, <https://docs.anthropic.com/en/api/models-list>, or <https://ai.google.dev/api/models>.
#[must_use]
pub fn one(dialect: Dialect, model: &Model) -> Value {
    match dialect {
        Dialect::Chat | Dialect::Responses => tree_of(model),
        Dialect::Messages | Dialect::Converse => json!({
            "type": "model", "id": model.id, "display_name": model.id, "created_at": "1970-01-01T00:00:00Z",
            "max_input_tokens": model.context_window, "max_tokens": model.max_output_tokens,
        }),
        Dialect::Gemini => {
            let mut shown = json!({
                "name": format!("models/{}", model.id), "baseModelId": model.id, "version": "001", "displayName": model.id,
                "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
            });
            let limits =
                [("inputTokenLimit", model.context_window), ("outputTokenLimit", model.max_output_tokens)];
            for (name, limit) in limits {
                if let (Some(limit), Some(object)) = (limit, shown.as_object_mut()) {
                    object.insert(name.into(), json!(limit));
                }
            }
            shown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_has_its_own_list() {
        let models = [Model::named("a".into(), "x".into()), Model::named("b".into(), "x".into())];
        let problem = Problem { provider: "x".into(), status: Some(500), message: "no".into() };
        let shown = |dialect| list(dialect, &models, std::slice::from_ref(&problem));
        assert_eq!(shown(Dialect::Chat)["errors"][0]["status"], 500);
        assert_eq!(shown(Dialect::Chat)["data"][0]["id"], "a");
        assert_eq!(shown(Dialect::Messages)["last_id"], "b");
        assert_eq!(shown(Dialect::Messages)["data"][1]["type"], "model");
        assert_eq!(shown(Dialect::Gemini)["models"][1]["name"], "models/b");
        assert_eq!(shown(Dialect::Gemini)["models"][0].get("inputTokenLimit"), None);
    }
}

//! What a provider says when it is asked for its models.

use crate::order::sorted_by;
use serde_json::Value;

/// The most models that are kept of one provider.
const MOST_MODELS: usize = 5000;

/// The names in a provider's list of models, sorted, each once; `None` where it is none: OpenAI's and Anthropic's `data[].id`, Gemini's `models[].name` without `models/`, and plain arrays.
#[must_use]
pub fn names(body: &[u8]) -> Option<Vec<String>> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let list = ["data", "models", "result", "modelSummaries"]
        .iter()
        .find_map(|name| value.get(name))
        .unwrap_or(&value)
        .as_array()?;
    let names: Vec<String> = list
        .iter()
        .filter_map(|model| named(model).unwrap_or(model).as_str())
        .map(|name| name.strip_prefix("models/").unwrap_or(name).to_owned())
        .filter(|name| !name.is_empty() && name.len() <= 256)
        .take(MOST_MODELS)
        .collect();
    let mut names = sorted_by(names, Ord::cmp);
    names.dedup();
    Some(names)
}

/// `id`, `modelId` (Bedrock); of Cloudflare's models, whose ids are numbers of their rows, `name`.
fn named(model: &Value) -> Option<&Value> {
    let name = || model.get("name");
    let is_cloudflares = name().is_some_and(|name| name.as_str().is_some_and(|name| name.starts_with('@')));
    if is_cloudflares { name() } else { model.get("id").or_else(|| model.get("modelId")).or_else(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_lists_of_all_dialects_are_read() {
        for (body, expected) in [
            (r#"{"object":"list","data":[{"id":"gpt-4o"},{"id":"gpt-4o"}]}"#, Some(vec!["gpt-4o"])),
            (r#"{"models":[{"name":"models/gemini-2.5-pro"}]}"#, Some(vec!["gemini-2.5-pro"])),
            (r#"[{"id":"b"},{"id":"a"}]"#, Some(vec!["a", "b"])),
            (
                r#"{"modelSummaries":[{"modelId":"amazon.nova-lite-v1:0","modelName":"Nova"}]}"#,
                Some(vec!["amazon.nova-lite-v1:0"]),
            ),
            (r#"{"success":true,"result":[{"id":"41975cc2","name":"@cf/x"}]}"#, Some(vec!["@cf/x"])),
            (r#"{"data":[]}"#, Some(vec![])),
            (r#"{"error":{}}"#, None),
            ("<html>", None),
        ] {
            let found = names(body.as_bytes());
            assert_eq!(found.as_ref().map(|n| n.iter().map(String::as_str).collect()), expected, "{body}");
        }
    }
}

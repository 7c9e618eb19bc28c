//! LiteLLM's `model_prices_and_context_window.json` → models in our terms.
//!
//! The file is 3 MB and is read in the Worker too, so it is read in one pass: each entry keeps only the fields that count,
//! prices stay text until they become integers, and there is never a tree of the whole file.

mod entry;

use super::{CatalogError, Model, without_false_zeros};
use crate::cost::Prices;
use crate::order::sorted_by;
use entry::Entry;
use serde::de::{Deserializer, MapAccess, Visitor};
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

/// LiteLLM's provider → our kind. Earlier rows win where two name the same model of one kind.
const PROVIDERS: &[(&str, &str)] = &[
    ("openai", "openai"),
    ("text-completion-openai", "openai"),
    ("anthropic", "anthropic"),
    ("gemini", "gemini"),
    ("vertex_ai-language-models", "vertex"),
    ("vertex_ai", "vertex"),
    ("vertex_ai-embedding-models", "vertex"),
    ("vertex_ai-anthropic_models", "vertex"),
    ("vertex_ai-mistral_models", "vertex"),
    ("vertex_ai-deepseek_models", "vertex"),
    ("vertex_ai-ai21_models", "vertex"),
    ("vertex_ai-llama_models", "vertex"),
    ("vertex_ai-minimax_models", "vertex"),
    ("vertex_ai-moonshot_models", "vertex"),
    ("vertex_ai-zai_models", "vertex"),
    ("vertex_ai-openai_models", "vertex"),
    ("vertex_ai-qwen_models", "vertex"),
    ("azure", "azure"),
    ("azure_text", "azure"),
    ("azure_ai", "azure"),
    ("bedrock_converse", "bedrock"),
    ("bedrock", "bedrock"),
    ("bedrock_mantle", "bedrock"),
    ("mistral", "mistral"),
    ("codestral", "mistral"),
    ("cohere_chat", "cohere"),
    ("cohere", "cohere"),
    ("groq", "groq"),
    ("cerebras", "cerebras"),
    ("deepseek", "deepseek"),
    ("xai", "xai"),
    ("perplexity", "perplexity"),
    ("vercel_ai_gateway", "vercel"),
    ("moonshot", "moonshot"),
    ("zai", "zai"),
    ("together_ai", "together"),
    ("fireworks_ai", "fireworks"),
    ("fireworks_ai-embedding-models", "fireworks"),
    ("minimax", "minimax"),
    ("dashscope", "qwen"),
    ("nvidia_nim", "nvidia"),
    ("volcengine", "doubao"),
    ("gigachat", "gigachat"),
    ("ollama", "ollama"),
    ("morph", "morph"),
];

/// LiteLLM's mode → ours, for what the gateway serves; others (video, search, realtime, …) are left out.
const MODES: &[(&str, &str)] = &[
    ("chat", "chat"),
    ("responses", "responses"),
    ("completion", "completion"),
    ("embedding", "embedding"),
    ("image_generation", "image"),
    ("image_edit", "image"),
    ("audio_transcription", "transcription"),
    ("audio_speech", "speech"),
    ("rerank", "rerank"),
    ("moderation", "moderation"),
];

/// Prefixes that a key may carry beside its provider's own.
const PREFIXES: &[&str] =
    &["azure", "bedrock", "vertex_ai", "together_ai", "fireworks_ai", "text-completion-openai"];

/// Every model of the list that a kind of ours serves, each once.
///
/// # Errors
/// [`CatalogError::Unreadable`] where the file is not of that form.
pub fn models(list: &[u8]) -> Result<Vec<Model>, CatalogError> {
    let mut reader = serde_json::Deserializer::from_slice(list);
    let mut ranked = reader.deserialize_map(List).map_err(|error| CatalogError::unreadable(&error))?;
    reader.end().map_err(|error| CatalogError::unreadable(&error))?;
    ranked = sorted_by(ranked, |(left, _), (right, _)| left.cmp(right));
    let mut seen = HashSet::new();
    let models = ranked.into_iter().map(|(_, model)| model);
    Ok(models.filter(|model| seen.insert((model.kind, model.model.clone()))).collect())
}

/// Reads the list; gives models with the place of their provider in [`PROVIDERS`].
struct List;

impl<'de> Visitor<'de> for List {
    type Value = Vec<(usize, Model)>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of models by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut models = Vec::new();
        while let Some(key) = list.next_key::<Cow<'de, str>>()? {
            let entry: Entry = list.next_value()?;
            models.extend(model(&key, entry));
        }
        Ok(models)
    }
}

fn model(key: &str, entry: Entry) -> Option<(usize, Model)> {
    let (rank, (provider, kind)) =
        PROVIDERS.iter().enumerate().find(|(_, (provider, _))| *provider == entry.provider)?;
    let (_, mode) = MODES.iter().find(|(mode, _)| *mode == entry.mode)?;
    let mut prices = entry.prices;
    entry.by_unit.fill(mode, &mut prices);
    if *mode == "image" && prices.image_price.or(prices.image_output_price).is_none() {
        prices = Prices::default(); // by the step of a diffusion, which is no token
    }
    let mut model = Model {
        kind,
        model: upstream_name(key, provider, kind)?.to_owned(),
        mode,
        context_window: entry.context_window,
        max_output_tokens: entry.max_output_tokens,
        capabilities: entry.capabilities,
        prices,
    };
    without_false_zeros(&mut model, entry.priced_otherwise);
    Some((rank, model))
}

/// The name that is sent upstream; `None` for a row that is no model of its own: a region, a size, a class of prices.
fn upstream_name<'a>(key: &'a str, provider: &str, kind: &str) -> Option<&'a str> {
    let family = provider.split('-').next().unwrap_or(provider);
    let prefixes = [provider, family].into_iter().chain(PREFIXES.iter().copied());
    let unprefixed = |prefix: &str| key.strip_prefix(prefix)?.strip_prefix('/');
    let name = prefixes.into_iter().find_map(unprefixed).unwrap_or(key);
    let is_model = match kind {
        // bedrock: region/…, size/…, invoke/…: the same model at another price or by another path; azure: eu/…, us/…,
        // global/…, while a deployment's name has no slash. A container is a tool's sandbox.
        // xai: quality/size/…
        "openai" | "bedrock" | "azure" | "xai" => !name.contains('/') && name != "container",
        "together" => !name.starts_with("together-ai-"),
        "fireworks" => !name.starts_with("fireworks-ai-"),
        _ => true,
    };
    (is_model && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(list: &Value) -> Value {
        serde_json::to_value(models(list.to_string().as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn an_entry_becomes_a_row_in_our_terms() {
        let list = json!({ "gemini/gemini-2.5-pro": {
            "litellm_provider": "gemini", "mode": "chat", "max_input_tokens": 1_048_576, "max_output_tokens": "65535",
            "input_cost_per_token": 1.25e-6, "output_cost_per_token": 1e-5, "cache_read_input_token_cost": 1.25e-7,
            "input_cost_per_token_above_200k_tokens": 2.5e-6, "output_cost_per_token_above_200k_tokens": 1.5e-5,
            "input_cost_per_token_above_200k_tokens_batches": 9, "input_cost_per_token_batches": 9,
            "supports_vision": true, "supports_function_calling": true, "supports_reasoning": false,
            "search_context_cost_per_query": { "search_context_size_low": 0.01 }, "source": "https://a.test",
        } });
        let expected = json!([{
            "kind": "gemini", "model": "gemini-2.5-pro", "mode": "chat", "context_window": 1_048_576,
            "max_output_tokens": 65_535, "capabilities": ["tools", "vision"], "input_price": 1_250_000_000_i64,
            "output_price": 10_000_000_000_i64, "cached_input_price": 125_000_000,
            "tiers": [{ "above": 200_000, "input": 2_500_000_000_i64, "output": 15_000_000_000_i64 }],
        }]);
        assert_eq!(read(&list), expected);
    }

    #[test]
    fn ranges_are_tiers_and_the_first_of_them_is_the_price() {
        let list = json!({ "dashscope/qwen-flash": { "litellm_provider": "dashscope", "mode": "chat", "tiered_pricing": [
            { "range": [0, 256_000.0], "input_cost_per_token": 5e-8, "output_cost_per_token": 4e-7 },
            { "range": [256_000.0, 1e6], "input_cost_per_token": 2.5e-7, "output_cost_per_token": 2e-6 },
            { "max_results_range": [0, 5], "input_cost_per_query": 1 },
        ] } });
        let row = &read(&list)[0];
        assert_eq!((&row["input_price"], &row["output_price"]), (&json!(50_000_000), &json!(400_000_000)));
        let tiers = json!([{ "above": 256_000, "input": 250_000_000, "output": 2_000_000_000 }]);
        assert_eq!(row["tiers"], tiers);
    }

    #[test]
    fn names_are_those_that_are_sent_upstream() {
        for (key, provider, kind, expected) in [
            ("gpt-4o", "openai", "openai", Some("gpt-4o")),
            ("openai/container", "openai", "openai", None),
            ("1024-x-1024/dall-e-3", "openai", "openai", None),
            ("azure/gpt-4o", "azure", "azure", Some("gpt-4o")),
            ("azure/eu/gpt-4o", "azure", "azure", None),
            ("vertex_ai/claude", "vertex_ai-anthropic_models", "vertex", Some("claude")),
            ("groq/openai/gpt-oss-120b", "groq", "groq", Some("openai/gpt-oss-120b")),
            ("together-ai-4.1b-8b", "together_ai", "together", None),
            ("fireworks-ai-default", "fireworks_ai", "fireworks", None),
            ("groq/", "groq", "groq", None),
            ("low/1024-x-1024/grok-imagine-image-2.0", "xai", "xai", None),
        ] {
            assert_eq!(upstream_name(key, provider, kind), expected, "{key}");
        }
    }

    #[test]
    fn what_is_not_counted_in_tokens_has_its_price_by_its_own_unit() {
        let entry = |mode: &str, fields: Value| {
            let mut entry = fields;
            entry["litellm_provider"] = json!("openai");
            entry["mode"] = json!(mode);
            let row = &read(&json!({ "m": entry }))[0];
            let prices = row.as_object().unwrap().iter().filter(|(name, _)| name.ends_with("_price"));
            prices.map(|(name, price)| (name.clone(), price.as_i64().unwrap())).collect::<Vec<_>>()
        };
        let cent = 10_000_000_000_000;
        for (mode, fields, expected) in [
            ("image_generation", json!({"input_cost_per_image": 0.02}), vec![("image_price", 2 * cent)]),
            (
                "image_generation",
                json!({"input_cost_per_image": 0.001, "output_cost_per_image": 0.04, "output_cost_per_image_token": 3e-5,
                    "input_cost_per_image_token": 8e-6, "input_cost_per_token": 5e-6}),
                vec![
                    ("image_input_price", 8_000_000_000),
                    ("image_output_price", 30_000_000_000),
                    ("image_price", 4 * cent),
                    ("input_price", 5_000_000_000),
                ],
            ),
            (
                "image_generation",
                json!({"input_cost_per_token": 1.3e-10, "output_cost_per_token": 1.3e-10}),
                vec![],
            ),
            ("chat", json!({"output_cost_per_image": 0.04, "input_cost_per_second": 0.01}), vec![]),
            (
                "audio_transcription",
                json!({"input_cost_per_second": 1e-4, "output_cost_per_second": 1e-4}),
                vec![("audio_second_price", 100_000_000_000)],
            ),
            (
                "audio_transcription",
                json!({"input_cost_per_second": 3.083e-5, "output_cost_per_second": 0.0}),
                vec![("audio_second_price", 30_830_000_000)],
            ),
            (
                "audio_speech",
                json!({"input_cost_per_character": 1.5e-5, "output_cost_per_second": 2e-4}),
                vec![("character_price", 15_000_000_000)],
            ),
            (
                "rerank",
                json!({"input_cost_per_query": 0.002, "input_cost_per_token": 0.0, "output_cost_per_token": 0.0}),
                vec![("search_price", 2_000_000_000_000_i64)],
            ),
            ("rerank", json!({"input_cost_per_query": 0.0}), vec![]),
        ] {
            let mut expected: Vec<_> =
                expected.into_iter().map(|(name, price)| (name.to_owned(), price)).collect();
            let mut found = entry(mode, fields);
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "{mode}");
        }
    }

    #[test]
    fn the_first_provider_of_a_kind_wins_whatever_the_order() {
        let entry = |provider: &str, price: f64| json!({ "litellm_provider": provider, "mode": "chat", "input_cost_per_token": price });
        let list = json!({ "cohere/command": entry("cohere", 2e-6), "command": entry("cohere_chat", 1e-6) });
        let rows = read(&list);
        assert_eq!((rows.as_array().unwrap().len(), &rows[0]["input_price"]), (1, &json!(1_000_000_000)));
    }

    #[test]
    fn a_zero_is_kept_only_where_something_is_free() {
        let entry = |provider: &str| json!({ "litellm_provider": provider, "mode": "chat", "input_cost_per_token": 0, "output_cost_per_token": 0.0 });
        let mut by_image = entry("gemini");
        by_image["output_cost_per_image"] = json!(0.04);
        let list =
            json!({ "gigachat/g": entry("gigachat"), "ollama/l": entry("ollama"), "gemini/i": by_image });
        let rows = read(&list);
        let priced: Vec<_> =
            rows.as_array().unwrap().iter().map(|row| (&row["model"], &row["input_price"])).collect();
        assert_eq!(
            priced,
            [(&json!("i"), &Value::Null), (&json!("g"), &Value::Null), (&json!("l"), &json!(0)),]
        );
    }

    #[test]
    fn what_is_no_list_is_refused_and_a_strange_entry_is_passed_over() {
        for list in ["", "[]", "{", "<html>", "{} {}", r#"{"a":"#, r#"{"a":"text"}"#] {
            assert!(matches!(models(list.as_bytes()), Err(CatalogError::Unreadable(_))), "{list}");
        }
        let strange = json!({
            "a": { "litellm_provider": 5, "mode": null },
            "c": { "litellm_provider": "skynet", "mode": "chat" },
            "d": { "litellm_provider": "openai", "mode": "video_generation" },
            "e": { "litellm_provider": "openai", "mode": "chat", "tiered_pricing": { "range": 1 }, "max_input_tokens": -1,
                   "input_cost_per_token": [1], "supports_vision": "yes" },
        });
        assert_eq!(read(&strange), json!([{ "kind": "openai", "model": "e", "mode": "chat" }]));
    }
}

//! Which row of `models` prices a call: one statement over a short list of names, the likeliest first.
//!
//! Catalogues spell models in their own way, and aggregators sell the models of others under prefixed names.

use crate::store::Statement;
use crate::time::Millis;

/// Finds the price of a model: `?1` user id, `?2` candidates as JSON `[[kind, model], …]`, `?3` now.
///
/// The user's own price wins over the catalogue's, then the earlier candidate, then the kind's own row over `*`, then the
/// newest price that has begun.
pub const SELECT: &str = "\
SELECT models.input_price, models.output_price, models.cached_input_price, models.cache_write_price, \
models.cache_write_1h_price, models.reasoning_price, models.audio_input_price, models.audio_output_price, \
models.image_input_price, models.image_output_price, models.image_price, models.audio_second_price, \
models.character_price, models.search_price, models.tiers, models.effective_from, models.max_output_tokens \
FROM json_each(?2) AS candidate \
JOIN models ON models.model = candidate.value ->> 1 AND models.kind IN (candidate.value ->> 0, '*') \
WHERE models.user_id IN (?1, '') AND models.effective_from <= ?3 \
ORDER BY models.user_id = '', candidate.key, models.kind = '*', models.effective_from DESC LIMIT 1";

/// Kinds whose list prices hold for a well-known name that an endpoint without prices of its own serves.
const MAKERS: &[&str] =
    &["openai", "anthropic", "gemini", "mistral", "deepseek", "xai", "cohere", "moonshot"];

/// The statement that finds the price of a model, as it was sent upstream to a provider of this kind.
#[must_use]
pub fn find(user_id: &str, kind: &str, model: &str, now: Millis) -> Statement {
    let pairs = candidates(kind, model).into_iter().map(|(kind, model)| [kind, model]);
    let candidates = serde_json::Value::from_iter(pairs);
    Statement::new(SELECT).bind(user_id).bind(candidates.to_string()).bind(now)
}

/// Pairs of kind and model, the likeliest first.
fn candidates<'a>(kind: &'a str, model: &'a str) -> Vec<(&'a str, &'a str)> {
    let resells = matches!(kind, "openai-compatible" | "openrouter" | "vercel");
    let mut pairs = Vec::new();
    for name in [Some(model), undated(model)].into_iter().flatten() {
        pairs.push((kind, name));
        if let Some((vendor, rest)) = name.split_once('/') {
            pairs.push((kind, rest));
            if resells {
                pairs.push((maker(vendor), rest));
            }
        } else if resells {
            pairs.extend(MAKERS.iter().map(|maker| (*maker, name)));
        }
    }
    pairs
}

/// The kind that makes the models of this vendor prefix.
fn maker(vendor: &str) -> &str {
    match vendor {
        "google" | "models" => "gemini",
        "mistralai" => "mistral",
        "x-ai" => "xai",
        "z-ai" => "zai",
        "moonshotai" => "moonshot",
        "amazon" => "bedrock",
        other => other,
    }
}

/// The name without the date of its release or `-latest`: `gpt-4o-2024-08-06`, `claude-sonnet-4-20250514`,
/// `claude-opus-4@20250805`. A `:free` variant is another product, and keeps its name.
fn undated(model: &str) -> Option<&str> {
    if let Some(name) = model.strip_suffix("-latest") {
        return Some(name);
    }
    [10, 8].into_iter().find_map(|length| {
        let (name, date) = model.split_at_checked(model.len().checked_sub(length)?)?;
        let is_dash = |at| length == 10 && matches!(at, 4 | 7);
        let is_date = date.starts_with("20")
            && date.bytes().enumerate().all(|(at, byte)| match is_dash(at) {
                true => byte == b'-',
                false => byte.is_ascii_digit(),
            });
        name.strip_suffix(['-', '@']).filter(|name| is_date && !name.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Value;
    use rusqlite::{Connection, params};

    #[test]
    fn a_release_date_is_taken_off_a_name() {
        for (model, expected) in [
            ("gpt-4o-2024-08-06", Some("gpt-4o")),
            ("gpt-4.1-mini-2025-04-14", Some("gpt-4.1-mini")),
            ("claude-sonnet-4-20250514", Some("claude-sonnet-4")),
            ("claude-3-5-haiku-20241022", Some("claude-3-5-haiku")),
            ("claude-opus-4-1@20250805", Some("claude-opus-4-1")),
            ("gpt-5-2025-08-07", Some("gpt-5")),
            ("mistral-large-latest", Some("mistral-large")),
            ("gpt-4o", None),
            ("gpt-4-0613", None),
            ("llama-3-70", None),
            ("12345678", None),
            ("20250514", None),
        ] {
            assert_eq!(undated(model), expected, "{model}");
        }
    }

    fn database() -> Connection {
        let database = Connection::open_in_memory().unwrap();
        database.execute_batch(include_str!("../../schema.sql")).unwrap();
        for (id, user, kind, model, price, from) in [
            (1, "", "openai", "gpt-4o", 10, 0),
            (2, "", "openai", "gpt-4o", 11, 500),
            (3, "", "openai", "gpt-4o", 99, 5_000),
            (4, "", "*", "gpt-4o", 12, 0),
            (5, "ada", "openai", "gpt-4o", 13, 0),
            (6, "", "openrouter", "openai/gpt-5", 14, 0),
            (7, "", "*", "anything", 15, 0),
            (8, "", "gemini", "gemini-2.5-pro", 16, 0),
            (9, "", "openai", "gpt-4o-2024-05-13", 17, 0),
        ] {
            database
                .execute(
                    "INSERT INTO models (id, user_id, kind, model, input_price, effective_from, source, updated_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'catalog', 0)",
                    params![id.to_string(), user, kind, model, price, from],
                )
                .unwrap();
        }
        database
    }

    fn price(database: &Connection, user: &str, kind: &str, model: &str) -> Option<i64> {
        let statement = find(user, kind, model, Millis(1_000));
        let parameters: Vec<rusqlite::types::Value> = statement
            .parameters
            .into_iter()
            .map(|value| match value {
                Value::Null => rusqlite::types::Value::Null,
                Value::Integer(number) => number.into(),
                Value::Text(text) => text.into(),
            })
            .collect();
        let parameters = rusqlite::params_from_iter(parameters);
        database.query_row(&statement.sql, parameters, |row| row.get("input_price")).ok()
    }

    #[test]
    fn the_best_row_prices_a_call() {
        let database = database();
        for (user, kind, model, expected) in [
            ("", "openai", "gpt-4o", Some(11)),            // newest that has begun
            ("ada", "openai", "gpt-4o", Some(13)),         // own price
            ("bob", "openai", "gpt-4o", Some(11)),         // not another user's
            ("", "groq", "gpt-4o", Some(12)),              // any kind
            ("", "openai", "gpt-4o-2024-08-06", Some(11)), // undated
            ("", "openai", "gpt-4o-2024-05-13", Some(17)), // dated row wins
            ("ada", "openai", "gpt-4o-2024-08-06", Some(13)),
            ("", "openrouter", "openai/gpt-5", Some(14)), // aggregator's own row
            ("", "openrouter", "openai/gpt-4o", Some(12)), // its kind is any
            ("", "openrouter", "google/gemini-2.5-pro", Some(16)), // the maker's
            ("", "openai-compatible", "gemini-2.5-pro", Some(16)), // well-known name
            ("", "openai-compatible", "anything", Some(15)),
            ("", "azure", "gemini-2.5-pro", None),
            ("", "openrouter", "google/gemini-2.5-pro:free", None),
            ("", "openai", "'; DROP TABLE models; --", None),
        ] {
            assert_eq!(price(&database, user, kind, model), expected, "{user} {kind} {model}");
        }
    }

    #[test]
    fn the_search_uses_an_index() {
        let database = database();
        let plan: Vec<String> = database
            .prepare(&format!("EXPLAIN QUERY PLAN {SELECT}"))
            .unwrap()
            .query_map(params!["", "[]", 0], |row| row.get("detail"))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(plan.iter().any(|step| step.starts_with("SEARCH models USING INDEX")), "{plan:?}");
    }
}

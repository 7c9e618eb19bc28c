//! `thinkingConfig`: how much a model thinks, in levels since Gemini 3, in tokens for Gemini 2.5.
//!
//! After <https://ai.google.dev/gemini-api/docs/thinking>: a 2.5 Pro thinks 128 to 32,768 tokens, the others up to 24,576 and can be
//! told not to; a 3 cannot, and its Pro has no `MINIMAL`.

use crate::conversation::{Dialect, Effort, Extras, Field, Losses, Reasoning};
use crate::dialect::gemini::model::Model;
use crate::dialect::gemini::nested;
use crate::json::{FieldError, Fields};
use serde_json::{Map, Value};

pub(super) fn decode(mut config: Fields, extras: &mut Extras) -> Result<Reasoning, FieldError> {
    let mut reasoning = Reasoning { is_shown: config.boolean("includeThoughts")?, ..Reasoning::default() };
    if config.get("thinkingBudget").and_then(Value::as_i64) == Some(-1) {
        config.take("thinkingBudget");
        reasoning.is_adaptive = true;
    }
    reasoning.budget = config.count("thinkingBudget")?;
    if let Some(level) = config.string("thinkingLevel")? {
        match Effort::parse(&level) {
            Some(effort) => reasoning.effort = Some(effort),
            None => config.put("thinkingLevel", Value::String(level)),
        }
    }
    nested::keep(extras, "generationConfig.thinkingConfig", config.rest());
    Ok(reasoning)
}

pub(super) fn encode(
    reasoning: &Reasoning,
    from: Dialect,
    model: Model,
    losses: &mut Losses,
) -> Map<String, Value> {
    let mut config = Map::new();
    if from == Dialect::Gemini {
        as_asked(reasoning, &mut config);
        return config;
    }
    losses.note_if(
        reasoning.summary.as_deref().is_some_and(|summary| summary != "auto"),
        Field::ReasoningSummary,
    );
    let is_off = reasoning.in_words() == Some(Effort::None);
    if !model.is_3 && !model.is_2_5 {
        // Older models do not think, and refuse to be asked.
        losses.note_if(!is_off, Field::Reasoning);
        return config;
    }
    losses.note_if(is_off && model.is_pro, Field::Reasoning);
    if model.is_3 {
        if let Some(effort) =
            reasoning.in_words().filter(|_| !reasoning.is_adaptive || reasoning.effort.is_some())
        {
            config.insert("thinkingLevel".into(), level(effort, model).into());
        }
    } else if reasoning.is_adaptive && reasoning.effort.is_none() {
        config.insert("thinkingBudget".into(), (-1).into());
    } else if let Some(tokens) = reasoning.in_tokens() {
        config.insert("thinkingBudget".into(), budget(tokens, model).into());
    }
    if !is_off && is_wanted(reasoning, from) {
        config.insert("includeThoughts".into(), true.into());
    }
    config
}

/// As a client of Gemini itself asked.
fn as_asked(reasoning: &Reasoning, config: &mut Map<String, Value>) {
    if let Some(is_shown) = reasoning.is_shown {
        config.insert("includeThoughts".into(), is_shown.into());
    }
    if reasoning.is_adaptive {
        config.insert("thinkingBudget".into(), (-1).into());
    } else if let Some(budget) = reasoning.budget {
        config.insert("thinkingBudget".into(), budget.into());
    }
    if let Some(effort) = reasoning.effort {
        config.insert("thinkingLevel".into(), effort.as_str().to_uppercase().into());
    }
}

/// Messages and Chat show what was thought unless told not to, Responses where a summary is asked for.
fn is_wanted(reasoning: &Reasoning, from: Dialect) -> bool {
    reasoning.is_shown.unwrap_or(from != Dialect::Responses || reasoning.summary.is_some())
}

fn level(effort: Effort, model: Model) -> &'static str {
    match effort {
        Effort::None | Effort::Minimal if !model.is_pro => "MINIMAL",
        Effort::None | Effort::Minimal | Effort::Low => "LOW",
        Effort::Medium if model.is_first_pro => "HIGH",
        Effort::Medium => "MEDIUM",
        Effort::High | Effort::ExtraHigh | Effort::Max => "HIGH",
    }
}

fn budget(tokens: u64, model: Model) -> u64 {
    match (tokens, model) {
        (_, Model { is_pro: true, .. }) => tokens.clamp(128, 32_768),
        (0, _) => 0,
        (_, Model { is_lite: true, .. }) => tokens.clamp(512, 24_576),
        _ => tokens.min(24_576),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_model_is_asked_in_its_own_way() {
        let effort = |effort| Reasoning { effort: Some(effort), ..Reasoning::default() };
        let tokens = |budget| Reasoning { budget: Some(budget), ..Reasoning::default() };
        let adaptive = Reasoning { is_adaptive: true, ..Reasoning::default() };
        for (reasoning, model, expected, is_lost) in [
            (
                effort(Effort::High),
                "gemini-3-flash",
                json!({"thinkingLevel": "HIGH", "includeThoughts": true}),
                false,
            ),
            (
                effort(Effort::Medium),
                "gemini-3-pro-preview",
                json!({"thinkingLevel": "HIGH", "includeThoughts": true}),
                false,
            ),
            (
                effort(Effort::Medium),
                "gemini-3.1-pro",
                json!({"thinkingLevel": "MEDIUM", "includeThoughts": true}),
                false,
            ),
            (effort(Effort::None), "gemini-3-flash", json!({"thinkingLevel": "MINIMAL"}), false),
            (effort(Effort::None), "gemini-3.1-pro", json!({"thinkingLevel": "LOW"}), true),
            (
                tokens(2_000),
                "gemini-3.5-flash",
                json!({"thinkingLevel": "MEDIUM", "includeThoughts": true}),
                false,
            ),
            (adaptive.clone(), "gemini-3.5-flash", json!({"includeThoughts": true}), false),
            (
                effort(Effort::Low),
                "gemini-2.5-flash",
                json!({"thinkingBudget": 1024, "includeThoughts": true}),
                false,
            ),
            (
                tokens(64_000),
                "gemini-2.5-flash",
                json!({"thinkingBudget": 24576, "includeThoughts": true}),
                false,
            ),
            (tokens(0), "gemini-2.5-flash", json!({"thinkingBudget": 0}), false),
            (tokens(0), "gemini-2.5-pro", json!({"thinkingBudget": 128}), true),
            (adaptive, "gemini-2.5-flash", json!({"thinkingBudget": -1, "includeThoughts": true}), false),
            (effort(Effort::High), "gemini-2.0-flash", json!({}), true),
            (effort(Effort::None), "gemini-2.0-flash", json!({}), false),
        ] {
            let mut losses = Losses::default();
            let config = encode(&reasoning, Dialect::Messages, Model::named(model), &mut losses);
            assert_eq!(Value::Object(config), expected, "{model} {reasoning:?}");
            assert_eq!(losses.has(Field::Reasoning), is_lost, "{model} {reasoning:?}");
        }
    }
}

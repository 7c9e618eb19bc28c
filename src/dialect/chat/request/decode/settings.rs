//! How a model is to answer.

use crate::conversation::{Effort, Format, Reasoning, Settings};
use crate::dialect::chat::part;
use crate::json::{FieldError, Fields};
use serde_json::Value;

/// Takes all settings.
pub(super) fn settings(fields: &mut Fields) -> Result<Settings, FieldError> {
    let (newer, older) = (fields.count("max_completion_tokens")?, fields.count("max_tokens")?);
    let mut settings = Settings {
        max_output_tokens: newer.or(older),
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        top_k: fields.number("top_k")?,
        frequency_penalty: fields.number("frequency_penalty")?,
        presence_penalty: fields.number("presence_penalty")?,
        seed: fields.number("seed")?,
        stop: fields.strings("stop")?.unwrap_or_default(),
        n: fields.count("n")?,
        logprobs: fields.boolean("logprobs")?,
        top_logprobs: fields.count("top_logprobs")?,
        format: format(fields)?,
        verbosity: fields.string("verbosity")?,
        reasoning: reasoning(fields)?,
        user: fields.string("user")?,
        service_tier: fields.string("service_tier")?,
        prompt_cache_key: fields.string("prompt_cache_key")?,
        store: fields.boolean("store")?,
        ..Settings::default()
    };
    // OpenAI's newer name for the same thing.
    if settings.user.is_none() {
        settings.user = fields.string("safety_identifier")?;
    }
    if let Some(metadata) = fields.object("metadata")? {
        let path = metadata.own_path().to_owned();
        for (name, value) in metadata.rest() {
            let Value::String(text) = value else {
                return Err(FieldError::new(format!("{path}.{name}"), "a string"));
            };
            settings.metadata.insert(name, text);
        }
    }
    Ok(settings)
}

/// `response_format`; a type that is not known here (a grammar) stays.
fn format(fields: &mut Fields) -> Result<Option<Format>, FieldError> {
    let Some(mut format) = fields.object("response_format")? else { return Ok(None) };
    let kind = format.required("type")?;
    match kind.as_str() {
        "text" => Ok(Some(Format::Text)),
        "json_object" => Ok(Some(Format::JsonObject)),
        "json_schema" => {
            let Some(mut inner) = format.object("json_schema")? else {
                return Err(format.error("json_schema", "an object"));
            };
            let schema = inner.object("schema")?.map(|schema| schema.rest()).unwrap_or_default();
            Ok(Some(Format::JsonSchema {
                name: inner.string("name")?,
                description: inner.string("description")?,
                schema: Value::Object(schema),
                strict: inner.boolean("strict")?,
            }))
        }
        _ => {
            format.put("type", kind.into());
            fields.put("response_format", Value::Object(format.rest()));
            Ok(None)
        }
    }
}

/// `reasoning_effort`, OpenRouter's `reasoning` (it says whether reasoning is shown: that tells it from the others), and
/// `thinking` as DeepSeek, Moonshot and Z.ai have it. A word for an effort that is not known here stays.
fn reasoning(fields: &mut Fields) -> Result<Option<Reasoning>, FieldError> {
    let mut wanted = Reasoning::default();
    effort(fields, "reasoning_effort", &mut wanted)?;
    if let Some(mut object) = fields.object("reasoning")? {
        effort(&mut object, "effort", &mut wanted)?;
        wanted.budget = object.count("max_tokens")?;
        wanted.is_shown = Some(!object.boolean("exclude")?.unwrap_or_default());
        wanted.is_adaptive = object.get("enabled") == Some(&Value::Bool(true));
        if wanted.is_adaptive {
            object.take("enabled");
        }
        part::put_rest(fields, "reasoning", object);
    }
    if let Some(mut thinking) = fields.object("thinking")? {
        let budget = thinking.count("budget_tokens")?;
        match thinking.string("type")?.as_deref() {
            Some("disabled") => wanted.budget = Some(0),
            Some("enabled") if budget.is_some() => wanted.budget = budget,
            Some("enabled") => wanted.is_adaptive = true,
            Some(other) => thinking.put("type", other.into()),
            None => {}
        }
        part::put_rest(fields, "thinking", thinking);
    }
    Ok((wanted != Reasoning::default()).then_some(wanted))
}

fn effort(fields: &mut Fields, name: &str, wanted: &mut Reasoning) -> Result<(), FieldError> {
    if let Some(word) = fields.string(name)? {
        match Effort::parse(&word) {
            Some(effort) => wanted.effort = Some(effort),
            None => fields.put(name, word.into()),
        }
    }
    Ok(())
}

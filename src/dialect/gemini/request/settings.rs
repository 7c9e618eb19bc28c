//! `generationConfig`: how the model is to answer.

use super::{schema, thinking};
use crate::conversation::{Dialect, Extras, Field, Format, Losses, Request, Settings};
use crate::dialect::gemini::model::Model;
use crate::dialect::gemini::nested;
use crate::dialect::translate::Target;
use crate::json::{FieldError, Fields};
use serde_json::{Map, Number, Value};

/// The most stop sequences that Gemini takes.
const MOST_STOPS: usize = 5;

/// Reads the configuration; what the hub has no name for goes to the extras.
pub(super) fn decode(
    mut config: Fields,
    settings: &mut Settings,
    extras: &mut Extras,
) -> Result<(), FieldError> {
    settings.max_output_tokens = config.count("maxOutputTokens")?;
    settings.temperature = config.number("temperature")?;
    settings.top_p = config.number("topP")?;
    settings.top_k = config.number("topK")?;
    settings.frequency_penalty = config.number("frequencyPenalty")?;
    settings.presence_penalty = config.number("presencePenalty")?;
    settings.seed = config.number("seed")?;
    settings.stop = config.strings("stopSequences")?.unwrap_or_default();
    settings.n = config.count("candidateCount")?;
    settings.logprobs = config.boolean("responseLogprobs")?;
    settings.top_logprobs = config.count("logprobs")?;
    settings.format = format(&mut config)?;
    if let Some(thoughts) = config.object("thinkingConfig")? {
        settings.reasoning = Some(thinking::decode(thoughts, extras)?);
    }
    nested::keep(extras, "generationConfig", config.rest());
    Ok(())
}

/// What the text must be. An enumeration (`text/x.enum`) is no JSON and stays as it was said.
fn format(config: &mut Fields) -> Result<Option<Format>, FieldError> {
    let Some(kind) = config.string("responseMimeType")? else { return Ok(None) };
    match kind.as_str() {
        "text/plain" => return Ok(Some(Format::Text)),
        "application/json" => {}
        _ => {
            config.put("responseMimeType", Value::String(kind));
            return Ok(None);
        }
    }
    let schema = match config.take("responseJsonSchema") {
        Some(schema) => Some(schema),
        None => config.take("responseSchema").map(schema::to_json_schema),
    };
    Ok(Some(schema.map_or(Format::JsonObject, |schema| Format::JsonSchema {
        name: None,
        description: None,
        schema,
        strict: None,
    })))
}

/// Writes the configuration, and notes which of the settings have no place in it.
pub(super) fn encode(
    request: &Request,
    target: &Target<'_>,
    has_functions: bool,
    losses: &mut Losses,
) -> Map<String, Value> {
    let settings = &request.settings;
    let is_own = request.dialect == Dialect::Gemini;
    let model = Model::named(target.model);
    let mut config = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            config.insert(name.to_owned(), value);
        }
    };
    let number = |number: &Option<Number>| number.clone().map(Value::Number);
    let limit = target.max_output_tokens.unwrap_or(u64::MAX);
    put("temperature", number(&settings.temperature));
    put("topP", number(&settings.top_p));
    put("topK", number(&settings.top_k));
    put("candidateCount", settings.n.filter(|n| is_own || *n > 1).map(Value::from));
    put("maxOutputTokens", settings.max_output_tokens.map(|most| Value::from(most.min(limit))));
    let stops = settings.stop.get(..MOST_STOPS).filter(|_| !is_own).unwrap_or(&settings.stop);
    losses.note_if(stops.len() < settings.stop.len(), Field::Stop);
    put("stopSequences", Some(stops).filter(|stops| !stops.is_empty()).map(Value::from));
    put("frequencyPenalty", number(&settings.frequency_penalty));
    put("presencePenalty", number(&settings.presence_penalty));
    put("seed", settings.seed.as_ref().map(seed));
    put("responseLogprobs", settings.logprobs.filter(|wanted| is_own || *wanted).map(Value::from));
    put("logprobs", settings.top_logprobs.filter(|count| is_own || *count > 0).map(Value::from));
    // Before Gemini 3 functions and JSON exclude each other: "Function calling with a response mime type … is unsupported".
    let takes_format = is_own || model.is_3 || !has_functions;
    match settings.format.as_ref() {
        Some(Format::Text) => put("responseMimeType", is_own.then(|| Value::from("text/plain"))),
        Some(_) if !takes_format => losses.note(Field::Format),
        Some(Format::JsonObject) => put("responseMimeType", Some("application/json".into())),
        Some(Format::JsonSchema { schema, description, .. }) => {
            put("responseMimeType", Some("application/json".into()));
            let mut written =
                if is_own { schema.clone() } else { schema::for_google(schema.clone(), losses) };
            if let (Some(text), Value::Object(written)) = (description, &mut written) {
                written.entry("description").or_insert_with(|| Value::from(text.as_str()));
            }
            put("responseJsonSchema", Some(written));
        }
        None => {}
    }
    if let Some(reasoning) = &settings.reasoning {
        let written = thinking::encode(reasoning, request.dialect, model, losses);
        put("thinkingConfig", Some(written).filter(|it| !it.is_empty()).map(Value::Object));
    }
    note_homeless(settings, request.dialect, losses);
    config
}

/// Gemini's seed has 32 bits; a longer one is cut, the same each time.
fn seed(seed: &Number) -> Value {
    match seed.as_i64() {
        Some(whole) if i32::try_from(whole).is_err() => Value::from(whole & 0x7fff_ffff),
        _ => Value::Number(seed.clone()),
    }
}

fn note_homeless(settings: &Settings, dialect: Dialect, losses: &mut Losses) {
    losses.note_if(settings.verbosity.is_some(), Field::Verbosity);
    losses.note_if(!settings.metadata.is_empty(), Field::Metadata);
    losses.note_if(settings.user.is_some(), Field::User);
    losses.note_if(settings.prompt_cache_key.is_some(), Field::PromptCacheKey);
    // Answers of the Responses dialect are stored by the gateway itself.
    losses.note_if(dialect == Dialect::Chat && settings.store == Some(true), Field::Store);
}

/// `serviceTier` as Google names it.
pub(super) fn service_tier(request: &Request, losses: &mut Losses) -> Option<Value> {
    let tier = request.settings.service_tier.as_deref()?;
    if request.dialect == Dialect::Gemini {
        return Some(tier.into());
    }
    match tier {
        "auto" => None,
        "default" | "standard" | "standard_only" => Some("standard".into()),
        "flex" | "priority" => Some(tier.into()),
        _ => {
            losses.note(Field::ServiceTier);
            None
        }
    }
}

//! Settings of the hub as members of the body.

use crate::conversation::tool_call_id::fit;
use crate::conversation::{Effort, Field, Format, Losses, Reasoning, Settings};
use crate::dialect::translate::Target;
use crate::json::json;
use serde_json::{Map, Value};

/// OpenAI takes no more texts at which to stop.
const STOPS: usize = 4;
/// OpenAI takes no longer id of a user.
const USER_CHARACTERS: usize = 64;

/// Writes all settings.
pub(super) fn put(
    settings: Settings,
    body: &mut Map<String, Value>,
    is_own: bool,
    target: &Target<'_>,
    losses: &mut Losses,
) {
    let is_openai = target.is_openai;
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.into(), value);
        }
    };
    let tokens = if is_openai { "max_completion_tokens" } else { "max_tokens" };
    set(tokens, settings.max_output_tokens.map(Value::from));
    set("temperature", settings.temperature.map(Value::Number));
    set("top_p", settings.top_p.map(Value::Number));
    set("frequency_penalty", settings.frequency_penalty.map(Value::Number));
    set("presence_penalty", settings.presence_penalty.map(Value::Number));
    set("seed", settings.seed.map(Value::Number));
    set("n", settings.n.map(Value::from));
    // OpenAI takes the number of likeliest tokens only along with the wish.
    let logprobs = settings.logprobs.or_else(|| settings.top_logprobs.filter(|_| !is_own).map(|_| true));
    set("logprobs", logprobs.map(Value::from));
    set("top_logprobs", settings.top_logprobs.map(Value::from));

    let mut stop = settings.stop;
    if is_openai && !is_own && stop.len() > STOPS {
        losses.note(Field::Stop);
        stop.truncate(STOPS);
    }
    set("stop", (!stop.is_empty()).then(|| Value::from(stop)));
    set("response_format", settings.format.map(format));
    let user = settings.user.map(|user| {
        let is_long = is_openai && !is_own && user.len() > USER_CHARACTERS;
        Value::from(if is_long { fit(&user, USER_CHARACTERS).into_owned() } else { user })
    });
    set("user", user);

    // What others than OpenAI may refuse, or what another dialect means for the gateway.
    let mut keep = |name: &str, value: Option<Value>, is_known: bool, field: Field| {
        if is_own || is_known {
            set(name, value);
        } else {
            losses.note_if(value.is_some(), field);
        }
    };
    keep("top_k", settings.top_k.map(Value::Number), false, Field::TopK);
    keep("verbosity", settings.verbosity.map(Value::from), is_openai, Field::Verbosity);
    keep("prompt_cache_key", settings.prompt_cache_key.map(Value::from), is_openai, Field::PromptCacheKey);
    let tier = settings.service_tier;
    let is_tier =
        is_openai && matches!(tier.as_deref(), Some("auto" | "default" | "flex" | "priority" | "scale"));
    keep("service_tier", tier.map(Value::from), is_tier, Field::ServiceTier);
    // OpenAI takes metadata only of what it stores; what others ask to be stored the gateway stores.
    let metadata = (!settings.metadata.is_empty()).then(|| json!(settings.metadata));
    keep("metadata", metadata, false, Field::Metadata);
    if is_own {
        set("store", settings.store.map(Value::from));
    }
    if let Some(wanted) = settings.reasoning {
        if is_own { own_reasoning(&wanted, body) } else { reasoning(&wanted, body, target, losses) }
    }
}

/// As it was said; see `decode`.
fn own_reasoning(wanted: &Reasoning, body: &mut Map<String, Value>) {
    let effort = wanted.effort.map(|effort| Value::from(effort.as_str()));
    if let Some(is_shown) = wanted.is_shown {
        let mut object = Map::new();
        object.extend(effort.map(|effort| ("effort".to_owned(), effort)));
        object.extend(wanted.budget.map(|budget| ("max_tokens".to_owned(), budget.into())));
        if wanted.is_adaptive {
            object.insert("enabled".into(), true.into());
        }
        if !is_shown {
            object.insert("exclude".into(), true.into());
        }
        body.insert("reasoning".into(), Value::Object(object));
        return;
    }
    body.extend(effort.map(|effort| ("reasoning_effort".to_owned(), effort)));
    let thinking = match wanted.budget {
        Some(0) => json!({ "type": "disabled" }),
        Some(budget) => json!({ "type": "enabled", "budget_tokens": budget }),
        None if wanted.is_adaptive => json!({ "type": "enabled" }),
        None => return,
    };
    body.insert("thinking".into(), thinking);
}

/// In words, which is all that this dialect has. OpenAI's models before its reasoning ones refuse the field; `none` is not
/// known to all that reason, so that who merely gave no budget gets the least that is known to all.
fn reasoning(wanted: &Reasoning, body: &mut Map<String, Value>, target: &Target<'_>, losses: &mut Losses) {
    let Some(effort) = wanted.in_words() else { return };
    let cannot = ["gpt-4", "gpt-3.5", "chatgpt-"].iter().any(|family| target.model.starts_with(family));
    let effort = match (effort, target.is_openai) {
        (Effort::None, _) if cannot => return,
        _ if cannot => return losses.note(Field::Reasoning),
        (Effort::None, true) if wanted.effort.is_none() => Effort::Low,
        (Effort::Max, true) => Effort::ExtraHigh,
        (effort, true) => effort,
        (Effort::None, false) => return losses.note(Field::Reasoning),
        (Effort::Minimal, false) => Effort::Low,
        (Effort::ExtraHigh | Effort::Max, false) => Effort::High,
        (effort, false) => effort,
    };
    body.insert("reasoning_effort".into(), effort.as_str().into());
}

fn format(format: Format) -> Value {
    match format {
        Format::Text => json!({ "type": "text" }),
        Format::JsonObject => json!({ "type": "json_object" }),
        Format::JsonSchema { name, description, schema, strict } => {
            let mut inner = Map::new();
            inner.insert("name".into(), name.unwrap_or_else(|| "response".into()).into());
            inner.extend(description.map(|description| ("description".to_owned(), description.into())));
            inner.insert("schema".into(), schema);
            inner.extend(strict.map(|strict| ("strict".to_owned(), strict.into())));
            json!({ "type": "json_schema", "json_schema": inner })
        }
    }
}

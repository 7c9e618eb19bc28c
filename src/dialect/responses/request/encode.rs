//! A request out of the hub, for an upstream that speaks this dialect.

use super::{LOGPROBS, REASONING_STATE};
use crate::conversation::{
    Block, Content, Dialect, Effort, Field, Format, Losses, Reasoning, Request, Settings, ToolKind,
    tool_call_id,
};
use crate::dialect::responses::item::encode::{Encoder, Reader};
use crate::dialect::responses::item::{merge, object};
use crate::dialect::responses::tool;
use crate::dialect::translate::Target;
use serde_json::{Map, Value};

/// The least that OpenAI takes for `max_output_tokens`.
const LEAST_OUTPUT_TOKENS: u64 = 16;
/// OpenAI takes no longer id of a user; Claude Code's has more.
const USER_CHARACTERS: usize = 64;

/// Writes a request; what it cannot carry is noted.
pub fn encode(request: Request, target: &Target<'_>, losses: &mut Losses) -> Vec<u8> {
    let is_own = request.dialect == Dialect::Responses;
    let mut body = object([("model", target.model.into())]);
    if let Some(instructions) = instructions(request.instructions, is_own, losses) {
        body.insert("instructions".into(), Value::String(instructions));
    }
    let mut items = Encoder::new(Reader::Upstream, is_own, losses);
    let has_messages = !request.messages.is_empty();
    request.messages.into_iter().for_each(|message| items.push(message));
    let items = items.finish();
    if has_messages || !is_own {
        body.insert("input".into(), Value::Array(items));
    }
    if request.stream {
        body.insert("stream".into(), Value::Bool(true));
    }
    let is_custom = |kind: &ToolKind| matches!(kind, ToolKind::Custom { .. });
    let custom = request.tools.iter().filter(|tool| is_custom(&tool.kind)).filter_map(|tool| tool.name());
    let custom: Vec<String> = custom.map(str::to_owned).collect();
    let tools: Vec<Value> =
        request.tools.into_iter().filter_map(|tool| tool::encode(tool, is_own, losses)).collect();
    if !tools.is_empty() {
        body.insert("tools".into(), Value::Array(tools));
    }
    let choice = request.tool_choice;
    if let Some(choice) = choice.and_then(|choice| tool::encode_choice(choice, &custom, is_own, losses)) {
        body.insert("tool_choice".into(), choice);
    }
    if let Some(parallel) = request.parallel_tool_calls {
        body.insert("parallel_tool_calls".into(), Value::Bool(parallel));
    }
    let include = request.extras.get("include").cloned();
    settings(request.settings, request.dialect, target, include, &mut body, losses);
    if is_own {
        merge(&mut body, request.extras);
    } else {
        losses.note_extras("", &request.extras);
    }
    serde_json::to_vec(&body).unwrap_or_default()
}

/// All texts, for the API takes one.
fn instructions(blocks: Vec<Block>, is_own: bool, losses: &mut Losses) -> Option<String> {
    let mut texts = Vec::new();
    for block in blocks {
        losses.note_if(block.cache.is_some(), Field::CacheBreakpoint);
        if !is_own {
            losses.note_extras("system", &block.extras);
        }
        match block.content {
            Content::Text(text) => texts.push(text.text),
            _ => losses.note(Field::NativeBlock),
        }
    }
    (!texts.is_empty()).then(|| texts.join("\n\n"))
}

fn settings(
    settings: Settings,
    dialect: Dialect,
    target: &Target<'_>,
    include: Option<Value>,
    body: &mut Map<String, Value>,
    losses: &mut Losses,
) {
    let is_own = dialect == Dialect::Responses;
    note_absent(&settings, losses);
    let thinks = thinks(&settings, target.model);
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    let least = if is_own { 0 } else { LEAST_OUTPUT_TOKENS };
    put("max_output_tokens", settings.max_output_tokens.map(|tokens| tokens.max(least).into()));
    put("temperature", settings.temperature.map(Value::Number));
    put("top_p", settings.top_p.map(Value::Number));
    put("top_logprobs", settings.top_logprobs.map(Value::from));
    put("text", text(settings.format, settings.verbosity));
    put("reasoning", settings.reasoning.and_then(|asked| reasoning(asked, dialect)));
    if !settings.metadata.is_empty() {
        let pairs = settings.metadata.into_iter().map(|(name, value)| (name, Value::String(value)));
        put("metadata", Some(Value::Object(pairs.collect())));
    }
    let user = if target.is_openai { "safety_identifier" } else { "user" };
    put(
        user,
        settings.user.map(|id| match target.is_openai && !is_own {
            true => tool_call_id::fit(&id, USER_CHARACTERS).into_owned().into(),
            false => Value::String(id),
        }),
    );
    let tier = settings.service_tier.and_then(|tier| service_tier(tier, is_own, losses));
    put("service_tier", tier.map(Value::String));
    put("prompt_cache_key", settings.prompt_cache_key.map(Value::String));
    // Here a provider stores unless told, everywhere else it does not.
    let store = if is_own { settings.store } else { Some(settings.store.unwrap_or(false)) };
    put("store", store.map(Value::Bool));

    let mut included = match include {
        Some(Value::Array(included)) if is_own => included,
        _ => Vec::new(),
    };
    if settings.logprobs == Some(true) {
        included.push(LOGPROBS.into());
    }
    // What is not stored there must come with the answer, or the next turn cannot go on with the thought.
    if settings.reasoning_state == Some(true) || (store == Some(false) && thinks) {
        included.push(REASONING_STATE.into());
    }
    if !included.is_empty() {
        put("include", Some(Value::Array(included)));
    }
}

/// What the API has no place for.
fn note_absent(settings: &Settings, losses: &mut Losses) {
    losses.note_if(settings.top_k.is_some(), Field::TopK);
    losses.note_if(settings.frequency_penalty.is_some(), Field::FrequencyPenalty);
    losses.note_if(settings.presence_penalty.is_some(), Field::PresencePenalty);
    losses.note_if(settings.seed.is_some(), Field::Seed);
    losses.note_if(!settings.stop.is_empty(), Field::Stop);
    losses.note_if(settings.n.is_some_and(|n| n > 1), Field::Choices);
}

/// Whether the model has reasoning state to give; asked of one that does not think, OpenAI refuses the whole call
/// ("Encrypted content is not supported with this model").
fn thinks(settings: &Settings, model: &str) -> bool {
    let is_asked = settings.reasoning.as_ref().is_some_and(|reasoning| {
        reasoning.in_words().map_or(reasoning.is_adaptive, |effort| effort != Effort::None)
    });
    let name = model.rsplit('/').next().unwrap_or(model);
    let digit = |prefix: &str| {
        name.strip_prefix(prefix).and_then(|rest| rest.bytes().next()).filter(u8::is_ascii_digit)
    };
    let is_known = digit("o").is_some()
        || digit("gpt-").is_some_and(|version| version >= b'5') && !name.contains("-chat")
        || name.starts_with("codex");
    is_asked || is_known
}

fn text(format: Option<Format>, verbosity: Option<String>) -> Option<Value> {
    let mut text = Map::new();
    if let Some(format) = format {
        text.insert("format".into(), Value::Object(self::format(format)));
    }
    if let Some(verbosity) = verbosity {
        text.insert("verbosity".into(), Value::String(verbosity));
    }
    (!text.is_empty()).then_some(Value::Object(text))
}

fn format(format: Format) -> Map<String, Value> {
    match format {
        Format::Text => object([("type", "text".into())]),
        Format::JsonObject => object([("type", "json_object".into())]),
        Format::JsonSchema { name, description, schema, strict } => {
            let name = name.unwrap_or_else(|| "response".to_owned());
            let mut format =
                object([("type", "json_schema".into()), ("name", Value::String(name)), ("schema", schema)]);
            if let Some(description) = description {
                format.insert("description".into(), Value::String(description));
            }
            if let Some(strict) = strict {
                format.insert("strict".into(), Value::Bool(strict));
            }
            format
        }
    }
}

fn reasoning(asked: Reasoning, dialect: Dialect) -> Option<Value> {
    let mut reasoning = Map::new();
    let effort = asked.in_words();
    if let Some(effort) = effort {
        reasoning.insert("effort".into(), effort.as_str().into());
    }
    // Messages shows what was thought unless told; OpenAI must be asked.
    let is_on = asked.is_adaptive || effort.is_some_and(|effort| effort != Effort::None);
    let is_shown = asked.is_shown.unwrap_or(dialect == Dialect::Messages && is_on);
    if let Some(summary) = asked.summary.or_else(|| is_shown.then(|| "auto".to_owned())) {
        reasoning.insert("summary".into(), Value::String(summary));
    }
    (!reasoning.is_empty()).then_some(Value::Object(reasoning))
}

/// Messages' `standard_only` is OpenAI's `default`.
fn service_tier(tier: String, is_own: bool, losses: &mut Losses) -> Option<String> {
    match tier.as_str() {
        "standard_only" if !is_own => Some("default".to_owned()),
        "auto" | "default" | "flex" | "scale" | "priority" => Some(tier),
        _ if is_own => Some(tier),
        _ => {
            losses.note(Field::ServiceTier);
            None
        }
    }
}

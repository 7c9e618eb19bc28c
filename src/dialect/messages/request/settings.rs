//! How the model is to answer, as this API and this model take it.

use crate::conversation::{Dialect, Effort, Field, Format, Losses, Reasoning, Settings};
use crate::dialect::messages::block::{Members, merge};
use crate::dialect::messages::generation::Generation;
use crate::dialect::messages::request::schema;
use crate::json::json;
use serde_json::{Number, Value};

/// The least budget of a thought that the API takes.
const LEAST_BUDGET: u64 = 1_024;

/// What there is to write, and what it depends on.
pub(super) struct Asked {
    pub(super) settings: Settings,
    pub(super) is_own: bool,
    pub(super) generation: Generation,
    /// The most that the model can write.
    pub(super) most_tokens: Option<u64>,
    /// The conversation is one that may go on with a thinking budget.
    pub(super) can_think_by_budget: bool,
    /// A thought of another provider was left out of a conversation of this dialect.
    pub(super) has_lost_thought: bool,
}

impl Asked {
    /// What was asked for; else the most that the model can write; else what every model of its generation can.
    fn max_tokens(&self) -> u64 {
        let asked = self.settings.max_output_tokens.filter(|asked| self.is_own || *asked > 0);
        let most = self.most_tokens.filter(|most| *most > 0);
        match (asked, most) {
            (Some(asked), Some(most)) if !self.is_own => asked.min(most),
            (Some(asked), _) => asked,
            (None, Some(most)) => most,
            (None, None) => self.generation.default_max_tokens(),
        }
    }
}

/// The settings of this dialect's client.
pub(super) fn as_said(asked: Asked, body: &mut Members, losses: &mut Losses) {
    body.insert("max_tokens".into(), asked.max_tokens().into());
    let settings = asked.settings;
    if let Some(reasoning) = settings.reasoning {
        let kind = match reasoning.budget {
            Some(0) => Some(json!({ "type": "disabled" })),
            Some(budget) if asked.has_lost_thought && !asked.can_think_by_budget => {
                losses.note_if(budget > 0, Field::Reasoning);
                None
            }
            Some(budget) => Some(json!({ "type": "enabled", "budget_tokens": budget })),
            None if reasoning.is_adaptive => Some(json!({ "type": "adaptive" })),
            None => None,
        };
        if let Some(mut thinking) = kind {
            if let (Some(is_shown), Some(thinking)) = (reasoning.is_shown, thinking.as_object_mut()) {
                thinking.insert("display".into(), display(is_shown));
            }
            body.insert("thinking".into(), thinking);
        }
        if let Some(effort) = reasoning.effort {
            merge(body, "output_config", json!({ "effort": effort.as_str() }));
        }
    }
    if let Some(Format::JsonSchema { schema, .. }) = settings.format {
        merge(body, "output_config", json!({ "format": { "type": "json_schema", "schema": schema } }));
    }
    let numbers =
        [("temperature", settings.temperature), ("top_p", settings.top_p), ("top_k", settings.top_k)];
    for (name, number) in numbers {
        insert(body, name, number.map(Value::Number));
    }
    if !settings.stop.is_empty() {
        body.insert("stop_sequences".into(), settings.stop.into());
    }
    insert(body, "metadata", settings.user.map(|user| json!({ "user_id": user })));
    insert(body, "service_tier", settings.service_tier.map(Value::String));
}

/// The settings of another dialect's client. `is_forced`: a tool must be called, with which no model thinks.
pub(super) fn fitted(
    asked: Asked,
    is_forced: bool,
    dialect: Dialect,
    body: &mut Members,
    losses: &mut Losses,
) {
    let mut max_tokens = asked.max_tokens();
    let mut thinks = asked.generation.thinks_unasked();
    if let Some(reasoning) = &asked.settings.reasoning {
        let thinking = thinking(reasoning, &asked, is_forced, &mut max_tokens, body, losses);
        thinks = thinking.as_ref().is_some_and(|it| it.get("type").is_some_and(|kind| kind != "disabled"));
        insert(body, "thinking", thinking);
    }
    body.insert("max_tokens".into(), max_tokens.into());
    let Asked { settings, generation, .. } = asked;
    format(settings.format, generation, body, losses);
    let sampling =
        Sampling { temperature: settings.temperature, top_p: settings.top_p, top_k: settings.top_k };
    sampling.write(thinks, generation, body, losses);

    let (stop, blank): (Vec<_>, Vec<_>) = settings.stop.into_iter().partition(|text| !text.trim().is_empty());
    losses.note_if(!blank.is_empty(), Field::Stop);
    if !stop.is_empty() {
        body.insert("stop_sequences".into(), stop.into());
    }
    let mut metadata = settings.metadata;
    let user = settings.user.or_else(|| metadata.remove("user_id"));
    losses.note_if(!metadata.is_empty(), Field::Metadata);
    insert(body, "metadata", user.map(|user| json!({ "user_id": user })));
    match settings.service_tier.as_deref() {
        None => {}
        Some("auto") => insert(body, "service_tier", Some("auto".into())),
        Some("default" | "standard_only") => insert(body, "service_tier", Some("standard_only".into())),
        Some(_) => losses.note(Field::ServiceTier),
    }
    let is_set =
        |number: &Option<Number>| number.as_ref().and_then(Number::as_f64).is_some_and(|it| it != 0.0);
    losses.note_if(is_set(&settings.frequency_penalty), Field::FrequencyPenalty);
    losses.note_if(is_set(&settings.presence_penalty), Field::PresencePenalty);
    losses.note_if(settings.seed.is_some(), Field::Seed);
    losses.note_if(settings.n.is_some_and(|n| n > 1), Field::Choices);
    losses.note_if(settings.logprobs == Some(true), Field::Logprobs);
    losses.note_if(settings.top_logprobs.is_some_and(|top| top > 0), Field::TopLogprobs);
    losses.note_if(settings.verbosity.is_some_and(|verbosity| verbosity != "medium"), Field::Verbosity);
    losses.note_if(settings.prompt_cache_key.is_some(), Field::PromptCacheKey);
    // Responses are stored by the gateway itself.
    losses.note_if(settings.store == Some(true) && dialect != Dialect::Responses, Field::Store);
}

/// `thinking`, and `output_config.effort` where the model decides how much.
fn thinking(
    reasoning: &Reasoning,
    asked: &Asked,
    is_forced: bool,
    max_tokens: &mut u64,
    body: &mut Members,
    losses: &mut Losses,
) -> Option<Value> {
    let generation = asked.generation;
    let is_summary_special = matches!(reasoning.summary.as_deref(), Some("concise" | "detailed"));
    losses.note_if(is_summary_special, Field::ReasoningSummary);
    if reasoning.in_words() == Some(Effort::None) && !reasoning.is_adaptive {
        if generation.can_stop_thinking() {
            return generation.thinks_unasked().then(|| json!({ "type": "disabled" }));
        }
        losses.note(Field::Reasoning);
        merge(body, "output_config", json!({ "effort": generation.effort(Effort::Low) }));
        return None;
    }
    let wants_sight = reasoning.is_shown == Some(true) || reasoning.summary.is_some();
    let wants_thought = reasoning.in_words().is_some() || reasoning.is_adaptive || wants_sight;
    if !wants_thought {
        return None;
    }
    if generation.is_adaptive() {
        if let Some(effort) = reasoning.in_words() {
            merge(body, "output_config", json!({ "effort": generation.effort(effort) }));
        }
        if is_forced {
            losses.note(Field::Reasoning);
            return None;
        }
        let mut thinking = json!({ "type": "adaptive" });
        let is_shown = if wants_sight { Some(true) } else { reasoning.is_shown };
        if let (Some(is_shown), Some(thinking)) = (is_shown, thinking.as_object_mut()) {
            thinking.insert("display".into(), display(is_shown));
        }
        return Some(thinking);
    }
    if !generation.thinks() || is_forced || !asked.can_think_by_budget {
        losses.note(Field::Reasoning);
        return None;
    }
    let budget = reasoning.in_tokens().unwrap_or_else(|| Effort::Medium.budget());
    let budget = fit_budget(budget, max_tokens, asked.most_tokens)?;
    Some(json!({ "type": "enabled", "budget_tokens": budget }))
}

/// A budget that leaves a quarter of what may be written to the answer; where not even the least budget fits, more may be
/// written. `None` where the model cannot write so much.
fn fit_budget(budget: u64, max_tokens: &mut u64, most: Option<u64>) -> Option<u64> {
    if *max_tokens <= LEAST_BUDGET {
        *max_tokens += LEAST_BUDGET;
        if most.is_some_and(|most| *max_tokens > most) {
            *max_tokens -= LEAST_BUDGET;
            return None;
        }
    }
    let room = *max_tokens - (*max_tokens / 4).max(1);
    Some(budget.min(room).max(LEAST_BUDGET))
}

fn display(is_shown: bool) -> Value {
    if is_shown { "summarized".into() } else { "omitted".into() }
}

/// `output_config.format`. There is no mode for JSON of any shape.
fn format(format: Option<Format>, generation: Generation, body: &mut Members, losses: &mut Losses) {
    match format {
        None | Some(Format::Text) => {}
        Some(Format::JsonSchema { mut schema, description, .. }) if generation.has_schemas() => {
            schema::make_strict(&mut schema, losses);
            if let (Some(description), Some(schema)) = (description, schema.as_object_mut()) {
                schema.entry("description").or_insert(description.into());
            }
            merge(body, "output_config", json!({ "format": { "type": "json_schema", "schema": schema } }));
        }
        Some(Format::JsonObject | Format::JsonSchema { .. }) => losses.note(Field::Format),
    }
}

struct Sampling {
    temperature: Option<Number>,
    top_p: Option<Number>,
    top_k: Option<Number>,
}

impl Sampling {
    /// What of it the model takes: nothing from Opus 4.7 on; with a thought only `top_p`, and that near 1
    /// (<https://platform.claude.com/docs/en/build-with-claude/extended-thinking#feature-compatibility>).
    fn write(self, thinks: bool, generation: Generation, body: &mut Members, losses: &mut Losses) {
        let value = |number: &Option<Number>| number.as_ref().and_then(Number::as_f64);
        let (temperature, top_p) = (value(&self.temperature), value(&self.top_p));
        let can_heat = generation.can_be_sampled() && !thinks;
        match temperature {
            None => {}
            // What is above the scale is as warm as it gets.
            Some(degree) if can_heat && degree > 1.0 => insert(body, "temperature", Some(json!(1.0))),
            Some(degree) if can_heat => {
                let number = self.temperature.filter(|_| degree >= 0.0);
                insert(body, "temperature", number.map(Value::Number));
            }
            Some(degree) => losses.note_if(degree < 1.0, Field::Temperature),
        }
        let is_second = temperature.is_some() && can_heat && !generation.can_be_sampled_twice();
        match top_p {
            None => {}
            Some(share)
                if generation.can_be_sampled()
                    && !is_second
                    && (0.0..=1.0).contains(&share)
                    && (!thinks || share >= 0.95) =>
            {
                insert(body, "top_p", self.top_p.map(Value::Number));
            }
            Some(share) => losses.note_if(share < 0.99, Field::TopP),
        }
        let top_k = self.top_k.as_ref().and_then(whole);
        if can_heat && top_k.is_some() {
            insert(body, "top_k", top_k.map(Value::from));
        } else {
            losses.note_if(self.top_k.is_some(), Field::TopK);
        }
    }
}

/// Gemini's `topK` may be written `40.0`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked first")]
fn whole(number: &Number) -> Option<u64> {
    let float = || number.as_f64().filter(|it| (0.0..1e9).contains(it)).map(|it| it as u64);
    number.as_u64().or_else(float)
}

fn insert(body: &mut Members, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        body.insert(name.to_owned(), value);
    }
}

//! How models of other makers than Anthropic are told how much to think: fields of their own, beside Converse's.

use crate::conversation::{Effort, Extras, Field, Losses, Reasoning, Settings};
use crate::dialect::converse::object;
use serde_json::{Number, Value};

/// Asks for it, where the model can be asked. Settings that it does not take beside are taken out.
pub(super) fn ask(
    reasoning: &Reasoning,
    model: &str,
    settings: &mut Settings,
    additional: &mut Extras,
    losses: &mut Losses,
) {
    let is_summary_special = matches!(reasoning.summary.as_deref(), Some("concise" | "detailed"));
    losses.note_if(is_summary_special, Field::ReasoningSummary);
    let asked = reasoning.in_words().or(reasoning.is_adaptive.then_some(Effort::Medium));
    let Some(effort) = asked else { return };
    let word = match effort {
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        _ => "high",
    };
    let is = |name: &str| model.contains(name);
    let (name, value) = match () {
        // <https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html>; off unless asked for.
        () if is("amazon.nova-2") => {
            if effort == Effort::None {
                return;
            }
            let effort = nova(word, settings, losses).into();
            let config = object(&mut [("type", "enabled".into()), ("maxReasoningEffort", effort)]);
            ("reasoningConfig", config)
        }
        () if is("gpt-oss") || is("deepseek.v") => {
            losses.note_if(effort == Effort::None, Field::Reasoning);
            ("reasoning_effort", Value::from(word))
        }
        () if is("openai.") => ("reasoning", object(&mut [("effort", effort.as_str().into())])),
        // Others think as they do.
        () => return losses.note(Field::Reasoning),
    };
    additional.insert(name.into(), value);
}

/// At `high` Nova takes no maximum and no temperature. A maximum may be what the caller, or a limit of the key, can afford: it
/// stays, and the model thinks less.
fn nova(word: &'static str, settings: &mut Settings, losses: &mut Losses) -> &'static str {
    if word != "high" {
        return word;
    }
    if settings.max_output_tokens.is_some() {
        losses.note(Field::Reasoning);
        return "medium";
    }
    let mut take = |number: &mut Option<Number>, field| losses.note_if(number.take().is_some(), field);
    take(&mut settings.temperature, Field::Temperature);
    take(&mut settings.top_p, Field::TopP);
    word
}

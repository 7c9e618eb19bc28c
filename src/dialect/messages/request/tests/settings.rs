//! How the model is to answer, generation by generation.

use super::*;
use crate::conversation::{Effort, Format, Reasoning};
use serde_json::Number;

fn number(value: f64) -> Option<Number> {
    Number::from_f64(value)
}

fn effort(effort: Effort) -> Settings {
    Settings {
        reasoning: Some(Reasoning { effort: Some(effort), ..Reasoning::default() }),
        max_output_tokens: Some(20_000),
        ..Settings::default()
    }
}

#[test]
fn a_limit_is_always_said() {
    let most = |asked, most, model| {
        let request = with(Settings { max_output_tokens: asked, ..Settings::default() });
        let target = Target { model, max_output_tokens: most, ..Target::default() };
        sent_to(request, &target).0["max_tokens"].as_u64().unwrap()
    };
    assert_eq!(most(Some(5), Some(64_000), "claude-haiku-4-5"), 5);
    assert_eq!(most(Some(100_000), Some(64_000), "claude-haiku-4-5"), 64_000);
    assert_eq!(most(None, Some(64_000), "claude-haiku-4-5"), 64_000);
    assert_eq!(most(None, None, "claude-haiku-4-5"), 8_192);
    assert_eq!(most(None, None, "claude-3-haiku-20240307"), 4_096);
}

#[test]
fn thinking_is_asked_for_as_the_generation_takes_it() {
    let enabled = |budget: u64| json!({ "type": "enabled", "budget_tokens": budget });
    let adaptive = json!({ "type": "adaptive" });
    let null = Value::Null;
    let cases = [
        ("claude-haiku-4-5", Effort::High, enabled(15_000), null.clone(), ""),
        ("claude-haiku-4-5", Effort::Low, enabled(1_024), null.clone(), ""),
        ("claude-haiku-4-5", Effort::None, null.clone(), null.clone(), ""),
        ("claude-3-5-haiku-20241022", Effort::High, null.clone(), null.clone(), "thinking"),
        ("claude-opus-4-6", Effort::High, adaptive.clone(), json!("high"), ""),
        ("claude-opus-4-6", Effort::ExtraHigh, adaptive.clone(), json!("high"), ""),
        ("claude-opus-5", Effort::ExtraHigh, adaptive.clone(), json!("xhigh"), ""),
        ("claude-opus-5", Effort::Minimal, adaptive, json!("low"), ""),
        ("claude-opus-5", Effort::None, json!({ "type": "disabled" }), null.clone(), ""),
        ("claude-opus-5-5", Effort::None, null.clone(), json!("low"), "thinking"),
        ("kimi-k2", Effort::Medium, enabled(8_192), null, ""),
    ];
    for (model, asked, thinking, config, lost) in cases {
        let (body, losses) = sent(with(effort(asked)), model);
        assert_eq!(
            (&body["thinking"], &body["output_config"]["effort"]),
            (&thinking, &config),
            "{model} {asked:?}"
        );
        assert_eq!(losses.join(" "), lost, "{model} {asked:?}");
    }
}

#[test]
fn a_budget_leaves_room_for_the_answer() {
    let budget = |asked, most_tokens, model_most| {
        let reasoning = Some(Reasoning { budget: Some(asked), ..Reasoning::default() });
        let request = with(Settings { reasoning, max_output_tokens: most_tokens, ..Settings::default() });
        let target = Target { model: "claude-haiku-4-5", max_output_tokens: model_most, ..Target::default() };
        let (body, _) = sent_to(request, &target);
        (body["thinking"]["budget_tokens"].as_u64(), body["max_tokens"].as_u64().unwrap())
    };
    assert_eq!(budget(2_000, Some(8_000), None), (Some(2_000), 8_000));
    assert_eq!(budget(8_000, Some(8_000), None), (Some(6_000), 8_000));
    assert_eq!(budget(500, Some(8_000), None), (Some(1_024), 8_000));
    assert_eq!(budget(8_000, Some(100), Some(64_000)), (Some(1_024), 1_124), "the least that the API takes");
    assert_eq!(budget(8_000, Some(100), Some(1_000)), (None, 100), "a model that cannot write so much");
}

#[test]
fn thoughts_are_shown_where_that_is_asked() {
    let shown = |is_shown, summary: Option<&str>| {
        let summary = summary.map(str::to_owned);
        let reasoning = Reasoning { is_adaptive: true, is_shown, summary, ..Reasoning::default() };
        let (body, losses) =
            sent(with(Settings { reasoning: Some(reasoning), ..Settings::default() }), "claude-opus-5");
        (body["thinking"]["display"].as_str().map(str::to_owned), losses)
    };
    assert_eq!(shown(None, None), (None, vec![]));
    assert_eq!(shown(Some(true), None).0.as_deref(), Some("summarized"));
    assert_eq!(shown(Some(false), None).0.as_deref(), Some("omitted"));
    assert_eq!(shown(None, Some("auto")), (Some("summarized".into()), vec![]));
    assert_eq!(shown(None, Some("detailed")).1, ["thinking.display"]);
}

#[test]
fn sampling_is_fitted_or_noted() {
    let sampled = |model, temperature, top_p, top_k: Option<f64>, thinks: bool| {
        let reasoning = thinks.then(|| Reasoning { effort: Some(Effort::Low), ..Reasoning::default() });
        let settings = Settings {
            temperature: number(temperature),
            top_p: number(top_p),
            top_k: top_k.and_then(number),
            reasoning,
            ..Settings::default()
        };
        let (body, losses) = sent(with(settings), model);
        let value = |name: &str| body.get(name).and_then(Value::as_f64);
        ([value("temperature"), value("top_p"), value("top_k")], losses.join(" "))
    };
    let cases = [
        (sampled("kimi-k2", 0.5, 0.9, Some(40.0), false), [Some(0.5), Some(0.9), Some(40.0)], ""),
        (sampled("kimi-k2", 1.7, 0.9, None, false), [Some(1.0), Some(0.9), None], ""),
        (sampled("claude-haiku-4-5", 0.5, 0.9, None, false), [Some(0.5), None, None], "top_p"),
        (sampled("claude-haiku-4-5", 0.5, 0.9, Some(4.0), true), [None; 3], "temperature top_p top_k"),
        (sampled("claude-haiku-4-5", 1.0, 0.96, None, true), [None, Some(0.96), None], ""),
        (sampled("claude-opus-4-7", 0.5, 0.9, Some(4.0), false), [None; 3], "temperature top_p top_k"),
        (sampled("claude-opus-4-7", 1.0, 1.0, None, false), [None; 3], ""),
    ];
    for (index, (found, numbers, lost)) in cases.into_iter().enumerate() {
        assert_eq!(found, (numbers, lost.to_owned()), "{index}");
    }
}

#[test]
fn a_format_needs_a_schema_and_a_model_that_keeps_to_it() {
    let format = |format, model| {
        let (body, losses) = sent(with(Settings { format: Some(format), ..Settings::default() }), model);
        (body["output_config"]["format"].clone(), losses)
    };
    let schema = || Format::JsonSchema {
        name: Some("n".into()),
        description: Some("d".into()),
        schema: json!({ "type": "object", "properties": {} }),
        strict: None,
    };
    let closed =
        json!({ "type": "object", "properties": {}, "additionalProperties": false, "description": "d" });
    let expected = json!({ "type": "json_schema", "schema": closed });
    assert_eq!(format(schema(), "claude-opus-4-6"), (expected, vec![]));
    let lost = (Value::Null, vec!["output_config.format".to_owned()]);
    assert_eq!(format(schema(), "claude-sonnet-4-20250514"), lost);
    assert_eq!(format(Format::JsonObject, "claude-opus-4-6"), lost);
    assert_eq!(format(Format::Text, "claude-opus-4-6"), (Value::Null, vec![]));
}

#[test]
fn what_has_no_place_is_noted_by_name() {
    let settings = Settings {
        frequency_penalty: number(0.5),
        presence_penalty: number(0.0),
        seed: Some(7.into()),
        stop: vec!["x".into(), "\n".into()],
        n: Some(2),
        logprobs: Some(true),
        top_logprobs: Some(3),
        verbosity: Some("low".into()),
        metadata: [("user_id", "u"), ("team", "t")].map(|(name, value)| (name.into(), value.into())).into(),
        service_tier: Some("flex".into()),
        prompt_cache_key: Some("k".into()),
        store: Some(true),
        ..Settings::default()
    };
    let (body, losses) = sent(with(settings), "claude-haiku-4-5");
    assert_eq!(body["stop_sequences"], json!(["x"]));
    assert_eq!(body["metadata"], json!({ "user_id": "u" }));
    let expected = [
        "frequency_penalty",
        "seed",
        "stop_sequences",
        "n",
        "logprobs",
        "top_logprobs",
        "verbosity",
        "metadata",
        "service_tier",
        "prompt_cache_key",
        "store",
    ];
    assert_eq!(losses, expected);
}

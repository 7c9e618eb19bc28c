//! A request out of the hub, by way of the Messages dialect.
//!
//! ```
//! use edgeway::conversation::Losses;
//! use edgeway::dialect::{chat, converse, translate::Target};
//!
//! let body = br#"{"model":"x","messages":[{"role":"user","content":"Hi"}],"max_tokens":5}"#;
//! let target = Target { model: "amazon.nova-lite-v1:0", ..Target::default() };
//! let body = converse::request::encode(chat::request::decode(body)?, &target, &mut Losses::default());
//! assert_eq!(
//!     String::from_utf8(body)?,
//!     r#"{"messages":[{"role":"user","content":[{"text":"Hi"}]}],"inferenceConfig":{"maxTokens":5}}"#,
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod content;
mod tools;

use crate::conversation::{Extras, Field, Losses, Request};
use crate::dialect::messages;
use crate::dialect::translate::Target;
use crate::json::json;
use content::Writer;
use serde_json::Value;

/// The most characters of a tool's name, and of a call's id.
const NAME_LIMIT: usize = 64;

/// Writes a request for an upstream of this dialect.
pub fn encode(mut request: Request, target: &Target<'_>, losses: &mut Losses) -> Vec<u8> {
    let model = if target.model.is_empty() { request.model.clone() } else { target.model.to_owned() };
    let maker = Maker::of(&model);
    let tier = request.settings.service_tier.take();
    let has_maximum = request.settings.max_output_tokens.is_some();
    let mut said = messages::request::members(request, target, losses);
    let mut take = |name: &str| said.shift_remove(name);

    let mut writer = Writer::new(maker, losses);
    let mut body = Extras::new();
    let mut put = |name: &str, value: Value| {
        let is_nothing =
            value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Extras::is_empty);
        if !is_nothing {
            body.insert(name.into(), value);
        }
    };
    put("messages", writer.messages(take("messages")).into());
    put("system", writer.blocks(take("system"), false).into());

    let (thinking, effort) = (take("thinking"), take("output_config"));
    let thinking = thinking.filter(|it| it.get("type").is_some_and(|kind| kind != "disabled"));
    // Of a model whose most nobody knows, more than that would be refused; without a maximum it writes as much as it can.
    let max_tokens = take("max_tokens").filter(|_| has_maximum || thinking.is_some());
    let mut inference = Extras::new();
    for (name, value) in [
        ("maxTokens", max_tokens),
        ("temperature", take("temperature")),
        ("topP", take("top_p")),
        ("stopSequences", take("stop_sequences")),
    ] {
        inference.extend(value.map(|value| (name.to_owned(), value)));
    }
    put("inferenceConfig", inference.into());
    put("toolConfig", tools::config(take("tools"), take("tool_choice").as_ref(), &mut writer).into());

    let mut additional = Extras::new();
    let mut output = Extras::new();
    for (name, value, field) in
        [("thinking", thinking, Field::Reasoning), ("top_k", take("top_k"), Field::TopK)]
    {
        let Some(value) = value else { continue };
        match maker {
            Maker::Anthropic => additional.extend([(name.to_owned(), value)]),
            _ => writer.losses.note(field),
        }
    }
    if let Some(Value::Object(mut config)) = effort {
        if let Some(effort) = config.shift_remove("effort") {
            match maker {
                Maker::Anthropic => output.extend([("effort".to_owned(), effort)]),
                _ => writer.losses.note(Field::Reasoning),
            }
        }
        if let Some(schema) = config.get("format").and_then(|format| format.get("schema")) {
            let structure = json!({ "jsonSchema": { "schema": schema.to_string() } });
            match maker {
                Maker::Amazon | Maker::Plain => writer.losses.note(Field::Format),
                _ => output.extend([(
                    "textFormat".into(),
                    json!({ "type": "json_schema", "structure": structure }),
                )]),
            }
        }
    }
    put("additionalModelRequestFields", additional.into());
    put("outputConfig", output.into());
    match tier.as_deref() {
        None | Some("auto") => {}
        Some("standard_only") => put("serviceTier", json!({ "type": "default" })),
        Some(tier @ ("default" | "flex" | "priority")) => put("serviceTier", json!({ "type": tier })),
        Some(_) => writer.losses.note(Field::ServiceTier),
    }
    writer.losses.note_if(take("metadata").is_some(), Field::User);
    take("model");
    take("stream");
    losses.note_extras("", &said);
    // Writing a tree to memory cannot fail.
    serde_json::to_vec(&body).unwrap_or_default()
}

/// Whose model it is, as far as what it takes differs: the name says it, of a foundation model, and of an inference profile
/// that AWS made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Maker {
    /// Claude: thinking, and caches.
    Anthropic,
    /// Nova: caches, but not of tools.
    Amazon,
    /// Those whose models know no JSON Schema.
    Plain,
    /// Any other.
    Other,
}

impl Maker {
    fn of(model: &str) -> Maker {
        let is = |maker: &str| model.contains(maker);
        match () {
            () if is("anthropic.") || is("claude") => Maker::Anthropic,
            () if is("amazon.nova") => Maker::Amazon,
            () if ["amazon.", "meta.", "cohere.", "ai21.", "writer."].into_iter().any(is) => Maker::Plain,
            () => Maker::Other,
        }
    }
}

#[cfg(test)]
mod tests;

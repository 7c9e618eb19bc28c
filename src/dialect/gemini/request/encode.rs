//! From the hub's request to Gemini's.

use super::{call_ids, settings, tools, turns};
use crate::conversation::turns::turns;
use crate::conversation::{Block, Content, Dialect, Field, Losses, Message, Request, Role};
use crate::dialect::gemini::model::Model;
use crate::dialect::gemini::nested;
use crate::dialect::gemini::part::{Parts, Writer};
use crate::dialect::translate::Target;
use crate::json::json;
use serde_json::{Map, Value};

/// What Gemini 3 takes in place of the signature of a call that it did not make itself
/// (<https://ai.google.dev/gemini-api/docs/thought-signatures#faqs>); without one it answers 400.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// Encodes a request of any dialect; what Gemini cannot carry is noted.
#[must_use]
pub fn encode(mut request: Request, target: &Target<'_>, losses: &mut Losses) -> Vec<u8> {
    let is_own = request.dialect == Dialect::Gemini;
    let model = Model::named(target.model);
    let writer = Writer { is_upstream: true, is_own, nests_media: model.is_3 };
    let mut body = Map::new();
    let generation_config = settings::encode(&request, target, tools::has_functions(&request), losses);
    let tool_config = tools::encode_choice(&request, model, losses);
    let service_tier = settings::service_tier(&request, losses);
    losses.note_if(request.parallel_tool_calls == Some(false), Field::ParallelToolCalls);

    let (instructions, mut contents) = if is_own {
        call_ids::clear(&mut request.messages);
        (request.instructions, own_contents(request.messages, &writer, losses))
    } else {
        request.messages.iter().for_each(|message| losses.note_extras("messages", &message.extras));
        let turns = turns(request.instructions, request.messages);
        losses.note_if(turns.had_names, Field::MessageName);
        let mut contents = Vec::with_capacity(turns.turns.len());
        for turn in turns::settle(turns.turns) {
            push_content(&mut contents, turn.role, written(turn.content, &writer, losses));
        }
        if contents.first().is_some_and(|first| first.get("role").is_some_and(|role| role == "model")) {
            // Gemini refuses a conversation that the model begins; a dot says the least.
            contents.insert(0, json!({"role": "user", "parts": [{"text": "."}]}));
        }
        (turns.instructions, contents)
    };
    let mut instruction = system(instructions, &writer, losses);
    if contents.is_empty() && !is_own {
        // Gemini wants something to answer to.
        push_content(&mut contents, Role::User, std::mem::take(&mut instruction));
    }
    if model.is_3 {
        contents.iter_mut().for_each(sign_first_call);
    }
    body.insert("contents".into(), Value::Array(contents));
    if !instruction.is_empty() {
        body.insert("systemInstruction".into(), json!({"parts": instruction}));
    }
    let tools = tools::encode(std::mem::take(&mut request.tools), is_own, model, losses);
    for (name, value) in [
        ("tools", (!tools.is_empty()).then_some(Value::Array(tools))),
        ("toolConfig", (!tool_config.is_empty()).then_some(Value::Object(tool_config))),
        ("generationConfig", (!generation_config.is_empty()).then_some(Value::Object(generation_config))),
        ("serviceTier", service_tier),
        ("store", request.settings.store.filter(|_| is_own).map(Value::Bool)),
    ] {
        if let Some(value) = value {
            body.insert(name.into(), value);
        }
    }
    if is_own {
        nested::put_back(&mut body, request.extras);
    } else {
        losses.note_extras("", &request.extras);
    }
    Value::Object(body).to_string().into_bytes()
}

/// Messages of Gemini's own, one content each.
fn own_contents(messages: Vec<Message>, writer: &Writer, losses: &mut Losses) -> Vec<Value> {
    let mut contents = Vec::with_capacity(messages.len());
    for message in messages {
        let role = if message.role == Role::Assistant { "model" } else { "user" };
        let mut content = Map::new();
        content.insert("role".into(), role.into());
        content.insert("parts".into(), Value::Array(written(message.content, writer, losses)));
        nested::put_back(&mut content, message.extras);
        contents.push(Value::Object(content));
    }
    contents
}

fn written(blocks: Vec<Block>, writer: &Writer, losses: &mut Losses) -> Vec<Value> {
    let mut parts = Parts::default();
    for block in blocks {
        writer.push(block, &mut parts, losses);
    }
    parts.finish()
}

/// Adds a turn; one of which nothing is left is left out, so the next may join the one before.
fn push_content(contents: &mut Vec<Value>, role: Role, mut parts: Vec<Value>) {
    if parts.is_empty() {
        return;
    }
    let role = if role == Role::Assistant { "model" } else { "user" };
    let last = contents.last_mut().filter(|last| last.get("role").is_some_and(|known| known == role));
    match last.and_then(|last| last.get_mut("parts")).and_then(Value::as_array_mut) {
        Some(before) => before.append(&mut parts),
        None => contents.push(json!({"role": role, "parts": parts})),
    }
}

/// The parts of the system instruction: Gemini takes only text there.
fn system(instructions: Vec<Block>, writer: &Writer, losses: &mut Losses) -> Vec<Value> {
    let mut texts = Vec::with_capacity(instructions.len());
    for block in instructions {
        match &block.content {
            Content::Text(_) => texts.push(block),
            _ if writer.is_own => texts.push(block),
            Content::Audio(_) => losses.note(Field::Audio),
            Content::Document(_) => losses.note(Field::Document),
            Content::Image(_) => losses.note(Field::Image),
            _ => losses.note(Field::NativeBlock),
        }
    }
    written(texts, writer, losses)
}

/// The first call of each step of the model must have a signature.
fn sign_first_call(content: &mut Value) {
    let Some(parts) = content.get_mut("parts").and_then(Value::as_array_mut) else { return };
    let first = parts.iter_mut().find(|part| part.get("functionCall").is_some());
    if let Some(Value::Object(part)) = first {
        part.entry("thoughtSignature").or_insert_with(|| NO_SIGNATURE.into());
    }
}

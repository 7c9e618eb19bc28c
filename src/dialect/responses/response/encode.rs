//! An answer out of the hub, as this dialect's clients expect it.

use super::object::{Progress, Shell};
use super::usage;
use crate::conversation::tool_call_id;
use crate::conversation::{
    Block, Choice, Content, Dialect, Field, Losses, Response, Source, StopReason, Text, ToolCall,
};
use crate::dialect::responses::content::lost;
use crate::dialect::responses::item::encode::call_item;
use crate::dialect::responses::item::{is_native, made_id, merge, object, prefix};
use crate::dialect::responses::{citation, reasoning};
use crate::dialect::translate::Reply;
use crate::json::json;
use serde_json::{Map, Value};

/// What a model that refuses without a word is made to say: the dialect tells a refusal by a part that holds one.
pub(in crate::dialect::responses) const REFUSED: &str = "The model declined to answer.";

/// Writes an answer; what it cannot carry is noted.
pub fn encode(mut response: Response, reply: &Reply, losses: &mut Losses) -> Vec<u8> {
    losses.note_if(response.choices.len() > 1, Field::Choices);
    let is_own = response.dialect == Dialect::Responses;
    let own_error = response.extras.get("error").filter(|_| is_own).cloned();
    let own_reason = response.extras.get("incomplete_details").filter(|_| is_own);
    let own_reason = own_reason.and_then(|details| details.get("reason")?.as_str()).map(str::to_owned);
    let usage = match response.original_usage.take() {
        Some(original) if is_own => Some(original),
        _ => response.usage.as_ref().map(usage::encode),
    };
    let shell = Shell::of(&mut response, reply);
    let choice = response.choices.into_iter().next().unwrap_or_default();
    let Choice { content, stop, original_stop, logprobs, .. } = choice;
    let (status, reason) = status(stop.as_ref());
    let original = original_stop.filter(|_| is_own);
    let status = original.as_deref().unwrap_or(status);
    let refusal = (stop == Some(StopReason::Refusal)
        && !content.iter().any(|block| matches!(block.content, Content::Refusal(_))))
    .then(|| Block::new(Content::Refusal(REFUSED.to_owned())));

    let item_status = if status == "incomplete" { "incomplete" } else { "completed" };
    let mut output = Output { reply, is_own, losses, items: Vec::new(), message: None, item_status };
    output.logprobs(content.into_iter().chain(refusal), logprobs);
    let items: Vec<String> = output.finish().into_iter().map(|item| item.to_string()).collect();
    let progress = Progress {
        status,
        error: own_error.or_else(|| (status == "failed").then(failure)),
        incomplete: own_reason.as_deref().or(reason).filter(|_| status == "incomplete"),
        output: &items.join(","),
        usage,
    };
    let mut out = Vec::new();
    shell.write(&progress, &mut out);
    out
}

fn failure() -> Value {
    json!({"code": "server_error", "message": "The model could not complete the answer."})
}

/// The status of an answer that stopped so, and why it is incomplete.
pub(in crate::dialect::responses) fn status(
    stop: Option<&StopReason>,
) -> (&'static str, Option<&'static str>) {
    match stop {
        Some(StopReason::MaxTokens) => ("incomplete", Some("max_output_tokens")),
        Some(StopReason::ContentFilter) => ("incomplete", Some("content_filter")),
        Some(StopReason::Failed) => ("failed", None),
        _ => ("completed", None),
    }
}

/// The items of an answer.
struct Output<'a> {
    reply: &'a Reply,
    is_own: bool,
    losses: &'a mut Losses,
    items: Vec<Value>,
    /// The message to which text belongs: what its item says, and its parts.
    message: Option<(Map<String, Value>, Vec<Value>)>,
    /// Of messages.
    item_status: &'a str,
}

impl Output<'_> {
    /// Takes all blocks. Log probabilities are those of the first text.
    fn logprobs(&mut self, content: impl Iterator<Item = Block>, logprobs: Option<Value>) {
        let mut tokens =
            logprobs.and_then(|mut logprobs| match logprobs.get_mut("content").map(Value::take) {
                Some(Value::Array(tokens)) => Some(tokens),
                _ => None,
            });
        for block in content {
            let is_text = matches!(block.content, Content::Text(_));
            let tokens = if is_text { tokens.take().unwrap_or_default() } else { Vec::new() };
            self.push(block, tokens);
        }
    }

    fn finish(mut self) -> Vec<Value> {
        self.flush();
        self.items
    }

    fn id(&self, kind: &str) -> String {
        made_id(prefix(kind), &self.reply.id, self.items.len())
    }

    fn flush(&mut self) {
        if let Some((rest, parts)) = self.message.take() {
            let mut item = object([
                ("type", "message".into()),
                ("role", "assistant".into()),
                ("content", Value::Array(parts)),
            ]);
            merge(&mut item, rest);
            item.entry("id").or_insert_with(|| Value::String(self.id("message")));
            item.entry("status").or_insert_with(|| self.item_status.into());
            self.items.push(Value::Object(item));
        }
    }

    fn push(&mut self, block: Block, logprobs: Vec<Value>) {
        let Block { content, signature, mut extras, .. } = block;
        if !self.is_own {
            extras.clear();
        }
        if let Some(state) = &signature {
            self.flush();
            self.items.push(Value::Object(reasoning::attached(self.id("reasoning"), state)));
        }
        match content {
            Content::Text(text) => {
                let part = text_part(text, logprobs);
                self.part(part, extras);
            }
            Content::Refusal(refusal) => {
                let part = object([("type", "refusal".into()), ("refusal", Value::String(refusal))]);
                self.part(part, extras);
            }
            content => {
                self.flush();
                if let Some(mut item) = self.item(content) {
                    merge(&mut item, extras);
                    let kind = item.get("type").and_then(Value::as_str).unwrap_or_default();
                    let has_status = kind.ends_with("_call") && kind != "custom_tool_call";
                    let id = self.id(kind);
                    item.entry("id").or_insert(Value::String(id));
                    if has_status {
                        item.entry("status").or_insert_with(|| "completed".into());
                    }
                    self.items.push(Value::Object(item));
                }
            }
        }
    }

    fn part(&mut self, mut part: Map<String, Value>, mut extras: Map<String, Value>) {
        // A block that says of which item it is begins one.
        let of_item = match extras.shift_remove("item") {
            Some(Value::Object(rest)) => Some(rest),
            _ => None,
        };
        merge(&mut part, extras);
        if of_item.is_some() {
            self.flush();
        }
        let (_, parts) = self.message.get_or_insert_with(|| (of_item.unwrap_or_default(), Vec::new()));
        parts.push(Value::Object(part));
    }

    /// Any other block as an item; `None` where this dialect has none for it.
    fn item(&mut self, content: Content) -> Option<Map<String, Value>> {
        match content {
            Content::ToolCall(call) => Some(self.call(call)),
            Content::Thinking(thinking) => {
                let id = thinking.id.clone().filter(|_| self.is_own);
                let made_for = thinking.signature.as_ref().and_then(|state| reasoning::split(&state.data).0);
                let id = made_for.map(str::to_owned).or(id).unwrap_or_else(|| self.id("reasoning"));
                Some(reasoning::item(id, thinking, self.is_own))
            }
            Content::Native(Value::Object(item)) => {
                let kind = item.get("type").and_then(Value::as_str).unwrap_or_default();
                (self.is_own || is_native(kind)).then_some(item)
            }
            Content::Image(media) => match media.source {
                Source::Data(data) => {
                    let kind = "image_generation_call";
                    Some(object([("type", kind.into()), ("result", Value::String(data))]))
                }
                _ => {
                    self.losses.note(Field::Image);
                    None
                }
            },
            Content::Native(_) => None,
            content => {
                self.losses.note(lost(&content));
                None
            }
        }
    }

    /// A call as the client defined its tool.
    fn call(&self, mut call: ToolCall) -> Map<String, Value> {
        if !call.is_custom && self.reply.custom_tools.contains(&call.name) {
            call.arguments = custom_input(&call.arguments);
            call.is_custom = true;
        }
        if call.id.is_empty() {
            call.id = tool_call_id::make(&self.reply.id, self.items.len());
        }
        let namespace = self.reply.namespaces.get(&call.name).cloned();
        let mut item = call_item(call);
        if let Some((namespace, name)) = namespace {
            item.insert("name".into(), Value::String(name));
            item.insert("namespace".into(), Value::String(namespace));
        }
        item
    }
}

/// The text that a custom tool is given, out of the arguments of the function that stood for it.
pub(in crate::dialect::responses) fn custom_input(arguments: &str) -> String {
    let parsed: Option<Value> = serde_json::from_slice(arguments.as_bytes()).ok();
    match parsed.and_then(|mut parsed| parsed.get_mut("input").map(Value::take)) {
        Some(Value::String(input)) => input,
        _ => arguments.to_owned(),
    }
}

fn text_part(text: Text, logprobs: Vec<Value>) -> Map<String, Value> {
    let length = if text.citations.is_empty() { 0 } else { text.text.chars().count() };
    let annotations =
        text.citations.iter().filter_map(|citation| citation::encode(citation, length)).collect();
    object([
        ("type", "output_text".into()),
        ("text", Value::String(text.text)),
        ("annotations", Value::Array(annotations)),
        ("logprobs", Value::Array(logprobs)),
    ])
}

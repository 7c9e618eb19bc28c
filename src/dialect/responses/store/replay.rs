//! A stored response once more as the stream that it was, or would have been.

use crate::dialect::responses::stream::event::Numbering;
use crate::json::json;
use serde_json::{Map, Value};

/// The events of a response: those behind number `from_sequence` (`starting_after`), or all. Each text is one delta. A
/// response that has not ended yet ends with what there is of it.
#[must_use]
pub fn replay(response: &Value, from_sequence: Option<u64>) -> Vec<u8> {
    let mut replay = Replay { numbering: Numbering::default(), after: from_sequence, out: Vec::new() };
    let mut begun = response.clone();
    if let Value::Object(begun) = &mut begun {
        begun.insert("status".into(), "in_progress".into());
        begun.insert("output".into(), json!([]));
        for absent in ["usage", "error", "incomplete_details"] {
            begun.insert(absent.into(), Value::Null);
        }
        begun.shift_remove("output_text");
    }
    replay.event("response.created", &[("response", begun.clone())]);
    replay.event("response.in_progress", &[("response", begun)]);
    let output = response.get("output").and_then(Value::as_array);
    for (index, item) in output.into_iter().flatten().enumerate() {
        replay.item(index, item);
    }
    let last = match response.get("status").and_then(Value::as_str) {
        Some("in_progress" | "queued") => return replay.out,
        Some("incomplete") => "response.incomplete",
        Some("failed" | "cancelled") => "response.failed",
        _ => "response.completed",
    };
    replay.event(last, &[("response", response.clone())]);
    replay.out
}

struct Replay {
    numbering: Numbering,
    after: Option<u64>,
    out: Vec<u8>,
}

/// Where a part lies: the item's id, its index, and the name and number of the part's index.
#[derive(Clone, Copy)]
struct Place<'a> {
    id: &'a str,
    item: usize,
    part: Option<(&'static str, usize)>,
}

impl Replay {
    fn event(&mut self, kind: &str, members: &[(&str, Value)]) {
        let start = self.out.len();
        let number = self.numbering.next();
        let mut event = self.numbering.begin(kind, &mut self.out);
        for (name, value) in members {
            event = event.value(name, value);
        }
        event.end();
        if self.after.is_some_and(|after| number <= after) {
            self.out.truncate(start);
        }
    }

    fn at(&mut self, kind: &str, place: Place<'_>, members: &[(&str, Value)]) {
        let start = self.out.len();
        let number = self.numbering.next();
        let mut event = self.numbering.begin(kind, &mut self.out);
        event = event.text("item_id", place.id).number("output_index", place.item);
        if let Some((name, part)) = place.part {
            event = event.number(name, part);
        }
        for (name, value) in members {
            event = event.value(name, value);
        }
        event.end();
        if self.after.is_some_and(|after| number <= after) {
            self.out.truncate(start);
        }
    }

    fn item(&mut self, index: usize, item: &Value) {
        let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
        let parts = |name: &str| item.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let place = Place { id: text("id"), item: index, part: None };
        let mut begun = item.as_object().cloned().unwrap_or_default();
        if begun.contains_key("status") {
            begun.insert("status".into(), "in_progress".into());
        }
        for (name, nothing) in
            [("content", json!([])), ("summary", json!([])), ("arguments", json!("")), ("input", json!(""))]
        {
            let is_told_later =
                matches!(text("type"), "message" | "reasoning" | "function_call" | "custom_tool_call");
            if let Some(value) = begun.get_mut(name).filter(|value| is_told_later && !value.is_null()) {
                *value = nothing;
            }
        }
        self.event(
            "response.output_item.added",
            &[("output_index", index.into()), ("item", Value::Object(begun))],
        );
        match text("type") {
            "message" | "reasoning" => {
                for (number, part) in parts("summary").iter().enumerate() {
                    self.summary(Place { part: Some(("summary_index", number)), ..place }, part);
                }
                for (number, part) in parts("content").iter().enumerate() {
                    self.part(Place { part: Some(("content_index", number)), ..place }, part);
                }
            }
            "function_call" => {
                let (arguments, name) = (text("arguments"), text("name"));
                self.at("response.function_call_arguments.delta", place, &[("delta", arguments.into())]);
                let whole = [("name", name.into()), ("arguments", arguments.into())];
                self.at("response.function_call_arguments.done", place, &whole);
            }
            "custom_tool_call" => {
                let input = text("input");
                self.at("response.custom_tool_call_input.delta", place, &[("delta", input.into())]);
                self.at("response.custom_tool_call_input.done", place, &[("input", input.into())]);
            }
            _ => {}
        }
        self.event("response.output_item.done", &[("output_index", index.into()), ("item", item.clone())]);
    }

    fn summary(&mut self, place: Place<'_>, part: &Value) {
        let text = part.get("text").cloned().unwrap_or_else(|| json!(""));
        let empty = json!({"type": "summary_text", "text": ""});
        self.at("response.reasoning_summary_part.added", place, &[("part", empty)]);
        self.at("response.reasoning_summary_text.delta", place, &[("delta", text.clone())]);
        self.at("response.reasoning_summary_text.done", place, &[("text", text)]);
        self.at("response.reasoning_summary_part.done", place, &[("part", part.clone())]);
    }

    fn part(&mut self, place: Place<'_>, part: &Value) {
        let (kind, name) = match part.get("type").and_then(Value::as_str) {
            Some("refusal") => ("response.refusal", "refusal"),
            Some("reasoning_text") => ("response.reasoning_text", "text"),
            _ => ("response.output_text", "text"),
        };
        let mut begun: Map<String, Value> = part.as_object().cloned().unwrap_or_default();
        for (name, nothing) in [(name, json!("")), ("annotations", json!([])), ("logprobs", json!([]))] {
            if let Some(value) = begun.get_mut(name) {
                *value = nothing;
            }
        }
        let text = part.get(name).cloned().unwrap_or_else(|| json!(""));
        self.at("response.content_part.added", place, &[("part", Value::Object(begun))]);
        if kind == "response.output_text" {
            let logprobs = part.get("logprobs").cloned().unwrap_or_else(|| json!([]));
            let delta = [("delta", text.clone()), ("logprobs", logprobs.clone())];
            self.at("response.output_text.delta", place, &delta);
            let annotations = part.get("annotations").and_then(Value::as_array);
            for (number, annotation) in annotations.into_iter().flatten().enumerate() {
                let members = [("annotation_index", number.into()), ("annotation", annotation.clone())];
                self.at("response.output_text.annotation.added", place, &members);
            }
            self.at("response.output_text.done", place, &[("text", text), ("logprobs", logprobs)]);
        } else {
            self.at(&format!("{kind}.delta"), place, &[("delta", text.clone())]);
            self.at(&format!("{kind}.done"), place, &[(name, text)]);
        }
        self.at("response.content_part.done", place, &[("part", part.clone())]);
    }
}

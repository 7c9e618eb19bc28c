//! What `openai` for Node makes of a stream (`lib/responses/ResponseAccumulator`): it fails where an index was not
//! announced, and what it has at the end must be what the last event says.

use serde_json::{Value, json};

#[derive(Default)]
pub(super) struct Accumulator {
    response: Option<Value>,
}

impl Accumulator {
    pub(super) fn take(&mut self, event: &Value) {
        let kind = event["type"].as_str().unwrap();
        let Some(response) = &mut self.response else {
            assert_eq!(kind, "response.created", "the first event");
            self.response = Some(event["response"].clone());
            return;
        };
        let index = |name: &str| usize::try_from(event[name].as_u64().unwrap()).unwrap();
        let output = response["output"].as_array_mut().unwrap();
        match kind.strip_prefix("response.").unwrap_or(kind) {
            "in_progress" => self.response = Some(event["response"].clone()),
            "completed" | "incomplete" => {
                assert_eq!(
                    *output,
                    *event["response"]["output"].as_array().unwrap(),
                    "the sum of the deltas"
                );
            }
            "failed" | "error" => {}
            "output_item.added" => {
                assert_eq!(index("output_index"), output.len());
                output.push(event["item"].clone());
            }
            "output_item.done" => {
                let item = &mut output[index("output_index")];
                assert_eq!(item["id"], event["item"]["id"], "an item keeps its id");
                for text in ["arguments", "input", "content", "summary"] {
                    assert_eq!(item.get(text), event["item"].get(text), "{text} is the sum of its deltas");
                }
                *item = event["item"].clone();
            }
            rest => {
                let item = &mut output[index("output_index")];
                assert_eq!(item["id"], event["item_id"]);
                part(rest, item, event, &index);
            }
        }
    }
}

fn part(kind: &str, item: &mut Value, event: &Value, index: &dyn Fn(&str) -> usize) {
    match kind {
        "content_part.added" => item["content"].as_array_mut().unwrap().push(event["part"].clone()),
        "content_part.done" => assert_eq!(item["content"][index("content_index")], event["part"]),
        "reasoning_summary_part.added" => item["summary"].as_array_mut().unwrap().push(event["part"].clone()),
        "reasoning_summary_part.done" => assert_eq!(item["summary"][index("summary_index")], event["part"]),
        "output_text.annotation.added" => {
            let annotations = item["content"][index("content_index")]["annotations"].as_array_mut().unwrap();
            assert_eq!(annotations.len(), index("annotation_index"));
            annotations.push(event["annotation"].clone());
        }
        "output_text.delta" => {
            let part = &mut item["content"][index("content_index")];
            let logprobs = event["logprobs"].as_array().unwrap().clone();
            part["logprobs"].as_array_mut().unwrap().extend(logprobs);
            add(&mut part["text"], event);
        }
        "output_text.done" => assert_eq!(item["content"][index("content_index")]["text"], event["text"]),
        "refusal.delta" => add(&mut item["content"][index("content_index")]["refusal"], event),
        "refusal.done" => assert_eq!(item["content"][index("content_index")]["refusal"], event["refusal"]),
        "reasoning_summary_text.delta" => add(&mut item["summary"][index("summary_index")]["text"], event),
        "reasoning_summary_text.done" => {
            assert_eq!(item["summary"][index("summary_index")]["text"], event["text"]);
        }
        "function_call_arguments.delta" => add(&mut item["arguments"], event),
        "function_call_arguments.done" => {
            assert_eq!((&item["arguments"], &item["name"]), (&event["arguments"], &event["name"]));
        }
        "custom_tool_call_input.delta" => add(&mut item["input"], event),
        "custom_tool_call_input.done" => assert_eq!(item["input"], event["input"]),
        other => panic!("{other}"),
    }
}

fn add(text: &mut Value, event: &Value) {
    *text = json!(text.as_str().unwrap().to_owned() + event["delta"].as_str().unwrap());
}

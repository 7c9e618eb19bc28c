//! Items and their ids, whichever side they are on.

pub(super) mod decode;
pub(super) mod encode;

use serde_json::{Map, Value};

/// The longest `call_id` that the API takes.
pub(super) const CALL_ID_LIMIT: usize = 64;

/// What a made id has behind its prefix; those of OpenAI go on in hexadecimal digits, so none of them begins like this.
const MADE: &str = "_ew";

/// How much of a call's id goes into the ids that are made from it: the API takes 64 characters.
const CALL_CHARACTERS: usize = 40;

/// The id of an item to which no upstream gave one: the same for the same answer, so that a stream that is replayed, and an
/// answer that is read again, have the same ids. `call` is the id of the call, `index` counts the answer's items.
pub(super) fn made_id(prefix: &str, call: &str, index: usize) -> String {
    let call: String = call.chars().filter(char::is_ascii_alphanumeric).take(CALL_CHARACTERS).collect();
    format!("{prefix}{MADE}{call}{index:04x}")
}

/// The id of an answer to which the upstream gave none of this dialect's.
pub(super) fn response_id(call: &str) -> String {
    let call = call.strip_prefix("resp_").unwrap_or(call);
    let plain =
        call.chars().filter(|character| character.is_ascii_alphanumeric() || "_-".contains(*character));
    format!("resp_{}", plain.collect::<String>())
}

/// Whether the gateway made this id, so that no provider knows it.
pub(super) fn is_made(id: &str) -> bool {
    id.split_once('_').is_some_and(|(_, rest)| rest.starts_with("ew"))
}

/// The prefix of ids of items of this type.
pub(super) fn prefix(kind: &str) -> &'static str {
    match kind {
        "reasoning" => "rs",
        "function_call" => "fc",
        "function_call_output" => "fco",
        "custom_tool_call" => "ctc",
        "custom_tool_call_output" => "ctco",
        "web_search_call" => "ws",
        "image_generation_call" => "ig",
        "message" => "msg",
        _ => "item",
    }
}

/// Whether an item of this type may stand in `output`, beside those that the hub has a name for.
pub(super) fn is_native(kind: &str) -> bool {
    kind.ends_with("_call")
        || kind.ends_with("_call_output")
        || matches!(
            kind,
            "compaction"
                | "mcp_list_tools"
                | "mcp_approval_request"
                | "mcp_approval_response"
                | "tool_search_output"
                | "additional_tools"
                | "program"
                | "program_output"
        )
}

/// An object of these members, moved rather than copied as `json!` would.
pub(super) fn object<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Adds what the hub had no name for: an object joins an object, and what is there already stays.
pub(super) fn merge(into: &mut Map<String, Value>, rest: Map<String, Value>) {
    for (name, value) in rest {
        match (into.get_mut(&name), value) {
            (Some(Value::Object(inner)), Value::Object(rest)) => merge(inner, rest),
            (Some(_), _) => {}
            (None, value) => {
                into.insert(name, value);
            }
        }
    }
}

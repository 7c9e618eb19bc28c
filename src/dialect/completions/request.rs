//! A request for a text completion as a conversation of one message.

use crate::conversation::{Block, Dialect, Losses, Message, Request, Settings};
use crate::dialect::InvalidBody;
use crate::json::{FieldError, Fields};
use serde_json::Value;

/// What a chat request has under the same name, and the hub has no name for.
const SHARED: [&str; 1] = ["logit_bias"];

/// Reads a request as a conversation: all of it, or what is asked for by one of its answers, counted over all prompts. What no
/// chat model can do (`echo`, `suffix`, `best_of`, and fields that are not known) is noted; `false`, 1 and their like ask for
/// nothing.
///
/// # Errors
/// Where the body is no JSON object, a field has the wrong type, or there is not exactly one prompt of text.
pub fn decode(body: &[u8], answer: Option<usize>, losses: &mut Losses) -> Result<Request, InvalidBody> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| InvalidBody { field: None, message: format!("not valid JSON: {error}") })?;
    Ok(of(Fields::of(value, "")?, answer, losses)?)
}

fn of(mut fields: Fields, answer: Option<usize>, losses: &mut Losses) -> Result<Request, FieldError> {
    let n = fields.count("n")?;
    let each = usize::try_from(n.unwrap_or(1).max(1)).unwrap_or(usize::MAX);
    let prompt = prompt(&mut fields, answer.map(|answer| answer / each))?;
    let include_usage = match fields.object("stream_options")? {
        Some(mut options) => options.boolean("include_usage")?.unwrap_or_default(),
        None => false,
    };
    // Here it is how many likeliest tokens; 0 is those that were written.
    let logprobs = fields.count("logprobs")?;
    let settings = Settings {
        max_output_tokens: fields.count("max_tokens")?,
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        frequency_penalty: fields.number("frequency_penalty")?,
        presence_penalty: fields.number("presence_penalty")?,
        seed: fields.number("seed")?,
        stop: fields.strings("stop")?.unwrap_or_default(),
        n,
        logprobs: logprobs.map(|_| true),
        top_logprobs: logprobs.filter(|count| *count > 0),
        user: fields.string("user")?,
        ..Settings::default()
    };
    let mut request = Request {
        dialect: Dialect::Chat,
        model: fields.string("model")?.unwrap_or_default(),
        stream: fields.boolean("stream")?.unwrap_or_default(),
        include_usage,
        messages: vec![Message { content: vec![Block::text(prompt)], ..Message::default() }],
        settings,
        ..Request::default()
    };
    for (name, value) in fields.rest() {
        let is_best_of_all = name == "best_of" && value.as_u64().is_some_and(|best_of| Some(best_of) == n);
        let asks_nothing = value.is_null() || value == false || value == "" || value == 1 || is_best_of_all;
        if SHARED.contains(&name.as_str()) {
            request.extras.insert(name, value);
        } else if !asks_nothing {
            losses.note_path(name);
        }
    }
    Ok(request)
}

/// One text, or of a list the only one, or this. Several prompts are several calls, and tokens are of another model.
fn prompt(fields: &mut Fields, which: Option<usize>) -> Result<String, FieldError> {
    let expected =
        fields.error("prompt", "a text or a list of texts: a model that only chats takes no tokens");
    match fields.take("prompt") {
        Some(Value::String(text)) => Ok(text),
        Some(Value::Array(items)) if items.len() == 1 || which.is_some() => {
            match items.into_iter().nth(which.unwrap_or_default()) {
                Some(Value::String(text)) => Ok(text),
                _ => Err(expected),
            }
        }
        _ => Err(expected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::chat;
    use crate::dialect::translate::Target;
    use serde_json::json;

    #[test]
    fn a_prompt_becomes_a_message() {
        let body = json!({
            "model": "a", "prompt": ["Say hi"], "max_tokens": 5, "logprobs": 2, "stop": "\n", "stream": true,
            "stream_options": { "include_usage": true }, "logit_bias": { "1": 2 }, "echo": true, "best_of": 1, "suffix": "!",
        });
        let mut losses = Losses::default();
        let request = decode(body.to_string().as_bytes(), None, &mut losses).unwrap();
        assert_eq!(losses.names(chat::request::name_of), ["echo", "suffix"]);
        let target = Target { model: "b", stream_options: true, ..Target::default() };
        let chat = chat::request::encode(request, &target, &mut losses);
        let expected = json!({
            "model": "b", "messages": [{ "role": "user", "content": "Say hi" }], "max_tokens": 5, "logprobs": true,
            "top_logprobs": 2, "stop": ["\n"], "stream": true, "stream_options": { "include_usage": true },
            "logit_bias": { "1": 2 },
        });
        assert_eq!(serde_json::from_slice::<Value>(&chat).unwrap(), expected);
    }

    #[test]
    fn each_answer_is_to_its_own_prompt() {
        let body = json!({ "model": "a", "prompt": ["one", "two"], "n": 2, "best_of": 2 }).to_string();
        let mut losses = Losses::default();
        let prompts: Vec<_> = (0..4)
            .map(|answer| {
                let request = decode(body.as_bytes(), Some(answer), &mut losses).unwrap();
                request.messages[0].content[0].clone()
            })
            .collect();
        assert_eq!(prompts, ["one", "one", "two", "two"].map(Block::text));
        assert!(losses.is_empty(), "the best two of two are all");
        assert!(decode(body.as_bytes(), Some(4), &mut losses).is_err());
    }

    #[test]
    fn what_is_not_one_text_is_refused_by_name() {
        for prompt in [json!(null), json!(["a", "b"]), json!([1, 2]), json!([[1]]), json!([]), json!(7)] {
            let body = json!({ "model": "a", "prompt": prompt }).to_string();
            let error = decode(body.as_bytes(), None, &mut Losses::default()).unwrap_err();
            assert_eq!(error.field.as_deref(), Some("prompt"), "{body}");
            assert!(error.message.contains("a text or a list of texts"), "{}", error.message);
        }
    }
}

//! The simple helpers, for callers without an SDK: a prompt, or an image, goes in, and text comes out.
//!
//! A dialect of clients only: [`decode`] reads into the hub, [`encode`] writes its answer.

pub mod form;

use super::InvalidBody;
use crate::conversation::{Block, Content, Media, Message, Request, Response, Role, Settings, Source};
use crate::json;
use crate::usage::Usage;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Number;

/// The helpers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Helper {
    /// `POST /api/v1/chat/generate-text`
    GenerateText,
    /// `POST /api/v1/vision/extract-text`
    ExtractText,
}

/// A helper's request: JSON, or, of an image, a form. The model is empty where the caller names none.
///
/// # Errors
/// Where the body is not what the contract says, naming the field.
pub fn decode(helper: Helper, content_type: &str, body: &[u8]) -> Result<Request, InvalidBody> {
    match helper {
        Helper::GenerateText => generate_text(read(body)?),
        Helper::ExtractText => match form::fields(content_type, body) {
            Some(fields) => extract_text(of_form(&fields)?),
            None => extract_text(read(body)?),
        },
    }
}

/// What is asked of an image unless the caller asks something else.
const READ: &str =
    "Extract all text from this image. Answer with the text only, keeping its order and line breaks.";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GenerateText {
    model: Option<String>,
    prompt: String,
    system: Option<String>,
    max_tokens: Option<u64>,
    temperature: Option<Number>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExtractText {
    image: String,
    prompt: Option<String>,
    model: Option<String>,
}

fn generate_text(input: GenerateText) -> Result<Request, InvalidBody> {
    if input.prompt.is_empty() {
        return Err(InvalidBody::field("prompt", "a text"));
    }
    Ok(Request {
        model: input.model.unwrap_or_default(),
        messages: input
            .system
            .filter(|text| !text.is_empty())
            .map(|text| message(Role::System, vec![Block::text(text)]))
            .into_iter()
            .chain([message(Role::User, vec![Block::text(input.prompt)])])
            .collect(),
        settings: Settings {
            max_output_tokens: input.max_tokens,
            temperature: input.temperature,
            ..Settings::default()
        },
        ..Request::default()
    })
}

fn extract_text(input: ExtractText) -> Result<Request, InvalidBody> {
    let prompt = input.prompt.filter(|prompt| !prompt.is_empty());
    let content = vec![
        Block::text(prompt.as_deref().unwrap_or(READ)),
        Block::new(Content::Image(image(&input.image)?)),
    ];
    Ok(Request {
        model: input.model.unwrap_or_default(),
        messages: vec![message(Role::User, content)],
        ..Request::default()
    })
}

fn of_form(fields: &[form::Field<'_>]) -> Result<ExtractText, InvalidBody> {
    let mut input = ExtractText::default();
    for field in fields {
        let text = || {
            let text = std::str::from_utf8(field.value).map_err(|_| InvalidBody::field(field.name, "text"));
            text.map(str::to_owned)
        };
        match field.name {
            "image" if field.is_file => {
                let data = STANDARD.encode(field.value);
                let media_type = field.content_type.filter(|kind| kind.starts_with("image/"));
                input.image = media_type.map_or(data.clone(), |kind| format!("data:{kind};base64,{data}"));
            }
            "image" => input.image = text()?,
            "prompt" => input.prompt = Some(text()?),
            "model" => input.model = Some(text()?),
            name => {
                let message = format!("unknown field `{name}`, expected `image`, `prompt` or `model`");
                return Err(InvalidBody { field: Some(name.into()), message });
            }
        }
    }
    Ok(input)
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, InvalidBody> {
    json::read(body).map_err(|error| {
        let message = error.to_string();
        let message =
            message.split_once(" at line ").map_or(message.as_str(), |(before, _)| before).to_owned();
        // serde names the field between backticks: unknown field `x`, missing field `x`.
        let named = message.strip_prefix("unknown field `").or(message.strip_prefix("missing field `"));
        let field = named.and_then(|rest| rest.split_once('`')).map(|(name, _)| name.to_owned());
        InvalidBody { field, message }
    })
}

fn message(role: Role, content: Vec<Block>) -> Message {
    Message { role, content, ..Message::default() }
}

fn image(text: &str) -> Result<Media, InvalidBody> {
    let expected = "a data URL, an https URL, or base64 of a PNG, JPEG, GIF or WebP";
    if text.starts_with("data:") || text.starts_with("https://") {
        let media = Media::at(text);
        let is_image = media.media_type.as_deref().is_none_or(|kind| kind.starts_with("image/"));
        let is_readable = matches!(media.source, Source::Data(_)) || text.starts_with("https://");
        return if is_image && is_readable { Ok(media) } else { Err(InvalidBody::field("image", expected)) };
    }
    let data: String = text.split_whitespace().collect();
    // The magic numbers of the formats, in base64.
    let media_type = [("iVBORw0KGgo", "png"), ("/9j/", "jpeg"), ("R0lGOD", "gif"), ("UklGR", "webp")]
        .iter()
        .find(|(magic, _)| data.starts_with(magic))
        .map(|(_, kind)| format!("image/{kind}"));
    let Some(media_type) = media_type else { return Err(InvalidBody::field("image", expected)) };
    Ok(Media { source: Source::Data(data), media_type: Some(media_type), name: None, detail: None })
}

/// What both helpers answer.
#[derive(Serialize)]
struct Answer<'a> {
    text: String,
    model: &'a str,
    provider: &'a str,
    usage: Option<Tokens>,
}

/// Tokens, as OpenAI counts them.
#[derive(Serialize)]
struct Tokens {
    input_tokens: u64,
    output_tokens: u64,
    total_tokens: u64,
}

impl From<Usage> for Tokens {
    fn from(usage: Usage) -> Tokens {
        let (input, output) = (usage.total_input(), usage.total_output());
        Tokens { input_tokens: input, output_tokens: output, total_tokens: input.saturating_add(output) }
    }
}

/// The answer: the text of the first choice, a refusal being text too. `provider` and `model` are those that answered;
/// `usage` is null where the provider does not say.
#[must_use]
pub fn encode(response: &Response, provider: &str, model: &str) -> Vec<u8> {
    let blocks = response.first().map_or(&[][..], |choice| &choice.content);
    let text = blocks.iter().filter_map(|block| match &block.content {
        Content::Text(text) => Some(text.text.as_str()),
        Content::Refusal(text) => Some(text),
        _ => None,
    });
    let answer = Answer { text: text.collect(), model, provider, usage: response.usage.map(Tokens::from) };
    serde_json::to_vec(&answer).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Losses;
    use crate::dialect::{chat, translate::Target};
    use serde_json::{Value, json};

    fn generate_text(body: &[u8]) -> Result<Request, InvalidBody> {
        decode(Helper::GenerateText, "application/json", body)
    }

    fn extract_text(body: &[u8]) -> Result<Request, InvalidBody> {
        decode(Helper::ExtractText, "application/json", body)
    }

    fn sent(request: Request) -> Value {
        let model = request.model.clone();
        let mut losses = Losses::default();
        let target = Target { model: &model, ..Target::default() };
        let body = chat::request::encode(request, &target, &mut losses);
        assert!(losses.names(chat::request::name_of).is_empty());
        serde_json::from_slice(&body).unwrap()
    }

    #[test]
    fn a_prompt_becomes_a_conversation() {
        let body = br#"{"model":"m","prompt":"Hello","system":"Be brief","max_tokens":9,"temperature":0.7}"#;
        assert_eq!(
            sent(generate_text(body).unwrap()),
            json!({"model": "m", "max_tokens": 9, "temperature": 0.7, "messages": [
                {"role": "system", "content": "Be brief"}, {"role": "user", "content": "Hello"},
            ]})
        );
        assert_eq!(generate_text(br#"{"prompt":"x"}"#).unwrap().model, "");
    }

    #[test]
    fn an_image_is_taken_in_every_form() {
        for (image, url) in [
            ("data:image/webp;base64,UklGRg==", "data:image/webp;base64,UklGRg=="),
            ("https://a.test/x.png", "https://a.test/x.png"),
            ("iVBORw0KGgoA\nAAA=", "data:image/png;base64,iVBORw0KGgoAAAA="),
            ("/9j/4AAQ", "data:image/jpeg;base64,/9j/4AAQ"),
        ] {
            let body = json!({"model": "m", "image": image, "prompt": "What?"}).to_string();
            assert_eq!(
                sent(extract_text(body.as_bytes()).unwrap())["messages"][0]["content"],
                json!([{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": url}}])
            );
        }
    }

    #[test]
    fn an_image_may_come_as_a_file_of_a_form() {
        let form = |rest: &str| {
            let body = format!(
                "--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a\"\r\n\
                 Content-Type: image/gif\r\n\r\nGIF89a\r\n{rest}--b--\r\n"
            );
            decode(Helper::ExtractText, "multipart/form-data; boundary=b", body.as_bytes())
        };
        let model = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n";
        let body = sent(form(model).unwrap());
        let url = "data:image/gif;base64,R0lGODlh";
        assert_eq!(
            body["messages"][0]["content"][1],
            json!({"type": "image_url", "image_url": {"url": url}})
        );
        assert_eq!(body["model"], "m");
        let other = "--b\r\nContent-Disposition: form-data; name=\"size\"\r\n\r\n9\r\n";
        assert_eq!(form(other).unwrap_err().field.as_deref(), Some("size"));
    }

    #[test]
    fn what_is_wrong_names_its_field() {
        for (body, field) in [
            (r#"{"model":"m"}"#, "prompt"),
            (r#"{"prompt":""}"#, "prompt"),
            (r#"{"prompt":"x","stream":true}"#, "stream"),
        ] {
            assert_eq!(generate_text(body.as_bytes()).unwrap_err().field.as_deref(), Some(field), "{body}");
        }
        for image in
            ["", "hello", "http://a.test/x.png", "data:text/plain;base64,AAAA", "data:image/png,AAAA"]
        {
            let body = json!({ "image": image }).to_string();
            assert_eq!(extract_text(body.as_bytes()).unwrap_err().field.as_deref(), Some("image"), "{image}");
        }
        assert_eq!(generate_text(b"[").unwrap_err().field, None);
    }

    #[test]
    fn the_answer_is_the_text_and_who_gave_it() {
        let body = json!({"id": "x", "model": "m-1", "choices": [{"index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": "Hi", "reasoning_content": "hm"}}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}});
        let response = chat::response::decode(body.to_string().as_bytes()).unwrap();
        let answer: Value = serde_json::from_slice(&encode(&response, "p", "m")).unwrap();
        let usage = json!({"input_tokens": 3, "output_tokens": 2, "total_tokens": 5});
        assert_eq!(answer, json!({"text": "Hi", "model": "m", "provider": "p", "usage": usage}));
    }
}

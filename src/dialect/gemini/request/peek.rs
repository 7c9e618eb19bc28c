//! What the gateway needs to know of a request, read in one pass over its bytes.

use crate::dialect::{Asked, InvalidBody};
use crate::json::{self, Item, Raw};
use crate::usage::estimate::Estimate;

/// What an image counts, of up to 384 pixels or a tile of a larger one (<https://ai.google.dev/gemini-api/docs/tokens>).
const IMAGE_TOKENS: u64 = 258;
/// Role and separators around a content.
const CONTENT_TOKENS: u64 = 4;

/// What is known of a request. It goes with the body that it was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peek {
    /// What is asked for.
    pub asked: Asked,
    pub(super) places: Places,
}

/// Where in the body the changes would go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// Just behind the opening brace.
    pub(super) inside: usize,
    /// `model`, which clients seldom repeat in the body.
    pub(super) model: Option<std::ops::Range<usize>>,
    /// Where the text of a system instruction begins.
    pub(super) system: System,
}

/// The system instruction that there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum System {
    /// None.
    #[default]
    Absent,
    /// `null`, or an object without parts, which means as much: it is replaced.
    Replaced(std::ops::Range<usize>),
    /// Its list of parts begins here; more follow.
    Listed(usize),
    /// Its only part stands here, without a list around.
    Single(std::ops::Range<usize>),
}

/// The fields that are read, each in both spellings; each may be there only once.
const FIELDS: [&str; 7] = [
    "model",
    "contents",
    "systemInstruction",
    "system_instruction",
    "tools",
    "generationConfig",
    "generation_config",
];

/// Reads a request, whose path names the model and says whether it is a stream.
///
/// # Errors
/// Where the body is no JSON object, or a field that is read has the wrong type or is there in both spellings.
pub fn peek(body: &[u8], model: &str, stream: bool) -> Result<Peek, InvalidBody> {
    let object = json::peek(body, &FIELDS)?;
    let [own_model, contents, system, system_snake, tools, config, config_snake] = object.fields;
    let system = one_of("systemInstruction", system, system_snake)?;
    let config = one_of("generationConfig", config, config_snake)?.filter(|config| !config.is_null());

    let contents = contents.filter(|contents| !contents.is_null() && !contents.is_blank());
    let Some(contents) = contents.filter(|contents| contents.is_array() || contents.is_object()) else {
        return Err(InvalidBody::field("contents", "an array with at least one content"));
    };
    let mut estimate = Estimate::default();
    for (index, content) in listed(contents).enumerate() {
        if !content.is_object() {
            return Err(InvalidBody::field(format!("contents[{index}]"), "an object"));
        }
        add_content(&mut estimate, content);
    }
    let system_place = match system {
        None => System::Absent,
        Some(system) => {
            if !system.is_object() && !system.is_null() {
                return Err(InvalidBody::field("systemInstruction", "an object"));
            }
            add_content(&mut estimate, system);
            system_place(system)
        }
    };
    let tools = tools.filter(|tools| !tools.is_null());
    if let Some(tools) = tools {
        if !tools.is_array() && !tools.is_object() {
            return Err(InvalidBody::field("tools", "an array"));
        }
        estimate.add_schema(tools);
    }
    let (mut max_tokens, mut n) = (None, None);
    if let Some(config) = config {
        if !config.is_object() {
            return Err(InvalidBody::field("generationConfig", "an object"));
        }
        for member in config.items().filter(|member| !member.value.is_null()) {
            if is(&member, "maxOutputTokens", "max_output_tokens") {
                max_tokens = Some(count("generationConfig.maxOutputTokens", member.value)?);
            } else if is(&member, "candidateCount", "candidate_count") {
                n = Some(count("generationConfig.candidateCount", member.value)?);
            }
        }
    }
    Ok(Peek {
        asked: Asked {
            model: (!model.is_empty()).then(|| model.to_owned()),
            stream,
            include_usage: true,
            max_tokens,
            n: n.unwrap_or(1).max(1),
            has_tools: tools.is_some_and(|tools| !tools.is_blank()),
            has_images: estimate.images > 0,
            prompts: 1,
            input_tokens: estimate.tokens(),
            ..Asked::default()
        },
        places: Places {
            inside: object.inside,
            model: own_model.map(|model| model.range()),
            system: system_place,
        },
    })
}

fn one_of<'a>(
    name: &str,
    camel: Option<Raw<'a>>,
    snake: Option<Raw<'a>>,
) -> Result<Option<Raw<'a>>, InvalidBody> {
    match (camel, snake) {
        (Some(_), Some(_)) => {
            let message = format!("`{name}` is given more than once");
            Err(InvalidBody { field: Some(name.to_owned()), message })
        }
        (camel, snake) => Ok(camel.or(snake)),
    }
}

fn count(name: &str, value: Raw<'_>) -> Result<u64, InvalidBody> {
    value.as_u64().ok_or_else(|| InvalidBody::field(name, "a whole number that is not negative"))
}

/// The elements of a list, or the one that stands without a list.
fn listed(value: Raw<'_>) -> impl Iterator<Item = Raw<'_>> {
    let items = value.is_array().then(|| value.items().map(|item| item.value));
    let alone = (!value.is_array()).then_some(value);
    items.into_iter().flatten().chain(alone)
}

fn is(member: &Item<'_>, camel: &str, snake: &str) -> bool {
    member.is(camel) || member.is(snake)
}

fn system_place(system: Raw<'_>) -> System {
    match system.member("parts") {
        Some(parts) if parts.is_array() && !parts.is_blank() => System::Listed(parts.start + 1),
        Some(parts) if parts.is_object() && !parts.is_blank() => System::Single(parts.range()),
        _ => System::Replaced(system.range()),
    }
}

/// What a model reads of a content: not the bytes of media, nor signatures.
fn add_content(estimate: &mut Estimate, content: Raw<'_>) {
    estimate.add_tokens(CONTENT_TOKENS);
    let Some(parts) = content.member("parts") else { return };
    for member in listed(parts).flat_map(|part| part.items()) {
        if is(&member, "inlineData", "inline_data") || is(&member, "fileData", "file_data") {
            add_media(estimate, member.value);
        } else if member.is("text") {
            estimate.add_content(member.value);
        } else if is(&member, "functionCall", "function_call") {
            member
                .value
                .items()
                .filter(|member| !member.is("id"))
                .for_each(|it| estimate.add_content(it.value));
        } else if is(&member, "functionResponse", "function_response") {
            for member in member.value.items() {
                if member.is("response") {
                    estimate.add_content(member.value);
                } else if member.is("parts") {
                    listed(member.value)
                        .flat_map(|part| part.items())
                        .for_each(|blob| add_media(estimate, blob.value));
                }
            }
        } else if is(&member, "executableCode", "executable_code")
            || is(&member, "codeExecutionResult", "code_execution_result")
        {
            estimate.add_content(member.value);
        }
    }
}

fn add_media(estimate: &mut Estimate, media: Raw<'_>) {
    let kind = media.member("mimeType").or_else(|| media.member("mime_type"));
    if kind.and_then(|kind| kind.string_text()).is_some_and(|kind| kind.starts_with(b"image")) {
        estimate.images += 1;
        estimate.add_tokens(IMAGE_TOKENS);
    }
}

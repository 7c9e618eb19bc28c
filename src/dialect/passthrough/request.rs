//! What a JSON request asks for, and the model's name, the one thing that the gateway changes.
//!
//! ```
//! use edgeway::dialect::Endpoint;
//! use edgeway::dialect::passthrough::request::{Rewrite, peek, rewrite};
//!
//! let body = br#"{"model":"small","input":["one","two"]}"#;
//! let seen = peek(Endpoint::Embeddings, body)?;
//! assert_eq!(seen.asked.model.as_deref(), Some("small"));
//! let changes = Rewrite { model: Some("m"), include_usage: false };
//! assert_eq!(&rewrite(body, &seen, &changes)[..], br#"{"model":"m","input":["one","two"]}"#);
//! # Ok::<(), edgeway::dialect::InvalidBody>(())
//! ```

use crate::dialect::chat::request::model_name;
use crate::dialect::{Asked, Endpoint, InvalidBody};
use crate::json::{self, Edit, Raw};
use crate::usage::beside::{Beside, Estimated};
use crate::usage::estimate::Estimate;
use std::borrow::Cow;
use std::ops::Range;

/// What moderations are asked of where the client names no model, as OpenAI has it:
/// <https://platform.openai.com/docs/api-reference/moderations/create>
const MODERATION_MODEL: &str = "omni-moderation-latest";

/// What the gateway needs to know of a request. It goes with the body that it was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peek {
    /// What routing asks for.
    pub asked: Asked,
    inside: usize,
    model: Option<Range<usize>>,
    /// Usage can be asked for at the end of the stream: it is a text completion's, and says nothing of it itself.
    takes_usage: bool,
}

/// What is to be changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewrite<'a> {
    /// The name that the upstream knows the model by.
    pub model: Option<&'a str>,
    /// Have a streamed completion end with its usage.
    pub include_usage: bool,
}

/// The fields that are read; each may be there only once.
const FIELDS: [&str; 15] = [
    "model",
    "stream",
    "stream_format",
    "stream_options",
    "n",
    "max_tokens",
    "input",
    "prompt",
    "query",
    "documents",
    "size",
    "partial_images",
    "images",
    "image",
    "mask",
];

/// Documents, and tokens of one of them, that Cohere bills as one search
/// (<https://docs.cohere.com/docs/how-does-cohere-pricing-work>).
const SEARCH: (u64, u64) = (100, 500);

/// Reads a request to this endpoint.
///
/// # Errors
/// Where the body is no JSON object, a field that is read has the wrong type, or one that the endpoint needs is missing.
pub fn peek(endpoint: Endpoint, body: &[u8]) -> Result<Peek, InvalidBody> {
    let object = json::peek(body, &FIELDS)?;
    let fields = object.fields.map(|field| field.filter(|field| !field.is_null()));
    let [
        model,
        stream,
        stream_format,
        stream_options,
        n,
        max_tokens,
        input,
        prompt,
        query,
        documents,
        size,
        partial,
        images,
        image,
        mask,
    ] = fields;
    let (mut estimate, mut prompts, mut beside) = (Estimate::default(), 1, Beside::default());
    let answers = count("n", n)?.unwrap_or(1).max(1);
    match endpoint {
        Endpoint::Completions => {
            let prompt = text_or_list("prompt", prompt)?;
            if prompt.is_array() && !is_tokens(prompt) {
                prompts = prompt.items().count() as u64;
            }
            add_all(&mut estimate, prompt);
        }
        Endpoint::Embeddings | Endpoint::Moderations => {
            add_all(&mut estimate, text_or_list("input", input)?);
        }
        Endpoint::Speech => {
            let input = text("input", input)?;
            estimate.add_content(input);
            beside.characters = input.string_text().map_or(0, characters);
        }
        Endpoint::Rerank => {
            let is_object = query.is_some_and(|query| query.is_object());
            let query = if is_object { query } else { Some(text("query", query)?) };
            let documents = documents
                .filter(|documents| documents.is_array() && !documents.is_blank())
                .ok_or_else(|| InvalidBody::field("documents", "an array that is not empty"))?;
            query.into_iter().for_each(|value| estimate.add_content(value));
            beside.searches = searches(documents, estimate.tokens());
            estimate.add_content(documents);
        }
        _ => {
            estimate.add_content(text("prompt", prompt)?);
            let size = size.and_then(|size| std::str::from_utf8(size.string_text()?).ok());
            let partial = partial.and_then(|partial| partial.as_u64()).unwrap_or_default();
            let sources = [images, image, mask].into_iter().flatten();
            let sources =
                sources.map(|field| if field.is_array() { field.items().count() as u64 } else { 1 });
            beside = Beside { sources: sources.sum(), ..Beside::images(answers, size, partial) };
        }
    }
    let default = (endpoint == Endpoint::Moderations).then(|| MODERATION_MODEL.to_owned());
    let in_events = stream_format.and_then(|format| format.string_text()) == Some(b"sse");
    let include_usage = stream_options.and_then(|options| options.member("include_usage")?.as_bool());
    Ok(Peek {
        asked: Asked {
            model: model_name(model)?.or(default),
            stream: boolean("stream", stream)? || in_events,
            include_usage: include_usage == Some(true),
            max_tokens: count("max_tokens", max_tokens)?,
            n: answers,
            prompts,
            has_images: estimate.images > 0,
            input_tokens: estimate.tokens(),
            beside,
            ..Asked::default()
        },
        inside: object.inside,
        model: object.fields.first().copied().flatten().map(|model| model.range()),
        takes_usage: endpoint == Endpoint::Completions && stream_options.is_none(),
    })
}

/// The body with these changes; borrowed where nothing changes. `peek` must be of this body.
#[must_use]
pub fn rewrite<'b>(body: &'b [u8], peek: &Peek, rewrite: &Rewrite<'_>) -> Cow<'b, [u8]> {
    // Every endpoint needs a member, so what goes in front of it takes a comma.
    let insert =
        |name: &str, value: &str| Edit::new(peek.inside..peek.inside, format!("\"{name}\":{value},"));
    let is_named = |model: &str| peek.model.is_some() && peek.asked.model.as_deref() == Some(model);
    let model = rewrite.model.filter(|model| !is_named(model)).map(|model| match &peek.model {
        Some(range) => Edit::new(range.clone(), json::quote(model)),
        None => insert("model", &json::quote(model)),
    });
    let adds_usage = rewrite.include_usage && peek.asked.stream && peek.takes_usage;
    let usage = adds_usage.then(|| insert("stream_options", r#"{"include_usage":true}"#));
    match (model, usage) {
        (None, None) => Cow::Borrowed(body),
        (model, usage) => Cow::Owned(json::splice(body, model.into_iter().chain(usage))),
    }
}

/// What these documents may be billed as, beside a query of so many tokens: long ones are cut into several, as the reranker weighs
/// them, which may be half as much again as is weighed here.
fn searches(documents: Raw<'_>, query_tokens: u64) -> Estimated {
    let (documents_each, tokens_each) = SEARCH;
    let pieces = documents.items().map(|document| {
        let mut estimate = Estimate::default();
        estimate.add_content(document.value);
        let most = estimate.tokens().saturating_add(query_tokens).saturating_mul(3).div_ceil(2);
        most.div_ceil(tokens_each).max(1)
    });
    let (count, most) = pieces.fold((0_u64, 0_u64), |(count, most), pieces| (count + 1, most + pieces));
    Estimated { likely: count.div_ceil(documents_each), most: most.div_ceil(documents_each) }
}

/// Characters of a JSON string's inside. Also of one that is no text, half a surrogate pair say: there are upstreams that read it.
fn characters(text: &[u8]) -> u64 {
    let (mut count, mut rest) = (0, text);
    while let [first, others @ ..] = rest {
        let is_escaped = *first == b'\\';
        let length = match others {
            [b'u', ..] if is_escaped => 6,
            _ if is_escaped => 2,
            _ => 1,
        };
        // What goes on with a character counts none: in UTF-8, or as the second half of a pair.
        let is_second = is_escaped && matches!(others, [b'u', b'd' | b'D', b'c'..=b'f' | b'C'..=b'F', ..]);
        let goes_on = first & 0xc0 == 0x80 || is_second;
        count += u64::from(!goes_on);
        rest = rest.get(length..).unwrap_or_default();
    }
    count
}

fn text<'a>(name: &str, value: Option<Raw<'a>>) -> Result<Raw<'a>, InvalidBody> {
    value
        .filter(|value| value.string_text().is_some_and(|text| !text.is_empty()))
        .ok_or_else(|| InvalidBody::field(name, "a string that is not empty"))
}

fn text_or_list<'a>(name: &str, value: Option<Raw<'a>>) -> Result<Raw<'a>, InvalidBody> {
    value
        .filter(|value| !value.is_blank() && (value.is_array() || value.string_text().is_some()))
        .ok_or_else(|| InvalidBody::field(name, "a string or an array that is not empty"))
}

fn boolean(name: &str, value: Option<Raw<'_>>) -> Result<bool, InvalidBody> {
    value
        .map_or(Some(false), |value| value.as_bool())
        .ok_or_else(|| InvalidBody::field(name, "true or false"))
}

fn count(name: &str, value: Option<Raw<'_>>) -> Result<Option<u64>, InvalidBody> {
    let Some(value) = value else { return Ok(None) };
    value.as_u64().map(Some).ok_or_else(|| InvalidBody::field(name, "a whole number that is not negative"))
}

/// A text, its tokens, or an array of them.
fn add_all(estimate: &mut Estimate, input: Raw<'_>) {
    if input.is_array() && !is_tokens(input) {
        input.items().for_each(|item| add(estimate, item.value));
    } else {
        add(estimate, input);
    }
}

fn add(estimate: &mut Estimate, input: Raw<'_>) {
    if is_tokens(input) {
        estimate.add_tokens(input.items().count() as u64);
    } else {
        estimate.add_content(input);
    }
}

fn is_tokens(value: Raw<'_>) -> bool {
    let first = if value.is_array() { value.items().next() } else { None };
    first.is_some_and(|item| item.value.bytes.first().is_some_and(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_input_is_counted() {
        let cases = [(r#""four""#, 1), (r#"["four","eightabc"]"#, 3), ("[1,2,3]", 3), ("[[1,2],[3,4,5]]", 5)];
        for (input, tokens) in cases {
            let seen = peek(Endpoint::Embeddings, format!("{{\"input\":{input}}}").as_bytes()).unwrap();
            assert_eq!(seen.asked.input_tokens, tokens, "{input}");
        }
    }

    #[test]
    fn errors_name_the_field() {
        for (endpoint, body, field) in [
            (Endpoint::Embeddings, "{}", "input"),
            (Endpoint::Embeddings, r#"{"input":""}"#, "input"),
            (Endpoint::Embeddings, r#"{"input":[]}"#, "input"),
            (Endpoint::Embeddings, r#"{"input":7}"#, "input"),
            (Endpoint::Embeddings, r#"{"input":"a","model":[]}"#, "model"),
            (Endpoint::Moderations, r#"{"input":null}"#, "input"),
            (Endpoint::Speech, r#"{"input":["a"],"voice":"alloy"}"#, "input"),
            (Endpoint::ImageGenerations, r#"{"model":"m"}"#, "prompt"),
            (Endpoint::ImageGenerations, r#"{"prompt":"a","n":"2"}"#, "n"),
            (Endpoint::ImageEdits, r#"{"images":[]}"#, "prompt"),
            (Endpoint::Rerank, r#"{"documents":["a"]}"#, "query"),
            (Endpoint::Rerank, r#"{"query":"a","documents":[]}"#, "documents"),
            (Endpoint::Rerank, r#"{"query":"a","documents":"b"}"#, "documents"),
            (Endpoint::Completions, r#"{"prompt":{}}"#, "prompt"),
            (Endpoint::Completions, r#"{"prompt":"a","stream":"yes"}"#, "stream"),
            (Endpoint::Completions, r#"{"prompt":"a","model":"a","model":"b"}"#, "model"),
        ] {
            assert_eq!(peek(endpoint, body.as_bytes()).unwrap_err().field.as_deref(), Some(field), "{body}");
        }
    }

    #[test]
    fn what_routing_needs_is_read() {
        let asked = |endpoint, body: &str| peek(endpoint, body.as_bytes()).unwrap().asked;
        let moderation = asked(Endpoint::Moderations, r#"{"input":"a"}"#);
        assert_eq!(moderation.model.as_deref(), Some(MODERATION_MODEL));
        assert!(asked(Endpoint::Speech, r#"{"input":"a","stream_format":"sse"}"#).stream);
        assert!(!asked(Endpoint::Speech, r#"{"input":"a","stream_format":"audio"}"#).stream);
        let image =
            asked(Endpoint::ImageGenerations, r#"{"prompt":"a","n":3,"stream":true,"partial_images":2}"#);
        assert_eq!((image.n, image.stream), (3, true));
        let rerank = asked(Endpoint::Rerank, r#"{"query":"four","documents":["eightabc",{"text":"four"}]}"#);
        assert_eq!(rerank.input_tokens, 4);
    }

    #[test]
    fn what_is_asked_for_beside_text_is_read() {
        let beside = |endpoint, body: &str| peek(endpoint, body.as_bytes()).unwrap().asked.beside;
        let spoken = beside(Endpoint::Speech, r#"{"input":"na\u00efve \ud83d\ude00"}"#);
        assert_eq!(spoken, Beside { characters: 7, ..Beside::default() });
        for (input, characters) in
            [(r"Gr\u00fc\u00dfe \\ \n 😀", 11), (r"\uD83D\uDE00", 1), (r"abc\ud83d def", 8), ("ü", 1)]
        {
            let body = format!(r#"{{"input":"{input}"}}"#);
            assert_eq!(beside(Endpoint::Speech, &body).characters, characters, "{input}");
        }
        let drawn = beside(
            Endpoint::ImageGenerations,
            r#"{"prompt":"a","n":3,"size":"1024x1024","partial_images":1}"#,
        );
        assert_eq!(drawn, Beside { images: 3, image_tokens: 4_262, ..Beside::default() });
        let changed = r#"{"prompt":"a","images":[{"file_id":"a"},{"image_url":"b"}],"mask":{"file_id":"c"}}"#;
        assert_eq!(beside(Endpoint::ImageEdits, changed).sources, 3);
        assert_eq!(beside(Endpoint::ImageEdits, r#"{"prompt":"a","image":{"url":"b"}}"#).sources, 1);
        let documents = |count: usize, words: usize| {
            let documents = vec!["word ".repeat(words); count];
            let body = serde_json::json!({"query": "a", "documents": documents}).to_string();
            beside(Endpoint::Rerank, &body).searches
        };
        assert_eq!(documents(1, 1), Estimated { likely: 1, most: 1 });
        assert_eq!(documents(101, 1), Estimated { likely: 2, most: 2 });
        let long = documents(100, 900);
        assert!(long.likely == 1 && (3..=5).contains(&long.most), "{long:?}");
    }

    #[test]
    fn only_the_model_changes() {
        let of = |endpoint, body: &'static str, include_usage| {
            let changes = Rewrite { model: Some("m"), include_usage };
            let out = rewrite(body.as_bytes(), &peek(endpoint, body.as_bytes()).unwrap(), &changes);
            String::from_utf8(out.into_owned()).unwrap()
        };
        let embedding = |body| of(Endpoint::Embeddings, body, true);
        assert_eq!(embedding(r#"{"input":"a", "model":null}"#), r#"{"input":"a", "model":"m"}"#);
        assert_eq!(embedding(r#"{ "input":"a"}"#), r#"{"model":"m", "input":"a"}"#);
        assert_eq!(embedding(r#"{"input":"a","model":"m" }"#), r#"{"input":"a","model":"m" }"#);
        assert_eq!(of(Endpoint::Moderations, r#"{"input":"a"}"#, true), r#"{"model":"m","input":"a"}"#);
    }

    #[test]
    fn a_streamed_completion_is_asked_for_its_usage() {
        let of = |body: &'static str| {
            let changes = Rewrite { model: None, include_usage: true };
            let out =
                rewrite(body.as_bytes(), &peek(Endpoint::Completions, body.as_bytes()).unwrap(), &changes);
            String::from_utf8(out.into_owned()).unwrap()
        };
        assert_eq!(
            of(r#"{"prompt":"a","stream":true}"#),
            r#"{"stream_options":{"include_usage":true},"prompt":"a","stream":true}"#
        );
        for same in [r#"{"prompt":"a"}"#, r#"{"prompt":"a","stream":true,"stream_options":{}}"#] {
            assert_eq!(of(same), same);
        }
    }
}

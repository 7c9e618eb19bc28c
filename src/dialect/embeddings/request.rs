//! What an embeddings request asks for, and the model's name, the one thing that the gateway changes.
//!
//! ```
//! use edgeway::dialect::embeddings::request::{peek, rewrite};
//!
//! let body = br#"{"model":"small","input":["one","two"]}"#;
//! let seen = peek(body)?;
//! assert_eq!((seen.model.as_deref(), seen.inputs), (Some("small"), 2));
//! assert_eq!(&rewrite(body, &seen, Some("m"))[..], br#"{"model":"m","input":["one","two"]}"#);
//! # Ok::<(), edgeway::dialect::InvalidBody>(())
//! ```

use crate::dialect::InvalidBody;
use crate::dialect::chat::request::model_name;
use crate::json::{self, Edit, Raw};
use crate::usage::estimate::Estimate;
use std::borrow::Cow;
use std::ops::Range;

/// What the gateway needs to know of a request. It goes with the body that it was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peek {
    /// The model as the client named it, if it did.
    pub model: Option<String>,
    /// How many texts are to be embedded.
    pub inputs: u64,
    /// Tokens of the input: counted where it comes as tokens, estimated where it is text.
    pub input_tokens: u64,
    inside: usize,
    model_place: Option<Range<usize>>,
}

/// Reads a request.
///
/// # Errors
/// Where the body is no JSON object, `model` is no string, or `input` is not there.
pub fn peek(body: &[u8]) -> Result<Peek, InvalidBody> {
    let object = json::peek(body, &["model", "input"])?;
    let [model, input] = object.fields;
    let input =
        input.filter(|input| !input.is_blank() && (input.is_array() || input.string_text().is_some()));
    let input = input.ok_or_else(|| InvalidBody::field("input", "a string or an array that is not empty"))?;
    let mut estimate = Estimate::default();
    let is_one = input.items().next().is_none_or(|item| is_number(item.value));
    if is_one {
        add(&mut estimate, input);
    } else {
        input.items().for_each(|item| add(&mut estimate, item.value));
    }
    let inputs = if is_one { 1 } else { input.items().count() as u64 };
    Ok(Peek {
        model: model_name(model.filter(|model| !model.is_null()))?,
        inputs,
        input_tokens: estimate.tokens(),
        inside: object.inside,
        model_place: model.map(|model| model.range()),
    })
}

/// The body with this model; borrowed where it is that already. `peek` must be of this body.
#[must_use]
pub fn rewrite<'b>(body: &'b [u8], peek: &Peek, model: Option<&str>) -> Cow<'b, [u8]> {
    let Some(model) = model.filter(|model| peek.model.as_deref() != Some(*model)) else {
        return Cow::Borrowed(body);
    };
    let edit = match &peek.model_place {
        Some(range) => Edit::new(range.clone(), json::quote(model)),
        None => Edit::new(peek.inside..peek.inside, format!("\"model\":{},", json::quote(model))),
    };
    Cow::Owned(json::splice(body, [edit]))
}

/// A text, a token, or an array of them.
fn add(estimate: &mut Estimate, input: Raw<'_>) {
    if input.items().next().is_some_and(|item| is_number(item.value)) {
        estimate.add_tokens(input.items().count() as u64);
    } else {
        estimate.add_content(input);
    }
}

fn is_number(value: Raw<'_>) -> bool {
    value.bytes.first().is_some_and(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_input_is_counted() {
        let cases = [
            (r#""four""#, 1, 1),
            (r#"["four","eightabc"]"#, 2, 3),
            ("[1,2,3]", 1, 3),
            ("[[1,2],[3,4,5]]", 2, 5),
        ];
        for (input, inputs, tokens) in cases {
            let seen = peek(format!("{{\"input\":{input}}}").as_bytes()).unwrap();
            assert_eq!((seen.inputs, seen.input_tokens), (inputs, tokens), "{input}");
        }
    }

    #[test]
    fn errors_name_the_field() {
        for (body, field) in [
            ("{}", "input"),
            (r#"{"input":""}"#, "input"),
            (r#"{"input":[]}"#, "input"),
            (r#"{"input":7}"#, "input"),
            (r#"{"input":"a","model":[]}"#, "model"),
        ] {
            assert_eq!(peek(body.as_bytes()).unwrap_err().field.as_deref(), Some(field), "{body}");
        }
    }

    #[test]
    fn only_the_model_changes() {
        let of = |body: &'static str, model| {
            let out = rewrite(body.as_bytes(), &peek(body.as_bytes()).unwrap(), model);
            String::from_utf8(out.into_owned()).unwrap()
        };
        assert_eq!(of(r#"{"input":"a", "model":null}"#, Some("m")), r#"{"input":"a", "model":"m"}"#);
        assert_eq!(of(r#"{ "input":"a"}"#, Some("m")), r#"{"model":"m", "input":"a"}"#);
        assert_eq!(of(r#"{"input":"a"}"#, None), r#"{"input":"a"}"#);
    }
}

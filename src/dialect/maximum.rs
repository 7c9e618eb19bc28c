//! The most tokens that an answer may have, put into a request of any dialect: what a limit has left, or a key allows.

use super::Dialect;
use crate::json::{self, Edit, Raw};
use std::borrow::Cow;

/// The body with this maximum for each answer where it asks for more, or for as much as there is. `is_openai` is whether
/// a Chat upstream knows `max_completion_tokens`. A body that cannot be read stays as it is: its reader has refused it.
#[must_use]
pub fn cap<'b>(body: Cow<'b, [u8]>, dialect: Dialect, most: u64, is_openai: bool) -> Cow<'b, [u8]> {
    let edits = match dialect {
        Dialect::Chat => {
            let absent = if is_openai { "max_completion_tokens" } else { "max_tokens" };
            members(&body, &["max_completion_tokens", "max_tokens"], absent, most)
        }
        Dialect::Responses => members(&body, &["max_output_tokens"], "max_output_tokens", most),
        Dialect::Messages => members(&body, &["max_tokens"], "max_tokens", most),
        Dialect::Gemini => nested(
            &body,
            ["generationConfig", "generation_config"],
            ["maxOutputTokens", "max_output_tokens"],
            most,
        ),
        Dialect::Converse => nested(&body, ["inferenceConfig"], ["maxTokens"], most),
    };
    let edits: Vec<Edit<'static>> = edits.unwrap_or_default();
    if edits.is_empty() { body } else { Cow::Owned(json::splice(&body, edits)) }
}

fn members<const N: usize>(
    body: &[u8],
    names: &[&str; N],
    absent: &str,
    most: u64,
) -> Option<Vec<Edit<'static>>> {
    let object = json::peek(body, names).ok()?;
    let mut edits: Vec<_> =
        object.fields.into_iter().flatten().filter_map(|field| lower(field, most)).collect();
    let is_said = object.fields.into_iter().flatten().any(|field| !field.is_null());
    // Of several that are null one is enough, and the others say nothing.
    edits.truncate(if is_said { N } else { 1 });
    if !is_said && edits.is_empty() {
        edits.push(object.insert(absent, &most.to_string()));
    }
    Some(edits)
}

/// A member of an object, each of which has one of these names, the first where nobody wrote it: Google takes two spellings.
fn nested<const N: usize>(
    body: &[u8],
    outer: [&str; N],
    inner: [&str; N],
    most: u64,
) -> Option<Vec<Edit<'static>>> {
    let object = json::peek(body, &outer).ok()?;
    let (outer, name) = (outer.first()?, inner.first()?);
    let Some(config) = object.fields.into_iter().flatten().next() else {
        return Some(vec![object.insert(outer, &format!("{{\"{name}\":{most}}}"))]);
    };
    if !config.is_object() {
        return Some(vec![config.replace(format!("{{\"{name}\":{most}}}"))]);
    }
    Some(match inner.iter().find_map(|name| config.member(name)) {
        Some(said) => lower(said, most).into_iter().collect(),
        None => {
            let comma = if config.is_blank() { "" } else { "," };
            let inside = config.start + 1;
            vec![Edit::new(inside..inside, format!("\"{name}\":{most}{comma}"))]
        }
    })
}

fn lower(said: Raw<'_>, most: u64) -> Option<Edit<'static>> {
    let is_low = said.as_u64().is_some_and(|said| said <= most);
    (!is_low).then(|| said.replace(most.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maximum_is_lowered_or_added_where_each_dialect_has_it() {
        use Dialect::{Chat, Converse, Gemini, Messages, Responses};
        for (dialect, body, expected) in [
            (Chat, r#"{"messages":[]}"#, r#"{"max_tokens":50,"messages":[]}"#),
            (Chat, r#"{"max_tokens":9,"messages":[]}"#, r#"{"max_tokens":9,"messages":[]}"#),
            (Chat, r#"{"max_tokens":90,"n":1}"#, r#"{"max_tokens":50,"n":1}"#),
            (Chat, r#"{"max_tokens":null,"n":1}"#, r#"{"max_tokens":50,"n":1}"#),
            (Chat, r#"{"max_completion_tokens":51,"n":1}"#, r#"{"max_completion_tokens":50,"n":1}"#),
            (
                Chat,
                r#"{"max_completion_tokens":9,"max_tokens":90}"#,
                r#"{"max_completion_tokens":9,"max_tokens":50}"#,
            ),
            (Responses, r#"{"input":"x"}"#, r#"{"max_output_tokens":50,"input":"x"}"#),
            (Messages, r#"{"max_tokens":4096}"#, r#"{"max_tokens":50}"#),
            (Gemini, r#"{"contents":[]}"#, r#"{"generationConfig":{"maxOutputTokens":50},"contents":[]}"#),
            (
                Gemini,
                r#"{"generation_config":{"max_output_tokens":70}}"#,
                r#"{"generation_config":{"max_output_tokens":50}}"#,
            ),
            (
                Gemini,
                r#"{"generationConfig":{"topK":1}}"#,
                r#"{"generationConfig":{"maxOutputTokens":50,"topK":1}}"#,
            ),
            (Gemini, r#"{"generationConfig":null}"#, r#"{"generationConfig":{"maxOutputTokens":50}}"#),
            (Converse, r#"{"messages":[]}"#, r#"{"inferenceConfig":{"maxTokens":50},"messages":[]}"#),
            (Converse, r#"{"inferenceConfig":{"maxTokens":60}}"#, r#"{"inferenceConfig":{"maxTokens":50}}"#),
        ] {
            let out = cap(Cow::Borrowed(body.as_bytes()), dialect, 50, false);
            assert_eq!(std::str::from_utf8(&out).unwrap(), expected, "{body}");
        }
        let openai = cap(Cow::Borrowed(br#"{"n":1}"#), Dialect::Chat, 50, true);
        assert_eq!(&*openai, br#"{"max_completion_tokens":50,"n":1}"#);
    }
}

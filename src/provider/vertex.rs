//! What Vertex AI wants otherwise than the publishers of its models do.

use crate::json::{Edit, Raw, splice};

/// In place of the header of Anthropic's own API.
const VERSION: &str = r#""anthropic_version":"vertex-2023-10-16""#;

/// The body of a call in the Messages dialect as Vertex AI takes it: the model stands in the address instead, and the version
/// of the API is in the body, unless the client has put it there. <https://docs.anthropic.com/en/api/claude-on-vertex-ai>
#[must_use]
pub fn messages_body(body: &[u8]) -> Vec<u8> {
    let object = Raw { bytes: body, start: 0 };
    let has_version = object.items().any(|item| item.is("anthropic_version"));
    let model = object.items().find(|item| item.is("model")).map(|item| match has_version {
        true => Edit::new(item.removal(body), ""),
        false => Edit::new(item.start..item.value.range().end, VERSION),
    });
    splice(body, model)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_takes_the_models_place() {
        for (body, expected) in [
            (
                r#" { "model": "claude", "stream": true}"#,
                r#" { "anthropic_version":"vertex-2023-10-16", "stream": true}"#,
            ),
            (
                r#"{"messages":[{"model":1}],"mod\u0065l":"claude"}"#,
                r#"{"messages":[{"model":1}],"anthropic_version":"vertex-2023-10-16"}"#,
            ),
            (r#"{"anthropic_version":"mine","model":"claude"}"#, r#"{"anthropic_version":"mine"}"#),
        ] {
            assert_eq!(String::from_utf8(messages_body(body.as_bytes())).unwrap(), expected);
        }
    }
}

//! `POST /v1/responses/input_tokens`: its body is a request, its answer one number.

use crate::json;

/// The answer for so many tokens.
#[must_use]
pub fn encode(tokens: u64) -> Vec<u8> {
    format!(r#"{{"object":"response.input_tokens","input_tokens":{tokens}}}"#).into_bytes()
}

/// The tokens in an upstream's answer; `None` where it is none.
#[must_use]
pub fn decode(body: &[u8]) -> Option<u64> {
    let [tokens] = json::peek_lenient(body, &["input_tokens"]).ok()?.fields;
    tokens?.as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_reads_back() {
        assert_eq!(decode(&encode(11)), Some(11));
        assert_eq!(decode(br#"{"error":{"message":"no"}}"#), None);
    }
}

//! What an upstream's refusal is about: mostly its status says it, but some providers answer 400 to a wrong key, and some
//! 403 to a good key that may not use this model or send this text. Taking the one for a mistake of the caller would
//! stop a failover, taking the other for a bad key would let one call switch off a key that serves all others.

use crate::dialect::error::UpstreamError;
use crate::route::retry::Failure;
use crate::time::Millis;

/// Codes under 403 that are about the call: OpenAI's model access and region
/// (<https://platform.openai.com/docs/guides/error-codes>), and moderation.
const ABOUT_THE_CALL: &[&str] = &[
    "model_not_found",
    "unsupported_country_region_territory",
    "content_policy_violation",
    "content_filter",
    "permission_error",
];

/// The failure that an answer of 300 or more is.
#[must_use]
pub fn failure(status: u16, retry_after: Option<Millis>, error: &UpstreamError) -> Failure {
    let code = error.code.as_deref().unwrap_or_default();
    let says = |words: &str| error.message.contains(words);
    match status {
        // AWS has both for a pair of keys that may use other models.
        403 if says("access to the model") || says("not authorized to perform") => Failure::Forbidden,
        403 if ABOUT_THE_CALL.contains(&code) || says("moderation") => Failure::Forbidden,
        // Gemini (`API_KEY_INVALID`) and xAI.
        400 if says("API key not valid") || says("Incorrect API key provided") => {
            Failure::Status { status: 401, retry_after: None }
        }
        // Bedrock: a quota of the account's, and a model that failed.
        400 if code == "ServiceQuotaExceededException" => Failure::Status { status: 429, retry_after },
        424 if code == "ModelErrorException" => Failure::Status { status: 502, retry_after },
        _ => Failure::Status { status, retry_after },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::error::read_error;

    #[test]
    fn a_refusal_is_about_the_key_only_where_it_says_so() {
        let plain = |status| Failure::Status { status, retry_after: None };
        for (status, body, expected) in [
            (
                403,
                r#"{"error":{"message":"Project does not have access to model `gpt-5`","code":"model_not_found"}}"#,
                Failure::Forbidden,
            ),
            (
                403,
                r#"{"error":{"code":403,"message":"openai/o3 requires moderation. Your input was flagged"}}"#,
                Failure::Forbidden,
            ),
            (403, r#"{"error":{"message":"Key limit exceeded","code":403}}"#, plain(403)),
            (403, "", plain(403)),
            (
                400,
                r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}"#,
                plain(401),
            ),
            (
                400,
                r#"{"code":"invalid-argument","error":"Incorrect API key provided: xa***. You can obtain an API key from console"}"#,
                plain(401),
            ),
            (400, r#"{"error":{"message":"max_tokens is too large"}}"#, plain(400)),
            (401, r#"{"error":{"code":"model_not_found"}}"#, plain(401)),
        ] {
            assert_eq!(failure(status, None, &read_error(body.as_bytes())), expected, "{status} {body}");
        }
    }
}

//! `finishReason`, and prompts that were blocked.

use crate::conversation::StopReason;
use serde_json::Value;

/// What a `finishReason` says; `STOP` behind a call of a function means that it waits.
pub(in crate::dialect::gemini) fn read(reason: &str, has_calls: bool) -> Option<StopReason> {
    Some(match reason {
        "" | "FINISH_REASON_UNSPECIFIED" => return None,
        "STOP" if has_calls => StopReason::ToolUse,
        "STOP" => StopReason::End,
        "MAX_TOKENS" => StopReason::MaxTokens,
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "MODEL_ARMOR" => StopReason::ContentFilter,
        _ => StopReason::Failed,
    })
}

/// As Gemini's clients know it.
pub(in crate::dialect::gemini) fn written(reason: &StopReason) -> &'static str {
    match reason {
        StopReason::End | StopReason::StopSequence(_) | StopReason::ToolUse | StopReason::Pause => "STOP",
        StopReason::MaxTokens => "MAX_TOKENS",
        StopReason::Refusal | StopReason::ContentFilter => "SAFETY",
        StopReason::Failed => "OTHER",
    }
}

/// The prompt was blocked, so there is no candidate.
pub(in crate::dialect::gemini) fn is_blocked(feedback: Option<&Value>) -> bool {
    let reason = feedback.and_then(|feedback| feedback.get("blockReason")).and_then(Value::as_str);
    reason.is_some_and(|reason| reason != "BLOCK_REASON_UNSPECIFIED")
}

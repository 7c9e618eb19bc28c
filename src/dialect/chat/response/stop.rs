//! `finish_reason`, with the words that providers have of their own.

use crate::conversation::StopReason;

/// What a reason means in an answer that calls tools, or refuses. Some upstreams say `stop` where they call tools (OpenAI
/// does where the client named the tool); an answer with calls waits for their results whatever it says.
pub(in crate::dialect::chat) fn parse(reason: &str, has_calls: bool, has_refusal: bool) -> StopReason {
    match reason {
        "length" | "max_tokens" | "model_length" => StopReason::MaxTokens,
        "content_filter" | "blacklist" | "safety" | "sensitive" => StopReason::ContentFilter,
        "error" | "insufficient_system_resource" | "network_error" => StopReason::Failed,
        "tool_calls" | "function_call" | "tool_use" => StopReason::ToolUse,
        _ if has_calls => StopReason::ToolUse,
        _ if has_refusal => StopReason::Refusal,
        "refusal" => StopReason::Refusal,
        _ => StopReason::End,
    }
}

/// The word for a reason. A refusal without words of refusal, and an answer that failed, are `content_filter`: the one of
/// OpenAI's words that says that something is missing.
pub(in crate::dialect::chat) fn name(
    reason: &StopReason,
    has_refusal: bool,
    is_legacy: bool,
) -> &'static str {
    match reason {
        StopReason::MaxTokens => "length",
        StopReason::ToolUse if is_legacy => "function_call",
        StopReason::ToolUse => "tool_calls",
        StopReason::Refusal if has_refusal => "stop",
        StopReason::Refusal | StopReason::ContentFilter | StopReason::Failed => "content_filter",
        StopReason::End | StopReason::StopSequence(_) | StopReason::Pause => "stop",
    }
}

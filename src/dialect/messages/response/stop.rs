//! Why a model stopped (<https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons>).

use crate::conversation::StopReason;

/// What `stop_reason` and `stop_sequence` say.
pub(in crate::dialect::messages) fn reason_of(reason: &str, sequence: Option<String>) -> StopReason {
    match reason {
        "stop_sequence" => StopReason::StopSequence(sequence),
        "max_tokens" | "model_context_window_exceeded" => StopReason::MaxTokens,
        "tool_use" => StopReason::ToolUse,
        "refusal" => StopReason::Refusal,
        // Bedrock's own words.
        "content_filtered" | "guardrail_intervened" => StopReason::ContentFilter,
        "malformed_model_output" | "malformed_tool_use" => StopReason::Failed,
        "pause_turn" => StopReason::Pause,
        _ => StopReason::End,
    }
}

/// `stop_reason` and `stop_sequence`. Clients act on tools only where the reason says so, whatever another provider calls
/// it. There is no word for a model that could not go on; that it ended is the nearest.
pub(in crate::dialect::messages) fn words_of(
    reason: Option<StopReason>,
    has_calls: bool,
) -> (&'static str, Option<String>) {
    match reason {
        Some(StopReason::StopSequence(sequence)) => ("stop_sequence", sequence),
        Some(StopReason::MaxTokens) => ("max_tokens", None),
        Some(StopReason::Refusal | StopReason::ContentFilter) => ("refusal", None),
        Some(StopReason::Pause) => ("pause_turn", None),
        Some(StopReason::ToolUse) => ("tool_use", None),
        None | Some(StopReason::End | StopReason::Failed) if has_calls => ("tool_use", None),
        None | Some(StopReason::End | StopReason::Failed) => ("end_turn", None),
    }
}

//! What clients of this dialect call what the hub has.

use crate::conversation::Field;

/// The name of a field in a body of this dialect; of what it has no name for, a word that says what it is.
#[must_use]
pub fn name_of(field: Field) -> &'static str {
    match field {
        Field::Temperature => "temperature",
        Field::TopP => "top_p",
        Field::TopK => "top_k",
        Field::FrequencyPenalty => "frequency_penalty",
        Field::PresencePenalty => "presence_penalty",
        Field::Seed => "seed",
        Field::Stop => "stop",
        Field::Choices => "n",
        Field::Logprobs => "include.message.output_text.logprobs",
        Field::TopLogprobs => "top_logprobs",
        Field::Format => "text.format",
        Field::FormatStrict => "text.format.strict",
        Field::Verbosity => "text.verbosity",
        Field::Reasoning => "reasoning.effort",
        Field::ReasoningSummary => "reasoning.summary",
        Field::Metadata => "metadata",
        Field::User => "safety_identifier",
        Field::ServiceTier => "service_tier",
        Field::PromptCacheKey => "prompt_cache_key",
        Field::Store => "store",
        Field::ToolChoice => "tool_choice",
        Field::AllowedTools => "tool_choice.tools",
        Field::ParallelToolCalls => "parallel_tool_calls",
        Field::ToolStrict => "tools.strict",
        Field::CacheBreakpoint => "input.content.prompt_cache_breakpoint",
        Field::MessageName => "input.name",
        Field::Citations => "input.content.annotations",
        Field::Thinking => "input.reasoning",
        Field::Signature => "input.reasoning.encrypted_content",
        Field::Image => "input.content.input_image",
        Field::ImageDetail => "input.content.detail",
        Field::Audio => "input.content.input_audio",
        Field::Video => "input.content.video",
        Field::Document => "input.content.input_file",
        Field::ToolResultImage => "input.output.input_image",
        Field::ToolResultError => "input.is_error",
        Field::NativeTool => "tools",
        Field::NativeBlock => "input",
        Field::SchemaKeyword => "text.format.schema",
    }
}

//! What this dialect's clients call the fields of the hub.

use crate::conversation::Field;

/// The name of a field in `x-edgeway-dropped-params`; for what this dialect has no field for, a word that can be read.
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
        Field::Logprobs => "logprobs",
        Field::TopLogprobs => "top_logprobs",
        Field::Format => "response_format",
        Field::FormatStrict => "response_format.json_schema.strict",
        Field::Verbosity => "verbosity",
        Field::Reasoning => "reasoning_effort",
        Field::ReasoningSummary => "reasoning_summary",
        Field::Metadata => "metadata",
        Field::User => "user",
        Field::ServiceTier => "service_tier",
        Field::PromptCacheKey => "prompt_cache_key",
        Field::Store => "store",
        Field::ToolChoice => "tool_choice",
        Field::AllowedTools => "tool_choice.allowed_tools",
        Field::ParallelToolCalls => "parallel_tool_calls",
        Field::ToolStrict => "tools.function.strict",
        Field::CacheBreakpoint => "cache_control",
        Field::MessageName => "messages.name",
        Field::Citations => "messages.annotations",
        Field::Thinking => "messages.reasoning_content",
        Field::Signature => "messages.reasoning_details",
        Field::Image => "messages.content.image_url",
        Field::ImageDetail => "messages.content.image_url.detail",
        Field::Audio => "messages.content.input_audio",
        Field::Video => "messages.content.video_url",
        Field::Document => "messages.content.file",
        Field::ToolResultImage => "messages.content.image_url",
        Field::ToolResultError => "messages.is_error",
        Field::NativeTool => "tools",
        Field::NativeBlock => "messages.content",
        Field::SchemaKeyword => "json_schema",
    }
}

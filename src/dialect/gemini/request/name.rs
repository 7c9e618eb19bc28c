//! What Gemini's clients call the things of the hub.

use crate::conversation::Field;

/// The name of a field in a Gemini request, its path where it has one.
#[must_use]
pub fn name_of(field: Field) -> &'static str {
    match field {
        Field::Temperature => "generationConfig.temperature",
        Field::TopP => "generationConfig.topP",
        Field::TopK => "generationConfig.topK",
        Field::FrequencyPenalty => "generationConfig.frequencyPenalty",
        Field::PresencePenalty => "generationConfig.presencePenalty",
        Field::Seed => "generationConfig.seed",
        Field::Stop => "generationConfig.stopSequences",
        Field::Choices => "generationConfig.candidateCount",
        Field::Logprobs => "generationConfig.responseLogprobs",
        Field::TopLogprobs => "generationConfig.logprobs",
        Field::Format => "generationConfig.responseMimeType",
        Field::FormatStrict => "strict",
        Field::Verbosity => "verbosity",
        Field::Reasoning => "generationConfig.thinkingConfig",
        Field::ReasoningSummary => "generationConfig.thinkingConfig.includeThoughts",
        Field::Metadata => "labels",
        Field::User => "user",
        Field::ServiceTier => "serviceTier",
        Field::PromptCacheKey => "prompt_cache_key",
        Field::Store => "store",
        Field::ToolChoice => "toolConfig.functionCallingConfig",
        Field::AllowedTools => "toolConfig.functionCallingConfig.allowedFunctionNames",
        Field::ParallelToolCalls => "parallel_tool_calls",
        Field::ToolStrict => "tools.strict",
        Field::CacheBreakpoint => "cache_control",
        Field::MessageName => "contents.name",
        Field::Citations => "citations",
        Field::Thinking => "contents.parts.thought",
        Field::Signature => "contents.parts.thoughtSignature",
        Field::Image | Field::Audio | Field::Video | Field::Document => "contents.parts.inlineData",
        Field::ImageDetail => "detail",
        Field::ToolResultImage => "contents.parts.functionResponse.parts",
        Field::ToolResultError => "contents.parts.functionResponse.response.error",
        Field::NativeTool => "tools",
        Field::NativeBlock => "contents.parts",
        Field::SchemaKeyword => "responseJsonSchema",
    }
}

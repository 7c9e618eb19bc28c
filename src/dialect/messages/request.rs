//! Requests: looked at in passing, decoded, encoded.

mod attribution;
mod decode;
mod encode;
mod history;
mod native;
mod peek;
mod rewrite;
mod schema;
mod settings;
mod tools;

use crate::conversation::Field;
pub use attribution::strip_attribution;
pub use decode::decode;
pub(super) use decode::tree;
pub use encode::encode;
pub(in crate::dialect) use encode::members;
pub use peek::{Peek, peek};
pub use rewrite::{Rewrite, rewrite};

/// What clients of this dialect call a field; for what they cannot send, a word that tells what it is.
#[must_use]
pub fn name_of(field: Field) -> &'static str {
    match field {
        Field::Temperature => "temperature",
        Field::TopP => "top_p",
        Field::TopK => "top_k",
        Field::FrequencyPenalty => "frequency_penalty",
        Field::PresencePenalty => "presence_penalty",
        Field::Seed => "seed",
        Field::Stop => "stop_sequences",
        Field::Choices => "n",
        Field::Logprobs => "logprobs",
        Field::TopLogprobs => "top_logprobs",
        Field::Format | Field::FormatStrict => "output_config.format",
        Field::Verbosity => "verbosity",
        Field::Reasoning => "thinking",
        Field::ReasoningSummary => "thinking.display",
        Field::Metadata => "metadata",
        Field::User => "metadata.user_id",
        Field::ServiceTier => "service_tier",
        Field::PromptCacheKey => "prompt_cache_key",
        Field::Store => "store",
        Field::ToolChoice | Field::AllowedTools => "tool_choice",
        Field::ParallelToolCalls => "tool_choice.disable_parallel_tool_use",
        Field::ToolStrict => "tools.strict",
        Field::CacheBreakpoint => "cache_control",
        Field::MessageName => "messages.name",
        Field::Citations => "messages.content.citations",
        Field::Thinking => "messages.content.thinking",
        Field::Signature => "messages.content.signature",
        Field::Image => "messages.content.image",
        Field::ImageDetail => "messages.content.image.detail",
        Field::Audio => "messages.content.audio",
        Field::Video => "messages.content.video",
        Field::Document => "messages.content.document",
        Field::ToolResultImage => "messages.content.tool_result.image",
        Field::ToolResultError => "messages.content.tool_result.is_error",
        Field::NativeTool => "tools",
        Field::NativeBlock => "messages.content",
        Field::SchemaKeyword => "input_schema",
    }
}

#[cfg(test)]
mod tests;

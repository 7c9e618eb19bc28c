//! What a call used: disjoint counts, and where they come from.
//!
//! Dialects count differently (OpenAI's `prompt_tokens` includes cached tokens, Anthropic's `input_tokens` does not);
//! decoders bring them into these buckets, which never overlap, so that a price applies to each exactly once. What is not
//! counted in tokens (pictures, seconds, characters, searches) stands beside them.

pub mod beside;
pub mod estimate;
pub mod recording;

use crate::money::NanoUsd;
use serde::{Deserialize, Serialize};

/// What one call used: disjoint counts of tokens, and what is counted otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Text input that was neither read from nor written to a cache.
    pub input: u64,
    /// Input read from a cache.
    pub cached_input: u64,
    /// Input written to a cache for five minutes.
    pub cache_write: u64,
    /// Input written to a cache for an hour.
    pub cache_write_1h: u64,
    /// Audio input.
    pub audio_input: u64,
    /// Input of pictures, where the upstream tells it apart.
    pub image_input: u64,
    /// Visible text output.
    pub output: u64,
    /// Reasoning output.
    pub reasoning: u64,
    /// Audio output.
    pub audio_output: u64,
    /// Pictures that were made, in tokens.
    pub image_output: u64,
    /// Pictures that were made; the same ones, where their tokens are counted too.
    pub images: u64,
    /// Sound that was listened to, ms; the same, where its tokens are counted too.
    pub audio_ms: u64,
    /// Characters that were spoken.
    pub characters: u64,
    /// Searches, as a reranker bills them.
    pub searches: u64,
}

impl Usage {
    /// All input, as OpenAI counts it: what `input_tokens` of a log record says, and what chooses a price tier.
    #[must_use]
    pub fn total_input(&self) -> u64 {
        [self.cached_input, self.cache_write, self.cache_write_1h, self.audio_input, self.image_input]
            .iter()
            .fold(self.input, |sum, part| sum.saturating_add(*part))
    }

    /// Of both.
    #[must_use]
    pub fn plus(&self, other: &Usage) -> Usage {
        Usage {
            input: self.input.saturating_add(other.input),
            cached_input: self.cached_input.saturating_add(other.cached_input),
            cache_write: self.cache_write.saturating_add(other.cache_write),
            cache_write_1h: self.cache_write_1h.saturating_add(other.cache_write_1h),
            audio_input: self.audio_input.saturating_add(other.audio_input),
            image_input: self.image_input.saturating_add(other.image_input),
            output: self.output.saturating_add(other.output),
            reasoning: self.reasoning.saturating_add(other.reasoning),
            audio_output: self.audio_output.saturating_add(other.audio_output),
            image_output: self.image_output.saturating_add(other.image_output),
            images: self.images.saturating_add(other.images),
            audio_ms: self.audio_ms.saturating_add(other.audio_ms),
            characters: self.characters.saturating_add(other.characters),
            searches: self.searches.saturating_add(other.searches),
        }
    }

    /// All output, as OpenAI counts it: what `output_tokens` of a log record says.
    #[must_use]
    pub fn total_output(&self) -> u64 {
        [self.reasoning, self.audio_output, self.image_output]
            .iter()
            .fold(self.output, |sum, part| sum.saturating_add(*part))
    }

    /// Whether any token was counted.
    #[must_use]
    pub fn has_tokens(&self) -> bool {
        self.total_input() > 0 || self.total_output() > 0
    }
}

/// What a log record says of a usage beside its sums of tokens; what is zero is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Units {
    /// Of the input tokens: audio.
    #[serde(skip_serializing_if = "is_zero")]
    pub audio_input_tokens: u64,
    /// Of the input tokens: pictures.
    #[serde(skip_serializing_if = "is_zero")]
    pub image_input_tokens: u64,
    /// Of the output tokens: audio.
    #[serde(skip_serializing_if = "is_zero")]
    pub audio_output_tokens: u64,
    /// Of the output tokens: pictures.
    #[serde(skip_serializing_if = "is_zero")]
    pub image_output_tokens: u64,
    /// Pictures that were made.
    #[serde(skip_serializing_if = "is_zero")]
    pub images: u64,
    /// Sound that was listened to, ms.
    #[serde(skip_serializing_if = "is_zero")]
    pub audio_ms: u64,
    /// Characters that were spoken.
    #[serde(skip_serializing_if = "is_zero")]
    pub characters: u64,
    /// Searches of a reranker.
    #[serde(skip_serializing_if = "is_zero")]
    pub searches: u64,
}

impl Units {
    /// Of a usage; `None` where there is nothing to say.
    #[must_use]
    pub fn of(usage: &Usage) -> Option<Units> {
        let units = Units {
            audio_input_tokens: usage.audio_input,
            image_input_tokens: usage.image_input,
            audio_output_tokens: usage.audio_output,
            image_output_tokens: usage.image_output,
            images: usage.images,
            audio_ms: usage.audio_ms,
            characters: usage.characters,
            searches: usage.searches,
        };
        (units != Units::default()).then_some(units)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What an upstream reports of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reported {
    /// Its token counts.
    pub usage: Usage,
    /// What it says that it charges: OpenRouter's `cost`, Perplexity's `cost.total_cost`, xAI's `cost_in_usd_ticks`.
    pub cost: Option<NanoUsd>,
}

/// Where the counts come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum UsageSource {
    /// The upstream said so.
    Upstream,
    /// The gateway estimated them from the text.
    Estimated,
    /// Nothing was used, or nothing is known.
    #[default]
    None,
}

impl UsageSource {
    /// Of a sum: estimated, where a part of it is.
    #[must_use]
    pub fn and(self, other: UsageSource) -> UsageSource {
        match (self, other) {
            (UsageSource::None, source) | (source, UsageSource::None) => source,
            (one, other) if one == other => one,
            _ => UsageSource::Estimated,
        }
    }

    /// As stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            UsageSource::Upstream => "upstream",
            UsageSource::Estimated => "estimated",
            UsageSource::None => "none",
        }
    }
}

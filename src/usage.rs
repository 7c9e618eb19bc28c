//! What a call used: disjoint token counts, and where they come from.
//!
//! Dialects count differently (OpenAI's `prompt_tokens` includes cached tokens, Anthropic's `input_tokens` does not);
//! decoders bring them into these buckets, which never overlap, so that a price applies to each exactly once.

pub mod estimate;

use crate::money::NanoUsd;
use serde::{Deserialize, Serialize};

/// Disjoint token counts of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Visible text output.
    pub output: u64,
    /// Reasoning output.
    pub reasoning: u64,
    /// Audio output.
    pub audio_output: u64,
}

impl Usage {
    /// All input, as OpenAI counts it: what `input_tokens` of a log record says, and what chooses a price tier.
    #[must_use]
    pub fn total_input(&self) -> u64 {
        [self.cached_input, self.cache_write, self.cache_write_1h, self.audio_input]
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
            output: self.output.saturating_add(other.output),
            reasoning: self.reasoning.saturating_add(other.reasoning),
            audio_output: self.audio_output.saturating_add(other.audio_output),
        }
    }

    /// All output, as OpenAI counts it: what `output_tokens` of a log record says.
    #[must_use]
    pub fn total_output(&self) -> u64 {
        self.output.saturating_add(self.reasoning).saturating_add(self.audio_output)
    }
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

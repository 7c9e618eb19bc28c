//! What a call uses, or may use, of everything that is limited: requests, tokens and money, counted together.

use crate::money::NanoUsd;
use crate::usage::Usage;
use serde::{Deserialize, Serialize};

/// Requests, tokens and nano-USD. In JSON a list of the four, since it is stored with every call and window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64, u64, NanoUsd)", into = "(u64, u64, u64, NanoUsd)")]
pub struct Amounts {
    /// Calls of a client; its retries upstream are not calls of their own.
    pub requests: u64,
    /// Input tokens, cached ones included.
    pub input_tokens: u64,
    /// Output tokens, reasoning included.
    pub output_tokens: u64,
    /// Money; never negative.
    pub cost: NanoUsd,
}

/// What of the amounts a limit is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Calls.
    Requests,
    /// Input tokens.
    InputTokens,
    /// Output tokens.
    OutputTokens,
    /// Input and output tokens.
    Tokens,
    /// Nano-USD.
    Cost,
}

impl Amounts {
    /// One call that used and cost this; the sum over its attempts where several were billed.
    #[must_use]
    pub fn of_call(usage: &Usage, cost: NanoUsd) -> Amounts {
        let (input_tokens, output_tokens) = (usage.total_input(), usage.total_output());
        Amounts { requests: 1, input_tokens, output_tokens, cost: cost.max(NanoUsd(0)) }
    }

    /// One of them, in its own unit.
    #[must_use]
    pub fn get(self, measure: Measure) -> u64 {
        match measure {
            Measure::Requests => self.requests,
            Measure::InputTokens => self.input_tokens,
            Measure::OutputTokens => self.output_tokens,
            Measure::Tokens => self.input_tokens.saturating_add(self.output_tokens),
            Measure::Cost => u64::try_from(self.cost.0).unwrap_or_default(),
        }
    }

    /// The sum; it stops at the end of the range.
    #[must_use]
    pub fn plus(self, other: Amounts) -> Amounts {
        Amounts {
            requests: self.requests.saturating_add(other.requests),
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cost: self.cost.plus(other.cost),
        }
    }

    /// The difference; nothing is ever less than zero.
    #[must_use]
    pub fn minus(self, other: Amounts) -> Amounts {
        Amounts {
            requests: self.requests.saturating_sub(other.requests),
            input_tokens: self.input_tokens.saturating_sub(other.input_tokens),
            output_tokens: self.output_tokens.saturating_sub(other.output_tokens),
            cost: NanoUsd(self.cost.0.saturating_sub(other.cost.0).max(0)),
        }
    }
}

impl From<(u64, u64, u64, NanoUsd)> for Amounts {
    fn from((requests, input_tokens, output_tokens, cost): (u64, u64, u64, NanoUsd)) -> Amounts {
        Amounts { requests, input_tokens, output_tokens, cost: cost.max(NanoUsd(0)) }
    }
}

impl From<Amounts> for (u64, u64, u64, NanoUsd) {
    fn from(amounts: Amounts) -> Self {
        (amounts.requests, amounts.input_tokens, amounts.output_tokens, amounts.cost)
    }
}

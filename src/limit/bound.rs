//! The most that a call can use, before it is dispatched: what its reservation holds.
//!
//! input estimate with its margin, and (the smaller of the caller's and the model's maximum) × choices of output, each at
//! the dearest price that any of its tokens may have. Never under what can be billed, as far as the estimate holds.

use super::amounts::Amounts;
use super::caps::Limits;
use crate::config::policy::{Policy, UnknownOutput, UnknownPrice};
use crate::money::{NanoUsd, Price, Sum};

/// The estimate of the input is within a third of the truth on prose, and further off on short texts
/// ([`crate::usage::estimate`]): half as much again, and room for what a template of the provider adds.
const MARGIN: (u64, u64) = (3, 2);
/// Tokens that are added to every input.
const TEMPLATE: u64 = 32;

/// What is known of a call before it is dispatched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Estimated, in tokens.
    pub input_tokens: u64,
    /// Whether its endpoint writes tokens at all; embeddings do not.
    pub generates: bool,
    /// The most that the caller allows, for each choice.
    pub max_tokens: Option<u64>,
    /// The most that the model can write, as the catalogue has it; of several candidates the largest.
    pub model_maximum: Option<u64>,
    /// How many answers are asked for (`n`); zero counts as one.
    pub choices: u64,
}

/// The dearest price of any token of a call, over all candidates; `None` where one of them has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DearestPrices {
    /// Of an input token.
    pub input: Option<Price>,
    /// Of an output token.
    pub output: Option<Price>,
}

/// What a reservation holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// One request and all that it can use.
    pub amounts: Amounts,
    /// The maximum that must be sent upstream, where the policy set it, in tokens for each choice.
    pub cap: Option<u64>,
}

/// The key's policy refuses a call that cannot be bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unbounded {
    /// Name a maximum.
    #[error(
        "this gateway key needs a maximum of output tokens: set max_tokens, as the model's own is not known"
    )]
    Output,
    /// Give the model a price, or let the key use models without one.
    #[error(
        "this gateway key has a budget and the model has no known price: give it one under /api/user-models"
    )]
    Price,
}

impl DearestPrices {
    /// The dearer of two candidates', each.
    #[must_use]
    pub fn or_dearer(self, other: DearestPrices) -> DearestPrices {
        let dearer = |a: Option<Price>, b: Option<Price>| Some(a?.max(b?));
        DearestPrices { input: dearer(self.input, other.input), output: dearer(self.output, other.output) }
    }
}

impl Demand {
    /// The bound of a call under a key's policy and the limits that it must pass.
    ///
    /// # Errors
    /// The policy refuses a call without this bound; asked only where a limit needs it.
    pub fn bound(
        &self,
        prices: DearestPrices,
        policy: &Policy,
        limits: [&Limits; 2],
    ) -> Result<Bound, Unbounded> {
        let input_tokens = self.input_bound();
        let (output_tokens, cap) = self.output(policy, limits)?;
        let has_budget = limits.iter().any(|limits| limits.budget.is_some());
        let parts = [(input_tokens, prices.input), (output_tokens, prices.output)];
        let sum = parts
            .into_iter()
            .filter(|(tokens, _)| *tokens > 0)
            .try_fold(Sum::default(), |sum, (tokens, price)| price.map(|price| sum.add(tokens, price)));
        let cost = match (sum, policy.unknown_price) {
            (Some(sum), _) => sum.total(),
            (None, _) if !has_budget => NanoUsd(0),
            (None, UnknownPrice::Allow(nano_usd)) => NanoUsd(i64::try_from(nano_usd).unwrap_or(i64::MAX)),
            (None, UnknownPrice::Refuse) => return Err(Unbounded::Price),
        };
        Ok(Bound { amounts: Amounts { requests: 1, input_tokens, output_tokens, cost }, cap })
    }

    /// The most input that the estimate may stand for, in tokens: what a price's tiers are to be chosen by.
    #[must_use]
    pub fn input_bound(&self) -> u64 {
        let (numerator, denominator) = MARGIN;
        match self.input_tokens {
            0 => 0,
            tokens => tokens.saturating_mul(numerator).div_ceil(denominator).saturating_add(TEMPLATE),
        }
    }

    /// Output tokens over all choices, and the maximum that the policy sets.
    fn output(&self, policy: &Policy, limits: [&Limits; 2]) -> Result<(u64, Option<u64>), Unbounded> {
        if !self.generates {
            return Ok((0, None));
        }
        let all = |tokens: u64| tokens.saturating_mul(self.choices.max(1));
        let known = self.max_tokens.into_iter().chain(self.model_maximum).min();
        match (known, policy.unknown_output) {
            (Some(tokens), _) => Ok((all(tokens), None)),
            _ if !limits.iter().any(|limits| limits.needs_output_bound()) => Ok((0, None)),
            (None, UnknownOutput::Cap(tokens)) => Ok((all(tokens), Some(tokens))),
            (None, UnknownOutput::Refuse) => Err(Unbounded::Output),
        }
    }
}

//! The most that a call can use, before it is dispatched: what its reservation holds.
//!
//! input estimate with its margin, and (the smaller of the caller's and the model's maximum) × choices of output, each at
//! the dearest price that any of its tokens may have. Never under what can be billed, as far as the estimate holds.

use super::amounts::{Amounts, Measure};
use super::caps::Limits;
use crate::config::policy::{Policy, UnknownOutput, UnknownPrice};
use crate::money::{NanoUsd, Price, Sum};
use crate::usage::beside::Most;
use serde::{Deserialize, Serialize};

/// The estimate of the input is within a third of the truth on prose, and further off on short texts
/// ([`crate::usage::estimate`]): half as much again, and room for what a template of the provider adds.
const MARGIN: (u64, u64) = (3, 2);
/// Tokens that are added to every input.
const TEMPLATE: u64 = 32;
/// Prices are for so many tokens.
const MILLION: u128 = 1_000_000;
/// An answer that had to be shorter than this would be of little use; the call is refused instead.
const SHORTEST: u64 = 256;

/// What is known of a call before it is dispatched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Estimated, in tokens.
    pub input_tokens: u64,
    /// How often the input is read, where each answer is a call of its own; zero counts as one.
    pub calls: u64,
    /// Whether its endpoint writes tokens at all; embeddings do not.
    pub generates: bool,
    /// The most that the caller allows, for each choice.
    pub max_tokens: Option<u64>,
    /// The most that the model can write, as the catalogue has it; of several candidates the largest.
    pub model_maximum: Option<u64>,
    /// How many answers are asked for (`n`); zero counts as one.
    pub choices: u64,
}

/// The dearest price of any token of a call's text, over all candidates, and the most that what it asks for beside that counts and
/// costs; `None` where one of them has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DearestPrices {
    /// Of an input token.
    pub input: Option<Price>,
    /// Of an output token.
    pub output: Option<Price>,
    /// Of all that is no text.
    pub beside: Most,
}

/// What a reservation holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// One request and all that it can use.
    pub amounts: Amounts,
    /// The maximum that must be sent upstream, where the policy set it, in tokens for each choice.
    pub cap: Option<u64>,
    /// How the ledger may make it fit, where the caller names no maximum of its own.
    pub flexible: Option<Flexible>,
}

/// A bound on which nobody insists: where the model's maximum does not fit into what is left of a limit, the ledger may
/// hold less, and the call is sent with that maximum. Else a small limit would never let an unbounded call through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flexible {
    /// How many answers are asked for, at least one.
    pub choices: u64,
    /// No less than this, in tokens for each choice.
    pub least: u64,
    /// No more than this when it has to give way, in tokens for each choice, so that one call does not take all.
    pub most: u64,
    /// At which the output is held.
    pub price: Price,
}

impl Flexible {
    /// How many tokens must go so that so many of a measure go; `None` where writing less does not help.
    pub(super) fn removal(&self, measure: Measure, excess: u64) -> Option<u64> {
        match measure {
            _ if excess == 0 => Some(0),
            Measure::Tokens | Measure::OutputTokens => Some(excess),
            Measure::Cost => {
                let price = u128::try_from(self.price.0).ok().filter(|price| *price > 0)?;
                u64::try_from((u128::from(excess) * MILLION).div_ceil(price)).ok()
            }
            Measure::Requests | Measure::InputTokens => None,
        }
    }

    /// The bound without at least so many output tokens, and the maximum for each choice that keeps it.
    pub(super) fn without(&self, bound: Amounts, removal: u64) -> Option<(Amounts, u64)> {
        let room = bound.output_tokens.checked_sub(removal)?;
        let each = room.checked_div(self.choices)?.min(self.most);
        if each < self.least {
            return None;
        }
        Some((self.holding(bound, each), each))
    }

    /// The bound of a call that may write so many tokens for each choice.
    #[must_use]
    pub fn holding(&self, bound: Amounts, each: u64) -> Amounts {
        let output_tokens = each.saturating_mul(self.choices).min(bound.output_tokens);
        let removed = u128::from(bound.output_tokens - output_tokens);
        // Rounded down, so that what remains is never under the charge of the tokens that remain.
        let saved = removed * u128::try_from(self.price.0).unwrap_or_default() / MILLION;
        let saved = NanoUsd(i64::try_from(saved).unwrap_or(i64::MAX));
        let saved = Amounts { cost: saved, ..Amounts::default() };
        Amounts { output_tokens, ..bound.minus(saved) }
    }
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
    /// Of a call that asks for nothing beside text.
    #[must_use]
    pub const fn of_text(input: Option<Price>, output: Option<Price>) -> DearestPrices {
        DearestPrices { input, output, beside: Most::FREE }
    }

    /// The dearer of two candidates', each.
    #[must_use]
    pub fn or_dearer(self, other: DearestPrices) -> DearestPrices {
        let dearer = |a: Option<Price>, b: Option<Price>| Some(a?.max(b?));
        DearestPrices {
            input: dearer(self.input, other.input),
            output: dearer(self.output, other.output),
            beside: self.beside.or_more(other.beside),
        }
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
        let input_tokens = self.input_bound().saturating_mul(self.calls.max(1));
        let (output_tokens, cap) = self.output(policy, limits)?;
        let has_budget = limits.iter().any(|limits| limits.budget.is_some());
        let parts = [(input_tokens, prices.input), (output_tokens, prices.output)];
        let sum = parts
            .into_iter()
            .filter(|(tokens, _)| *tokens > 0)
            .try_fold(Sum::default(), |sum, (tokens, price)| price.map(|price| sum.add(tokens, price)));
        let all = sum.zip(prices.beside.cost).map(|(text, beside)| text.plus(beside).total());
        let cost = match (all, policy.unknown_price) {
            (Some(all), _) => all,
            (None, _) if !has_budget => NanoUsd(0),
            (None, UnknownPrice::Allow(nano_usd)) => NanoUsd(i64::try_from(nano_usd).unwrap_or(i64::MAX)),
            (None, UnknownPrice::Refuse) => return Err(Unbounded::Price),
        };
        let amounts = Amounts {
            requests: 1,
            input_tokens: input_tokens.saturating_add(prices.beside.input_tokens),
            output_tokens: output_tokens.saturating_add(prices.beside.output_tokens),
            cost,
        };
        let price = prices.output.filter(|_| sum.is_some()).unwrap_or_default();
        Ok(Bound { amounts, cap, flexible: self.flexible(policy, price) })
    }

    fn flexible(&self, policy: &Policy, price: Price) -> Option<Flexible> {
        let UnknownOutput::Cap(most) = policy.unknown_output else { return None };
        let is_open = self.generates && self.max_tokens.is_none();
        is_open.then(|| Flexible { choices: self.choices.max(1), least: SHORTEST.min(most), most, price })
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

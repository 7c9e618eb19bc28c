//! What a call reserves: never less than it can be billed, and what a key's policy says where that is not known.

#![allow(clippy::unwrap_used, reason = "what stands around the tests may fail like the tests")]

use edgeway::config::policy::{Policy, UnknownOutput, UnknownPrice};
use edgeway::config::{Budget, BudgetWindow, RateLimits};
use edgeway::cost::{Exposure, Prices, charge};
use edgeway::limit::bound::{Bound, DearestPrices, Demand, Flexible, Unbounded};
use edgeway::limit::{Amounts, Limits};
use edgeway::money::{NanoUsd, Price};
use edgeway::usage::{Usage, UsageSource};
use proptest::prelude::*;

const NONE: Limits = Limits {
    rates: RateLimits {
        requests_per_minute: None,
        requests_per_hour: None,
        requests_per_day: None,
        tokens_per_minute: None,
        concurrent: None,
    },
    quotas: edgeway::config::Quotas {
        input_tokens_per_day: None,
        output_tokens_per_day: None,
        requests_per_day: None,
        max_input_tokens: None,
        max_output_tokens: None,
    },
    budget: None,
};
const BUDGET: Limits =
    Limits { budget: Some(Budget { nano_usd: NanoUsd(1), window: BudgetWindow::Day }), ..NONE };
const PRICES: DearestPrices = DearestPrices::of_text(Some(Price(2_000_000)), Some(Price(10_000_000)));

fn bound(demand: Demand, prices: DearestPrices, policy: Policy, limits: Limits) -> Result<Bound, Unbounded> {
    demand.bound(prices, &policy, [&limits, &NONE])
}

#[test]
fn the_output_is_bounded_by_the_smaller_maximum_for_each_choice() {
    let tokens = RateLimits { tokens_per_minute: Some(1), ..NONE.rates };
    let tokens = Limits { rates: tokens, ..NONE };
    let requests = RateLimits { requests_per_minute: Some(1), ..NONE.rates };
    let requests = Limits { rates: requests, ..NONE };
    let refuse = UnknownOutput::Refuse;
    for (max_tokens, model_maximum, choices, limits, unknown_output, expected) in [
        (Some(100), Some(500), 1, tokens, refuse, Ok((100, None))),
        (Some(900), Some(500), 1, tokens, refuse, Ok((500, None))),
        (Some(100), None, 0, tokens, refuse, Ok((100, None))),
        (None, Some(500), 3, tokens, refuse, Ok((1500, None))),
        (None, None, 2, tokens, UnknownOutput::Cap(70), Ok((140, Some(70)))),
        (None, None, 1, tokens, refuse, Err(Unbounded::Output)),
        (None, None, 1, BUDGET, refuse, Err(Unbounded::Output)),
        // Nothing that is limited depends on it.
        (None, None, 1, requests, refuse, Ok((0, None))),
    ] {
        let demand =
            Demand { input_tokens: 10, generates: true, max_tokens, model_maximum, choices, calls: 1 };
        let policy = Policy { unknown_output, ..Policy::default() };
        let found = bound(demand, PRICES, policy, limits);
        assert_eq!(found.map(|bound| (bound.amounts.output_tokens, bound.cap)), expected, "{demand:?}");
    }
}

#[test]
fn the_input_is_held_with_the_estimates_margin_and_priced_once() {
    let demand = Demand { input_tokens: 101, generates: true, max_tokens: Some(7), ..Demand::default() };
    let cost = NanoUsd(184 * 2 + 7 * 10);
    let amounts = Amounts { requests: 1, input_tokens: 152 + 32, output_tokens: 7, cost };
    let expected = Bound { amounts, cap: None, flexible: None };
    assert_eq!(bound(demand, PRICES, Policy::default(), BUDGET), Ok(expected));
}

#[test]
fn only_a_call_without_a_maximum_of_its_own_may_be_made_to_fit() {
    let demand = Demand { generates: true, model_maximum: Some(9000), choices: 2, ..Demand::default() };
    let flexible = |demand, policy| bound(demand, PRICES, policy, BUDGET).unwrap().flexible;
    let expected = Flexible { choices: 2, least: 256, most: 4096, price: Price(10_000_000) };
    assert_eq!(flexible(demand, Policy::default()), Some(expected));
    assert_eq!(flexible(Demand { max_tokens: Some(9000), ..demand }, Policy::default()), None);
    assert_eq!(flexible(Demand { generates: false, ..demand }, Policy::default()), None);
    let refuse = Policy { unknown_output: UnknownOutput::Refuse, ..Policy::default() };
    assert_eq!(flexible(demand, refuse), None);
    let short = Policy { unknown_output: UnknownOutput::Cap(9), ..Policy::default() };
    assert_eq!(flexible(demand, short).map(|by| by.least), Some(9));
}

#[test]
fn an_embedding_needs_no_price_of_output() {
    let prices = DearestPrices { output: None, ..PRICES };
    let demand = Demand { input_tokens: 2, generates: false, ..Demand::default() };
    let found = bound(demand, prices, Policy::default(), BUDGET).unwrap();
    assert_eq!((found.amounts.output_tokens, found.amounts.cost), (0, NanoUsd(70)));
}

#[test]
fn a_call_without_a_price_is_the_policys_matter_under_a_budget_alone() {
    let demand = Demand { input_tokens: 2, generates: true, max_tokens: Some(1), ..Demand::default() };
    let unpriced = DearestPrices { input: None, ..PRICES };
    let allow = Policy { unknown_price: UnknownPrice::Allow(5), ..Policy::default() };
    for (policy, limits, expected) in [
        (Policy::default(), BUDGET, Err(Unbounded::Price)),
        (Policy::default(), NONE, Ok(NanoUsd(0))),
        (allow, BUDGET, Ok(NanoUsd(5))),
    ] {
        assert_eq!(bound(demand, unpriced, policy, limits).map(|bound| bound.amounts.cost), expected);
        // The owner's budget asks the same of it as the key's.
        let by_owner = demand.bound(unpriced, &policy, [&NONE, &limits]);
        assert_eq!(by_owner.map(|bound| bound.amounts.cost), expected);
    }
}

#[test]
fn of_several_candidates_the_dearest_counts_and_one_without_a_price_has_none() {
    let cheap = DearestPrices::of_text(Some(Price(1)), Some(Price(99)));
    let dear = DearestPrices::of_text(Some(Price(5)), Some(Price(9)));
    assert_eq!(cheap.or_dearer(dear), DearestPrices::of_text(Some(Price(5)), Some(Price(99))));
    assert_eq!(cheap.or_dearer(DearestPrices { input: None, ..dear }).input, None);
}

#[test]
fn no_number_is_too_large() {
    let demand = Demand {
        input_tokens: u64::MAX,
        generates: true,
        max_tokens: Some(u64::MAX),
        choices: u64::MAX,
        ..Demand::default()
    };
    let prices = DearestPrices::of_text(Some(Price(i64::MAX)), Some(Price(i64::MAX)));
    let found = bound(demand, prices, Policy::default(), BUDGET).unwrap().amounts;
    assert_eq!((found.output_tokens, found.cost), (u64::MAX, NanoUsd(i64::MAX)));
}

#[test]
fn each_call_for_one_of_the_answers_reads_the_input_anew() {
    let demand =
        Demand { input_tokens: 100, generates: true, max_tokens: Some(7), choices: 3, ..Demand::default() };
    let [one, three] = [1, 3].map(|calls| {
        let demand = Demand { calls, ..demand };
        bound(demand, PRICES, Policy::default(), BUDGET).unwrap().amounts
    });
    assert_eq!((one.output_tokens, three.output_tokens), (21, 21));
    assert_eq!((one.input_tokens, three.input_tokens), (182, 3 * 182));
    assert_eq!((one.requests, three.requests), (1, 1));
}

proptest! {
    #[test]
    fn a_call_within_its_bound_is_never_charged_more(
        estimate in 1..100_000_u64, error in 0..=150_u64, cached in 0..=100_u64,
        max_tokens in 1..100_000_u64, written in 0..=100_u64, reasoning in 0..=100_u64, choices in 1..5_u64,
        prices in prop::array::uniform5(0..90_000_000_000_i64), above in 0..200_000_u64,
    ) {
        let [input, output, cached_price, reasoning_price, long] = prices.map(|price| Some(Price(price)));
        let tier = edgeway::cost::Tier { above, input: long, ..Default::default() };
        let prices = Prices {
            input_price: input, output_price: output, cached_input_price: cached_price,
            reasoning_price, tiers: vec![tier], ..Prices::default()
        };
        let demand = Demand { input_tokens: estimate, generates: true, max_tokens: Some(max_tokens), model_maximum: None, choices, calls: 1 };
        let most = demand.input_bound();
        let (input, output) = prices.dearest(most, Exposure { audio: false, images: false, cache_writes: false });
        let held = bound(demand, DearestPrices::of_text(input, output), Policy::default(), BUDGET).unwrap().amounts;

        let (true_input, true_output) = (estimate * error / 100, max_tokens * choices * written / 100);
        let (from_cache, thought) = (true_input * cached / 100, true_output * reasoning / 100);
        let usage = Usage {
            input: true_input - from_cache, cached_input: from_cache,
            output: true_output - thought, reasoning: thought, ..Usage::default()
        };
        prop_assert!(charge(&usage, UsageSource::Upstream, &prices).unwrap() <= held.cost);
        prop_assert!(usage.total_input() <= held.input_tokens && usage.total_output() <= held.output_tokens);
    }
}

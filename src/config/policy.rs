//! What a key's owner wants where exactness is not to be had: no known bound, no known price, no answer of the ledger.
//!
//! Every field has a default, so that `{}` is a whole policy; `docs/adr/0010-ledger.md` says why these.

use serde::{Deserialize, Serialize};

/// A key's choices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// A call whose output nobody bounds: neither the caller nor the catalogue knows a maximum.
    pub unknown_output: UnknownOutput,
    /// A call of a model without a price, under a budget.
    pub unknown_price: UnknownPrice,
    /// A call that the ledger does not answer for; where it is not said, closed under a budget, else open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreachable: Option<Unreachable>,
}

/// What becomes of a call whose output nobody bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum UnknownOutput {
    /// It is sent with this maximum, in tokens for each choice.
    Cap(u64),
    /// It is refused.
    Refuse,
}

/// What becomes of a call without a price under a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum UnknownPrice {
    /// It passes, holds so many nano-USD while it runs, and costs nothing: the budget does not see it.
    Allow(u64),
    /// It is refused: money that cannot be counted cannot be limited.
    #[default]
    Refuse,
}

/// What becomes of a call that the ledger does not answer for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Unreachable {
    /// It passes, and is counted when it is settled.
    Open,
    /// It is refused with 503.
    Closed,
}

impl Default for UnknownOutput {
    /// As much as every model of today can write.
    fn default() -> UnknownOutput {
        UnknownOutput::Cap(4096)
    }
}

impl Policy {
    /// Whether a call passes that the ledger does not answer for; `has_budget` where its key or its owner has one.
    #[must_use]
    pub fn is_open_without_ledger(&self, has_budget: bool) -> bool {
        match self.unreachable {
            Some(choice) => choice == Unreachable::Open,
            None => !has_budget,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreachable_ledger_closes_budgets_and_opens_rates_unless_the_key_says_otherwise() {
        let policy = |json| serde_json::from_str::<Policy>(json).unwrap();
        for (json, has_budget, open) in [
            ("{}", false, true),
            ("{}", true, false),
            (r#"{"unreachable":"open"}"#, true, true),
            (r#"{"unreachable":"closed"}"#, false, false),
        ] {
            assert_eq!(policy(json).is_open_without_ledger(has_budget), open, "{json}");
        }
    }

    #[test]
    fn a_policy_is_read_as_it_is_stored_and_a_typo_is_refused() {
        let json = r#"{"unknown_output":{"cap":100},"unknown_price":{"allow":5},"unreachable":"closed"}"#;
        let policy: Policy = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&policy).unwrap(), json);
        assert!(serde_json::from_str::<Policy>(r#"{"unreachabel":"open"}"#).is_err());
        assert_eq!(serde_json::from_str::<Policy>("{}").unwrap(), Policy::default());
    }
}

//! Plans, by the order that the contract fixes.

use super::*;
use crate::config::{Condition, ProviderKey, Router};
use crate::dialect::Endpoint;
use crate::route::health::Trouble;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn provider(name: &str, kind: &str) -> Provider {
    let keys = vec![ProviderKey { id: format!("{name}-key"), ..ProviderKey::default() }];
    Provider { id: format!("{name}-id"), name: name.into(), kind: kind.into(), keys, ..Provider::default() }
}

fn snapshot(rules: Vec<Rule>) -> Snapshot {
    let providers = vec![
        provider("Main", "openai"),
        provider("claude-team", "anthropic"),
        provider("groq", "groq"),
        provider("local", "openai-compatible"),
    ];
    Snapshot { router: Some(Router { rules, ..Router::default() }), providers, ..Snapshot::default() }
}

fn rule(pattern: &str, provider: &str, priority: i64, weight: u64) -> Rule {
    Rule {
        id: format!("{pattern}>{provider}"),
        model_pattern: pattern.into(),
        provider_id: format!("{provider}-id"),
        priority,
        weight,
        ..Rule::default()
    }
}

fn planned(
    snapshot: &Snapshot,
    model: &str,
    kind: Option<&str>,
    health: &Health,
    dice: u64,
) -> Result<Vec<Candidate>, RouteError> {
    let facts = Facts {
        model,
        kind,
        endpoint: Endpoint::ChatCompletions,
        stream: false,
        has_tools: false,
        has_images: false,
        input_tokens: None,
        max_tokens: None,
        metadata: &BTreeMap::new(),
        header: &|_| None,
    };
    plan(snapshot, &facts, health, Millis(0), dice)
}

fn order(snapshot: &Snapshot, model: &str, kind: Option<&str>) -> Vec<String> {
    let candidates = planned(snapshot, model, kind, &Health::default(), 7).unwrap();
    candidates
        .iter()
        .map(|candidate| format!("{} {}", snapshot.providers[candidate.provider].name, candidate.model))
        .collect()
}

#[test]
fn the_first_thing_that_names_a_provider_decides() {
    let routed = snapshot(vec![rule("fast*", "groq", 2, 1), rule("fast*", "local", 1, 1)]);
    for (model, kind, expected) in [
        ("fast-1", None, vec!["local fast-1", "groq fast-1"]),
        ("local/fast", None, vec!["local fast"]),
        ("LOCAL/a/b", None, vec!["local a/b"]),
        ("anthropic/claude-x", Some("anthropic"), vec!["claude-team claude-x"]),
        ("claude-x", Some("anthropic"), vec!["claude-team claude-x"]),
        ("groq/llama", Some("groq"), vec!["groq llama"]),
        ("gpt-4o", None, vec!["Main gpt-4o"]),
        ("meta-llama/llama-3", None, vec!["Main meta-llama/llama-3"]),
    ] {
        assert_eq!(order(&routed, model, kind), expected, "{model}");
    }
}

#[test]
fn a_bound_key_goes_to_its_provider_unless_a_rule_decides() {
    let mut bound = snapshot(vec![rule("fast*", "groq", 1, 1)]);
    bound.key.provider_id = Some("local-id".into());
    assert_eq!(order(&bound, "claude-x", Some("anthropic")), ["local claude-x"]);
    assert_eq!(order(&bound, "local/x", None), ["local x"]);
    assert_eq!(order(&bound, "groq/x", Some("groq")), ["local groq/x"]);
    assert_eq!(order(&bound, "fast", None), ["groq fast"]);
    bound.key.provider_id = Some("gone".into());
    assert_eq!(planned(&bound, "x", None, &Health::default(), 0), Err(RouteError::KeyProvider));
}

#[test]
fn what_nobody_serves_is_an_error_that_says_what_to_do() {
    let mut snapshot = snapshot(Vec::new());
    let message = |snapshot: &Snapshot, model: &str, kind| {
        planned(snapshot, model, kind, &Health::default(), 0).unwrap_err().to_string()
    };
    assert!(message(&snapshot, "", None).contains("name a model"));
    assert!(message(&snapshot, "gemini-2", Some("gemini")).contains("claude-team, groq, local"));
    snapshot.providers.remove(0);
    assert!(message(&snapshot, "gpt-4o", None).contains("<provider>/<model>"));
    snapshot.providers.clear();
    assert!(message(&snapshot, "gpt-4o", None).contains("/api/providers"));
}

#[test]
fn a_target_model_replaces_the_name_and_its_star_is_what_matched() {
    let named = |pattern: &str, target: &str| {
        snapshot(vec![Rule { target_model: Some(target.into()), ..rule(pattern, "local", 1, 1) }])
    };
    for (pattern, target, model, expected) in [
        ("gpt-4o", "llama-3", "gpt-4o", "local llama-3"),
        ("gpt-*", "openai/gpt-*", "gpt-4o", "local openai/gpt-4o"),
        ("openai/*", "*", "openai/gpt-4o", "local gpt-4o"),
        ("*-fast", "turbo-*", "x-fast", "local turbo-x"),
        ("*a*", "v/*", "bad", "local v/bad"),
    ] {
        assert_eq!(order(&named(pattern, target), model, None), [expected], "{pattern} → {target}");
    }
    assert_eq!(order(&snapshot(vec![rule("local/*", "local", 1, 1)]), "local/m", None), ["local m"]);
}

#[test]
fn a_rule_whose_condition_fails_or_whose_provider_is_gone_is_passed_over() {
    let conditions = BTreeMap::from([("stream".to_owned(), Condition::Equals(true.into()))]);
    let strict = Rule { conditions, ..rule("*", "groq", 1, 1) };
    let routed = snapshot(vec![strict, rule("*", "gone", 2, 1), rule("*", "local", 3, 1)]);
    assert_eq!(order(&routed, "m", None), ["local m"]);
}

#[test]
fn cooling_candidates_come_last_and_say_so() {
    let routed = snapshot(vec![rule("*", "groq", 1, 1), rule("*", "local", 2, 1)]);
    let mut health = Health::default();
    let target = Target { provider: "groq-id", key: "groq-key", model: "m" };
    health.failed(target, Trouble::Busy(Millis(5000)), Millis(0), Millis(0));
    let candidates = planned(&routed, "m", None, &health, 0).unwrap();
    assert_eq!(candidates[0].provider, 3);
    assert_eq!(candidates[1].state, CandidateState::Cooling(Millis(5000)));
    assert!(candidates[1].reason(&routed).contains("1970-01-01T00:00:05.000Z"));
    assert_eq!(candidates[0].reason(&routed), "the rule for \"*\" with priority 2 matches");

    let mut two_keys = routed.clone();
    two_keys.providers[2].keys.push(ProviderKey { id: "second".into(), ..ProviderKey::default() });
    assert_eq!(planned(&two_keys, "m", None, &health, 0).unwrap()[0].provider, 2);
    two_keys.providers[2].keys[1].disabled_until = Some(Millis(9000));
    let rested = planned(&two_keys, "m", None, &health, 0).unwrap();
    assert_eq!(rested[1].state, CandidateState::Cooling(Millis(5000)));
}

#[test]
fn equal_priorities_share_by_weight() {
    let routed = snapshot(vec![rule("*", "groq", 1, 3), rule("*", "local", 1, 1), rule("*", "Main", 1, 0)]);
    let mut first = BTreeMap::new();
    for dice in 0..4000 {
        let candidates = planned(&routed, "m", None, &Health::default(), dice).unwrap();
        *first.entry(candidates[0].provider).or_insert(0) += 1;
        assert_eq!(candidates[2].provider, 0, "weight 0 is the last resort");
    }
    assert!((2850..3150).contains(&first[&2]), "{first:?}");
    assert_eq!(first[&2] + first[&3], 4000);
}

proptest! {
    #[test]
    fn every_matching_rule_is_planned_once_by_priority_and_the_same_dice_give_the_same_plan(
        rules in prop::collection::vec((0..4_i64, 0..5_u64, 0..4_usize), 1..12), dice in any::<u64>()) {
        let names = ["Main", "claude-team", "groq", "local"];
        let rules = rules.iter().map(|(priority, weight, name)| rule("*", names[*name], *priority, *weight));
        let mut rules: Vec<Rule> = rules.collect();
        rules.sort_by_key(|rule| rule.priority);
        let count = rules.len();
        let routed = snapshot(rules);
        let candidates = planned(&routed, "m", None, &Health::default(), dice).unwrap();
        prop_assert_eq!(&candidates, &planned(&routed, "m", None, &Health::default(), dice).unwrap());
        let priorities: Vec<i64> = candidates.iter().map(|one| one.rule(&routed).unwrap().priority).collect();
        prop_assert!(priorities.is_sorted());
        let mut chosen: Vec<_> = candidates.iter().map(|one| one.rule(&routed).unwrap() as *const Rule).collect();
        chosen.sort_unstable();
        chosen.dedup();
        prop_assert_eq!(chosen.len(), count);
    }

    #[test]
    fn no_model_name_panics(model in "\\PC{0,30}", pattern in "[*?a/é-]{0,8}", target in "[*a/é]{0,8}") {
        let rule = Rule { target_model: Some(target), ..rule(&pattern, "local", 1, 1) };
        let _ = planned(&snapshot(vec![rule]), &model, None, &Health::default(), 1);
    }
}

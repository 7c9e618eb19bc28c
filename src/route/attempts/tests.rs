//! Walks through plans, told as the failures that a call meets.

use super::*;
use crate::config::{Provider, ProviderKey};
use crate::route::health::Trouble;
use crate::route::plan::{CandidateState, Choice};
use crate::route::retry::Deadline;
use proptest::prelude::*;

const PATIENCE: Patience = Patience { max_retries: 2, base_delay: Millis(100), deadline: Millis(60_000) };

fn status(status: u16) -> Failure {
    Failure::Status { status, retry_after: None }
}

fn told(status: u16, wait: i64) -> Failure {
    Failure::Status { status, retry_after: Some(Millis(wait)) }
}

/// Providers `a`, `b`, … with so many keys each.
fn snapshot(keys: &[usize]) -> Snapshot {
    let provider = |(name, count): (char, &usize)| Provider {
        id: name.into(),
        name: name.into(),
        keys: (0..*count)
            .map(|number| ProviderKey { id: format!("{name}{number}"), ..ProviderKey::default() })
            .collect(),
        ..Provider::default()
    };
    Snapshot { providers: ('a'..).zip(keys).map(provider).collect(), ..Snapshot::default() }
}

struct Walk {
    snapshot: Snapshot,
    health: Health,
    attempts: Attempts,
    now: Millis,
    waited: i64,
}

impl Walk {
    fn new(snapshot: Snapshot, health: Health, patience: Patience) -> Walk {
        let plan = (0..snapshot.providers.len()).map(|provider| Candidate {
            provider,
            model: "m".into(),
            choice: Choice::Default,
            state: CandidateState::Ready,
        });
        let attempts = Attempts::new(plan.collect(), patience, &snapshot, &health, Millis(0));
        Walk { snapshot, health, attempts, now: Millis(0), waited: 0 }
    }

    /// Waits as told, then names the key that is sent to (`-` is none); `None` when nothing is left.
    fn sends(&mut self) -> Option<String> {
        loop {
            match self.attempts.next(&self.snapshot, &mut self.health, self.now) {
                Next::Send(Attempt { candidate, key }) => {
                    let provider = &self.snapshot.providers[candidate];
                    return Some(
                        key.map_or(format!("{}-", provider.name), |key| provider.keys[key].id.clone()),
                    );
                }
                Next::Wait(wait) => {
                    assert!(wait.0 > 0);
                    self.now = self.now.plus(wait);
                    self.waited += wait.0;
                }
                Next::Exhausted => return None,
            }
        }
    }

    fn fails(&mut self, failure: Failure) -> Verdict {
        self.attempts.failed(failure, &self.snapshot, &mut self.health, self.now, 42)
    }

    /// Every attempt fails with the next of these, the last one for ever.
    fn all(mut self, failures: &[Failure]) -> (Vec<String>, Outcome, Walk) {
        let mut sent = Vec::new();
        let mut failures = failures.iter();
        let mut failure = status(500);
        while let Some(key) = self.sends() {
            sent.push(key);
            failure = *failures.next().unwrap_or(&failure);
            self.fails(failure);
        }
        let outcome = self.attempts.outcome(&self.snapshot);
        (sent, outcome, self)
    }
}

fn all(keys: &[usize], failures: &[Failure]) -> (Vec<String>, Outcome) {
    let (sent, outcome, _) = Walk::new(snapshot(keys), Health::default(), PATIENCE).all(failures);
    (sent, outcome)
}

#[test]
fn a_walk_goes_by_whose_fault_each_failure_is() {
    for (keys, failures, expected, answer) in [
        (vec![1, 1], vec![status(500)], vec!["a0", "b0", "a0", "b0"], 500),
        (vec![2, 1], vec![status(500)], vec!["a0", "b0", "a0", "b0"], 500),
        (vec![2, 1], vec![status(401)], vec!["a0", "a1", "b0"], 503),
        (vec![2, 1], vec![status(429), status(403), status(400)], vec!["a0", "a1", "b0"], 400),
        (vec![1, 1], vec![status(404)], vec!["a0"], 404),
        (vec![1], vec![status(503)], vec!["a0", "a0", "a0"], 503),
        (vec![0, 0], vec![Failure::Connection], vec!["a-", "b-", "a-", "b-"], 502),
        (
            vec![1, 1],
            vec![Failure::Empty, Failure::Timeout(Deadline::Headers)],
            vec!["a0", "b0", "a0", "a0"],
            504,
        ),
        (vec![1, 1], vec![Failure::Timeout(Deadline::Total)], vec!["a0"], 504),
        (vec![1, 1], vec![Failure::Misconfigured, Failure::ErrorEvent], vec!["a0", "b0", "b0", "b0"], 502),
    ] {
        let (sent, outcome) = all(&keys, &failures);
        // Retries go to whichever is due first, which is the dice's business: compare the first round in order.
        let round = keys.len().min(sent.len());
        assert_eq!(sent[..round], expected[..round], "{failures:?}");
        assert_eq!((sent.len(), outcome.status), (expected.len(), answer), "{failures:?}");
    }
}

#[test]
fn another_ready_candidate_is_tried_at_once_and_only_the_last_one_waits() {
    let mut walk = Walk::new(snapshot(&[1, 1]), Health::default(), PATIENCE);
    assert_eq!(walk.sends().unwrap(), "a0");
    walk.fails(told(429, 20_000));
    assert_eq!(walk.sends().unwrap(), "b0");
    assert_eq!(walk.waited, 0);
    walk.fails(told(503, 3_000));
    assert_eq!(walk.sends().unwrap(), "b0", "it is due before the other");
    assert!((3_000..=3_100).contains(&walk.waited), "{}", walk.waited);
}

#[test]
fn a_wait_that_does_not_fit_the_deadline_is_not_begun() {
    let mut walk = Walk::new(snapshot(&[1]), Health::default(), PATIENCE);
    walk.sends();
    walk.fails(told(429, 60_000));
    assert_eq!(walk.sends(), None);
    assert_eq!(walk.waited, 0);
}

#[test]
fn when_all_are_limited_the_smallest_wait_is_told() {
    let (_, outcome) = all(&[1, 1], &[told(429, 90_000), told(429, 70_000)]);
    assert_eq!((outcome.status, outcome.retry_after), (429, Some(Millis(70_000))));
    assert_eq!(
        outcome.message,
        "no provider could serve the call: a is rate limited (429); b is rate limited (429)"
    );
    assert!(!outcome.is_callers_fault);
}

#[test]
fn the_callers_own_mistake_is_passed_on() {
    let (_, outcome) = all(&[1, 1], &[status(422)]);
    assert!(outcome.is_callers_fault);
}

#[test]
fn no_retries_means_that_each_target_is_tried_once() {
    let patience = Patience { max_retries: 0, ..PATIENCE };
    let (sent, ..) = Walk::new(snapshot(&[1, 1]), Health::default(), patience).all(&[status(500)]);
    assert_eq!(sent, ["a0", "b0"]);
}

#[test]
fn a_resting_key_is_never_tried_and_no_key_at_all_is_503() {
    let mut resting = snapshot(&[2]);
    resting.providers[0].keys[0].disabled_until = Some(Millis(1));
    let (sent, ..) = Walk::new(resting.clone(), Health::default(), PATIENCE).all(&[status(401)]);
    assert_eq!(sent, ["a1"]);
    resting.providers[0].keys[1].disabled_until = Some(Millis(1));
    let (sent, outcome, _) = Walk::new(resting, Health::default(), PATIENCE).all(&[]);
    assert_eq!((sent.len(), outcome.status, outcome.retry_after), (0, 429, Some(Millis(1))));
    assert_eq!(outcome.message, "no provider could serve the call: a is not tried while its key rests");
}

#[test]
fn a_dead_key_is_never_tried_and_where_all_are_dead_it_is_503_by_their_hints() {
    let mut dead = snapshot(&[2]);
    for (key, hint) in dead.providers[0].keys.iter_mut().zip(["sk-...1", "sk-...2"]) {
        key.disabled_reason = Some("refused its API key (401)".into());
        key.hint = hint.into();
    }
    let (sent, outcome, _) = Walk::new(dead, Health::default(), PATIENCE).all(&[]);
    assert_eq!((sent.len(), outcome.status, outcome.retry_after), (0, 503, None));
    for hint in ["(key sk-...1)", "(key sk-...2)"] {
        assert!(outcome.message.contains(hint), "{}", outcome.message);
    }
}

#[test]
fn what_one_call_finds_out_another_under_way_knows() {
    let mut stored = snapshot(&[3]);
    stored.providers[0].keys.iter_mut().for_each(|key| key.ciphertext = "sealed".into());
    let mut first = Walk::new(stored, Health::default(), PATIENCE);
    let mut second = first.attempts.clone();
    for failure in [status(401), told(429, 30_000)] {
        first.sends();
        first.fails(failure);
    }
    let Next::Send(attempt) = second.next(&first.snapshot, &mut first.health, Millis(1)) else { panic!() };
    assert_eq!(attempt.key, Some(2), "one is dead and one rests");
    second.failed(status(402), &first.snapshot, &mut first.health, Millis(1), 42);
    assert_eq!(second.next(&first.snapshot, &mut first.health, Millis(2)), Next::Exhausted);
    let untils: Vec<_> = first.health.keys.take().into_iter().map(|change| change.until).collect();
    assert_eq!(untils, [None, Some(Millis(30_000)), None]);
}

#[test]
fn cooling_targets_are_tried_when_nothing_else_is_left() {
    let mut health = Health::default();
    let target = Target { provider: "a", key: "a0", model: "m" };
    health.failed(target, Trouble::Refused, Millis(0), Millis(0));
    let (sent, ..) = Walk::new(snapshot(&[2, 1]), health, PATIENCE).all(&[status(403)]);
    assert_eq!(sent, ["a1", "b0", "a0"]);
}

#[test]
fn of_two_calls_one_probes_a_half_open_target_and_the_other_goes_on() {
    let mut health = Health::default();
    let target = Target { provider: "a", key: "a0", model: "m" };
    health.failed(target, Trouble::Busy(Millis(10)), Millis(-100), Millis(-100));
    let mut first = Walk::new(snapshot(&[1, 1]), health, PATIENCE);
    let mut second = first.attempts.clone();
    assert_eq!(first.sends().unwrap(), "a0");
    let Next::Send(attempt) = second.next(&first.snapshot, &mut first.health, Millis(0)) else { panic!() };
    assert_eq!(attempt.candidate, 1);
    first.attempts.succeeded(&first.snapshot, &mut first.health);
    assert_eq!(first.health.state(target, Millis(0)), State::Ready);
}

#[test]
fn a_call_that_has_no_time_sends_nothing() {
    let patience = Patience { deadline: Millis(0), ..PATIENCE };
    let (sent, outcome, _) = Walk::new(snapshot(&[1]), Health::default(), patience).all(&[]);
    assert_eq!((sent.len(), outcome.status), (0, 504));
}

#[test]
fn a_refused_key_is_known_to_the_next_call() {
    let (_, _, walk) =
        Walk::new(snapshot(&[2]), Health::default(), PATIENCE).all(&[status(401), status(400)]);
    let (sent, ..) = Walk::new(snapshot(&[2]), walk.health, PATIENCE).all(&[status(400)]);
    assert_eq!(sent, ["a1"]);
}

fn failure() -> impl Strategy<Value = Failure> {
    prop_oneof![
        Just(Failure::Connection),
        Just(Failure::Empty),
        Just(Failure::ErrorEvent),
        Just(Failure::NoKey),
        Just(Failure::Timeout(Deadline::Headers)),
        (
            prop_oneof![Just(401_u16), Just(403), Just(409), Just(429), Just(500), Just(503)],
            prop::option::of(0..90_000_i64)
        )
            .prop_map(|(status, wait)| Failure::Status { status, retry_after: wait.map(Millis) }),
    ]
}

proptest! {
    #[test]
    fn every_walk_ends_in_time_and_tries_each_target_before_any_twice(
        keys in prop::collection::vec(0..4_usize, 1..5),
        failures in prop::collection::vec(failure(), 1..40),
        max_retries in 0..6_u32,
    ) {
        let patience = Patience { max_retries, ..PATIENCE };
        let mut walk = Walk::new(snapshot(&keys), Health::default(), patience);
        let targets: usize = keys.iter().map(|count| (*count).max(1)).sum();
        let mut sent: Vec<String> = Vec::new();
        let mut dead: Vec<String> = Vec::new();
        let mut queue = failures.iter().cycle();
        while let Some(key) = walk.sends() {
            prop_assert!(!dead.contains(&key), "{key} was refused and is tried again");
            prop_assert!(walk.now < PATIENCE.deadline);
            let failure = *queue.next().unwrap();
            if matches!(walk.fails(failure), Verdict::NextKey { again: false } | Verdict::NextCandidate { again: false }) {
                dead.push(key.clone());
            }
            sent.push(key);
            prop_assert!(sent.len() <= targets + max_retries as usize);
        }
        prop_assert!(walk.waited <= PATIENCE.deadline.0);
        let providers: std::collections::BTreeSet<_> = sent.iter().filter_map(|key| key.chars().next()).collect();
        prop_assert_eq!(providers.len(), keys.len(), "every provider has its chance");
        prop_assert!(walk.attempts.outcome(&walk.snapshot).status >= 409);
    }
}

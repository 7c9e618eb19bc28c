//! Calls with an `Idempotency-Key` over SQLite, as D1 is at the edge: one of them goes upstream, the others get its answer.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what stands around the tests may fail like the tests"
)]

#[path = "support/sqlite.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared with the stories of the management plane")]
mod sqlite;

use edgeway::call::replay::cache::{self, Scope, Wish};
use edgeway::call::replay::{Answer, Asked, Claim, KEPT, LEASE, Standing, rows};
use edgeway::config::Key;
use edgeway::error::ApiError;
use edgeway::store::Store;
use edgeway::time::Millis;
use futures::executor::block_on;
use proptest::prelude::*;
use sqlite::{Health, Sqlite};

const NOW: Millis = Millis(1_795_179_600_000);

fn claim(holder: &str) -> Claim {
    claim_of(holder, b"{}")
}

fn claim_of(holder: &str, body: &[u8]) -> Claim {
    Claim::new("caller", "key", Asked { endpoint: "chat", model: "m", stream: false, body }, holder)
}

fn make(store: &Sqlite, holder: &str, at: Millis) -> Standing {
    block_on(claim(holder).make(store, at)).unwrap()
}

fn end(store: &Sqlite, holder: &str, answer: Option<&Answer>, at: Millis) {
    block_on(claim(holder).end(store, answer, at)).unwrap();
}

fn says(body: &[u8]) -> Answer {
    let headers = vec![("content-type".into(), "text/plain; a=b: c".into())];
    Answer { status: 200, headers, body: body.to_vec() }
}

fn answered(by: &str, body: &[u8]) -> Standing {
    Standing::Answered { by: by.into(), at: NOW, answer: says(body) }
}

fn count(store: &Sqlite, table: &str) -> i64 {
    store.0.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn the_first_goes_and_the_others_wait_for_its_answer() {
    let store = Sqlite::new();
    assert_eq!(make(&store, "a", NOW), Standing::Own);
    assert_eq!(make(&store, "b", NOW), Standing::Waits);
    assert_eq!(make(&store, "a", NOW), Standing::Own);
    end(&store, "a", Some(&says(b"Yes.")), NOW);
    assert_eq!(make(&store, "b", NOW), answered("a", b"Yes."));
}

#[test]
fn an_answer_that_is_not_kept_leaves_the_turn_to_the_next() {
    let store = Sqlite::new();
    make(&store, "a", NOW);
    end(&store, "a", None, NOW);
    assert_eq!(make(&store, "b", NOW), Standing::Own);
    assert_eq!(make(&store, "a", NOW), Standing::Waits);
}

#[test]
fn another_body_is_refused_before_and_after_the_answer() {
    let store = Sqlite::new();
    let other = || block_on(claim_of("b", b"[]").make(&store, NOW)).unwrap_err().status;
    make(&store, "a", NOW);
    assert_eq!(other(), 422);
    end(&store, "a", Some(&says(b"Yes.")), NOW);
    assert_eq!(other(), 422);
}

#[test]
fn a_call_that_renews_keeps_its_turn_and_one_that_was_killed_loses_it() {
    let store = Sqlite::new();
    let at = |part: i64| Millis(NOW.0 + LEASE.0 * part / 10);
    make(&store, "a", at(0));
    block_on(claim("a").renew(&store, at(9))).unwrap();
    assert_eq!(make(&store, "b", at(18)), Standing::Waits);
    assert_eq!(make(&store, "b", at(19)), Standing::Own);
    // It was only slow: what it does now is of no consequence.
    block_on(claim("a").renew(&store, at(100))).unwrap();
    end(&store, "a", Some(&says(b"Late.")), at(20));
    end(&store, "a", None, at(20));
    assert_eq!(make(&store, "c", at(21)), Standing::Waits);
    end(&store, "b", Some(&says(b"Mine.")), at(22));
    let kept = Standing::Answered { by: "b".into(), at: at(22), answer: says(b"Mine.") };
    assert_eq!(make(&store, "c", at(23)), kept);
    assert_eq!(count(&store, "replay_chunks"), 1);
}

#[test]
fn an_answer_is_there_for_a_day_and_then_the_key_is_new() {
    let store = Sqlite::new();
    make(&store, "a", NOW);
    end(&store, "a", Some(&says(b"Yes.")), NOW);
    let (last, over) = (Millis(NOW.0 + KEPT.0 - 1), NOW.plus(KEPT));
    assert_eq!(make(&store, "b", last), answered("a", b"Yes."));
    block_on(store.run(rows::expire(last))).unwrap();
    assert_eq!(count(&store, "replays"), 1);
    assert_eq!(make(&store, "b", over), Standing::Own);
    assert_eq!(count(&store, "replay_chunks"), 0);
    end(&store, "b", Some(&says(b"No.")), over);
    block_on(store.run(rows::expire(over.plus(KEPT)))).unwrap();
    assert_eq!((count(&store, "replays"), count(&store, "replay_chunks")), (0, 0));
}

#[test]
fn the_cache_gives_what_is_young_enough_and_keeps_nothing_but_successes() {
    let store = Sqlite::new();
    let cached = |holder: &str, owner: &str, wish, at| {
        let scope = Scope { owner, key: &Key::default(), targets: "t", headers: "" };
        let asked = Asked { endpoint: "chat", model: "m", stream: false, body: b"{}" };
        cache::claim(Some(wish), scope, asked, holder, at).unwrap()
    };
    let make = |claim: &Claim, at| block_on(claim.make(&store, at)).unwrap();
    let at = |seconds: i64| Millis(NOW.0 + seconds * 1_000);
    let first = cached("a", "ada", Wish::Seconds(100), at(0));
    assert_eq!(make(&first, at(0)), Standing::Own);
    let refusal = Answer { status: 400, ..says(b"No.") };
    block_on(first.end(&store, Some(&refusal), at(0))).unwrap();
    assert_eq!(make(&first, at(0)), Standing::Own);
    block_on(first.end(&store, Some(&says(b"Yes.")), at(0))).unwrap();
    assert_eq!(make(&cached("b", "ada", Wish::Seconds(50), at(40)), at(40)), answered("a", b"Yes."));
    assert_eq!(make(&cached("b", "bob", Wish::Seconds(50), at(40)), at(40)), Standing::Own);
    // Too old for this call, and so for no other any more.
    let second = cached("c", "ada", Wish::Seconds(50), at(60));
    assert_eq!(make(&second, at(60)), Standing::Own);
    block_on(second.end(&store, Some(&says(b"Yes.")), at(60))).unwrap();
    // A refresh waits for nothing that was there before it, and takes what came since.
    let third = cached("d", "ada", Wish::Refresh, at(70));
    assert_eq!(make(&third, at(70)), Standing::Own);
    assert_eq!(make(&cached("e", "ada", Wish::Refresh, at(71)), at(71)), Standing::Waits);
    block_on(third.end(&store, Some(&says(b"New.")), at(72))).unwrap();
    let found = make(&cached("e", "ada", Wish::Refresh, at(71)), at(73));
    assert_eq!(found, Standing::Answered { by: "d".into(), at: at(72), answer: says(b"New.") });
    assert_eq!(make(&cached("f", "ada", Wish::Seconds(9_999), at(3_673)), at(3_673)), Standing::Own);
}

#[test]
fn every_answer_comes_back_byte_by_byte() {
    let many = "Łódź ".repeat(300_000);
    let binary: Vec<u8> = (0..1_200_000_u32).map(|index| index.to_le_bytes()[0]).collect();
    for body in
        [b"".as_slice(), b"zero \0 byte", b"\xff\xfe", "\u{feff}{}".as_bytes(), many.as_bytes(), &binary]
    {
        let store = Sqlite::new();
        make(&store, "a", NOW);
        end(&store, "a", Some(&says(body)), NOW);
        assert!(make(&store, "b", NOW) == answered("a", body), "{} bytes", body.len());
        let longest: i64 = store
            .0
            .query_row("SELECT coalesce(max(length(text)), 0) FROM replay_chunks", [], |row| row.get(0))
            .unwrap();
        assert!(longest <= 500_000, "{longest}");
    }
}

#[test]
fn a_database_that_does_not_answer_makes_nobody_go() {
    let store = Sqlite::new();
    store.1.set(Health::Fails);
    let error: ApiError = block_on(claim("a").make(&store, NOW)).unwrap_err();
    assert_eq!(error.status, 503);
    assert!(!error.message.contains("secret-host"), "{error}");
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Make(usize),
    Renew(usize),
    Keep(usize),
    GiveUp(usize),
    Pass(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let call = 0..4_usize;
    prop::collection::vec(
        prop_oneof![
            4 => call.clone().prop_map(Step::Make),
            1 => call.clone().prop_map(Step::Renew),
            1 => call.clone().prop_map(Step::Keep),
            1 => call.prop_map(Step::GiveUp),
            1 => (1..LEASE.0 + 2).prop_map(Step::Pass),
        ],
        1..60,
    )
}

/// The row, as the calls have made it.
#[derive(Clone, Copy)]
struct Held {
    by: usize,
    until: Millis,
    is_answered: bool,
}

proptest! {
    /// Whatever calls do in whatever order: two hold the row at once only where the lease of the first had run out, and
    /// an answer that one call was given is given to all until it is too old.
    #[test]
    fn one_call_at_a_time_holds_the_row(steps in steps()) {
        let store = Sqlite::new();
        let name = |call: usize| format!("call-{call}");
        let mut at = NOW;
        let mut row: Option<Held> = None;
        for step in steps {
            match (step, row) {
                (Step::Pass(span), _) => at = at.plus(Millis(span)),
                (Step::Make(call), held) => {
                    let expected = match held.filter(|held| held.until > at) {
                        Some(held) if held.by == call => Standing::Own,
                        Some(held) if held.is_answered => Standing::Answered {
                            by: name(held.by),
                            at: Millis(held.until.0 - KEPT.0),
                            answer: says(name(held.by).as_bytes()),
                        },
                        Some(_) => Standing::Waits,
                        None => {
                            row = Some(Held { by: call, until: at.plus(LEASE), is_answered: false });
                            Standing::Own
                        }
                    };
                    prop_assert_eq!(make(&store, &name(call), at), expected);
                }
                (Step::Renew(call), held) => {
                    block_on(claim(&name(call)).renew(&store, at)).unwrap();
                    if let Some(held) = held.filter(|held| held.by == call && !held.is_answered) {
                        row = Some(Held { until: at.plus(LEASE), ..held });
                    }
                }
                (Step::Keep(call), held) => {
                    end(&store, &name(call), Some(&says(name(call).as_bytes())), at);
                    if held.is_some_and(|held| held.by == call && !held.is_answered) {
                        row = Some(Held { by: call, until: at.plus(KEPT), is_answered: true });
                    }
                }
                (Step::GiveUp(call), held) => {
                    end(&store, &name(call), None, at);
                    row = held.filter(|held| held.by != call || held.is_answered);
                }
            }
        }
    }
}

//! Whatever order messages come in, however often, whatever the clock does and whenever the object dies: nothing is
//! let through that a limit forbids, every call counts once, and the books add up to the last nano-USD.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what stands around the tests may fail like the tests"
)]

#[path = "limit/object.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared with the stories of the ledger")]
mod object;

use edgeway::config::{Budget, BudgetWindow, Quotas, RateLimits};
use edgeway::identifier::new_id;
use edgeway::limit::bound::Flexible;
use edgeway::limit::caps::Subject;
use edgeway::limit::message::{Message, Outcome, Reply, Reserve, Settled, Settlement};
use edgeway::limit::{Amounts, Limits};
use edgeway::money::{NanoUsd, Price};
use edgeway::time::Millis;
use object::Object;
use proptest::prelude::*;
use std::collections::BTreeMap;

const CALLS: u8 = 24;
const KEYS: [&str; 2] = ["a", "b"];

/// What the world does next. A call is one of a few, so that messages meet.
#[derive(Clone, Debug)]
enum Step {
    Reserve {
        call: u8,
        life: i64,
    },
    /// It used so many hundredths of its bound.
    Settle {
        call: u8,
        percent: u64,
    },
    /// It is sent again, after it used so many hundredths of its bound in vain.
    Again {
        call: u8,
        percent: u64,
    },
    Release(u8),
    LoseTrack(u8),
    Ring,
    Pass(i64),
    /// The clock is set, forward or back.
    Jump(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let call = || 0..CALLS;
    prop_oneof![
        8 => (call(), 1_000..400_000_i64).prop_map(|(call, life)| Step::Reserve { call, life }),
        5 => (call(), 0..=100_u64).prop_map(|(call, percent)| Step::Settle { call, percent }),
        2 => (call(), 0..=100_u64).prop_map(|(call, percent)| Step::Again { call, percent }),
        1 => call().prop_map(Step::Release),
        1 => call().prop_map(Step::LoseTrack),
        2 => Just(Step::Ring),
        3 => (0..90_000_i64).prop_map(Step::Pass),
        1 => prop_oneof![-90_000..90_000_i64, -90_000_000..90_000_000_i64, -9_000_000_000..9_000_000_000_i64]
            .prop_map(Step::Jump),
    ]
}

fn key_limits() -> Limits {
    Limits {
        rates: RateLimits {
            requests_per_minute: Some(3),
            requests_per_hour: Some(7),
            tokens_per_minute: Some(300),
            concurrent: Some(4),
            ..RateLimits::default()
        },
        quotas: Quotas { output_tokens_per_day: Some(900), ..Quotas::default() },
        budget: Some(Budget { nano_usd: NanoUsd(2_000), window: BudgetWindow::Week }),
    }
}

fn owner_limits() -> Limits {
    Limits {
        rates: RateLimits { requests_per_minute: Some(5), concurrent: Some(6), ..RateLimits::default() },
        quotas: Quotas { input_tokens_per_day: Some(800), ..Quotas::default() },
        budget: Some(Budget { nano_usd: NanoUsd(3_000), window: BudgetWindow::Month }),
    }
}

fn key(call: u8) -> &'static str {
    KEYS[usize::from(call) % KEYS.len()]
}

fn bound(call: u8) -> Amounts {
    let size = u64::from(call);
    let cost = NanoUsd(101 + 37 * i64::from(call));
    Amounts { requests: 1, input_tokens: 10 + 7 * size, output_tokens: 5 + 9 * size, cost }
}

/// Every third call may be made to fit.
fn flexible(call: u8) -> Option<Flexible> {
    let flexible = Flexible { choices: 1 + u64::from(call % 2), least: 2, most: 60, price: Price(700_000) };
    call.is_multiple_of(3).then_some(flexible)
}

fn part(held: Amounts, percent: u64) -> Amounts {
    let Amounts { input_tokens, output_tokens, cost, .. } = held;
    let of = |number: u64| number * percent / 100;
    let cost = NanoUsd(i64::try_from(of(cost.0.try_into().unwrap())).unwrap());
    Amounts { requests: 1, input_tokens: of(input_tokens), output_tokens: of(output_tokens), cost }
}

/// What is known of a call without the ledger's books.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Open,
    Bound,
    Final(Amounts),
}

#[derive(Clone, Debug)]
struct Known {
    call: u8,
    at: Millis,
    expires: Millis,
    bound: Amounts,
    fate: Fate,
    reserved: bool,
}

impl Known {
    fn counts(&self) -> Amounts {
        match self.fate {
            Fate::Open | Fate::Bound => self.bound,
            Fate::Final(amounts) => amounts,
        }
    }

    fn committed(&self) -> Amounts {
        if self.fate == Fate::Open { Amounts::default() } else { self.counts() }
    }
}

struct World {
    object: Object,
    /// The same, but killed after every step.
    mortal: Object,
    now: Millis,
    ids: BTreeMap<u8, String>,
    known: BTreeMap<u8, Known>,
}

impl World {
    fn new() -> World {
        let now = Millis::from_iso("2026-11-20T12:00:00Z").unwrap();
        let (object, mortal) = (Object::new(), Object::new());
        World { object, mortal, now, ids: BTreeMap::new(), known: BTreeMap::new() }
    }

    /// To both; then once more, which must change nothing.
    fn send(&mut self, message: &Message) -> Reply {
        let reply = self.object.send(message, self.now);
        assert_eq!(self.mortal.send(message, self.now), reply, "a restart changed the answer");
        self.mortal.restart();
        let dump = self.object.dump();
        assert_eq!(self.mortal.dump(), dump, "a restart changed the rows");
        let again = self.object.send(message, self.now);
        assert_eq!(self.object.dump(), dump, "a replay changed the rows");
        if let Message::Reserve(_) = message {
            assert_eq!(again, reply, "a replay was answered differently");
        }
        reply
    }

    fn id(&mut self, call: u8) -> String {
        let now = self.now;
        self.ids.entry(call).or_insert_with(|| new_id(now, [call; 10])).clone()
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Pass(span) | Step::Jump(span) => self.now = self.now.plus(Millis(span)),
            Step::Ring => self.ring(),
            Step::Reserve { call, life } => self.reserve(call, life),
            Step::Settle { call, percent } => {
                let held = self.known.get(&call).map_or(bound(call), |known| known.bound);
                self.settle(call, Outcome::Used(part(held, percent)));
            }
            Step::Again { call, percent } => self.again(call, percent),
            Step::Release(call) => self.settle(call, Outcome::Released),
            Step::LoseTrack(call) => self.settle(call, Outcome::Unknown(bound(call))),
        }
        self.check();
    }

    fn ring(&mut self) {
        let now = self.now;
        self.object.ring(now);
        self.mortal.ring(now);
        self.mortal.restart();
        for known in self.known.values_mut().filter(|known| known.fate == Fate::Open) {
            let days_ahead = known.expires.0 - now.0 > 2 * Millis::DAY.0;
            if known.expires <= now || days_ahead {
                known.fate = Fate::Bound;
            }
        }
    }

    fn remembers(&self, call: u8) -> bool {
        let sql = "SELECT 1 FROM ended_calls WHERE id = ?1 UNION ALL SELECT 1 FROM open_calls WHERE id = ?1";
        self.object.database.prepare_cached(sql).unwrap().exists([&self.ids[&call]]).unwrap()
    }

    fn again(&mut self, call: u8, percent: u64) {
        let is_open = |known: &&Known| known.fate == Fate::Open && known.reserved;
        let Some(held) = self.known.get(&call).filter(is_open).map(|known| known.bound) else { return };
        let more = held.plus(Amounts { requests: 0, ..part(bound(call), percent) });
        let message = Message::Reserve(Box::new(Reserve {
            id: self.id(call),
            key: key(call).into(),
            limits: key_limits(),
            owner_limits: owner_limits(),
            bound: more,
            extends: true,
            ..Reserve::default()
        }));
        match (self.send(&message), self.known.get_mut(&call)) {
            (Reply::Granted { .. }, Some(known)) => known.bound = more,
            (Reply::Refused { refusal, .. }, _) => {
                assert!(refusal.used + refusal.requested > refusal.max, "{refusal:?}");
            }
            other => panic!("{other:?}"),
        }
    }

    fn reserve(&mut self, call: u8, life: i64) {
        if self.known.contains_key(&call) && !self.remembers(call) {
            return; // nobody asks again after a day
        }
        let (id, now) = (self.id(call), self.now);
        let message = Message::Reserve(Box::new(Reserve {
            id: id.clone(),
            key: key(call).into(),
            limits: key_limits(),
            owner_limits: owner_limits(),
            bound: bound(call),
            flexible: flexible(call),
            time_to_live: Millis(life),
            ..Reserve::default()
        }));
        match (self.send(&message), self.known.get(&call).map(|known| known.fate)) {
            (Reply::Granted { .. }, Some(Fate::Open)) => {}
            (Reply::Granted { .. }, None) => {
                let sql = "SELECT row ->> 'at', row ->> 'bound' FROM open_calls WHERE id = ?1";
                let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, String>(1)?));
                let (at, held) = self.object.database.query_row(sql, [&id], read).unwrap();
                let held: Amounts = serde_json::from_str(&held).unwrap();
                assert!(held == bound(call) || flexible(call).is_some(), "less is held than was asked for");
                let expires = now.plus(Millis(life));
                let (at, fate) = (Millis(at), Fate::Open);
                let known = Known { call, at, expires, bound: held, fate, reserved: true };
                assert!(known.at >= now, "time went back");
                self.known.insert(call, known);
            }
            (Reply::Refused { refusal, .. }, None) => {
                assert!(refusal.used + refusal.requested > refusal.max, "{refusal:?}");
                assert!(refusal.retry_after.is_none_or(|span| span.0 > 0), "{refusal:?}");
            }
            (Reply::Ended, Some(Fate::Bound | Fate::Final(_))) => {}
            (reply, fate) => panic!("{reply:?} for a call that is {fate:?}"),
        }
    }

    fn settle(&mut self, call: u8, outcome: Outcome) {
        let (id, now) = (self.id(call), self.now);
        let settlement = Settlement { id, key: key(call).into(), began: now, outcome };
        let Reply::Settled { calls } = self.send(&Message::Settle { calls: vec![settlement] }) else {
            panic!()
        };
        let fate = match outcome {
            Outcome::Used(amounts) => Fate::Final(amounts),
            Outcome::Released => Fate::Final(Amounts::default()),
            Outcome::Unknown(_) => Fate::Bound,
        };
        if calls[0] == Settled::Forgotten {
            // Too old to tell whether it was counted: right for one that was, and for one that never came in time.
            assert!(self.known.get(&call).is_none_or(|known| known.fate != Fate::Open));
            assert!(!self.remembers(call));
            return;
        }
        let known = self.known.get_mut(&call);
        let expected = match (known, fate) {
            (Some(known), _) if known.fate == Fate::Open => {
                known.fate = fate;
                Settled::Counted
            }
            (Some(known), Fate::Final(_)) if known.fate == Fate::Bound => {
                known.fate = fate;
                Settled::Corrected
            }
            (Some(_), _) => Settled::Duplicate,
            (None, _) => {
                let known = Known { call, at: now, expires: now, bound: bound(call), fate, reserved: false };
                self.known.insert(call, known);
                Settled::Counted
            }
        };
        assert_eq!(calls[0], expected);
    }

    fn check(&self) {
        for scope in [None, Some(KEYS[0]), Some(KEYS[1])] {
            let calls =
                || self.known.values().filter(move |known| scope.is_none_or(|s| s == key(known.call)));
            let sum =
                |amounts: fn(&Known) -> Amounts| calls().map(amounts).fold(Amounts::default(), Amounts::plus);
            let held =
                |known: &Known| if known.fate == Fate::Open { known.bound } else { Amounts::default() };
            for object in [&self.object, &self.mortal] {
                assert_eq!(object.ledger.total(scope), sum(Known::committed), "the books do not add up");
                assert_eq!(object.ledger.held(scope), sum(held), "more or less is held than is under way");
            }
            let limits = if scope.is_none() { owner_limits() } else { key_limits() };
            for cap in limits.caps() {
                // Of what was dispatched without the ledger it can only keep the books.
                let reserved = || calls().filter(|known| known.reserved);
                let used = match cap.subject {
                    Subject::Concurrent => reserved().filter(|known| known.fate == Fate::Open).count() as u64,
                    Subject::Used(measure, window) => {
                        // The two latest windows are kept. What a call of an older one is sent again for decides nothing in
                        // that: it is over, and was within its limit when it was dropped (each step is checked).
                        let mut starts: Vec<_> = calls().map(|known| window.span(known.at).start).collect();
                        starts.sort_unstable();
                        starts.dedup();
                        let oldest = starts.into_iter().rev().take(2).min();
                        let is_kept = |known: &&Known| Some(window.span(known.at).start) >= oldest;
                        let mut windows = BTreeMap::<Millis, u64>::new();
                        for known in reserved().filter(is_kept) {
                            *windows.entry(window.span(known.at).start).or_default() +=
                                known.counts().get(measure);
                        }
                        windows.into_values().max().unwrap_or_default()
                    }
                };
                assert!(used <= cap.max, "{used} of {} in {} of {scope:?}", cap.max, cap.name);
            }
        }
        assert_eq!(self.object.count("open_calls") as usize, self.open(), "an open call without its row");
    }

    fn open(&self) -> usize {
        self.known.values().filter(|known| known.fate == Fate::Open).count()
    }

    /// What remains when everybody has gone home: every call settled, or given up.
    fn end(&mut self) {
        self.now = self.now.plus(Millis(500_000));
        self.run(&Step::Ring);
        for call in 0..CALLS {
            if self.known.get(&call).is_some_and(|known| !matches!(known.fate, Fate::Final(_))) {
                self.run(&Step::Settle { call, percent: 50 });
            }
        }
        let cost = |known: &Known| match known.fate {
            Fate::Final(amounts) => amounts.cost,
            Fate::Open | Fate::Bound => panic!("{known:?} was not settled"),
        };
        let logged = self.known.values().map(cost).fold(NanoUsd(0), NanoUsd::plus);
        assert_eq!(self.object.ledger.total(None).cost, logged);
        assert_eq!(self.object.ledger.held(None), Amounts::default());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_books_add_up_and_no_window_is_exceeded_whatever_happens(steps in prop::collection::vec(step(), 1..80)) {
        let mut world = World::new();
        for step in &steps {
            world.run(step);
        }
    }

    #[test]
    fn when_all_calls_have_settled_the_ledgers_total_is_the_sum_of_the_log(
        steps in prop::collection::vec(step().prop_filter("a steady clock", |step| !matches!(step, Step::Jump(_))), 1..80),
    ) {
        let mut world = World::new();
        for step in &steps {
            world.run(step);
        }
        world.end();
    }
}

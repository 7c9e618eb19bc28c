//! The ledger and the log have the same sums, whatever of either is lost on its way, late, or comes twice.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what stands around the tests may fail like the tests"
)]

#[path = "limit/object.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared between tests of the ledger")]
mod object;
#[path = "support/sqlite.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared with the stories of the management plane")]
mod sqlite;

use edgeway::call::limits;
use edgeway::identifier::new_id;
use edgeway::limit::ledger::{AUDIT, LOGGED_WITHIN};
use edgeway::limit::message::{Message, Reserve};
use edgeway::limit::{Amounts, Limits};
use edgeway::log::{Attempt, Record, encode};
use edgeway::money::NanoUsd;
use edgeway::store::Store;
use edgeway::time::Millis;
use edgeway::usage::UsageSource;
use futures::executor::block_on;
use object::Object;
use proptest::prelude::*;
use sqlite::Sqlite;
use std::collections::{BTreeMap, BTreeSet};

const LIFE: Millis = Millis(60_000);
/// The owner of all keys.
const OWNER: &str = "owner";

/// What can happen to a call; each may be missing, and come late or twice.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Reserved,
    /// It is let past the ledger, which does not answer.
    Passed,
    Settled,
    Logged,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Call(u8, Event),
    Pass(i64),
    Restart,
    Alarm,
}

fn step() -> impl Strategy<Value = Step> {
    let event =
        prop_oneof![Just(Event::Reserved), Just(Event::Passed), Just(Event::Settled), Just(Event::Logged)];
    prop_oneof![
        8 => (0_u8..8, event).prop_map(|(call, event)| Step::Call(call, event)),
        3 => (0_i64..200_000).prop_map(Step::Pass),
        1 => Just(Step::Restart),
        2 => Just(Step::Alarm),
    ]
}

struct World {
    object: Object,
    log: Sqlite,
    now: Millis,
    calls: BTreeMap<u8, Record>,
    /// Calls that somebody was told of.
    known: BTreeSet<u8>,
}

impl World {
    fn new() -> World {
        let now = Millis::from_iso("2026-11-20T12:00:00Z").unwrap();
        World {
            object: Object::new(),
            log: Sqlite::new(),
            now,
            calls: BTreeMap::new(),
            known: BTreeSet::new(),
        }
    }

    /// Every fourth call was refused, and sent nowhere.
    fn record(&self, call: u8) -> Record {
        let was_sent = call % 4 != 3;
        let amount = if was_sent { u64::from(call) + 1 } else { 0 };
        Record {
            id: new_id(self.now, [call; 10]),
            created_at: self.now,
            user_id: OWNER.into(),
            key_id: format!("key-{}", call % 2),
            endpoint: "chat.completions".into(),
            provider: "openai".into(),
            model: "m".into(),
            status: if was_sent { 200 } else { 502 },
            input_tokens: amount,
            output_tokens: 2 * amount,
            usage_source: UsageSource::Upstream,
            cost: NanoUsd(i64::from(call) * i64::from(was_sent)),
            priced: true,
            latency_ms: 5,
            attempts: if was_sent { vec![Attempt::default()] } else { vec![] },
            ..Record::default()
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Pass(span) => self.now = self.now.plus(Millis(span)),
            Step::Restart => self.object.restart(),
            Step::Alarm => self.alarm(),
            Step::Call(call, event) => self.call(call, event),
        }
    }

    fn call(&mut self, call: u8, event: Event) {
        let is_new = matches!(event, Event::Reserved | Event::Passed) && !self.calls.contains_key(&call);
        if is_new {
            let mut record = self.record(call);
            if event == Event::Passed {
                record.metadata.insert("edgeway.ledger".into(), "unreachable".into());
            }
            self.calls.insert(call, record);
        }
        if self.calls.contains_key(&call) && event != Event::Passed && (is_new || event != Event::Reserved) {
            self.known.insert(call);
        }
        let Some(record) = self.calls.get(&call).cloned() else { return };
        match event {
            Event::Reserved if is_new => {
                let bound = Amounts { requests: 1, input_tokens: 90, output_tokens: 90, cost: NanoUsd(900) };
                let (id, key) = (record.id, record.key_id);
                let limits = Limits::default();
                let (owner_limits, flexible, time_to_live) = (limits, None, LIFE);
                let call =
                    Reserve { id, key, limits, owner_limits, bound, flexible, extends: false, time_to_live };
                self.object.send(&Message::Reserve(Box::new(call)), self.now);
            }
            Event::Reserved | Event::Passed => {}
            Event::Settled => {
                let calls = vec![limits::settlement(&record)];
                self.object.send(&Message::Settle { calls }, self.now);
            }
            Event::Logged => self.log.store_logs(&[encode(&record)]),
        }
    }

    /// As the object does it.
    fn alarm(&mut self) {
        let (log, now) = (&self.log, self.now);
        self.object.ring_with(now, |object, page| {
            let found = block_on(log.run(limits::compare(page))).unwrap();
            let (calls, records) = limits::differences(OWNER, page, &found);
            object.send(&Message::Settle { calls }, now);
            // A message may be delivered twice.
            log.store_logs(&records.iter().chain(&records).map(encode).collect::<Vec<_>>());
        });
        let since = self.object.ledger.audit(now).since;
        let found = block_on(log.run(limits::passed(OWNER, &since))).unwrap();
        let calls = limits::passed_calls(&found);
        block_on(log.run(limits::counted(&calls))).unwrap();
        self.object.send(&Message::Settle { calls }, now);
    }

    fn sum(&self, column: &str, table: &str, filter: &str) -> i64 {
        let sql = format!("SELECT coalesce(sum({column}), 0) FROM {table} WHERE {filter}");
        self.log.0.query_row(&sql, [], |row| row.get(0)).unwrap()
    }

    /// When nothing more comes, and the alarm has rung.
    fn settles_down(&mut self) {
        for _ in 0..3 {
            self.now = self.now.plus(AUDIT);
            self.alarm();
        }
        for key in [None, Some("key-0"), Some("key-1")] {
            let filter = key.map_or("true".to_owned(), |key| format!("key_id = '{key}'"));
            let total = self.object.ledger.total(key);
            let figures =
                [total.input_tokens, total.output_tokens].map(|tokens| i64::try_from(tokens).unwrap());
            for table in ["request_logs", "usage_hourly", "usage_daily"] {
                assert_eq!(self.sum("cost", table, &filter), total.cost.0, "{table} of {key:?}");
                let columns =
                    ["input_tokens", "output_tokens"].map(|column| self.sum(column, table, &filter));
                assert_eq!(columns, figures, "{table} of {key:?}");
            }
        }
        let ids: Vec<_> = self.calls.values().map(|record| format!("'{}'", record.id)).collect();
        let logged = self.sum("1", "request_logs", &format!("id IN ({})", ids.join(",")));
        assert_eq!(usize::try_from(logged).unwrap(), self.known.len(), "each call is in the log");
        for table in ["usage_hourly", "usage_daily"] {
            assert_eq!(self.sum("requests", table, "true"), logged, "{table}");
        }
        assert_eq!(self.object.ledger.held(None), Amounts::default());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_sums_are_the_same_whatever_was_lost_late_or_came_twice(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            world.run(step);
        }
        world.settles_down();
    }
}

/// One call, to which the events happen in their order; after each, time enough passes for an audit.
fn story(events: &[Event]) -> World {
    let mut world = World::new();
    for event in events {
        world.call(1, *event);
        world.now = world.now.plus(Millis(LIFE.0 + LOGGED_WITHIN.0));
        world.alarm();
    }
    world.settles_down();
    world
}

#[test]
fn a_call_is_logged_by_the_ledger_where_its_own_record_is_lost() {
    use Event::{Logged, Reserved, Settled};
    for (events, cost, endpoint) in [
        (&[Reserved][..], 900, ""),
        (&[Reserved, Settled][..], 1, ""),
        (&[Reserved, Logged][..], 1, "chat.completions"),
        (&[Reserved, Settled, Logged][..], 1, "chat.completions"),
        (&[Reserved, Logged, Settled][..], 1, "chat.completions"),
    ] {
        let world = story(events);
        let row = world.log.0.query_row("SELECT cost, endpoint FROM request_logs", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        });
        assert_eq!(row.unwrap(), (cost, endpoint.to_owned()), "{events:?}");
    }
}

#[test]
fn a_call_that_was_let_past_the_ledger_is_counted_by_the_log_where_its_settlement_is_lost() {
    use Event::{Logged, Passed, Settled};
    for events in [&[Passed, Logged][..], &[Passed, Settled, Logged], &[Passed, Logged, Settled]] {
        let world = story(events);
        let total = world.object.ledger.total(Some("key-1"));
        assert_eq!((total.requests, total.cost), (1, NanoUsd(1)), "{events:?}");
        assert_eq!(world.sum("metadata ->> '$.\"edgeway.ledger\"' = 'counted'", "request_logs", "true"), 1);
        let found = block_on(world.log.run(limits::passed(OWNER, ""))).unwrap();
        assert_eq!(limits::passed_calls(&found), [], "it is asked for once");
    }
}

#[test]
fn an_object_that_was_asked_for_nothing_new_sleeps_long() {
    let mut world = story(&[Event::Reserved, Event::Settled, Event::Logged]);
    assert!(world.object.alarm.unwrap().since(world.now) > AUDIT);
    world.call(2, Event::Reserved);
    world.call(2, Event::Settled);
    assert_eq!(world.object.alarm, Some(world.now.plus(LIFE)));
}

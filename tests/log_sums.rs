//! The sums of the log are those of the distinct, final records, whatever comes twice, late, together or in another order.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what stands around the tests may fail like the tests"
)]

#[path = "support/sqlite.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared with the stories of the management plane")]
mod sqlite;

use edgeway::identifier::new_id;
use edgeway::log::{Attempt, End, Record, encode, latency, retention};
use edgeway::money::NanoUsd;
use edgeway::store::Store;
use edgeway::time::Millis;
use futures::executor::block_on;
use proptest::prelude::*;
use sqlite::Sqlite;
use std::collections::BTreeMap;

/// What comes for a call: its own record, or one that the ledger wrote in its place, which may know more the next time.
#[derive(Clone, Copy, Debug)]
enum Version {
    Own,
    StandIn(u8),
}

#[derive(Clone, Debug)]
enum Step {
    /// Records that are stored together.
    Batch(Vec<(u8, Version)>),
    /// A day passes, and stand-ins count in /metrics.
    Day,
}

fn step() -> impl Strategy<Value = Step> {
    let version = prop_oneof![Just(Version::Own), (1_u8..4).prop_map(Version::StandIn)];
    prop_oneof![
        6 => prop::collection::vec((0_u8..10, version), 1..12).prop_map(Step::Batch),
        1 => Just(Step::Day),
    ]
}

/// The calls lie around a midnight, so that hours and days differ.
fn record(call: u8, version: Version) -> Record {
    let at = Millis(Millis::from_iso("2026-11-20T22:10:00Z").unwrap().0 + i64::from(call) * 25 * 60_000);
    let number = i64::from(call);
    let stand_in = Record {
        id: new_id(at, [call; 10]),
        created_at: at,
        user_id: "owner".into(),
        key_id: format!("key-{}", call % 3),
        status: 500,
        input_tokens: 900,
        output_tokens: 900,
        cost: NanoUsd(9_000),
        priced: true,
        end_reason: End::UpstreamError,
        ..Record::default()
    };
    match version {
        Version::StandIn(more) => {
            Record { latency_ms: 1_000 * i64::from(more), cost: NanoUsd(i64::from(more)), ..stand_in }
        }
        Version::Own => Record {
            endpoint: "chat.completions".into(),
            model: format!("model-{}", call % 2),
            target_model: format!("model-{}", call % 2),
            provider: "p".into(),
            status: if call % 4 == 3 { 429 } else { 200 },
            input_tokens: u64::from(call) + 1,
            output_tokens: 2,
            cached_input_tokens: 1,
            cache_write_tokens: 3,
            reasoning_tokens: 1,
            cost: NanoUsd(100 + number),
            priced: !call.is_multiple_of(5),
            latency_ms: 30 * number,
            end_reason: End::Done,
            attempts: if call % 4 == 3 { vec![] } else { vec![Attempt::default()] },
            ..stand_in
        },
    }
}

struct World {
    log: Sqlite,
    finals: BTreeMap<u8, Record>,
    /// What /metrics counts of each call, which stays.
    counted: BTreeMap<u8, Record>,
    /// Samples as they were: they may not fall.
    samples: BTreeMap<(String, i64), i64>,
}

type Figures = BTreeMap<Vec<String>, Vec<i64>>;

impl World {
    fn new() -> World {
        let log = Sqlite::new();
        log.0
            .execute_batch(
                "INSERT INTO users VALUES ('owner', 'owner', '', 'admin', 0, 0);
                 INSERT INTO gateway_keys (id, user_id, name, hash, hint, budget, created_at, updated_at)
                   VALUES ('key-0', 'owner', 'a', 'a', '', '{\"nano_usd\":1000000000,\"window\":\"day\"}', 0, 0);",
            )
            .unwrap();
        World { log, finals: BTreeMap::new(), counted: BTreeMap::new(), samples: BTreeMap::new() }
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Batch(records) => {
                let encoded: Vec<_> =
                    records.iter().map(|(call, version)| encode(&record(*call, *version))).collect();
                self.log.store_logs(&encoded);
                for (call, version) in records {
                    self.arrive(*call, record(*call, *version));
                }
                for (call, record) in self.finals.iter().filter(|(_, record)| !record.endpoint.is_empty()) {
                    self.counted.entry(*call).or_insert_with(|| record.clone());
                }
            }
            Step::Day => {
                let late = Millis::from_iso("2026-11-23T00:00:00Z").unwrap();
                block_on(self.log.batch(retention::bite(late, 300))).unwrap();
                for (call, record) in &self.finals {
                    self.counted.entry(*call).or_insert_with(|| record.clone());
                }
            }
        }
        self.check();
    }

    /// A call's own record takes the place of a stand-in, and of two stand-ins the one holds that knows the later end.
    fn arrive(&mut self, call: u8, record: Record) {
        match self.finals.get(&call) {
            Some(held) if !held.endpoint.is_empty() => {}
            Some(held) if record.endpoint.is_empty() && record.latency_ms <= held.latency_ms => {}
            _ => drop(self.finals.insert(call, record)),
        }
    }

    fn check(&mut self) {
        let usage = |span: i64| {
            figures(self.finals.values(), |record| {
                let start = record.created_at.0 - record.created_at.0 % span;
                let texts = [&record.key_id, &record.provider, &record.model];
                (
                    std::iter::once(start.to_string()).chain(texts.map(Clone::clone)).collect(),
                    usage_of(record),
                )
            })
        };
        assert_eq!(self.rows("hour", "usage_hourly"), usage(Millis::HOUR.0));
        assert_eq!(self.rows("day", "usage_daily"), usage(Millis::DAY.0));

        let count: i64 =
            self.log.0.query_row("SELECT count(*) FROM request_logs", [], |row| row.get(0)).unwrap();
        assert_eq!(usize::try_from(count).unwrap(), self.finals.len());

        let spend: i64 = self
            .log
            .0
            .query_row("SELECT coalesce(sum(cost), 0) FROM budget_spend", [], |row| row.get(0))
            .unwrap();
        let of_key = self.finals.values().filter(|record| record.key_id == "key-0");
        assert_eq!(spend, of_key.map(|record| record.cost.0).sum::<i64>());

        let mut statement = self
            .log
            .0
            .prepare("SELECT client, model, status, requests, input_tokens, cost, unpriced, refused, within_100, within_1000 FROM metric_calls")
            .unwrap();
        let rows = statement.query_map([], |row| {
            let labels = vec![row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?.to_string()];
            Ok((labels, (3..10).map(|at| row.get(at).unwrap()).collect()))
        });
        let rows: Figures = rows.unwrap().map(Result::unwrap).collect();
        let expected = figures(self.counted.values(), |record| {
            let client = if record.key_id == "key-0" { "a".to_owned() } else { record.key_id.clone() };
            let refused = i64::from(record.status == 429 && record.attempts.is_empty());
            let figures = [
                1,
                i64::try_from(record.input_tokens).unwrap(),
                record.cost.0,
                i64::from(!record.priced),
                refused,
                i64::from(record.latency_ms <= 100),
                i64::from(record.latency_ms <= 1_000),
            ];
            (vec![client, record.target_model.clone(), record.status.to_string()], figures.into())
        });
        assert_eq!(rows, expected);
        for (labels, figures) in &rows {
            for (at, figure) in figures.iter().enumerate() {
                let key = (labels.join("/"), i64::try_from(at).unwrap());
                let before = self.samples.insert(key, *figure);
                assert!(before <= Some(*figure), "a counter of {labels:?} fell");
            }
        }
    }

    /// The sums by start, key, provider and model; what has gone has left zeros.
    fn rows(&self, start: &str, table: &str) -> Figures {
        let sql = format!(
            "SELECT {start}, key_id, provider, model, requests, errors, input_tokens, output_tokens, cached_input_tokens, \
             cache_write_tokens, reasoning_tokens, cost, latencies FROM {table}"
        );
        let mut statement = self.log.0.prepare(&sql).unwrap();
        let rows = statement.query_map([], |row| {
            let labels = vec![row.get::<_, i64>(0)?.to_string(), row.get(1)?, row.get(2)?, row.get(3)?];
            let mut figures: Vec<i64> = (4..12).map(|at| row.get(at).unwrap()).collect();
            figures.extend(histogram(&row.get::<_, String>(12)?));
            Ok((labels, figures))
        });
        let rows = rows.unwrap().map(Result::unwrap);
        rows.filter(|(_, figures)| figures.iter().any(|figure| *figure != 0)).collect()
    }
}

/// Buckets in which there are calls, each with their number.
fn histogram(text: &str) -> Vec<i64> {
    let mut buckets = BTreeMap::<i64, i64>::new();
    for number in text.split_terminator(',').map(|number| number.parse::<i64>().unwrap()) {
        *buckets.entry(number & 255).or_default() += number >> 8;
    }
    buckets.into_iter().filter(|(_, calls)| *calls != 0).flat_map(|(bucket, calls)| [bucket, calls]).collect()
}

fn usage_of(record: &Record) -> Vec<i64> {
    let number = |tokens: u64| i64::try_from(tokens).unwrap();
    vec![
        1,
        i64::from(record.status >= 400),
        number(record.input_tokens),
        number(record.output_tokens),
        number(record.cached_input_tokens),
        number(record.cache_write_tokens),
        number(record.reasoning_tokens),
        record.cost.0,
        latency::bucket(record.latency_ms),
    ]
}

/// Sums by label; where a ninth figure is, it is a bucket.
fn figures<'a>(
    records: impl Iterator<Item = &'a Record>,
    of: impl Fn(&Record) -> (Vec<String>, Vec<i64>),
) -> Figures {
    let mut sums = Figures::new();
    let mut buckets = BTreeMap::<Vec<String>, BTreeMap<i64, i64>>::new();
    for record in records {
        let (labels, mut figures) = of(record);
        if figures.len() == 9 {
            let bucket = figures.pop().unwrap();
            *buckets.entry(labels.clone()).or_default().entry(bucket).or_default() += 1;
        }
        let sum = sums.entry(labels).or_insert_with(|| vec![0; figures.len()]);
        sum.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += figure);
    }
    for (labels, buckets) in buckets {
        sums.get_mut(&labels)
            .unwrap()
            .extend(buckets.into_iter().flat_map(|(bucket, calls)| [bucket, calls]));
    }
    sums
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_sums_are_those_of_the_final_records(steps in prop::collection::vec(step(), 1..12)) {
        let mut world = World::new();
        for step in &steps {
            world.run(step);
        }
    }
}

#[test]
fn a_histogram_that_has_grown_long_is_written_anew() {
    let log = Sqlite::new();
    let mut number = 0_u16;
    for _ in 0..40 {
        let batch: Vec<_> = (0..50)
            .map(|_| {
                number += 1;
                let mut random = [0; 10];
                random[..2].copy_from_slice(&number.to_be_bytes());
                let own = record(1, Version::Own);
                let latency_ms = i64::from(number % 1000);
                encode(&Record { id: new_id(own.created_at, random), latency_ms, ..own })
            })
            .collect();
        log.store_logs(&batch);
    }
    let mut expected = BTreeMap::<i64, i64>::new();
    for number in 1..=number {
        *expected.entry(latency::bucket(i64::from(number % 1000))).or_default() += 1;
    }
    let expected: Vec<i64> = expected.into_iter().flat_map(|(bucket, calls)| [bucket, calls]).collect();
    for table in ["usage_hourly", "usage_daily"] {
        let text: String =
            log.0.query_row(&format!("SELECT latencies FROM {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(histogram(&text), expected, "{table}");
        assert!(text.len() < 1000, "{table}: {} bytes", text.len());
    }
}

#[test]
fn a_record_that_breaks_a_rule_takes_no_other_with_it() {
    let log = Sqlite::new();
    let broken = encode(&record(1, Version::Own)).record.replace("\"done\"", "\"nonsense\"");
    let sound = encode(&record(2, Version::Own)).record;
    log.0.execute(edgeway::log::Table::Records.insert(), [format!("[{broken},{sound}]")]).unwrap();
    for table in ["request_logs", "usage_hourly", "usage_daily", "metric_calls"] {
        let count: i64 =
            log.0.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(count, 1, "{table}");
    }
}

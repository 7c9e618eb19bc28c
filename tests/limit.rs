//! The ledger as a client and its provider see it: what passes, what is refused, and that the books add up.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what stands around the tests may fail like the tests"
)]

#[path = "limit/object.rs"]
#[allow(unreachable_pub, reason = "shared with the property tests")]
mod object;

use edgeway::config::{Budget, BudgetWindow, Quotas, RateLimits};
use edgeway::identifier::new_id;
use edgeway::limit::bound::Flexible;
use edgeway::limit::ledger::{LONGEST_LIFE, REMEMBERED, SWEEP};
use edgeway::limit::message::{self, Message, MessageError, Outcome, Reply, Reserve, Settled, Settlement};
use edgeway::limit::{Amounts, Limits, Refusal};
use edgeway::money::{NanoUsd, Price};
use edgeway::time::Millis;
use object::Object;

const LIFE: Millis = Millis(600_000);

/// Friday noon.
fn noon() -> Millis {
    Millis::from_iso("2026-11-20T12:00:00Z").unwrap()
}

fn amounts(input_tokens: u64, output_tokens: u64, cost: i64) -> Amounts {
    Amounts { requests: 1, input_tokens, output_tokens, cost: NanoUsd(cost) }
}

fn id(number: u8) -> String {
    new_id(noon(), [number; 10])
}

fn reserve(number: u8, limits: Limits, bound: Amounts) -> Message {
    let (id, key) = (id(number), "key".into());
    let owner_limits = Limits::default();
    Message::Reserve(Box::new(Reserve {
        id,
        key,
        limits,
        owner_limits,
        bound,
        flexible: None,
        time_to_live: LIFE,
        ..Reserve::default()
    }))
}

fn settle(number: u8, outcome: Outcome) -> Message {
    let call = Settlement { id: id(number), key: "key".into(), began: noon(), outcome };
    Message::Settle { calls: vec![call] }
}

fn rates(rates: RateLimits) -> Limits {
    Limits { rates, ..Limits::default() }
}

fn budget(nano_usd: i64, window: BudgetWindow) -> Limits {
    Limits { budget: Some(Budget { nano_usd: NanoUsd(nano_usd), window }), ..Limits::default() }
}

fn refusal(reply: Reply) -> Refusal {
    match reply {
        Reply::Refused { refusal, .. } => refusal,
        other => panic!("{other:?}"),
    }
}

fn granted(reply: &Reply) -> bool {
    matches!(reply, Reply::Granted { .. })
}

fn settled(reply: Reply) -> Settled {
    match reply {
        Reply::Settled { calls } => calls[0],
        other => panic!("{other:?}"),
    }
}

#[test]
fn of_500_parallel_calls_exactly_100_pass_a_limit_of_100_a_minute() {
    let mut object = Object::new();
    let limits = rates(RateLimits { requests_per_minute: Some(100), ..RateLimits::default() });
    let mut passed = 0;
    for call in 0..500_u16 {
        let [high, low] = call.to_be_bytes();
        let id = new_id(noon(), [high, low, 0, 0, 0, 0, 0, 0, 0, 0]);
        let reserve =
            Reserve { id, key: "key".into(), limits, bound: amounts(1, 1, 1), ..Reserve::default() };
        let now = noon().plus(Millis(i64::from(call)));
        match object.send(&Message::Reserve(Box::new(reserve)), now) {
            Reply::Granted { standing, .. } => {
                passed += 1;
                assert_eq!(standing.requests.unwrap().remaining, 100 - passed);
            }
            Reply::Refused { refusal, .. } => {
                assert_eq!((refusal.used, refusal.max), (100, 100));
                assert_eq!(refusal.resets_at, Some(noon().plus(Millis::MINUTE)));
                assert_eq!(refusal.retry_after_seconds(), Some(60));
            }
            other => panic!("{other:?}"),
        }
        if call % 7 == 0 {
            object.restart();
        }
    }
    assert_eq!(passed, 100);
}

#[test]
fn of_200_parallel_calls_no_more_is_spent_than_a_cent_and_no_less_than_was_used() {
    let mut object = Object::new();
    let limits = budget(10_000_000, BudgetWindow::Total);
    let mut spent = 0;
    let mut waiting = Vec::new();
    for call in 0..200_u8 {
        if granted(&object.send(&reserve(call, limits, amounts(10, 10, 900_000)), noon())) {
            waiting.push(call);
        }
        // Calls end while others begin, at less than their bound.
        if call % 3 == 0
            && let Some(ended) = waiting.pop()
        {
            let cost = 300_000 + i64::from(ended) * 1000;
            object.send(&settle(ended, Outcome::Used(amounts(5, 5, cost))), noon());
            spent += cost;
        }
        let (total, held) = (object.ledger.total(Some("key")).cost, object.ledger.held(Some("key")).cost);
        assert_eq!(total.0, spent);
        assert!(total.0 + held.0 <= 10_000_000);
    }
    let refusal = refusal(object.send(&reserve(250, limits, amounts(10, 10, 900_000)), noon()));
    assert_eq!((refusal.status(), refusal.code()), (402, "budget_exceeded"));
    assert_eq!(refusal.retry_after_seconds(), None);
}

#[test]
fn each_limit_refuses_the_call_that_would_exceed_it_and_says_so() {
    let day = "2026-11-21T00:00:00.000Z";
    let per = RateLimits::default();
    let quota = Quotas::default();
    let quotas = |quotas| Limits { quotas, ..Limits::default() };
    for (limits, name, status, used, max, resets, wait) in [
        (
            rates(RateLimits { requests_per_minute: Some(2), ..per }),
            "requests_per_minute",
            429,
            2,
            2,
            Some("2026-11-20T12:01:00.000Z"),
            Some(60),
        ),
        (
            rates(RateLimits { requests_per_hour: Some(2), ..per }),
            "requests_per_hour",
            429,
            2,
            2,
            Some("2026-11-20T13:00:00.000Z"),
            Some(3600),
        ),
        (
            rates(RateLimits { requests_per_day: Some(2), ..per }),
            "requests_per_day",
            429,
            2,
            2,
            Some(day),
            Some(43_200),
        ),
        (
            rates(RateLimits { tokens_per_minute: Some(70), ..per }),
            "tokens_per_minute",
            429,
            60,
            70,
            Some("2026-11-20T12:01:00.000Z"),
            Some(60),
        ),
        (rates(RateLimits { concurrent: Some(2), ..per }), "concurrent", 429, 2, 2, None, Some(1)),
        (
            quotas(Quotas { requests_per_day: Some(2), ..quota }),
            "requests_per_day",
            429,
            2,
            2,
            Some(day),
            Some(43_200),
        ),
        (
            quotas(Quotas { input_tokens_per_day: Some(25), ..quota }),
            "input_tokens_per_day",
            429,
            20,
            25,
            Some(day),
            Some(43_200),
        ),
        (
            quotas(Quotas { output_tokens_per_day: Some(59), ..quota }),
            "output_tokens_per_day",
            429,
            40,
            59,
            Some(day),
            Some(43_200),
        ),
        (budget(15, BudgetWindow::Day), "budget", 402, 14, 15, Some(day), Some(43_200)),
        (
            budget(15, BudgetWindow::Week),
            "budget",
            402,
            14,
            15,
            Some("2026-11-23T00:00:00.000Z"),
            Some(216_000),
        ),
        (
            budget(15, BudgetWindow::Month),
            "budget",
            402,
            14,
            15,
            Some("2026-12-01T00:00:00.000Z"),
            Some(907_200),
        ),
        (budget(15, BudgetWindow::Total), "budget", 402, 14, 15, None, None),
    ] {
        let mut object = Object::new();
        let bound = amounts(10, 20, 7);
        assert!(granted(&object.send(&reserve(1, limits, bound), noon())), "{name}");
        assert!(granted(&object.send(&reserve(2, limits, bound), noon())), "{name}");
        let refusal = refusal(object.send(&reserve(3, limits, bound), noon()));
        assert_eq!((refusal.limit.as_ref(), refusal.status()), (name, status));
        assert_eq!((refusal.used, refusal.max), (used, max), "{name}");
        assert_eq!(refusal.resets_at.map(Millis::to_iso).as_deref(), resets, "{name}");
        assert_eq!(refusal.retry_after_seconds(), wait, "{name}");
        assert!(refusal.message().contains(name), "{}", refusal.message());

        // Nothing of it was held, and what is released can be had again.
        object.send(&settle(1, Outcome::Released), noon());
        assert!(granted(&object.send(&reserve(3, limits, bound), noon())), "{name}");
    }
}

#[test]
fn a_refusal_is_a_sentence_that_names_limit_window_use_and_reset() {
    let mut object = Object::new();
    let limits = budget(10_000_000, BudgetWindow::Day);
    object.send(&reserve(1, limits, amounts(1, 1, 9_000_000)), noon());
    assert_eq!(
        refusal(object.send(&reserve(2, limits, amounts(1, 1, 2_000_000)), noon())).message(),
        "this gateway key's limit budget, window day is reached: $0.009 of $0.01 used or reserved, this request \
         needs up to $0.002; it resets at 2026-11-21T00:00:00.000Z"
    );
    let too_large = refusal(object.send(&reserve(3, limits, amounts(1, 1, 20_000_000)), noon()));
    assert_eq!(too_large.retry_after_seconds(), None);
    assert!(too_large.message().ends_with("the request alone may use more than the limit"));
}

#[test]
fn of_several_limits_in_the_way_the_one_that_is_lifted_last_is_named() {
    let mut object = Object::new();
    let rates = RateLimits {
        requests_per_minute: Some(1),
        requests_per_hour: Some(1),
        concurrent: Some(1),
        ..RateLimits::default()
    };
    let limits = Limits { rates, ..budget(5, BudgetWindow::Day) };
    object.send(&reserve(1, limits, amounts(1, 1, 3)), noon());
    assert_eq!(refusal(object.send(&reserve(2, limits, amounts(1, 1, 3)), noon())).limit, "budget");
    assert_eq!(
        refusal(object.send(&reserve(2, limits, amounts(1, 1, 2)), noon())).limit,
        "requests_per_hour"
    );
}

#[test]
fn a_call_without_a_maximum_is_made_to_fit_what_is_left() {
    let tokens = rates(RateLimits { tokens_per_minute: Some(1000), ..RateLimits::default() });
    let requests = rates(RateLimits { requests_per_minute: Some(0), ..RateLimits::default() });
    // 2 nano-USD an output token, so 200 for the input in each bound of 100 input and 16,000 output tokens.
    let flexible = Flexible { choices: 1, least: 256, most: 4096, price: Price(2_000_000) };
    let none = Limits::default();
    for (limits, owner_limits, choices, expected) in [
        (none, none, 1, Some((16_000, None))),
        (tokens, none, 1, Some((900, Some(900)))),
        (none, tokens, 2, Some((900, Some(450)))),
        (tokens, none, 4, None),
        (budget(20_000, BudgetWindow::Day), none, 1, Some((4096, Some(4096)))),
        (budget(2_201, BudgetWindow::Day), none, 1, Some((1000, Some(1000)))),
        (budget(2_201, BudgetWindow::Day), tokens, 1, Some((900, Some(900)))),
        (budget(500, BudgetWindow::Day), none, 1, None),
        (requests, none, 1, None),
    ] {
        let mut object = Object::new();
        let bound = amounts(100, 16_000, 32_200);
        let message = Message::Reserve(Box::new(Reserve {
            id: id(1),
            key: "key".into(),
            limits,
            owner_limits,
            bound,
            flexible: Some(Flexible { choices, ..flexible }),
            time_to_live: LIFE,
            ..Reserve::default()
        }));
        for _ in 0..2 {
            let found = match object.send(&message, noon()) {
                Reply::Granted { max_tokens, .. } => Some((object.ledger.held(None), max_tokens)),
                _ => None,
            };
            assert_eq!(found.map(|(held, each)| (held.output_tokens, each)), expected);
            if let Some((held, _)) = found {
                assert!(held.cost.0 >= 200 + 2 * i64::try_from(held.output_tokens).unwrap());
            }
        }
    }
}

#[test]
fn a_call_that_is_sent_again_holds_what_it_used_in_vain_as_well_or_is_refused() {
    let mut object = Object::new();
    let limits = Limits {
        rates: RateLimits { concurrent: Some(1), ..RateLimits::default() },
        ..budget(1_000, BudgetWindow::Day)
    };
    let again = |cost| {
        let bound = amounts(20, 20, cost);
        let (id, key) = (id(1), "key".into());
        let call =
            Reserve { id, key, limits, bound, extends: true, time_to_live: LIFE, ..Reserve::default() };
        Message::Reserve(Box::new(call))
    };
    assert!(granted(&object.send(&reserve(1, limits, amounts(10, 10, 400)), noon())));
    for _ in 0..2 {
        assert!(granted(&object.send(&again(700), noon())), "as often as it is said");
        assert_eq!(object.ledger.held(None), amounts(20, 20, 700));
    }
    let refused = refusal(object.send(&again(1_001), noon()));
    assert_eq!((&*refused.limit, refused.used, refused.requested), ("budget", 700, 301));
    object.restart();
    assert_eq!(object.ledger.held(None), amounts(20, 20, 700), "what was held stays, and persists");
    object.send(&settle(1, Outcome::Used(amounts(20, 15, 600))), noon());
    assert_eq!(object.ledger.held(None), Amounts::default());
}

#[test]
fn keys_of_one_owner_share_the_owners_limits_in_one_step() {
    let mut object = Object::new();
    let owner_limits = budget(10, BudgetWindow::Total);
    let call = |number, key: &str| {
        let (id, key, bound) = (id(number), key.to_owned(), amounts(1, 1, 6));
        let limits = rates(RateLimits { requests_per_minute: Some(1), ..RateLimits::default() });
        Message::Reserve(Box::new(Reserve {
            id,
            key,
            limits,
            owner_limits,
            bound,
            flexible: None,
            time_to_live: LIFE,
            ..Reserve::default()
        }))
    };
    assert!(granted(&object.send(&call(1, "a"), noon())));
    let by_owner = refusal(object.send(&call(2, "b"), noon()));
    assert_eq!((by_owner.scope, by_owner.used), (edgeway::limit::standing::Scope::Owner, 6));
    object.send(&settle(1, Outcome::Used(amounts(1, 1, 2))), noon());
    // The refusal by the owner's budget left nothing in the key's minute.
    assert!(granted(&object.send(&call(3, "b"), noon())));
    assert_eq!(object.ledger.total(None).cost, NanoUsd(2));
    assert_eq!(object.ledger.held(Some("b")).cost, NanoUsd(6));
}

#[test]
fn a_call_counts_in_the_window_of_its_reservation_however_late_it_is_settled() {
    let mut object = Object::new();
    let limits = rates(RateLimits { tokens_per_minute: Some(100), ..RateLimits::default() });
    let late = noon().plus(Millis(59_000));
    object.send(&reserve(1, limits, amounts(0, 100, 0)), late);
    let next = noon().plus(Millis(61_000));
    object.send(&settle(1, Outcome::Used(amounts(0, 90, 0))), next);
    // The new minute is empty: all of it can be had.
    assert!(granted(&object.send(&reserve(2, limits, amounts(0, 100, 0)), next)));
    // Back in the old one, its 90 stand.
    let full = refusal(object.send(&reserve(3, limits, amounts(0, 11, 0)), late));
    assert_eq!(full.used, 90);
    assert!(granted(&object.send(&reserve(3, limits, amounts(0, 10, 0)), late)));
}

#[test]
fn a_clock_that_jumps_back_frees_nothing() {
    let mut object = Object::new();
    let limits = rates(RateLimits { requests_per_minute: Some(1), ..RateLimits::default() });
    let minutes = [0, 1, 2, 3].map(|minute| noon().plus(Millis(minute * 60_000)));
    for (number, minute) in (0..).zip(minutes) {
        assert!(granted(&object.send(&reserve(number, limits, amounts(1, 1, 1)), minute)));
    }
    for minute in minutes {
        let full = refusal(object.send(&reserve(9, limits, amounts(1, 1, 1)), minute));
        assert_eq!(full.used, 1, "{minute:?}");
    }
}

#[test]
fn a_settlement_counts_once_and_only_a_bound_is_corrected() {
    let used = |cost| Outcome::Used(amounts(1, 1, cost));
    let unknown = Outcome::Unknown(amounts(1, 1, 50));
    use Settled::{Corrected, Counted, Duplicate};
    let cases: [(&[Outcome], &[Settled], i64); 7] = [
        (&[used(10), used(20)], &[Counted, Duplicate], 10),
        (&[used(10), Outcome::Released], &[Counted, Duplicate], 10),
        (&[unknown, used(10), used(20)], &[Counted, Corrected, Duplicate], 10),
        (&[unknown, unknown, Outcome::Released], &[Counted, Duplicate, Corrected], 0),
        (&[Outcome::Released, used(10)], &[Counted, Duplicate], 0),
        (&[used(10), unknown], &[Counted, Duplicate], 10),
        // The provider billed more than was thought possible: the truth is written down.
        (&[used(70)], &[Counted], 70),
    ];
    for (outcomes, expected, total) in cases {
        for reserved in [true, false] {
            for restarts in [true, false] {
                let mut object = Object::new();
                if reserved {
                    object.send(&reserve(1, Limits::default(), amounts(1, 1, 50)), noon());
                }
                for (outcome, expected) in outcomes.iter().zip(expected) {
                    let before = object.dump();
                    let reply = settled(object.send(&settle(1, *outcome), noon()));
                    assert_eq!(reply, *expected, "{outcomes:?}");
                    assert_eq!(reply == Duplicate, object.dump() == before, "{outcomes:?}");
                    if restarts {
                        object.restart();
                    }
                }
                let total = NanoUsd(total);
                assert_eq!(
                    (object.ledger.total(None).cost, object.ledger.held(None).cost),
                    (total, NanoUsd(0))
                );
                assert_eq!(object.ledger.total(Some("key")), object.ledger.total(None));
                assert_eq!(
                    object.send(&reserve(1, Limits::default(), amounts(1, 1, 50)), noon()),
                    Reply::Ended
                );
            }
        }
    }
}

#[test]
fn settlements_that_travel_together_count_each_once() {
    let mut object = Object::new();
    let calls = [1, 2, 1].map(|number| {
        object.send(&reserve(number, Limits::default(), amounts(1, 1, 50)), noon());
        let outcome = Outcome::Used(amounts(1, 1, 10));
        Settlement { id: id(number), key: "key".into(), began: noon(), outcome }
    });
    let reply = object.send(&Message::Settle { calls: calls.to_vec() }, noon());
    assert_eq!(reply, Reply::Settled { calls: vec![Settled::Counted, Settled::Counted, Settled::Duplicate] });
    assert_eq!(object.ledger.total(None).cost, NanoUsd(20));
}

#[test]
fn a_lost_call_costs_its_bound_until_the_truth_comes() {
    let mut object = Object::new();
    let limits = Limits {
        rates: RateLimits { concurrent: Some(1), ..RateLimits::default() },
        ..budget(100, BudgetWindow::Total)
    };
    object.send(&reserve(1, limits, amounts(1, 1, 60)), noon());
    let due = noon().plus(LIFE);
    assert_eq!(object.alarm, Some(due));
    object.restart();
    object.ring(Millis(due.0 - 1));
    assert_eq!((object.alarm, object.count("open_calls")), (Some(due), 1));
    object.ring(due);
    assert_eq!(object.count("open_calls"), 0);
    assert_eq!(object.ledger.total(None).cost, NanoUsd(60));
    assert_eq!(refusal(object.send(&reserve(2, limits, amounts(1, 1, 60)), due)).used, 60);
    assert_eq!(settled(object.send(&settle(1, Outcome::Used(amounts(1, 1, 40))), due)), Settled::Corrected);
    assert!(granted(&object.send(&reserve(2, limits, amounts(1, 1, 60)), due)));
}

#[test]
fn an_alarm_after_a_restart_is_never_later_than_the_first_lost_call() {
    let mut object = Object::new();
    object.send(&reserve(1, Limits::default(), amounts(1, 1, 1)), noon());
    object.restart();
    object.send(&reserve(2, Limits::default(), amounts(1, 1, 1)), noon().plus(Millis(5_000)));
    assert_eq!(object.alarm, Some(noon().plus(LIFE)));
}

#[test]
fn ended_calls_are_forgotten_after_a_day_and_then_count_no_second_time() {
    let mut object = Object::new();
    object.send(&reserve(1, Limits::default(), amounts(1, 1, 5)), noon());
    let outcome = Outcome::Used(amounts(1, 1, 5));
    object.send(&settle(1, outcome), noon());
    let mut rings = 0;
    while let Some(alarm) = object.alarm {
        object.restart();
        object.ring(alarm);
        rings += 1;
    }
    assert_eq!((object.count("ended_calls"), rings), (0, (REMEMBERED.0 + LIFE.0) / SWEEP.0 + 2));
    object.restart();
    let later = noon().plus(Millis(2 * REMEMBERED.0));
    assert_eq!(settled(object.send(&settle(1, outcome), later)), Settled::Forgotten);
    assert_eq!(object.ledger.total(None).cost, NanoUsd(5));
    // A call that is younger than the horizon is sure to be new.
    let id = new_id(later, [9; 10]);
    let call = Settlement { id, key: "key".into(), began: later, outcome };
    assert_eq!(settled(object.send(&Message::Settle { calls: vec![call] }, later)), Settled::Counted);
}

#[test]
fn a_wrong_jump_of_the_clock_holds_a_call_no_longer_than_two_lives() {
    let mut object = Object::new();
    let year = noon().plus(Millis(365 * Millis::DAY.0));
    object.send(&reserve(1, Limits::default(), amounts(1, 1, 5)), year);
    object.ring(noon());
    assert_eq!((object.count("open_calls"), object.ledger.total(None).cost), (0, NanoUsd(5)));
    let mut long = Object::new();
    let Message::Reserve(mut call) = reserve(1, Limits::default(), amounts(1, 1, 5)) else { panic!() };
    call.time_to_live = Millis(i64::MAX);
    long.send(&Message::Reserve(call), noon());
    assert_eq!(long.alarm, Some(noon().plus(LONGEST_LIFE)));
}

#[test]
fn a_revoked_key_is_refused_at_once_and_its_calls_still_settle() {
    let mut object = Object::new();
    object.send(&reserve(1, Limits::default(), amounts(1, 1, 5)), noon());
    let revoke = |revoked| Message::Revoke { key: "key".into(), revoked };
    assert_eq!(object.send(&revoke(true), noon()), Reply::Done);
    object.restart();
    assert_eq!(object.send(&reserve(2, Limits::default(), amounts(1, 1, 5)), noon()), Reply::Revoked);
    object.send(&settle(1, Outcome::Used(amounts(1, 1, 4))), noon());
    assert_eq!(object.ledger.total(None).cost, NanoUsd(4));
    object.send(&revoke(false), noon());
    assert!(granted(&object.send(&reserve(2, Limits::default(), amounts(1, 1, 5)), noon())));
}

#[test]
fn the_usage_of_a_key_lists_every_limit_in_its_own_unit() {
    let mut object = Object::new();
    let limits = Limits {
        rates: RateLimits { tokens_per_minute: Some(1000), concurrent: Some(5), ..RateLimits::default() },
        quotas: Quotas { max_output_tokens: Some(7), ..Quotas::default() },
        budget: Some(Budget { nano_usd: NanoUsd(2_000_000_000), window: BudgetWindow::Month }),
    };
    object.send(&reserve(1, limits, amounts(10, 20, 500_000_000)), noon());
    let Reply::Usage { entries } = object.send(&Message::Usage { key: "key".into(), limits }, noon()) else {
        panic!()
    };
    let views: Vec<_> = entries.iter().map(|entry| entry.view().to_string()).collect();
    assert_eq!(
        views,
        [
            r#"{"limit":"concurrent","setting":"rate_limits","window":"now","used":1,"max":5,"resets_at":null}"#,
            r#"{"limit":"tokens_per_minute","setting":"rate_limits","window":"minute","used":30,"max":1000,"resets_at":"2026-11-20T12:01:00.000Z"}"#,
            r#"{"limit":"budget","setting":"budget","window":"month","used":0.5,"max":2.0,"resets_at":"2026-12-01T00:00:00.000Z"}"#,
            r#"{"limit":"max_output_tokens","setting":"quotas","window":"request","used":0,"max":7,"resets_at":null}"#,
        ]
    );
}

#[test]
fn a_limit_that_is_set_later_knows_what_was_used_before() {
    let mut object = Object::new();
    object.send(&reserve(1, Limits::default(), amounts(1, 1, 60)), noon());
    object.send(&settle(1, Outcome::Used(amounts(1, 1, 60))), noon());
    for window in [BudgetWindow::Day, BudgetWindow::Week, BudgetWindow::Month, BudgetWindow::Total] {
        let full = refusal(object.send(&reserve(2, budget(100, window), amounts(1, 1, 50)), noon()));
        assert_eq!(full.used, 60);
    }
}

#[test]
fn another_version_is_told_from_nonsense() {
    let read = |json: &str| message::decode::<Message>(json.as_bytes()).unwrap_err();
    assert!(matches!(read(r#"{"v":1,"body":{"dance":{}}}"#), MessageError::Version(1)));
    assert!(matches!(read(r#"{"v":2,"body":{"dance":{}}}"#), MessageError::Malformed(_)));
    assert!(matches!(read("["), MessageError::Malformed(_)));
}

#[test]
fn a_reservation_writes_one_row_but_the_first_of_a_minute() {
    let mut object = Object::new();
    let writes = |object: &mut Object, number| {
        let before = object.database.total_changes();
        object.send(&reserve(number, Limits::default(), amounts(1, 1, 1)), noon());
        object.database.total_changes() - before
    };
    assert_eq!([1, 2, 3].map(|number| writes(&mut object, number)), [3, 1, 1]);
}

//! The circuit breaker, by its promises.

use super::*;
use proptest::prelude::*;

const TARGET: Target<'_> = Target { provider: "p", key: "k", model: "m" };
const OTHER_MODEL: Target<'_> = Target { model: "n", ..TARGET };
const OTHER_KEY: Target<'_> = Target { key: "l", ..TARGET };

fn fail(health: &mut Health, trouble: Trouble, now: i64) {
    health.failed(TARGET, trouble, Millis(now), Millis(now));
}

#[test]
fn consecutive_failures_open_and_a_success_between_resets() {
    let mut health = Health::default();
    for now in 1..i64::from(FAILURES_TO_OPEN) {
        fail(&mut health, Trouble::Failure, now);
    }
    health.succeeded(TARGET, Millis(50));
    for now in 101..100 + i64::from(FAILURES_TO_OPEN) {
        fail(&mut health, Trouble::Failure, now);
        assert_eq!(health.state(TARGET, Millis(now)), State::Ready);
    }
    fail(&mut health, Trouble::Failure, 200);
    assert_eq!(health.state(TARGET, Millis(200)), State::Cooling(Millis(200).plus(FIRST_PAUSE)));
    assert_eq!(health.state(OTHER_MODEL, Millis(200)), State::Ready);
    assert_eq!(health.state(OTHER_KEY, Millis(200)), State::Ready);
}

#[test]
fn a_wait_that_the_upstream_asks_for_opens_at_once_and_is_capped() {
    let mut health = Health::default();
    fail(&mut health, Trouble::Busy(Millis(700)), 1000);
    assert_eq!(health.state(TARGET, Millis(1699)), State::Cooling(Millis(1700)));
    assert_eq!(health.state(TARGET, Millis(1700)), State::Ready);
    fail(&mut health, Trouble::Busy(Millis::DAY), 2000);
    assert_eq!(health.state(TARGET, Millis(2000)), State::Cooling(Millis(2000).plus(LONGEST_PAUSE)));
}

#[test]
fn a_half_open_target_admits_one_probe_whose_report_decides() {
    let mut health = Health::default();
    fail(&mut health, Trouble::Busy(Millis(100)), 0);
    assert!(!health.admit(TARGET, Millis(99)));
    assert!(health.admit(TARGET, Millis(100)));
    assert!(!health.admit(TARGET, Millis(101)));
    health.failed(TARGET, Trouble::Failure, Millis(100), Millis(150));
    assert_eq!(health.state(TARGET, Millis(150)), State::Cooling(Millis(150 + 2 * FIRST_PAUSE.0)));

    let later = Millis(150 + 2 * FIRST_PAUSE.0);
    assert!(health.admit(TARGET, later));
    health.succeeded(TARGET, later);
    assert!(health.admit(TARGET, later) && health.admit(TARGET, later));
}

#[test]
fn a_lost_or_abandoned_probe_makes_way_for_another() {
    let mut health = Health::default();
    fail(&mut health, Trouble::Busy(Millis(100)), 0);
    assert!(health.admit(TARGET, Millis(100)));
    health.abandoned(TARGET, Millis(100));
    assert!(health.admit(TARGET, Millis(200)));
    assert!(!health.admit(TARGET, Millis(200).plus(Millis(PROBE_TIMEOUT.0 - 1))));
    assert!(health.admit(TARGET, Millis(200).plus(PROBE_TIMEOUT)));
}

#[test]
fn a_refused_key_rests_for_every_model_and_no_other_key_does() {
    let mut health = Health::default();
    fail(&mut health, Trouble::Refused, 0);
    assert_eq!(health.state(OTHER_MODEL, Millis(0)), State::Refused(REFUSED_PAUSE));
    assert_eq!(health.state(OTHER_KEY, Millis(0)), State::Ready);
    fail(&mut health, Trouble::Forbidden, 0);
    assert_eq!(health.state(OTHER_MODEL, REFUSED_PAUSE), State::Ready);
}

#[test]
fn what_was_sent_before_it_opened_neither_closes_nor_prolongs() {
    let mut health = Health::default();
    fail(&mut health, Trouble::Busy(Millis(1000)), 100);
    health.succeeded(TARGET, Millis(50));
    health.failed(TARGET, Trouble::Failure, Millis(50), Millis(120));
    assert_eq!(health.state(TARGET, Millis(120)), State::Cooling(Millis(1100)));
    health.failed(TARGET, Trouble::Busy(Millis(2000)), Millis(50), Millis(130));
    assert_eq!(health.state(TARGET, Millis(130)), State::Cooling(Millis(2130)));
}

#[test]
fn a_success_sent_while_it_cooled_closes_it() {
    let mut health = Health::default();
    fail(&mut health, Trouble::Busy(Millis(1000)), 100);
    health.succeeded(TARGET, Millis(200));
    assert_eq!(health.state(TARGET, Millis(300)), State::Ready);
}

#[test]
fn the_number_of_entries_is_bounded() {
    let mut health = Health::default();
    for number in 0..MAX_ENTRIES * 2 {
        let model = number.to_string();
        let now = Millis(i64::try_from(number).unwrap());
        health.failed(Target { model: &model, ..TARGET }, Trouble::Busy(Millis::HOUR), now, now);
    }
    assert_eq!(health.entries.len(), MAX_ENTRIES);
    assert_eq!(health.state(Target { model: "0", ..TARGET }, Millis(3000)), State::Ready);
}

#[derive(Clone, Debug)]
enum Event {
    Admit,
    Succeed,
    Fail(Trouble),
    Abandon,
    Pass(i64),
}

fn event() -> impl Strategy<Value = Event> {
    let trouble = prop_oneof![
        Just(Trouble::Failure),
        (0..1_000_000_i64).prop_map(|wait| Trouble::Busy(Millis(wait))),
        Just(Trouble::Refused),
        Just(Trouble::Forbidden),
    ];
    prop_oneof![
        3 => Just(Event::Admit),
        1 => Just(Event::Succeed),
        3 => trouble.prop_map(Event::Fail),
        1 => Just(Event::Abandon),
        3 => (-400_000..400_000_i64).prop_map(Event::Pass), // the clock may be set back
    ]
}

proptest! {
    #[test]
    fn it_never_cools_for_longer_than_the_cap_even_when_the_clock_is_set_back(events in prop::collection::vec(event(), 0..60)) {
        let mut health = Health::default();
        let (mut now, mut sent) = (Millis(10_000_000), Millis(10_000_000));
        for event in events {
            match event {
                Event::Admit => if health.admit(TARGET, now) { sent = now },
                Event::Succeed => health.succeeded(TARGET, sent),
                Event::Fail(trouble) => health.failed(TARGET, trouble, sent, now),
                Event::Abandon => health.abandoned(TARGET, sent),
                Event::Pass(span) => now = now.plus(Millis(span)),
            }
            if let State::Cooling(until) | State::Refused(until) = health.state(TARGET, now) {
                prop_assert!(until.0 - now.0 <= LONGEST_PAUSE.0);
            }
            // Whatever happened, when all pauses and probes are over the target is tried again.
            let later = now.plus(LONGEST_PAUSE).plus(PROBE_TIMEOUT).plus(Millis(1_000_000_000));
            prop_assert_eq!(health.state(TARGET, later), State::Ready);
        }
    }

    #[test]
    fn a_half_open_target_has_one_probe_at_a_time(callers in 2..20_usize, wait in 1..1000_i64, spread in 0..1000_i64) {
        let mut health = Health::default();
        fail(&mut health, Trouble::Busy(Millis(wait)), 0);
        let admitted = (0..callers).filter(|caller| {
            health.admit(TARGET, Millis(wait + spread * i64::try_from(*caller).unwrap() / 20))
        });
        prop_assert_eq!(admitted.count(), 1);
    }
}

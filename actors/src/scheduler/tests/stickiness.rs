//! Every row of the sticky table of `scheduling.md` §8.

use std::sync::Arc;

use crate::account::view::{AccountView, Breaker};
use crate::domain::id::AccountId;
use crate::domain::key::StickyMode;
use crate::domain::limit::SlidingWindow;
use crate::domain::route::{RefusalReason, RouteRequest, StickyResult};
use crate::domain::time::{HOUR, MINUTE, SECOND};
use crate::domain::window::{Scope, WindowKind};
use crate::scheduler::tests::{Answer, T0, World, cooling, key, request, session, sonnet, view, window};

fn of_session(n: u128) -> RouteRequest {
    RouteRequest { session: session(1), ..sonnet(n) }
}

/// Two accounts; session 1 is bound to account 1, which is idle again.
fn bound_to_one() -> World {
    let mut world = World::new([view(1, |_, _| ()), view(2, |_, _| ())]);
    let first = world.grant(of_session(0));
    assert_eq!((first.lease.account.id.0, first.notes.sticky), (1, StickyResult::Miss));
    world.end(first);
    world
}

fn outcome(world: &mut World, request: RouteRequest) -> (i64, StickyResult) {
    let grant = world.grant(request);
    let found = (grant.lease.account.id.0, grant.notes.sticky);
    world.end(grant);
    found
}

fn binding(world: &mut World) -> Option<i64> {
    world.state.bindings.lookup(session(1).unwrap(), world.now).map(|b| b.account.0)
}

#[test]
fn a_session_stays_on_its_account_and_others_do_not_follow() {
    let mut world = bound_to_one();
    for n in 1..10 {
        world.pass(MINUTE);
        assert_eq!(outcome(&mut world, of_session(n)), (1, StickyResult::Hit));
    }
    assert_eq!(outcome(&mut world, RouteRequest { session: session(2), ..sonnet(20) }), (2, StickyResult::Miss));
    assert_eq!(outcome(&mut world, sonnet(21)).1, StickyResult::None);
    let off = key(1, |k| k.sticky_mode = StickyMode::Off);
    let unstuck = RouteRequest { session: session(1), ..request(22, &off) };
    assert_eq!(outcome(&mut world, unstuck).1, StickyResult::None);
}

#[test]
fn a_hit_renews_late_and_silence_ends_the_binding() {
    let mut world = bound_to_one();
    world.pass(45 * MINUTE);
    assert_eq!(outcome(&mut world, of_session(1)).1, StickyResult::Hit);
    world.pass(2 * MINUTE);
    assert_eq!(outcome(&mut world, of_session(2)).1, StickyResult::Hit);
    world.pass(59 * MINUTE);
    assert_eq!(outcome(&mut world, of_session(3)).1, StickyResult::Hit, "renewed in minute 47");
    world.pass(HOUR);
    assert_eq!(outcome(&mut world, of_session(4)).1, StickyResult::Miss);
}

#[test]
fn parallel_first_requests_of_a_session_share_an_account() {
    let mut world = World::new([view(1, |_, _| ()), view(2, |_, _| ())]);
    world.silent = vec![AccountId(1), AccountId(2)];
    for n in 0..3 {
        world.ask(of_session(n));
    }
    assert_eq!(world.asked, [AccountId(1); 3]);
}

#[test]
fn a_full_account_is_waited_for_and_then_overflows_without_rebinding() {
    let lacks: [fn(&mut AccountView); 3] = [
        |v| v.slots_used = 10,
        |v| {
            let mut rpm = SlidingWindow::new(MINUTE, 1);
            rpm.add(T0.0, 1);
            v.rpm = Some(rpm);
        },
        |v| {
            let mut tpm = SlidingWindow::new(MINUTE, 10);
            tpm.add(T0.0, 11);
            v.tpm = Some(tpm);
        },
    ];
    for lack in lacks {
        let mut world = bound_to_one();
        world.adjust(1, lack);
        let waiting = world.ask(of_session(1));
        world.pass(5 * SECOND - 1);
        assert!(matches!(world.answer(waiting), Answer::Waiting));
        world.pass(1);
        let Answer::Granted(grant) = world.answer(waiting) else { panic!("not served elsewhere") };
        assert_eq!((grant.lease.account.id.0, grant.notes.sticky), (2, StickyResult::Overflow));
        assert_eq!(binding(&mut world), Some(1), "overflow keeps the binding");
    }
}

#[test]
fn a_slot_that_comes_free_in_time_is_waited_for() {
    let mut world = bound_to_one();
    world.adjust(1, |v| v.slots_used = 10);
    let waiting = world.ask(of_session(1));
    world.pass(2 * SECOND);
    world.adjust(1, |v| v.slots_used = 9);
    let Answer::Granted(grant) = world.answer(waiting) else { panic!("still waiting") };
    let notes = grant.notes;
    assert_eq!((grant.lease.account.id.0, notes.sticky, notes.waited_ms), (1, StickyResult::Waited, 2_000));
}

#[test]
fn three_wait_for_an_account_and_the_fourth_overflows_at_once() {
    let mut world = bound_to_one();
    world.adjust(1, |v| v.slots_used = 10);
    let waiting: Vec<_> = (1..=3).map(|n| world.ask(of_session(n))).collect();
    assert_eq!(outcome(&mut world, of_session(4)), (2, StickyResult::Overflow));
    world.leave(waiting[0]);
    let fifth = world.ask(of_session(5));
    assert!(matches!(world.answer(fifth), Answer::Waiting), "one place came free");
    let hasty = RouteRequest { may_wait: false, ..of_session(6) };
    assert_eq!(outcome(&mut world, hasty), (2, StickyResult::Overflow));
}

#[test]
fn an_unusable_account_is_left_in_the_same_request() {
    type Harm = fn(&mut World);
    let cases: [(&str, Harm); 5] = [
        ("cooldown", |w| w.adjust(1, |v| v.cooldowns = cooling(Scope::All, "rate_limited", T0.plus(HOUR), false))),
        ("vendor_window", |w| w.adjust(1, |v| v.windows = Arc::new([window(WindowKind::FiveHour, 1_000_000, HOUR)]))),
        ("breaker_open", |w| {
            w.adjust(1, |v| {
                v.breaker = Breaker::Open { until: T0, opening: 1, successes: 0, probing: false };
            });
        }),
        ("disabled", |w| w.change(view(1, |s, _| s.enabled = false))),
        ("deleted", |w| w.event(|state, turn| state.on_account_gone(turn, AccountId(1)))),
    ];
    for (reason, harm) in cases {
        let mut world = bound_to_one();
        harm(&mut world);
        assert_eq!(outcome(&mut world, of_session(1)), (2, StickyResult::Escaped(reason)), "{reason}");
        assert_eq!(binding(&mut world), Some(2), "{reason}");
    }
}

#[test]
fn a_failed_attempt_moves_the_session() {
    let mut world = bound_to_one();
    let mut second = of_session(1);
    second.attempt.number = 2;
    second.excluded = vec![AccountId(1)];
    assert_eq!(outcome(&mut world, second), (2, StickyResult::Escaped("already_tried")));
    assert_eq!(outcome(&mut world, of_session(2)), (2, StickyResult::Hit));
}

#[test]
fn slow_failing_and_almost_empty_accounts_are_left_when_another_is_better() {
    let slow: fn(&mut AccountView) = |v| (v.first_token_ms, v.samples) = (15_001, 5);
    let failing: fn(&mut AccountView) = |v| (v.error_ppm, v.samples) = (500_001, 5);
    let empty: fn(&mut AccountView) = |v| v.health = 1;
    for (reason, harm) in [("slow", slow), ("failing", failing), ("almost_empty", empty)] {
        let mut world = bound_to_one();
        world.adjust(1, harm);
        assert_eq!(outcome(&mut world, of_session(1)), (2, StickyResult::Escaped(reason)));
        let mut alone = bound_to_one();
        alone.adjust(1, harm);
        alone.adjust(2, |v| v.slots_used = 10);
        assert_eq!(outcome(&mut alone, of_session(1)), (1, StickyResult::Hit), "{reason}, but nobody else");
    }
    let mut young = bound_to_one();
    young.adjust(1, |v| (v.first_token_ms, v.samples) = (60_000, 4));
    assert_eq!(outcome(&mut young, of_session(1)).1, StickyResult::Hit, "too few samples");
    let mut poor = bound_to_one();
    poor.adjust(1, |v| v.health = 1);
    poor.adjust(2, |v| v.health = 29);
    assert_eq!(outcome(&mut poor, of_session(1)).1, StickyResult::Hit, "the other has too little");
}

#[test]
fn a_strict_session_gets_its_account_or_an_error() {
    let strict = key(1, |k| k.sticky_mode = StickyMode::Strict);
    let of = |n| RouteRequest { session: session(1), ..request(n, &strict) };
    let mut world = World::new([view(1, |_, _| ()), view(2, |_, _| ())]);
    assert_eq!(outcome(&mut world, of(0)), (1, StickyResult::Miss));
    world.adjust(1, |v| (v.first_token_ms, v.samples) = (60_000, 9));
    assert_eq!(outcome(&mut world, of(1)), (1, StickyResult::Hit), "no escape");
    world.adjust(1, |v| v.cooldowns = cooling(Scope::All, "rate_limited", T0.plus(HOUR), false));
    let refusal = world.refusal(of(2));
    assert_eq!((refusal.reason, refusal.retry_after_ms), (RefusalReason::PoolLimited, Some(HOUR)));
    world.change(view(1, |s, _| s.enabled = false));
    assert_eq!(world.refusal(of(3)).reason, RefusalReason::DedicatedUnavailable);
    let stats = world.turn(|state, turn| state.stats(turn));
    assert_eq!(stats.sticky.get("strict_failed"), Some(&2));
}

#[test]
fn a_reservation_that_fails_leaves_no_binding_behind() {
    let mut world = World::new([view(1, |_, _| ()), view(2, |_, _| ())]);
    world.stubborn = vec![AccountId(1)];
    assert_eq!(outcome(&mut world, of_session(1)), (2, StickyResult::Miss));
    assert_eq!(binding(&mut world), Some(2));
}

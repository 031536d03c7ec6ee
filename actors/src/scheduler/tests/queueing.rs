//! The wait list: order, bounds, timeouts, early refusal, leaving, draining (`scheduling.md` §10).

use crate::domain::account::{Platform, Visibility};
use crate::domain::id::{AccountId, AttemptId, KeyId, UserId};
use crate::domain::key::{Binding, BindingTarget};
use crate::domain::route::{RefusalReason, RouteRequest};
use crate::domain::time::{MINUTE, SECOND};
use crate::domain::window::Scope;
use crate::scheduler::Grant;
use crate::scheduler::tests::{Answer, World, cooling, key, request, sonnet, view};

fn of_key(n: u128, id: i64, limit: u32) -> RouteRequest {
    request(n, &key(id, |k| k.concurrency_limit = limit))
}

/// One account with one slot, taken.
fn busy() -> (World, Grant) {
    let mut world = World::new([view(1, |s, _| s.max_concurrency = 1)]);
    let running = world.grant(sonnet(1_000));
    (world, running)
}

/// Ends what runs until nothing waits; the order in which the waiters were served.
fn order(world: &mut World, mut running: Grant, mut waiting: Vec<AttemptId>) -> Vec<u128> {
    let mut served = Vec::new();
    while !waiting.is_empty() {
        world.end(running);
        let answers: Vec<Answer> = waiting.iter().map(|attempt| world.answer(*attempt)).collect();
        let place = answers.iter().position(|answer| matches!(answer, Answer::Granted(_))).unwrap();
        served.push(waiting.remove(place).request.0);
        let granted = answers.into_iter().filter_map(|a| if let Answer::Granted(g) = a { Some(g) } else { None });
        let mut granted: Vec<Grant> = granted.collect();
        assert_eq!(granted.len(), 1, "one slot, one grant");
        running = granted.remove(0);
    }
    served
}

#[test]
fn first_come_first_served_within_a_key_and_keys_take_turns() {
    let (mut world, running) = busy();
    let arrivals = [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 3)];
    let waiting = arrivals.map(|(n, id)| world.ask(of_key(n, id, 0))).to_vec();
    assert_eq!(order(&mut world, running, waiting), [1, 4, 6, 2, 5, 3]);
}

#[test]
fn who_cannot_be_served_does_not_hold_up_the_others() {
    let (mut world, running) = busy();
    let mut picky = of_key(1, 1, 0);
    picky.excluded = vec![AccountId(1)];
    world.change(view(2, |_, v| v.slots_used = 10));
    let stuck = world.ask(picky);
    let waiting = vec![world.ask(of_key(2, 1, 0)), world.ask(of_key(3, 2, 0))];
    assert_eq!(order(&mut world, running, waiting), [2, 3]);
    assert!(matches!(world.answer(stuck), Answer::Waiting));
}

#[test]
fn the_queue_is_bounded_per_key_and_in_all() {
    let (mut world, _running) = busy();
    for n in 0..3 {
        world.ask(of_key(n, 1, 2));
    }
    let refusal = world.refusal(of_key(3, 1, 2));
    assert_eq!((refusal.reason, refusal.retry_after_ms), (RefusalReason::QueueFull, Some(30_000)));
    for n in 4..9 {
        world.ask(of_key(n, 2, 5));
    }
    assert_eq!(world.refusal(of_key(9, 2, 5)).reason, RefusalReason::QueueFull);
    world.settings.queue_max_total = 9;
    world.ask(of_key(10, 3, 0));
    assert_eq!(world.refusal(of_key(11, 4, 0)).reason, RefusalReason::QueueFull);
    let stats = world.turn(|state, turn| state.queue_stats(turn));
    assert_eq!((stats.pool, stats.keys), (9, vec![(KeyId(2), 5), (KeyId(1), 3), (KeyId(3), 1)]));
}

#[test]
fn a_long_slow_queue_refuses_early() {
    let (mut world, _running) = busy();
    world.settings.queue_max_total = 20;
    let waiting: Vec<_> = (0..11).map(|n| world.ask(of_key(n, 1, 0))).collect();
    world.pass(30 * SECOND);
    assert!(waiting.iter().all(|w| matches!(world.answer(*w), Answer::Refused(_))), "eleven waits of 30 s");
    for n in 20..31 {
        world.ask(of_key(n, 1, 0));
    }
    let refusal = world.refusal(of_key(40, 1, 0));
    assert_eq!((refusal.reason, refusal.retry_after_ms), (RefusalReason::QueueTimeout, Some(30_000)));
}

#[test]
fn waits_end_at_their_timeout_or_at_the_deadline() {
    let (mut world, _running) = busy();
    let patient = world.ask(sonnet(1));
    let hurried = world.ask(RouteRequest { deadline: world.now.plus(4 * SECOND), ..sonnet(2) });
    world.pass(4 * SECOND);
    let Answer::Refused(refusal) = world.answer(hurried) else { panic!("past its deadline") };
    assert_eq!((refusal.reason, refusal.retry_after_ms), (RefusalReason::PoolBusy, Some(1_000)));
    assert!(matches!(world.answer(patient), Answer::Waiting));
    world.pass(26 * SECOND);
    let Answer::Refused(refusal) = world.answer(patient) else { panic!("past its timeout") };
    assert!(refusal.decision.is_some());
    let impatient = RouteRequest { may_wait: false, ..sonnet(3) };
    assert_eq!(world.refusal(impatient).reason, RefusalReason::PoolBusy);
}

#[test]
fn keys_wait_for_their_own_slots_in_order() {
    let mut world = World::new([view(1, |_, _| ())]);
    world.key_limit = Some(1);
    let admitted = |n, id| World::with_admission(of_key(n, id, 1));
    let first = world.grant(admitted(0, 1));
    assert!(first.admission.is_some());
    let waiting: Vec<_> = (1..=3).map(|n| world.ask(admitted(n, 1))).collect();
    let other = world.grant(admitted(9, 2));
    assert_eq!(world.turn(|state, turn| state.queue_stats(turn)).key, 3);
    assert_eq!(order(&mut world, first, waiting), [1, 2, 3]);
    world.end(other);
}

#[test]
fn a_key_slot_that_does_not_come_is_given_up_after_ten_seconds() {
    let mut world = World::new([view(1, |_, _| ())]);
    world.key_limit = Some(1);
    let _running = world.grant(World::with_admission(sonnet(0)));
    let waiting = world.ask(World::with_admission(sonnet(1)));
    world.pass(10 * SECOND - 1);
    assert!(matches!(world.answer(waiting), Answer::Waiting));
    world.pass(1);
    let Answer::Refused(refusal) = world.answer(waiting) else { panic!("past its timeout") };
    assert_eq!((refusal.reason, refusal.retry_after_ms), (RefusalReason::ConcurrencyKey, Some(1_000)));
    let hasty = RouteRequest { may_wait: false, ..World::with_admission(sonnet(2)) };
    assert_eq!(world.refusal(hasty).reason, RefusalReason::ConcurrencyKey);
}

#[test]
fn an_asker_that_left_gives_everything_back() {
    let mut world = World::new([view(1, |s, _| s.max_concurrency = 1)]);
    world.key_limit = Some(5);
    let running = world.grant(World::with_admission(sonnet(0)));
    let gone = world.ask(World::with_admission(sonnet(1)));
    let stays = world.ask(World::with_admission(sonnet(2)));
    world.leave(gone);
    assert_eq!(world.turn(|state, turn| state.queue_stats(turn)).pool, 1);
    world.end(running);
    let Answer::Granted(grant) = world.answer(stays) else { panic!("still waiting") };
    world.end(grant);
    assert_eq!(world.accounts[&AccountId(1)].slots_used, 0);
    assert!(world.state.pending.is_empty());
}

#[test]
fn leaving_while_an_account_decides_returns_the_slot() {
    let mut world = World::new([view(1, |s, _| s.max_concurrency = 1)]);
    world.silent = vec![AccountId(1)];
    let gone = world.ask(sonnet(1));
    world.leave(gone);
    let (account, acquire) = world.unanswered.remove(0);
    world.silent.clear();
    world.decide(account, &acquire);
    world.event(|state, turn| state.finish(turn));
    assert_eq!(world.accounts[&AccountId(1)].slots_used, 0);
    assert_eq!(world.chosen(sonnet(2)), 1);
}

#[test]
fn draining_refuses_who_waits_but_not_who_can_be_served() {
    let (mut world, _running) = busy();
    let waiting = world.ask(sonnet(1));
    world.event(crate::scheduler::state::State::on_drain);
    let Answer::Refused(refusal) = world.answer(waiting) else { panic!("still waiting") };
    assert_eq!((refusal.reason, refusal.retry_after_ms), (RefusalReason::Draining, Some(5_000)));
    assert_eq!(world.refusal(sonnet(2)).reason, RefusalReason::Draining);
    world.change(view(2, |_, _| ()));
    assert_eq!(world.chosen(sonnet(3)), 2);
}

#[test]
fn waiters_are_announced_and_wake_ups_are_planned() {
    let (mut world, _running) = busy();
    world.pass(SECOND);
    let (reply, _answer) = tokio::sync::oneshot::channel();
    let now = world.now;
    let effects = world.turn(|state, turn| state.on_route(turn, sonnet(1), reply));
    assert_eq!((effects.waiters, effects.wake_at), (Some(true), Some(now.plus(30 * SECOND))));
    let effects = world.turn(|state, turn| state.on_leave(turn, sonnet(1).attempt));
    assert_eq!((effects.waiters, effects.wake_at), (Some(false), None));
}

#[test]
fn a_lost_admission_is_answered_after_five_seconds() {
    let mut world = World::new([view(1, |_, _| ())]);
    let (reply, mut answer) = tokio::sync::oneshot::channel();
    // The billing actor never answers: the effect is not carried out.
    world.turn(|state, turn| state.on_route(turn, World::with_admission(sonnet(1)), reply));
    world.pass(SECOND);
    assert!(answer.try_recv().is_err());
    world.pass(MINUTE);
    assert_eq!(answer.try_recv().unwrap().unwrap_err().reason, RefusalReason::BillingUnavailable);
    let late = sonnet(1).attempt;
    world.event(|state, turn| state.on_key_slot_freed(turn, KeyId(1), UserId(1), false));
    world.event(|state, turn| state.on_leave(turn, late));
}

#[test]
fn after_a_start_accounts_get_a_second_to_announce_themselves() {
    let mut world = World::new([]);
    world.event(crate::scheduler::state::State::on_started);
    let (early, unlucky) = (world.ask(sonnet(1)), world.ask(of_key(2, 2, 0)));
    world.pass(SECOND / 2);
    world.change(view(1, |s, _| s.max_concurrency = 1));
    assert!(matches!(world.answer(early), Answer::Granted(_)));
    world.event(|state, turn| state.on_account_gone(turn, AccountId(1)));
    assert!(matches!(world.answer(unlucky), Answer::Waiting));
    world.pass(SECOND / 2);
    assert!(matches!(world.answer(unlucky), Answer::Refused(refusal) if refusal.reason == RefusalReason::NoAccount));
}

#[test]
fn a_waiter_is_woken_when_an_account_that_began_to_rest_during_its_wait_is_back() {
    let (mut world, _running) = busy();
    let attempt = world.ask(sonnet(1));
    let back = world.now.plus(4 * SECOND);
    world.adjust(1, |view| {
        view.slots_used = 0;
        view.cooldowns = cooling(Scope::All, "rate_limited", back, false);
    });
    assert!(matches!(world.answer(attempt), Answer::Waiting));
    world.pass(4 * SECOND);
    assert!(matches!(world.answer(attempt), Answer::Granted(_)));
}

#[test]
fn a_request_waits_for_a_preferred_account_that_the_pool_does_not_offer() {
    let preferring = key(1, |k| {
        let target = BindingTarget::Account(AccountId(1));
        k.bindings = vec![Binding { platform: Platform::Claude, target, strict: false }];
    });
    let mut world = World::new([view(1, |spec, view| {
        spec.visibility = Visibility::Dedicated;
        spec.max_concurrency = 1;
        view.slots_used = 1;
    })]);
    let attempt = world.ask(request(1, &preferring));
    assert!(matches!(world.answer(attempt), Answer::Waiting));
    let back = world.now.plus(4 * SECOND);
    world.adjust(1, |view| {
        view.slots_used = 0;
        view.cooldowns = cooling(Scope::All, "rate_limited", back, false);
    });
    world.pass(4 * SECOND);
    assert!(matches!(world.answer(attempt), Answer::Granted(_)));
}

//! Bindings, probes, the retry budget, accounts that come and go, and what is said when nobody serves.

use std::sync::Arc;

use crate::account::view::{Breaker, CredentialState};
use crate::domain::account::{AccountKind, Platform, Visibility};
use crate::domain::group::Membership;
use crate::domain::id::{AccountId, GroupId};
use crate::domain::key::{Binding, BindingTarget, KeyPolicy};
use crate::domain::model::Pattern;
use crate::domain::route::{RefusalReason, RouteRequest};
use crate::domain::time::{DAY, HOUR, MINUTE, SECOND};
use crate::domain::window::{Scope, WindowKind};
use crate::scheduler::tests::{Answer, T0, World, cooling, key, request, session, sonnet, view, window};

fn bound(target: BindingTarget, strict: bool) -> Arc<KeyPolicy> {
    key(1, |k| k.bindings = vec![Binding { platform: Platform::Claude, target, strict }])
}

fn second(n: u128, excluded: &[i64]) -> RouteRequest {
    let mut request = sonnet(n);
    request.attempt.number = 1 + u32::try_from(excluded.len()).unwrap();
    request.excluded = excluded.iter().copied().map(AccountId).collect();
    request
}

#[test]
fn a_strict_binding_never_falls_back() {
    let strict = bound(BindingTarget::Account(AccountId(1)), true);
    let mut world = World::new([view(1, |s, _| s.visibility = Visibility::Dedicated), view(2, |s, _| s.priority = 90)]);
    assert_eq!(world.chosen(request(1, &strict)), 1);
    assert_eq!(world.chosen(sonnet(2)), 2);
    world.adjust(1, |v| v.windows = Arc::new([window(WindowKind::FiveHour, 1_000_000, 2 * HOUR)]));
    let refusal = world.refusal(request(3, &strict));
    assert_eq!((refusal.reason, refusal.retry_after_ms), (RefusalReason::PoolLimited, Some(3_600_000)));
    world.adjust(1, |v| (v.windows, v.credential) = (Arc::new([]), CredentialState::Missing));
    let refusal = world.refusal(request(4, &strict));
    assert_eq!((refusal.reason, refusal.retry_after_ms), (RefusalReason::DedicatedUnavailable, None));
    world.event(|state, turn| state.on_account_gone(turn, AccountId(1)));
    assert_eq!(world.refusal(request(5, &strict)).reason, RefusalReason::DedicatedUnavailable);
}

#[test]
fn a_strictly_bound_request_waits_for_its_full_account() {
    let strict = bound(BindingTarget::Account(AccountId(1)), true);
    let mut world = World::new([view(1, |_, v| v.slots_used = 10), view(2, |_, _| ())]);
    let (served, late) = (world.ask(request(1, &strict)), world.ask(request(2, &strict)));
    world.adjust(1, |v| v.slots_used = 9);
    assert!(matches!(world.answer(served), Answer::Granted(g) if g.lease.account.id.0 == 1));
    world.pass(30 * SECOND);
    let Answer::Refused(refusal) = world.answer(late) else { panic!("still waiting") };
    assert_eq!((refusal.reason, refusal.retry_after_ms), (RefusalReason::DedicatedUnavailable, Some(1_000)));
}

#[test]
fn a_preferring_binding_uses_the_pool_when_its_target_cannot_serve() {
    let prefer = bound(BindingTarget::Account(AccountId(1)), false);
    let mut world = World::new([view(1, |_, _| ()), view(2, |s, _| s.priority = 90)]);
    assert_eq!(world.chosen(request(1, &prefer)), 1);
    world.adjust(1, |v| v.slots_used = 10);
    assert_eq!(world.chosen(request(2, &prefer)), 2);
    let to_group = bound(BindingTarget::Group(GroupId(5)), false);
    assert_eq!(world.chosen(request(3, &to_group)), 2, "an empty group");
    let only_group = bound(BindingTarget::Group(GroupId(5)), true);
    assert_eq!(world.refusal(request(4, &only_group)).reason, RefusalReason::DedicatedUnavailable);
}

#[test]
fn group_priority_comes_before_account_priority() {
    let member = |group, priority| Membership::plain(GroupId(group), priority);
    let mut world = World::new([
        view(1, |s, _| (s.priority, s.groups) = (10, vec![member(1, 5), member(2, 1)])),
        view(2, |s, _| (s.priority, s.groups) = (20, vec![member(2, 3)])),
        view(3, |s, _| s.priority = 100),
    ]);
    assert_eq!(world.chosen(sonnet(1)), 1);
    let in_two = bound(BindingTarget::Group(GroupId(2)), true);
    assert_eq!(world.chosen(request(2, &in_two)), 2, "priority is that of the bound group");
    world.adjust(2, |v| v.health = 0);
    assert_eq!(world.chosen(request(3, &in_two)), 2);
    world.event(|state, turn| state.on_account_gone(turn, AccountId(2)));
    assert_eq!(world.chosen(request(4, &in_two)), 1);
}

#[test]
fn each_lack_has_its_own_answer() {
    let nobody: [(&str, Vec<_>, RefusalReason, Option<i64>); 7] = [
        ("empty pool", vec![], RefusalReason::NoAccount, None),
        ("no token", vec![view(1, |_, v| v.credential = CredentialState::Missing)], RefusalReason::NoAccount, None),
        (
            "wrong model",
            vec![view(1, |s, _| s.model_allow = vec![Pattern("x".into())])],
            RefusalReason::ModelNotFound,
            None,
        ),
        (
            "wrong model here, disabled there",
            vec![view(1, |s, _| s.model_allow = vec![Pattern("x".into())]), view(2, |s, _| s.enabled = false)],
            RefusalReason::NoAccount,
            None,
        ),
        (
            "limited",
            vec![
                view(1, |_, v| v.cooldowns = cooling(Scope::All, "rate_limited", T0.plus(DAY), false)),
                view(2, |_, v| v.windows = Arc::new([window(WindowKind::FiveHour, 1_000_000, 7 * MINUTE)])),
                view(3, |s, _| s.enabled = false),
            ],
            RefusalReason::PoolLimited,
            Some(7 * MINUTE),
        ),
        (
            "limited for long",
            vec![view(1, |_, v| v.cooldowns = cooling(Scope::All, "quota_exhausted", T0.plus(DAY), false))],
            RefusalReason::PoolLimited,
            Some(HOUR),
        ),
        ("ccr only", vec![view(1, |s, _| s.kind = AccountKind::Ccr)], RefusalReason::NoAccount, None),
    ];
    for (name, views, reason, retry_after_ms) in nobody {
        let refusal = World::new(views).refusal(sonnet(1));
        assert_eq!((refusal.reason, refusal.retry_after_ms), (reason, retry_after_ms), "{name}");
        assert!(refusal.decision.is_some(), "{name}");
    }
}

#[test]
fn a_half_open_account_is_probed_by_first_attempts_outside_of_sessions() {
    let half_open = |v: &mut crate::account::view::AccountView| {
        v.breaker = Breaker::Open { until: T0, opening: 1, successes: 0, probing: false };
        v.health = 20;
    };
    let mut world = World::new([view(1, |_, _| ()), view(2, |_, v| half_open(v)), view(3, |s, _| s.priority = 40)]);
    assert_eq!(world.chosen(second(1, &[3])), 1, "not on a later attempt");
    let sticky = RouteRequest { session: session(1), ..sonnet(2) };
    world.turn(|state, turn| {
        state.bindings.bind(session(1).unwrap(), AccountId(1), crate::domain::id::KeyId(1), turn.now, turn.settings);
    });
    assert_eq!(world.chosen(sticky), 1, "not for a session with an account");
    let probe = world.grant(sonnet(3));
    assert_eq!((probe.lease.account.id.0, probe.notes.probe), (2, true));
    world.adjust(2, |v| v.breaker = Breaker::Open { until: T0, opening: 1, successes: 0, probing: true });
    assert_eq!(world.chosen(sonnet(4)), 1, "one probe at a time");
    let mut last = World::new([view(2, |_, v| half_open(v))]);
    let grant = last.grant(RouteRequest { session: session(1), ..second(5, &[1]) });
    assert!(grant.notes.probe, "last resort");
}

#[test]
fn a_switch_to_a_healthy_account_is_free_and_any_other_draws_from_the_budget() {
    let mut world = World::new([view(1, |_, _| ()), view(2, |_, _| ()), view(3, |_, v| v.last_attempt_ok = false)]);
    world.adjust(2, |v| v.slots_used = 10);
    for n in 0..3 {
        assert_eq!(world.chosen(second(n, &[1])), 3);
    }
    world.adjust(2, |v| v.slots_used = 0);
    world.adjust(3, |v| v.slots_used = 0);
    let refusal = world.refusal(second(4, &[1, 2]));
    assert_eq!((refusal.reason, refusal.retry_after_ms), (RefusalReason::RetryBudget, Some(10_000)));
    let stats = world.turn(|state, turn| state.stats(turn));
    assert_eq!(stats.retry_budget_exhausted, 1);
    for n in 5..25 {
        let grant = world.grant(second(n, &[1]));
        assert_eq!(grant.lease.account.id.0, 2, "the other one cannot be afforded");
        world.end(grant);
        world.adjust(2, |v| (v.last_attempt_ok, v.slots_used) = (true, 0));
    }
    world.pass(10 * SECOND);
    assert_eq!(world.chosen(second(30, &[1, 2])), 3);
}

#[test]
fn a_free_switch_that_no_account_takes_pays_for_no_other() {
    let mut world = World::new([
        view(1, |_, _| ()),
        view(2, |s, _| s.priority = 60),
        view(3, |s, v| (s.max_concurrency, v.last_attempt_ok) = (0, false)),
    ]);
    world.stubborn = vec![AccountId(2)];
    for n in 0..3 {
        assert_eq!(world.chosen(second(n, &[1])), 3, "the budget allows three");
    }
    for n in 3..8 {
        assert_eq!(world.refusal(second(n, &[1])).reason, RefusalReason::RetryBudget);
    }
}

#[test]
fn an_account_without_an_actor_is_passed_over_until_its_next_view() {
    let mut world = World::new([view(1, |s, _| s.priority = 60), view(2, |_, _| ())]);
    world.down = vec![AccountId(1)];
    assert_eq!(world.chosen(sonnet(1)), 2);
    world.down.clear();
    assert_eq!(world.chosen(sonnet(2)), 2);
    world.adjust(1, |_| ());
    assert_eq!(world.chosen(sonnet(3)), 1);
}

#[test]
fn what_was_asked_of_a_rebuilt_account_goes_to_the_next_candidate() {
    let mut world = World::new([view(1, |s, _| (s.priority, s.max_concurrency) = (60, 1)), view(2, |_, _| ())]);
    world.silent = vec![AccountId(1)];
    let attempt = world.ask(sonnet(1));
    assert!(matches!(world.answer(attempt), Answer::Waiting));
    world.event(|state, turn| state.on_account_restarted(turn, AccountId(1)));
    assert!(matches!(world.answer(attempt), Answer::Granted(g) if g.lease.account.id.0 == 2));
    world.silent.clear();
    assert_eq!(world.chosen(sonnet(2)), 1, "its mirror is zero again");
}

#[test]
fn a_refusal_that_the_view_does_not_explain_is_not_asked_again_at_once() {
    let mut world = World::new([view(1, |_, _| ())]);
    world.stubborn = vec![AccountId(1)];
    let attempt = world.ask(sonnet(1));
    world.adjust(1, |_| ());
    world.adjust(1, |_| ());
    assert_eq!(world.asked.len(), 1);
    world.stubborn.clear();
    world.pass(100);
    assert!(matches!(world.answer(attempt), Answer::Granted(_)));
}

#[test]
fn an_older_view_never_replaces_a_newer_one() {
    let mut world = World::new([view(1, |_, _| ())]);
    world.adjust(1, |v| v.slots_used = 10);
    let old = Box::new(view(1, |_, _| ()));
    world.event(|state, turn| state.on_view_changed(turn, old));
    let waiting = world.ask(sonnet(1));
    assert!(matches!(world.answer(waiting), Answer::Waiting));
}

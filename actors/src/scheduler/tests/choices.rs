//! The worked choices of `scheduling.md` §7.

use std::sync::Arc;

use crate::account::view::Breaker;
use crate::domain::account::AccountStatus;
use crate::domain::limit::SlidingWindow;
use crate::domain::time::{HOUR, MINUTE, SECOND};
use crate::domain::window::Scope;
use crate::domain::window::WindowKind::{FiveHour, SevenDay};
use crate::scheduler::Grant;
use crate::scheduler::tests::{Answer, T0, World, cooling, family, key, request, sonnet, view, window};

/// The choices of `count` requests that never finish, with the headroom of each choice; 0 = it waits.
fn choices(world: &mut World, count: u128) -> (Vec<i64>, Vec<i64>) {
    let mut grants: Vec<Grant> = Vec::new();
    let mut chosen = Vec::new();
    for n in 0..count {
        match world.route(sonnet(n)) {
            Answer::Granted(grant) => {
                chosen.push(grant.lease.account.id.0);
                grants.push(grant);
            }
            Answer::Waiting => chosen.push(0),
            Answer::Refused(refusal) => panic!("{refusal:?}"),
        }
    }
    let records = world.state.records.find(None, usize::MAX);
    let score = |grant: &Grant| {
        let record = records.iter().find(|r| r.decision_id == grant.notes.decision).unwrap();
        record.candidates.iter().find(|c| Some(c.account) == record.chosen).unwrap().headroom.ppm
    };
    (chosen, grants.iter().map(score).collect())
}

#[test]
fn c1_the_tier_comes_first_then_headroom() {
    let rates = |limit, used| {
        let mut window = SlidingWindow::new(MINUTE, limit);
        window.add(T0.0, used);
        Some(window)
    };
    let mut world = World::new([
        view(1, |_, v| (v.slots_used, v.rpm, v.tpm, v.health) = (3, rates(60, 45), rates(100_000, 40_000), 90)),
        view(2, |s, v| {
            (s.max_concurrency, v.slots_used) = (8, 2);
            v.windows = Arc::new([window(FiveHour, 600_000, HOUR), window(SevenDay, 800_000, 84 * HOUR)]);
        }),
        view(3, |s, v| (s.priority, v.slots_used) = (60, 9)),
    ]);
    let (chosen, scores) = choices(&mut world, 2);
    assert_eq!((chosen, scores), (vec![3, 2], vec![100_000, 400_000]));
    world.adjust(2, |v| v.slots_used = 8);
    assert_eq!(world.chosen(sonnet(9)), 1);
}

#[test]
fn c2_equal_scores_go_to_the_one_assigned_longest_ago() {
    let mut world = World::new([view(1, |s, _| s.max_concurrency = 4), view(2, |s, _| s.max_concurrency = 2)]);
    let (chosen, scores) = choices(&mut world, 7);
    assert_eq!(chosen, [1, 2, 1, 2, 1, 1, 0]);
    assert_eq!(scores, [1_000_000, 1_000_000, 750_000, 500_000, 500_000, 250_000]);
}

#[test]
fn c3_weight_breaks_ties_only() {
    let mut world = World::new([view(1, |s, _| s.weight = 100), view(2, |s, _| s.weight = 200)]);
    assert_eq!(choices(&mut world, 4).0, [2, 1, 2, 1]);
}

#[test]
fn c4_health_scales_headroom() {
    let mut world = World::new([view(1, |_, _| ()), view(2, |_, v| v.health = 60)]);
    let (chosen, scores) = choices(&mut world, 7);
    assert_eq!(chosen, [1, 1, 1, 1, 2, 1, 2]);
    assert_eq!(scores, [1_000_000, 900_000, 800_000, 700_000, 600_000, 600_000, 540_000]);
}

#[test]
fn c5_a_sick_account_of_a_higher_tier_still_comes_first() {
    let higher = view(2, |s, v| (s.priority, s.max_concurrency, v.health) = (60, 2, 40));
    let mut world = World::new([view(1, |_, _| ()), higher]);
    let (chosen, scores) = choices(&mut world, 4);
    assert_eq!((chosen, scores), (vec![2, 2, 1, 1], vec![400_000, 200_000, 1_000_000, 900_000]));
}

#[test]
fn c6_a_family_limit_stops_that_family_for_its_time() {
    let limited = cooling(Scope::Family(family("sonnet")), "rate_limited", T0.plus(5 * SECOND), false);
    let mut world = World::new([
        view(1, |_, v| v.cooldowns = limited),
        view(2, |s, _| (s.enabled, s.status) = (false, AccountStatus::Error)),
    ]);
    let mut opus = sonnet(1);
    (opus.model, opus.family) = (Arc::from("claude-opus-4-5"), family("opus"));
    assert_eq!(world.chosen(opus), 1);
    let waiting = world.ask(sonnet(2));
    world.pass(5 * SECOND - 1);
    assert!(matches!(world.answer(waiting), Answer::Waiting));
    world.pass(1);
    let Answer::Granted(grant) = world.answer(waiting) else { panic!("still waiting") };
    assert_eq!((grant.lease.account.id.0, grant.notes.waited_ms, grant.notes.pool_floor), (1, 5_000, false));
}

#[test]
fn c6b_a_soft_ramp_gives_way_to_the_pool_floor() {
    let ramp = cooling(Scope::Family(family("sonnet")), "server", T0.plus(5 * SECOND), true);
    let mut world = World::new([view(1, |_, v| v.cooldowns = ramp), view(2, |s, _| s.enabled = false)]);
    let grant = world.grant(sonnet(1));
    assert_eq!((grant.lease.account.id.0, grant.notes.pool_floor), (1, true));
    assert_eq!(world.turn(|state, turn| state.stats(turn)).pool_floor.get("claude"), Some(&1));
}

#[test]
fn a_recovered_account_is_chosen_in_the_first_selection_after_its_time() {
    let limited = cooling(Scope::All, "rate_limited", T0.plus(5 * SECOND), false);
    let mut world = World::new([view(1, |_, v| v.cooldowns = limited), view(2, |_, v| v.health = 50)]);
    world.pass(5 * SECOND - 1);
    assert_eq!(world.chosen(sonnet(1)), 2);
    world.pass(1);
    assert_eq!(world.chosen(sonnet(2)), 1, "nothing but time has passed");
}

#[test]
fn c7_a_burst_fills_every_slot_and_not_one_more() {
    let mut world = World::new([view(1, |_, _| ()), view(2, |_, _| ())]);
    let (chosen, _) = choices(&mut world, 50);
    assert_eq!(chosen.iter().filter(|id| **id > 0).count(), 20);
    assert_eq!(world.turn(|state, turn| state.queue_stats(turn)).pool, 30);
    assert_eq!(world.most_slots, 10);
}

#[test]
fn a_burst_of_new_sessions_spreads_evenly() {
    let mut world = World::new((1..=5).map(|id| view(id, |s, _| s.max_concurrency = 20)));
    let mut counts = [0; 6];
    let grants: Vec<Grant> = (0..50).map(|n| world.grant(sonnet(n))).collect();
    grants.iter().for_each(|g| counts[usize::try_from(g.lease.account.id.0).unwrap()] += 1);
    assert_eq!(counts, [0, 10, 10, 10, 10, 10]);
}

#[test]
fn the_floor_readmits_those_that_recover_soonest() {
    let cooled =
        |id: i64| view(id, |_, v| v.cooldowns = cooling(Scope::All, "overloaded", T0.plus((20 - id) * MINUTE), true));
    let mut world = World::new((1..=10).map(cooled));
    let mut served: Vec<i64> = (0..9).map(|n| world.grant(sonnet(n)).lease.account.id.0).collect();
    served.sort_unstable();
    served.dedup();
    assert_eq!(served, [8, 9, 10], "30 % of ten accounts, earliest end first");
    world.adjust(3, |v| v.cooldowns = cooling(Scope::All, "rate_limited", T0.plus(MINUTE), false));
    let record = world.turn(|state, turn| state.simulate(turn, sonnet(100)));
    let hard = record.candidates.iter().find(|c| c.account.0 == 3).unwrap();
    assert!(hard.excluded.as_ref().is_some_and(|e| !e.soft), "a stated reset is never overridden");
}

#[test]
fn the_same_account_wins_in_a_large_pool_with_and_without_the_shortlist() {
    let tiered = |id: i64| {
        view(id, |s, v| {
            s.priority = if id % 3 == 0 { 60 } else { 50 };
            s.max_concurrency = 4 + u32::try_from(id % 5).unwrap();
            v.health = 60 + id % 41;
            s.enabled = id % 7 != 0;
            v.windows = Arc::new([window(SevenDay, (id * 37_777) % 1_000_000, (1 + id % 160) * HOUR)]);
            if id % 11 == 3 {
                v.cooldowns = cooling(Scope::All, "server", T0.plus(id * 1_000), true);
            }
            if id % 50 == 9 {
                v.breaker = Breaker::Open { until: T0.plus(id * 500), opening: 1, successes: 0, probing: false };
            }
        })
    };
    let mut large = World::new((1..=200).map(tiered));
    let mut grants = Vec::new();
    for n in 0..300 {
        let complete = large.turn(|state, turn| {
            let pending = super::super::pending::Pending::new(request(n, &key(1, |_| ())), None, turn);
            let ask = pending.ask(turn, super::super::filter::Reach::Pool);
            super::super::rank::survey(&state.pool, &ask).choice().map(|choice| choice.account)
        });
        let grant = large.grant(sonnet(n));
        assert_eq!(Some(grant.lease.account.id), complete, "request {n}");
        grants.push(grant);
        if n % 4 == 3 {
            large.end(grants.remove(0));
        }
        large.pass(i64::try_from(n % 5).unwrap() * 300);
    }
    let newest = large.state.records.find(None, 200);
    assert!(newest.iter().all(|r| r.candidates.len() < 64 && r.unlisted > 100), "few accounts were measured");
    assert!(newest.iter().any(|r| r.probe), "a half-open account was probed");
}

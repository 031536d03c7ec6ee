//! `scheduling.md` §13 and §14: score, counting rule, breaker and its probes.

use super::Bench;
use crate::account::breaker::Switch;
use crate::account::effects::{Call, Event};
use crate::account::messages::Acquire;
use crate::account::messages::{Probed, Tested};
use crate::account::view::Breaker;
use crate::domain::account::{AccountKind, AccountSpec};
use crate::domain::time::{HOUR, MINUTE, SECOND, Timestamp};
use crate::domain::verdict::{Judgement, Verdict};
use crate::ports::PortError;
use crate::testing::{START, api_key, oauth, oauth_account, report, spec};

fn open_until(bench: &Bench) -> Option<Timestamp> {
    match bench.view().breaker {
        Breaker::Open { until, .. } => Some(until),
        Breaker::Closed => None,
    }
}

#[test]
fn the_score_falls_as_the_reference_says_and_the_breaker_opens_below_thirty() {
    let mut bench = Bench::keyed();
    let table = [(Verdict::Overloaded, 70), (Verdict::Overloaded, 40), (Verdict::Server, 35)];
    for (verdict, score) in table {
        bench.attempt(Judgement::of(verdict));
        assert_eq!((bench.health(), open_until(&bench)), (score, None), "{verdict:?}");
    }
    let fx = bench.attempt(Judgement::of(Verdict::RateLimitedUnknown));
    assert_eq!(bench.health(), 25);
    assert!(fx.events.contains(&Event::Breaker(Switch::Opened)));
    assert_eq!(open_until(&bench), Some(bench.now.plus(260_100)));
}

#[test]
fn fourteen_server_errors_leave_it_closed_and_the_fifteenth_opens_it() {
    let mut bench = Bench::keyed();
    bench.attempts(&[Verdict::Server; 14]);
    assert_eq!((bench.health(), open_until(&bench)), (30, None));
    bench.attempts(&[Verdict::Server]);
    assert_eq!(bench.health(), 25);
    assert!(open_until(&bench).is_some());
}

#[test]
fn successes_add_one_up_to_a_hundred() {
    let mut bench = Bench::keyed();
    bench.attempts(&[Verdict::Server]);
    bench.attempts(&[Verdict::Ok; 3]);
    assert_eq!(bench.health(), 98);
    bench.attempts(&[Verdict::Ok; 3]);
    assert_eq!(bench.health(), 100);
}

#[test]
fn ten_parallel_rate_limits_are_one_incident() {
    let mut bench = Bench::keyed();
    let leases: Vec<_> = (0..10).map(|_| bench.force()).collect();
    let started_at = bench.now;
    for lease in leases {
        bench.wait(5);
        let report = report(Verdict::RateLimitedUnknown, started_at, bench.now);
        bench.end(lease, report);
    }
    assert_eq!(bench.health(), 90);
    assert_eq!(bench.view().cooldowns[0].step, 1, "the ramp does not climb either");
}

#[test]
fn client_faults_cancellations_and_own_limits_change_nothing() {
    let mut bench = Bench::keyed();
    for verdict in [Verdict::Client, Verdict::ThinkingSignature, Verdict::NotALimit, Verdict::Cancelled] {
        for _ in 0..1_000 {
            bench.attempts(&[verdict]);
        }
    }
    let view = bench.view();
    assert_eq!((view.health, view.cooldowns.len(), view.samples), (100, 0, 0));
}

#[test]
fn idle_accounts_regain_five_per_five_minutes_and_busy_ones_nothing() {
    let mut bench = Bench::keyed();
    bench.attempts(&[Verdict::Overloaded]);
    assert_eq!(bench.health(), 70);
    bench.sleep_until_due();
    assert_eq!((bench.health(), bench.now.since(START)), (75, 5 * MINUTE + 1));
    let lease = bench.grant();
    assert!(lease.is_some());
    bench.wait(HOUR);
    bench.due();
    assert_eq!(bench.health(), 75, "a live lease is not idleness");
    bench.settings.health_regen_per_5min = 0;
    bench.wait(HOUR);
    bench.due();
    assert_eq!(bench.health(), 75);
}

fn broken() -> Bench {
    let mut bench = Bench::keyed();
    bench.attempts(&[Verdict::Overloaded; 3]);
    bench.state.on_reset(false);
    bench.attempts(&[Verdict::Overloaded; 3]);
    assert_eq!(bench.health(), 10);
    bench
}

/// Lets a probe of real traffic through and ends it; returns its health afterwards.
fn probe(bench: &mut Bench, verdict: Verdict) -> i64 {
    // Ramps would refuse the probe too; they are not what is tested here.
    bench.state.cell().standing.borrow_mut().cooldowns.clear(false);
    let ask = Acquire { probe: true, ..bench.ask() };
    let lease = bench.acquire(ask).unwrap();
    let second = Acquire { probe: true, ..bench.ask() };
    assert_eq!(bench.acquire(second), None, "one probe at a time");
    let started = bench.now;
    bench.wait(1);
    let report = report(verdict, started, bench.now);
    bench.end(lease, report);
    bench.health()
}

#[test]
fn probes_close_only_when_consecutive_and_failures_climb_the_ladder() {
    let mut bench = broken();
    assert_eq!(bench.grant(), None, "open");
    bench.now = open_until(&bench).unwrap();
    assert_eq!(bench.grant(), None, "half-open: only a probe passes");
    assert_eq!(probe(&mut bench, Verdict::Ok), 30);
    assert_eq!(probe(&mut bench, Verdict::Ok), 50);
    assert_eq!(probe(&mut bench, Verdict::Server), 45);
    assert_eq!(open_until(&bench), Some(bench.now.plus(541_800)), "second opening");
    bench.now = open_until(&bench).unwrap();
    assert_eq!(probe(&mut bench, Verdict::Ok), 65);
    assert_eq!(probe(&mut bench, Verdict::Client), 65, "a client's fault proves nothing");
    assert_eq!(probe(&mut bench, Verdict::Ok), 85);
    assert!(open_until(&bench).is_some());
    assert_eq!(probe(&mut bench, Verdict::Ok), 100);
    assert_eq!(open_until(&bench), None);
    assert!(bench.grant().is_some());
}

#[test]
fn a_dropped_probe_frees_the_place_at_once() {
    let mut bench = broken();
    bench.now = open_until(&bench).unwrap();
    bench.state.cell().standing.borrow_mut().cooldowns.clear(false);
    for _ in 0..3 {
        let ask = Acquire { probe: true, ..bench.ask() };
        let lease = bench.acquire(ask).unwrap();
        let (account, report) = (bench.state.id(), None);
        bench.state.on_ended(
            bench.now,
            &bench.settings,
            crate::guard::LeaseEnded { account, lease, report, withdrawn: false },
        );
    }
}

#[test]
fn a_half_open_oauth_account_is_probed_for_free_every_ten_seconds() {
    let mut bench = Bench::of(oauth_account(7), oauth(1, START.plus(24 * HOUR)));
    bench.attempts(&[Verdict::Overloaded; 3]);
    bench.now = open_until(&bench).unwrap();
    let mut asked = Vec::new();
    for _ in 0..3 {
        let fx = bench.due();
        let [Call::Probe(generation, _)] = fx.calls[..] else { panic!("{:?}", fx.calls) };
        asked.push(bench.now);
        assert!(bench.due().calls.is_empty(), "one at a time");
        bench.state.on_probed(bench.now, &bench.settings, &Probed { generation, result: Ok(true) });
        bench.now = bench.state.next_due(bench.now, &bench.settings);
    }
    assert_eq!(asked[1].since(asked[0]), 10 * SECOND);
    assert_eq!((open_until(&bench), bench.health()), (None, 70));
}

#[test]
fn a_half_open_key_is_probed_for_free_too_and_its_silence_proves_nothing() {
    let mut bench = Bench::keyed();
    bench.attempts(&[Verdict::Overloaded; 3]);
    bench.now = open_until(&bench).unwrap();
    let mut answers = vec![Err(PortError("no such page".to_owned())), Ok(true), Ok(true), Ok(true)].into_iter();
    while let Some(result) = answers.next() {
        let fx = bench.due();
        let [Call::Probe(generation, _)] = fx.calls[..] else { panic!("{:?}", fx.calls) };
        bench.state.on_probed(bench.now, &bench.settings, &Probed { generation, result });
        assert_eq!(open_until(&bench).is_some(), answers.len() > 0, "three in a row close it");
        bench.now = bench.state.next_due(bench.now, &bench.settings);
    }
    let mut apart = Bench::of(AccountSpec { kind: AccountKind::Ccr, ..spec(7) }, api_key());
    apart.attempts(&[Verdict::Overloaded; 3]);
    apart.now = open_until(&apart).unwrap();
    assert!(apart.due().calls.is_empty(), "what cannot be tested for free is proven by traffic alone");
}

#[test]
fn a_failed_or_silent_free_probe_opens_the_breaker_again() {
    for silent in [false, true] {
        let mut bench = Bench::of(oauth_account(7), oauth(1, START.plus(24 * HOUR)));
        bench.attempts(&[Verdict::Overloaded; 3]);
        bench.now = open_until(&bench).unwrap();
        let fx = bench.due();
        let [Call::Probe(generation, _)] = fx.calls[..] else { panic!("{:?}", fx.calls) };
        if silent {
            bench.wait(MINUTE);
            bench.due();
        }
        let result = Err(PortError("no route".to_owned()));
        bench.state.on_probed(bench.now, &bench.settings, &Probed { generation, result });
        assert_eq!(open_until(&bench), Some(bench.now.plus(541_800)), "silent: {silent}");
    }
}

#[test]
fn a_person_resets_score_breaker_and_ramps_but_stated_resets_stay() {
    let mut bench = broken();
    let limited = Judgement { until: Some(bench.now.plus(HOUR)), ..Judgement::of(Verdict::RateLimited) };
    bench.attempt(limited);
    bench.state.on_reset(false);
    let view = bench.view();
    assert_eq!((view.health, view.breaker, view.cooldowns.len()), (100, Breaker::Closed, 1));
    bench.state.on_reset(true);
    assert!(bench.view().cooldowns.is_empty() && bench.grant().is_some());
}

#[test]
fn a_persons_test_restores_or_costs_fifteen() {
    let mut bench = Bench::keyed();
    bench.state.on_tested(bench.now, &bench.settings, &Tested { ok: false });
    assert_eq!(bench.health(), 85);
    bench.attempts(&[Verdict::Server]);
    bench.state.on_tested(bench.now, &bench.settings, &Tested { ok: true });
    assert_eq!((bench.health(), bench.view().cooldowns.len()), (100, 0));
}

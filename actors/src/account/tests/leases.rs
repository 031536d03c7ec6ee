//! Slots and reservations: never one too many, given back once.

use proptest::prelude::*;

use super::Bench;
use crate::account::messages::{Acquire, ReleaseLease};
use crate::domain::account::AccountSpec;
use crate::domain::money::Nanos;
use crate::domain::time::{DAY, HOUR, MINUTE};
use crate::domain::verdict::{AttemptReport, Verdict};
use crate::guard::LeaseEnded;
use crate::testing::{api_key, report, spec};

fn dropped(bench: &mut Bench, lease: crate::domain::id::LeaseId) -> bool {
    let account = bench.state.id();
    bench
        .state
        .on_ended(bench.now, &bench.settings, LeaseEnded { account, lease, report: None, withdrawn: false })
        .changed
}

#[test]
fn slots_are_never_exceeded_and_a_lease_ends_once() {
    let mut bench = Bench::of(AccountSpec { max_concurrency: 2, ..spec(7) }, api_key());
    let (first, second) = (bench.grant().unwrap(), bench.grant().unwrap());
    assert_ne!(first, second);
    assert_eq!(bench.grant(), None);
    assert!(dropped(&mut bench, first));
    assert!(!dropped(&mut bench, first), "again: nothing");
    assert_eq!(bench.view().slots_used, 1);
    assert!(bench.grant().is_some());
    assert_eq!(bench.grant(), None);
    assert!(!dropped(&mut bench, crate::domain::id::LeaseId(4)), "unknown: nothing");
}

#[test]
fn a_repeated_report_counts_once() {
    let mut bench = Bench::keyed();
    let lease = bench.grant().unwrap();
    let failed = report(Verdict::Server, bench.now, bench.now);
    bench.end(lease, failed.clone());
    bench.wait(1);
    bench.end(lease, failed);
    assert_eq!((bench.health(), bench.view().samples), (95, 1));
}

#[test]
fn requests_per_minute_are_a_hard_cap() {
    let mut bench = Bench::of(AccountSpec { rpm_limit: 3, ..spec(7) }, api_key());
    for _ in 0..3 {
        let lease = bench.grant().unwrap();
        dropped(&mut bench, lease);
    }
    assert_eq!(bench.grant(), None, "a request that was given back still counts");
    bench.wait(MINUTE + 1_000);
    assert!(bench.grant().is_some());
}

#[test]
fn tokens_are_reserved_by_estimate_and_corrected_where_they_were_reserved() {
    let mut bench = Bench::of(AccountSpec { tpm_limit: 1_000, ..spec(7) }, api_key());
    let ask = |bench: &mut Bench, tokens_estimate| Acquire { tokens_estimate, ..bench.ask() };
    let big = ask(&mut bench, 900);
    let lease = bench.acquire(big).unwrap();
    let next = ask(&mut bench, 200);
    assert_eq!(bench.acquire(next), None);
    bench.wait(30_000);
    let used = AttemptReport { tokens: Some(300), ..report(Verdict::Ok, bench.now, bench.now) };
    bench.end(lease, used);
    let next = ask(&mut bench, 700);
    let lease = bench.acquire(next).unwrap();
    assert_eq!(bench.view().tpm.unwrap().used(bench.now.0), 1_000);
    dropped(&mut bench, lease);
    assert_eq!(bench.view().tpm.unwrap().used(bench.now.0), 300, "nothing was sent");
    bench.wait(31_000);
    assert_eq!(bench.view().tpm.unwrap().used(bench.now.0), 0, "the correction left with its minute");
    let never = ask(&mut bench, 1_001);
    assert_eq!(bench.acquire(never), None);
}

#[test]
fn the_daily_budget_reserves_settles_and_starts_again() {
    let mut bench = Bench::of(AccountSpec { daily_budget: Nanos(100), ..spec(7) }, api_key());
    let ask = |bench: &mut Bench, cost| Acquire { cost_estimate: Nanos(cost), ..bench.ask() };
    let first = ask(&mut bench, 60);
    let lease = bench.acquire(first).unwrap();
    let second = ask(&mut bench, 60);
    assert_eq!(bench.acquire(second), None);
    let cheap = AttemptReport { cost: Some(Nanos(30)), ..report(Verdict::Ok, bench.now, bench.now) };
    bench.end(lease, cheap);
    assert_eq!(bench.view().budget_used, Nanos(30));
    let third = ask(&mut bench, 70);
    let over_midnight = bench.acquire(third).unwrap();
    bench.wait(DAY);
    assert_eq!(bench.view().budget_used, Nanos::ZERO);
    let late = AttemptReport { cost: Some(Nanos(70)), ..report(Verdict::Ok, bench.now, bench.now) };
    bench.end(over_midnight, late);
    assert_eq!(bench.view().budget_used, Nanos::ZERO, "it belongs to the day of its reservation");
}

#[test]
fn changed_limits_keep_what_was_counted() {
    let mut bench = Bench::of(AccountSpec { rpm_limit: 2, ..spec(7) }, api_key());
    bench.grant().unwrap();
    let tighter = AccountSpec { rpm_limit: 1, max_concurrency: 0, version: 2, ..spec(7) };
    let stored = crate::ports::StoredAccount { spec: tighter.into(), credential: Some(api_key()) };
    bench.state.on_reload(bench.now, &bench.settings, stored);
    assert_eq!(bench.grant(), None);
    let unlimited = AccountSpec { rpm_limit: 0, max_concurrency: 0, version: 3, ..spec(7) };
    let stored = crate::ports::StoredAccount { spec: unlimited.into(), credential: Some(api_key()) };
    bench.state.on_reload(bench.now, &bench.settings, stored);
    for _ in 0..100 {
        bench.grant().unwrap();
    }
}

#[test]
fn a_person_can_take_a_lease_away_and_see_who_holds_one() {
    let mut bench = Bench::keyed();
    let lease = bench.grant().unwrap();
    bench.wait(HOUR);
    let detail = bench.state.detail(bench.now, &bench.settings, 0);
    assert_eq!((detail.leases.len(), detail.leases[0].id, detail.leases[0].age_ms), (1, lease, HOUR));
    let (reply, mut answer) = tokio::sync::oneshot::channel();
    bench.state.on_release(bench.now, ReleaseLease { lease, reply });
    assert!(answer.try_recv().unwrap());
    assert_eq!(bench.view().slots_used, 0);
    assert!(!dropped(&mut bench, lease), "its holder's end changes nothing");
}

#[test]
fn every_view_is_newer_than_the_last() {
    let bench = Bench::keyed();
    let generations: Vec<_> = (0..3).map(|_| bench.view().generation).collect();
    assert!(generations.windows(2).all(|pair| pair[0] < pair[1]));
}

proptest! {
    #[test]
    fn no_interleaving_exceeds_a_limit_or_leaks(
        steps in prop::collection::vec((0_u8..4, 0_i64..9_000), 1..300),
        slots in 1_u32..6, rpm in 1_u32..30, tokens in 100_u64..2_000, budget in 50_i64..500,
    ) {
        let limits = AccountSpec {
            max_concurrency: slots, rpm_limit: rpm, tpm_limit: tokens, daily_budget: Nanos(budget), ..spec(7)
        };
        let mut bench = Bench::of(limits, api_key());
        let mut live = Vec::new();
        for (step, ms) in steps {
            bench.wait(ms);
            match step {
                0 | 1 => {
                    let size = u64::try_from(ms).unwrap_or(0) % 90;
                    let cost_estimate = Nanos(ms % 40);
                    let ask = Acquire { tokens_estimate: size, cost_estimate, ..bench.ask() };
                    live.extend(bench.acquire(ask).map(|lease| (lease, size)));
                }
                2 if !live.is_empty() => {
                    let (lease, size) = live.swap_remove(usize::try_from(ms).unwrap_or(0) % live.len());
                    let used = AttemptReport {
                        tokens: Some(size / 2),
                        cost: Some(Nanos(ms % 20)),
                        ..report(Verdict::Ok, bench.now, bench.now)
                    };
                    bench.end(lease, used);
                }
                _ => {
                    if let Some((lease, _)) = live.pop() {
                        dropped(&mut bench, lease);
                    }
                }
            }
            let view = bench.view();
            prop_assert_eq!(view.slots_used as usize, live.len());
            prop_assert!(view.slots_used <= slots);
            prop_assert!(view.rpm.unwrap().used(bench.now.0) <= i64::from(rpm));
            prop_assert!(view.tpm.unwrap().used(bench.now.0) <= i64::try_from(tokens).unwrap());
        }
        live.into_iter().for_each(|(lease, _)| { dropped(&mut bench, lease); });
        prop_assert_eq!(bench.view().slots_used, 0);
    }
}

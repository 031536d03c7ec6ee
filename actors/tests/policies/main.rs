//! The policy experiment: headroom against other ways to rank accounts, on the engine's own scheduler and account state
//! machines, with vendors whose windows run dry and sessions whose prompts are cached (`docs/experiments`).
//!
//! `QUOTALANE_POLICY_SEEDS=n` and `QUOTALANE_POLICY_HOURS=n` make it as long as the write-up's run; without them it is short.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails loudly, and prints what it measured"
)]

mod cost;
mod demand;
#[path = "../sim/dice.rs"]
#[expect(dead_code, reason = "the simulator rolls in more ways")]
mod dice;
mod figures;
mod policy;
mod scenario;
mod sessions;
mod tables;
mod vendor;
mod world;

use std::collections::BTreeMap;

use figures::Figures;
use policy::Policy;
use scenario::Scenario;
use world::World;

#[expect(clippy::disallowed_methods, reason = "an experiment is told its length by the environment")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn play(scenario: &Scenario, policy: Policy, seed: u64, hours: i64) -> Figures {
    World::new(scenario, policy, seed, hours).run()
}

#[test]
fn policies_compared() {
    let seeds = number("QUOTALANE_POLICY_SEEDS").unwrap_or(1);
    let hours = i64::try_from(number("QUOTALANE_POLICY_HOURS").unwrap_or(3)).unwrap();
    let only = number("QUOTALANE_POLICY_SCENARIO");
    let scenarios = Scenario::all().into_iter().enumerate();
    for (_, scenario) in scenarios.filter(|(n, _)| only.is_none_or(|only| only == *n as u64)) {
        let mut runs: BTreeMap<Policy, Vec<Figures>> = BTreeMap::new();
        for policy in Policy::ALL {
            let of_seed = |seed| play(&scenario, policy, seed, hours);
            runs.insert(policy, (0..seeds).map(of_seed).collect());
        }
        tables::print(&scenario, &runs);
        for figures in runs.values().flatten() {
            assert!(figures.served > 0, "{}: nothing was served", scenario.name);
            assert_eq!(figures.planned, figures.served + figures.given_up, "{}: every turn ends", scenario.name);
            assert_eq!(figures.leases_open, 0, "{}: leases are left", scenario.name);
        }
    }
}

#[test]
fn a_run_is_the_same_every_time() {
    let scenario = &Scenario::all()[0];
    for policy in [Policy::Headroom, Policy::Random] {
        assert_eq!(play(scenario, policy, 3, 3), play(scenario, policy, 3, 3), "{policy:?}");
    }
}

#[test]
fn headroom_keeps_small_accounts_from_running_dry() {
    let scenario = &Scenario::all()[0];
    let dry = |policy| (0..3).map(|seed| play(scenario, policy, seed, 12).dry).sum::<f64>();
    let (headroom, turns) = (dry(Policy::Headroom), dry(Policy::RoundRobin));
    assert!(headroom < turns, "part of the time that accounts are dry: headroom {headroom}, round robin {turns}");
}

/// Prints how a decision grows with the pool; times are not judged here, but each decision must be made.
#[test]
fn decisions_cost_little_in_large_pools() {
    let requests = number("QUOTALANE_POLICY_DECISIONS").unwrap_or(200);
    println!("\n| accounts | choose, µs | choose in a session, µs | hear, µs |\n|---:|---:|---:|---:|");
    for accounts in [16, 64, 65, 256, 1_000, 4_000] {
        let (pool, session) = (cost::cost(accounts, requests, None), cost::cost(accounts, requests, Some(1_000)));
        let us = |time: std::time::Duration| time.as_secs_f64() * 1e6;
        println!("| {accounts} | {:.2} | {:.2} | {:.2} |", us(pool.choose), us(session.choose), us(pool.hear));
    }
}

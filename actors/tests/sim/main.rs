//! The simulator: a seed makes a world of accounts, keys, clients and faults, and plays it in virtual time against the
//! engine's own state machines, with an oracle that checks the invariants at every event (`reliability.md` R19, §7).
//!
//! `QUOTALANE_SIM_SEED=n` replays one seed and prints what happens; `QUOTALANE_SIM_SEEDS=n` changes how many are played.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails loudly, and prints the seed that is replayed"
)]

mod accounts;
mod agenda;
mod clients;
mod dice;
mod engine;
mod journal;
mod mail;
mod oracle;
mod plan;
mod sabotage;
mod store;
mod trace;
mod upstream;
mod vendor;
mod world;

use std::collections::BTreeMap;

use sabotage::Sabotage;
use trace::Trace;
use world::World;

/// Seeds of an ordinary run.
const SEEDS: u64 = 1_000;
/// What an ordinary run must have been through, or it proves little: verdicts, refusals, deaths, and rare turns.
const MUST_HAPPEN: [&str; 55] = [
    "account_died",
    "auth_expired",
    "auth_invalid",
    "billing_died",
    "billing_unavailable",
    "blocked",
    "client",
    "commit_unsure",
    "concurrency_key",
    "concurrency_user",
    "cut",
    "daily_cost_limit_exceeded",
    "dedicated_account_unavailable",
    "died_exchanging",
    "duplicate",
    "escaped",
    "exchange_failed",
    "exchange_ok",
    "five_hour_cost_limit_exceeded",
    "forbidden",
    "free_probe",
    "hit",
    "journal_reread",
    "left_asking",
    "left_calling",
    "lone_pause",
    "miss",
    "model_unknown",
    "no_account",
    "overflow",
    "overloaded",
    "pool_floor",
    "pool_limited",
    "proxy",
    "queue_full",
    "queue_timeout",
    "queued",
    "quota_exhausted",
    "rate_cost_window",
    "rate_limited",
    "rate_limited_unknown",
    "rate_requests",
    "rate_tokens",
    "retry_budget",
    "scheduler_died",
    "server",
    "set_aside",
    "stalled",
    "timeout",
    "token_replaced",
    "token_unsaved",
    "total_cost_limit_exceeded",
    "unavailable",
    "usage_died",
    "waited",
];
/// A sabotage is noticed within so many seeds.
const NOTICED_WITHIN: u64 = 300;

#[expect(clippy::disallowed_methods, reason = "a test is told its seeds by the environment")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Plays a seed: its fingerprint, or what was broken.
fn play(seed: u64, sabotage: Sabotage, print: bool) -> (Trace, Option<String>) {
    World::new(seed, sabotage, Trace::new(print)).run()
}

#[test]
fn every_seed_keeps_every_promise() {
    let one = number("QUOTALANE_SIM_SEED");
    let seeds = one.map_or(0..number("QUOTALANE_SIM_SEEDS").unwrap_or(SEEDS), |seed| seed..seed + 1);
    let played = seeds.clone().count() as u64;
    let mut seen = BTreeMap::<&str, u64>::new();
    let broken: Vec<String> = seeds
        .filter_map(|seed| {
            let (trace, violation) = play(seed, Sabotage::None, one.is_some());
            trace.seen.into_iter().for_each(|(what, often)| *seen.entry(what).or_default() += often);
            Some(format!("QUOTALANE_SIM_SEED={seed}: {}", violation?))
        })
        .collect();
    println!("{played} seeds: {seen:?}");
    let missing: Vec<_> = MUST_HAPPEN.iter().filter(|what| played >= SEEDS && !seen.contains_key(*what)).collect();
    assert!(missing.is_empty(), "never happened: {missing:?}");
    assert!(
        broken.is_empty(),
        "{} seeds broke a promise:\n{}",
        broken.len(),
        broken[..broken.len().min(20)].join("\n")
    );
}

#[test]
fn a_seed_plays_the_same_every_time() {
    for seed in 0..25 {
        let (first, second) = (play(seed, Sabotage::None, false).0, play(seed, Sabotage::None, false).0);
        assert_eq!((first.fingerprint(), first.lines), (second.fingerprint(), second.lines), "seed {seed}");
    }
}

#[test]
fn every_sabotage_is_noticed() {
    for sabotage in Sabotage::ALL {
        let noticed = (0..NOTICED_WITHIN).find_map(|seed| Some((seed, play(seed, sabotage, false).1?)));
        println!("{sabotage:?}: {noticed:?}");
        assert!(noticed.is_some(), "{sabotage:?} went unnoticed");
    }
}

//! Settings of the account's own state machine change behaviour (`scheduling.md` §19, §20).

use serde_json::{Value, json};

use super::Bench;
use crate::account::view::Breaker;
use crate::domain::settings::Settings;
use crate::domain::time::{HOUR, MINUTE};
use crate::domain::verdict::{Judgement, Verdict};
use crate::testing::{START, oauth, oauth_account};

/// A setting, another value for it, and a story whose end depends on it.
type Row = (&'static str, fn() -> Value, fn(&Settings) -> String);

const TABLE: &[Row] = &[
    ("breaker.open_below", || json!(80), after_an_outage),
    ("breaker.backoff_min", || json!([60]), opened_for),
    ("breaker.close_after", || json!(1), after_one_probe),
    ("health.regen_per_5min", || json!(50), rested),
    ("refresh.lead_min", || json!(90), refreshes),
];

#[test]
fn every_setting_of_an_account_changes_what_happens() {
    for (name, value, story) in TABLE {
        let mut changed = Settings::default();
        changed.set(name, &value()).unwrap();
        assert_ne!(story(&Settings::default()), story(&changed), "{name} changes nothing");
    }
}

fn bench(settings: &Settings) -> Bench {
    let mut bench = Bench::keyed();
    bench.settings = settings.clone();
    bench
}

/// The breaker after one overload, which leaves a score of 70.
fn after_an_outage(settings: &Settings) -> String {
    let mut bench = bench(settings);
    bench.attempts(&[Verdict::Overloaded]);
    format!("{:?}", matches!(bench.view().breaker, Breaker::Open { .. }))
}

/// Opens the breaker.
fn broken(settings: &Settings) -> (Bench, crate::domain::time::Timestamp) {
    let mut bench = bench(settings);
    bench.attempts(&[Verdict::Overloaded, Verdict::Overloaded, Verdict::Overloaded]);
    match bench.view().breaker {
        Breaker::Open { until, .. } => (bench, until),
        Breaker::Closed => panic!("closed"),
    }
}

/// How long the breaker opens.
fn opened_for(settings: &Settings) -> String {
    let (bench, until) = broken(settings);
    (until.since(bench.now) / MINUTE).to_string()
}

/// The breaker after a probe that succeeded.
fn after_one_probe(settings: &Settings) -> String {
    let (mut bench, until) = broken(settings);
    bench.now = until.plus(HOUR);
    let mut ask = bench.ask();
    ask.probe = true;
    let lease = bench.acquire(ask).unwrap();
    let report = crate::testing::report(Verdict::Ok, bench.now, bench.now);
    bench.end(lease, report);
    format!("{:?}", bench.view().breaker == Breaker::Closed)
}

/// The score after ten quiet minutes.
fn rested(settings: &Settings) -> String {
    let mut bench = bench(settings);
    bench.attempt(Judgement::of(Verdict::Overloaded));
    bench.wait(10 * MINUTE);
    bench.due();
    bench.health().to_string()
}

/// Whether a token with an hour left is refreshed.
fn refreshes(settings: &Settings) -> String {
    let mut bench = Bench::of(oauth_account(7), oauth(1, START.plus(HOUR)));
    bench.settings = settings.clone();
    (!bench.due().calls.is_empty()).to_string()
}

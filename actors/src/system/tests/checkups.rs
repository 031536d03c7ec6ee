//! Scheduled tests of accounts (`scheduling.md` §17), in virtual time.

use std::time::Duration;

use super::{id, pause, start};
use crate::domain::account::{AccountKind, AccountSpec, AccountStatus};
use crate::domain::settings::Settings;
use crate::housekeeping::Job;
use crate::ports::PortError;
use crate::testing::{FakePorts, TestEngine, api_key, spec};

const MINUTE: u64 = 60_000;

fn silent() -> Result<bool, PortError> {
    Err(PortError("no answer".to_owned()))
}

/// An engine with this many accounts, tested every five minutes.
async fn tested(accounts: i64, settings: Settings) -> TestEngine {
    let fakes = FakePorts::default();
    for n in 1..=accounts {
        fakes.accounts.put(spec(n), Some(api_key()));
    }
    fakes.settings.put(settings);
    start(fakes).await
}

fn on() -> Settings {
    Settings { health_check_enabled: true, health_regen_per_5min: 0, ..Settings::default() }
}

async fn health(engine: &TestEngine) -> i64 {
    engine.engine.accounts.detail(id(1)).await.unwrap().view.health
}

async fn status(engine: &TestEngine) -> AccountStatus {
    engine.engine.accounts.detail(id(1)).await.unwrap().view.spec.status
}

#[actix_rt::test]
async fn nobody_is_tested_unless_that_is_switched_on() {
    let engine = tested(1, Settings::default()).await;
    pause(60 * MINUTE).await;
    assert_eq!(engine.fakes.vendor.probed(), 0);
    engine.fakes.settings.put(on());
    engine.engine.settings.reload().await.unwrap();
    pause(MINUTE).await;
    assert_eq!(engine.fakes.vendor.probed(), 1, "a change counts without a restart");
    engine.fakes.settings.put(Settings { health_check_interval_min: 1, ..on() });
    engine.engine.settings.reload().await.unwrap();
    pause(10 * MINUTE).await;
    let probed = engine.fakes.vendor.probed();
    assert!((9..=11).contains(&probed), "every minute: {probed}");
}

#[actix_rt::test]
async fn every_account_that_has_a_free_test_is_tested_five_at_a_time() {
    let engine = tested(12, on()).await;
    engine.fakes.vendor.set_probe_delay(Duration::from_secs(2));
    engine.fakes.accounts.put(AccountSpec { enabled: false, ..spec(13) }, Some(api_key()));
    engine.fakes.accounts.put(AccountSpec { kind: AccountKind::Ccr, ..spec(14) }, Some(api_key()));
    engine.fakes.accounts.put(AccountSpec { status: AccountStatus::Blocked, ..spec(15) }, Some(api_key()));
    for n in 13..=15 {
        engine.engine.accounts.reload(id(n)).await.unwrap();
    }
    pause(MINUTE).await;
    assert_eq!((engine.fakes.vendor.probed(), engine.fakes.vendor.probed_at_once()), (12, 5));
    pause(5 * MINUTE).await;
    assert_eq!(engine.fakes.vendor.probed(), 24);
    let jobs = engine.engine.housekeeping.jobs();
    let runs = &jobs.iter().find(|(job, _)| *job == Job::TestAccounts).unwrap().1;
    assert_eq!((runs.succeeded, runs.handled), (2, 24));
}

#[actix_rt::test]
async fn silence_is_tried_again_and_a_refusal_is_not() {
    let engine = tested(1, on()).await;
    engine.fakes.vendor.answer_probes([silent(), silent(), silent(), Ok(true)]);
    pause(MINUTE).await;
    assert_eq!((engine.fakes.vendor.probed(), health(&engine).await), (4, 100));
    engine.fakes.vendor.answer_probes([silent(), silent(), silent(), silent()]);
    pause(5 * MINUTE).await;
    assert_eq!((engine.fakes.vendor.probed(), health(&engine).await), (8, 85));
    engine.fakes.vendor.answer_probes([Ok(false)]);
    pause(5 * MINUTE).await;
    assert_eq!(engine.fakes.vendor.probed(), 9);
    assert_eq!(status(&engine).await, AccountStatus::Active, "one refusal is not yet an error");
    pause(5 * MINUTE).await;
    assert_eq!(health(&engine).await, 100, "an accepted credential restores");
}

#[actix_rt::test]
async fn a_test_that_hangs_is_given_up_after_fifteen_seconds() {
    let engine = tested(1, on()).await;
    engine.fakes.vendor.set_probe_delay(Duration::from_secs(3_600));
    // The first test begins within ten seconds, and its four tries take 4 × 15 s and 7 s of pauses.
    pause(10_000 + 4 * 15_000 + 7_000 + 1_000).await;
    assert_eq!((engine.fakes.vendor.probed(), health(&engine).await), (4, 85));
}

#[actix_rt::test]
async fn a_credential_that_is_refused_again_and_again_is_an_error_until_it_is_accepted() {
    let engine = tested(1, Settings { health_check_error_threshold: 3, ..on() }).await;
    engine.fakes.vendor.answer_probes([Ok(false), Ok(false)]);
    pause(6 * MINUTE).await;
    assert_eq!((engine.fakes.vendor.probed(), status(&engine).await), (2, AccountStatus::Active));
    engine.fakes.vendor.answer_probes([Ok(false)]);
    pause(4 * MINUTE + 50_000).await;
    assert_eq!(status(&engine).await, AccountStatus::Error);
    pause(5 * MINUTE).await;
    assert_eq!((status(&engine).await, health(&engine).await), (AccountStatus::Active, 100));
}

//! `kill -9` under load, again and again on the same data: nothing lost, nothing twice, ready within two seconds.

use std::time::Duration;

use bench::rig::mock::Call;
use rand::RngExt;
use tokio::time::Instant;

use crate::checker;
use crate::evidence::{Evidence, Request};
use crate::outage::with_stores;
use crate::stage::Stage;
use crate::traffic::{self, Exchange};
use crate::{length, run};

/// Calls per second, half of them streams.
const RATE: u32 = 100;
/// The promise for a restart with everything that one round leaves behind.
const READY: Duration = Duration::from_secs(2);
/// Gauges of obligations: zero when nobody is served.
const OBLIGATIONS: [&str; 3] =
    ["quotalane_relay_inflight", "quotalane_relay_streams_open", "quotalane_relay_drains_active"];

#[test]
fn kill_9_under_load_loses_nothing_and_books_nothing_twice() {
    run(async { all_rounds(Stage::embedded().await?).await });
}

#[test]
fn kill_9_on_mariadb_and_redis_loses_nothing_and_books_nothing_twice() {
    with_stores(async |stage, _| all_rounds(stage).await);
}

async fn all_rounds(mut stage: Stage) -> anyhow::Result<()> {
    let mut exchanges = Vec::new();
    let mut before = Vec::new();
    for round in 1..=length().rounds {
        let pause = Duration::from_millis(rand::rng().random_range(500..3000));
        exchanges.extend(one_kill(&mut stage, pause).await?);
        let took = stage.restart().await?;
        anyhow::ensure!(took <= READY, "round {round}: ready after {took:?}");
        let evidence = settled(&stage, &exchanges, before).await?;
        let interrupted = evidence.requests.iter().filter(|row| row.status == "interrupted").count();
        eprintln!(
            "round {round}: killed after {pause:?}, ready after {took:?}, {} rows, {interrupted} interrupted",
            evidence.requests.len()
        );
        checker::check(&evidence)?;
        before = evidence.requests;
    }
    Ok(())
}

/// Load, health, `kill -9`; what the clients saw.
async fn one_kill(stage: &mut Stage, pause: Duration) -> anyhow::Result<Vec<Exchange>> {
    let (to, key) = (stage.relay.plan.listen, stage.key.clone());
    let process = &mut stage.relay.process;
    let ((), exchanges) = traffic::during(to, &key, RATE, async |log| {
        log.healthy(20).await?;
        tokio::time::sleep(pause).await;
        process.kill()
    })
    .await?;
    let cut = exchanges.iter().filter(|e| e.status == 200 && !e.is_whole()).count();
    anyhow::ensure!(cut > 0, "the kill hit no answer in the middle: the round proves nothing");
    Ok(exchanges)
}

/// The evidence once it is quiet: polled until it is clean or the patience ends, so that a slow machine is no violation.
pub async fn settled(stage: &Stage, exchanges: &[Exchange], before: Vec<Request>) -> anyhow::Result<Evidence> {
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        let evidence = collect(stage, exchanges, before.clone()).await?;
        if checker::violations(&evidence).is_empty() || Instant::now() > deadline {
            return Ok(evidence);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn collect(stage: &Stage, exchanges: &[Exchange], before: Vec<Request>) -> anyhow::Result<Evidence> {
    let rows = stage.database.rows().await?;
    let mut gauges = Vec::new();
    for name in OBLIGATIONS {
        let value = stage.relay.metric(name).await?;
        gauges.push((name.to_owned(), value.unwrap_or(f64::NAN)));
    }
    let calls: Vec<Call> =
        stage.mock.calls().await?.into_iter().filter(|call| call.path.starts_with("/v1/messages")).collect();
    let exchanges = exchanges.to_vec();
    Ok(Evidence { calls, exchanges, requests: rows.requests, attempts: rows.attempts, sums: rows.sums, before, gauges })
}

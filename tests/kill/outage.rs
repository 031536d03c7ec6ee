//! Stores that fail under load: MariaDB frozen and killed, Redis killed. Clients do not notice, and nothing is lost.

use std::time::Duration;

use bench::rig::stores::{self, Store};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::stage::Stage;
use crate::traffic::{self, Exchange};
use crate::{checker, length, rounds, run};

/// Calls per second while a store is away.
const RATE: u32 = 50;

#[test]
fn a_frozen_database_stops_no_client() {
    with_stores(async |mut stage, stores| {
        let exchanges = load(&mut stage, async |relay| {
            stores.mariadb.freeze(true)?;
            let started = Instant::now();
            // Management needs SQL: it says so, soon.
            let refused =
                tokio::time::timeout(Duration::from_secs(6), relay.admin("GET", "/api/v1/accounts", &json!({}))).await;
            anyhow::ensure!(matches!(refused, Ok(Err(_))), "management call without SQL: {refused:?}");
            outage_lasts(started).await;
            stores.mariadb.freeze(false)
        })
        .await?;
        all_served(&exchanges)?;
        checker::check(&rounds::settled(&stage, &exchanges, Vec::new()).await?)
    });
}

#[test]
fn a_killed_database_stops_no_client() {
    with_stores(async |mut stage, stores| {
        let exchanges = load(&mut stage, async |_| {
            stores.mariadb.kill()?;
            outage_lasts(Instant::now()).await;
            stores.mariadb.start().await
        })
        .await?;
        all_served(&exchanges)?;
        checker::check(&rounds::settled(&stage, &exchanges, Vec::new()).await?)
    });
}

#[test]
fn a_killed_cache_stops_no_client() {
    with_stores(async |mut stage, stores| {
        let exchanges = load(&mut stage, async |_| {
            stores.redis.kill()?;
            outage_lasts(Instant::now()).await;
            stores.redis.start().await
        })
        .await?;
        all_served(&exchanges)?;
        checker::check(&rounds::settled(&stage, &exchanges, Vec::new()).await?)
    });
}

#[test]
fn a_frozen_cache_makes_no_client_wait() {
    with_stores(async |mut stage, stores| {
        let exchanges = load(&mut stage, async |_| {
            stores.redis.freeze(true)?;
            outage_lasts(Instant::now()).await;
            stores.redis.freeze(false)
        })
        .await?;
        all_served(&exchanges)?;
        let slowest = exchanges.iter().filter(|exchange| !exchange.stream).max_by_key(|exchange| exchange.took);
        anyhow::ensure!(slowest.is_some_and(|e| e.took < Duration::from_secs(2)), "a client waited: {slowest:?}");
        checker::check(&rounds::settled(&stage, &exchanges, Vec::new()).await?)
    });
}

/// The stores of a scene.
pub struct Stores {
    /// SQL.
    pub mariadb: Store,
    /// Cache.
    pub redis: Store,
}

/// Runs a scene on private stores; says so when they are not installed.
pub fn with_stores(scene: impl AsyncFnOnce(Stage, &mut Stores) -> anyhow::Result<()>) {
    if !stores::installed() {
        assert!(!required(), "MariaDB and Redis are required and not installed");
        eprintln!("not run: MariaDB or Redis is not installed");
        return;
    }
    run(async {
        let dir = TempDir::new()?;
        let mut stores = Stores { mariadb: Store::mariadb(dir.path()).await?, redis: Store::redis(dir.path()).await? };
        let mysql = format!("mysql://quotalane:quotalane@{}/quotalane", stores.mariadb.address);
        let redis = format!("redis://{}", stores.redis.address);
        let stage = Stage::on(dir.path(), &mysql, &redis).await?;
        scene(stage, &mut stores).await
    });
}

/// The fault itself takes time: a store that is away for this long, counted from `since`.
pub async fn outage_lasts(since: Instant) {
    tokio::time::sleep(length().outage.saturating_sub(since.elapsed())).await;
}

/// Load before, during and after the fault.
async fn load(
    stage: &mut Stage,
    fault: impl AsyncFnOnce(&mut bench::rig::relay::Relay) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Exchange>> {
    let (to, key) = (stage.relay.plan.listen, stage.key.clone());
    let relay = &mut stage.relay;
    let ((), exchanges) = traffic::during(to, &key, RATE, async |log| {
        log.healthy(50).await?;
        fault(relay).await?;
        let wanted = log.whole() + 50;
        log.healthy(wanted).await
    })
    .await?;
    Ok(exchanges)
}

/// Every call was answered in full.
fn all_served(exchanges: &[Exchange]) -> anyhow::Result<()> {
    let failed: Vec<&Exchange> = exchanges.iter().filter(|exchange| !exchange.is_whole()).collect();
    anyhow::ensure!(
        failed.is_empty(),
        "{} of {} calls failed, the first: {:?}",
        failed.len(),
        exchanges.len(),
        failed[0]
    );
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the test's own switch, not the product's configuration")]
fn required() -> bool {
    std::env::var("QUOTALANE_TEST_REQUIRE").is_ok_and(|value| value == "1")
}

//! Three instances on one MariaDB and one Redis: two are killed in turn under load, and the store itself is frozen and
//! killed. No limit is ever exceeded at the upstream's own count, slots come back, nothing is lost or booked twice.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bench::rig::mock::Call;
use bench::rig::relay::{Plan, Relay};
use serde_json::json;
use tokio::time::Instant;

use crate::evidence::{Evidence, Request};
use crate::outage::{Stores, outage_lasts, with_stores};
use crate::stage::{self, Stage};
use crate::traffic::{self, Exchange};
use crate::{checker, rounds};

/// Slots of each of the three accounts.
const SLOTS: usize = 4;
/// Slots of the key over all of them.
const KEY_SLOTS: usize = 10;
/// Calls per second at each instance.
const RATE: u32 = 8;
/// Life of a lease that nobody renews. The default is 60 s; short tests use a short one.
const LEASE_MS: i64 = 8_000;
/// The upstream writes an end down a little after the relay has read it.
const SLACK_MS: i64 = 40;
/// Instances besides the stage's own.
const OTHERS: [&str; 2] = ["relay-2", "relay-3"];

#[test]
fn two_of_three_instances_are_killed_and_no_limit_is_exceeded() {
    with_stores(async |stage, stores| {
        let mut fleet = Fleet::start(stage, stores).await?;
        let key = fleet.key(&json!({"name": "shared", "concurrency_limit": KEY_SLOTS})).await?;
        let exchanges = fleet.kill_in_turn(&key).await?;
        fleet.slots_are_free(stores, Duration::from_millis(LEASE_MS.unsigned_abs()) * 2).await?;
        fleet.check(&exchanges).await
    });
}

#[test]
fn a_rolling_restart_loses_nothing() {
    with_stores(async |stage, stores| {
        let mut fleet = Fleet::start(stage, stores).await?;
        let key = fleet.key(&json!({"name": "shared", "concurrency_limit": KEY_SLOTS})).await?;
        let to = fleet.addresses();
        let ((), exchanges) = traffic::at(&to, &key, RATE, async |log| {
            log.healthy(30).await?;
            for relay in fleet.relays_mut() {
                relay.process.signal("TERM")?;
                let status = relay.process.ended_within(Duration::from_secs(30)).await?;
                anyhow::ensure!(status.success(), "{status}: {}", relay.process.log_tail());
                *relay = Relay::start(relay.plan.clone(), Duration::from_secs(30)).await?.0;
                let wanted = log.whole() + 20;
                log.healthy(wanted).await?;
            }
            Ok(())
        })
        .await?;
        let broken = exchanges.iter().find(|exchange| exchange.status == 200 && !exchange.is_whole());
        anyhow::ensure!(broken.is_none(), "an answer was cut: {broken:?}");
        fleet.slots_are_free(stores, Duration::from_millis(LEASE_MS.unsigned_abs()) * 2).await?;
        fleet.check(&exchanges).await
    });
}

#[test]
fn a_store_that_freezes_and_dies_breaks_no_stream() {
    with_stores(async |stage, stores| {
        let mut fleet = Fleet::start(stage, stores).await?;
        // A third of it is enough for what one instance is asked.
        fleet.widen(3 * SLOTS).await?;
        let key = fleet.key(&json!({"name": "shared", "concurrency_limit": 3 * KEY_SLOTS})).await?;
        let money = json!({"name": "money", "daily_cost_limit": {"amount": "100", "currency": "USD"}});
        let money = fleet.key(&money).await?;
        let to = fleet.addresses();
        let ((), exchanges) = traffic::at(&to, &key, RATE, async |log| {
            log.healthy(40).await?;
            stores.redis.freeze(true)?;
            let started = Instant::now();
            closed_for_money(to[0], &money).await?;
            outage_lasts(started).await;
            stores.redis.freeze(false)?;
            let wanted = log.whole() + 40;
            log.healthy(wanted).await?;
            stores.redis.kill()?;
            outage_lasts(Instant::now()).await;
            stores.redis.start().await?;
            together_again(&fleet).await?;
            let wanted = log.whole() + 40;
            log.healthy(wanted).await
        })
        .await?;
        let failed: Vec<&Exchange> = exchanges.iter().filter(|exchange| !exchange.is_whole()).collect();
        anyhow::ensure!(failed.is_empty(), "{} calls failed, the first: {:?}", failed.len(), failed[0]);
        // Together the instances' shares are no more than the limit, beside what was under way when the store went away.
        fleet.accounts_within(2 * 3 * SLOTS).await?;
        fleet.slots_are_free(stores, Duration::from_secs(10)).await?;
        checker::check(&rounds::settled(&fleet.stage, &exchanges, Vec::new()).await?)
    });
}

#[test]
fn two_hundred_at_once_on_three_instances_are_never_one_too_many() {
    with_stores(async |stage, stores| {
        let mut fleet = Fleet::start(stage, stores).await?;
        fleet.widen(0).await?;
        let cent = json!({"name": "cent", "total_cost_limit": {"amount": "0.01", "currency": "USD"}});
        let cent = fleet.key(&cent).await?;
        let served = fleet.at_once(&cent).await?;
        let rows = fleet.rows(served).await?;
        let spent: i64 = rows.iter().map(|row| row.charge).sum();
        anyhow::ensure!(rows.len() == served && (1..=10_000_000).contains(&spent), "{served} served for {spent} nanos");

        let minute = fleet.key(&json!({"name": "minute", "rpm_limit": 100})).await?;
        let served = fleet.at_once(&minute).await?;
        anyhow::ensure!(served == 100, "100 a minute, {served} were served");

        let before = fleet.calls().await?.len();
        let slots = fleet.key(&json!({"name": "slots", "concurrency_limit": KEY_SLOTS})).await?;
        let served = fleet.at_once(&slots).await?;
        let calls = fleet.calls().await?;
        let at_once = overlap(calls.iter().skip(before));
        anyhow::ensure!(served >= KEY_SLOTS && at_once <= KEY_SLOTS, "{served} served, {at_once} at once");
        fleet.slots_are_free(stores, Duration::from_secs(5)).await
    });
}

/// A request against a limit of money is refused while nobody can say what is left, at once.
async fn closed_for_money(to: SocketAddr, key: &str) -> anyhow::Result<()> {
    // The first calls find out that the store is away.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let headers = format!("x-api-key: {key}\r\nanthropic-version: 2023-06-01\r\n");
    let body = json!({"model": "claude-sonnet-4-5", "max_tokens": 16, "messages": [{"role": "user", "content": "x"}]});
    let started = Instant::now();
    let answer = bench::http::post(to, "POST", "/v1/messages", &headers, &body.to_string()).await;
    let took = started.elapsed();
    let refused = answer.as_ref().err().map(|error| format!("{error:#}")).unwrap_or_default();
    anyhow::ensure!(refused.contains("503") && took < Duration::from_secs(1), "after {took:?}: {answer:?}");
    Ok(())
}

/// Every instance uses the store again within ten seconds.
async fn together_again(fleet: &Fleet) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    for relay in fleet.relays() {
        while relay.metric("quotalane_fleet_together").await? != Some(1.0) {
            anyhow::ensure!(Instant::now() < deadline, "an instance still keeps to its share");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    Ok(())
}

struct Fleet {
    stage: Stage,
    others: Vec<Relay>,
}

impl Fleet {
    async fn start(mut stage: Stage, stores: &Stores) -> anyhow::Result<Self> {
        let settings = json!({"lease.ttl_ms": LEASE_MS, "lease.renew_ms": 2_000, "queue.pool_timeout_ms": 15_000,
            "queue.key_timeout_ms": 15_000});
        stage.relay.admin("PUT", "/api/v1/configs", &settings).await?;
        let mut others = Vec::new();
        for name in OTHERS {
            let dir = stage.relay.plan.dir.with_file_name(name);
            others.push(Relay::start(plan(&dir, stores)?, Duration::from_secs(60)).await?.0);
        }
        let mut fleet = Self { stage, others };
        fleet.widen(SLOTS).await?;
        Ok(fleet)
    }

    /// Gives every account so many slots.
    async fn widen(&mut self, slots: usize) -> anyhow::Result<()> {
        for id in self.stage.accounts.clone() {
            let path = format!("/api/v1/accounts/{id}");
            self.stage.relay.admin("PUT", &path, &json!({ "max_concurrency": slots })).await?;
        }
        Ok(())
    }

    async fn key(&mut self, body: &serde_json::Value) -> anyhow::Result<String> {
        self.stage.relay.add_key(body).await
    }

    fn relays(&self) -> impl Iterator<Item = &Relay> {
        std::iter::once(&self.stage.relay).chain(&self.others)
    }

    fn relays_mut(&mut self) -> impl Iterator<Item = &mut Relay> {
        std::iter::once(&mut self.stage.relay).chain(&mut self.others)
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        self.relays().map(|relay| relay.plan.listen).collect()
    }

    /// Load on all three; the second is killed and started again, then the third.
    async fn kill_in_turn(&mut self, key: &str) -> anyhow::Result<Vec<Exchange>> {
        let to = self.addresses();
        let others = &mut self.others;
        let ((), exchanges) = traffic::at(&to, key, RATE, async |log| {
            log.healthy(40).await?;
            for relay in others {
                tokio::time::sleep(Duration::from_secs(1)).await;
                relay.process.kill()?;
                let wanted = log.whole() + 30;
                log.healthy(wanted).await?;
                *relay = Relay::start(relay.plan.clone(), Duration::from_secs(30)).await?.0;
                let wanted = log.whole() + 30;
                log.healthy(wanted).await?;
            }
            Ok(())
        })
        .await?;
        let whole = exchanges.iter().filter(|exchange| exchange.is_whole()).count();
        eprintln!("{} calls, {whole} of them whole", exchanges.len());
        Ok(exchanges)
    }

    /// The request rows once there are as many as were served.
    async fn rows(&self, served: usize) -> anyhow::Result<Vec<Request>> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let rows = self.stage.database.rows().await?.requests;
            if rows.len() >= served || Instant::now() > deadline {
                return Ok(rows);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Two hundred requests at once, spread over the instances; how many were served.
    async fn at_once(&self, key: &str) -> anyhow::Result<usize> {
        let to = self.addresses();
        let body =
            json!({"model": "claude-sonnet-4-5", "max_tokens": 64, "messages": [{"role": "user", "content": "x"}]});
        let headers = format!("x-api-key: {key}\r\nanthropic-version: 2023-06-01\r\n");
        let body = body.to_string();
        let calls =
            to.iter().cycle().take(200).map(|to| bench::http::post(*to, "POST", "/v1/messages", &headers, &body));
        let answers = futures_util::future::join_all(calls).await;
        let failed = answers.iter().filter_map(|answer| answer.as_ref().err()).map(|error| format!("{error:#}"));
        let odd: Vec<String> = failed.filter(|text| !text.contains("429") && !text.contains("402")).collect();
        anyhow::ensure!(odd.is_empty(), "{} odd refusals, the first: {}", odd.len(), odd[0]);
        Ok(answers.iter().filter(|answer| answer.is_ok()).count())
    }

    /// Nothing is held in the store any more: neither by the living nor by the dead.
    async fn slots_are_free(&self, stores: &Stores, patience: Duration) -> anyhow::Result<()> {
        let client = redis::Client::open(format!("redis://{}", stores.redis.address))?;
        let mut link = client.get_multiplexed_async_connection().await?;
        let deadline = Instant::now() + patience;
        loop {
            // Ended leases of the dead stay until the next who asks removes them: only what has not ended is held.
            let keys: Vec<String> = redis::cmd("KEYS").arg("ql:concurrency:*").query_async(&mut link).await?;
            let now: (i64, i64) = redis::cmd("TIME").query_async(&mut link).await?;
            let now = now.0 * 1_000 + now.1 / 1_000;
            let mut live = 0;
            for key in &keys {
                let held: i64 = redis::cmd("ZCOUNT").arg(key).arg(now).arg("+inf").query_async(&mut link).await?;
                live += held;
            }
            if live == 0 {
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < deadline, "{live} slots are still held after {patience:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn check(&self, exchanges: &[Exchange]) -> anyhow::Result<()> {
        self.accounts_within(SLOTS).await?;
        let calls = self.calls().await?;
        let at_once = overlap(calls.iter());
        anyhow::ensure!(at_once <= KEY_SLOTS, "the key has {KEY_SLOTS} slots, {at_once} calls ran at once");
        let evidence: Evidence = rounds::settled(&self.stage, exchanges, Vec::new()).await?;
        checker::check(&evidence)
    }

    /// At no moment more calls with one credential than this.
    async fn accounts_within(&self, limit: usize) -> anyhow::Result<()> {
        let calls = self.calls().await?;
        let mut by_credential: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
        for call in &calls {
            by_credential.entry(&call.credential).or_default().push(call);
        }
        for (credential, calls) in by_credential {
            let at_once = overlap(calls.into_iter());
            eprintln!("{credential}: at most {at_once} calls at once");
            anyhow::ensure!(at_once <= limit, "{credential}: {limit} slots, {at_once} calls ran at once");
        }
        Ok(())
    }

    async fn calls(&self) -> anyhow::Result<Vec<Call>> {
        let calls = self.stage.mock.calls().await?;
        Ok(calls.into_iter().filter(|call| call.path.starts_with("/v1/messages")).collect())
    }
}

/// Most calls that ran at the same moment, as the upstream wrote it down. A call whose caller was killed is not counted
/// from then on.
fn overlap<'a>(calls: impl Iterator<Item = &'a Call>) -> usize {
    let mut moments = Vec::new();
    for call in calls {
        let at = |name: &str| call.rest.get(name).and_then(serde_json::Value::as_i64);
        let (Some(start), Some(end)) = (at("started_ms"), at("ended_ms")) else { continue };
        moments.push((start, 1));
        moments.push(((end - SLACK_MS).max(start), -1));
    }
    moments.sort_unstable();
    let (mut now, mut most) = (0_i64, 0);
    for (_, change) in moments {
        now += change;
        most = most.max(now);
    }
    usize::try_from(most).unwrap_or(0)
}

fn plan(dir: &Path, stores: &Stores) -> anyhow::Result<Plan> {
    let mut plan = Plan::embedded(stage::binary(), dir)?;
    plan.set("QUOTALANE_DATABASE__URL", format!("mysql://quotalane:quotalane@{}/quotalane", stores.mariadb.address));
    plan.set("QUOTALANE_CACHE__URL", format!("redis://{}", stores.redis.address));
    Ok(plan)
}

//! The routing decision by itself: ask → lease, in process, on the engine's own thread (P9).

use std::sync::Arc;
use std::time::Duration;

use actors::clock::Clock;
use actors::domain::account::{KindSet, Platform};
use actors::domain::id::{AttemptId, KeyId, RequestId, UserId};
use actors::domain::key::{CostWindow, DisconnectPolicy, KeyPolicy, OwnerPolicy, StickyMode};
use actors::domain::model::{default_families, family_of};
use actors::domain::money::Nanos;
use actors::domain::route::{AdmissionRequest, Endpoint, RouteRequest, SessionHash};
use actors::domain::verdict::{AttemptReport, Judgement, Verdict};
use actors::outbox::Outbox;
use actors::system::{Engine, EngineConfig};
use anyhow::Context;
use tokio::task::JoinSet;

use super::rig::Size;
use super::{Figure, Judged, ports};
use crate::load::{Percentiles, pacer};
use crate::rig::kernel;

/// Decisions per second.
const RATE: u32 = 5_000;

/// CPU of the engine's thread per decision and the time to the answer, with 64 and with 1,000 accounts.
pub async fn figures(size: Size) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (accounts, goal, floor) in [(64, 8.0, 15.0), (1_000, 16.0, 30.0)] {
        let (mut cpu, mut late) = (Vec::new(), Vec::new());
        for _ in 0..size.repeats {
            let (us, p99) = one(accounts, size).await?;
            cpu.push(us);
            late.push(p99);
        }
        let what = |word: &str| format!("routing decision at 5,000/s, {accounts} accounts, {word}");
        figures.push(Figure::new("P9", &what("CPU"), "µs", cpu, None).against(Judged::AtMost, goal, floor));
        figures.push(Figure::new("P9", &what("p99"), "ms", late, None).against(Judged::AtMost, 0.5, 2.0));
    }
    Ok(figures)
}

/// CPU in microseconds per decision and the 99th percentile in milliseconds.
async fn one(accounts: i64, size: Size) -> anyhow::Result<(f64, f64)> {
    let config = EngineConfig::embedded(Arc::new(|_| {}));
    let metrics = prometheus::Registry::new();
    let (engine, thread) = Engine::start(config, ports::ports(accounts), Clock::system(), &metrics).await?;
    let count = RATE * u32::try_from(10 / size.divide.min(5))?;
    let before = kernel::thread_cpu("engine").context("the engine's thread")?;
    let times = tokio::task::LocalSet::new().run_until(ask(engine, count)).await?;
    let used = kernel::thread_cpu("engine").context("the engine's thread")?.saturating_sub(before);
    thread.stop().await;
    Ok((used.as_secs_f64() * 1e6 / f64::from(count), Percentiles::of(times).p99))
}

/// Asks at fixed times, as a worker does, and gives every lease back with a report. Times from due to answer, in µs.
async fn ask(engine: Engine, count: u32) -> anyhow::Result<Vec<u32>> {
    Outbox::install();
    let key = Arc::new(key());
    let mut due = pacer(Duration::from_secs(1) / RATE, count);
    let (mut asks, mut times) = (JoinSet::new(), Vec::new());
    let mut number = 0u128;
    while let Some(at) = due.recv().await {
        number += 1;
        let (engine, request) = (engine.clone(), request(number, &key, &engine.clock));
        asks.spawn_local(async move {
            let (model, started_at) = (Arc::clone(&request.model), engine.clock.now());
            let grant = engine.scheduler.route(request).await.map_err(|refusal| format!("{refusal:?}"))?;
            let took = at.elapsed();
            let finished_at = engine.clock.now();
            let credential_version = grant.lease.credential.version;
            grant.lease.finish(report(model, started_at, finished_at, credential_version));
            if let Some(admission) = grant.admission {
                admission.hold.settle(Nanos(1_000), 100);
            }
            Ok::<u32, String>(u32::try_from(took.as_micros()).unwrap_or(u32::MAX))
        });
        while let Some(done) = asks.try_join_next() {
            times.push(done?.map_err(anyhow::Error::msg)?);
        }
    }
    while let Some(done) = asks.join_next().await {
        times.push(done?.map_err(anyhow::Error::msg)?);
    }
    Ok(times)
}

fn report(
    model: Arc<str>,
    started_at: actors::domain::time::Timestamp,
    finished_at: actors::domain::time::Timestamp,
    credential_version: i64,
) -> AttemptReport {
    AttemptReport {
        judgement: Judgement::of(Verdict::Ok),
        model,
        started_at,
        finished_at,
        status: Some(200),
        first_token_ms: Some(1),
        credential_version,
        windows: Vec::new(),
        tokens: Some(100),
        cost: Some(Nanos(1_000)),
    }
}

/// Everything on: admission with a money limit, stickiness over a thousand sessions.
fn request(number: u128, key: &Arc<KeyPolicy>, clock: &Clock) -> RouteRequest {
    let model: Arc<str> = "claude-sonnet-4-5".into();
    RouteRequest {
        attempt: AttemptId { request: RequestId(number), number: 1 },
        platform: Platform::Claude,
        forced: None,
        kinds: KindSet::ALL,
        native: KindSet::ALL,
        only: None,
        endpoint: Endpoint::Generate,
        family: family_of(&model, &default_families()),
        model,
        key: Arc::clone(key),
        admission: Some(AdmissionRequest { charge_estimate: Nanos(1_000_000), priced: true }),
        session: Some(SessionHash((number % 1_000).to_be_bytes())),
        tokens_estimate: 500,
        cost_estimate: Nanos(1_000_000),
        excluded: Vec::new(),
        may_wait: true,
        deadline: clock.now().plus(10_000),
    }
}

fn key() -> KeyPolicy {
    KeyPolicy {
        id: KeyId(1),
        name: "bench".to_owned(),
        owner: OwnerPolicy { id: UserId(1), max_concurrency: 0, rpm_limit: 0, price_rate_ppm: 1_000_000, active: true },
        enabled: true,
        expires_at: None,
        activation_ms: None,
        permissions: Vec::new(),
        model_allow: Vec::new(),
        model_deny: Vec::new(),
        allowed_clients: Vec::new(),
        ip_allow: Vec::new(),
        ip_deny: Vec::new(),
        concurrency_limit: 100_000,
        rpm_limit: 100_000_000,
        windows: Vec::new(),
        cost_limits: vec![(CostWindow::Day, Nanos(i64::MAX / 2))],
        weekly_reset_day: 1,
        weekly_reset_hour: 0,
        price_rate_ppm: 1_000_000,
        bindings: Vec::new(),
        account_tags: Vec::new(),
        sticky_mode: StickyMode::Prefer,
        disconnect: DisconnectPolicy::DrainLimited,
        spent: Vec::new(),
        version: 1,
    }
}

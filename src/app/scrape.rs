//! Brings gauges and counters of the parts up to date before a scrape.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actors::domain::account::Service;
use actors::metrics::{EngineMetrics, MetricsConfig};
use actors::system::Engine;
use prometheus::{IntCounter, Registry};

use super::Parts;
use crate::cache::Cache;
use crate::http::probes::Refresh;
use crate::journal::JournalDir;
use crate::observe::lifecycle::{Lifecycle, Phase};
use crate::observe::{Metrics, events, process};
use crate::relay::RelayShared;
use crate::store::Db;

/// What is read at a scrape.
struct Sources {
    engine: Engine,
    exported: Arc<EngineMetrics>,
    metrics: Arc<Metrics>,
    lifecycle: Lifecycle,
    relay: Arc<RelayShared>,
    db: Db,
    cache: Cache,
    journal: JournalDir,
}

/// The work before each scrape.
///
/// # Errors
/// When the engine's metrics are already registered.
pub fn refresh(
    parts: &Parts,
    relay: &Arc<RelayShared>,
    registry: &Registry,
    accounts: usize,
) -> Result<Refresh, prometheus::Error> {
    let sources = Arc::new(Sources {
        engine: parts.engine.clone(),
        exported: EngineMetrics::register(MetricsConfig { per_account_max: accounts }, registry)?,
        metrics: Arc::clone(&relay.metrics),
        lifecycle: relay.lifecycle.clone(),
        relay: Arc::clone(relay),
        db: parts.storage.db.clone(),
        cache: parts.storage.cache.clone(),
        journal: parts.storage.journal.clone(),
    });
    let started_at = seconds(sources.engine.clock.now().0);
    process::register(registry, started_at)?;
    sources.metrics.start_timestamp().set(started_at);
    Ok(Box::new(move || {
        let sources = Arc::clone(&sources);
        Box::pin(async move { sources.read().await })
    }))
}

impl Sources {
    async fn read(&self) {
        self.exported.collect(&self.engine).await;
        self.read_engine();
        self.read_process();
        self.read_storage();
    }

    fn read_engine(&self) {
        let metrics = &self.metrics;
        let usage = self.engine.usage.stats();
        metrics.usage_pending_records().set(count(usage.pending));
        metrics.usage_flush_lag().set(seconds(usage.oldest_age_ms));
        follow(metrics.usage_flush("ok"), usage.flushes_ok);
        follow(metrics.usage_flush("failed"), usage.flushes_failed);
        follow(metrics.usage_dead(), usage.dead);
        let billing = self.engine.billing.stats();
        metrics.holds_active().set(count(billing.holds));
        follow(metrics.holds_expired(), billing.expired);
        for (job, runs) in self.engine.housekeeping.jobs() {
            let name = job.as_str();
            follow(metrics.job_runs(name, "ok"), runs.succeeded);
            follow(metrics.job_runs(name, "failed"), runs.failed);
            if let Some(at) = runs.last_success {
                metrics.job_last_success(name).set(seconds(at.0));
            }
        }
    }

    fn read_process(&self) {
        let phase = self.lifecycle.phase();
        self.metrics.ready().set(i64::from(phase == Phase::Serving));
        self.metrics.draining().set(i64::from(phase > Phase::Serving));
        self.metrics.instances().set(1);
        for (level, total) in events::by_level() {
            follow(self.metrics.log_events(level), total);
        }
        follow(self.metrics.log_dropped(), events::lost());
        let in_flight = self.relay.in_flight.load(Ordering::Relaxed);
        self.metrics.relay_inflight(Service::Claude).set(count(in_flight));
    }

    fn read_storage(&self) {
        let metrics = &self.metrics;
        let cache = self.cache.health();
        metrics.redis_up().set(i64::from(cache.up));
        metrics.redis_fallback_active().set(i64::from(!cache.up));
        follow(metrics.redis_errors("unavailable"), cache.failures);
        let (open, idle) = self.db.connections();
        metrics.db_pool_connections("idle").set(count(idle));
        metrics.db_pool_connections("used").set(i64::from(open) - count(idle));
        if let Ok(status) = self.journal.status() {
            let oldest = status.oldest.map_or(0, |at| self.engine.clock.now().since(at).max(0));
            metrics.journal_oldest().set(seconds(oldest));
            metrics.journal_pending_records().set(i64::try_from(status.open_attempts).unwrap_or(i64::MAX));
        }
    }
}

/// Brings a counter up to a total that only grows.
fn follow(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// For gauges only; not money, not a limit.
fn seconds(ms: i64) -> f64 {
    std::time::Duration::from_millis(ms.unsigned_abs()).as_secs_f64()
}

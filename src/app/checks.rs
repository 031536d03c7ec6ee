//! What readiness depends on, and the gauges that a scrape reads.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actors::domain::account::Service;
use actors::metrics::{EngineMetrics, MetricsConfig};
use prometheus::Registry;

use super::Parts;
use crate::http::probes::{Check, Probes, Refresh};
use crate::observe::Metrics;
use crate::observe::lifecycle::{Lifecycle, Phase};
use crate::relay::RelayShared;

/// The probes of this process.
pub fn probes(parts: &Parts, lifecycle: &Lifecycle) -> Probes {
    let engine = parts.engine.clone();
    let alive = Check {
        name: "engine",
        run: Box::new(move || {
            let engine = engine.clone();
            Box::pin(async move {
                engine.scheduler.queue().await;
                Ok(())
            })
        }),
    };
    let (db, actors, journal) = (parts.storage.db.clone(), parts.engine.actors.clone(), parts.storage.journal.clone());
    let cache = parts.storage.cache.clone();
    let checks = vec![
        Check {
            name: "cache",
            run: Box::new(move || {
                let cache = cache.clone();
                Box::pin(async move { cache.ping().await.map_err(|e| e.to_string()) })
            }),
        },
        Check {
            name: "database",
            run: Box::new(move || {
                let db = db.clone();
                Box::pin(async move { db.ping().await.map_err(|e| e.to_string()) })
            }),
        },
        check("actors", move || actors.is_ready().then_some(()).ok_or("an actor is being rebuilt")),
        check("journal", move || journal.writable().then_some(()).ok_or("the journal cannot be written")),
    ];
    Probes::new(lifecycle.clone(), parts.engine.clock.clone(), alive, checks)
}

fn check(name: &'static str, look: impl Fn() -> Result<(), &'static str> + Send + Sync + 'static) -> Check {
    Check {
        name,
        run: Box::new(move || {
            let seen = look().map_err(str::to_owned);
            Box::pin(std::future::ready(seen))
        }),
    }
}

/// Brings the gauges up to date before a scrape.
///
/// # Errors
/// When the engine's metrics are already registered.
pub fn refresh(
    parts: &Parts,
    metrics: &Arc<Metrics>,
    lifecycle: &Lifecycle,
    registry: &Registry,
    accounts: usize,
    relay: &Arc<RelayShared>,
) -> Result<Refresh, prometheus::Error> {
    let config = MetricsConfig { per_account_max: accounts };
    let (engine, metrics, lifecycle) = (parts.engine.clone(), Arc::clone(metrics), lifecycle.clone());
    let (db, journal, cache) = (parts.storage.db.clone(), parts.storage.journal.clone(), parts.storage.cache.clone());
    let relay = Arc::clone(relay);
    let exported = EngineMetrics::register(config, registry)?;
    Ok(Box::new(move || {
        let (engine, metrics, lifecycle) = (engine.clone(), Arc::clone(&metrics), lifecycle.clone());
        let (db, journal, cache, exported) = (db.clone(), journal.clone(), cache.clone(), Arc::clone(&exported));
        metrics.relay_inflight(Service::Claude).set(count(relay.in_flight.load(Ordering::Relaxed)));
        Box::pin(async move {
            exported.collect(&engine).await;
            let usage = engine.usage.stats();
            metrics.usage_pending_records().set(count(usage.pending));
            metrics.usage_flush_lag().set(seconds(usage.oldest_age_ms));
            metrics.ready().set(i64::from(lifecycle.phase() == Phase::Serving));
            metrics.draining().set(i64::from(lifecycle.phase() > Phase::Serving));
            let up = cache.health().up;
            metrics.redis_up().set(i64::from(up));
            metrics.redis_fallback_active().set(i64::from(!up));
            let (open, idle) = db.connections();
            metrics.db_pool_connections("idle").set(count(idle));
            metrics.db_pool_connections("used").set(i64::from(open) - count(idle));
            if let Ok(status) = journal.status() {
                metrics.journal_pending_records().set(i64::try_from(status.pending_bytes).unwrap_or(i64::MAX));
            }
        })
    }))
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// For a gauge only; not money, not a limit.
fn seconds(ms: i64) -> f64 {
    std::time::Duration::from_millis(ms.unsigned_abs()).as_secs_f64()
}

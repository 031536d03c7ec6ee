//! The engine's metrics, named as `ops.md` §5 has them. Events are counted as they happen ([`Counters`]); everything else
//! is read from the engine at scrape time ([`EngineMetrics::collect`]) and costs nothing in between.

mod accounts;
mod families;
mod scheduler;

use std::sync::Arc;

use prometheus::{IntCounterVec, Opts, Registry};

use crate::domain::account::Service;
use crate::supervise::Singleton;
use crate::system::Engine;

use self::families::{Exposition, Families};

/// Prefix of every name.
const PREFIX: &str = "quotalane";

/// Counters of events; clones count together.
#[derive(Clone)]
pub struct Counters {
    /// Cooldowns set, by service and verdict.
    pub cooldowns: IntCounterVec,
    /// Breaker switches, by service and event.
    pub breaker: IntCounterVec,
    /// Token refresh rounds, by service and result.
    pub refreshes: IntCounterVec,
    /// Rebuilt actors, by kind and reason.
    pub restarts: IntCounterVec,
}

impl Counters {
    /// Registers them. Series that alerts name start at 0.
    ///
    /// # Errors
    /// The registry has them already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help).namespace(PREFIX), labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let counters = Self {
            cooldowns: counter("account_cooldowns_total", "Cooldowns set on accounts", &["service", "reason"])?,
            breaker: counter("account_breaker_total", "Switches of account circuit breakers", &["service", "event"])?,
            refreshes: counter("account_token_refresh_total", "Rounds of token refresh", &["service", "result"])?,
            restarts: counter("actor_restarts_total", "Actors rebuilt after their death", &["actor", "reason"])?,
        };
        counters.start_at_zero();
        Ok(counters)
    }

    fn start_at_zero(&self) {
        for service in Service::ALL.map(Service::as_str) {
            for event in ["opened", "closed"] {
                self.breaker.with_label_values(&[service, event]).reset();
            }
            for result in ["ok", "transient", "permanent"] {
                self.refreshes.with_label_values(&[service, result]).reset();
            }
        }
        for actor in Singleton::ALL.map(Singleton::label).into_iter().chain(["account"]) {
            self.restarts.with_label_values(&[actor, "panic"]).reset();
        }
    }
}

/// How many series the engine may show.
#[derive(Debug, Clone, Copy)]
pub struct MetricsConfig {
    /// Series per account, up to this many accounts in id order; 0 = none.
    pub per_account_max: usize,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { per_account_max: 500 }
    }
}

/// What is read at scrape time.
pub struct EngineMetrics {
    config: MetricsConfig,
    exposition: Exposition,
}

impl EngineMetrics {
    /// Registers the names. They show what the last [`Self::collect`] found.
    ///
    /// # Errors
    /// The registry has them already.
    pub fn register(config: MetricsConfig, registry: &Registry) -> Result<Arc<Self>, prometheus::Error> {
        let exposition = Exposition::default();
        registry.register(Box::new(exposition.clone()))?;
        Ok(Arc::new(Self { config, exposition }))
    }

    /// Reads the engine; call before the registry is gathered. A scheduler under repair leaves its families as they were.
    pub async fn collect(&self, engine: &Engine) {
        let (views, stats) = (engine.scheduler.views().await, engine.scheduler.stats().await);
        let (now, settings) = (engine.clock.now(), engine.settings.current());
        let mut families = Families::new(PREFIX);
        accounts::show(&mut families, &views, now, &settings, self.config.per_account_max);
        scheduler::show(&mut families, &stats);
        scheduler::show_fleet(&mut families, &engine.fleet);
        for gauge in engine.actors.gauges() {
            let labels = [("actor", gauge.actor)];
            families.gauge("actor_mailbox_depth", "Messages that wait", &labels, gauge.depth);
            families.gauge("actor_mailbox_capacity", "Messages that actors are sized for", &labels, gauge.capacity);
            families.gauge("actor_up", "1 while every actor of the kind is up", &labels, i64::from(gauge.up));
        }
        self.exposition.publish(families);
    }
}

//! Where usage goes: SQL first, then the counters, then the journal's acknowledgement.

use std::sync::{Arc, OnceLock};

use actors::clock::Clock;
use actors::domain::settings::Settings;
use actors::domain::usage::{JournalPosition, UsageEvent};
use actors::outbox::Recorded;
use actors::ports::{BatchReceipt, PortError, PortFuture, UsageBatch, UsageSink};
use actors::settings::SettingsHandle;

use super::storage::Storage;
use crate::cache::Cache;
use crate::journal::JournalDir;
use crate::store::ports::{CountBatch, SqlUsage};

/// Settings for whoever is built before the engine: the defaults until the engine runs.
#[derive(Clone, Default)]
pub struct LateSettings(Arc<OnceLock<SettingsHandle>>);

impl LateSettings {
    /// The engine runs.
    pub fn arrive(&self, settings: SettingsHandle) {
        let _ = self.0.set(settings);
    }

    /// The settings in force.
    pub fn current(&self) -> Arc<Settings> {
        self.0.get().map_or_else(|| Arc::new(Settings::default()), SettingsHandle::current)
    }
}

/// SQL and journal together.
pub struct Sink {
    sql: SqlUsage,
    journal: JournalDir,
}

impl Sink {
    /// A sink over this storage.
    pub fn new(storage: &Storage, clock: Clock, settings: LateSettings) -> Self {
        let journal = storage.journal.clone();
        let count = counting(storage.cache.clone(), clock.clone(), settings.clone());
        let sql = SqlUsage {
            db: storage.db.clone(),
            instance: Arc::clone(&storage.instance),
            clock,
            settings: Arc::new(move || settings.current()),
            count,
            acknowledge: Arc::new(move |positions| {
                let journal = journal.clone();
                in_background(move || journal.acknowledge(&positions))
            }),
        };
        Self { sql, journal: storage.journal.clone() }
    }
}

/// Adds stored events to the real-time counters. Counters are repaired from SQL, so a cache that is away loses nothing.
fn counting(cache: Cache, clock: Clock, settings: LateSettings) -> CountBatch {
    Arc::new(move |batch| {
        let (cache, zone, now) = (cache.clone(), settings.current().timezone, clock.now());
        Box::pin(async move { cache.count(&batch.events, zone, now).await.map_err(|e| PortError(e.to_string())) })
    })
}

/// File work off the engine's thread.
fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> PortFuture<Result<T, PortError>> {
    Box::pin(async move {
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|e| PortError(e.to_string()))?.map_err(|e| PortError(e.to_string()))
    })
}

impl UsageSink for Sink {
    fn store(&self, batch: Arc<UsageBatch>) -> PortFuture<Result<BatchReceipt, PortError>> {
        self.sql.store(batch)
    }

    fn set_aside(&self, event: UsageEvent, reason: String) -> PortFuture<Result<(), PortError>> {
        self.sql.set_aside(event, reason)
    }

    fn count(&self, batch: Arc<UsageBatch>) -> PortFuture<Result<(), PortError>> {
        self.sql.count(batch)
    }

    fn acknowledge(&self, positions: Vec<JournalPosition>) -> PortFuture<Result<(), PortError>> {
        self.sql.acknowledge(positions)
    }

    fn reread(&self, after: JournalPosition, limit: usize) -> PortFuture<Result<Vec<Recorded>, PortError>> {
        let journal = self.journal.clone();
        in_background(move || journal.settled_after(&after, limit))
    }
}

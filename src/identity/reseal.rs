//! A change of the master key while everything runs: every stored secret is opened with the key that sealed it and sealed
//! with the first one (`access.md` §12).
//!
//! A value is replaced only if it still is the one that was read, so nothing that is saved meanwhile is lost, and two
//! instances that do this at once are only in each other's way. Where it was interrupted needs no note: what the first key
//! has not sealed is what is left.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actors::clock::Clock;
use actors::domain::time::Timestamp;
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::task::JoinHandle;

use super::seal::Sealer;
use crate::store::audit::{self, AuditEntry};
use crate::store::sealed::{self, SealedColumn, SealedValue};
use crate::store::vault::{Place, Vault, VaultError};
use crate::store::{Db, StoreError, meta};

/// Where a run stands, or how the last one of this process ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// A run is under way.
    pub running: bool,
    /// Begin of the run; `None` = none since the process started.
    pub started_at: Option<Timestamp>,
    /// Its end.
    pub finished_at: Option<Timestamp>,
    /// Values that were sealed anew.
    pub resealed: u64,
    /// Values that did not open; they stay as they are.
    pub failed: u64,
    /// Why it stopped before its end.
    pub error: Option<String>,
}

/// Somebody was first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stored secrets are being sealed anew already")]
pub struct AlreadyRunning;

/// Seals stored values anew. Clones share one run, which ends with the last of them.
#[derive(Clone)]
pub struct Reseal {
    db: Db,
    sealer: Arc<Sealer>,
    clock: Clock,
    progress: Arc<Mutex<Progress>>,
    task: Arc<Task>,
}

/// The background run.
#[derive(Default)]
struct Task(Mutex<Option<JoinHandle<()>>>);

impl Drop for Task {
    fn drop(&mut self) {
        let task = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        task.iter().for_each(JoinHandle::abort);
    }
}

impl Reseal {
    /// For a database and the keys of its values.
    pub fn new(db: Db, sealer: Arc<Sealer>, clock: Clock) -> Self {
        Self { db, sealer, clock, progress: Arc::default(), task: Arc::default() }
    }

    /// Where it stands.
    pub fn progress(&self) -> Progress {
        lock(&self.progress).clone()
    }

    /// Ids of the keys, the sealing one first.
    pub fn key_ids(&self) -> Vec<String> {
        self.sealer.key_ids().map(str::to_owned).collect()
    }

    /// Starts a run in the background; `entry` says in the audit log who asked for it.
    ///
    /// # Errors
    /// The database failed, or, as `Ok(Err(…))`, a run is under way.
    pub async fn start(&self, entry: AuditEntry) -> Result<Result<(), AlreadyRunning>, StoreError> {
        if self.progress().running {
            return Ok(Err(AlreadyRunning));
        }
        self.mark(entry).await?;
        Ok(self.spawn())
    }

    /// Goes on with a run that an earlier process did not finish.
    ///
    /// # Errors
    /// The database failed.
    pub async fn resume(&self) -> Result<(), StoreError> {
        if meta::get(&self.db, meta::RESEALING).await?.is_some() && self.spawn().is_ok() {
            tracing::info!("stored secrets are sealed anew: going on where an earlier process ended");
        }
        Ok(())
    }

    /// Runs here and now, for the command line.
    ///
    /// # Errors
    /// The database failed.
    pub async fn run(&self, entry: AuditEntry) -> Result<Progress, StoreError> {
        self.mark(entry).await?;
        *lock(&self.progress) = Progress::default();
        run(&self.db, &self.sealer, self.clock.now(), &self.progress).await?;
        Ok(self.progress())
    }

    /// A note that a run has begun, so that the next process goes on when this one ends.
    async fn mark(&self, entry: AuditEntry) -> Result<(), StoreError> {
        meta::put(&self.db.audited(entry), meta::RESEALING, &self.clock.now().0.to_string()).await
    }

    fn spawn(&self) -> Result<(), AlreadyRunning> {
        let begun = self.clock.now();
        let mut progress = lock(&self.progress);
        if progress.running {
            return Err(AlreadyRunning);
        }
        *progress = Progress { running: true, started_at: Some(begun), ..Progress::default() };
        drop(progress);
        let (db, sealer, clock) = (self.db.clone(), Arc::clone(&self.sealer), self.clock.clone());
        let progress = Arc::clone(&self.progress);
        let task = self.db.io().handle().spawn(async move {
            let result = run(&db, &sealer, begun, &progress).await;
            if let Err(error) = &result {
                tracing::error!(%error, "stored secrets could not all be sealed anew");
            }
            let mut progress = lock(&progress);
            progress.running = false;
            progress.finished_at = Some(clock.now());
            progress.error = result.err().map(|error| error.to_string());
        });
        *lock(&self.task.0) = Some(task);
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Rewrites everything, the check value last. While one value does not open, the check value stays with the old key.
async fn run(db: &Db, sealer: &Sealer, now: Timestamp, progress: &Mutex<Progress>) -> Result<(), StoreError> {
    for column in sealed::COLUMNS {
        run_column(db, sealer, column, progress).await?;
    }
    if lock(progress).failed == 0 {
        for name in sealed::NAMED {
            run_named(db, sealer, name, progress).await?;
        }
    }
    meta::remove(db, meta::RESEALING).await?;
    let Progress { resealed, failed, .. } = lock(progress).clone();
    let entry = AuditEntry {
        target_type: Some("master_key".to_owned()),
        result: if failed == 0 { "ok" } else { "failed" },
        changes: json!({ "resealed": [null, resealed], "failed": [null, failed] }),
        ..AuditEntry::system(now, "reencrypt_finished")
    };
    audit::append(db, entry).await
}

async fn run_column(
    db: &Db,
    sealer: &Sealer,
    column: &SealedColumn,
    progress: &Mutex<Progress>,
) -> Result<(), StoreError> {
    let mut after = i64::MIN;
    loop {
        let stale = column.stale(db, after, &sealer.current()).await?;
        let Some(last) = stale.last() else { return Ok(()) };
        after = last.row;
        let mut fresh: Vec<(SealedValue, String)> = Vec::with_capacity(stale.len());
        let mut failed = 0;
        for value in stale {
            match again(sealer, column.place(value.row), &value.text) {
                Ok(text) => fresh.push((value, text)),
                Err(error) => {
                    failed += 1;
                    let (table, column) = (column.table, column.column);
                    tracing::error!(table, column, row = value.row, %error, "a stored secret does not open");
                }
            }
        }
        let resealed = column.replace(db, fresh).await?;
        let mut progress = lock(progress);
        progress.resealed += resealed;
        progress.failed += failed;
    }
}

async fn run_named(db: &Db, sealer: &Sealer, name: &'static str, progress: &Mutex<Progress>) -> Result<(), StoreError> {
    let stored = meta::get(db, name).await?;
    let Some(stored) = stored.filter(|text| !text.starts_with(&sealer.current())) else { return Ok(()) };
    let fresh = again(sealer, sealed::named_place(name), &stored)?;
    if sealed::replace_named(db, name, &stored, fresh).await? {
        lock(progress).resealed += 1;
    }
    Ok(())
}

fn again(sealer: &Sealer, place: Place<'_>, text: &str) -> Result<String, VaultError> {
    sealer.seal(place, sealer.open(place, text)?.expose_secret())
}

//! The handle through which every repository reads and writes.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::audit::{self, AuditEntry};
use super::error::StoreError;
use super::fragments::Flavor;
use super::io::IoRuntime;
use super::pools::{Done, Pools, Tx, TxFuture};
use super::sql::{Row, Sql};

/// Longest ordinary call. Management answers 503 within 5 s when the database is frozen (`reliability.md` R3).
const CALL: Duration = Duration::from_secs(4);
/// Longest call of a background job: a large batch, a sweep.
const JOB: Duration = Duration::from_secs(30);
/// A management transaction that lost a deadlock is run again this often.
const ATTEMPTS: u32 = 8;
/// Longest pause before the second run, in ms; doubles.
const PAUSE_MS: u64 = 2;

/// The database. Clones share the connections.
#[derive(Clone, Debug)]
pub struct Db {
    io: IoRuntime,
    pools: Pools,
    audit: Option<Arc<AuditEntry>>,
}

/// One page of a list: at most `limit` rows after skipping `offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Rows to skip.
    pub offset: i64,
    /// Rows to return.
    pub limit: i64,
}

impl Default for Page {
    fn default() -> Self {
        Self { offset: 0, limit: 100 }
    }
}

impl Db {
    /// Opens `sqlite://PATH` (created when missing) or `mysql://…`. Does not migrate.
    pub async fn open(io: &IoRuntime, url: &str) -> Result<Self, StoreError> {
        let url = url.to_owned();
        let pools = bounded(io, CALL, async move { Pools::open(&url).await }).await?;
        Ok(Self { io: io.clone(), pools, audit: None })
    }

    /// A handle whose write transactions append this entry to the audit log, in the same commit.
    pub fn audited(&self, entry: AuditEntry) -> Self {
        Self { audit: Some(Arc::new(entry)), ..self.clone() }
    }

    /// Which database this is.
    pub const fn flavor(&self) -> Flavor {
        self.pools.flavor()
    }

    /// The database file; `None` for a server.
    pub fn file(&self) -> Option<&Path> {
        match &self.pools {
            Pools::Sqlite { path, .. } => Some(path),
            Pools::MySql(_) => None,
        }
    }

    /// The runtime that owns the connections.
    pub const fn io(&self) -> &IoRuntime {
        &self.io
    }

    /// Connections now open, and how many of them are idle, for metrics.
    pub fn connections(&self) -> (u32, usize) {
        self.pools.size()
    }

    /// One round trip, for readiness.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.read(super::sql::sql("SELECT 1 AS one")).await.map(drop)
    }

    /// Closes the connections after running calls have ended. Later calls fail as unavailable.
    pub async fn close(&self) {
        let pools = self.pools.clone();
        // The runtime can only be gone, and with it the connections.
        let _ = self.io.run(async move { pools.close().await }).await;
    }

    pub(crate) async fn read(&self, sql: Sql) -> Result<Vec<Row>, StoreError> {
        let pools = self.pools.clone();
        bounded(&self.io, CALL, async move { pools.read(sql).await }).await
    }

    pub(crate) async fn read_one(&self, sql: Sql) -> Result<Option<Row>, StoreError> {
        Ok(self.read(sql).await?.into_iter().next())
    }

    /// One statement in its own transaction.
    pub(crate) async fn write(&self, sql: Sql) -> Result<Done, StoreError> {
        self.change(move |tx| {
            let sql = sql.clone();
            Box::pin(async move { tx.write(sql).await })
        })
        .await
    }

    /// A transaction; run again when another one was in the way. The audit entry, if any, commits with it.
    pub(crate) async fn change<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        F: for<'a> Fn(&'a mut Tx) -> TxFuture<'a, T> + Send + Sync + 'static,
        T: Send + 'static,
    {
        self.transact(CALL, job).await
    }

    /// As [`Self::change`], for background work that may take longer.
    pub(crate) async fn work<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        F: for<'a> Fn(&'a mut Tx) -> TxFuture<'a, T> + Send + Sync + 'static,
        T: Send + 'static,
    {
        self.transact(JOB, job).await
    }

    async fn transact<T, F>(&self, limit: Duration, job: F) -> Result<T, StoreError>
    where
        F: for<'a> Fn(&'a mut Tx) -> TxFuture<'a, T> + Send + Sync + 'static,
        T: Send + 'static,
    {
        let (pools, audit) = (self.pools.clone(), self.audit.clone());
        bounded(&self.io, limit, async move {
            let mut attempt = 1;
            loop {
                match once(&pools, audit.as_deref(), &job).await {
                    Err(StoreError::Aborted(_)) if attempt < ATTEMPTS => {
                        // Transactions that were in each other's way must not meet again.
                        let most = PAUSE_MS << attempt;
                        tokio::time::sleep(Duration::from_millis(rand::random_range(1..=most))).await;
                        attempt += 1;
                    }
                    result => return result,
                }
            }
        })
        .await
    }

    /// The pools, for the migrations.
    pub(super) const fn pools(&self) -> &Pools {
        &self.pools
    }
}

async fn once<T, F>(pools: &Pools, entry: Option<&AuditEntry>, job: &F) -> Result<T, StoreError>
where
    F: for<'a> Fn(&'a mut Tx) -> TxFuture<'a, T>,
{
    let mut tx = pools.begin().await?;
    tx.audit = entry.cloned();
    let value = job(&mut tx).await?;
    if let Some(entry) = tx.audit.take() {
        audit::append_in(&mut tx, &entry).await?;
    }
    tx.commit().await?;
    Ok(value)
}

async fn bounded<T, F>(io: &IoRuntime, limit: Duration, call: F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>> + Send + 'static,
    T: Send + 'static,
{
    let bounded = async move {
        let late = |_| Err(StoreError::Unavailable("no answer in time".to_owned()));
        tokio::time::timeout(limit, call).await.unwrap_or_else(late)
    };
    io.run(bounded).await?
}

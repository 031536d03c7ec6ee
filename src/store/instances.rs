//! Which instances are alive, and the rule that an embedded database has one.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::PathBuf;

use actors::domain::time::{SECOND, Timestamp};

use super::db::Db;
use super::error::StoreError;
use super::sql::{built, sql};

/// Without a heartbeat for this long, an instance is dead. Hearts beat every 10 s.
pub const DEAD_AFTER_MS: i64 = 30 * SECOND;

/// An instance as it last reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceRow {
    /// Its name; also names its journal files.
    pub instance: String,
    /// Start of the process.
    pub started_at: Timestamp,
    /// Last heartbeat.
    pub heartbeat_at: Timestamp,
    /// Version of the binary.
    pub version: String,
    /// `embedded` or `fleet`.
    pub mode: String,
}

/// Why this instance may not serve.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another process serves this database.
    #[error("another instance is already serving this database: {0}")]
    Taken(String),
    /// The lock file beside the database cannot be made.
    #[error("cannot lock {path}: {error}")]
    Lock {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The right to be the only instance of an embedded database; ends with the value, or with the process however it dies.
#[derive(Debug)]
pub struct Claim {
    _lock: Option<File>,
}

/// Claims an embedded database. A file is claimed by an operating system lock, so that a restart right after a crash
/// succeeds; a server that is used in embedded mode, by the heartbeats of other names.
pub async fn claim(db: &Db, instance: &str, now: Timestamp) -> Result<Claim, ClaimError> {
    let lock = db.file().map(|file| file.with_added_extension("lock")).map(lock_file).transpose()?;
    if lock.is_none() {
        let others = sql("SELECT instance FROM instances WHERE instance <> ? AND heartbeat_at > ? LIMIT 1");
        let others = db.read_one(others.bind(instance).bind(now.plus(-DEAD_AFTER_MS))).await?;
        if let Some(other) = others {
            return Err(ClaimError::Taken(other.text("instance")?));
        }
    }
    Ok(Claim { _lock: lock })
}

fn lock_file(path: PathBuf) -> Result<File, ClaimError> {
    let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = open.map_err(|error| ClaimError::Lock { path: path.clone(), error })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ClaimError::Taken(path.display().to_string())),
        Err(TryLockError::Error(error)) => Err(ClaimError::Lock { path, error }),
    }
}

/// Beats the heart of an instance; the first beat registers it.
pub async fn heartbeat(
    db: &Db,
    instance: &str,
    started_at: Timestamp,
    version: &str,
    mode: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let text = format!(
        "INSERT INTO instances (instance, started_at, heartbeat_at, version, mode) VALUES (?, ?, ?, ?, ?){}",
        db.flavor().upsert_set("instance", &["started_at", "heartbeat_at", "version", "mode"])
    );
    let beat = built(text).bind(instance).bind(started_at).bind(now).bind(version).bind(mode);
    db.write(beat).await.map(drop)
}

/// Removes an instance that stops in good order.
pub async fn leave(db: &Db, instance: &str) -> Result<(), StoreError> {
    db.write(sql("DELETE FROM instances WHERE instance = ?").bind(instance)).await.map(drop)
}

/// Every instance that ever reported and did not leave.
pub async fn list(db: &Db) -> Result<Vec<InstanceRow>, StoreError> {
    let rows = db
        .read(sql("SELECT instance, started_at, heartbeat_at, version, mode FROM instances ORDER BY instance"))
        .await?;
    rows.iter()
        .map(|row| {
            Ok(InstanceRow {
                instance: row.text("instance")?,
                started_at: row.time("started_at")?,
                heartbeat_at: row.time("heartbeat_at")?,
                version: row.text("version")?,
                mode: row.text("mode")?,
            })
        })
        .collect()
}

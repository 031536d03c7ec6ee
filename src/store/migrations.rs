//! The schema: embedded migrations, applied under a lock that holds on every database.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::time::Duration;

use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::{Connection, MySqlConnection, SqliteConnection};

use super::db::Db;
use super::error::StoreError;
use super::io::IoGone;
use super::pools::Pools;

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static MYSQL: Migrator = sqlx::migrate!("migrations/mysql");

/// Name of the lock; one per database, so that two products on one server do not wait for each other.
const LOCK: &str = "SELECT GET_LOCK(CONCAT('quotalane_migrate:', DATABASE()), 60)";
const UNLOCK: &str = "SELECT RELEASE_LOCK(CONCAT('quotalane_migrate:', DATABASE()))";
/// Longest whole run, waiting for another migrator included.
const LIMIT: Duration = Duration::from_secs(600);
/// Where sqlx notes what it applied.
const TABLE: &str = "_sqlx_migrations";

/// One migration and whether the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationState {
    /// Number of the file.
    pub version: i64,
    /// Name of the file without number and ending.
    pub name: String,
    /// Applied.
    pub applied: bool,
    /// Applied with a different text than the one built in.
    pub changed: bool,
}

/// Applies what is missing. Safe to call from several instances at once; they take turns.
pub async fn up(db: &Db) -> Result<(), StoreError> {
    let pools = db.pools().clone();
    let run = async move {
        match pools {
            Pools::Sqlite { writer, path, .. } => {
                let _turn = lock_file(path.with_added_extension("migrate")).await?;
                let mut connection = writer.acquire().await?;
                apply(&SQLITE, &mut *connection).await
            }
            Pools::MySql(pool) => {
                // Its own connection: the lock belongs to the session, and must not go back to the pool if we are cut.
                let mut connection = pool.acquire().await?.detach();
                lock(&mut connection).await?;
                let result = apply(&MYSQL, &mut connection).await;
                sqlx::query(UNLOCK).execute(&mut connection).await?;
                connection.close().await?;
                result
            }
        }
    };
    let late = |_| Err(StoreError::Unavailable("migration took too long".to_owned()));
    db.io().run(async move { tokio::time::timeout(LIMIT, run).await.unwrap_or_else(late) }).await?
}

/// SQLite has no lock that outlives a transaction, and each migration is one. Waits for another process of this host.
async fn lock_file(path: PathBuf) -> Result<File, StoreError> {
    let lock = move || {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        file.lock()?;
        Ok::<_, std::io::Error>(file)
    };
    let locked = tokio::task::spawn_blocking(lock).await.map_err(|_| IoGone)?;
    locked.map_err(|error| StoreError::Unavailable(format!("migration lock: {}", error.kind())))
}

/// sqlx's own lock asks MariaDB for an endless wait, which it refuses with NULL; ours checks what it got.
async fn lock(connection: &mut MySqlConnection) -> Result<(), StoreError> {
    let got: Option<i64> = sqlx::query_scalar(LOCK).fetch_one(connection).await?;
    if got == Some(1) {
        return Ok(());
    }
    Err(StoreError::Unavailable("another instance is still migrating".to_owned()))
}

async fn apply<C: Migrate>(migrator: &Migrator, connection: &mut C) -> Result<(), StoreError> {
    let mut migrator = Migrator::with_migrations(migrator.iter().cloned().collect());
    migrator.set_locking(false).set_ignore_missing(true);
    migrator.run_direct(None, connection, false).await.map_err(failed)
}

fn failed(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) => StoreError::from(error),
        other => StoreError::Data(other.to_string()),
    }
}

/// Every migration that this binary knows, with its state.
pub async fn status(db: &Db) -> Result<Vec<MigrationState>, StoreError> {
    let pools = db.pools().clone();
    let run = async move {
        match pools {
            Pools::Sqlite { writer, .. } => {
                let mut connection = writer.acquire().await?;
                states::<SqliteConnection>(&SQLITE, &mut connection).await
            }
            Pools::MySql(pool) => {
                let mut connection = pool.acquire().await?;
                states::<MySqlConnection>(&MYSQL, &mut connection).await
            }
        }
    };
    db.io().run(run).await?
}

async fn states<C: Migrate>(migrator: &Migrator, connection: &mut C) -> Result<Vec<MigrationState>, StoreError> {
    connection.ensure_migrations_table(TABLE).await.map_err(failed)?;
    let applied = connection.list_applied_migrations(TABLE).await.map_err(failed)?;
    let state = |migration: &sqlx::migrate::Migration| {
        let found = applied.iter().find(|a| a.version == migration.version);
        MigrationState {
            version: migration.version,
            name: migration.description.to_string(),
            applied: found.is_some(),
            changed: found.is_some_and(|a| a.checksum != migration.checksum),
        }
    };
    Ok(migrator.iter().map(state).collect())
}

/// Refuses a database that lacks a migration of this binary, or has another text of one. A newer database passes:
/// migrations are additive, and an older instance may still run while a fleet is updated.
pub async fn verify(db: &Db) -> Result<(), StoreError> {
    let states = status(db).await?;
    match states.iter().find(|s| !s.applied || s.changed) {
        None => Ok(()),
        Some(s) if s.changed => {
            Err(StoreError::Data(format!("migration {} was changed after it was applied", s.version)))
        }
        Some(s) => Err(StoreError::Data(format!("migration {} is missing: run `quotalane migrate up`", s.version))),
    }
}

//! The connections: how they are opened, and a transaction on one of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{MySql, Sqlite, Transaction};

use super::audit::AuditEntry;
use super::error::StoreError;
use super::fragments::Flavor;
use super::sql::{Row, Sql};

/// WAL lets readers run beside the writer; more than four only compete for the same two threads.
const SQLITE_READERS: u32 = 4;
/// How long SQLite waits for another process's lock.
const SQLITE_BUSY: Duration = Duration::from_secs(5);
/// MySQL connections of this instance.
const MYSQL_CONNECTIONS: u32 = 20;
/// Longest wait for a free connection.
const ACQUIRE: Duration = Duration::from_secs(2);
/// Well below the server's `wait_timeout` (8 h by default).
const MYSQL_LIFETIME: Duration = Duration::from_secs(1_800);

/// The two databases that we speak to.
#[derive(Debug, Clone)]
pub enum Pools {
    /// One file: a single writer, and readers that cannot write.
    Sqlite {
        /// The only connection that writes.
        writer: SqlitePool,
        /// Connections with `query_only`.
        readers: SqlitePool,
        /// The database file.
        path: PathBuf,
    },
    /// MySQL 8 or MariaDB ≥ 10.11.
    MySql(MySqlPool),
}

/// What a write did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Rows matched (not only those that changed); of an upsert never a basis for a decision.
    pub affected: u64,
    /// Id that the database gave to the inserted row.
    pub insert_id: i64,
}

/// A write transaction. Dropped without [`Tx::commit`], it rolls back.
pub struct Tx {
    inner: Inner,
    /// Goes into the audit log with the commit.
    pub(super) audit: Option<AuditEntry>,
}

enum Inner {
    Sqlite(Transaction<'static, Sqlite>),
    MySql(Transaction<'static, MySql>),
}

/// Work inside a transaction.
pub type TxFuture<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

impl Pools {
    /// Opens `sqlite://PATH` or `mysql://…`. Must run on the I/O runtime.
    pub(super) async fn open(url: &str) -> Result<Self, StoreError> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            return Self::open_sqlite(Path::new(path.strip_prefix("//").unwrap_or(path))).await;
        }
        // The parser's own error may repeat parts of the URL, and with it the password.
        let options: MySqlConnectOptions =
            url.parse().map_err(|_| StoreError::Unavailable("malformed database url".to_owned()))?;
        let pool = MySqlPoolOptions::new()
            .max_connections(MYSQL_CONNECTIONS)
            .acquire_timeout(ACQUIRE)
            .max_lifetime(MYSQL_LIFETIME)
            .connect_with(options)
            .await?;
        Ok(Self::MySql(pool))
    }

    async fn open_sqlite(path: &Path) -> Result<Self, StoreError> {
        let file = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(SQLITE_BUSY)
            .foreign_keys(true)
            // A power cut may lose the last commits but never consistency; usage returns from the journal, because its
            // offset falls back together with its rows.
            .synchronous(SqliteSynchronous::Normal);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(SQLITE_BUSY)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(file.clone().create_if_missing(true))
            .await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(SQLITE_READERS)
            .acquire_timeout(ACQUIRE)
            .connect_with(file.pragma("query_only", "1"))
            .await?;
        Ok(Self::Sqlite { writer, readers, path: path.to_owned() })
    }

    pub(super) const fn flavor(&self) -> Flavor {
        match self {
            Self::Sqlite { .. } => Flavor::Sqlite,
            Self::MySql(_) => Flavor::MySql,
        }
    }

    pub(crate) async fn read(&self, sql: Sql) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite { readers, .. } => {
                let (text, arguments) = sql.sqlite()?;
                let rows = sqlx::query_with(text, arguments).fetch_all(readers).await?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
            Self::MySql(pool) => {
                let (text, arguments) = sql.mysql()?;
                let rows = sqlx::query_with(text, arguments).fetch_all(pool).await?;
                Ok(rows.into_iter().map(Row::MySql).collect())
            }
        }
    }

    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        let inner = match self {
            // Immediate: a transaction that read before it writes could not be upgraded while another writer waits.
            Self::Sqlite { writer, .. } => Inner::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
            Self::MySql(pool) => Inner::MySql(pool.begin().await?),
        };
        Ok(Tx { inner, audit: None })
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers, .. } => {
                readers.close().await;
                writer.close().await;
            }
            Self::MySql(pool) => pool.close().await,
        }
    }

    /// Connections now open, and how many of them are idle.
    pub(super) fn size(&self) -> (u32, usize) {
        match self {
            Self::Sqlite { writer, readers, .. } => {
                (writer.size() + readers.size(), writer.num_idle() + readers.num_idle())
            }
            Self::MySql(pool) => (pool.size(), pool.num_idle()),
        }
    }
}

impl Tx {
    pub(crate) const fn flavor(&self) -> Flavor {
        match self.inner {
            Inner::Sqlite(_) => Flavor::Sqlite,
            Inner::MySql(_) => Flavor::MySql,
        }
    }

    pub(crate) async fn read(&mut self, sql: Sql) -> Result<Vec<Row>, StoreError> {
        match &mut self.inner {
            Inner::Sqlite(tx) => {
                let (text, arguments) = sql.sqlite()?;
                let rows = sqlx::query_with(text, arguments).fetch_all(&mut **tx).await?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
            Inner::MySql(tx) => {
                let (text, arguments) = sql.mysql()?;
                let rows = sqlx::query_with(text, arguments).fetch_all(&mut **tx).await?;
                Ok(rows.into_iter().map(Row::MySql).collect())
            }
        }
    }

    pub(crate) async fn write(&mut self, sql: Sql) -> Result<Done, StoreError> {
        match &mut self.inner {
            Inner::Sqlite(tx) => {
                let (text, arguments) = sql.sqlite()?;
                let done = sqlx::query_with(text, arguments).execute(&mut **tx).await?;
                Ok(Done { affected: done.rows_affected(), insert_id: done.last_insert_rowid() })
            }
            Inner::MySql(tx) => {
                let (text, arguments) = sql.mysql()?;
                let done = sqlx::query_with(text, arguments).execute(&mut **tx).await?;
                let insert_id = i64::try_from(done.last_insert_id()).unwrap_or(i64::MAX);
                Ok(Done { affected: done.rows_affected(), insert_id })
            }
        }
    }

    /// A write that must hit a row.
    pub(crate) async fn write_one(&mut self, sql: Sql) -> Result<(), StoreError> {
        if self.write(sql).await?.affected == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self.inner {
            Inner::Sqlite(tx) => tx.commit().await?,
            Inner::MySql(tx) => tx.commit().await?,
        }
        Ok(())
    }

    /// Names the row that an audited creation made; its id was not known when the entry was written.
    pub(crate) fn created(&mut self, id: i64) {
        if let Some(entry) = &mut self.audit {
            entry.target_id.get_or_insert_with(|| id.to_string());
        }
    }
}

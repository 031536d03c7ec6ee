//! Reads the product's database from outside: its own accounting, to be compared with what was served.

use std::path::Path;
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Row};
use tokio::time::Instant;

const COUNT: &str = "SELECT COUNT(*) FROM usage_records";

/// A connection that only reads.
pub enum Rows {
    /// The embedded database.
    Sqlite(SqliteConnection),
    /// A fleet's.
    MySql(MySqlConnection),
}

impl Rows {
    /// The product's SQLite file.
    pub async fn sqlite(database: &Path) -> anyhow::Result<Self> {
        let options =
            SqliteConnectOptions::new().filename(database).read_only(true).busy_timeout(Duration::from_secs(5));
        Ok(Self::Sqlite(options.connect().await?))
    }

    /// The product's MariaDB.
    pub async fn mysql(url: &str) -> anyhow::Result<Self> {
        Ok(Self::MySql(url.parse::<MySqlConnectOptions>()?.connect().await?))
    }

    /// How many request rows there are.
    pub async fn requests(&mut self) -> anyhow::Result<u64> {
        let count: i64 = match self {
            Self::Sqlite(connection) => sqlx::query(COUNT).fetch_one(connection).await?.get(0),
            Self::MySql(connection) => sqlx::query(COUNT).fetch_one(connection).await?.get(0),
        };
        Ok(u64::try_from(count)?)
    }

    /// Waits until there are `wanted` request rows. Returns how many there are at the end.
    pub async fn settled(&mut self, wanted: u64, patience: Duration) -> anyhow::Result<u64> {
        let deadline = Instant::now() + patience;
        loop {
            let found = self.requests().await?;
            if found >= wanted || Instant::now() > deadline {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

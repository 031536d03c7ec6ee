//! Reads the product's SQLite file from outside: its own accounting, to be compared with what was served.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Row};
use tokio::time::Instant;

/// A read-only connection to the product's database.
pub async fn open(database: &Path) -> anyhow::Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(database).read_only(true).busy_timeout(Duration::from_secs(5));
    Ok(options.connect().await?)
}

/// How many request rows there are.
pub async fn requests(connection: &mut SqliteConnection) -> anyhow::Result<u64> {
    let row = sqlx::query("SELECT COUNT(*) FROM usage_records").fetch_one(connection).await?;
    Ok(u64::try_from(row.get::<i64, _>(0))?)
}

/// Waits until there are `wanted` request rows. Returns how many there are at the end.
pub async fn settled(connection: &mut SqliteConnection, wanted: u64, patience: Duration) -> anyhow::Result<u64> {
    let deadline = Instant::now() + patience;
    loop {
        let found = requests(connection).await?;
        if found >= wanted || Instant::now() > deadline {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

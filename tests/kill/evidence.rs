//! The records of a run: the upstream's, the clients', and the product's rows, read with SQL of this test's own.

use std::path::PathBuf;
use std::time::Duration;

use bench::rig::mock::Call;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row};

use crate::traffic::Exchange;

/// Where the product keeps its rows.
#[derive(Debug, Clone)]
pub enum Database {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A MySQL URL.
    MySql(String),
}

/// Token counts, normalised: disjoint kinds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Uncached prompt.
    pub input: i64,
    /// Read from a cache.
    pub cache_read: i64,
    /// Written to a cache, any lifetime.
    pub cache_write: i64,
    /// Generated.
    pub output: i64,
}

/// A row of `usage_records`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Request id.
    pub id: String,
    /// `ok`, `error`, …
    pub status: String,
    /// Attempts that it says it made.
    pub attempts: i64,
    /// Tokens.
    pub counts: Counts,
    /// The upstream did not report to the end: output is counted from what was streamed.
    pub estimated: bool,
    /// Charge in nano-USD.
    pub charge: i64,
}

/// A row of `usage_attempts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// `<request>.<n>`.
    pub id: String,
    /// Its request.
    pub request: String,
    /// The upstream's own request id.
    pub upstream: Option<String>,
    /// Tokens.
    pub counts: Counts,
}

/// Charges that the product has added up in other places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// `(where, nanos)`.
    pub charges: Vec<(&'static str, i64)>,
}

/// Everything about a run.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The upstream's record.
    pub calls: Vec<Call>,
    /// The clients' record.
    pub exchanges: Vec<Exchange>,
    /// Request rows.
    pub requests: Vec<Request>,
    /// Attempt rows.
    pub attempts: Vec<Attempt>,
    /// Sums over the request rows, as kept elsewhere.
    pub sums: Sums,
    /// Request rows as they were before the last fault.
    pub before: Vec<Request>,
    /// Gauges that must be zero now, with their values.
    pub gauges: Vec<(String, f64)>,
}

const REQUESTS: &str = "SELECT request_id, status, attempts, input_tokens, cache_read_tokens, \
    cache_w5m_tokens + cache_w1h_tokens, output_tokens, charge_nanos, estimated FROM usage_records ORDER BY request_id";
const ATTEMPTS: &str = "SELECT attempt_id, request_id, upstream_request_id, input_tokens, cache_read_tokens, \
    cache_w5m_tokens + cache_w1h_tokens, output_tokens FROM usage_attempts ORDER BY attempt_id";
/// Rollups that must add up to the rows they came from.
const SUMS: [(&str, &str); 2] = [
    ("usage_hourly", "SELECT CAST(COALESCE(SUM(charge_nanos), 0) AS SIGNED) FROM usage_hourly"),
    ("daily_usages", "SELECT CAST(COALESCE(SUM(charge_nanos), 0) AS SIGNED) FROM daily_usages"),
];

/// The rows of the product.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// Request rows.
    pub requests: Vec<Request>,
    /// Attempt rows.
    pub attempts: Vec<Attempt>,
    /// Sums kept elsewhere.
    pub sums: Sums,
}

/// Reads every table with one kind of connection; the row types differ between databases, the SQL does not.
macro_rules! read_rows {
    ($connection:expr, $signed:expr) => {{
        let mut rows = Rows::default();
        for row in sqlx::query(REQUESTS).fetch_all(&mut $connection).await? {
            rows.requests.push(Request {
                id: row.get(0),
                status: row.get(1),
                attempts: row.get(2),
                counts: Counts {
                    input: row.get(3),
                    cache_read: row.get(4),
                    cache_write: row.get(5),
                    output: row.get(6),
                },
                charge: row.get(7),
                estimated: row.get(8),
            });
        }
        for row in sqlx::query(ATTEMPTS).fetch_all(&mut $connection).await? {
            rows.attempts.push(Attempt {
                id: row.get(0),
                request: row.get(1),
                upstream: row.get(2),
                counts: Counts {
                    input: row.get(3),
                    cache_read: row.get(4),
                    cache_write: row.get(5),
                    output: row.get(6),
                },
            });
        }
        for (place, sql) in SUMS {
            let sql = sqlx::AssertSqlSafe(sql.replace("SIGNED", $signed));
            rows.sums.charges.push((place, sqlx::query(sql).fetch_one(&mut $connection).await?.get(0)));
        }
        rows
    }};
}

impl Database {
    /// Reads the product's rows.
    pub async fn rows(&self) -> anyhow::Result<Rows> {
        match self {
            Self::Sqlite(path) => {
                let options = SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_secs(5));
                let mut connection = options.read_only(true).connect().await?;
                Ok(read_rows!(connection, "INTEGER"))
            }
            Self::MySql(url) => {
                let mut connection = sqlx::MySqlConnection::connect(url).await?;
                Ok(read_rows!(connection, "SIGNED"))
            }
        }
    }
}

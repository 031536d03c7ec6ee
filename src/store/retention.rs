//! Deletes rows past their age, in small transactions, so that neither the writer nor replication stands still.

use actors::domain::settings::Settings;
use actors::domain::time::{DAY, Timestamp};

use super::db::Db;
use super::error::StoreError;
use super::sql::{built, sql};

/// Rows per transaction.
const STEP: usize = 500;
/// Transactions per table and run; what is left goes with the next run.
const STEPS: usize = 200;
/// Money windows of keys end after a month at most; the running one is never older than this.
const WINDOW_DAYS: i64 = 40;

/// A table with a key of one column and a time.
struct Aged {
    table: &'static str,
    key: &'static str,
    time: &'static str,
    days: i64,
}

/// Deletes what the settings no longer want kept. Returns how many rows went.
pub async fn sweep(db: &Db, settings: &Settings, now: Timestamp) -> Result<u64, StoreError> {
    let tables = [
        Aged { table: "usage_records", key: "request_id", time: "started_at", days: settings.retention_usage_days },
        Aged { table: "usage_attempts", key: "attempt_id", time: "started_at", days: settings.retention_attempt_days },
        Aged { table: "usage_charges", key: "request_id", time: "started_at", days: settings.retention_usage_days },
        Aged { table: "decisions", key: "request_id", time: "created_at", days: settings.retention_decision_days },
    ];
    let mut deleted = 0;
    for aged in tables {
        deleted += sweep_table(db, &aged, now).await?;
    }
    if settings.retention_audit_days > 0 {
        deleted += super::audit::sweep(db, now.plus(-settings.retention_audit_days.saturating_mul(DAY))).await?;
    }
    let hours = now.plus(-settings.retention_usage_days.saturating_mul(DAY));
    deleted += db.write(sql("DELETE FROM usage_hourly WHERE hour_start < ?").bind(hours)).await?.affected;
    deleted += db.write(sql("DELETE FROM account_hourly WHERE hour_start < ?").bind(hours)).await?.affected;
    let windows = sql("DELETE FROM key_windows WHERE window_start < ? AND window_kind <> 'total'");
    deleted += db.write(windows.bind(now.plus(-WINDOW_DAYS * DAY))).await?.affected;
    deleted += db.write(sql("DELETE FROM api_key_digests WHERE valid_until <= ?").bind(now)).await?.affected;
    Ok(deleted)
}

async fn sweep_table(db: &Db, aged: &Aged, now: Timestamp) -> Result<u64, StoreError> {
    let before = now.plus(-aged.days.saturating_mul(DAY));
    let (table, key, time) = (aged.table, aged.key, aged.time);
    let mut deleted = 0;
    for _ in 0..STEPS {
        let old = built(format!("SELECT {key} FROM {table} WHERE {time} < ? ORDER BY {time} LIMIT {STEP}"));
        let old: Vec<String> =
            db.read(old.bind(before)).await?.iter().map(|row| row.text(key)).collect::<Result<_, _>>()?;
        if old.is_empty() {
            break;
        }
        let delete = built(format!("DELETE FROM {table} WHERE {time} < ? AND {key} IN ")).bind(before);
        deleted += db.write(delete.push_list(old)).await?.affected;
    }
    Ok(deleted)
}

//! A batch cut into rows, and the rows written in few statements.

use std::collections::{BTreeMap, HashSet};

use actors::domain::usage::{AttemptRow, RequestRow, UsageEvent};

use super::super::error::StoreError;
use super::super::pools::Tx;
use super::super::sql::{Value, built};

/// Rows per statement. Few fixed sizes, so that their prepared statements are found again.
const SIZES: [usize; 4] = [256, 64, 8, 1];

/// The distinct rows of a batch, in key order; of rows with the same id the first counts.
#[derive(Default)]
pub(super) struct Rows<'a> {
    pub requests: BTreeMap<String, &'a RequestRow>,
    pub attempts: BTreeMap<String, &'a AttemptRow>,
    /// Request rows seen, repeated ones included.
    pub seen: u64,
}

impl<'a> Rows<'a> {
    pub fn of(events: &'a [UsageEvent]) -> Self {
        let mut rows = Self::default();
        for event in events {
            let attempt = match event {
                UsageEvent::Attempt(attempt) => Some(attempt),
                UsageEvent::Request(request, attempt) => {
                    rows.seen += 1;
                    rows.requests.entry(request.request.to_string()).or_insert(request);
                    attempt.as_ref()
                }
            };
            if let Some(attempt) = attempt {
                rows.attempts.entry(attempt.attempt.to_string()).or_insert(attempt);
            }
        }
        rows
    }

    /// Drops what the table already has.
    pub async fn drop_stored(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        let stored = stored(tx, "usage_records", "request_id", self.requests.keys()).await?;
        self.requests.retain(|id, _| !stored.contains(id));
        let stored_attempts = stored_ids(tx, self.attempts.keys()).await?;
        self.attempts.retain(|id, _| !stored_attempts.contains(id));
        Ok(())
    }
}

async fn stored_ids(tx: &mut Tx, ids: impl Iterator<Item = &String>) -> Result<HashSet<String>, StoreError> {
    stored(tx, "usage_attempts", "attempt_id", ids).await
}

/// Which of these ids the table has. Asked inside the transaction: never concluded from row counts of an upsert.
async fn stored(
    tx: &mut Tx,
    table: &str,
    column: &str,
    ids: impl Iterator<Item = &String>,
) -> Result<HashSet<String>, StoreError> {
    let mut ids: Vec<String> = ids.cloned().collect();
    let Some(last) = ids.last().cloned() else { return Ok(HashSet::new()) };
    // Filled up to a power of two, again for the sake of prepared statements.
    ids.resize(ids.len().next_power_of_two(), last);
    let query = built(format!("SELECT {column} FROM {table} WHERE {column} IN ")).push_list(ids);
    tx.read(query).await?.iter().map(|row| row.text(column)).collect()
}

/// Inserts rows of equal width, `suffix` being empty or an upsert.
pub(super) async fn insert(
    tx: &mut Tx,
    table: &str,
    columns: &[&str],
    rows: Vec<Vec<Value>>,
    suffix: &str,
) -> Result<(), StoreError> {
    let marks = format!("({})", vec!["?"; columns.len()].join(","));
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let left = rows.len();
        let size = SIZES.into_iter().find(|size| *size <= left).unwrap_or(1);
        let text = format!(
            "INSERT INTO {table} ({}) VALUES {}{suffix}",
            columns.join(","),
            vec![marks.as_str(); size].join(",")
        );
        tx.write(built(text).bind_all(rows.by_ref().take(size).flatten())).await?;
    }
    Ok(())
}

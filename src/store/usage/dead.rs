//! Events that could not be stored after many tries, kept whole for a person to look at.

use actors::domain::time::Timestamp;
use actors::domain::usage::UsageEvent;

use super::super::db::Db;
use super::super::error::StoreError;
use super::super::sql::{clip, json, sql};

/// An event set aside.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadRow {
    /// Rising id.
    pub id: i64,
    /// Its request.
    pub request_id: String,
    /// The event.
    pub event: UsageEvent,
    /// Why.
    pub reason: String,
    /// When.
    pub created_at: Timestamp,
}

/// Sets an event aside.
pub async fn set_aside(db: &Db, event: &UsageEvent, reason: &str, now: Timestamp) -> Result<(), StoreError> {
    let request = match event {
        UsageEvent::Attempt(attempt) => attempt.attempt.request,
        UsageEvent::Request(request, _) => request.request,
    };
    let insert = sql("INSERT INTO usage_dead (request_id, event, reason, created_at) VALUES (?, ?, ?, ?)");
    let insert = insert.bind(request.to_string()).bind(json(event)?).bind(clip(reason, 1_000)).bind(now);
    db.write(insert).await.map(drop)
}

/// The newest events set aside.
pub async fn dead(db: &Db, limit: i64) -> Result<Vec<DeadRow>, StoreError> {
    let query = sql("SELECT id, request_id, event, reason, created_at FROM usage_dead ORDER BY id DESC LIMIT ?");
    let rows = db.read(query.bind(limit)).await?;
    rows.iter()
        .map(|row| {
            Ok(DeadRow {
                id: row.int("id")?,
                request_id: row.text("request_id")?,
                event: row.json("event")?,
                reason: row.text("reason")?,
                created_at: row.time("created_at")?,
            })
        })
        .collect()
}

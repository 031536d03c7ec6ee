//! Decision records that were worth keeping, as JSON lines by request.

use std::collections::BTreeMap;

use actors::domain::time::Timestamp;

use super::db::Db;
use super::error::StoreError;
use super::sql::sql;

/// Stores records with their request ids. Several of one request keep their order; a text that is not JSON is refused.
pub async fn keep(db: &Db, records: Vec<(String, String)>, now: Timestamp) -> Result<(), StoreError> {
    for (_, record) in &records {
        serde_json::from_str::<serde::de::IgnoredAny>(record)?;
    }
    db.work(move |tx| {
        let records = records.clone();
        Box::pin(async move {
            let mut next: BTreeMap<&str, i64> = BTreeMap::new();
            for (request, record) in &records {
                let number = match next.get(request.as_str()) {
                    Some(number) => *number,
                    None => {
                        let stored = sql("SELECT COUNT(*) AS stored FROM decisions WHERE request_id = ?");
                        tx.read(stored.bind(request.as_str())).await?.first().map_or(Ok(0), |row| row.int("stored"))?
                    }
                };
                let insert =
                    sql("INSERT INTO decisions (request_id, decision_no, record, created_at) VALUES (?, ?, ?, ?)");
                tx.write(insert.bind(request.as_str()).bind(number).bind(record.as_str()).bind(now)).await?;
                next.insert(request, number + 1);
            }
            Ok(())
        })
    })
    .await
}

/// The records of a request, in order.
pub async fn of_request(db: &Db, request: &str) -> Result<Vec<String>, StoreError> {
    let query = sql("SELECT record FROM decisions WHERE request_id = ? ORDER BY decision_no").bind(request);
    db.read(query).await?.iter().map(|row| row.text("record")).collect()
}

/// The newest records, newest first.
pub async fn recent(db: &Db, limit: i64) -> Result<Vec<String>, StoreError> {
    let query = sql("SELECT record FROM decisions ORDER BY created_at DESC, request_id DESC, decision_no DESC LIMIT ?");
    db.read(query.bind(limit)).await?.iter().map(|row| row.text("record")).collect()
}

//! The price book's rows: immutable but for the moment at which they end.

use actors::domain::account::Service;
use actors::domain::id::PriceVersionId;
use actors::domain::price::PriceVersion;
use actors::domain::time::Timestamp;

use super::db::Db;
use super::error::StoreError;
use super::pools::Tx;
use super::sql::{Row, json, sql};

/// Every version ever in force, by id.
pub async fn load(db: &Db) -> Result<Vec<PriceVersion>, StoreError> {
    let query = sql("SELECT id, service, pattern, kind, source, effective_from, effective_to, prices \
         FROM price_versions ORDER BY id");
    db.read(query).await?.iter().map(read).collect()
}

/// A number that changes with every change of the book.
pub async fn version(db: &Db) -> Result<i64, StoreError> {
    // Rows only come, and their end is set once.
    let query = sql("SELECT COUNT(*) + COUNT(effective_to) AS version FROM price_versions");
    db.read_one(query).await?.map_or(Ok(0), |row| row.int("version"))
}

/// Adds versions and ends what they replace, all or nothing. Ids in the argument are ignored; the new ones come back in
/// order. [`StoreError::Conflict`] when a version with the same service, pattern and start exists.
pub async fn publish(
    db: &Db,
    versions: Vec<PriceVersion>,
    created_by: &str,
    note: &str,
    now: Timestamp,
) -> Result<Vec<PriceVersionId>, StoreError> {
    let (created_by, note) = (created_by.to_owned(), note.to_owned());
    db.work(move |tx| {
        let (versions, created_by, note) = (versions.clone(), created_by.clone(), note.clone());
        Box::pin(async move {
            let mut ids = Vec::with_capacity(versions.len());
            for version in versions {
                end_current(tx, &version).await?;
                let insert = sql("INSERT INTO price_versions (service, pattern, kind, source, effective_from, \
                     effective_to, prices, created_by, note, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
                .bind(version.service.as_str())
                .bind(version.pattern.as_str())
                .bind(kind_word(&version)?)
                .bind(version.source.as_str())
                .bind(version.effective_from)
                .bind(version.effective_to)
                .bind(json(&version)?)
                .bind(created_by.as_str())
                .bind(note.as_str())
                .bind(now);
                ids.push(PriceVersionId(tx.write(insert).await?.insert_id));
            }
            Ok(ids)
        })
    })
    .await
}

async fn end_current(tx: &mut Tx, new: &PriceVersion) -> Result<(), StoreError> {
    let end = sql("UPDATE price_versions SET effective_to = ? WHERE service = ? AND pattern = ? \
         AND effective_from < ? AND (effective_to IS NULL OR effective_to > ?)");
    let end = end.bind(new.effective_from).bind(new.service.as_str()).bind(new.pattern.as_str());
    tx.write(end.bind(new.effective_from).bind(new.effective_from)).await.map(drop)
}

/// Ends a version that nothing replaces.
pub async fn retire(db: &Db, id: PriceVersionId, at: Timestamp) -> Result<(), StoreError> {
    let end = sql("UPDATE price_versions SET effective_to = ? WHERE id = ? AND effective_from < ? \
         AND (effective_to IS NULL OR effective_to > ?)");
    let done = db.write(end.bind(at).bind(id).bind(at).bind(at)).await?;
    if done.affected == 0 { Err(StoreError::NotFound) } else { Ok(()) }
}

fn kind_word(version: &PriceVersion) -> Result<String, StoreError> {
    Ok(json(&version.kind)?.trim_matches('"').to_owned())
}

/// The JSON holds the whole version; the columns, where they exist, count.
fn read(row: &Row) -> Result<PriceVersion, StoreError> {
    let stored: PriceVersion = row.json("prices")?;
    Ok(PriceVersion {
        id: PriceVersionId(row.int("id")?),
        service: row.word("service", |name| Service::ALL.into_iter().find(|s| s.as_str() == name))?,
        pattern: row.text("pattern")?,
        source: row.text("source")?,
        effective_from: row.time("effective_from")?,
        effective_to: row.opt_time("effective_to")?,
        ..stored
    })
}

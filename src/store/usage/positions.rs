//! How far each journal file is in SQL. Written with the rows it stands for, so that both fall back together.

use std::collections::{BTreeMap, HashMap};

use actors::domain::time::Timestamp;
use actors::domain::usage::JournalPosition;

use super::super::db::Db;
use super::super::error::StoreError;
use super::super::pools::Tx;
use super::super::sql::{Value, sql};
use super::batch::insert;

/// Offset per journal file of an instance: replay starts there.
pub async fn positions(db: &Db, instance: &str) -> Result<HashMap<String, u64>, StoreError> {
    let query = sql("SELECT file_name, byte_offset FROM journal_positions WHERE instance = ?").bind(instance);
    db.read(query).await?.iter().map(|row| Ok((row.text("file_name")?, row.fit("byte_offset")?))).collect()
}

/// Moves positions forward, never back: a batch that is stored late must not reopen what a later one closed.
pub(super) async fn save(
    tx: &mut Tx,
    instance: &str,
    positions: &[JournalPosition],
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut furthest: BTreeMap<&str, u64> = BTreeMap::new();
    for position in positions {
        let offset = furthest.entry(&position.file).or_default();
        *offset = position.offset.max(*offset);
    }
    let rows = furthest
        .into_iter()
        .map(|(file, offset)| vec![Value::from(instance), file.into(), offset.into(), now.into()])
        .collect();
    let columns = ["instance", "file_name", "byte_offset", "updated_at"];
    let suffix = tx.flavor().upsert_add("instance, file_name", &[], &["byte_offset", "updated_at"]);
    insert(tx, "journal_positions", &columns, rows, &suffix).await
}

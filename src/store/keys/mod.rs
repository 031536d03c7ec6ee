//! API keys: only digests are stored. Counters live in tables of their own, so that usage never rewrites a key's row.

mod digests;
mod import;
mod list;
mod policy;
mod row;

use actors::domain::id::{KeyId, UserId};
use actors::domain::time::Timestamp;

pub use digests::{Digest, rehash, rotate};
pub use import::{Imported, digest_is_known, import, imported, update_imported};
pub use list::{KeyFilter, KeyTotals, count_by_user, list, totals};
pub use policy::{FoundKey, Versions, find, generation, load, versions, window_spent};
pub use row::{KeyConfig, KeyRow, KeyStatus};

use super::db::Db;
use super::error::StoreError;
use super::pools::Tx;
use super::sql::{Sql, built, sql};

/// A key to store. The raw text stays with the caller.
#[derive(Debug, Clone, PartialEq)]
pub struct NewKey {
    /// Owner.
    pub user: UserId,
    /// Settings.
    pub config: KeyConfig,
    /// Digest of the raw text.
    pub digest: Digest,
    /// First characters of the raw text, for display.
    pub prefix: String,
    /// Last four characters.
    pub last4: String,
}

/// What [`StoreError::Conflict`] names when a user has as many keys as may be.
pub const NO_ROOM: &str = "max_api_keys";

/// Stores a new key.
pub async fn create(db: &Db, key: NewKey, now: Timestamp) -> Result<KeyId, StoreError> {
    create_within(db, key, 0, now).await
}

/// Stores a new key unless its owner has `most` keys that are not revoked; 0 = any number.
pub async fn create_within(db: &Db, key: NewKey, most: u32, now: Timestamp) -> Result<KeyId, StoreError> {
    let statement = insertion(&key, now)?;
    let (digest, user) = (key.digest, key.user);
    db.change(move |tx| {
        let (statement, digest) = (statement.clone(), digest.clone());
        Box::pin(async move {
            room_for_one(tx, user, most).await?;
            let id = KeyId(tx.write(statement).await?.insert_id);
            digests::insert(tx, id, &digest, now).await?;
            tx.created(id.0);
            bump_generation(tx).await?;
            Ok(id)
        })
    })
    .await
}

/// Counts the keys of a user one change after the other: the user's row is locked until the transaction ends.
async fn room_for_one(tx: &mut Tx, user: UserId, most: u32) -> Result<(), StoreError> {
    if most == 0 {
        return Ok(());
    }
    tx.write(sql("UPDATE users SET updated_at = updated_at WHERE id = ?").bind(user)).await?;
    let owned = tx.read(list::count_of(user)).await?;
    let owned = owned.first().map_or(Ok(0), |row| row.int("total"))?;
    if owned < i64::from(most) { Ok(()) } else { Err(StoreError::Conflict(NO_ROOM.to_owned())) }
}

fn insertion(key: &NewKey, now: Timestamp) -> Result<Sql, StoreError> {
    let columns = row::CONFIG_COLUMNS;
    let marks = vec!["?"; columns.len()].join(", ");
    let statement = built(format!(
        "INSERT INTO api_keys ({}, user_id, status, key_prefix, key_last4, version, created_at, updated_at) \
         VALUES ({marks}, ?, 'active', ?, ?, 1, ?, ?)",
        columns.join(", ")
    ));
    let statement = row::bind_config(statement, &key.config)?.bind(key.user);
    Ok(statement.bind(key.prefix.as_str()).bind(key.last4.as_str()).bind(now).bind(now))
}

/// One key; `owner` hides the keys of others.
pub async fn get(db: &Db, id: KeyId, owner: Option<UserId>) -> Result<Option<KeyRow>, StoreError> {
    let query = built(format!("{} k.id = ?", row::SELECT)).bind(id).push_if(" AND k.user_id = ?", owner);
    db.read_one(query).await?.as_ref().map(row::read).transpose()
}

/// Stores settings. `seen_version` guards against changes since they were read.
pub async fn update(
    db: &Db,
    id: KeyId,
    seen_version: i64,
    config: KeyConfig,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sets: Vec<String> = row::CONFIG_COLUMNS.iter().map(|column| format!("{column} = ?")).collect();
    let statement = built(format!(
        "UPDATE api_keys SET {}, version = version + 1, updated_at = ? WHERE id = ? AND version = ?",
        sets.join(", ")
    ));
    let statement = row::bind_config(statement, &config)?.bind(now).bind(id).bind(seen_version);
    change_row(db, id, statement).await
}

/// Disables, enables, revokes or restores a key.
pub async fn set_status(db: &Db, id: KeyId, status: KeyStatus, now: Timestamp) -> Result<(), StoreError> {
    let revoked = (status == KeyStatus::Revoked).then_some(now);
    let statement =
        sql("UPDATE api_keys SET status = ?, revoked_at = ?, updated_at = ?, version = version + 1 WHERE id = ?");
    change_row(db, id, statement.bind(status.as_str()).bind(revoked).bind(now).bind(id)).await
}

/// Makes a revoked key work again, unless its owner has `most` others that are not revoked; 0 = any number.
pub async fn restore(db: &Db, id: KeyId, user: UserId, most: u32, now: Timestamp) -> Result<(), StoreError> {
    let statement = sql("UPDATE api_keys SET status = 'active', revoked_at = NULL, updated_at = ?, \
         version = version + 1 WHERE id = ? AND status = 'revoked'");
    let statement = statement.bind(now).bind(id);
    db.change(move |tx| {
        let statement = statement.clone();
        Box::pin(async move {
            room_for_one(tx, user, most).await?;
            tx.write_one(statement).await?;
            bump_generation(tx).await
        })
    })
    .await
}

/// Starts the clock of a key whose validity begins with its first accepted request. Only the first call does; true when
/// it was this one.
pub async fn activate(db: &Db, id: KeyId, now: Timestamp) -> Result<bool, StoreError> {
    let statement = sql("UPDATE api_keys SET activated_at = ?, expires_at = ? + activation_ms, updated_at = ?, \
         version = version + 1 WHERE id = ? AND activated_at IS NULL AND activation_ms IS NOT NULL");
    let statement = statement.bind(now).bind(now).bind(now).bind(id);
    db.change(move |tx| {
        let statement = statement.clone();
        Box::pin(async move {
            let first = tx.write(statement).await?.affected > 0;
            if first {
                bump_generation(tx).await?;
            }
            Ok(first)
        })
    })
    .await
}

async fn change_row(db: &Db, id: KeyId, statement: Sql) -> Result<(), StoreError> {
    db.change(move |tx| {
        let statement = statement.clone();
        Box::pin(async move {
            if tx.write(statement).await?.affected == 0 {
                let found = tx.read(sql("SELECT id FROM api_keys WHERE id = ?").bind(id)).await?;
                return Err(if found.is_empty() { StoreError::NotFound } else { StoreError::VersionConflict });
            }
            bump_generation(tx).await
        })
    })
    .await
}

/// Tells every instance that a key or an owner changed: they compare this number, which costs one row per poll.
pub(super) async fn bump_generation(tx: &mut Tx) -> Result<(), StoreError> {
    let text = format!(
        "INSERT INTO meta (name, value) VALUES ('keys_generation', '1'){}",
        match tx.flavor() {
            super::Flavor::Sqlite =>
                " ON CONFLICT(name) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT)",
            super::Flavor::MySql => " ON DUPLICATE KEY UPDATE value = CAST(value AS SIGNED) + 1",
        }
    );
    tx.write(built(text)).await.map(drop)
}

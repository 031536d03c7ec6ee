//! Keys that came from a predecessor; each is known by where it came from, so that it comes once.

use actors::domain::id::{KeyId, UserId};
use actors::domain::time::Timestamp;

use super::super::db::Db;
use super::super::error::StoreError;
use super::super::sql::{built, sql};
use super::digests::{self, Digest};
use super::row::{self, KeyConfig, KeyRow, KeyStatus};
use super::{NewKey, bump_generation, insertion};

/// A key of a predecessor.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// Owner here.
    pub user: UserId,
    /// Settings.
    pub config: KeyConfig,
    /// Status.
    pub status: KeyStatus,
    /// Digest by the predecessor's scheme.
    pub digest: Digest,
    /// First characters of the text, as far as they are known.
    pub prefix: String,
    /// Last four characters, when they are known.
    pub last4: String,
    /// `import:<source>:<id>`.
    pub reference: String,
}

/// The key that came from there, revoked ones too.
pub async fn imported(db: &Db, reference: &str) -> Result<Option<KeyRow>, StoreError> {
    let query = built(format!("{} k.import_ref = ?", row::SELECT)).bind(reference);
    db.read_one(query).await?.as_ref().map(row::read).transpose()
}

/// True when some key has this digest.
pub async fn digest_is_known(db: &Db, digest: &Digest) -> Result<bool, StoreError> {
    let query = sql("SELECT key_id FROM api_key_digests WHERE hash_scheme = ? AND key_hash = ?");
    Ok(db.read_one(query.bind(digest.scheme.as_str()).bind(digest.hex.as_str())).await?.is_some())
}

/// Stores a key of a predecessor.
pub async fn import(db: &Db, key: Imported, now: Timestamp) -> Result<KeyId, StoreError> {
    let Imported { user, config, status, digest, prefix, last4, reference } = key;
    let statement = insertion(&NewKey { user, config, digest: digest.clone(), prefix, last4 }, now)?;
    db.change(move |tx| {
        let (statement, digest, reference) = (statement.clone(), digest.clone(), reference.clone());
        Box::pin(async move {
            let id = KeyId(tx.write(statement).await?.insert_id);
            let mark = sql("UPDATE api_keys SET import_ref = ?, status = ? WHERE id = ?");
            tx.write_one(mark.bind(reference).bind(status.as_str()).bind(id)).await?;
            digests::insert(tx, id, &digest, now).await?;
            tx.created(id.0);
            bump_generation(tx).await?;
            Ok(id)
        })
    })
    .await
}

/// Gives a key that was imported before the settings that it has there now.
pub async fn update_imported(
    db: &Db,
    id: KeyId,
    seen_version: i64,
    config: KeyConfig,
    status: KeyStatus,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sets: Vec<String> = row::CONFIG_COLUMNS.iter().map(|column| format!("{column} = ?")).collect();
    let statement = built(format!(
        "UPDATE api_keys SET {}, status = ?, version = version + 1, updated_at = ? WHERE id = ? AND version = ?",
        sets.join(", ")
    ));
    let statement = row::bind_config(statement, &config)?.bind(status.as_str()).bind(now).bind(id).bind(seen_version);
    super::change_row(db, id, statement).await
}

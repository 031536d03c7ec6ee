//! Digests by which a raw key is found. A key can have several: while a rotated one is still honoured.

use actors::domain::id::KeyId;
use actors::domain::time::Timestamp;

use super::super::db::Db;
use super::super::error::StoreError;
use super::super::pools::Tx;
use super::super::sql::sql;
use super::bump_generation;

/// A digest with the scheme that made it (`access.md` §7).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Digest {
    /// `hmac1:<pepper id>`, `crs` or `sha256`.
    pub scheme: String,
    /// Lower-case hex.
    pub hex: String,
}

pub(super) async fn insert(tx: &mut Tx, key: KeyId, digest: &Digest, now: Timestamp) -> Result<(), StoreError> {
    let statement = sql("INSERT INTO api_key_digests (hash_scheme, key_hash, key_id, created_at) VALUES (?, ?, ?, ?)");
    let statement = statement.bind(digest.scheme.as_str()).bind(digest.hex.as_str()).bind(key).bind(now);
    tx.write(statement).await.map(drop)
}

/// Gives a key a new secret. Digests it had stay valid until `old_valid_until`.
pub async fn rotate(
    db: &Db,
    id: KeyId,
    new: Digest,
    prefix: String,
    last4: String,
    old_valid_until: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    db.change(move |tx| {
        let (new, prefix, last4) = (new.clone(), prefix.clone(), last4.clone());
        Box::pin(async move {
            let shown =
                sql("UPDATE api_keys SET key_prefix = ?, key_last4 = ?, updated_at = ?, version = version + 1 \
                 WHERE id = ?");
            tx.write_one(shown.bind(prefix).bind(last4).bind(now).bind(id)).await?;
            let old = sql("UPDATE api_key_digests SET valid_until = ? WHERE key_id = ? \
                 AND (valid_until IS NULL OR valid_until > ?)");
            tx.write(old.bind(old_valid_until).bind(id).bind(old_valid_until)).await?;
            tx.write(sql("DELETE FROM api_key_digests WHERE key_id = ? AND valid_until <= ?").bind(id).bind(now))
                .await?;
            insert(tx, id, &new, now).await?;
            bump_generation(tx).await
        })
    })
    .await
}

/// Replaces a digest of an old scheme after its first successful use. A digest that is gone already is left alone.
///
/// An imported key shows from then on what may be shown of its text, `shown`.
pub async fn rehash(
    db: &Db,
    id: KeyId,
    old: Digest,
    new: Digest,
    shown: (String, String),
    now: Timestamp,
) -> Result<(), StoreError> {
    db.change(move |tx| {
        let (old, new, (prefix, last4)) = (old.clone(), new.clone(), shown.clone());
        Box::pin(async move {
            let moved = sql("UPDATE api_key_digests SET hash_scheme = ?, key_hash = ?, created_at = ? \
                 WHERE hash_scheme = ? AND key_hash = ? AND key_id = ?");
            let moved = moved.bind(new.scheme).bind(new.hex).bind(now).bind(old.scheme).bind(old.hex).bind(id);
            tx.write(moved).await?;
            let seen = sql("UPDATE api_keys SET key_prefix = ?, key_last4 = ? WHERE id = ? AND key_last4 = ''");
            tx.write(seen.bind(prefix).bind(last4).bind(id)).await.map(drop)
        })
    })
    .await
}

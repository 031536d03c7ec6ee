//! Which user a person at an outside provider is.

use actors::domain::id::UserId;
use actors::domain::time::Timestamp;
use sha2::{Digest, Sha256};

use super::db::Db;
use super::error::StoreError;
use super::pools::Tx;
use super::sql::sql;

/// Issuer and subject have no common bound that an index could have, their digest does.
fn digest(issuer: &str, subject: &str) -> String {
    hex::encode(Sha256::digest(format!("{issuer}\n{subject}")))
}

/// The user that this person was linked to.
pub async fn find(db: &Db, issuer: &str, subject: &str) -> Result<Option<UserId>, StoreError> {
    let query = sql("SELECT user_id FROM user_identities WHERE digest = ?").bind(digest(issuer, subject));
    db.read_one(query).await?.map(|row| row.int("user_id").map(UserId)).transpose()
}

/// Links a person to a user who is just being made.
pub(super) async fn link(
    tx: &mut Tx,
    user: UserId,
    issuer: &str,
    subject: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let insert =
        sql("INSERT INTO user_identities (digest, user_id, issuer, subject, created_at) VALUES (?, ?, ?, ?, ?)");
    let insert = insert.bind(digest(issuer, subject)).bind(user).bind(issuer).bind(subject).bind(now);
    tx.write(insert).await.map(drop)
}

//! Small named values of the installation: the setup token's digest, the sealed key pepper, the master key's check value.

use super::db::Db;
use super::error::StoreError;
use super::sql::{built, sql};

/// SHA-256 of the one-time setup token.
pub const SETUP_TOKEN: &str = "setup_token_sha256";
/// Sealed pepper of API key digests.
pub const KEY_PEPPER: &str = "key_pepper";
/// A known text sealed with the master key.
pub const CHECK_VALUE: &str = "master_key_check";
/// There while stored values are sealed anew: who asked for it, and when.
pub const RESEALING: &str = "resealing";

/// A value.
pub async fn get(db: &Db, name: &str) -> Result<Option<String>, StoreError> {
    let row = db.read_one(sql("SELECT value FROM meta WHERE name = ?").bind(name)).await?;
    row.map(|row| row.text("value")).transpose()
}

/// Stores a value over whatever was there.
pub async fn put(db: &Db, name: &str, value: &str) -> Result<(), StoreError> {
    let text = format!("INSERT INTO meta (name, value) VALUES (?, ?){}", db.flavor().upsert_set("name", &["value"]));
    db.write(built(text).bind(name).bind(value)).await.map(drop)
}

/// Stores a value unless there is one; returns the one that counts. Of several starting instances one wins.
pub async fn put_first(db: &Db, name: &str, value: &str) -> Result<String, StoreError> {
    let insert = sql("INSERT INTO meta (name, value) VALUES (?, ?)").bind(name).bind(value);
    match db.write(insert).await {
        Ok(_) => Ok(value.to_owned()),
        Err(StoreError::Conflict(_)) => get(db, name).await?.ok_or(StoreError::NotFound),
        Err(error) => Err(error),
    }
}

/// Removes a value, if it still is this one. True when it was.
pub async fn take(db: &Db, name: &str, value: &str) -> Result<bool, StoreError> {
    let delete = sql("DELETE FROM meta WHERE name = ? AND value = ?").bind(name).bind(value);
    Ok(db.write(delete).await?.affected > 0)
}

/// Removes a value.
pub async fn remove(db: &Db, name: &str) -> Result<(), StoreError> {
    db.write(sql("DELETE FROM meta WHERE name = ?").bind(name)).await.map(drop)
}

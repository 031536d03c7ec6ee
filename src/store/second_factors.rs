//! Second factors: the sealed seed of a user's authenticator, the last step that was accepted, and recovery codes.

use actors::domain::id::UserId;
use actors::domain::time::Timestamp;

use super::db::Db;
use super::error::StoreError;
use super::pools::Tx;
use super::sql::{built, sql};
use super::vault::Place;

/// A second factor as stored.
#[derive(Clone)]
pub struct FactorRow {
    /// The sealed seed.
    pub secret: String,
    /// When its owner proved to have it; `None` = enrolment is not finished.
    pub confirmed_at: Option<Timestamp>,
    /// The last step that was accepted.
    pub last_step: i64,
}

/// Where a user's seed is sealed for.
pub const fn place(user: UserId) -> Place<'static> {
    Place { table: "user_second_factors", column: "secret", row: user.0 }
}

/// A user's second factor.
pub async fn get(db: &Db, user: UserId) -> Result<Option<FactorRow>, StoreError> {
    let query = sql("SELECT secret, confirmed_at, last_step FROM user_second_factors WHERE user_id = ?").bind(user);
    let Some(row) = db.read_one(query).await? else { return Ok(None) };
    Ok(Some(FactorRow {
        secret: row.text("secret")?,
        confirmed_at: row.opt_time("confirmed_at")?,
        last_step: row.int("last_step")?,
    }))
}

/// Begins enrolment: the seed replaces one that was never confirmed. [`StoreError::Conflict`] when one is in use.
pub async fn begin(db: &Db, user: UserId, secret: String, now: Timestamp) -> Result<(), StoreError> {
    db.change(move |tx| {
        let secret = secret.clone();
        Box::pin(async move {
            let old = sql("DELETE FROM user_second_factors WHERE user_id = ? AND confirmed_at IS NULL").bind(user);
            tx.write(old).await?;
            let insert = sql("INSERT INTO user_second_factors (user_id, secret, confirmed_at, last_step, created_at) \
                 VALUES (?, ?, NULL, 0, ?)");
            tx.write(insert.bind(user).bind(secret).bind(now)).await.map(drop)
        })
    })
    .await
}

/// Finishes enrolment: the seed counts from now on, these recovery codes are valid, and other sessions end. False when
/// it was finished before.
pub async fn confirm(
    db: &Db,
    user: UserId,
    step: i64,
    recovery: Vec<String>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    db.change(move |tx| {
        let recovery = recovery.clone();
        Box::pin(async move {
            let confirm = sql("UPDATE user_second_factors SET confirmed_at = ?, last_step = ? \
                 WHERE user_id = ? AND confirmed_at IS NULL");
            if tx.write(confirm.bind(now).bind(step).bind(user)).await?.affected == 0 {
                tx.audit = None;
                return Ok(false);
            }
            replace_codes(tx, user, recovery).await?;
            mark(tx, user, Some(now), now).await?;
            Ok(true)
        })
    })
    .await
}

/// Gives new recovery codes in place of the old ones.
pub async fn renew_codes(db: &Db, user: UserId, recovery: Vec<String>) -> Result<(), StoreError> {
    db.change(move |tx| {
        let recovery = recovery.clone();
        Box::pin(async move { replace_codes(tx, user, recovery).await })
    })
    .await
}

async fn replace_codes(tx: &mut Tx, user: UserId, recovery: Vec<String>) -> Result<(), StoreError> {
    tx.write(sql("DELETE FROM user_recovery_codes WHERE user_id = ?").bind(user)).await?;
    for digest in recovery {
        let insert = sql("INSERT INTO user_recovery_codes (user_id, digest) VALUES (?, ?)");
        tx.write(insert.bind(user).bind(digest)).await?;
    }
    Ok(())
}

async fn mark(tx: &mut Tx, user: UserId, at: Option<Timestamp>, now: Timestamp) -> Result<(), StoreError> {
    let mark =
        sql("UPDATE users SET second_factor_at = ?, token_version = token_version + 1, updated_at = ? WHERE id = ?");
    tx.write_one(mark.bind(at).bind(now).bind(user)).await
}

/// Accepts a step once: false when it, or a later one, was accepted before.
pub async fn accept_step(db: &Db, user: UserId, step: i64) -> Result<bool, StoreError> {
    let accept = sql("UPDATE user_second_factors SET last_step = ? WHERE user_id = ? AND last_step < ?");
    Ok(db.write(accept.bind(step).bind(user).bind(step)).await?.affected > 0)
}

/// Uses a recovery code up: false when there is none like it.
pub async fn take_code(db: &Db, user: UserId, digest: &str) -> Result<bool, StoreError> {
    let take = sql("DELETE FROM user_recovery_codes WHERE user_id = ? AND digest = ?").bind(user).bind(digest);
    Ok(db.write(take).await?.affected > 0)
}

/// How many recovery codes are left.
pub async fn codes_left(db: &Db, user: UserId) -> Result<i64, StoreError> {
    let query = sql("SELECT COUNT(*) AS total FROM user_recovery_codes WHERE user_id = ?").bind(user);
    db.read_one(query).await?.map_or(Ok(0), |row| row.int("total"))
}

/// Turns a second factor off and ends the user's sessions.
pub async fn remove(db: &Db, user: UserId, now: Timestamp) -> Result<(), StoreError> {
    db.change(move |tx| {
        Box::pin(async move {
            for table in ["user_second_factors", "user_recovery_codes"] {
                tx.write(built(format!("DELETE FROM {table} WHERE user_id = ?")).bind(user)).await?;
            }
            mark(tx, user, None, now).await
        })
    })
    .await
}

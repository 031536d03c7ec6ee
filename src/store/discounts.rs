//! Discount codes in SQL: a use is reserved by one guarded update, kept when the order is paid, given back when it dies.

use actors::domain::billing::{Discount, Refusal};
use actors::domain::id::{OrderId, UserId};
use actors::domain::time::Timestamp;

use super::db::Db;
use super::error::StoreError;
use super::pools::Tx;
use super::sql::{Row, json, sql};

/// A code as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeRow {
    /// Row id.
    pub id: i64,
    /// The code, in its normal form.
    pub code: String,
    /// What it takes off, and where.
    pub terms: Discount,
    /// It can be used.
    pub active: bool,
    /// Uses of orders that wait for payment.
    pub reserved: i64,
    /// Uses of orders that were paid.
    pub redeemed: i64,
    /// Counts up with each change.
    pub version: i64,
    /// Created.
    pub created_at: Timestamp,
    /// Changed.
    pub updated_at: Timestamp,
}

const fn status(active: bool) -> &'static str {
    if active { "active" } else { "inactive" }
}

/// Creates a code. [`StoreError::Conflict`] when there is one with this text.
pub async fn create(db: &Db, code: &str, terms: Discount, active: bool, now: Timestamp) -> Result<i64, StoreError> {
    let insert =
        sql("INSERT INTO discount_codes (code, terms, max_uses, starts_at, expires_at, status, reserved, redeemed, \
         version, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, 0, 0, 1, ?, ?)")
        .bind(Discount::normal_code(code))
        .bind(json(&terms)?)
        .bind(terms.max_uses)
        .bind(terms.starts_at)
        .bind(terms.expires_at)
        .bind(status(active))
        .bind(now)
        .bind(now);
    db.change(move |tx| {
        let insert = insert.clone();
        Box::pin(async move {
            let id = tx.write(insert).await?.insert_id;
            tx.created(id);
            Ok(id)
        })
    })
    .await
}

/// Changes a code. `seen_version` guards against changes since it was read.
pub async fn update(
    db: &Db,
    id: i64,
    seen_version: i64,
    terms: Discount,
    active: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    let update = sql("UPDATE discount_codes SET terms = ?, max_uses = ?, starts_at = ?, expires_at = ?, status = ?, \
         version = version + 1, updated_at = ? WHERE id = ? AND version = ?")
    .bind(json(&terms)?)
    .bind(terms.max_uses)
    .bind(terms.starts_at)
    .bind(terms.expires_at)
    .bind(status(active))
    .bind(now)
    .bind(id)
    .bind(seen_version);
    let done = db.write(update).await?;
    if done.affected == 0 { Err(StoreError::VersionConflict) } else { Ok(()) }
}

/// Every code, newest first.
pub async fn list(db: &Db) -> Result<Vec<CodeRow>, StoreError> {
    db.read(sql("SELECT * FROM discount_codes ORDER BY id DESC")).await?.iter().map(read).collect()
}

/// One code.
pub async fn get(db: &Db, id: i64) -> Result<Option<CodeRow>, StoreError> {
    db.read_one(sql("SELECT * FROM discount_codes WHERE id = ?").bind(id)).await?.as_ref().map(read).transpose()
}

/// The code with this text, in any of its forms.
pub async fn find(tx: &mut Tx, code: &str) -> Result<Option<CodeRow>, StoreError> {
    let query = sql("SELECT * FROM discount_codes WHERE code = ?").bind(Discount::normal_code(code));
    tx.read(query).await?.first().map(read).transpose()
}

/// A code by its id, inside a transaction.
pub async fn by_id(tx: &mut Tx, id: i64) -> Result<Option<CodeRow>, StoreError> {
    let query = sql("SELECT * FROM discount_codes WHERE id = ?").bind(id);
    tx.read(query).await?.first().map(read).transpose()
}

/// Reserves a use for an order: exactly one row, or the code is refused.
pub async fn reserve(
    tx: &mut Tx,
    code: &CodeRow,
    user: UserId,
    order: OrderId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let update =
        sql("UPDATE discount_codes SET reserved = reserved + 1, updated_at = ? WHERE id = ? AND status = 'active' \
         AND (starts_at IS NULL OR starts_at <= ?) AND (expires_at IS NULL OR expires_at > ?) \
         AND (max_uses = 0 OR reserved + redeemed < max_uses)");
    if tx.write(update.bind(now).bind(code.id).bind(now).bind(now)).await?.affected != 1 {
        return Err(Refusal::DiscountInvalid.into());
    }
    // The code's row is locked by the update, so nobody else takes a slot in between.
    let taken = sql("SELECT slot FROM discount_redemptions WHERE code_id = ? AND user_id = ?").bind(code.id).bind(user);
    let taken: Vec<i64> = tx.read(taken).await?.iter().map(|row| row.int("slot")).collect::<Result<_, _>>()?;
    let free = (1..=code.terms.per_user.max(1)).find(|slot| !taken.contains(slot));
    let slot = free.ok_or(Refusal::DiscountInvalid)?;
    let insert =
        sql("INSERT INTO discount_redemptions (code_id, user_id, slot, order_id, created_at) VALUES (?, ?, ?, ?, ?)");
    let done = tx.write(insert.bind(code.id).bind(user).bind(slot).bind(order).bind(now)).await;
    done.map(drop).map_err(|error| match error {
        StoreError::Conflict(what) => StoreError::Aborted(what),
        other => other,
    })
}

/// The order is paid: the use stays.
pub async fn redeem(tx: &mut Tx, order: OrderId, now: Timestamp) -> Result<(), StoreError> {
    let keep = sql("UPDATE discount_redemptions SET redeemed_at = ? WHERE order_id = ? AND redeemed_at IS NULL");
    if tx.write(keep.bind(now).bind(order)).await?.affected == 0 {
        return Ok(());
    }
    let count = sql("UPDATE discount_codes SET reserved = reserved - 1, redeemed = redeemed + 1, updated_at = ? \
         WHERE id = (SELECT code_id FROM discount_redemptions WHERE order_id = ?)");
    tx.write_one(count.bind(now).bind(order)).await
}

/// The order is dead: the use is free again.
pub async fn release(tx: &mut Tx, order: OrderId, now: Timestamp) -> Result<(), StoreError> {
    let query = sql("SELECT code_id FROM discount_redemptions WHERE order_id = ? AND redeemed_at IS NULL").bind(order);
    let rows = tx.read(query).await?;
    let Some(row) = rows.first() else { return Ok(()) };
    let count = sql("UPDATE discount_codes SET reserved = reserved - 1, updated_at = ? WHERE id = ?");
    tx.write_one(count.bind(now).bind(row.int("code_id")?)).await?;
    let free = sql("DELETE FROM discount_redemptions WHERE order_id = ? AND redeemed_at IS NULL");
    tx.write_one(free.bind(order)).await
}

fn read(row: &Row) -> Result<CodeRow, StoreError> {
    Ok(CodeRow {
        id: row.int("id")?,
        code: row.text("code")?,
        terms: row.json("terms")?,
        active: row.text("status")? == "active",
        reserved: row.int("reserved")?,
        redeemed: row.int("redeemed")?,
        version: row.int("version")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

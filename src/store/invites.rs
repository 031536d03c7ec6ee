//! Invite codes: who may register while registration is not open to everybody.

use actors::domain::id::UserId;
use actors::domain::time::Timestamp;

use super::db::{Db, Page};
use super::error::StoreError;
use super::pools::Tx;
use super::sql::{Row, Sql, built, sql};

/// A code as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteRow {
    /// Row id.
    pub id: i64,
    /// What is typed in.
    pub code: String,
    /// Who made it, and becomes the inviter.
    pub created_by: UserId,
    /// How often it may be used.
    pub max_uses: u32,
    /// How often it was used.
    pub current_uses: u32,
    /// It cannot be used from here on.
    pub expires_at: Timestamp,
    /// Not switched off.
    pub active: bool,
    /// Counts up with each change.
    pub version: i64,
    /// Created.
    pub created_at: Timestamp,
    /// Changed.
    pub updated_at: Timestamp,
}

/// What can be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InviteTerms {
    /// How often it may be used.
    pub max_uses: u32,
    /// It cannot be used from here on.
    pub expires_at: Timestamp,
    /// Not switched off.
    pub active: bool,
}

/// What a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InviteState {
    /// Can be used, as far as time and switch go.
    Active,
    /// Switched off.
    Inactive,
    /// Its time is over.
    Expired,
}

const SELECT: &str = "SELECT id, code, created_by, max_uses, current_uses, expires_at, active, version, created_at, \
     updated_at FROM invite_codes WHERE ";

/// Stores a new code. [`StoreError::Conflict`] when there is one like it.
pub async fn create(db: &Db, code: &str, by: UserId, terms: InviteTerms, now: Timestamp) -> Result<i64, StoreError> {
    let insert =
        sql("INSERT INTO invite_codes (code, created_by, max_uses, current_uses, expires_at, active, version, \
         created_at, updated_at) VALUES (?, ?, ?, 0, ?, ?, 1, ?, ?)");
    let insert = insert.bind(code).bind(by).bind(terms.max_uses).bind(terms.expires_at).bind(terms.active);
    let insert = insert.bind(now).bind(now);
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

/// One code.
pub async fn get(db: &Db, id: i64) -> Result<Option<InviteRow>, StoreError> {
    db.read_one(built(format!("{SELECT} id = ?")).bind(id)).await?.as_ref().map(read).transpose()
}

/// A page of codes, newest first, and how many match in all.
pub async fn list(
    db: &Db,
    state: Option<InviteState>,
    now: Timestamp,
    page: Page,
) -> Result<(Vec<InviteRow>, i64), StoreError> {
    let total = db.read_one(filtered("SELECT COUNT(*) AS total FROM invite_codes WHERE ", state, now)).await?;
    let query = filtered(SELECT, state, now).push(" ORDER BY id DESC LIMIT ? OFFSET ?");
    let rows = db.read(query.bind(page.limit).bind(page.offset)).await?;
    Ok((rows.iter().map(read).collect::<Result<_, _>>()?, total.map_or(Ok(0), |row| row.int("total"))?))
}

fn filtered(select: &str, state: Option<InviteState>, now: Timestamp) -> Sql {
    let query = built(format!("{select} 1 = 1"));
    match state {
        None => query,
        Some(InviteState::Active) => query.push(" AND active = 1 AND expires_at > ?").bind(now),
        Some(InviteState::Inactive) => query.push(" AND active = 0"),
        Some(InviteState::Expired) => query.push(" AND active = 1 AND expires_at <= ?").bind(now),
    }
}

/// Stores new terms. `seen_version` guards against changes since it was read.
pub async fn update(db: &Db, id: i64, seen_version: i64, terms: InviteTerms, now: Timestamp) -> Result<(), StoreError> {
    let update = sql("UPDATE invite_codes SET max_uses = ?, expires_at = ?, active = ?, version = version + 1, \
         updated_at = ? WHERE id = ? AND version = ?");
    let update = update.bind(terms.max_uses).bind(terms.expires_at).bind(terms.active);
    let done = db.write(update.bind(now).bind(id).bind(seen_version)).await?;
    if done.affected == 0 { Err(StoreError::VersionConflict) } else { Ok(()) }
}

/// Removes a code.
pub async fn delete(db: &Db, id: i64) -> Result<(), StoreError> {
    let delete = sql("DELETE FROM invite_codes WHERE id = ?").bind(id);
    db.change(move |tx| {
        let delete = delete.clone();
        Box::pin(async move { tx.write_one(delete).await })
    })
    .await
}

/// Takes one use of a code, in the transaction that stores the user, and names the inviter. [`StoreError::NotFound`] when
/// there is no use left: of any number of registrations at once, as many succeed as the code has uses.
pub(super) async fn redeem(tx: &mut Tx, code: &str, now: Timestamp) -> Result<UserId, StoreError> {
    let take = sql("UPDATE invite_codes SET current_uses = current_uses + 1, version = version + 1, updated_at = ? \
         WHERE code = ? AND active = 1 AND expires_at > ? AND current_uses < max_uses");
    tx.write_one(take.bind(now).bind(code).bind(now)).await?;
    let rows = tx.read(sql("SELECT created_by FROM invite_codes WHERE code = ?").bind(code)).await?;
    rows.first().ok_or(StoreError::NotFound)?.int("created_by").map(UserId)
}

fn read(row: &Row) -> Result<InviteRow, StoreError> {
    Ok(InviteRow {
        id: row.int("id")?,
        code: row.text("code")?,
        created_by: UserId(row.int("created_by")?),
        max_uses: row.fit("max_uses")?,
        current_uses: row.fit("current_uses")?,
        expires_at: row.time("expires_at")?,
        active: row.flag("active")?,
        version: row.int("version")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

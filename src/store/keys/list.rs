//! Lists of keys for the console, and what each has used.

use actors::domain::id::{KeyId, UserId};
use actors::domain::money::Nanos;

use super::super::db::{Db, Page};
use super::super::error::StoreError;
use super::super::fragments::like;
use super::super::sql::{Sql, built, sql};
use super::row::{KeyRow, KeyStatus, SELECT, read};

/// Filters of a list, all optional.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyFilter {
    /// Owner.
    pub user: Option<UserId>,
    /// Stored status.
    pub status: Option<KeyStatus>,
    /// A label that the key carries.
    pub tag: Option<String>,
    /// Part of the name or description, or the start of the key.
    pub text: Option<String>,
}

/// What a key has used since it exists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyTotals {
    /// Requests.
    pub requests: i64,
    /// Tokens of every kind.
    pub tokens: i64,
    /// Charges.
    pub charge: Nanos,
}

/// A page of keys, by id, and how many match in all.
pub async fn list(db: &Db, filter: &KeyFilter, page: Page) -> Result<(Vec<KeyRow>, i64), StoreError> {
    let total = db.read_one(filtered("SELECT COUNT(*) AS total FROM api_keys k WHERE ", filter)?).await?;
    let total = total.map_or(Ok(0), |row| row.int("total"))?;
    let query = filtered(SELECT, filter)?.push(" ORDER BY k.id LIMIT ? OFFSET ?").bind(page.limit).bind(page.offset);
    let rows = db.read(query).await?.iter().map(read).collect::<Result<_, _>>()?;
    Ok((rows, total))
}

fn filtered(select: &str, filter: &KeyFilter) -> Result<Sql, StoreError> {
    let query = built(format!("{select} 1 = 1"))
        .push_if(" AND k.user_id = ?", filter.user)
        .push_if(" AND k.status = ?", filter.status.map(KeyStatus::as_str));
    // A label is looked for in its JSON form, quotes included, so that no part of another label matches.
    let tag = filter.tag.as_ref().map(super::super::sql::json).transpose()?;
    let query = query.push_if(" AND k.tags LIKE ? ESCAPE '!'", tag.map(|tag| like(&tag)));
    let Some(text) = filter.text.as_deref() else { return Ok(query) };
    let pattern = like(&text.to_lowercase());
    Ok(query
        .push(" AND (LOWER(k.name) LIKE ? ESCAPE '!' OR LOWER(k.description) LIKE ? ESCAPE '!' OR k.key_prefix = ?)")
        .bind(pattern.clone())
        .bind(pattern)
        .bind(text))
}

/// Keys of a user that are not revoked.
pub async fn count_by_user(db: &Db, user: UserId) -> Result<i64, StoreError> {
    db.read_one(count_of(user)).await?.map_or(Ok(0), |row| row.int("total"))
}

pub(super) fn count_of(user: UserId) -> Sql {
    sql("SELECT COUNT(*) AS total FROM api_keys WHERE user_id = ? AND status <> 'revoked'").bind(user)
}

/// Totals of these keys; keys without usage are absent.
pub async fn totals(db: &Db, keys: &[KeyId]) -> Result<Vec<(KeyId, KeyTotals)>, StoreError> {
    let query = sql("SELECT key_id, requests, tokens, charge_nanos FROM key_totals WHERE key_id IN ");
    let rows = db.read(query.push_list(keys.iter().copied())).await?;
    rows.iter()
        .map(|row| {
            let totals = KeyTotals {
                requests: row.int("requests")?,
                tokens: row.int("tokens")?,
                charge: row.nanos("charge_nanos")?,
            };
            Ok((KeyId(row.int("key_id")?), totals))
        })
        .collect()
}

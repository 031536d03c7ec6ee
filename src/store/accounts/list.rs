//! Lists of accounts for the console.

use actors::domain::account::{AccountKind, AccountStatus};
use actors::domain::id::{AccountId, GroupId, ProxyId};
use actors::domain::time::Timestamp;

use super::super::db::{Db, Page};
use super::super::error::StoreError;
use super::super::fragments::like;
use super::super::sql::{Sql, built, json};
use super::row::{AccountRow, SELECT, read};

/// Filters of a list, all optional.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountFilter {
    /// Kind.
    pub kind: Option<AccountKind>,
    /// Stored status.
    pub status: Option<AccountStatus>,
    /// Switch.
    pub enabled: Option<bool>,
    /// Member of this group.
    pub group: Option<GroupId>,
    /// Carries all of these labels.
    pub tags: Vec<String>,
    /// Goes through this proxy.
    pub proxy: Option<ProxyId>,
    /// Its subscription ends before this moment.
    pub expires_before: Option<Timestamp>,
    /// Part of the name or description.
    pub text: Option<String>,
}

/// A page of accounts, by id, and how many match in all.
pub async fn list(db: &Db, filter: &AccountFilter, page: Page) -> Result<(Vec<AccountRow>, i64), StoreError> {
    let total = db.read_one(filtered("SELECT COUNT(*) AS total FROM accounts a WHERE ", filter)?).await?;
    let total = total.map_or(Ok(0), |row| row.int("total"))?;
    let query = filtered(SELECT, filter)?.push(" ORDER BY a.id LIMIT ? OFFSET ?").bind(page.limit).bind(page.offset);
    Ok((rows(db, query).await?, total))
}

/// Every account that carries all of these labels, by id.
pub async fn by_tags(db: &Db, tags: &[String]) -> Result<Vec<AccountRow>, StoreError> {
    let filter = AccountFilter { tags: tags.to_vec(), ..AccountFilter::default() };
    rows(db, filtered(SELECT, &filter)?.push(" ORDER BY a.id")).await
}

async fn rows(db: &Db, query: Sql) -> Result<Vec<AccountRow>, StoreError> {
    let found = db.read(query).await?;
    let groups = super::super::groups::memberships(db, None).await?;
    found.iter().map(|row| read(row, groups.get(&AccountId(row.int("id")?)).cloned().unwrap_or_default())).collect()
}

fn filtered(select: &str, filter: &AccountFilter) -> Result<Sql, StoreError> {
    let mut query = built(format!("{select} a.deleted_at IS NULL"))
        .push_if(" AND a.kind = ?", filter.kind.map(AccountKind::as_str))
        .push_if(" AND a.status = ?", filter.status.map(AccountStatus::as_str))
        .push_if(" AND a.enabled = ?", filter.enabled)
        .push_if(" AND a.id IN (SELECT account_id FROM account_group_members WHERE group_id = ?)", filter.group)
        .push_if(" AND a.proxy_id = ?", filter.proxy)
        .push_if(" AND a.subscription_expires_at < ?", filter.expires_before);
    for tag in &filter.tags {
        // In its JSON form, quotes included, so that no part of another label matches.
        query = query.push(" AND a.tags LIKE ? ESCAPE '!'").bind(like(&json(tag)?));
    }
    Ok(match filter.text.as_deref().map(|text| like(&text.to_lowercase())) {
        None => query,
        Some(text) => query
            .push(" AND (LOWER(a.name) LIKE ? ESCAPE '!' OR LOWER(a.description) LIKE ? ESCAPE '!')")
            .bind(text.clone())
            .bind(text),
    })
}

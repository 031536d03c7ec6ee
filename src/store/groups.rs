//! Groups of accounts and their members.

use std::collections::BTreeMap;
use std::sync::Arc;

use actors::domain::account::Platform;
use actors::domain::group::{Membership, ModelRoute};
use actors::domain::id::{AccountId, GroupId};
use actors::domain::time::Timestamp;

use super::db::Db;
use super::error::StoreError;
use super::pools::Tx;
use super::sql::{Row, built, json, sql};

/// What an administrator says about a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupConfig {
    /// Unique name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Higher is preferred.
    pub priority: i32,
    /// The only platform that it is for.
    pub platform: Option<Platform>,
    /// Models that it keeps on some of its accounts.
    pub routes: Vec<ModelRoute>,
}

/// A group as stored. Group 0, the accounts without a group, has no row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRow {
    /// Row id.
    pub id: GroupId,
    /// What was configured.
    pub config: GroupConfig,
    /// Its accounts, by id.
    pub accounts: Vec<AccountId>,
    /// Counts up with each change.
    pub version: i64,
    /// Created.
    pub created_at: Timestamp,
    /// Changed.
    pub updated_at: Timestamp,
}

/// Creates a group. [`StoreError::Conflict`] when the name is taken.
pub async fn create(
    db: &Db,
    group: GroupConfig,
    accounts: Vec<AccountId>,
    now: Timestamp,
) -> Result<GroupId, StoreError> {
    let insert = sql("INSERT INTO account_groups (name, description, priority, version, created_at, updated_at) \
         VALUES (?, ?, ?, 1, ?, ?)");
    let insert = insert.bind(group.name.clone()).bind(group.description.clone()).bind(group.priority);
    let insert = insert.bind(now).bind(now);
    db.change(move |tx| {
        let (insert, accounts, group) = (insert.clone(), accounts.clone(), group.clone());
        Box::pin(async move {
            let id = GroupId(tx.write(insert).await?.insert_id);
            tx.created(id.0);
            set_rules(tx, id, &group).await?;
            set_accounts(tx, id, &accounts).await?;
            Ok(id)
        })
    })
    .await
}

/// One group.
pub async fn get(db: &Db, id: GroupId) -> Result<Option<GroupRow>, StoreError> {
    Ok(list(db).await?.into_iter().find(|group| group.id == id))
}

/// Every group: highest priority first, then by id.
pub async fn list(db: &Db) -> Result<Vec<GroupRow>, StoreError> {
    let rows = db
        .read(sql("SELECT g.id, g.name, g.description, g.priority, r.platform, r.model_routes, g.version, \
             g.created_at, g.updated_at FROM account_groups g LEFT JOIN account_group_rules r ON r.group_id = g.id \
             ORDER BY g.priority DESC, g.id"))
        .await?;
    let mut members: BTreeMap<GroupId, Vec<AccountId>> = BTreeMap::new();
    for row in db.read(sql("SELECT group_id, account_id FROM account_group_members ORDER BY account_id")).await? {
        members.entry(GroupId(row.int("group_id")?)).or_default().push(AccountId(row.int("account_id")?));
    }
    rows.iter().map(|row| read(row, &mut members)).collect()
}

fn read(row: &Row, members: &mut BTreeMap<GroupId, Vec<AccountId>>) -> Result<GroupRow, StoreError> {
    let id = GroupId(row.int("id")?);
    Ok(GroupRow {
        id,
        config: GroupConfig {
            name: row.text("name")?,
            description: row.text("description")?,
            priority: row.fit("priority")?,
            platform: platform_of(row)?,
            routes: row.opt_json("model_routes")?.unwrap_or_default(),
        },
        accounts: members.remove(&id).unwrap_or_default(),
        version: row.int("version")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

fn platform_of(row: &Row) -> Result<Option<Platform>, StoreError> {
    let name = row.opt_text("platform")?;
    Ok(name.and_then(|name| Platform::parse(&name)))
}

/// The accounts that are in no group, by id: virtual group 0.
pub async fn ungrouped(db: &Db) -> Result<Vec<AccountId>, StoreError> {
    let query = sql("SELECT id FROM accounts WHERE deleted_at IS NULL \
         AND id NOT IN (SELECT account_id FROM account_group_members) ORDER BY id");
    db.read(query).await?.iter().map(|row| row.int("id").map(AccountId)).collect()
}

/// Stores a group. `accounts` absent leaves the members alone. `seen_version` guards against changes since it was read.
pub async fn update(
    db: &Db,
    group: GroupRow,
    seen_version: i64,
    accounts: Option<Vec<AccountId>>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let GroupRow { id, config, .. } = group;
    let update = sql("UPDATE account_groups SET name = ?, description = ?, priority = ?, version = version + 1, \
         updated_at = ? WHERE id = ? AND version = ?");
    let update = update.bind(config.name.clone()).bind(config.description.clone()).bind(config.priority);
    let update = update.bind(now).bind(id).bind(seen_version);
    db.change(move |tx| {
        let (update, accounts, config) = (update.clone(), accounts.clone(), config.clone());
        Box::pin(async move {
            if tx.write(update).await?.affected == 0 {
                let found = tx.read(sql("SELECT id FROM account_groups WHERE id = ?").bind(id)).await?;
                return Err(if found.is_empty() { StoreError::NotFound } else { StoreError::VersionConflict });
            }
            set_rules(tx, id, &config).await?;
            match accounts {
                Some(accounts) => set_accounts(tx, id, &accounts).await,
                None => touch_accounts(tx, id).await,
            }
        })
    })
    .await
}

/// Adds an account to a group; already in it is fine.
pub async fn add(db: &Db, group: GroupId, account: AccountId) -> Result<(), StoreError> {
    db.change(move |tx| {
        Box::pin(async move {
            require(tx, &[group], &[account]).await?;
            let inside = sql("SELECT group_id FROM account_group_members WHERE group_id = ? AND account_id = ?");
            if tx.read(inside.bind(group).bind(account)).await?.is_empty() {
                insert(tx, group, account).await?;
            }
            touch(tx, account).await
        })
    })
    .await
}

/// Takes an account out of a group.
pub async fn remove(db: &Db, group: GroupId, account: AccountId) -> Result<(), StoreError> {
    db.change(move |tx| {
        Box::pin(async move {
            let gone = sql("DELETE FROM account_group_members WHERE group_id = ? AND account_id = ?");
            tx.write_one(gone.bind(group).bind(account)).await?;
            touch(tx, account).await
        })
    })
    .await
}

/// Deletes a group; its accounts stay.
pub async fn delete(db: &Db, id: GroupId) -> Result<(), StoreError> {
    db.change(move |tx| {
        Box::pin(async move {
            touch_accounts(tx, id).await?;
            tx.write(sql("DELETE FROM account_group_members WHERE group_id = ?").bind(id)).await?;
            tx.write(sql("DELETE FROM account_group_rules WHERE group_id = ?").bind(id)).await?;
            tx.write_one(sql("DELETE FROM account_groups WHERE id = ?").bind(id)).await
        })
    })
    .await
}

/// The groups of one account or of every account, with their priorities.
pub(super) async fn memberships(
    db: &Db,
    account: Option<AccountId>,
) -> Result<BTreeMap<AccountId, Vec<Membership>>, StoreError> {
    let query = built(
        "SELECT m.account_id, m.group_id, g.priority, r.platform, r.model_routes FROM account_group_members m \
         JOIN account_groups g ON g.id = m.group_id LEFT JOIN account_group_rules r ON r.group_id = g.id WHERE 1 = 1"
            .to_owned(),
    );
    let query = query.push_if(" AND m.account_id = ?", account).push(" ORDER BY m.group_id");
    let mut found: BTreeMap<AccountId, Vec<Membership>> = BTreeMap::new();
    // Members share their group's routes.
    let mut routes: BTreeMap<GroupId, Arc<[ModelRoute]>> = BTreeMap::new();
    for row in db.read(query).await? {
        let group = GroupId(row.int("group_id")?);
        let routes = match routes.get(&group) {
            Some(known) => Arc::clone(known),
            None => {
                let read: Vec<ModelRoute> = row.opt_json("model_routes")?.unwrap_or_default();
                Arc::clone(routes.entry(group).or_insert_with(|| Arc::from(read)))
            }
        };
        let membership = Membership { group, priority: row.fit("priority")?, platform: platform_of(&row)?, routes };
        found.entry(AccountId(row.int("account_id")?)).or_default().push(membership);
    }
    Ok(found)
}

/// Makes these the groups of an account.
pub(super) async fn set_memberships(tx: &mut Tx, account: AccountId, groups: &[GroupId]) -> Result<(), StoreError> {
    require(tx, groups, &[]).await?;
    tx.write(sql("DELETE FROM account_group_members WHERE account_id = ?").bind(account)).await?;
    for group in distinct(groups) {
        insert(tx, group, account).await?;
    }
    Ok(())
}

async fn set_accounts(tx: &mut Tx, group: GroupId, accounts: &[AccountId]) -> Result<(), StoreError> {
    require(tx, &[], accounts).await?;
    touch_accounts(tx, group).await?;
    tx.write(sql("DELETE FROM account_group_members WHERE group_id = ?").bind(group)).await?;
    for account in distinct(accounts) {
        insert(tx, group, account).await?;
    }
    touch_accounts(tx, group).await
}

/// A group without rules has no row of them.
async fn set_rules(tx: &mut Tx, group: GroupId, config: &GroupConfig) -> Result<(), StoreError> {
    tx.write(sql("DELETE FROM account_group_rules WHERE group_id = ?").bind(group)).await?;
    if config.platform.is_none() && config.routes.is_empty() {
        return Ok(());
    }
    let insert = sql("INSERT INTO account_group_rules (group_id, platform, model_routes) VALUES (?, ?, ?)");
    let insert = insert.bind(group).bind(config.platform.map(Platform::as_str)).bind(json(&config.routes)?);
    tx.write(insert).await.map(drop)
}

async fn insert(tx: &mut Tx, group: GroupId, account: AccountId) -> Result<(), StoreError> {
    let statement = sql("INSERT INTO account_group_members (group_id, account_id) VALUES (?, ?)");
    tx.write(statement.bind(group).bind(account)).await.map(drop)
}

/// The version of an account covers its memberships, so that whoever compares versions sees the change.
async fn touch(tx: &mut Tx, account: AccountId) -> Result<(), StoreError> {
    tx.write(sql("UPDATE accounts SET version = version + 1 WHERE id = ?").bind(account)).await.map(drop)
}

async fn touch_accounts(tx: &mut Tx, group: GroupId) -> Result<(), StoreError> {
    let members = "SELECT account_id FROM account_group_members WHERE group_id = ?";
    let statement = built(format!("UPDATE accounts SET version = version + 1 WHERE id IN ({members})"));
    tx.write(statement.bind(group)).await.map(drop)
}

async fn require(tx: &mut Tx, groups: &[GroupId], accounts: &[AccountId]) -> Result<(), StoreError> {
    let groups = distinct(groups);
    let found = tx.read(sql("SELECT id FROM account_groups WHERE id IN ").push_list(groups.iter().copied())).await?;
    let accounts = distinct(accounts);
    let query = sql("SELECT id FROM accounts WHERE deleted_at IS NULL AND id IN ").push_list(accounts.iter().copied());
    let complete = found.len() == groups.len() && tx.read(query).await?.len() == accounts.len();
    if complete { Ok(()) } else { Err(StoreError::NotFound) }
}

fn distinct<T: Copy + Ord>(ids: &[T]) -> std::collections::BTreeSet<T> {
    ids.iter().copied().collect()
}

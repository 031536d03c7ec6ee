//! Upstream accounts: the configured row, its status, and its sealed credential with a version of its own.

mod credential;
mod list;
mod row;

use actors::domain::account::AccountStatus;
use actors::domain::id::AccountId;
use actors::domain::time::Timestamp;
use actors::ports::StoredAccount;
use std::sync::Arc;

pub use credential::{CredentialHint, export, hint, save_credential, set_credential};
pub use list::{AccountFilter, by_tags, list};
pub use row::{AccountConfig, AccountRow};

use super::db::Db;
use super::error::StoreError;
use super::pools::Tx;
use super::sql::{Row, built, clip, sql};
use super::vault::Vault;

/// Stores a new account, `created`, with its credential when one is given. Groups must exist.
pub async fn create(
    db: &Db,
    vault: &Arc<dyn Vault>,
    config: AccountConfig,
    secret: Option<actors::domain::credential::Credential>,
    now: Timestamp,
) -> Result<AccountId, StoreError> {
    let columns = row::CONFIG_COLUMNS;
    let marks = vec!["?"; columns.len()].join(", ");
    let statement = built(format!(
        "INSERT INTO accounts ({}, status, credential_version, version, created_at, updated_at) \
         VALUES ({marks}, 'created', 0, 1, ?, ?)",
        columns.join(", ")
    ));
    let statement = row::bind_config(statement, &config)?.bind(now).bind(now);
    let (vault, groups) = (Arc::clone(vault), config.groups);
    db.change(move |tx| {
        let (statement, vault, groups, secret) =
            (statement.clone(), Arc::clone(&vault), groups.clone(), secret.clone());
        Box::pin(async move {
            let id = AccountId(tx.write(statement).await?.insert_id);
            super::groups::set_memberships(tx, id, &groups).await?;
            if let Some(secret) = secret {
                credential::write(tx, vault.as_ref(), id, &secret, 1).await?;
            }
            tx.created(id.0);
            Ok(id)
        })
    })
    .await
}

/// One account that is not deleted.
pub async fn get(db: &Db, id: AccountId) -> Result<Option<AccountRow>, StoreError> {
    let query = built(format!("{} a.id = ? AND a.deleted_at IS NULL", row::SELECT)).bind(id);
    let Some(found) = db.read_one(query).await? else { return Ok(None) };
    let groups = super::groups::memberships(db, Some(id)).await?;
    row::read(&found, groups.get(&id).cloned().unwrap_or_default()).map(Some)
}

/// Stores a configuration. `seen_version` guards against changes since it was read.
pub async fn update(
    db: &Db,
    id: AccountId,
    seen_version: i64,
    config: AccountConfig,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sets: Vec<String> = row::CONFIG_COLUMNS.iter().map(|column| format!("{column} = ?")).collect();
    let statement = built(format!(
        "UPDATE accounts SET {}, version = version + 1, updated_at = ? \
         WHERE id = ? AND version = ? AND deleted_at IS NULL",
        sets.join(", ")
    ));
    let statement = row::bind_config(statement, &config)?.bind(now).bind(id).bind(seen_version);
    let groups = config.groups;
    db.change(move |tx| {
        let (statement, groups) = (statement.clone(), groups.clone());
        Box::pin(async move {
            if tx.write(statement).await?.affected == 0 {
                let alive = sql("SELECT id FROM accounts WHERE id = ? AND deleted_at IS NULL").bind(id);
                let found = tx.read(alive).await?;
                return Err(if found.is_empty() { StoreError::NotFound } else { StoreError::VersionConflict });
            }
            super::groups::set_memberships(tx, id, &groups).await
        })
    })
    .await
}

/// Stores a status with its reason.
pub async fn save_status(
    db: &Db,
    id: AccountId,
    status: AccountStatus,
    reason: Option<String>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let reason = reason.map(|text| clip(&text, 1_000).to_owned());
    let statement = sql("UPDATE accounts SET status = ?, status_reason = ?, version = version + 1, updated_at = ? \
         WHERE id = ? AND deleted_at IS NULL");
    let statement = statement.bind(status.as_str()).bind(reason).bind(now).bind(id);
    db.change(move |tx| {
        let statement = statement.clone();
        Box::pin(async move { tx.write_one(statement).await })
    })
    .await
}

/// Deletes an account softly: it keeps its rows of usage, and loses its secret and its groups.
pub async fn delete(db: &Db, id: AccountId, now: Timestamp) -> Result<(), StoreError> {
    db.change(move |tx| {
        Box::pin(async move {
            let gone = sql("UPDATE accounts SET deleted_at = ?, updated_at = ?, version = version + 1, \
                 credential = NULL, credential_hint = NULL WHERE id = ? AND deleted_at IS NULL");
            tx.write_one(gone.bind(now).bind(now).bind(id)).await?;
            super::groups::set_memberships(tx, id, &[]).await
        })
    })
    .await
}

/// Versions of every account that is not deleted: what a periodic re-read compares.
pub async fn versions(db: &Db) -> Result<Vec<(AccountId, i64)>, StoreError> {
    let rows =
        db.read(sql("SELECT id, version + credential_version AS version FROM accounts WHERE deleted_at IS NULL"));
    rows.await?.iter().map(|row| Ok((AccountId(row.int("id")?), row.int("version")?))).collect()
}

/// Every account that is not deleted, with its opened credential.
pub async fn load_all(db: &Db, vault: &dyn Vault) -> Result<Vec<StoredAccount>, StoreError> {
    let rows = db.read(built(format!("{} a.deleted_at IS NULL ORDER BY a.id", row::SELECT))).await?;
    let groups = super::groups::memberships(db, None).await?;
    rows.iter()
        .map(|found| {
            let id = AccountId(found.int("id")?);
            stored(found, groups.get(&id).cloned().unwrap_or_default(), vault)
        })
        .collect()
}

/// One account with its opened credential; `None` when it does not exist or is deleted.
pub async fn load(db: &Db, vault: &dyn Vault, id: AccountId) -> Result<Option<StoredAccount>, StoreError> {
    let query = built(format!("{} a.id = ? AND a.deleted_at IS NULL", row::SELECT)).bind(id);
    let Some(found) = db.read_one(query).await? else { return Ok(None) };
    let groups = super::groups::memberships(db, Some(id)).await?;
    stored(&found, groups.get(&id).cloned().unwrap_or_default(), vault).map(Some)
}

fn stored(
    found: &Row,
    groups: Vec<actors::domain::group::Membership>,
    vault: &dyn Vault,
) -> Result<StoredAccount, StoreError> {
    let row = row::read(found, groups)?;
    let id = row.id;
    // A credential that cannot be opened must not hide the account, nor stop the others from loading.
    let credential = credential::read(found, vault).unwrap_or_else(|error| {
        tracing::error!(account = id.0, %error, "credential cannot be opened");
        None
    });
    Ok(StoredAccount { spec: Arc::new(row.into_spec()), credential: credential.map(Arc::new) })
}

/// Locks the row and returns its credential version, or `NotFound`.
async fn lock_credential(tx: &mut Tx, id: AccountId) -> Result<Row, StoreError> {
    let lock = tx.flavor().for_update();
    let query = built(format!(
        "SELECT id, credential, credential_version, credential_expires_at FROM accounts \
         WHERE id = ? AND deleted_at IS NULL{lock}"
    ));
    tx.read(query.bind(id)).await?.into_iter().next().ok_or(StoreError::NotFound)
}

//! Outbound proxies; the password is sealed.

use std::sync::Arc;

use actors::domain::id::ProxyId;
use actors::domain::time::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::db::Db;
use super::error::StoreError;
use super::pools::Tx;
use super::sql::{Row, Sql, built, sql};
use super::vault::{Place, Vault};

/// How we speak to a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProxyKind {
    /// CONNECT.
    Http,
    /// CONNECT inside TLS.
    Https,
    /// SOCKS5; we resolve names.
    Socks5,
    /// SOCKS5; the proxy resolves names.
    Socks5h,
}

impl ProxyKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Http, Self::Https, Self::Socks5, Self::Socks5h];

    /// The name in JSON and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks5 => "socks5",
            Self::Socks5h => "socks5h",
        }
    }

    /// The kind with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// What an administrator sets about a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyConfig {
    /// Unique name.
    pub name: String,
    /// Protocol.
    pub kind: ProxyKind,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User name.
    pub username: Option<String>,
    /// Switch.
    pub enabled: bool,
    /// Used by new accounts when none is named; at most one proxy is.
    pub is_default: bool,
}

/// A proxy as stored.
#[derive(Debug, Clone)]
pub struct ProxyRow {
    /// Row id.
    pub id: ProxyId,
    /// Configuration.
    pub config: ProxyConfig,
    /// Opened password.
    pub password: Option<SecretString>,
    /// Counts up with each change.
    pub version: i64,
    /// Created.
    pub created_at: Timestamp,
    /// Changed.
    pub updated_at: Timestamp,
}

/// What an update does with the password.
#[derive(Debug, Clone)]
pub enum PasswordChange {
    /// Nothing.
    Keep,
    /// Removes it.
    Clear,
    /// Replaces it.
    Set(SecretString),
}

const SELECT: &str = "SELECT id, name, kind, host, port, username, password, enabled, is_default, version, created_at, \
     updated_at FROM egress_proxies WHERE ";

/// Creates a proxy. [`StoreError::Conflict`] when the name is taken.
pub async fn create(
    db: &Db,
    vault: &Arc<dyn Vault>,
    config: ProxyConfig,
    password: Option<SecretString>,
    now: Timestamp,
) -> Result<ProxyId, StoreError> {
    let insert = sql("INSERT INTO egress_proxies (name, kind, host, port, username, enabled, is_default, version, \
         created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?, ?)");
    let insert = bind_config(insert, &config).bind(now).bind(now);
    let (vault, default) = (Arc::clone(vault), config.is_default);
    db.change(move |tx| {
        let (insert, vault, password) = (insert.clone(), Arc::clone(&vault), password.clone());
        Box::pin(async move {
            let id = ProxyId(tx.write(insert).await?.insert_id);
            tx.created(id.0);
            let change = password.map_or(PasswordChange::Keep, PasswordChange::Set);
            finish(tx, vault.as_ref(), id, change, default).await?;
            Ok(id)
        })
    })
    .await
}

/// Stores a proxy. `seen_version` guards against changes since it was read.
pub async fn update(
    db: &Db,
    vault: &Arc<dyn Vault>,
    id: ProxyId,
    seen_version: i64,
    config: ProxyConfig,
    password: PasswordChange,
    now: Timestamp,
) -> Result<(), StoreError> {
    let update = sql("UPDATE egress_proxies SET name = ?, kind = ?, host = ?, port = ?, username = ?, enabled = ?, \
         is_default = ?, version = version + 1, updated_at = ? WHERE id = ? AND version = ?");
    let update = bind_config(update, &config).bind(now).bind(id).bind(seen_version);
    let (vault, default) = (Arc::clone(vault), config.is_default);
    db.change(move |tx| {
        let (update, vault, password) = (update.clone(), Arc::clone(&vault), password.clone());
        Box::pin(async move {
            if tx.write(update).await?.affected == 0 {
                let found = tx.read(sql("SELECT id FROM egress_proxies WHERE id = ?").bind(id)).await?;
                return Err(if found.is_empty() { StoreError::NotFound } else { StoreError::VersionConflict });
            }
            finish(tx, vault.as_ref(), id, password, default).await
        })
    })
    .await
}

async fn finish(
    tx: &mut Tx,
    vault: &dyn Vault,
    id: ProxyId,
    password: PasswordChange,
    default: bool,
) -> Result<(), StoreError> {
    let sealed = match password {
        PasswordChange::Keep => None,
        PasswordChange::Clear => Some(None),
        PasswordChange::Set(password) => Some(Some(vault.seal(place(id), password.expose_secret())?)),
    };
    if let Some(sealed) = sealed {
        tx.write(sql("UPDATE egress_proxies SET password = ? WHERE id = ?").bind(sealed).bind(id)).await?;
    }
    if default {
        let others = sql("UPDATE egress_proxies SET is_default = 0 WHERE id <> ? AND is_default = 1");
        tx.write(others.bind(id)).await?;
    }
    Ok(())
}

fn bind_config(statement: Sql, config: &ProxyConfig) -> Sql {
    statement
        .bind(config.name.as_str())
        .bind(config.kind.as_str())
        .bind(config.host.as_str())
        .bind(config.port)
        .bind(config.username.clone())
        .bind(config.enabled)
        .bind(config.is_default)
}

const fn place(id: ProxyId) -> Place<'static> {
    Place { table: "egress_proxies", column: "password", row: id.0 }
}

/// One proxy.
pub async fn get(db: &Db, vault: &dyn Vault, id: ProxyId) -> Result<Option<ProxyRow>, StoreError> {
    let row = db.read_one(built(format!("{SELECT} id = ?")).bind(id)).await?;
    row.as_ref().map(|row| read(row, vault)).transpose()
}

/// Every proxy, by id.
pub async fn list(db: &Db, vault: &dyn Vault) -> Result<Vec<ProxyRow>, StoreError> {
    db.read(built(format!("{SELECT} 1 = 1 ORDER BY id"))).await?.iter().map(|row| read(row, vault)).collect()
}

/// Deletes a proxy. [`StoreError::Conflict`] while an account goes through it.
pub async fn delete(db: &Db, id: ProxyId) -> Result<(), StoreError> {
    db.change(move |tx| {
        Box::pin(async move {
            let used = sql("SELECT id FROM accounts WHERE proxy_id = ? AND deleted_at IS NULL LIMIT 1").bind(id);
            if !tx.read(used).await?.is_empty() {
                return Err(StoreError::Conflict("accounts.proxy_id".to_owned()));
            }
            tx.write_one(sql("DELETE FROM egress_proxies WHERE id = ?").bind(id)).await
        })
    })
    .await
}

fn read(row: &Row, vault: &dyn Vault) -> Result<ProxyRow, StoreError> {
    let id = ProxyId(row.int("id")?);
    let password = row.opt_text("password")?.map(|sealed| vault.open(place(id), &sealed)).transpose()?;
    Ok(ProxyRow {
        id,
        config: ProxyConfig {
            name: row.text("name")?,
            kind: row.word("kind", ProxyKind::parse)?,
            host: row.text("host")?,
            port: row.fit("port")?,
            username: row.opt_text("username")?,
            enabled: row.flag("enabled")?,
            is_default: row.flag("is_default")?,
        },
        password,
        version: row.int("version")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

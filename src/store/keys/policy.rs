//! The key as the relay needs it: found by digest, joined with its owner and with what it has spent.

use std::collections::BTreeMap;

use actors::domain::id::{KeyId, UserId};
use actors::domain::key::{CostWindow, KeyPolicy, OwnerPolicy, Spent};
use actors::domain::money::Nanos;
use actors::domain::time::{HOUR, Timestamp};

use super::super::db::Db;
use super::super::error::StoreError;
use super::super::sql::{Row, built, sql};
use super::digests::Digest;
use super::row::{KeyStatus, read_config};

/// A key found by one of its digests.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundKey {
    /// The policy.
    pub policy: KeyPolicy,
    /// Which digest it was found by.
    pub digest: Digest,
    /// Until when that digest is honoured; `None` = for ever.
    pub valid_until: Option<Timestamp>,
}

/// What a cached key must be compared with: its current policy version, or absence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// The key.
    pub key: KeyId,
    /// Sum of the versions of the key and its owner; each only rises.
    pub version: i64,
}

const SELECT: &str = "SELECT k.id, k.name, k.description, k.tags, k.icon, k.status, k.expires_at, k.activation_ms, \
     k.activated_at, k.permissions, k.model_allow, k.model_deny, k.allowed_clients, k.ip_allow, \
     k.ip_deny, k.concurrency_limit, k.rpm_limit, k.rate_windows, \
     k.cost_limits, k.weekly_reset_day, k.weekly_reset_hour, k.price_rate_ppm, k.bindings, k.account_tags, \
     k.sticky_mode, k.disconnect_policy, k.version, u.id AS owner_id, u.max_concurrency AS owner_concurrency, \
     u.rpm_limit AS owner_rpm, u.price_rate_ppm AS owner_rate, u.status AS owner_status, \
     u.deleted_at AS owner_deleted, u.version AS owner_version";

/// The key that has one of these digests. No SQL text contains the raw key.
pub async fn find(db: &Db, digests: &[Digest], now: Timestamp) -> Result<Option<FoundKey>, StoreError> {
    let conditions = vec!["(d.hash_scheme = ? AND d.key_hash = ?)"; digests.len()].join(" OR ");
    let mut query = built(format!(
        "{SELECT}, d.hash_scheme, d.key_hash, d.valid_until FROM api_key_digests d \
         JOIN api_keys k ON k.id = d.key_id JOIN users u ON u.id = k.user_id \
         WHERE ({conditions}) AND (d.valid_until IS NULL OR d.valid_until > ?)"
    ));
    for digest in digests {
        query = query.bind(digest.scheme.as_str()).bind(digest.hex.as_str());
    }
    let Some(row) = db.read_one(query.bind(now)).await? else { return Ok(None) };
    let spent = spent(db, KeyId(row.int("id")?)).await?;
    let digest = Digest { scheme: row.text("hash_scheme")?, hex: row.text("key_hash")? };
    Ok(Some(FoundKey { policy: read(&row, spent)?, digest, valid_until: row.opt_time("valid_until")? }))
}

/// The policy of a key by its id.
pub async fn load(db: &Db, id: KeyId) -> Result<Option<KeyPolicy>, StoreError> {
    let query = built(format!("{SELECT} FROM api_keys k JOIN users u ON u.id = k.user_id WHERE k.id = ?")).bind(id);
    let Some(row) = db.read_one(query).await? else { return Ok(None) };
    let spent = spent(db, id).await?;
    read(&row, spent).map(Some)
}

/// A number that changes with every change of any key or owner.
pub async fn generation(db: &Db) -> Result<i64, StoreError> {
    let row = db.read_one(sql("SELECT value FROM meta WHERE name = 'keys_generation'")).await?;
    row.map_or(Ok(0), |row| row.text("value")?.parse().map_err(|_| StoreError::Data("keys_generation".to_owned())))
}

/// Current versions of these keys; a key that is gone is absent.
pub async fn versions(db: &Db, keys: &[KeyId]) -> Result<Vec<Versions>, StoreError> {
    let query = sql("SELECT k.id, k.version + u.version AS version FROM api_keys k JOIN users u ON u.id = k.user_id \
         WHERE k.id IN ");
    let rows = db.read(query.push_list(keys.iter().copied())).await?;
    rows.iter().map(|row| Ok(Versions { key: KeyId(row.int("id")?), version: row.int("version")? })).collect()
}

/// What a key has been charged in the window of a kind that began at this moment; for five hours, which begin at first use, in
/// those that are running.
pub async fn window_spent(db: &Db, key: KeyId, window: CostWindow, start: Timestamp) -> Result<Nanos, StoreError> {
    let from = if window == CostWindow::FiveHour { start.plus(1 - 5 * HOUR) } else { start };
    let query = sql("SELECT CAST(COALESCE(SUM(used_nanos), 0) AS SIGNED) AS used FROM key_windows \
         WHERE key_id = ? AND window_kind = ? AND window_start >= ?");
    let row = db.read_one(query.bind(key).bind(window.as_str()).bind(from)).await?;
    row.map_or(Ok(Nanos::ZERO), |row| row.nanos("used"))
}

/// The newest window of each kind.
async fn spent(db: &Db, key: KeyId) -> Result<Vec<Spent>, StoreError> {
    let query = sql("SELECT w.window_kind, w.window_start, w.used_nanos FROM key_windows w JOIN \
         (SELECT window_kind, MAX(window_start) AS newest FROM key_windows WHERE key_id = ? GROUP BY window_kind) n \
         ON n.window_kind = w.window_kind AND n.newest = w.window_start WHERE w.key_id = ?");
    let rows = db.read(query.bind(key).bind(key)).await?;
    let mut spent = BTreeMap::new();
    for row in &rows {
        let window = row.word("window_kind", CostWindow::parse)?;
        spent.insert(window, Spent { window, start: row.time("window_start")?, used: row.nanos("used_nanos")? });
    }
    Ok(spent.into_values().collect())
}

fn read(row: &Row, spent: Vec<Spent>) -> Result<KeyPolicy, StoreError> {
    let config = read_config(row)?;
    let owner = OwnerPolicy {
        id: UserId(row.int("owner_id")?),
        max_concurrency: row.fit("owner_concurrency")?,
        rpm_limit: row.fit("owner_rpm")?,
        price_rate_ppm: row.int("owner_rate")?,
        active: row.text("owner_status")? == "active" && row.opt_int("owner_deleted")?.is_none(),
    };
    let waiting = row.opt_int("activated_at")?.is_none();
    Ok(KeyPolicy {
        id: KeyId(row.int("id")?),
        name: config.name,
        owner,
        enabled: row.word("status", KeyStatus::parse)? == KeyStatus::Active,
        expires_at: config.expires_at,
        activation_ms: config.activation_ms.filter(|_| waiting),
        permissions: config.permissions,
        model_allow: config.model_allow,
        model_deny: config.model_deny,
        allowed_clients: config.allowed_clients,
        ip_allow: config.ip_allow,
        ip_deny: config.ip_deny,
        concurrency_limit: config.concurrency_limit,
        rpm_limit: config.rpm_limit,
        windows: config.windows,
        cost_limits: config.cost_limits,
        weekly_reset_day: config.weekly_reset_day,
        weekly_reset_hour: config.weekly_reset_hour,
        price_rate_ppm: config.price_rate_ppm,
        bindings: config.bindings,
        account_tags: config.account_tags,
        sticky_mode: config.sticky_mode,
        disconnect: config.disconnect,
        spent,
        version: row.int("version")?.saturating_add(row.int("owner_version")?),
    })
}

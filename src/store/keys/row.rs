//! The row of a key and its settings, column by column.

use actors::domain::account::Platform;
use actors::domain::id::{KeyId, UserId};
use actors::domain::key::{Binding, CostWindow, DisconnectPolicy, StickyMode};
use actors::domain::limit::RateWindow;
use actors::domain::model::Pattern;
use actors::domain::money::Nanos;
use actors::domain::network::Network;
use actors::domain::time::Timestamp;

use super::super::error::StoreError;
use super::super::sql::{Row, Sql, json};

/// What an administrator, or the owner, sets about a key. For every limit 0 means unlimited.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyConfig {
    /// Display name, 1 to 100 characters.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Labels for search.
    pub tags: Vec<String>,
    /// A sign for consoles.
    pub icon: String,
    /// End of validity; filled by activation for keys that wait for their first use.
    pub expires_at: Option<Timestamp>,
    /// Length of validity from the first accepted request.
    pub activation_ms: Option<i64>,
    /// Platforms; empty = every one.
    pub permissions: Vec<Platform>,
    /// Models; empty = every one.
    pub model_allow: Vec<Pattern>,
    /// Models refused.
    pub model_deny: Vec<Pattern>,
    /// Kinds of client; empty = every one.
    pub allowed_clients: Vec<String>,
    /// Networks; empty = every one.
    pub ip_allow: Vec<Network>,
    /// Networks refused.
    pub ip_deny: Vec<Network>,
    /// Live requests.
    pub concurrency_limit: u32,
    /// Requests per minute.
    pub rpm_limit: u32,
    /// Further rate windows.
    pub windows: Vec<RateWindow>,
    /// Money limits.
    pub cost_limits: Vec<(CostWindow, Nanos)>,
    /// 1 = Monday … 7 = Sunday.
    pub weekly_reset_day: u8,
    /// 0 to 23.
    pub weekly_reset_hour: u8,
    /// Multiplier of the charge in ppm.
    pub price_rate_ppm: i64,
    /// Where requests go.
    pub bindings: Vec<Binding>,
    /// Only accounts with all of these tags.
    pub account_tags: Vec<String>,
    /// Stickiness.
    pub sticky_mode: StickyMode,
    /// When the client leaves.
    pub disconnect: DisconnectPolicy,
}

impl Default for KeyConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            description: String::new(),
            tags: Vec::new(),
            icon: String::new(),
            expires_at: None,
            activation_ms: None,
            permissions: Vec::new(),
            model_allow: Vec::new(),
            model_deny: Vec::new(),
            allowed_clients: Vec::new(),
            ip_allow: Vec::new(),
            ip_deny: Vec::new(),
            concurrency_limit: 0,
            rpm_limit: 0,
            windows: Vec::new(),
            cost_limits: Vec::new(),
            weekly_reset_day: 1,
            weekly_reset_hour: 0,
            price_rate_ppm: actors::domain::money::PPM,
            bindings: Vec::new(),
            account_tags: Vec::new(),
            sticky_mode: StickyMode::default(),
            disconnect: DisconnectPolicy::default(),
        }
    }
}

/// The stored status of a key; `expired` is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyStatus {
    /// Usable.
    Active,
    /// Switched off.
    Disabled,
    /// Withdrawn.
    Revoked,
}

impl KeyStatus {
    /// The name in JSON and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Revoked => "revoked",
        }
    }

    /// The status with this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Active, Self::Disabled, Self::Revoked].into_iter().find(|status| status.as_str() == name)
    }
}

/// A key as stored, without its digests.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyRow {
    /// Row id.
    pub id: KeyId,
    /// Owner.
    pub user: UserId,
    /// Settings.
    pub config: KeyConfig,
    /// Status.
    pub status: KeyStatus,
    /// First characters of the raw text.
    pub prefix: String,
    /// Its last four.
    pub last4: String,
    /// First accepted request of a key with `activation_ms`.
    pub activated_at: Option<Timestamp>,
    /// Last accepted request, to within a batch of usage.
    pub last_used_at: Option<Timestamp>,
    /// Counts up with each change.
    pub version: i64,
    /// Created.
    pub created_at: Timestamp,
    /// Changed.
    pub updated_at: Timestamp,
    /// Revoked.
    pub revoked_at: Option<Timestamp>,
}

/// The columns of [`KeyConfig`], in the order of [`bind_config`].
pub(super) const CONFIG_COLUMNS: [&str; 23] = [
    "name",
    "description",
    "tags",
    "icon",
    "expires_at",
    "activation_ms",
    "permissions",
    "model_allow",
    "model_deny",
    "allowed_clients",
    "ip_allow",
    "ip_deny",
    "concurrency_limit",
    "rpm_limit",
    "rate_windows",
    "cost_limits",
    "weekly_reset_day",
    "weekly_reset_hour",
    "price_rate_ppm",
    "bindings",
    "account_tags",
    "sticky_mode",
    "disconnect_policy",
];

/// Every column of a key; a condition on `k` follows.
pub(super) const SELECT: &str = "SELECT k.id, k.user_id, k.name, k.description, k.tags, k.icon, k.status, k.key_prefix, \
     k.key_last4, k.expires_at, k.activation_ms, k.activated_at, k.permissions, k.model_allow, k.model_deny, \
     k.allowed_clients, k.ip_allow, k.ip_deny, \
     k.concurrency_limit, k.rpm_limit, k.rate_windows, k.cost_limits, k.weekly_reset_day, k.weekly_reset_hour, \
     k.price_rate_ppm, k.bindings, k.account_tags, k.sticky_mode, k.disconnect_policy, k.version, k.created_at, \
     k.updated_at, k.revoked_at, t.last_used_at FROM api_keys k LEFT JOIN key_totals t ON t.key_id = k.id WHERE ";

pub(super) fn bind_config(statement: Sql, config: &KeyConfig) -> Result<Sql, StoreError> {
    Ok(statement
        .bind(config.name.as_str())
        .bind(config.description.as_str())
        .bind(json(&config.tags)?)
        .bind(config.icon.as_str())
        .bind(config.expires_at)
        .bind(config.activation_ms)
        .bind(json(&config.permissions)?)
        .bind(json(&config.model_allow)?)
        .bind(json(&config.model_deny)?)
        .bind(json(&config.allowed_clients)?)
        .bind(json(&config.ip_allow)?)
        .bind(json(&config.ip_deny)?)
        .bind(config.concurrency_limit)
        .bind(config.rpm_limit)
        .bind(json(&config.windows)?)
        .bind(json(&config.cost_limits)?)
        .bind(config.weekly_reset_day)
        .bind(config.weekly_reset_hour)
        .bind(config.price_rate_ppm)
        .bind(json(&config.bindings)?)
        .bind(json(&config.account_tags)?)
        .bind(sticky_word(config.sticky_mode))
        .bind(disconnect_word(config.disconnect)))
}

/// Reads the settings from a row that has every column of [`CONFIG_COLUMNS`].
pub(super) fn read_config(row: &Row) -> Result<KeyConfig, StoreError> {
    Ok(KeyConfig {
        name: row.text("name")?,
        description: row.text("description")?,
        tags: row.json("tags")?,
        icon: row.text("icon")?,
        expires_at: row.opt_time("expires_at")?,
        activation_ms: row.opt_int("activation_ms")?,
        permissions: row.json("permissions")?,
        model_allow: row.json("model_allow")?,
        model_deny: row.json("model_deny")?,
        allowed_clients: row.opt_json("allowed_clients")?.unwrap_or_default(),
        ip_allow: row.opt_json("ip_allow")?.unwrap_or_default(),
        ip_deny: row.opt_json("ip_deny")?.unwrap_or_default(),
        concurrency_limit: row.fit("concurrency_limit")?,
        rpm_limit: row.fit("rpm_limit")?,
        windows: row.json("rate_windows")?,
        cost_limits: row.json("cost_limits")?,
        weekly_reset_day: row.fit("weekly_reset_day")?,
        weekly_reset_hour: row.fit("weekly_reset_hour")?,
        price_rate_ppm: row.int("price_rate_ppm")?,
        bindings: row.json("bindings")?,
        account_tags: row.json("account_tags")?,
        sticky_mode: row.word("sticky_mode", parse_sticky)?,
        disconnect: row.word("disconnect_policy", parse_disconnect)?,
    })
}

pub(super) fn read(row: &Row) -> Result<KeyRow, StoreError> {
    Ok(KeyRow {
        id: KeyId(row.int("id")?),
        user: UserId(row.int("user_id")?),
        config: read_config(row)?,
        status: row.word("status", KeyStatus::parse)?,
        prefix: row.text("key_prefix")?,
        last4: row.text("key_last4")?,
        activated_at: row.opt_time("activated_at")?,
        last_used_at: row.opt_time("last_used_at")?,
        version: row.int("version")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        revoked_at: row.opt_time("revoked_at")?,
    })
}

const fn sticky_word(mode: StickyMode) -> &'static str {
    match mode {
        StickyMode::Prefer => "prefer",
        StickyMode::Off => "off",
        StickyMode::Strict => "strict",
    }
}

fn parse_sticky(word: &str) -> Option<StickyMode> {
    [StickyMode::Prefer, StickyMode::Off, StickyMode::Strict].into_iter().find(|mode| sticky_word(*mode) == word)
}

const fn disconnect_word(policy: DisconnectPolicy) -> &'static str {
    match policy {
        DisconnectPolicy::Cancel => "cancel",
        DisconnectPolicy::DrainLimited => "drain_limited",
        DisconnectPolicy::DrainFull => "drain_full",
    }
}

fn parse_disconnect(word: &str) -> Option<DisconnectPolicy> {
    [DisconnectPolicy::Cancel, DisconnectPolicy::DrainLimited, DisconnectPolicy::DrainFull]
        .into_iter()
        .find(|policy| disconnect_word(*policy) == word)
}

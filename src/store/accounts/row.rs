//! The row of an account and its configuration, column by column.

use std::collections::BTreeMap;

use actors::domain::account::{AccountKind, AccountSpec, AccountStatus, ErrorRule, Visibility};
use actors::domain::group::Membership;
use actors::domain::id::{AccountId, GroupId, ProxyId};
use actors::domain::model::Pattern;
use actors::domain::money::{Nanos, PPM};
use actors::domain::time::Timestamp;
use actors::domain::window::WindowKind;

use super::super::error::StoreError;
use super::super::sql::{Row, Sql, json};
use super::credential::CredentialHint;

/// What an administrator sets about an account. For every limit 0 means unlimited.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountConfig {
    /// Display name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Decides the adapter; never changes.
    pub kind: AccountKind,
    /// Switch.
    pub enabled: bool,
    /// False = paused by hand.
    pub schedulable: bool,
    /// Who may be served.
    pub visibility: Visibility,
    /// 0 to 100; higher is preferred.
    pub priority: i32,
    /// 1 to 1000.
    pub weight: i32,
    /// Groups.
    pub groups: Vec<GroupId>,
    /// Labels.
    pub tags: Vec<String>,
    /// Slots.
    pub max_concurrency: u32,
    /// Requests per minute.
    pub rpm_limit: u32,
    /// Tokens per minute.
    pub tpm_limit: u64,
    /// Upstream cost per day.
    pub daily_budget: Nanos,
    /// Minute of the day at which the budget starts again.
    pub budget_reset_minute: u16,
    /// Percent of a vendor window at which the account pauses.
    pub auto_pause: BTreeMap<WindowKind, u8>,
    /// Pause on the vendor's warning.
    pub pause_on_warning: bool,
    /// Models served; empty = every one.
    pub model_allow: Vec<Pattern>,
    /// Models refused.
    pub model_deny: Vec<Pattern>,
    /// Requested name → upstream name.
    pub model_map: BTreeMap<String, String>,
    /// End of the subscription.
    pub subscription_expires_at: Option<Timestamp>,
    /// Outbound proxy.
    pub proxy: Option<ProxyId>,
    /// Upstream base URL.
    pub base_url: Option<String>,
    /// Adapter options.
    pub options: BTreeMap<String, String>,
    /// Tried before the built-in classification.
    pub error_rules: Vec<ErrorRule>,
    /// Our cost in ppm of list.
    pub cost_ppm: i64,
    /// Free text, at most 500 characters.
    pub notes: String,
}

impl AccountConfig {
    /// The defaults of `upstreams.md` §1.1 for a kind.
    pub fn new(name: &str, kind: AccountKind) -> Self {
        Self {
            name: name.to_owned(),
            description: String::new(),
            kind,
            enabled: true,
            schedulable: true,
            visibility: Visibility::Shared,
            priority: 50,
            weight: 100,
            groups: Vec::new(),
            tags: Vec::new(),
            max_concurrency: 0,
            rpm_limit: 0,
            tpm_limit: 0,
            daily_budget: Nanos::ZERO,
            budget_reset_minute: 0,
            auto_pause: BTreeMap::new(),
            pause_on_warning: false,
            model_allow: Vec::new(),
            model_deny: Vec::new(),
            model_map: BTreeMap::new(),
            subscription_expires_at: None,
            proxy: None,
            base_url: None,
            options: BTreeMap::new(),
            error_rules: Vec::new(),
            cost_ppm: PPM,
            notes: String::new(),
        }
    }
}

/// An account as stored, without its secret.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountRow {
    /// Row id.
    pub id: AccountId,
    /// Configuration.
    pub config: AccountConfig,
    /// Its groups with their priorities.
    pub memberships: Vec<Membership>,
    /// Stored status.
    pub status: AccountStatus,
    /// Why it is `error` or `blocked`.
    pub status_reason: Option<String>,
    /// What may be shown of the credential.
    pub credential: CredentialHint,
    /// Counts up with each change.
    pub version: i64,
    /// Created.
    pub created_at: Timestamp,
    /// Changed.
    pub updated_at: Timestamp,
}

impl AccountRow {
    /// The value that the engine works with.
    pub fn into_spec(self) -> AccountSpec {
        let config = self.config;
        AccountSpec {
            id: self.id,
            name: config.name,
            kind: config.kind,
            status: self.status,
            status_reason: self.status_reason,
            enabled: config.enabled,
            schedulable: config.schedulable,
            visibility: config.visibility,
            priority: config.priority,
            weight: config.weight,
            max_concurrency: config.max_concurrency,
            rpm_limit: config.rpm_limit,
            tpm_limit: config.tpm_limit,
            daily_budget: config.daily_budget,
            budget_reset_minute: config.budget_reset_minute,
            auto_pause: config.auto_pause,
            pause_on_warning: config.pause_on_warning,
            model_allow: config.model_allow,
            model_deny: config.model_deny,
            model_map: config.model_map,
            groups: self.memberships,
            tags: config.tags,
            subscription_expires_at: config.subscription_expires_at,
            proxy: config.proxy,
            base_url: config.base_url,
            options: config.options,
            error_rules: config.error_rules,
            cost_ppm: config.cost_ppm,
            version: self.version,
        }
    }
}

/// The columns of [`AccountConfig`], in the order of [`bind_config`].
pub(super) const CONFIG_COLUMNS: [&str; 26] = [
    "name",
    "description",
    "kind",
    "enabled",
    "schedulable",
    "visibility",
    "priority",
    "weight",
    "tags",
    "max_concurrency",
    "rpm_limit",
    "tpm_limit",
    "daily_budget_nanos",
    "budget_reset_minute",
    "auto_pause",
    "pause_on_warning",
    "model_allow",
    "model_deny",
    "model_map",
    "subscription_expires_at",
    "proxy_id",
    "base_url",
    "options",
    "error_rules",
    "cost_ppm",
    "notes",
];

/// Every column of an account; a condition on `a` follows.
pub(super) const SELECT: &str = "SELECT a.id, a.name, a.description, a.kind, a.status, a.status_reason, a.enabled, \
     a.schedulable, a.visibility, a.priority, a.weight, a.max_concurrency, a.rpm_limit, a.tpm_limit, \
     a.daily_budget_nanos, a.budget_reset_minute, a.auto_pause, a.pause_on_warning, a.model_allow, a.model_deny, \
     a.model_map, a.tags, a.subscription_expires_at, a.proxy_id, a.base_url, a.options, a.error_rules, a.cost_ppm, \
     a.notes, a.credential, a.credential_hint, a.credential_expires_at, a.credential_version, a.version, \
     a.created_at, a.updated_at FROM accounts a WHERE ";

pub(super) fn bind_config(statement: Sql, config: &AccountConfig) -> Result<Sql, StoreError> {
    Ok(statement
        .bind(config.name.as_str())
        .bind(config.description.as_str())
        .bind(config.kind.as_str())
        .bind(config.enabled)
        .bind(config.schedulable)
        .bind(visibility_word(config.visibility))
        .bind(config.priority)
        .bind(config.weight)
        .bind(json(&config.tags)?)
        .bind(config.max_concurrency)
        .bind(config.rpm_limit)
        .bind(config.tpm_limit)
        .bind(config.daily_budget)
        .bind(config.budget_reset_minute)
        .bind(json(&config.auto_pause)?)
        .bind(config.pause_on_warning)
        .bind(json(&config.model_allow)?)
        .bind(json(&config.model_deny)?)
        .bind(json(&config.model_map)?)
        .bind(config.subscription_expires_at)
        .bind(config.proxy)
        .bind(config.base_url.clone())
        .bind(json(&config.options)?)
        .bind(json(&config.error_rules)?)
        .bind(config.cost_ppm)
        .bind(config.notes.as_str()))
}

pub(super) fn read(row: &Row, memberships: Vec<Membership>) -> Result<AccountRow, StoreError> {
    Ok(AccountRow {
        id: AccountId(row.int("id")?),
        config: read_config(row, memberships.iter().map(|m| m.group).collect())?,
        memberships,
        status: row.word("status", AccountStatus::parse)?,
        status_reason: row.opt_text("status_reason")?,
        credential: CredentialHint {
            masked: row.opt_text("credential_hint")?,
            expires_at: row.opt_time("credential_expires_at")?,
            version: row.int("credential_version")?,
        },
        version: row.int("version")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

fn read_config(row: &Row, groups: Vec<GroupId>) -> Result<AccountConfig, StoreError> {
    Ok(AccountConfig {
        name: row.text("name")?,
        description: row.text("description")?,
        kind: row.word("kind", AccountKind::parse)?,
        enabled: row.flag("enabled")?,
        schedulable: row.flag("schedulable")?,
        visibility: row.word("visibility", parse_visibility)?,
        priority: row.fit("priority")?,
        weight: row.fit("weight")?,
        groups,
        tags: row.json("tags")?,
        max_concurrency: row.fit("max_concurrency")?,
        rpm_limit: row.fit("rpm_limit")?,
        tpm_limit: row.fit("tpm_limit")?,
        daily_budget: row.nanos("daily_budget_nanos")?,
        budget_reset_minute: row.fit("budget_reset_minute")?,
        auto_pause: row.json("auto_pause")?,
        pause_on_warning: row.flag("pause_on_warning")?,
        model_allow: row.json("model_allow")?,
        model_deny: row.json("model_deny")?,
        model_map: row.json("model_map")?,
        subscription_expires_at: row.opt_time("subscription_expires_at")?,
        proxy: row.opt_int("proxy_id")?.map(ProxyId),
        base_url: row.opt_text("base_url")?,
        options: row.json("options")?,
        error_rules: row.json("error_rules")?,
        cost_ppm: row.int("cost_ppm")?,
        notes: row.text("notes")?,
    })
}

const fn visibility_word(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Shared => "shared",
        Visibility::Dedicated => "dedicated",
    }
}

fn parse_visibility(word: &str) -> Option<Visibility> {
    [Visibility::Shared, Visibility::Dedicated].into_iter().find(|v| visibility_word(*v) == word)
}

//! An API key that we issue, as the relay needs it: who owns it, what it may do, and its limits.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::account::Platform;
use super::id::{AccountId, GroupId, KeyId, UserId};
use super::limit::RateWindow;
use super::model::Pattern;
use super::money::Nanos;
use super::network::Network;
use super::time::Timestamp;

/// Where a key's requests go when they do not go to the shared pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BindingTarget {
    /// One account.
    Account(AccountId),
    /// The accounts of one group.
    Group(GroupId),
}

/// A binding of a key on one platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Binding {
    /// The platform it holds for.
    pub platform: Platform,
    /// Where to.
    pub target: BindingTarget,
    /// True: never anything else. False: the pool when the target is unusable.
    pub strict: bool,
}

/// How strongly a key's sessions stay on one account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StickyMode {
    /// Stay while the account is usable.
    #[default]
    Prefer,
    /// Choose afresh for each request.
    Off,
    /// The bound account or an error.
    Strict,
}

/// What happens to the upstream call when the client leaves (`metering.md` §7).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DisconnectPolicy {
    /// Close the upstream at once.
    Cancel,
    /// Read on for a while, within limits.
    #[default]
    DrainLimited,
    /// Read to the end.
    DrainFull,
}

/// The money windows of a key, in the order in which a refusal is reported (`access.md` §10 row 12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CostWindow {
    /// For ever.
    Total,
    /// From the 1st, 00:00 site time.
    Month,
    /// From the key's weekly reset day and hour, site time.
    Week,
    /// The same week, Claude traffic only.
    WeekClaude,
    /// From 00:00 site time.
    Day,
    /// Five hours from the first use.
    FiveHour,
}

impl CostWindow {
    /// Every window, in reporting order.
    pub const ALL: [Self; 6] = [Self::Total, Self::Month, Self::Week, Self::WeekClaude, Self::Day, Self::FiveHour];

    /// The name in SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Month => "month",
            Self::Week => "week",
            Self::WeekClaude => "week_claude",
            Self::Day => "day",
            Self::FiveHour => "five_hour",
        }
    }

    /// The window with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|w| w.as_str() == name)
    }

    /// The condition word of a refusal (`relay-api.md` §3.1).
    pub const fn condition(self) -> &'static str {
        match self {
            Self::Total => "total_cost_limit_exceeded",
            Self::Month => "monthly_cost_limit_exceeded",
            Self::Week => "weekly_cost_limit_exceeded",
            Self::WeekClaude => "weekly_opus_cost_limit_exceeded",
            Self::Day => "daily_cost_limit_exceeded",
            Self::FiveHour => "five_hour_cost_limit_exceeded",
        }
    }
}

/// The limits of keys that users make for themselves (`user.default_key_limits`). 0 = unlimited; costs in nano-USD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each limit is the field of a key with the same name")]
pub struct KeyLimits {
    pub rpm_limit: u32,
    pub concurrency_limit: u32,
    pub daily_cost_limit: Nanos,
    pub weekly_cost_limit: Nanos,
    pub weekly_claude_cost_limit: Nanos,
    pub monthly_cost_limit: Nanos,
    pub total_cost_limit: Nanos,
    pub five_hour_cost_limit: Nanos,
}

impl Default for KeyLimits {
    fn default() -> Self {
        Self {
            rpm_limit: 100,
            concurrency_limit: 0,
            daily_cost_limit: Nanos::ZERO,
            weekly_cost_limit: Nanos::ZERO,
            weekly_claude_cost_limit: Nanos::ZERO,
            monthly_cost_limit: Nanos::ZERO,
            total_cost_limit: Nanos::ZERO,
            five_hour_cost_limit: Nanos::ZERO,
        }
    }
}

impl KeyLimits {
    /// The limit of a money window; 0 = unlimited.
    pub const fn cost(&self, window: CostWindow) -> Nanos {
        match window {
            CostWindow::Total => self.total_cost_limit,
            CostWindow::Month => self.monthly_cost_limit,
            CostWindow::Week => self.weekly_cost_limit,
            CostWindow::WeekClaude => self.weekly_claude_cost_limit,
            CostWindow::Day => self.daily_cost_limit,
            CostWindow::FiveHour => self.five_hour_cost_limit,
        }
    }
}

/// What a key has spent in one window; loaded with the key, so that limits survive a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// Which window.
    pub window: CostWindow,
    /// When that window began; [`Timestamp`] 0 for `Total`.
    pub start: Timestamp,
    /// Charged in it so far.
    pub used: Nanos,
}

/// The owner's part of a key's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerPolicy {
    /// The user.
    pub id: UserId,
    /// Live requests over all keys of the user; 0 = unlimited.
    pub max_concurrency: u32,
    /// Requests per minute over all keys of the user; 0 = unlimited.
    pub rpm_limit: u32,
    /// Multiplier of the charge in ppm; 0 = free.
    pub price_rate_ppm: i64,
    /// False = banned or inactive: every key of the user is refused.
    pub active: bool,
}

/// An API key as the relay and the engine see it. Immutable; a change makes a new value with a higher `version`.
///
/// For every limit 0 means unlimited.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyPolicy {
    /// Row id.
    pub id: KeyId,
    /// Display name.
    pub name: String,
    /// The owner and the owner's limits.
    pub owner: OwnerPolicy,
    /// False = disabled or revoked.
    pub enabled: bool,
    /// End of validity.
    pub expires_at: Option<Timestamp>,
    /// Length of validity from the first accepted request, while that has not happened yet.
    pub activation_ms: Option<i64>,
    /// Platforms it may use; empty = every one.
    pub permissions: Vec<Platform>,
    /// Requested models it may use; empty = every one.
    pub model_allow: Vec<Pattern>,
    /// Requested models it may not use; wins.
    pub model_deny: Vec<Pattern>,
    /// Kinds of client that may use it; empty = every one.
    pub allowed_clients: Vec<String>,
    /// Networks from which it may be used; empty = every one.
    pub ip_allow: Vec<Network>,
    /// Networks from which it may not be used; wins.
    pub ip_deny: Vec<Network>,
    /// Live requests.
    pub concurrency_limit: u32,
    /// Requests per minute.
    pub rpm_limit: u32,
    /// Further rate windows.
    pub windows: Vec<RateWindow>,
    /// Money limits; a window that is absent is unlimited.
    pub cost_limits: Vec<(CostWindow, Nanos)>,
    /// 1 = Monday … 7 = Sunday.
    pub weekly_reset_day: u8,
    /// 0 to 23, site time.
    pub weekly_reset_hour: u8,
    /// Multiplier of the charge in ppm; 0 = free.
    pub price_rate_ppm: i64,
    /// Where its requests go.
    pub bindings: Vec<Binding>,
    /// Only accounts that carry all of these tags.
    pub account_tags: Vec<String>,
    /// Stickiness.
    pub sticky_mode: StickyMode,
    /// When the client leaves.
    pub disconnect: DisconnectPolicy,
    /// What was already spent, when this value was read from the database.
    pub spent: Vec<Spent>,
    /// Counts up with each change of the row.
    pub version: i64,
}

impl KeyPolicy {
    /// The key's binding on a platform.
    pub fn binding(&self, platform: Platform) -> Option<&Binding> {
        self.bindings.iter().find(|b| b.platform == platform)
    }

    /// True when the key may use the platform.
    pub fn permits(&self, platform: Platform) -> bool {
        self.permissions.is_empty() || self.permissions.contains(&platform)
    }

    /// True when the key's lists let a model pass that is asked for by one name and called by another; deny wins.
    pub fn allows_model(&self, requested: &str, upstream: &str) -> bool {
        let hits = |list: &[Pattern]| list.iter().any(|p| p.matches(requested) || p.matches(upstream));
        !hits(&self.model_deny) && (self.model_allow.is_empty() || hits(&self.model_allow))
    }

    /// True when the key may be used from an address; deny wins. An unknown address is in no network.
    pub fn allows_address(&self, address: Option<IpAddr>) -> bool {
        let hits = |list: &[Network]| address.is_some_and(|address| list.iter().any(|net| net.contains(address)));
        !hits(&self.ip_deny) && (self.ip_allow.is_empty() || hits(&self.ip_allow))
    }
}

//! What may be said about an API key, and what must hold before it is stored (`access.md` §7).

use actors::domain::account::Platform;
use actors::domain::id::{AccountId, GroupId, UserId};
use actors::domain::key::{Binding, BindingTarget, CostWindow, DisconnectPolicy, StickyMode};
use actors::domain::limit::RateWindow;
use actors::domain::model::Pattern;
use actors::domain::money::{Nanos, PPM};
use actors::domain::network::{Network, NotANetwork};
use actors::domain::time::{DAY, HOUR};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::json::{Moment, Money};
use super::{Invalid, labels, must, patterns, text};
use crate::store::keys::KeyConfig;

/// A key in JSON. For every limit 0 or null means unlimited.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyInput {
    /// Display name, 1 to 100 characters.
    pub name: String,
    /// The owner; absent = the caller.
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    pub user_id: Option<UserId>,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Labels, at most 10.
    #[serde(default)]
    pub tags: Vec<String>,
    /// A sign for consoles, at most 64 characters.
    #[serde(default)]
    pub icon: String,
    /// `all`, or platforms; a list, a text, or a comma list. Empty = all.
    #[serde(default = "all", deserialize_with = "permissions")]
    pub permissions: Vec<String>,
    /// Models it may use, with `*`; empty = every one.
    #[serde(default)]
    pub model_allow: Vec<Pattern>,
    /// Models it may not use; wins.
    #[serde(default)]
    pub model_deny: Vec<Pattern>,
    /// Kinds of client that may use it: built-in ones or ids of client types; empty = every one.
    #[serde(default)]
    pub allowed_clients: Vec<String>,
    /// Networks from which it may be used; empty = every one.
    #[serde(default)]
    pub ip_allow: Vec<String>,
    /// Networks from which it may not be used; wins.
    #[serde(default)]
    pub ip_deny: Vec<String>,
    /// Live requests.
    #[serde(default)]
    pub concurrency_limit: u32,
    /// Requests per minute.
    #[serde(default, alias = "rate_limit")]
    pub rpm_limit: u32,
    /// Further rate windows.
    #[serde(default)]
    pub windows: Vec<RateWindow>,
    /// Charge per day, from 00:00 site time.
    #[serde(default)]
    pub daily_cost_limit: Option<Money>,
    /// Charge per week, from the weekly reset.
    #[serde(default)]
    pub weekly_cost_limit: Option<Money>,
    /// Charge per week for Claude traffic.
    #[serde(default)]
    pub weekly_claude_cost_limit: Option<Money>,
    /// Charge per calendar month.
    #[serde(default)]
    pub monthly_cost_limit: Option<Money>,
    /// Charge in all.
    #[serde(default)]
    pub total_cost_limit: Option<Money>,
    /// Charge per five hours from the first use.
    #[serde(default)]
    pub five_hour_cost_limit: Option<Money>,
    /// 1 = Monday … 7 = Sunday.
    #[serde(default = "monday")]
    pub weekly_reset_day: u8,
    /// 0 to 23, site time.
    #[serde(default)]
    pub weekly_reset_hour: u8,
    /// Multiplier of the charge in ppm; 0 = free.
    #[serde(default = "neutral")]
    pub price_rate_ppm: i64,
    /// `fixed`, or `activation`: the clock starts with the first accepted request.
    #[serde(default)]
    pub expiry_mode: ExpiryMode,
    /// End of validity; null = never.
    #[serde(default)]
    pub expires_at: Option<Moment>,
    /// With `activation`: how long the key lives from its first request.
    #[serde(default)]
    pub activation_amount: Option<u32>,
    /// With `activation`: the unit of the amount.
    #[serde(default)]
    pub activation_unit: ActivationUnit,
    /// Where its requests go.
    #[serde(default)]
    pub bindings: Vec<BindingInput>,
    /// Only accounts with all of these labels.
    #[serde(default)]
    pub account_tags: Vec<String>,
    /// Stickiness.
    #[serde(default)]
    pub sticky_mode: StickyMode,
    /// What happens to the upstream when the client leaves.
    #[serde(default)]
    pub disconnect_policy: DisconnectPolicy,
}

/// How a key ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExpiryMode {
    /// At a moment, or never.
    #[default]
    Fixed,
    /// A while after its first accepted request.
    Activation,
}

/// Unit of `activation_amount`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActivationUnit {
    /// Days of 24 hours.
    #[default]
    Days,
    /// Hours.
    Hours,
}

/// A binding in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BindingInput {
    /// The platform it holds for.
    pub platform: Platform,
    /// `account:<id>` or `group:<id>`.
    pub target: String,
    /// `strict` = never anything else; `prefer` = the pool when the target is unusable.
    #[serde(default)]
    pub mode: BindingMode,
}

/// How strongly a binding holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BindingMode {
    /// Never anything else.
    #[default]
    Strict,
    /// The pool when the target is unusable.
    Prefer,
}

fn all() -> Vec<String> {
    vec!["all".to_owned()]
}

const fn monday() -> u8 {
    1
}

const fn neutral() -> i64 {
    PPM
}

/// Lists, single texts, comma lists and JSON in a text all say the same.
fn permissions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let list: Vec<String> = match Value::deserialize(deserializer)? {
        Value::Null => Vec::new(),
        list @ Value::Array(_) => serde_json::from_value(list).map_err(serde::de::Error::custom)?,
        Value::String(text) if text.trim_start().starts_with(['[', '"']) => {
            return permissions(serde_json::from_str::<Value>(&text).map_err(serde::de::Error::custom)?)
                .map_err(serde::de::Error::custom);
        }
        Value::String(text) => text.split(',').map(|item| item.trim().to_owned()).collect(),
        _ => return Err(serde::de::Error::custom("permissions must be a list or a text")),
    };
    let list: Vec<String> = list.into_iter().filter(|item| !item.trim().is_empty()).collect();
    Ok(if list.is_empty() { all() } else { list })
}

impl KeyInput {
    /// The stored configuration, as JSON shows it.
    pub fn from_config(config: &KeyConfig, user: UserId) -> Self {
        let limit = |window| config.cost_limits.iter().find(|(w, _)| *w == window).map(|(_, nanos)| Money(*nanos));
        let hours = config.activation_ms.map(|ms| ms / HOUR);
        let days = hours.filter(|hours| hours % 24 == 0).map(|hours| hours / 24);
        let named = config.permissions.iter().map(|p| p.as_str().to_owned()).collect::<Vec<_>>();
        Self {
            name: config.name.clone(),
            user_id: Some(user),
            description: config.description.clone(),
            tags: config.tags.clone(),
            icon: config.icon.clone(),
            permissions: if named.is_empty() { all() } else { named },
            model_allow: config.model_allow.clone(),
            model_deny: config.model_deny.clone(),
            allowed_clients: config.allowed_clients.clone(),
            ip_allow: config.ip_allow.iter().map(ToString::to_string).collect(),
            ip_deny: config.ip_deny.iter().map(ToString::to_string).collect(),
            concurrency_limit: config.concurrency_limit,
            rpm_limit: config.rpm_limit,
            windows: config.windows.clone(),
            daily_cost_limit: limit(CostWindow::Day),
            weekly_cost_limit: limit(CostWindow::Week),
            weekly_claude_cost_limit: limit(CostWindow::WeekClaude),
            monthly_cost_limit: limit(CostWindow::Month),
            total_cost_limit: limit(CostWindow::Total),
            five_hour_cost_limit: limit(CostWindow::FiveHour),
            weekly_reset_day: config.weekly_reset_day,
            weekly_reset_hour: config.weekly_reset_hour,
            price_rate_ppm: config.price_rate_ppm,
            expiry_mode: if hours.is_some() { ExpiryMode::Activation } else { ExpiryMode::Fixed },
            expires_at: config.expires_at.map(Moment),
            activation_amount: days.or(hours).and_then(|n| u32::try_from(n).ok()),
            activation_unit: if hours.is_some() && days.is_none() {
                ActivationUnit::Hours
            } else {
                ActivationUnit::Days
            },
            bindings: config.bindings.iter().map(BindingInput::from).collect(),
            account_tags: config.account_tags.clone(),
            sticky_mode: config.sticky_mode,
            disconnect_policy: config.disconnect,
        }
    }

    /// Checks everything and gives the configuration to store.
    pub fn checked(self) -> Result<KeyConfig, Invalid> {
        text(self.name.trim(), "name", 1, 100)?;
        text(&self.description, "description", 0, 1_000)?;
        labels(&self.tags, "tags")?;
        labels(&self.account_tags, "account_tags")?;
        patterns(&self.model_allow, "model_allow")?;
        patterns(&self.model_deny, "model_deny")?;
        text(&self.icon, "icon", 0, 64)?;
        must(self.allowed_clients.len() <= 20, "allowed_clients", "may hold at most 20 entries")?;
        self.allowed_clients.iter().try_for_each(|id| text(id, "allowed_clients", 1, 50))?;
        must((1..=7).contains(&self.weekly_reset_day), "weekly_reset_day", "must be from 1 to 7")?;
        must(self.weekly_reset_hour < 24, "weekly_reset_hour", "must be from 0 to 23")?;
        must((0..=100 * PPM).contains(&self.price_rate_ppm), "price_rate_ppm", "must be from 0 to 100000000")?;
        must(self.windows.len() <= 10, "windows", "may hold at most 10 entries")?;
        self.windows.iter().try_for_each(check_window)?;
        let activation_ms = self.activation_ms()?;
        Ok(KeyConfig {
            cost_limits: self.cost_limits()?,
            permissions: platforms(&self.permissions)?,
            bindings: bindings(&self.bindings)?,
            name: self.name.trim().to_owned(),
            description: self.description,
            tags: self.tags,
            icon: self.icon,
            expires_at: self.expires_at.map(|m| m.0),
            activation_ms,
            model_allow: self.model_allow,
            model_deny: self.model_deny,
            allowed_clients: self.allowed_clients,
            ip_allow: networks(&self.ip_allow, "ip_allow")?,
            ip_deny: networks(&self.ip_deny, "ip_deny")?,
            concurrency_limit: self.concurrency_limit,
            rpm_limit: self.rpm_limit,
            windows: self.windows,
            weekly_reset_day: self.weekly_reset_day,
            weekly_reset_hour: self.weekly_reset_hour,
            price_rate_ppm: self.price_rate_ppm,
            account_tags: self.account_tags,
            sticky_mode: self.sticky_mode,
            disconnect: self.disconnect_policy,
        })
    }

    fn activation_ms(&self) -> Result<Option<i64>, Invalid> {
        if self.expiry_mode == ExpiryMode::Fixed {
            return Ok(None);
        }
        let unit = if self.activation_unit == ActivationUnit::Days { DAY } else { HOUR };
        let length = i64::from(self.activation_amount.unwrap_or(30)).saturating_mul(unit);
        must((HOUR..=3_650 * DAY).contains(&length), "activation_amount", "must give 1 hour to 3650 days")?;
        Ok(Some(length))
    }

    fn cost_limits(&self) -> Result<Vec<(CostWindow, Nanos)>, Invalid> {
        let all = [
            (CostWindow::Total, self.total_cost_limit, "total_cost_limit"),
            (CostWindow::Month, self.monthly_cost_limit, "monthly_cost_limit"),
            (CostWindow::Week, self.weekly_cost_limit, "weekly_cost_limit"),
            (CostWindow::WeekClaude, self.weekly_claude_cost_limit, "weekly_claude_cost_limit"),
            (CostWindow::Day, self.daily_cost_limit, "daily_cost_limit"),
            (CostWindow::FiveHour, self.five_hour_cost_limit, "five_hour_cost_limit"),
        ];
        let mut limits = Vec::new();
        for (window, limit, field) in all {
            let Some(Money(limit)) = limit else { continue };
            must(limit.0 >= 0, field, "must not be negative")?;
            if limit.0 > 0 {
                limits.push((window, limit));
            }
        }
        Ok(limits)
    }
}

impl From<&Binding> for BindingInput {
    fn from(binding: &Binding) -> Self {
        Self {
            platform: binding.platform,
            target: match binding.target {
                BindingTarget::Account(id) => format!("account:{id}"),
                BindingTarget::Group(id) => format!("group:{id}"),
            },
            mode: if binding.strict { BindingMode::Strict } else { BindingMode::Prefer },
        }
    }
}

/// Networks in CIDR form; a network twice counts once.
fn networks(texts: &[String], field: &'static str) -> Result<Vec<Network>, Invalid> {
    must(texts.len() <= 200, field, "may hold at most 200 entries")?;
    let mut networks: Vec<Network> = Vec::new();
    for text in texts {
        let network = text.parse().map_err(|error: NotANetwork| Invalid::new(field, format!("holds {error}")))?;
        if !networks.contains(&network) {
            networks.push(network);
        }
    }
    Ok(networks)
}

fn check_window(window: &RateWindow) -> Result<(), Invalid> {
    must((1..=2_678_400).contains(&window.seconds), "windows", "must have 1 to 2678400 seconds")?;
    must(window.limit >= 0, "windows", "must not have a negative limit")
}

fn platforms(names: &[String]) -> Result<Vec<Platform>, Invalid> {
    if names.iter().any(|name| name == "all") {
        return Ok(Vec::new());
    }
    let known = |name: &String| Platform::ALL.into_iter().find(|platform| platform.as_str() == name);
    let found: Option<Vec<Platform>> = names.iter().map(known).collect();
    found.ok_or_else(|| Invalid::new("permissions", "must be all, claude, openai, gemini or droid"))
}

fn bindings(inputs: &[BindingInput]) -> Result<Vec<Binding>, Invalid> {
    let mut bindings: Vec<Binding> = Vec::new();
    for input in inputs {
        let id = |text: &str| text.parse::<i64>().ok().filter(|id| *id > 0);
        let target = match input.target.split_once(':') {
            Some(("account", number)) => id(number).map(|id| BindingTarget::Account(AccountId(id))),
            Some(("group", number)) => id(number).map(|id| BindingTarget::Group(GroupId(id))),
            _ => None,
        };
        let target = target.ok_or_else(|| Invalid::new("bindings", "must name account:<id> or group:<id>"))?;
        let twice = bindings.iter().any(|binding| binding.platform == input.platform);
        must(!twice, "bindings", "may name a platform only once")?;
        bindings.push(Binding { platform: input.platform, target, strict: input.mode == BindingMode::Strict });
    }
    Ok(bindings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(json: Value) -> Result<KeyConfig, Invalid> {
        serde_json::from_value::<KeyInput>(json).unwrap().checked()
    }

    #[test]
    fn a_key_survives_the_round_trip_through_storage() {
        let config = key(serde_json::json!({
            "name": "ci", "permissions": "claude", "daily_cost_limit": {"amount": "5.00"}, "rate_limit": 60,
            "expiry_mode": "activation", "activation_amount": 12, "activation_unit": "hours",
            "bindings": [{"platform": "claude", "target": "group:4", "mode": "prefer"}],
            "windows": [{"dim": "tokens", "seconds": 3600, "limit": 100000, "family": "opus"}],
        }))
        .unwrap();
        assert_eq!(config.activation_ms, Some(12 * HOUR));
        assert_eq!(config.cost_limits, [(CostWindow::Day, Nanos(5_000_000_000))]);
        assert_eq!(KeyInput::from_config(&config, UserId(1)).checked().unwrap(), config);
    }

    #[test]
    fn permissions_have_many_spellings() {
        for spelling in [
            serde_json::json!(["claude"]),
            serde_json::json!("claude"),
            serde_json::json!("claude,"),
            serde_json::json!("[\"claude\"]"),
            serde_json::json!("\"claude\""),
        ] {
            let config = key(serde_json::json!({"name": "a", "permissions": spelling})).unwrap();
            assert_eq!(config.permissions, [Platform::Claude]);
        }
        for empty in [serde_json::json!([]), serde_json::json!(""), serde_json::json!(null), serde_json::json!("[]")] {
            assert_eq!(key(serde_json::json!({"name": "a", "permissions": empty})).unwrap().permissions, []);
        }
        let both = key(serde_json::json!({"name": "a", "permissions": "openai, droid"})).unwrap();
        assert_eq!(both.permissions, [Platform::OpenAi, Platform::Droid]);
        for odd in [serde_json::json!([1]), serde_json::json!({}), serde_json::json!("[1]"), serde_json::json!(7)] {
            let input = serde_json::json!({"name": "a", "permissions": odd});
            assert!(serde_json::from_value::<KeyInput>(input).is_err(), "nothing odd means everything");
        }
        let bad = key(serde_json::json!({"name": "a", "permissions": ["smtp"]})).unwrap_err();
        assert_eq!(bad.field, "permissions");
    }

    #[test]
    fn bounds_are_checked() {
        let field = |json: Value| key(json).unwrap_err().field;
        assert_eq!(field(serde_json::json!({"name": ""})), "name");
        assert_eq!(field(serde_json::json!({"name": "a", "weekly_reset_day": 8})), "weekly_reset_day");
        assert_eq!(field(serde_json::json!({"name": "a", "daily_cost_limit": {"amount": "-1"}})), "daily_cost_limit");
        let window = serde_json::json!([{"dim": "requests", "seconds": 0, "limit": 1}]);
        assert_eq!(field(serde_json::json!({"name": "a", "windows": window})), "windows");
        let binding = serde_json::json!([{"platform": "claude", "target": "account:x"}]);
        assert_eq!(field(serde_json::json!({"name": "a", "bindings": binding})), "bindings");
    }
}

//! What an administrator says about an account, and what must hold before it is stored (`admin-api.md` §2.1).

use std::collections::BTreeMap;
use std::time::Duration;

use actors::domain::account::{AccountKind, AccountStatus, ErrorRule, Visibility};
use actors::domain::id::{GroupId, ProxyId};
use actors::domain::model::Pattern;
use actors::domain::money::PPM;
use actors::domain::verdict::Verdict;
use actors::domain::window::WindowKind;
use serde::{Deserialize, Serialize};

use super::json::{Moment, Money};
use super::{Invalid, labels, must, options, patterns, text};
use crate::store::accounts::AccountConfig;
use crate::transport::{EgressRules, UnsafeUrl};

/// An account in JSON, without its secret. For every limit 0 or null means unlimited.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountInput {
    /// Display name, 1 to 100 characters; never shown to clients.
    pub name: String,
    /// Decides the adapter; never changes.
    #[serde(rename = "type")]
    pub kind: AccountKind,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Administrator's switch.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// False = paused by hand.
    #[serde(default = "yes")]
    pub schedulable: bool,
    /// `dedicated` = only keys bound to it.
    #[serde(default = "shared")]
    pub visibility: Visibility,
    /// 0 to 100; a higher number is preferred.
    #[serde(default = "fifty")]
    pub priority: i32,
    /// 1 to 1000; breaks ties.
    #[serde(default = "hundred")]
    pub weight: i32,
    /// Groups.
    #[serde(default)]
    #[schema(value_type = Vec<i64>)]
    pub group_ids: Vec<GroupId>,
    /// Labels, at most 10.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Slots.
    #[serde(default = "ten")]
    pub max_concurrency: u32,
    /// Requests per minute.
    #[serde(default)]
    pub rpm_limit: u32,
    /// Tokens per minute.
    #[serde(default)]
    pub tpm_limit: u64,
    /// Upstream cost per day.
    #[serde(default)]
    pub daily_budget: Option<Money>,
    /// Time of day, `HH:MM` in the site zone, at which the daily budget starts again.
    #[serde(default = "midnight")]
    pub daily_budget_reset: String,
    /// Percent of a vendor window at which the account pauses until the window resets.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, u8>)]
    pub auto_pause_thresholds: BTreeMap<WindowKind, u8>,
    /// Pause while the vendor warns.
    #[serde(default)]
    pub pause_on_warning: bool,
    /// Models it serves, with `*`; empty = every one.
    #[serde(default)]
    pub model_allow: Vec<Pattern>,
    /// Models it refuses; wins.
    #[serde(default)]
    pub model_deny: Vec<Pattern>,
    /// Requested name → upstream name.
    #[serde(default)]
    pub model_map: BTreeMap<String, String>,
    /// When the subscription behind it ends.
    #[serde(default)]
    pub subscription_expires_at: Option<Moment>,
    /// Outbound proxy; absent = direct.
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    pub proxy_id: Option<ProxyId>,
    /// Upstream base URL; absent = the kind's default.
    #[serde(default)]
    pub base_url: Option<String>,
    /// Options of the adapter, such as `auth_style`, `region`, `project_id` or `deployment`; `/accounts/types` lists those of
    /// each type.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Tried before the built-in classification of errors.
    #[serde(default)]
    pub error_rules: Vec<ErrorRule>,
    /// What a unit of list price costs us, in ppm.
    #[serde(default = "one")]
    pub cost_ppm: i64,
    /// Free text, at most 500 characters.
    #[serde(default)]
    pub notes: String,
}

const fn yes() -> bool {
    true
}

const fn shared() -> Visibility {
    Visibility::Shared
}

const fn fifty() -> i32 {
    50
}

const fn hundred() -> i32 {
    100
}

const fn ten() -> u32 {
    10
}

fn midnight() -> String {
    "00:00".to_owned()
}

const fn one() -> i64 {
    PPM
}

impl AccountInput {
    /// An account of a kind with every default.
    pub fn new(name: &str, kind: AccountKind) -> Self {
        let config = AccountConfig { max_concurrency: ten(), ..AccountConfig::new(name, kind) };
        Self::from_config(&config)
    }

    /// The stored configuration, as JSON shows it.
    pub fn from_config(config: &AccountConfig) -> Self {
        Self {
            name: config.name.clone(),
            kind: config.kind,
            description: config.description.clone(),
            enabled: config.enabled,
            schedulable: config.schedulable,
            visibility: config.visibility,
            priority: config.priority,
            weight: config.weight,
            group_ids: config.groups.clone(),
            tags: config.tags.clone(),
            max_concurrency: config.max_concurrency,
            rpm_limit: config.rpm_limit,
            tpm_limit: config.tpm_limit,
            daily_budget: Some(Money(config.daily_budget)).filter(|m| m.0.0 > 0),
            daily_budget_reset: format!(
                "{:02}:{:02}",
                config.budget_reset_minute / 60,
                config.budget_reset_minute % 60
            ),
            auto_pause_thresholds: config.auto_pause.clone(),
            pause_on_warning: config.pause_on_warning,
            model_allow: config.model_allow.clone(),
            model_deny: config.model_deny.clone(),
            model_map: config.model_map.clone(),
            subscription_expires_at: config.subscription_expires_at.map(Moment),
            proxy_id: config.proxy,
            base_url: config.base_url.clone(),
            options: config.options.clone(),
            error_rules: config.error_rules.clone(),
            cost_ppm: config.cost_ppm,
            notes: config.notes.clone(),
        }
    }

    /// Checks everything that needs no network and gives the configuration to store.
    pub fn checked(self) -> Result<AccountConfig, Invalid> {
        text(self.name.trim(), "name", 1, 100)?;
        text(&self.description, "description", 0, 500)?;
        text(&self.notes, "notes", 0, 500)?;
        must((0..=100).contains(&self.priority), "priority", "must be from 0 to 100")?;
        must((1..=1_000).contains(&self.weight), "weight", "must be from 1 to 1000")?;
        must((0..=100 * PPM).contains(&self.cost_ppm), "cost_ppm", "must be from 0 to 100000000")?;
        labels(&self.tags, "tags")?;
        patterns(&self.model_allow, "model_allow")?;
        patterns(&self.model_deny, "model_deny")?;
        must(
            self.auto_pause_thresholds.values().all(|p| (1..=100).contains(p)),
            "auto_pause_thresholds",
            "must be percents",
        )?;
        must(self.tpm_limit <= i64::MAX.unsigned_abs(), "tpm_limit", "is too large")?;
        let budget = self.daily_budget.map_or(actors::domain::money::Nanos::ZERO, |m| m.0);
        must(budget.0 >= 0, "daily_budget", "must not be negative")?;
        options::check(self.kind, &self.options)?;
        must(
            self.kind != AccountKind::AzureOpenAi || self.base_url.is_some(),
            "base_url",
            "is required: Azure has an endpoint per resource",
        )?;
        self.error_rules.iter().try_for_each(check_rule)?;
        let empty_name = self.model_map.iter().any(|(from, to)| from.trim().is_empty() || to.trim().is_empty());
        must(!empty_name, "model_map", "must not hold empty names")?;
        Ok(AccountConfig {
            name: self.name.trim().to_owned(),
            description: self.description,
            kind: self.kind,
            enabled: self.enabled,
            schedulable: self.schedulable,
            visibility: self.visibility,
            priority: self.priority,
            weight: self.weight,
            groups: self.group_ids,
            tags: self.tags,
            max_concurrency: self.max_concurrency,
            rpm_limit: self.rpm_limit,
            tpm_limit: self.tpm_limit,
            daily_budget: budget,
            budget_reset_minute: reset_minute(&self.daily_budget_reset)?,
            auto_pause: self.auto_pause_thresholds,
            pause_on_warning: self.pause_on_warning,
            model_allow: self.model_allow,
            model_deny: self.model_deny,
            model_map: self.model_map,
            subscription_expires_at: self.subscription_expires_at.map(|m| m.0),
            proxy: self.proxy_id,
            base_url: self
                .base_url
                .map(|url| url.trim().trim_end_matches('/').to_owned())
                .filter(|url| !url.is_empty()),
            options: self.options,
            error_rules: self.error_rules,
            cost_ppm: self.cost_ppm,
            notes: self.notes,
        })
    }
}

/// Longest wait for the vendor's word on a new credential.
pub const PROOF: Duration = Duration::from_secs(5);

/// The status of a new account and its reason, by whether the vendor accepted the credential; `None` = it did not say.
///
/// `created` is not scheduled: the account's actor goes on asking the vendor. A kind without a call that costs nothing is
/// taken at the administrator's word.
pub fn first_status(kind: AccountKind, accepted: Option<bool>) -> (AccountStatus, Option<String>) {
    match accepted {
        Some(true) => (AccountStatus::Active, None),
        Some(false) => (AccountStatus::Error, Some("unauthorized".to_owned())),
        None if kind.has_free_test() => (AccountStatus::Created, None),
        None => (AccountStatus::Active, None),
    }
}

/// Checks where an account calls when it is saved, as the connection will be checked when it is dialled (`access.md` §15).
pub fn check_address(config: &AccountConfig, rules: &EgressRules) -> Result<(), UnsafeAddress> {
    config.base_url.as_deref().map_or(Ok(()), |url| rules.check_url(url).map_err(UnsafeAddress))
}

/// An account's address may not be called. The text names the setting that would allow it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("base_url: {0}")]
pub struct UnsafeAddress(UnsafeUrl);

fn reset_minute(text: &str) -> Result<u16, Invalid> {
    let parsed = text.split_once(':').and_then(|(h, m)| Some((h.parse::<u16>().ok()?, m.parse::<u16>().ok()?)));
    match parsed {
        Some((hour, minute)) if hour < 24 && minute < 60 => Ok(hour * 60 + minute),
        _ => Err(Invalid::new("daily_budget_reset", "must be a time of day such as 08:30")),
    }
}

fn check_rule(rule: &ErrorRule) -> Result<(), Invalid> {
    let class = Verdict::parse(&rule.class).is_some_and(|verdict| verdict != Verdict::Ok);
    must(class, "error_rules", "names an unknown class")?;
    let scope = rule.scope.as_deref().is_none_or(|scope| ["all", "family", "model"].contains(&scope));
    must(scope, "error_rules", "has a scope other than all, family and model")?;
    must(rule.status.is_none_or(|s| (400..=599).contains(&s)), "error_rules", "has a status that is no error")?;
    must(rule.status.is_some() || !rule.keywords.is_empty(), "error_rules", "matches everything")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_survives_the_round_trip_through_storage() {
        let json = serde_json::json!({
            "name": " Main ", "type": "claude-console", "daily_budget": {"amount": "12.5"}, "daily_budget_reset": "08:30",
            "auto_pause_thresholds": {"5h": 95}, "model_map": {"a": "b"}, "options": {"auth_style": "bearer"},
            "base_url": "https://relay.example/", "error_rules": [{"status": 418, "class": "overloaded"}],
        });
        let input: AccountInput = serde_json::from_value(json).unwrap();
        let config = input.checked().unwrap();
        assert_eq!((config.name.as_str(), config.budget_reset_minute, config.max_concurrency), ("Main", 510, 10));
        assert_eq!(config.base_url.as_deref(), Some("https://relay.example"));
        let again = AccountInput::from_config(&config).checked().unwrap();
        assert_eq!(again, config);
    }

    #[test]
    fn every_bound_is_checked() {
        let bad = |change: fn(&mut AccountInput)| {
            let mut input = AccountInput::new("a", AccountKind::Ccr);
            change(&mut input);
            input.checked().unwrap_err().field
        };
        assert_eq!(bad(|i| i.name.clear()), "name");
        assert_eq!(bad(|i| i.priority = 101), "priority");
        assert_eq!(bad(|i| i.weight = 0), "weight");
        assert_eq!(bad(|i| i.tags = vec!["x".into(); 11]), "tags");
        assert_eq!(bad(|i| i.daily_budget_reset = "24:00".into()), "daily_budget_reset");
        assert_eq!(bad(|i| drop(i.options.insert("colour".into(), "red".into()))), "options");
        let none = |i: &mut AccountInput| {
            i.auto_pause_thresholds.insert(WindowKind::FiveHour, 0);
        };
        assert_eq!(bad(none), "auto_pause_thresholds");
    }
}

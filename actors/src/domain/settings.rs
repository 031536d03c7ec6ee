//! Dynamic settings: validated values that take effect without a restart (`scheduling.md` §19, `admin-api.md` §4).

use serde_json::Value;

use super::key::KeyLimits;
use super::model::{FamilyRule, default_families};
use super::network::Network;

/// Why a value was refused for a setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// No setting has this key.
    #[error("unknown setting")]
    Unknown,
    /// The value has the wrong type or is out of bounds; the text says what is accepted.
    #[error("{0}")]
    Invalid(String),
}

/// What the management API tells about one setting.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingInfo {
    /// Its key, such as `sticky.ttl_min`.
    pub key: &'static str,
    /// What it does, with its unit.
    pub description: &'static str,
    /// Its value when nothing else is set.
    pub default: Value,
}

/// A value that a setting can take: how it is read from JSON and what bounds it has.
trait SettingValue: Sized {
    fn read(value: &Value, bounds: (i64, i64)) -> Result<Self, String>;
    fn show(&self) -> Value;
}

macro_rules! integer_setting {
    ($($type:ty),*) => {$(
        impl SettingValue for $type {
            fn read(value: &Value, (low, high): (i64, i64)) -> Result<Self, String> {
                value
                    .as_i64()
                    .filter(|n| (low..=high).contains(n))
                    .and_then(|n| Self::try_from(n).ok())
                    .ok_or_else(|| format!("must be a whole number from {low} to {high}"))
            }

            fn show(&self) -> Value {
                Value::from(*self)
            }
        }
    )*};
}

integer_setting!(i64, u32);

impl SettingValue for bool {
    fn read(value: &Value, _: (i64, i64)) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| "must be true or false".to_owned())
    }

    fn show(&self) -> Value {
        Value::from(*self)
    }
}

impl SettingValue for Vec<i64> {
    fn read(value: &Value, (low, high): (i64, i64)) -> Result<Self, String> {
        let numbers: Option<Self> = value.as_array().and_then(|list| list.iter().map(Value::as_i64).collect());
        numbers
            .filter(|list| !list.is_empty() && list.iter().all(|n| (low..=high).contains(n)))
            .ok_or_else(|| format!("must be a non-empty list of whole numbers from {low} to {high}"))
    }

    fn show(&self) -> Value {
        Value::from(self.clone())
    }
}

impl SettingValue for Vec<String> {
    fn read(value: &Value, _: (i64, i64)) -> Result<Self, String> {
        let texts: Option<Self> =
            value.as_array().and_then(|list| list.iter().map(|v| v.as_str().map(str::to_owned)).collect());
        texts.ok_or_else(|| "must be a list of texts".to_owned())
    }

    fn show(&self) -> Value {
        Value::from(self.clone())
    }
}

impl SettingValue for Vec<FamilyRule> {
    fn read(value: &Value, _: (i64, i64)) -> Result<Self, String> {
        serde_json::from_value(value.clone()).map_err(|e| format!("must be a list of family rules: {e}"))
    }

    fn show(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl SettingValue for Vec<Network> {
    fn read(value: &Value, _: (i64, i64)) -> Result<Self, String> {
        serde_json::from_value(value.clone()).map_err(|e| format!("must be a list of networks: {e}"))
    }

    fn show(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl SettingValue for KeyLimits {
    fn read(value: &Value, _: (i64, i64)) -> Result<Self, String> {
        serde_json::from_value(value.clone()).map_err(|e| format!("must be an object of limits: {e}"))
    }

    fn show(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

macro_rules! word_setting {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl SettingValue for $name {
            fn read(value: &Value, _: (i64, i64)) -> Result<Self, String> {
                match value.as_str() {
                    $(Some($word) => Ok(Self::$variant),)+
                    _ => Err(concat!("must be one of", $(" ", $word),+).to_owned()),
                }
            }

            fn show(&self) -> Value {
                Value::from(match self { $(Self::$variant => $word),+ })
            }
        }
    };
}

word_setting! {
    /// What the relay does without the cache.
    OnFailure {
        /// Local counters with a share of each limit.
        Local = "local",
        /// Refuse with 503.
        Closed = "closed",
    }
}

word_setting! {
    /// What happens to requests against a money limit while the shared store is away.
    OnStoreFailure {
        /// Refuse with 503.
        Closed = "closed",
        /// Served up to `billing.fail_open_limit_nanos` per key.
        Open = "open",
    }
}

word_setting! {
    /// What happens to a request for a model without a price.
    UnknownModel {
        /// 400 `model_not_priced`.
        Block = "block",
        /// Served at price 0, flagged.
        Free = "free",
    }
}

word_setting! {
    /// When the vendor's own limit headers reach the client.
    ForwardLimits {
        /// Never.
        Never = "never",
        /// Only to a key bound to one dedicated account.
        Dedicated = "dedicated",
        /// To every key.
        Always = "always",
    }
}

word_setting! {
    /// Which clients are served by accounts of another vendor.
    Translate {
        /// Those of Chat Completions.
        Chat = "chat",
        /// All that can be translated.
        All = "all",
    }
}

word_setting! {
    /// Which programs may use the Anthropic message routes.
    ClientFilter {
        /// Any.
        Off = "off",
        /// Claude Code alone.
        ClaudeCodeOnly = "claude_code_only",
    }
}

word_setting! {
    /// Who may register.
    Registration {
        /// Everybody.
        Open = "open",
        /// Who has an invite code.
        Invite = "invite",
        /// Nobody.
        Closed = "closed",
    }
}

/// Roles by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleNames(pub Vec<String>);

impl SettingValue for RoleNames {
    fn read(value: &Value, bounds: (i64, i64)) -> Result<Self, String> {
        let names = Vec::<String>::read(value, bounds)?;
        let known = ["user", "auditor", "admin", "super_admin"];
        match names.iter().all(|name| known.contains(&name.as_str())) {
            true => Ok(Self(names)),
            false => Err(format!("must be a list out of {}", known.join(", "))),
        }
    }

    fn show(&self) -> Value {
        self.0.show()
    }
}

/// A time zone by its IANA name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(pub chrono_tz::Tz);

impl SettingValue for Zone {
    fn read(value: &Value, _: (i64, i64)) -> Result<Self, String> {
        value
            .as_str()
            .and_then(|name| name.parse().ok())
            .map(Self)
            .ok_or_else(|| "must be an IANA time zone".to_owned())
    }

    fn show(&self) -> Value {
        Value::from(self.0.name())
    }
}

macro_rules! settings {
    ($($key:literal $field:ident: $type:ty = $default:expr, $low:literal..=$high:literal, $doc:literal;)*) => {
        /// The settings in force. Immutable; a change publishes a new value.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Settings {
            $(#[doc = $doc] pub $field: $type,)*
        }

        impl Default for Settings {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl Settings {
            /// Sets one value after checking its type and bounds.
            pub fn set(&mut self, key: &str, value: &Value) -> Result<(), SettingError> {
                match key {
                    $($key => {
                        self.$field = <$type>::read(value, ($low, $high)).map_err(SettingError::Invalid)?;
                        Ok(())
                    })*
                    _ => Err(SettingError::Unknown),
                }
            }

            /// The value of one setting as JSON.
            pub fn get(&self, key: &str) -> Option<Value> {
                match key {
                    $($key => Some(self.$field.show()),)*
                    _ => None,
                }
            }

            /// Every setting, in the order of the references.
            pub fn catalogue() -> Vec<SettingInfo> {
                let defaults = Self::default();
                vec![$(SettingInfo { key: $key, description: $doc, default: defaults.$field.show() },)*]
            }
        }
    };
}

settings! {
    "sticky.ttl_min" sticky_ttl_min: i64 = 60, 1..=43_200, "Life of a sticky binding, in minutes";
    "sticky.renew_below_min" sticky_renew_below_min: i64 = 14, 0..=43_200, "A hit renews a binding with less than this left, in minutes";
    "sticky.response_ttl_min" sticky_response_ttl_min: i64 = 60, 1..=43_200, "How long a follow-up finds the account of the stored answer that it names, in minutes";
    "sticky.slot_wait_ms" sticky_slot_wait_ms: i64 = 5_000, 0..=60_000, "Longest wait for a slot of the bound account, in ms";
    "queue.key_timeout_ms" queue_key_timeout_ms: i64 = 10_000, 0..=600_000, "Longest wait for a slot of the key or its owner, in ms";
    "queue.pool_timeout_ms" queue_pool_timeout_ms: i64 = 30_000, 0..=600_000, "Longest wait for a slot of the pool, in ms";
    "queue.max_total" queue_max_total: u32 = 1_000, 0..=100_000, "Requests that may wait at once";
    "lease.ttl_ms" lease_ttl_ms: i64 = 60_000, 5_000..=600_000, "Life of a lease that is not renewed, in ms";
    "lease.renew_ms" lease_renew_ms: i64 = 15_000, 1_000..=300_000, "Interval of lease renewal, in ms";
    "failover.max_switches" failover_max_switches: u32 = 5, 0..=10, "Other accounts that one request may try";
    "failover.deadline_ms" failover_deadline_ms: i64 = 60_000, 1_000..=600_000, "No attempt starts later than this after arrival, in ms";
    "failover.budget_percent" failover_budget_percent: i64 = 20, 0..=100, "Extra attempts allowed per 10 s, in percent of requests";
    "failover.budget_min" failover_budget_min: i64 = 3, 0..=1_000, "Extra attempts always allowed per 10 s";
    "stream.commit_grace_ms" stream_commit_grace_ms: i64 = 5_000, 0..=60_000, "Longest hold-back of envelope-only events, in ms";
    "stream.keepalive_s" stream_keepalive_s: i64 = 10, 1..=300, "Silence after which a stream gets a ping, in s";
    "stream.idle_s" stream_idle_s: i64 = 300, 1..=3_600, "Longest silence of an upstream stream, in s";
    "stream.total_min" stream_total_min: i64 = 60, 1..=1_440, "Longest stream, in minutes";
    "proxy.timeout" first_byte_s: i64 = 300, 1..=3_600, "Longest wait for the head of an upstream answer, in s";
    "proxy.connect_s" connect_s: i64 = 10, 1..=120, "Longest dial of an upstream, proxy and TLS included, in s";
    "proxy.total_s" total_s: i64 = 600, 1..=7_200, "Longest non-streaming upstream answer, in s";
    "request.max_mb" request_max_mb: u32 = 100, 1..=1_024, "Largest decoded request body, in MiB";
    "breaker.open_below" breaker_open_below: i64 = 30, 0..=100, "The breaker opens when the health score falls below this";
    "breaker.backoff_min" breaker_backoff_min: Vec<i64> = vec![5, 10, 30], 1..=1_440, "How long the breaker stays open, by opening, in minutes";
    "breaker.close_after" breaker_close_after: u32 = 3, 1..=20, "Consecutive probe successes that close the breaker";
    "pool_floor.percent" pool_floor_percent: i64 = 30, 0..=100, "Part of a pool that soft cooldowns may never remove, in percent";
    "headroom.stale_after_h" headroom_stale_after_h: i64 = 8, 1..=168, "A vendor window older than this is ignored, in hours";
    "headroom.min_time_left_ppm" headroom_min_time_left_ppm: i64 = 50_000, 1..=1_000_000, "Smallest time-left fraction of the reset correction, in ppm";
    "refresh.lead_min" refresh_lead_min: i64 = 30, 1..=1_440, "Tokens with less than this left are refreshed in the background, in minutes";
    "refresh.max_parallel" refresh_max_parallel: u32 = 4, 1..=64, "Background refreshes at once per account kind";
    "health.regen_per_5min" health_regen_per_5min: i64 = 5, 0..=100, "Health regained per idle five minutes";
    "health_check.enabled" health_check_enabled: bool = false, 0..=1, "Test every account at intervals, by a call that costs nothing";
    "health_check.interval_min" health_check_interval_min: i64 = 5, 1..=1_440, "Time between scheduled tests of an account, in minutes";
    "health_check.error_threshold" health_check_error_threshold: u32 = 5, 1..=100, "Scheduled tests in a row that the vendor refuses until the account is in error";
    "cache.on_failure" cache_on_failure: OnFailure = OnFailure::Local, 0..=0, "local or closed: what limits do without the cache";
    "accounts.oauth_enabled" oauth_enabled: bool = false, 0..=1, "Allow accounts that use a vendor subscription by OAuth";
    "billing.global_rate_ppm" global_rate_ppm: i64 = 1_000_000, 0..=10_000_000, "Multiplier of every charge, in ppm";
    "billing.service_rate_ppm.claude" claude_rate_ppm: i64 = 1_000_000, 0..=10_000_000, "Multiplier of charges served by Claude accounts, in ppm";
    "billing.service_rate_ppm.ccr" ccr_rate_ppm: i64 = 1_000_000, 0..=10_000_000, "Multiplier of charges served by ccr accounts, in ppm";
    "billing.service_rate_ppm.bedrock" bedrock_rate_ppm: i64 = 1_000_000, 0..=10_000_000, "Multiplier of charges served by Bedrock accounts, in ppm";
    "billing.service_rate_ppm.gemini" gemini_rate_ppm: i64 = 1_000_000, 0..=10_000_000, "Multiplier of charges served by Gemini accounts, in ppm";
    "billing.service_rate_ppm.openai" openai_rate_ppm: i64 = 1_000_000, 0..=10_000_000, "Multiplier of charges served by OpenAI accounts, in ppm";
    "billing.service_rate_ppm.codex" codex_rate_ppm: i64 = 1_000_000, 0..=10_000_000, "Multiplier of charges served by Codex accounts, in ppm";
    "billing.service_rate_ppm.azure" azure_rate_ppm: i64 = 1_000_000, 0..=10_000_000, "Multiplier of charges served by Azure accounts, in ppm";
    "billing.service_rate_ppm.droid" droid_rate_ppm: i64 = 1_000_000, 0..=10_000_000, "Multiplier of charges served by Droid accounts, in ppm";
    "billing.on_store_failure" on_store_failure: OnStoreFailure = OnStoreFailure::Closed, 0..=0, "closed or open: requests against a money limit while the shared store is away";
    "billing.fail_open_limit_nanos" fail_open_limit_nanos: i64 = 0, 0..=1_000_000_000_000, "What one key may hold while the shared store is away and failure is open, in nano-USD";
    "billing.unknown_model" unknown_model: UnknownModel = UnknownModel::Block, 0..=0, "block or free: requests for a model without a price";
    "hold.output_cap" hold_output_cap: i64 = 8_192, 256..=1_000_000, "Output tokens that a hold reserves at most";
    "disconnect.drain_s" drain_s: i64 = 60, 0..=3_600, "Longest drain after the client left, in s";
    "disconnect.drain_max_output" drain_max_output: i64 = 4_096, 0..=1_000_000, "Output tokens that a drain waits for at most";
    "disconnect.max_drains" max_drains: u32 = 64, 0..=10_000, "Drains at once per process";
    "rectify.on_move" rectify_on_move: bool = true, 0..=1, "Remove foreign thinking blocks when a session moves to another account";
    "relay.forward_upstream_limits" forward_limits: ForwardLimits = ForwardLimits::Dedicated, 0..=0, "never, dedicated or always: pass the vendor's limit headers on";
    "relay.translate" translate: Translate = Translate::Chat, 0..=0, "chat or all: which clients may be served by another vendor's accounts";
    "relay.translate_lossy" lossy_translation: bool = false, 0..=1, "Drop what a translation cannot carry instead of refusing the request";
    "models.families" families: Vec<FamilyRule> = default_families(), 0..=0, "The model family table";
    "site.timezone" timezone: Zone = Zone(chrono_tz::Tz::UTC), 0..=0, "Zone of days, weeks and months";
    "network.allow_private_cidrs" allow_private_cidrs: Vec<String> = Vec::new(), 0..=0, "Private networks that upstreams may be on";
    "network.allow_http_hosts" allow_http_hosts: Vec<String> = Vec::new(), 0..=0, "Hosts that may be called without TLS";
    "security.ip_deny" ip_deny: Vec<Network> = Vec::new(), 0..=0, "Networks whose requests are refused before their key is looked at";
    "security.client_filter" client_filter: ClientFilter = ClientFilter::Off, 0..=0, "off or claude_code_only: programs that may use the Anthropic message routes";
    "security.client_strict" client_strict: bool = false, 0..=1, "Recognise clients by more than their user agent";
    "security.key_prefixes" key_prefixes: Vec<String> = vec!["cr_".to_owned()], 0..=0, "Beginnings by which an API key is told from other credentials of the same request";
    "user.default_key_limits" default_key_limits: KeyLimits = KeyLimits::default(), 0..=0, "Limits of keys that users make for themselves, which they may not raise; 0 = unlimited";
    "registration.mode" registration: Registration = Registration::Invite, 0..=0, "open, invite or closed: who may register";
    "login.max_failures" login_max_failures: i64 = 5, 1..=100, "Wrong passwords of one name from one address before they are blocked";
    "login.window_min" login_window_min: i64 = 15, 1..=1_440, "Time in which wrong passwords are counted, and length of the first block, in minutes";
    "security.require_2fa_roles" require_2fa_roles: RoleNames = RoleNames(Vec::new()), 0..=0, "Roles that must have a second factor";
    "usage.flush_ms" usage_flush_ms: i64 = 1_000, 50..=60_000, "Longest wait of a usage record for its SQL batch, in ms";
    "retention.usage_days" retention_usage_days: i64 = 400, 1..=36_500, "Age at which request rows are deleted, in days";
    "retention.attempt_days" retention_attempt_days: i64 = 90, 1..=36_500, "Age at which attempt rows are deleted, in days";
    "retention.audit_days" retention_audit_days: i64 = 365, 0..=36_500, "Age at which audit entries are deleted, in days; 0 = never";
    "retention.decision_days" retention_decision_days: i64 = 7, 1..=3_650, "Age at which stored decisions are deleted, in days";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_accepted_by_its_own_setting() {
        for info in Settings::catalogue() {
            let mut settings = Settings::default();
            assert_eq!(settings.set(info.key, &info.default), Ok(()), "{}", info.key);
            assert_eq!(settings, Settings::default(), "{}", info.key);
            assert_eq!(settings.get(info.key), Some(info.default));
        }
    }

    #[test]
    fn wrong_values_change_nothing_and_say_what_is_accepted() {
        let mut settings = Settings::default();
        let refused = settings.set("sticky.ttl_min", &Value::from(0));
        assert_eq!(refused, Err(SettingError::Invalid("must be a whole number from 1 to 43200".to_owned())));
        assert_eq!(settings.set("sticky.ttl", &Value::from(1)), Err(SettingError::Unknown));
        assert!(settings.set("site.timezone", &Value::from("Mars/Olympus")).is_err());
        assert!(settings.set("cache.on_failure", &Value::from("maybe")).is_err());
        assert_eq!(settings, Settings::default());
    }
}

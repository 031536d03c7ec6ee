//! An upstream account as an administrator configured it. Run-time state lives in its `AccountActor`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::group::Membership;
use super::id::{AccountId, ProxyId};
use super::model::Pattern;
use super::money::Nanos;
use super::time::Timestamp;
use super::window::WindowKind;

/// What kind of credential an account holds, and so which adapter speaks for it (`upstreams.md` §1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AccountKind {
    /// Anthropic with stored OAuth tokens (opt-in).
    ClaudeOfficial,
    /// Anthropic, or a compatible relay, with an API key.
    ClaudeConsole,
    /// A claude-code-router style relay; reached only by `ccr,<model>` or by binding.
    Ccr,
    /// Claude models on AWS Bedrock, by SigV4 or Bedrock API key.
    Bedrock,
    /// Gemini Code Assist with stored Google OAuth tokens (opt-in).
    Gemini,
    /// Gemini with an API key.
    GeminiApi,
    /// OpenAI, or a compatible vendor, with an API key: the Chat family.
    #[serde(rename = "openai")]
    OpenAi,
    /// OpenAI, or a compatible vendor, with an API key: the Responses family.
    #[serde(rename = "openai-responses")]
    OpenAiResponses,
    /// ChatGPT with stored OAuth tokens (opt-in).
    Codex,
    /// OpenAI models on Azure.
    #[serde(rename = "azure-openai")]
    AzureOpenAi,
    /// Factory, by OAuth or API keys (opt-in); reached only under `/droid`.
    Droid,
}

impl AccountKind {
    /// Every kind, in the order that lists show.
    pub const ALL: [Self; 11] = [
        Self::ClaudeOfficial,
        Self::ClaudeConsole,
        Self::Ccr,
        Self::Bedrock,
        Self::Gemini,
        Self::GeminiApi,
        Self::OpenAi,
        Self::OpenAiResponses,
        Self::Codex,
        Self::AzureOpenAi,
        Self::Droid,
    ];

    /// The name in JSON, SQL and the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClaudeOfficial => "claude-official",
            Self::ClaudeConsole => "claude-console",
            Self::Ccr => "ccr",
            Self::Bedrock => "bedrock",
            Self::Gemini => "gemini",
            Self::GeminiApi => "gemini-api",
            Self::OpenAi => "openai",
            Self::OpenAiResponses => "openai-responses",
            Self::Codex => "codex",
            Self::AzureOpenAi => "azure-openai",
            Self::Droid => "droid",
        }
    }

    /// The kind with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The permission that a key needs, and the pool in which the account competes.
    pub const fn platform(self) -> Platform {
        match self {
            Self::ClaudeOfficial | Self::ClaudeConsole | Self::Ccr | Self::Bedrock => Platform::Claude,
            Self::Gemini | Self::GeminiApi => Platform::Gemini,
            Self::OpenAi | Self::OpenAiResponses | Self::Codex | Self::AzureOpenAi => Platform::OpenAi,
            Self::Droid => Platform::Droid,
        }
    }

    /// The service whose multiplier, prices and metrics apply.
    pub const fn service(self) -> Service {
        match self {
            Self::ClaudeOfficial | Self::ClaudeConsole => Service::Claude,
            Self::Ccr => Service::Ccr,
            Self::Bedrock => Service::Bedrock,
            Self::Gemini | Self::GeminiApi => Service::Gemini,
            Self::OpenAi | Self::OpenAiResponses => Service::OpenAi,
            Self::Codex => Service::Codex,
            Self::AzureOpenAi => Service::Azure,
            Self::Droid => Service::Droid,
        }
    }

    /// True when the vendor's OAuth terms make the account opt-in (`accounts.oauth_enabled`).
    pub const fn is_oauth(self) -> bool {
        matches!(self, Self::ClaudeOfficial | Self::Gemini | Self::Codex | Self::Droid)
    }

    /// True when the upstream can count tokens; otherwise QuotaLane estimates.
    pub const fn counts_tokens(self) -> bool {
        matches!(self, Self::ClaudeOfficial | Self::ClaudeConsole | Self::Bedrock | Self::Gemini | Self::GeminiApi)
    }

    /// True when every account of the kind can be tested by a call that costs nothing. Of the others, some can all the same
    /// (Factory with tokens, Bedrock with a key that may count tokens); their word is not waited for.
    pub const fn has_free_test(self) -> bool {
        !matches!(self, Self::Ccr | Self::Bedrock | Self::Droid)
    }

    /// True when only a forced kind, or a binding, reaches it: it never serves the pool at large.
    pub const fn is_apart(self) -> bool {
        matches!(self, Self::Ccr)
    }
}

/// A set of account kinds. The default is empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct KindSet(u16);

impl KindSet {
    /// Every kind.
    pub const ALL: Self = Self((1 << AccountKind::ALL.len()) - 1);

    /// These kinds.
    pub const fn of(kinds: &[AccountKind]) -> Self {
        let (mut bits, mut rest) = (0, kinds);
        while let [kind, after @ ..] = rest {
            bits |= 1 << *kind as u16;
            rest = after;
        }
        Self(bits)
    }

    /// True when the kind is in it.
    pub const fn contains(self, kind: AccountKind) -> bool {
        self.0 & (1 << kind as u16) != 0
    }

    /// The kinds of a platform.
    pub const fn of_platform(platform: Platform) -> Self {
        let (mut bits, mut rest) = (0, AccountKind::ALL.as_slice());
        while let [kind, after @ ..] = rest {
            if kind.platform() as u8 == platform as u8 {
                bits |= 1 << *kind as u16;
            }
            rest = after;
        }
        Self(bits)
    }

    /// Kinds of both sets.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Kinds of either set.
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// True without any kind.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// A family of clients and permissions; accounts of one platform form a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Platform {
    /// Claude models.
    Claude,
    /// OpenAI models.
    #[serde(rename = "openai")]
    OpenAi,
    /// Gemini models.
    Gemini,
    /// Factory's own router, under `/droid`.
    Droid,
}

impl Platform {
    /// Every platform.
    pub const ALL: [Self; 4] = [Self::Claude, Self::OpenAi, Self::Gemini, Self::Droid];

    /// The name in permissions, sticky hashes and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::OpenAi => "openai",
            Self::Gemini => "gemini",
            Self::Droid => "droid",
        }
    }

    /// The platform with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|platform| platform.as_str() == name)
    }
}

/// A pricing and metrics service (`upstreams.md` §1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// Anthropic, by OAuth or key.
    Claude,
    /// claude-code-router style relays.
    Ccr,
    /// AWS Bedrock.
    Bedrock,
    /// Google, by OAuth or key.
    Gemini,
    /// OpenAI and compatible vendors, by key.
    #[serde(rename = "openai")]
    OpenAi,
    /// ChatGPT subscriptions.
    Codex,
    /// Azure.
    Azure,
    /// Factory.
    Droid,
}

impl Service {
    /// Every service.
    pub const ALL: [Self; 8] =
        [Self::Claude, Self::Ccr, Self::Bedrock, Self::Gemini, Self::OpenAi, Self::Codex, Self::Azure, Self::Droid];

    /// The name in prices, settings and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Ccr => "ccr",
            Self::Bedrock => "bedrock",
            Self::Gemini => "gemini",
            Self::OpenAi => "openai",
            Self::Codex => "codex",
            Self::Azure => "azure",
            Self::Droid => "droid",
        }
    }

    /// Where to look a price up when this service has no row for the model, in this order (`metering.md` §3).
    pub const fn price_parents(self) -> &'static [Self] {
        match self {
            Self::Claude | Self::Gemini | Self::OpenAi => &[],
            Self::Ccr | Self::Bedrock => &[Self::Claude],
            Self::Codex | Self::Azure => &[Self::OpenAi],
            Self::Droid => &[Self::Claude, Self::OpenAi, Self::Gemini],
        }
    }
}

/// The stored status of an account. What is only true for a while (limited, cooling, broken) is never stored as a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    /// Saved; the vendor has not yet said whether it accepts the credential.
    Created,
    /// May be scheduled.
    Active,
    /// Its credential was refused; leaves by a successful test or a person.
    Error,
    /// The vendor disabled it; leaves only by a person.
    Blocked,
}

impl AccountStatus {
    /// The name in JSON and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Active => "active",
            Self::Error => "error",
            Self::Blocked => "blocked",
        }
    }

    /// The status with this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Created, Self::Active, Self::Error, Self::Blocked].into_iter().find(|s| s.as_str() == name)
    }
}

/// Who may be served by an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Every key that may use its platform.
    Shared,
    /// Only keys bound to it.
    Dedicated,
}

/// An operator's rule that is tried before the built-in classification (`scheduling.md` §15).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorRule {
    /// Matches this HTTP status; absent = any status from 400 up.
    pub status: Option<u16>,
    /// Matches when one of these occurs in the error body, ignoring case; empty = any body.
    #[serde(default)]
    pub keywords: Vec<String>,
    /// The verdict to give, by its name.
    pub class: String,
    /// `all`, `family` or `model`.
    #[serde(default)]
    pub scope: Option<String>,
    /// How long the account rests; absent = the verdict's own rule.
    #[serde(default)]
    pub minutes: Option<u32>,
}

/// An account as stored, without its secrets. Shared as `Arc`; a change makes a new value with a higher `version`.
///
/// For every limit 0 means unlimited.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountSpec {
    /// Row id.
    pub id: AccountId,
    /// Display name, 1 to 100 characters; never shown to clients.
    pub name: String,
    /// Decides the adapter.
    pub kind: AccountKind,
    /// Stored status.
    pub status: AccountStatus,
    /// Why it is `error` or `blocked`.
    pub status_reason: Option<String>,
    /// Administrator's switch.
    pub enabled: bool,
    /// False = paused by hand.
    pub schedulable: bool,
    /// Who may be served.
    pub visibility: Visibility,
    /// 0 to 100; a higher number is preferred.
    pub priority: i32,
    /// 1 to 1000; breaks ties of equal headroom.
    pub weight: i32,
    /// Slots.
    pub max_concurrency: u32,
    /// Requests per sliding minute.
    pub rpm_limit: u32,
    /// Tokens per sliding minute.
    pub tpm_limit: u64,
    /// Upstream cost allowed per day.
    pub daily_budget: Nanos,
    /// Minute of the day, in the site zone, at which the daily budget starts again (0..1440).
    pub budget_reset_minute: u16,
    /// Percent of a vendor window at which the account pauses until that window resets.
    pub auto_pause: BTreeMap<WindowKind, u8>,
    /// Pause while the vendor says `allowed_warning`.
    pub pause_on_warning: bool,
    /// Requested models it serves; empty = every one.
    pub model_allow: Vec<Pattern>,
    /// Requested models it refuses; wins over `model_allow`.
    pub model_deny: Vec<Pattern>,
    /// Requested name → upstream name.
    pub model_map: BTreeMap<String, String>,
    /// Its groups; empty = virtual group 0.
    pub groups: Vec<Membership>,
    /// Labels, at most 10.
    pub tags: Vec<String>,
    /// When the subscription behind it ends.
    pub subscription_expires_at: Option<Timestamp>,
    /// Outbound proxy; absent = direct.
    pub proxy: Option<ProxyId>,
    /// Upstream base URL; absent = the kind's default.
    pub base_url: Option<String>,
    /// Options of the adapter (auth style, pool mode …), as validated by it.
    pub options: BTreeMap<String, String>,
    /// Tried before the built-in classification.
    pub error_rules: Vec<ErrorRule>,
    /// What a unit of list price costs us here, in ppm (1 000 000 = list).
    pub cost_ppm: i64,
    /// Counts up with each change of the row.
    pub version: i64,
}

impl AccountSpec {
    /// The name that the upstream is asked for: the mapped name, else the requested one unchanged.
    pub fn upstream_model<'a>(&'a self, requested: &'a str) -> &'a str {
        self.model_map.get(requested).map_or(requested, String::as_str)
    }

    /// True when the allow and deny lists let the requested or the mapped name pass; deny wins.
    pub fn serves_model(&self, requested: &str) -> bool {
        let upstream = self.upstream_model(requested);
        let hits = |list: &[Pattern]| list.iter().any(|p| p.matches(requested) || p.matches(upstream));
        !hits(&self.model_deny) && (self.model_allow.is_empty() || hits(&self.model_allow))
    }
}

/// Shared, immutable.
pub type SharedSpec = Arc<AccountSpec>;

//! Users: people and tenants, their roles, limits and passwords.

mod rows;

use actors::domain::id::UserId;
use actors::domain::key::OwnerPolicy;
use actors::domain::money::{Nanos, PPM};
use actors::domain::time::Timestamp;

pub use rows::*;

/// What a user may do; later roles include earlier ones except that an auditor cannot write.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Own objects.
    User,
    /// Reads everything.
    Auditor,
    /// Manages everything but roles and security settings.
    Admin,
    /// Everything.
    SuperAdmin,
}

impl Role {
    /// Every role, weakest first.
    pub const ALL: [Self; 4] = [Self::User, Self::Auditor, Self::Admin, Self::SuperAdmin];

    /// The name in JSON, SQL and tokens.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
            Self::SuperAdmin => "super_admin",
        }
    }

    /// The role with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// Whether a user may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserStatus {
    /// Yes.
    Active,
    /// Closed by the user, or not yet approved.
    Inactive,
    /// Shut out.
    Banned,
}

impl UserStatus {
    /// The name in JSON and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Banned => "banned",
        }
    }

    /// The status with this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Active, Self::Inactive, Self::Banned].into_iter().find(|status| status.as_str() == name)
    }
}

/// What an administrator sets about a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserConfig {
    /// Id in an outside system, unique.
    pub external_id: Option<String>,
    /// 3 to 64 characters, unique ignoring case.
    pub username: String,
    /// Lower-case, unique.
    pub email: Option<String>,
    /// Shown name.
    pub display_name: String,
    /// Role.
    pub role: Role,
    /// Status.
    pub status: UserStatus,
    /// Live requests over all keys; 0 = unlimited.
    pub max_concurrency: u32,
    /// Requests per minute over all keys; 0 = unlimited.
    pub rpm_limit: u32,
    /// Keys that the user may have; 0 = unlimited.
    pub max_api_keys: u32,
    /// Multiplier of charges in ppm; 0 = free.
    pub price_rate_ppm: i64,
    /// What is known about the person beyond the account, for strategies.
    pub profile: Profile,
    /// No key that the user makes may have higher limits than these; 0 = no bound.
    pub default_key_limits: KeyLimits,
}

impl UserConfig {
    /// An active user with the limits of `access.md` §2.
    pub fn new(username: impl Into<String>, role: Role) -> Self {
        Self {
            external_id: None,
            username: username.into(),
            email: None,
            display_name: String::new(),
            role,
            status: UserStatus::Active,
            max_concurrency: 10,
            rpm_limit: 0,
            max_api_keys: 10,
            price_rate_ppm: PPM,
            profile: Profile::default(),
            default_key_limits: KeyLimits::default(),
        }
    }
}

/// What strategies may ask about a person; absent = not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Profile {
    /// Name at GitHub.
    pub github_username: Option<String>,
    /// Repositories with a star of the user, as a comma list.
    pub github_star: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
    /// Grade of a paying customer; 0 = none.
    pub vip: u32,
    /// Organisation.
    pub org: Option<String>,
    /// When the person registered at the outside system.
    pub register_time: Option<Timestamp>,
    /// When the person was last seen at the outside system.
    pub access_time: Option<Timestamp>,
    /// Number in the employer's directory.
    pub employee_number: Option<String>,
}

/// Highest limits of the keys that a user makes; 0 = no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct KeyLimits {
    /// Live requests.
    pub concurrency_limit: u32,
    /// Requests per minute.
    pub rpm_limit: u32,
    /// Charge per day.
    pub daily_cost_limit: Nanos,
    /// Charge per week.
    pub weekly_cost_limit: Nanos,
    /// Charge per week for Claude traffic.
    pub weekly_claude_cost_limit: Nanos,
    /// Charge per calendar month.
    pub monthly_cost_limit: Nanos,
    /// Charge in all.
    pub total_cost_limit: Nanos,
    /// Charge per five hours.
    pub five_hour_cost_limit: Nanos,
}

/// Who vouches for a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthSource {
    /// A password of ours.
    Local,
    /// An LDAP directory.
    Ldap,
    /// An OpenID provider.
    Oidc,
}

impl AuthSource {
    /// The name in JSON and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Ldap => "ldap",
            Self::Oidc => "oidc",
        }
    }

    /// The source with this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Local, Self::Ldap, Self::Oidc].into_iter().find(|source| source.as_str() == name)
    }
}

/// A stored password; never serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    /// bcrypt text.
    pub hash: String,
    /// `bcrypt` or `bcrypt-sha256`.
    pub scheme: String,
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(***)")
    }
}

/// A user as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Row id.
    pub id: UserId,
    /// What is configured.
    pub config: UserConfig,
    /// `None` for users of an outside directory.
    pub password: Option<PasswordHash>,
    /// Who vouches for the user.
    pub auth_source: AuthSource,
    /// Whose invite code the user came with.
    pub inviter: Option<UserId>,
    /// When the second factor was turned on; `None` = there is none.
    pub second_factor_at: Option<Timestamp>,
    /// Raised when sessions must end.
    pub token_version: i64,
    /// Counts up with each change.
    pub version: i64,
    /// Last login.
    pub last_login_at: Option<Timestamp>,
    /// Created.
    pub created_at: Timestamp,
    /// Changed.
    pub updated_at: Timestamp,
    /// Deleted; such users are found by id only.
    pub deleted_at: Option<Timestamp>,
}

impl UserRow {
    /// The owner's part of a key policy.
    pub fn owner(&self) -> OwnerPolicy {
        OwnerPolicy {
            id: self.id,
            max_concurrency: self.config.max_concurrency,
            rpm_limit: self.config.rpm_limit,
            price_rate_ppm: self.config.price_rate_ppm,
            active: self.config.status == UserStatus::Active && self.deleted_at.is_none(),
        }
    }
}

/// A user who comes in.
#[derive(Debug, Clone)]
pub struct Newcomer {
    /// What is configured.
    pub config: UserConfig,
    /// `None` for users of an outside directory.
    pub password: Option<PasswordHash>,
    /// Who vouches for the user.
    pub source: AuthSource,
    /// One use of this code is taken in the same transaction; its maker is the inviter.
    pub invite: Option<String>,
    /// The person at an outside provider: issuer and subject.
    pub identity: Option<(String, String)>,
}

/// Filters of a list, all optional.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// Part of the name, e-mail or shown name.
    pub text: Option<String>,
    /// Role.
    pub role: Option<Role>,
    /// Status.
    pub status: Option<UserStatus>,
}

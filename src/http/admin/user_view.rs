//! A user in JSON: what can be set, and what is shown.

use serde::{Deserialize, Serialize};

use crate::http::error::ApiError;
use crate::onboarding::json::Moment;
use crate::onboarding::user::{KeyLimitsInput, ProfileInput, check_email, check_username};
use crate::store::users::{AuthSource, Role, UserConfig, UserRow, UserStatus};

/// A user in JSON, without the password.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserInput {
    /// 3 to 64 characters, unique ignoring case.
    pub username: String,
    /// Unique; stored in lower case.
    #[serde(default)]
    pub email: Option<String>,
    /// Shown name.
    #[serde(default)]
    pub display_name: String,
    /// Id in an outside system.
    #[serde(default)]
    pub external_id: Option<String>,
    /// Role.
    #[serde(default = "plain_role")]
    pub role: Role,
    /// Status.
    #[serde(default = "active")]
    pub status: UserStatus,
    /// Live requests over all keys; 0 = unlimited.
    #[serde(default = "ten")]
    pub max_concurrency: u32,
    /// Requests per minute over all keys; 0 = unlimited.
    #[serde(default)]
    pub rpm_limit: u32,
    /// Keys that the user may have; 0 = unlimited.
    #[serde(default = "ten")]
    pub max_api_keys: u32,
    /// Multiplier of charges in ppm; 0 = free.
    #[serde(default = "neutral")]
    pub price_rate_ppm: i64,
    /// What strategies may ask about the person; changed as a whole.
    #[serde(default)]
    pub profile: ProfileInput,
    /// Highest limits of the keys that the user makes; changed as a whole.
    #[serde(default)]
    pub default_key_limits: KeyLimitsInput,
}

const fn plain_role() -> Role {
    Role::User
}

const fn active() -> UserStatus {
    UserStatus::Active
}

const fn ten() -> u32 {
    10
}

const fn neutral() -> i64 {
    actors::domain::money::PPM
}

/// A user as read.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct UserView {
    /// Row id.
    pub id: i64,
    /// What is configured.
    #[serde(flatten)]
    pub user: UserInput,
    /// Who vouches for the user.
    pub auth_source: AuthSource,
    /// Whose invite code the user came with.
    pub inviter_id: Option<i64>,
    /// A second factor is asked for.
    pub second_factor: bool,
    /// Counts up with each change.
    pub version: i64,
    /// Last login.
    pub last_login_at: Option<Moment>,
    /// Created.
    pub created_at: Moment,
    /// Changed.
    pub updated_at: Moment,
}

impl From<UserRow> for UserView {
    fn from(row: UserRow) -> Self {
        Self {
            id: row.id.0,
            user: input_of(&row.config),
            auth_source: row.auth_source,
            inviter_id: row.inviter.map(|id| id.0),
            second_factor: row.second_factor_at.is_some(),
            version: row.version,
            last_login_at: row.last_login_at.map(Moment),
            created_at: Moment(row.created_at),
            updated_at: Moment(row.updated_at),
        }
    }
}

/// What is configured, in JSON.
pub fn input_of(config: &UserConfig) -> UserInput {
    let config = config.clone();
    UserInput {
        username: config.username,
        email: config.email,
        display_name: config.display_name,
        external_id: config.external_id,
        role: config.role,
        status: config.status,
        max_concurrency: config.max_concurrency,
        rpm_limit: config.rpm_limit,
        max_api_keys: config.max_api_keys,
        price_rate_ppm: config.price_rate_ppm,
        profile: config.profile.into(),
        default_key_limits: config.default_key_limits.into(),
    }
}

impl UserInput {
    /// The configuration, checked.
    ///
    /// # Errors
    /// When a value breaks a rule.
    pub fn checked(self) -> Result<UserConfig, ApiError> {
        check_username(&self.username)?;
        let email = self.email.map(|email| email.trim().to_lowercase()).filter(|email| !email.is_empty());
        email.as_deref().map_or(Ok(()), check_email)?;
        if self.display_name.chars().count() > 100 {
            return Err(ApiError::invalid("display_name", "may have at most 100 characters"));
        }
        if self.external_id.as_ref().is_some_and(|id| id.is_empty() || id.len() > 255) {
            return Err(ApiError::invalid("external_id", "must have 1 to 255 bytes"));
        }
        if !(0..=100_000_000).contains(&self.price_rate_ppm) {
            return Err(ApiError::invalid("price_rate_ppm", "must be from 0 to 100000000"));
        }
        Ok(UserConfig {
            external_id: self.external_id,
            username: self.username,
            email,
            display_name: self.display_name,
            role: self.role,
            status: self.status,
            max_concurrency: self.max_concurrency,
            rpm_limit: self.rpm_limit,
            max_api_keys: self.max_api_keys,
            price_rate_ppm: self.price_rate_ppm,
            profile: self.profile.checked()?,
            default_key_limits: self.default_key_limits.checked()?,
        })
    }
}

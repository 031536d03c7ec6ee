//! `/users`: people and tenants.

use actix_web::web::{Data as State, Path};
use actix_web::{delete, get, post, routes};
use actors::domain::id::UserId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::AdminState;
use crate::http::envelope::{Data, Empty, Envelope, Page};
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{Admin, Auditor, Body, PageQuery, Params, Session, changes, merged, take_version};
use crate::identity::password::check_rules;
use crate::onboarding::json::Moment;
use crate::onboarding::user::{check_email, check_username};
use crate::store::users::{self, Role, UserConfig, UserFilter, UserRow, UserStatus};

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

/// A new user with a password.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "only a schema: the password is taken out before the rest is parsed")]
pub struct NewUser {
    #[schema(inline)]
    #[schema(additional_properties)]
    user: UserInput,
    password: String,
}

/// A user as read.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct UserView {
    /// Row id.
    pub id: i64,
    /// What is configured.
    #[serde(flatten)]
    pub user: UserInput,
    /// `local` or `ldap`.
    pub auth_source: String,
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
            version: row.version,
            last_login_at: row.last_login_at.map(Moment),
            created_at: Moment(row.created_at),
            updated_at: Moment(row.updated_at),
        }
    }
}

fn input_of(config: &UserConfig) -> UserInput {
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
    }
}

impl UserInput {
    fn checked(self) -> Result<UserConfig, ApiError> {
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
        })
    }
}

/// Roles above `user` are given and taken by a super_admin only; an admin does not touch admins.
fn may_set_role(session: &Session<Admin>, old: Option<&UserConfig>, new: &UserConfig) -> Result<(), ApiError> {
    if session.role() == Role::SuperAdmin {
        return Ok(());
    }
    let role_changes = old.map_or(Role::User, |old| old.role) != new.role;
    let touches_admin = old.is_some_and(|old| old.role >= Role::Admin && old.status != new.status);
    if role_changes || touches_admin {
        return Err(ApiError::new(Reason::PermissionDenied, "only a super_admin changes roles, and admins' status"));
    }
    Ok(())
}

/// Filters of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UserQuery {
    /// Part of the name or e-mail, at least 2 characters.
    q: Option<String>,
    /// Role.
    role: Option<Role>,
    /// Status.
    status: Option<UserStatus>,
}

/// Lists users.
#[utoipa::path(tag = "users", security(("session" = ["auditor"])), params(PageQuery, UserQuery),
    responses((status = 200, body = Envelope<Page<UserView>>)))]
#[get("/users")]
pub async fn list_users(
    _session: Session<Auditor>,
    state: State<AdminState>,
    page: Params<PageQuery>,
    query: Params<UserQuery>,
) -> Result<Data<Page<UserView>>, ApiError> {
    let query = query.0;
    let filter = UserFilter { text: super::search(query.q)?, role: query.role, status: query.status };
    let (rows, total) = users::list(&state.db, &filter, page.0.rows()?).await?;
    Ok(Data::page(page.0.answer(rows.into_iter().map(UserView::from).collect(), total)?))
}

/// Creates a user.
#[utoipa::path(tag = "users", security(("session" = ["admin"])), request_body = NewUser,
    responses((status = 201, body = Envelope<UserView>)))]
#[post("/users")]
pub async fn create_user(
    session: Session<Admin>,
    state: State<AdminState>,
    body: Body<Map<String, Value>>,
) -> Result<Data<UserView>, ApiError> {
    let mut body = body.0;
    let password = body.remove("password").and_then(|p| p.as_str().map(str::to_owned));
    let password = password.ok_or_else(|| ApiError::invalid("password", "is required"))?;
    let input: UserInput = crate::http::extract::parse_value(Value::Object(body))?;
    let config = input.checked()?;
    may_set_role(&session, None, &config)?;
    let password = secrecy::SecretString::from(password);
    check_rules(&password, &config.username, config.email.as_deref())?;
    let hash = state.passwords.hash(password).await?;
    let entry = session.entry(&state, "user_created", "user", None, changes(None, Some(&input_of(&config))));
    let id = users::create(&state.db.audited(entry), config, Some(hash), state.clock.now()).await?;
    Ok(Data::created(found(&state, id).await?.into()))
}

/// Shows a user.
#[utoipa::path(tag = "users", security(("session" = ["auditor"])), responses((status = 200, body = Envelope<UserView>)))]
#[get("/users/{id}")]
pub async fn get_user(
    _session: Session<Auditor>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<UserView>, ApiError> {
    Ok(Data::ok(found(&state, UserId(*id)).await?.into()))
}

async fn found(state: &AdminState, id: UserId) -> Result<UserRow, ApiError> {
    let row = users::get(&state.db, id).await?.filter(|row| row.deleted_at.is_none());
    row.ok_or_else(|| ApiError::not_found("user"))
}

/// Changes a user; absent fields stay, null clears.
#[utoipa::path(method(put, patch), path = "/users/{id}", tag = "users", security(("session" = ["admin"])),
    request_body = UserInput, responses((status = 200, body = Envelope<UserView>)))]
#[routes]
#[put("/users/{id}")]
#[patch("/users/{id}")]
pub async fn update_user(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
    body: Body<Map<String, Value>>,
) -> Result<Data<UserView>, ApiError> {
    let row = found(&state, UserId(*id)).await?;
    let mut patch = body.0;
    take_version(&mut patch, row.version)?;
    let config = merged(&input_of(&row.config), patch)?.checked()?;
    store(&session, &state, row, config, "user_updated").await
}

/// A new status.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusChange {
    /// The status.
    status: UserStatus,
}

/// Sets the status; sessions of a user who is not active end within 5 s.
#[utoipa::path(tag = "users", security(("session" = ["admin"])), request_body = StatusChange,
    responses((status = 200, body = Envelope<UserView>)))]
#[post("/users/{id}/status")]
pub async fn set_user_status(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
    body: Body<StatusChange>,
) -> Result<Data<UserView>, ApiError> {
    let row = found(&state, UserId(*id)).await?;
    let config = UserConfig { status: body.0.status, ..row.config.clone() };
    store(&session, &state, row, config, "user_status_changed").await
}

async fn store(
    session: &Session<Admin>,
    state: &AdminState,
    row: UserRow,
    config: UserConfig,
    action: &str,
) -> Result<Data<UserView>, ApiError> {
    may_set_role(session, Some(&row.config), &config)?;
    keep_an_owner(state, &row, &config).await?;
    let ends_sessions = config.role != row.config.role || config.status != row.config.status;
    let changed = changes(Some(&input_of(&row.config)), Some(&input_of(&config)));
    let action = if config.role == row.config.role { action } else { "role_changed" };
    let db = state.db.audited(session.entry(state, action, "user", Some(row.id.0), changed));
    users::update(&db, row.id, row.version, config, ends_sessions, state.clock.now()).await?;
    state.sessions.forget(row.id).await;
    state.keyring.invalidate_owner(row.id);
    Ok(Data::ok(found(state, row.id).await?.into()))
}

/// The last active super_admin can neither be demoted nor shut out.
async fn keep_an_owner(state: &AdminState, row: &UserRow, new: &UserConfig) -> Result<(), ApiError> {
    let owner = |config: &UserConfig| config.role == Role::SuperAdmin && config.status == UserStatus::Active;
    if !owner(&row.config) || owner(new) {
        return Ok(());
    }
    let filter = UserFilter { role: Some(Role::SuperAdmin), status: Some(UserStatus::Active), text: None };
    let (_, owners) = users::list(&state.db, &filter, crate::store::Page { offset: 0, limit: 1 }).await?;
    if owners > 1 { Ok(()) } else { Err(ApiError::new(Reason::InUse, "the last super_admin must stay")) }
}

/// Deletes a user and revokes the user's keys; usage stays.
#[utoipa::path(tag = "users", security(("session" = ["admin"])), responses((status = 200, body = Envelope<Empty>)))]
#[delete("/users/{id}")]
pub async fn delete_user(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<Empty>, ApiError> {
    let row = found(&state, UserId(*id)).await?;
    let gone = UserConfig { status: UserStatus::Inactive, role: Role::User, ..row.config.clone() };
    if row.config.role != Role::User {
        may_set_role(&session, Some(&row.config), &gone)?;
    }
    keep_an_owner(&state, &row, &gone).await?;
    let entry =
        session.entry(&state, "user_deleted", "user", Some(row.id.0), changes(Some(&input_of(&row.config)), None));
    users::delete(&state.db.audited(entry), row.id, state.clock.now()).await?;
    state.sessions.forget(row.id).await;
    state.keyring.invalidate_owner(row.id);
    Ok(Data::ok(Empty {}))
}

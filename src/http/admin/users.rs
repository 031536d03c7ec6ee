//! `/users`: people and tenants.

use actix_web::web::{Data as State, Path};
use actix_web::{delete, get, post, routes};
use actors::domain::id::UserId;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::AdminState;
use super::user_view::{UserInput, UserView, input_of};
use crate::http::envelope::{Data, Empty, Envelope, Page};
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{Admin, Auditor, Body, Fresh, PageQuery, Params, Session, changes, merged, take_version};
use crate::identity::password::check_rules;
use crate::store::second_factors;
use crate::store::users::{self, AuthSource, Role, UserConfig, UserFilter, UserRow, UserStatus};

/// A new user with a password.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "only a schema: the password is taken out before the rest is parsed")]
pub struct NewUser {
    #[schema(inline)]
    #[schema(additional_properties)]
    user: UserInput,
    password: String,
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
    let password = SecretString::from(password);
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
    if config.role != row.config.role {
        session.stepped_up(state)?;
    }
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
    session: Fresh<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<Empty>, ApiError> {
    let session = session.0;
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

/// A password for somebody else.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordReset {
    /// 8 to 128 characters.
    #[schema(value_type = String)]
    password: SecretString,
}

/// Who holds the power over administrators: a super_admin.
fn may_recover(session: &Session<Admin>, row: &UserRow) -> Result<(), ApiError> {
    if session.role() == Role::SuperAdmin || row.config.role < Role::Admin {
        return Ok(());
    }
    Err(ApiError::new(Reason::PermissionDenied, "only a super_admin recovers the access of administrators"))
}

/// Sets a user's password and ends the user's sessions. Needs one's own password given within the last five minutes.
#[utoipa::path(tag = "users", security(("session" = ["admin"])), request_body = PasswordReset,
    responses((status = 200, body = Envelope<Empty>)))]
#[post("/users/{id}/password")]
pub async fn reset_password(
    session: Fresh<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
    body: Body<PasswordReset>,
) -> Result<Data<Empty>, ApiError> {
    let row = found(&state, UserId(*id)).await?;
    may_recover(&session.0, &row)?;
    has_own_password(&row)?;
    check_rules(&body.0.password, &row.config.username, row.config.email.as_deref())?;
    let hash = state.passwords.hash(body.0.password).await?;
    let entry = session.0.entry(&state, "password_changed", "user", Some(row.id.0), changes::<UserInput>(None, None));
    users::set_password(&state.db.audited(entry), row.id, hash, false, state.clock.now()).await?;
    state.sessions.forget(row.id).await;
    Ok(Data::ok(Empty {}))
}

/// The password of a person from outside is kept outside.
pub fn has_own_password(row: &UserRow) -> Result<(), ApiError> {
    if row.auth_source == AuthSource::Local {
        return Ok(());
    }
    Err(ApiError::new(Reason::IllegalTransition, "this user's password is kept in an outside directory"))
}

/// Turns a user's second factor off and ends the user's sessions: for people who lost their authenticator and their codes.
#[utoipa::path(tag = "users", security(("session" = ["admin"])), responses((status = 200, body = Envelope<Empty>)))]
#[delete("/users/{id}/2fa")]
pub async fn remove_second_factor(
    session: Fresh<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<Empty>, ApiError> {
    let row = found(&state, UserId(*id)).await?;
    may_recover(&session.0, &row)?;
    if row.second_factor_at.is_none() {
        return Err(ApiError::not_found("second factor"));
    }
    let entry = session.0.entry(&state, "2fa_disabled", "user", Some(row.id.0), changes::<UserInput>(None, None));
    second_factors::remove(&state.db.audited(entry), row.id, state.clock.now()).await?;
    state.sessions.forget(row.id).await;
    Ok(Data::ok(Empty {}))
}

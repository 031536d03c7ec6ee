//! `/users/me`: one's own profile, password and sessions.

use actix_web::web::Data as State;
use actix_web::{delete, get, routes};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use super::AdminState;
use super::auth::login::is_password;
use super::user_view::UserView;
use super::users::has_own_password;
use crate::http::envelope::{Data, Empty, Envelope};
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{Body, Entrant, Session, User};
use crate::identity::password::check_rules;
use crate::onboarding::user::check_email;
use crate::store::users::{self, UserConfig, UserRow};

/// Shows one's own profile.
#[utoipa::path(tag = "session", security(("session" = ["user"])), responses((status = 200, body = Envelope<UserView>)))]
#[get("/users/me")]
pub async fn get_me(session: Session<Entrant>) -> Result<Data<UserView>, ApiError> {
    show_me(session).await
}

/// The same for the paths of predecessors.
pub async fn show_me(session: Session<Entrant>) -> Result<Data<UserView>, ApiError> {
    std::future::ready(Ok(Data::ok(UserRow::clone(&session.user).into()))).await
}

/// Changes of one's own profile. A new password or address needs the present password and ends other sessions.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileChange {
    /// Shown name.
    #[serde(default)]
    display_name: Option<String>,
    /// New address.
    #[serde(default)]
    email: Option<String>,
    /// New password.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    password: Option<SecretString>,
    /// Present password.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    old_password: Option<SecretString>,
}

/// Changes one's own profile.
#[utoipa::path(method(put, patch), path = "/users/me", tag = "session", security(("session" = ["user"])),
    request_body = ProfileChange, responses((status = 200, body = Envelope<UserView>)))]
#[routes]
#[put("/users/me")]
#[patch("/users/me")]
pub async fn update_me(
    session: Session<User>,
    state: State<AdminState>,
    body: Body<ProfileChange>,
) -> Result<Data<UserView>, ApiError> {
    change_me(session, state, body).await
}

/// The same for the paths of predecessors.
pub async fn change_me(
    session: Session<User>,
    state: State<AdminState>,
    body: Body<ProfileChange>,
) -> Result<Data<UserView>, ApiError> {
    let (change, user) = (body.0, &session.user);
    let email = change.email.map(|email| email.trim().to_lowercase());
    email.as_deref().map_or(Ok(()), check_email)?;
    if change.display_name.as_ref().is_some_and(|name| name.chars().count() > 100) {
        return Err(ApiError::invalid("display_name", "may have at most 100 characters"));
    }
    let moves = email.is_some() && email != user.config.email;
    if moves || change.password.is_some() {
        prove(&session, &state, change.old_password).await?;
    }
    let config = UserConfig {
        display_name: change.display_name.unwrap_or_else(|| user.config.display_name.clone()),
        email: email.or_else(|| user.config.email.clone()),
        ..user.config.clone()
    };
    if let Some(password) = &change.password {
        has_own_password(user)?;
        check_rules(password, &user.config.username, config.email.as_deref())?;
    }
    if config != user.config {
        let changed = json!({ "email": [user.config.email, config.email], "display_name": [user.config.display_name, config.display_name] });
        let db = state.db.audited(session.entry(&state, "user_updated", "user", Some(user.id.0), changed));
        users::update(&db, user.id, user.version, config, moves, state.clock.now()).await?;
    }
    if let Some(password) = change.password {
        store_password(&session, &state, password).await?;
    }
    state.sessions.forget(user.id).await;
    let row = users::get(&state.db, user.id).await?.ok_or_else(|| ApiError::not_found("user"))?;
    Ok(Data::ok(row.into()))
}

/// The present password, guessed no faster than at a login.
async fn prove(session: &Session<User>, state: &AdminState, old: Option<SecretString>) -> Result<(), ApiError> {
    let old = old.ok_or_else(|| ApiError::invalid("old_password", "is required"))?;
    let name = session.user.config.username.to_lowercase();
    state.logins.admit(state, &name, session.client.ip).await?;
    if is_password(state, &session.user, &old).await? {
        return Ok(());
    }
    state.logins.failed(state, &name, session.client.ip).await;
    Err(ApiError::new(Reason::InvalidCredentials, "the present password is wrong"))
}

async fn store_password(session: &Session<User>, state: &AdminState, password: SecretString) -> Result<(), ApiError> {
    let hash = state.passwords.hash(password).await?;
    let id = session.user.id;
    let db = state.db.audited(session.entry(state, "password_changed", "user", Some(id.0), json!({})));
    users::set_password(&db, id, hash, false, state.clock.now()).await?;
    state.sessions.forget(id).await;
    Ok(())
}

/// A new password.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// Present password.
    #[schema(value_type = String)]
    old_password: SecretString,
    /// 8 to 128 characters.
    #[serde(alias = "new_password")]
    #[schema(value_type = String)]
    password: SecretString,
}

/// Changes one's own password and ends every session.
#[utoipa::path(method(post, put), path = "/users/me/password", tag = "session", security(("session" = ["user"])),
    request_body = PasswordChange, responses((status = 200, body = Envelope<Empty>)))]
#[routes]
#[post("/users/me/password")]
#[put("/users/me/password")]
pub async fn change_my_password(
    session: Session<User>,
    state: State<AdminState>,
    body: Body<PasswordChange>,
) -> Result<Data<Empty>, ApiError> {
    change_password(session, state, body).await
}

/// The same for the paths of predecessors.
pub async fn change_password(
    session: Session<User>,
    state: State<AdminState>,
    body: Body<PasswordChange>,
) -> Result<Data<Empty>, ApiError> {
    let change = body.0;
    has_own_password(&session.user)?;
    prove(&session, &state, Some(change.old_password)).await?;
    check_rules(&change.password, &session.user.config.username, session.user.config.email.as_deref())?;
    store_password(&session, &state, change.password).await?;
    Ok(Data::ok(Empty {}))
}

/// Ends every session of one's own, this one too.
#[utoipa::path(tag = "session", security(("session" = ["user"])), responses((status = 200, body = Envelope<Empty>)))]
#[delete("/users/me/sessions")]
pub async fn end_my_sessions(session: Session<User>, state: State<AdminState>) -> Result<Data<Empty>, ApiError> {
    let id = session.user.id;
    let db = state.db.audited(session.entry(&state, "sessions_ended", "user", Some(id.0), json!({})));
    users::end_sessions(&db, id, state.clock.now()).await?;
    state.sessions.forget(id).await;
    Ok(Data::ok(Empty {}))
}

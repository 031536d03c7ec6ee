//! `/users/me`: one's own profile.

use actix_web::web::Data as State;
use actix_web::{get, routes};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use super::AdminState;
use super::users::UserView;
use crate::http::envelope::{Data, Envelope};
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{Body, Session, User};
use crate::identity::password::check_rules;
use crate::onboarding::user::check_email;
use crate::store::users::{self, UserConfig, UserRow};

/// Shows one's own profile.
#[utoipa::path(tag = "session", security(("session" = ["user"])), responses((status = 200, body = Envelope<UserView>)))]
#[get("/users/me")]
pub async fn get_me(session: Session<User>) -> Result<Data<UserView>, ApiError> {
    Ok(Data::ok(UserRow::clone(&session.user).into()))
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
    let (change, user) = (body.0, &session.user);
    let email = change.email.map(|email| email.trim().to_lowercase());
    email.as_deref().map_or(Ok(()), check_email)?;
    let moves = email.is_some() && email != user.config.email;
    if moves || change.password.is_some() {
        let old = change.old_password.ok_or_else(|| ApiError::invalid("old_password", "is required"))?;
        state.logins.admit(&state, &user.config.username, session.client.ip).await?;
        if !state.passwords.verify(old, user.password.clone()).await?.ok {
            state.logins.failed(&user.config.username, session.client.ip).await;
            return Err(ApiError::new(Reason::InvalidCredentials, "the present password is wrong"));
        }
    }
    let new_email = email.or_else(|| user.config.email.clone());
    let config = UserConfig {
        display_name: change.display_name.unwrap_or_else(|| user.config.display_name.clone()),
        email: new_email.clone(),
        ..user.config.clone()
    };
    if config != user.config {
        let changed = json!({ "email": [user.config.email, config.email], "display_name": [user.config.display_name, config.display_name] });
        let db = state.db.audited(session.entry(&state, "user_updated", "user", Some(user.id.0), changed));
        users::update(&db, user.id, user.version, config, moves, state.clock.now()).await?;
    }
    if let Some(password) = change.password {
        check_rules(&password, &user.config.username, new_email.as_deref())?;
        let hash = state.passwords.hash(password).await?;
        let db = state.db.audited(session.entry(&state, "password_changed", "user", Some(user.id.0), json!({})));
        users::set_password(&db, user.id, hash, false, state.clock.now()).await?;
    }
    state.sessions.forget(user.id).await;
    let row = users::get(&state.db, user.id).await?.ok_or_else(|| ApiError::not_found("user"))?;
    Ok(Data::ok(row.into()))
}

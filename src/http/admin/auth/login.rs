//! `/auth/{login,refresh,logout}`: sessions by name and password, ours or the directory's.

use actix_web::web::Data as State;
use actix_web::{HttpRequest, post};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use super::{FirstFactor, SessionView, admit, entry, failed, open, session_view};
use crate::http::admin::AdminState;
use crate::http::envelope::{Data, Empty, Envelope};
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{Body, ClientInfo, Entrant, Session};
use crate::identity::ldap::{Directory, DirectoryError};
use crate::onboarding::arrival::{ArrivalError, Vouched, arrive};
use crate::store::audit;
use crate::store::users::{self, AuthSource, UserRow};

/// A login.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// User name, or e-mail address.
    #[serde(default)]
    username: Option<String>,
    /// E-mail address, or user name.
    #[serde(default)]
    email: Option<String>,
    /// Password.
    #[schema(value_type = String)]
    password: SecretString,
    /// Code of the second factor, or a recovery code; may also be sent in a second step.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    code: Option<SecretString>,
}

/// Opens a session. Who has a second factor and sends no code gets 401 `SECOND_FACTOR_REQUIRED` with a ticket for
/// `/auth/second-factor`.
#[utoipa::path(tag = "session", request_body = Login, responses((status = 200, body = Envelope<SessionView>)))]
#[post("/auth/login")]
pub async fn login(
    request: HttpRequest,
    state: State<AdminState>,
    body: Body<Login>,
) -> Result<Data<SessionView>, ApiError> {
    log_in(request, state, body).await
}

/// The same for the paths of predecessors.
pub async fn log_in(
    request: HttpRequest,
    state: State<AdminState>,
    body: Body<Login>,
) -> Result<Data<SessionView>, ApiError> {
    let (client, body) = (ClientInfo::of(&request), body.0);
    let typed = body.username.or(body.email).ok_or_else(|| ApiError::invalid("username", "is required"))?;
    let name = typed.trim().to_lowercase();
    admit(&state, &client, &name, "password").await?;
    let known = users::find_login(&state.db, &name).await?;
    let local = by_password(&state, known.as_ref(), &body.password).await?;
    let (user, method) = match local {
        Some(user) => (Some(user), "password"),
        None => (by_directory(&state, &client, known.as_ref(), typed.trim(), &body.password).await?, "ldap"),
    };
    let Some(user) = user else { return Err(failed(&state, &client, &name, "password").await) };
    let first = FirstFactor { user, name: &name, method, code: body.code.as_ref() };
    Ok(Data::ok(open(&state, &client, first).await?))
}

/// The user when the password is right and ours. Without one it takes as long.
async fn by_password(
    state: &AdminState,
    known: Option<&UserRow>,
    password: &SecretString,
) -> Result<Option<UserRow>, ApiError> {
    let ours = known.filter(|user| user.auth_source == AuthSource::Local);
    let stored = ours.and_then(|user| user.password.clone());
    let verified = state.passwords.verify(password.clone(), stored).await?;
    let Some(user) = ours.filter(|_| verified.ok) else { return Ok(None) };
    if verified.rehash {
        let hash = state.passwords.hash(password.clone()).await?;
        users::set_password(&state.db, user.id, hash, true, state.clock.now()).await?;
    }
    Ok(Some(user.clone()))
}

/// The user when the directory lets the person in.
async fn by_directory(
    state: &AdminState,
    client: &ClientInfo,
    known: Option<&UserRow>,
    typed: &str,
    password: &SecretString,
) -> Result<Option<UserRow>, ApiError> {
    let Some(directory) = &state.directory else { return Ok(None) };
    // A person of the directory may type the address; the directory is asked for the name.
    let of_directory = known.filter(|user| user.auth_source == AuthSource::Ldap);
    let asked = of_directory.map_or(typed, |user| user.config.username.as_str());
    let person = match directory.authenticate(asked, password).await {
        Ok(person) => person,
        Err(DirectoryError::Refused) => return Ok(None),
        // Whoever is known here by another way was refused by that way already.
        Err(DirectoryError::Unavailable(_)) if known.is_some() && of_directory.is_none() => return Ok(None),
        Err(DirectoryError::Unavailable(cause)) => return Err(away(&cause)),
    };
    let audit = |action: &str, user| audit::AuditEntry {
        target_id: Option::<actors::domain::id::UserId>::map(user, |id| id.to_string()),
        ..entry(state, client, "system", action, None)
    };
    match arrive(&state.db, person, Vouched::Ldap, audit, state.clock.now()).await {
        Ok(user) => {
            state.sessions.forget(user.id).await;
            Ok(Some(user))
        }
        Err(error) => Err(error.into()),
    }
}

fn away(cause: &str) -> ApiError {
    tracing::warn!(target: "ldap", cause, "the directory cannot be asked");
    ApiError::new(Reason::LdapUnavailable, "the directory cannot be asked now").retry_after(5)
}

impl From<ArrivalError> for ApiError {
    fn from(error: ArrivalError) -> Self {
        match error {
            ArrivalError::Conflict => Self::new(Reason::AccountConflict, error.to_string()),
            ArrivalError::Unknown => Self::new(Reason::PermissionDenied, error.to_string()),
            ArrivalError::Store(error) => error.into(),
        }
    }
}

/// True when this is the user's password, wherever it is kept. Who has none anywhere has no right one.
pub async fn is_password(state: &AdminState, user: &UserRow, password: &SecretString) -> Result<bool, ApiError> {
    match (user.auth_source, &state.directory) {
        (AuthSource::Local, _) => Ok(state.passwords.verify(password.clone(), user.password.clone()).await?.ok),
        (AuthSource::Ldap, Some(directory)) => asked(directory, &user.config.username, password).await,
        _ => Ok(false),
    }
}

async fn asked(directory: &Directory, username: &str, password: &SecretString) -> Result<bool, ApiError> {
    match directory.authenticate(username, password).await {
        Ok(_) => Ok(true),
        Err(DirectoryError::Refused) => Ok(false),
        Err(DirectoryError::Unavailable(cause)) => Err(away(&cause)),
    }
}

/// Gives a new token for a running session, at most 7 days after its login.
#[utoipa::path(tag = "session", security(("session" = ["user"])), responses((status = 200, body = Envelope<SessionView>)))]
#[post("/auth/refresh")]
pub async fn refresh(session: Session<Entrant>, state: State<AdminState>) -> Result<Data<SessionView>, ApiError> {
    let (token, claims) = state.tokens.renew(&session.user, &session.claims)?;
    Ok(Data::ok(session_view(&state, &session.user, &token, &claims)))
}

/// Ends the session at once.
#[utoipa::path(tag = "session", security(("session" = ["user"])), responses((status = 200, body = Envelope<Empty>)))]
#[post("/auth/logout")]
pub async fn logout(session: Session<Entrant>, state: State<AdminState>) -> Result<Data<Empty>, ApiError> {
    state.sessions.end(&state, &session.claims).await?;
    let entry = session.entry(&state, "logout", "user", Some(session.user.id.0), Value::Object(serde_json::Map::new()));
    audit::append(&state.db, entry).await?;
    Ok(Data::ok(Empty {}))
}

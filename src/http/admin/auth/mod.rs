//! How a person comes in: what every way of logging in has in common, from the first factor that was right to a session.

pub mod login;
pub mod methods;
pub mod oidc;
pub mod register;
pub mod second_factor;
pub mod setup;
pub mod step_up;

use actors::domain::time::{MINUTE, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::AdminState;
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{ClientInfo, must_enrol};
use crate::identity::second_factor as factor;
use crate::identity::token::Claims;
use crate::onboarding::json::Moment;
use crate::store::audit::{self, AuditEntry};
use crate::store::users::{self, Role, UserRow, UserStatus};

pub use setup::owner_config;

/// How long a login waits for its second factor.
const TICKET_MS: i64 = 5 * MINUTE;

/// A session.
#[derive(Serialize, utoipa::ToSchema)]
pub struct SessionView {
    /// The user.
    pub user_id: i64,
    /// E-mail address.
    pub email: Option<String>,
    /// User name.
    pub username: String,
    /// Role.
    pub role: Role,
    /// Sent as `Authorization: Bearer`.
    pub token: String,
    /// The same, under the name of OAuth.
    pub access_token: String,
    /// Always `bearer`.
    pub token_type: &'static str,
    /// When it ends.
    pub expires_at: Moment,
    /// The role needs a second factor and the user has none: only setting one up is open.
    pub must_set_up_second_factor: bool,
}

fn session_view(state: &AdminState, user: &UserRow, token: &SecretString, claims: &Claims) -> SessionView {
    let token = token.expose_secret().to_owned();
    SessionView {
        user_id: user.id.0,
        email: user.config.email.clone(),
        username: user.config.username.clone(),
        role: user.config.role,
        access_token: token.clone(),
        token,
        token_type: "bearer",
        expires_at: Moment(Timestamp(claims.exp.saturating_mul(1_000))),
        must_set_up_second_factor: must_enrol(state, user),
    }
}

fn entry(
    state: &AdminState,
    client: &ClientInfo,
    actor: &'static str,
    action: &str,
    user: Option<&UserRow>,
) -> AuditEntry {
    AuditEntry {
        request_id: client.request_id.map(|id| id.to_string()),
        actor_type: actor,
        actor_id: user.map(|user| user.id.0),
        actor_role: user.map(|user| user.config.role.as_str().to_owned()),
        ip: client.ip.map(|ip| ip.to_string()),
        user_agent: client.user_agent.clone(),
        target_type: Some("user".to_owned()),
        target_id: user.map(|user| user.id.to_string()),
        ..AuditEntry::system(state.clock.now(), action)
    }
}

/// Admits a try at a name, or audits that it is blocked.
async fn admit(state: &AdminState, client: &ClientInfo, name: &str, method: &'static str) -> Result<(), ApiError> {
    let Err(blocked) = state.logins.admit(state, name, client.ip).await else { return Ok(()) };
    state.metrics.auth_total(method, "blocked").inc();
    let denied = AuditEntry { result: "denied", ..entry(state, client, "user", "login_blocked", None) };
    audit::append(&state.db, AuditEntry { changes: named(name, method), ..denied }).await?;
    Err(blocked)
}

/// Notes a failed try and gives the one answer that all failures have.
async fn failed(state: &AdminState, client: &ClientInfo, name: &str, method: &'static str) -> ApiError {
    state.logins.failed(state, name, client.ip).await;
    state.metrics.auth_total(method, "invalid").inc();
    let failed = AuditEntry { result: "failed", ..entry(state, client, "user", "login", None) };
    match audit::append(&state.db, AuditEntry { changes: named(name, method), ..failed }).await {
        Ok(()) => ApiError::new(Reason::InvalidCredentials, "name or password is wrong"),
        Err(error) => error.into(),
    }
}

/// A name as typed may be a password typed into the wrong field: only its start is kept.
fn named(name: &str, method: &'static str) -> Value {
    let start: String = name.chars().take(3).collect();
    json!({ "name": [null, format!("{start}***")], "method": [null, method] })
}

/// A first factor that was right.
struct FirstFactor<'a> {
    user: UserRow,
    /// What was typed; failures are counted for it.
    name: &'a str,
    /// `password`, `ldap` or `oidc`.
    method: &'static str,
    /// The second factor, if it was sent along.
    code: Option<&'a SecretString>,
}

/// Opens the session of a person whose first factor was right: asks for the second one when the user has it.
async fn open(state: &AdminState, client: &ClientInfo, first: FirstFactor<'_>) -> Result<SessionView, ApiError> {
    let FirstFactor { user, name, method, code } = first;
    if user.config.status != UserStatus::Active {
        return Err(failed(state, client, name, method).await);
    }
    if user.second_factor_at.is_some() {
        let Some(code) = code else { return Err(ask_second_factor(state, &user, method).await?) };
        if !factor::prove(&state.db, state.vault.as_ref(), user.id, code, state.clock.now()).await? {
            return Err(failed(state, client, name, method).await);
        }
    }
    state.logins.succeeded(name, client.ip).await;
    let entry = AuditEntry {
        changes: json!({ "method": [null, method] }),
        ..entry(state, client, "user", "login", Some(&user))
    };
    users::touch_login(&state.db.audited(entry), user.id, state.clock.now()).await?;
    state.metrics.auth_total(method, "ok").inc();
    let (token, claims) = state.tokens.issue(&user)?;
    Ok(session_view(state, &user, &token, &claims))
}

fn ticket_name(ticket: &str) -> String {
    format!("login:ticket:{}", hex::encode(Sha256::digest(ticket)))
}

/// The answer that asks for the second factor, with a ticket that stands for the first one.
async fn ask_second_factor(state: &AdminState, user: &UserRow, method: &'static str) -> Result<ApiError, ApiError> {
    let ticket = hex::encode(rand::random::<[u8; 32]>());
    let value = format!("{}:{}:{method}", user.id, user.token_version);
    let kept = state.cache.put(&ticket_name(&ticket), &value, TICKET_MS).await;
    kept.map_err(|error| ApiError::unavailable(&error))?;
    let error = ApiError::new(Reason::SecondFactorRequired, "a code of the second factor is required");
    Ok(error.with_metadata(json!({ "ticket": ticket, "expires_in": TICKET_MS / 1_000 })))
}

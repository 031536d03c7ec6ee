//! `/setup` and `/auth/…`: the first administrator, sessions.

use actix_web::web::Data as State;
use actix_web::{HttpRequest, post};
use actors::domain::money::PPM;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::AdminState;
use crate::http::envelope::{Data, Empty, Envelope};
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{Body, ClientInfo, Session, User};
use crate::identity::password::check_rules;
use crate::identity::setup;
use crate::identity::token::Claims;
use crate::onboarding::json::Moment;
use crate::onboarding::user::{check_email, check_username};
use crate::store::audit::{self, AuditEntry};
use crate::store::users::{self, Role, UserConfig, UserRow, UserStatus};

/// The first administrator.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// The token that was printed at the start.
    #[schema(value_type = String)]
    token: SecretString,
    /// 3 to 64 characters.
    username: String,
    /// E-mail address.
    #[serde(default)]
    email: Option<String>,
    /// 8 to 128 characters.
    #[schema(value_type = String)]
    password: SecretString,
}

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
}

fn session_view(user: &UserRow, token: &SecretString, claims: &Claims) -> SessionView {
    let token = token.expose_secret().to_owned();
    SessionView {
        user_id: user.id.0,
        email: user.config.email.clone(),
        username: user.config.username.clone(),
        role: user.config.role,
        access_token: token.clone(),
        token,
        token_type: "bearer",
        expires_at: Moment(actors::domain::time::Timestamp(claims.exp.saturating_mul(1_000))),
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

/// Creates the first super_admin. Answers 404 once there is one.
#[utoipa::path(tag = "session", request_body = Setup, responses((status = 201, body = Envelope<SessionView>)))]
#[post("/setup")]
pub async fn first_administrator(
    request: HttpRequest,
    state: State<AdminState>,
    body: Body<Setup>,
) -> Result<Data<SessionView>, ApiError> {
    let client = ClientInfo::of(&request);
    if !setup::pending(&state.db).await? {
        state.lifecycle.owner_found();
        return Err(ApiError::not_found("route"));
    }
    state.logins.admit(&state, "setup", client.ip).await?;
    let body = body.0;
    if !setup::matches(&state.db, &body.token).await? {
        state.logins.failed("setup", client.ip).await;
        return Err(ApiError::new(Reason::InvalidCredentials, "the setup token is wrong"));
    }
    check_username(&body.username)?;
    body.email.as_deref().map_or(Ok(()), check_email)?;
    check_rules(&body.password, &body.username, body.email.as_deref())?;
    let hash = state.passwords.hash(body.password).await?;
    if !setup::redeem(&state.db, &body.token).await? {
        return Err(ApiError::not_found("route"));
    }
    let config = owner_config(body.username, body.email);
    let db = state.db.audited(entry(&state, &client, "setup", "setup_completed", None));
    let id = users::create(&db, config, Some(hash), state.clock.now()).await?;
    state.lifecycle.owner_found();
    let user = users::get(&state.db, id).await?.ok_or_else(|| ApiError::not_found("user"))?;
    let (token, claims) = state.tokens.issue(&user)?;
    Ok(Data::created(session_view(&user, &token, &claims)))
}

/// What a super_admin starts with.
pub fn owner_config(username: String, email: Option<String>) -> UserConfig {
    UserConfig {
        external_id: None,
        display_name: String::new(),
        username,
        email,
        role: Role::SuperAdmin,
        status: UserStatus::Active,
        max_concurrency: 0,
        rpm_limit: 0,
        max_api_keys: 0,
        price_rate_ppm: PPM,
    }
}

/// A login.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// User name or e-mail address.
    #[serde(default, alias = "email")]
    username: String,
    /// Password.
    #[schema(value_type = String)]
    password: SecretString,
}

/// Opens a session.
#[utoipa::path(tag = "session", request_body = Login, responses((status = 200, body = Envelope<SessionView>)))]
#[post("/auth/login")]
pub async fn login(
    request: HttpRequest,
    state: State<AdminState>,
    body: Body<Login>,
) -> Result<Data<SessionView>, ApiError> {
    let (client, body) = (ClientInfo::of(&request), body.0);
    let name = body.username.trim().to_lowercase();
    if let Err(blocked) = state.logins.admit(&state, &name, client.ip).await {
        state.metrics.auth_total("password", "blocked").inc();
        audit::append(
            &state.db,
            AuditEntry { result: "denied", ..entry(&state, &client, "user", "login_blocked", None) },
        )
        .await?;
        return Err(blocked);
    }
    let user = users::find_login(&state.db, &name).await?;
    let verified =
        state.passwords.verify(body.password.clone(), user.as_ref().and_then(|user| user.password.clone())).await?;
    let user = user.filter(|user| verified.ok && user.config.status == UserStatus::Active);
    let Some(user) = user else {
        state.logins.failed(&name, client.ip).await;
        state.metrics.auth_total("password", "invalid").inc();
        let failed = AuditEntry {
            result: "failed",
            changes: json!({ "name": [null, shown_name(&name)] }),
            ..entry(&state, &client, "user", "login", None)
        };
        audit::append(&state.db, failed).await?;
        return Err(ApiError::new(Reason::InvalidCredentials, "name or password is wrong"));
    };
    state.logins.succeeded(&name, client.ip).await;
    if verified.rehash {
        let hash = state.passwords.hash(body.password).await?;
        users::set_password(&state.db, user.id, hash, true, state.clock.now()).await?;
    }
    users::touch_login(
        &state.db.audited(entry(&state, &client, "user", "login", Some(&user))),
        user.id,
        state.clock.now(),
    )
    .await?;
    state.metrics.auth_total("password", "ok").inc();
    let (token, claims) = state.tokens.issue(&user)?;
    Ok(Data::ok(session_view(&user, &token, &claims)))
}

/// A name as typed may be a password typed into the wrong field: only its start is kept.
fn shown_name(name: &str) -> String {
    let start: String = name.chars().take(3).collect();
    format!("{start}***")
}

/// Gives a new token for a running session, at most 7 days after its login.
#[utoipa::path(tag = "session", security(("session" = ["user"])), responses((status = 200, body = Envelope<SessionView>)))]
#[post("/auth/refresh")]
pub async fn refresh(session: Session<User>, state: State<AdminState>) -> Result<Data<SessionView>, ApiError> {
    let (token, claims) = state.tokens.renew(&session.user, &session.claims)?;
    Ok(Data::ok(session_view(&session.user, &token, &claims)))
}

/// Ends the session at once.
#[utoipa::path(tag = "session", security(("session" = ["user"])), responses((status = 200, body = Envelope<Empty>)))]
#[post("/auth/logout")]
pub async fn logout(session: Session<User>, state: State<AdminState>) -> Result<Data<Empty>, ApiError> {
    state.sessions.end(&state, &session.claims).await?;
    let entry = session.entry(&state, "logout", "user", Some(session.user.id.0), Value::Object(serde_json::Map::new()));
    audit::append(&state.db, entry).await?;
    Ok(Data::ok(Empty {}))
}

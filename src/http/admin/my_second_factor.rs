//! `/users/me/2fa`: setting up one's own second factor, and giving it up.

use actix_web::web::Data as State;
use actix_web::{delete, get, post};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::AdminState;
use crate::http::envelope::{Data, Empty, Envelope};
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{Body, Entrant, Fresh, Session, must_enrol};
use crate::identity::second_factor as factor;
use crate::onboarding::json::Moment;
use crate::store::users::{self, UserRow};
use crate::store::{StoreError, second_factors};

/// One's own second factor.
#[derive(Serialize, utoipa::ToSchema)]
pub struct FactorView {
    /// It is asked for at a login.
    enabled: bool,
    /// Since when.
    enabled_at: Option<Moment>,
    /// The role needs one, and there is none.
    required: bool,
    /// Recovery codes that were not used.
    recovery_codes_left: i64,
}

/// Shows whether one has a second factor.
#[utoipa::path(tag = "session", security(("session" = ["user"])), responses((status = 200, body = Envelope<FactorView>)))]
#[get("/users/me/2fa")]
pub async fn show_my_second_factor(
    session: Session<Entrant>,
    state: State<AdminState>,
) -> Result<Data<FactorView>, ApiError> {
    let user = &session.user;
    Ok(Data::ok(FactorView {
        enabled: user.second_factor_at.is_some(),
        enabled_at: user.second_factor_at.map(Moment),
        required: must_enrol(&state, user),
        recovery_codes_left: second_factors::codes_left(&state.db, user.id).await?,
    }))
}

/// What goes into an authenticator.
#[derive(Serialize, utoipa::ToSchema)]
pub struct EnrolmentView {
    /// Seed as base32.
    secret: String,
    /// Text of the QR code.
    otpauth_uri: String,
}

/// Makes a seed. It counts once a code of it was confirmed. Needs the password given within the last five minutes.
#[utoipa::path(tag = "session", security(("session" = ["user"])), responses((status = 201, body = Envelope<EnrolmentView>)))]
#[post("/users/me/2fa")]
pub async fn begin_second_factor(
    session: Fresh<Entrant>,
    state: State<AdminState>,
) -> Result<Data<EnrolmentView>, ApiError> {
    let user = &session.0.user;
    let entry = session.0.entry(&state, "2fa_begun", "user", Some(user.id.0), json!({}));
    let db = state.db.audited(entry);
    let begun = factor::begin(&db, state.vault.as_ref(), user.id, &user.config.username, state.clock.now()).await;
    let begun = begun.map_err(|error| match error {
        StoreError::Conflict(_) => ApiError::new(Reason::AlreadyExists, "there is a second factor; remove it first"),
        error => error.into(),
    })?;
    Ok(Data::created(EnrolmentView { secret: begun.secret.to_string(), otpauth_uri: begun.uri.to_string() }))
}

/// A code.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeInput {
    /// Code of the authenticator; where a second factor is in use, a recovery code too.
    #[schema(value_type = String)]
    code: SecretString,
}

/// Recovery codes, shown once.
#[derive(Serialize, utoipa::ToSchema)]
pub struct RecoveryView {
    /// Each opens one login in place of a code.
    recovery_codes: Vec<String>,
    /// The session goes on with this token, when the old one has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// Turns the second factor on, gives recovery codes, and ends other sessions.
#[utoipa::path(tag = "session", security(("session" = ["user"])), request_body = CodeInput,
    responses((status = 200, body = Envelope<RecoveryView>)))]
#[post("/users/me/2fa/confirm")]
pub async fn confirm_second_factor(
    session: Session<Entrant>,
    state: State<AdminState>,
    body: Body<CodeInput>,
) -> Result<Data<RecoveryView>, ApiError> {
    let id = session.user.id;
    let throttle = guarded(&session, &state).await?;
    let entry = session.entry(&state, "2fa_enabled", "user", Some(id.0), json!({}));
    let db = state.db.audited(entry);
    let codes = factor::confirm(&db, state.vault.as_ref(), id, &body.0.code, state.clock.now()).await?;
    let Some(codes) = codes else { return Err(wrong(&session, &state, &throttle).await) };
    state.sessions.forget(id).await;
    let user = users::get(&state.db, id).await?.ok_or_else(|| ApiError::not_found("user"))?;
    Ok(Data::ok(RecoveryView { recovery_codes: codes, token: Some(renewed(&session, &state, &user)?) }))
}

fn renewed(session: &Session<Entrant>, state: &AdminState, user: &UserRow) -> Result<String, ApiError> {
    let (token, _) = state.tokens.renew(user, &session.claims)?;
    Ok(secrecy::ExposeSecret::expose_secret(&token).to_owned())
}

async fn guarded(session: &Session<Entrant>, state: &AdminState) -> Result<String, ApiError> {
    let name = session.user.config.username.to_lowercase();
    state.logins.admit(state, &name, session.client.ip).await?;
    Ok(name)
}

async fn wrong(session: &Session<Entrant>, state: &AdminState, name: &str) -> ApiError {
    state.logins.failed(state, name, session.client.ip).await;
    ApiError::new(Reason::InvalidCredentials, "the code is wrong, was used before, or nothing waits for it")
}

/// Gives new recovery codes in place of the old ones.
#[utoipa::path(tag = "session", security(("session" = ["user"])), request_body = CodeInput,
    responses((status = 200, body = Envelope<RecoveryView>)))]
#[post("/users/me/2fa/recovery-codes")]
pub async fn renew_recovery_codes(
    session: Session<Entrant>,
    state: State<AdminState>,
    body: Body<CodeInput>,
) -> Result<Data<RecoveryView>, ApiError> {
    let (id, name) = (session.user.id, guarded(&session, &state).await?);
    if !factor::prove(&state.db, state.vault.as_ref(), id, &body.0.code, state.clock.now()).await? {
        return Err(wrong(&session, &state, &name).await);
    }
    let entry = session.entry(&state, "2fa_codes_renewed", "user", Some(id.0), json!({}));
    let codes = factor::renew_codes(&state.db.audited(entry), id).await?;
    Ok(Data::ok(RecoveryView { recovery_codes: codes, token: None }))
}

/// Turns the second factor off and ends every session. Needs the password given within the last five minutes, and a code.
#[utoipa::path(tag = "session", security(("session" = ["user"])), request_body = CodeInput,
    responses((status = 200, body = Envelope<Empty>)))]
#[delete("/users/me/2fa")]
pub async fn remove_my_second_factor(
    session: Fresh<Entrant>,
    state: State<AdminState>,
    body: Body<CodeInput>,
) -> Result<Data<Empty>, ApiError> {
    let session = session.0;
    let (id, name) = (session.user.id, guarded(&session, &state).await?);
    if !factor::prove(&state.db, state.vault.as_ref(), id, &body.0.code, state.clock.now()).await? {
        return Err(wrong(&session, &state, &name).await);
    }
    let entry = session.entry(&state, "2fa_disabled", "user", Some(id.0), json!({}));
    second_factors::remove(&state.db.audited(entry), id, state.clock.now()).await?;
    state.sessions.forget(id).await;
    Ok(Data::ok(Empty {}))
}

//! `/setup`: the first administrator.

use actix_web::web::Data as State;
use actix_web::{HttpRequest, post};
use secrecy::SecretString;
use serde::Deserialize;

use super::{SessionView, admit, entry, session_view};
use crate::http::admin::AdminState;
use crate::http::envelope::{Data, Envelope};
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{Body, ClientInfo};
use crate::identity::password::check_rules;
use crate::identity::setup;
use crate::onboarding::user::{check_email, check_username};
use crate::store::users::{self, Role, UserConfig};

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
    admit(&state, &client, "setup", "setup").await?;
    let body = body.0;
    if !setup::matches(&state.db, &body.token).await? {
        state.logins.failed(&state, "setup", client.ip).await;
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
    Ok(Data::created(session_view(&state, &user, &token, &claims)))
}

/// What a super_admin starts with.
pub fn owner_config(username: String, email: Option<String>) -> UserConfig {
    UserConfig { email, max_concurrency: 0, max_api_keys: 0, ..UserConfig::new(username, Role::SuperAdmin) }
}

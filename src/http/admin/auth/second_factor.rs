//! `/auth/second-factor`: the second step of a login.

use actix_web::web::Data as State;
use actix_web::{HttpRequest, post};
use actors::domain::id::UserId;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{FirstFactor, SessionView, admit, open, ticket_name};
use crate::http::admin::AdminState;
use crate::http::envelope::{Data, Envelope};
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{Body, ClientInfo};
use crate::store::users::{self, UserRow};

/// The second step.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecondStep {
    /// The ticket of the first step.
    #[schema(value_type = String)]
    ticket: SecretString,
    /// Code of the authenticator, or a recovery code.
    #[schema(value_type = String)]
    code: SecretString,
}

/// Finishes a login that was answered with `SECOND_FACTOR_REQUIRED`. A ticket lives five minutes.
#[utoipa::path(tag = "session", request_body = SecondStep, responses((status = 200, body = Envelope<SessionView>)))]
#[post("/auth/second-factor")]
pub async fn second_step(
    request: HttpRequest,
    state: State<AdminState>,
    body: Body<SecondStep>,
) -> Result<Data<SessionView>, ApiError> {
    let (client, body) = (ClientInfo::of(&request), body.0);
    let name = ticket_name(body.ticket.expose_secret());
    let kept = state.cache.get(&name).await.map_err(|error| ApiError::unavailable(&error))?;
    let over = || ApiError::new(Reason::TokenExpired, "the login has to begin again");
    let (user, method) = first_step(&state, &kept.ok_or_else(over)?.0).await?.ok_or_else(over)?;
    let login = user.config.username.to_lowercase();
    admit(&state, &client, &login, method).await?;
    let first = FirstFactor { user, name: &login, method, code: Some(&body.code) };
    let session = open(&state, &client, first).await?;
    // Used up by success only, so that a mistyped code can be typed again.
    state.cache.remove(&name).await.map_err(|error| ApiError::unavailable(&error))?;
    Ok(Data::ok(session))
}

/// Who a ticket stands for, unless the user has changed since in a way that ends sessions.
async fn first_step(state: &AdminState, ticket: &str) -> Result<Option<(UserRow, &'static str)>, ApiError> {
    let mut parts = ticket.split(':');
    let (id, version) = (parts.next().and_then(|n| n.parse().ok()), parts.next().and_then(|n| n.parse().ok()));
    let method = match parts.next() {
        Some("ldap") => "ldap",
        Some("oidc") => "oidc",
        _ => "password",
    };
    let Some(row) = users::get(&state.db, UserId(id.unwrap_or(0))).await? else { return Ok(None) };
    let same = row.deleted_at.is_none() && Some(row.token_version) == version;
    Ok(same.then_some((row, method)))
}

//! `/auth/step-up`: showing again who sits there, before what destroys or reveals.

use actix_web::post;
use actix_web::web::Data as State;
use secrecy::SecretString;
use serde::Deserialize;

use super::login::is_password;
use super::{SessionView, admit, failed, session_view};
use crate::http::admin::AdminState;
use crate::http::envelope::{Data, Envelope};
use crate::http::error::ApiError;
use crate::http::extract::{Body, Entrant, Session};
use crate::identity::second_factor as factor;
use crate::store::audit;

/// The password again, or a code of the second factor.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepUp {
    /// Password.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    password: Option<SecretString>,
    /// Code of the second factor, or a recovery code.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    code: Option<SecretString>,
}

/// Gives a token that opens what destroys or reveals, for five minutes.
#[utoipa::path(tag = "session", security(("session" = ["user"])), request_body = StepUp,
    responses((status = 200, body = Envelope<SessionView>)))]
#[post("/auth/step-up")]
pub async fn step_up(
    session: Session<Entrant>,
    state: State<AdminState>,
    body: Body<StepUp>,
) -> Result<Data<SessionView>, ApiError> {
    let (user, name) = (&session.user, session.user.config.username.to_lowercase());
    admit(&state, &session.client, &name, "step_up").await?;
    let right = match (&body.0.code, &body.0.password) {
        (Some(code), _) => factor::prove(&state.db, state.vault.as_ref(), user.id, code, state.clock.now()).await?,
        (None, Some(password)) => is_password(&state, user, password).await?,
        (None, None) => return Err(ApiError::invalid("password", "is required, or a code of the second factor")),
    };
    if !right {
        return Err(failed(&state, &session.client, &name, "step_up").await);
    }
    state.logins.succeeded(&name, session.client.ip).await;
    let (token, claims) = state.tokens.step_up(user, &session.claims)?;
    let entry = session.entry(&state, "stepped_up", "user", Some(user.id.0), serde_json::json!({}));
    audit::append(&state.db, entry).await?;
    Ok(Data::ok(session_view(&state, user, &token, &claims)))
}

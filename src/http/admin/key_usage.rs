//! `/api-keys/{id}/usage`, `/api-keys/validate`: what a key has used, and whose it is.

use actix_web::web::{Data as State, Path};
use actix_web::{get, post};
use actors::domain::id::KeyId;
use actors::domain::time::{DAY, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::AdminState;
use super::api_keys::found;
use crate::http::envelope::{Data, Envelope};
use crate::http::error::ApiError;
use crate::http::extract::{Auditor, Body, Session, User};
use crate::identity::keyring::KeyRefusal;
use crate::onboarding::json::Money;
use crate::store::usage::key_usage;

/// What was used in a stretch of time.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub struct Used {
    /// Requests.
    pub requests: i64,
    /// Tokens of every kind.
    pub tokens: u64,
    /// Charge.
    pub charge: Money,
}

/// What a key has used.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct KeyUses {
    /// In the last 24 hours, by whole hours.
    pub last_day: Used,
    /// In the last 7 days.
    pub last_week: Used,
    /// In the last 30 days.
    pub last_month: Used,
    /// Since it exists.
    pub total: Used,
}

/// What a key has used, over the last day, week and month, and in all.
#[utoipa::path(tag = "api-keys", security(("session" = ["user"])), responses((status = 200, body = Envelope<KeyUses>)))]
#[get("/api-keys/{id}/usage")]
pub async fn key_uses(
    session: Session<User>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<KeyUses>, ApiError> {
    let key = found(&session, &state, *id).await?.id;
    let now = state.clock.now();
    let since = async |days: i64| used(&state, key, Some(now.plus(-days * DAY))).await;
    Ok(Data::ok(KeyUses {
        last_day: since(1).await?,
        last_week: since(7).await?,
        last_month: since(30).await?,
        total: used(&state, key, None).await?,
    }))
}

async fn used(state: &AdminState, key: KeyId, from: Option<Timestamp>) -> Result<Used, ApiError> {
    let sum = key_usage(&state.db, key, from).await?;
    Ok(Used { requests: sum.requests, tokens: sum.tokens.total(), charge: Money(sum.charge) })
}

/// A key to look at.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// Its text.
    #[schema(value_type = String, write_only)]
    api_key: SecretString,
}

/// Whether a key may be used.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Validity {
    /// It may.
    pub valid: bool,
    /// Its id.
    pub key_id: Option<i64>,
    /// Its owner.
    pub user_id: Option<i64>,
    /// Requests per minute; 0 = unlimited.
    pub rate_limit: Option<u32>,
    /// `ok`, or why it may not: `key_invalid`, `key_disabled`, `key_expired`, `owner_disabled`.
    pub message: &'static str,
}

/// Says whether a key may be used, and whose it is.
#[utoipa::path(tag = "api-keys", security(("session" = ["auditor"])), request_body = Candidate,
    responses((status = 200, body = Envelope<Validity>)))]
#[post("/api-keys/validate")]
pub async fn validate_key(
    _session: Session<Auditor>,
    state: State<AdminState>,
    body: Body<Candidate>,
) -> Result<Data<Validity>, ApiError> {
    match state.keyring.find(body.0.api_key.expose_secret()).await {
        Ok(key) => Ok(Data::ok(Validity {
            valid: true,
            key_id: Some(key.id.0),
            user_id: Some(key.owner.id.0),
            rate_limit: Some(key.rpm_limit),
            message: "ok",
        })),
        Err(KeyRefusal::Unavailable) => Err(ApiError::unavailable(&KeyRefusal::Unavailable)),
        Err(refusal) => {
            let message = refusal.condition();
            Ok(Data::ok(Validity { valid: false, key_id: None, user_id: None, rate_limit: None, message }))
        }
    }
}

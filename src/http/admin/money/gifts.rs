//! `/wallets/{user}/…`, `POST /buckets`: what an administrator gives, takes and moves.

use actix_web::web::{Data as State, Path};
use actix_web::{post, put};
use actors::domain::billing::{BucketKind, Unit};
use actors::domain::id::UserId;
use actors::domain::model::Pattern;
use actors::domain::money::Nanos;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::funds::{BucketView, WalletView, wallet_of};
use super::{IdempotencyKey, must_exist, site};
use crate::commerce::wallet::{self, Adjustment, Gift, Transfer};
use crate::http::admin::AdminState;
use crate::http::envelope::{Data, Envelope};
use crate::http::error::ApiError;
use crate::http::extract::{Admin, Body, Session};
use crate::onboarding::json::{Moment, Money};
use crate::store::buckets::{self, BucketFilter};

fn checked_reason(reason: &str) -> Result<String, ApiError> {
    let reason = reason.trim();
    let fits = (1..=500).contains(&reason.chars().count());
    if fits { Ok(reason.to_owned()) } else { Err(ApiError::invalid("reason", "must have 1 to 500 characters")) }
}

/// A correction of a wallet.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdjustInput {
    /// Put in, or taken out when negative.
    amount: Money,
    /// Why.
    reason: String,
}

/// Corrects a wallet. Needs the header `idempotency-key`; the same key again changes nothing.
#[utoipa::path(tag = "money", security(("session" = ["admin"])), request_body = AdjustInput,
    responses((status = 200, body = Envelope<WalletView>)))]
#[post("/wallets/{user}/adjust")]
pub async fn adjust_wallet(
    session: Session<Admin>,
    state: State<AdminState>,
    user: Path<i64>,
    key: IdempotencyKey,
    body: Body<AdjustInput>,
) -> Result<Data<WalletView>, ApiError> {
    let user = UserId(*user);
    must_exist(&state, user).await?;
    let changed = json!({ "amount": [null, body.0.amount], "reason": [null, body.0.reason] });
    let what = Adjustment {
        user,
        amount: body.0.amount.0,
        actor: format!("user:{}", session.user.id),
        reason: checked_reason(&body.0.reason)?,
        key: key.required()?,
    };
    if what.amount == Nanos::ZERO {
        return Err(ApiError::invalid("amount", "must not be zero"));
    }
    let db = state.db.audited(session.entry(&state, "wallet_adjusted", "wallet", Some(user.0), changed));
    wallet::adjust(&db, site(&state), what).await?;
    Ok(Data::ok(wallet_of(&state, user).await?))
}

/// Credit for another user.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferInput {
    /// To whom.
    to_user_id: i64,
    /// How much.
    amount: Money,
    /// Why.
    reason: String,
}

/// Moves credit to another user's wallet. Needs the header `idempotency-key`.
#[utoipa::path(tag = "money", security(("session" = ["admin"])), request_body = TransferInput,
    responses((status = 200, body = Envelope<WalletView>)))]
#[post("/wallets/{user}/transfer")]
pub async fn transfer_credit(
    session: Session<Admin>,
    state: State<AdminState>,
    user: Path<i64>,
    key: IdempotencyKey,
    body: Body<TransferInput>,
) -> Result<Data<WalletView>, ApiError> {
    let (from, to) = (UserId(*user), UserId(body.0.to_user_id));
    must_exist(&state, from).await?;
    must_exist(&state, to).await?;
    if from == to || body.0.amount.0 <= Nanos::ZERO {
        return Err(ApiError::invalid("amount", "must be above zero, and go to another user"));
    }
    let changed = json!({ "amount": [null, body.0.amount], "to_user_id": [null, to], "reason": [null, body.0.reason] });
    let what = Transfer {
        from,
        to,
        amount: body.0.amount.0,
        actor: format!("user:{}", session.user.id),
        reason: checked_reason(&body.0.reason)?,
        key: key.required()?,
    };
    let db = state.db.audited(session.entry(&state, "credit_transferred", "wallet", Some(from.0), changed));
    wallet::transfer(&db, site(&state), what).await?;
    Ok(Data::ok(wallet_of(&state, from).await?))
}

/// How far a wallet may go below zero.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OverdraftInput {
    /// At most this much.
    limit: Money,
}

/// Says how far a wallet may go below zero at admission.
#[utoipa::path(tag = "money", security(("session" = ["admin"])), request_body = OverdraftInput,
    responses((status = 200, body = Envelope<WalletView>)))]
#[put("/wallets/{user}/overdraft")]
pub async fn set_overdraft(
    session: Session<Admin>,
    state: State<AdminState>,
    user: Path<i64>,
    body: Body<OverdraftInput>,
) -> Result<Data<WalletView>, ApiError> {
    let user = UserId(*user);
    must_exist(&state, user).await?;
    if body.0.limit.0 < Nanos::ZERO {
        return Err(ApiError::invalid("limit", "must not be negative"));
    }
    let before = wallet_of(&state, user).await?.overdraft_limit;
    let changed = json!({ "overdraft_limit": [before, body.0.limit] });
    let db = state.db.audited(session.entry(&state, "overdraft_set", "wallet", Some(user.0), changed));
    wallet::set_overdraft(&db, site(&state), user, body.0.limit.0).await?;
    Ok(Data::ok(wallet_of(&state, user).await?))
}

/// A gift.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantInput {
    /// To whom.
    user_id: i64,
    /// `promo`, `manual` or `trial`.
    #[serde(default = "manual")]
    kind: BucketKind,
    /// What it counts.
    #[serde(default)]
    unit: Unit,
    /// How much, in the unit: nano-USD, tokens or requests.
    amount: i64,
    /// Requested models that it pays for; empty = every one.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    model_scope: Vec<Pattern>,
    /// Not at or after.
    #[serde(default)]
    expires_at: Option<Moment>,
    /// Why.
    reason: String,
}

const fn manual() -> BucketKind {
    BucketKind::Manual
}

/// Gives a bucket. Needs the header `idempotency-key`; the same key again gives the same one.
#[utoipa::path(tag = "money", security(("session" = ["admin"])), request_body = GrantInput,
    responses((status = 201, body = Envelope<BucketView>)))]
#[post("/buckets")]
pub async fn grant_bucket(
    session: Session<Admin>,
    state: State<AdminState>,
    key: IdempotencyKey,
    body: Body<GrantInput>,
) -> Result<Data<BucketView>, ApiError> {
    let input = body.0;
    let user = UserId(input.user_id);
    if !matches!(input.kind, BucketKind::Promo | BucketKind::Manual | BucketKind::Trial) {
        return Err(ApiError::invalid("kind", "must be promo, manual or trial"));
    }
    if input.amount <= 0 {
        return Err(ApiError::invalid("amount", "must be above zero"));
    }
    if input.model_scope.len() > 200 || input.model_scope.iter().any(|pattern| pattern.0.is_empty()) {
        return Err(ApiError::invalid("model_scope", "may hold at most 200 patterns, none of them empty"));
    }
    must_exist(&state, user).await?;
    let changed = json!({ "granted": [null, input] });
    let gift = Gift {
        user,
        kind: input.kind,
        unit: input.unit,
        amount: input.amount,
        scope: input.model_scope,
        expires_at: input.expires_at.map(|moment| moment.0),
        actor: format!("user:{}", session.user.id),
        reason: checked_reason(&input.reason)?,
        key: key.required()?,
    };
    let db = state.db.audited(session.entry(&state, "bucket_granted", "bucket", None, changed));
    let id = wallet::give(&db, site(&state), gift).await?;
    let filter = BucketFilter { user: Some(user), ..BucketFilter::default() };
    let rows =
        buckets::list(&state.db, BucketFilter { before: Some(actors::domain::id::BucketId(id.0 + 1)), ..filter }, 1)
            .await?;
    rows.into_iter().next().map(|row| Data::created(row.into())).ok_or_else(|| ApiError::not_found("bucket"))
}

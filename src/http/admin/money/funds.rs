//! `/wallet`, `/buckets`, `/ledger`: what a user has, and every movement of it.

use actix_web::get;
use actix_web::web::Data as State;
use actors::domain::billing::{BucketKind, BucketStatus, Unit};
use actors::domain::id::{BucketId, SubscriptionId, UserId};
use actors::domain::model::Pattern;
use actors::domain::money::Nanos;
use serde::{Deserialize, Serialize};

use super::{cut, seen, stretch};
use crate::http::admin::AdminState;
use crate::http::envelope::{Data, Envelope, Stretch};
use crate::http::error::ApiError;
use crate::http::extract::{Auditor, Cursor, Params, Session, User};
use crate::onboarding::json::{Moment, Money};
use crate::store::buckets::{self, BucketFilter, BucketRow};
use crate::store::ledger::{self, Movement, MovementFilter, Verification};

/// Whose.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Whose {
    /// Of this user.
    pub(super) user_id: Option<i64>,
}

/// A wallet. Requests in flight are not in it; what they reserve is in the live view of their key.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct WalletView {
    /// Whose.
    pub user_id: i64,
    /// Balance in the ledger.
    pub posted: Money,
    /// Reserved by orders.
    pub held: Money,
    /// Left to spend.
    pub available: Money,
    /// How far it may go below zero.
    pub overdraft_limit: Money,
}

/// The wallet of a user; one that never held anything is empty.
pub(super) async fn wallet_of(state: &AdminState, user: UserId) -> Result<WalletView, ApiError> {
    let filter = BucketFilter { user: Some(user), kind: Some(BucketKind::Wallet), ..BucketFilter::default() };
    let wallet = buckets::list(&state.db, filter, 1).await?.pop().map(|row| row.bucket);
    let of = |read: fn(&actors::domain::billing::Bucket) -> i64| Money(Nanos(wallet.as_ref().map_or(0, read)));
    Ok(WalletView {
        user_id: user.0,
        posted: of(|bucket| bucket.granted.saturating_sub(bucket.used)),
        held: of(|bucket| bucket.held),
        available: of(actors::domain::billing::Bucket::available),
        overdraft_limit: of(|bucket| bucket.overdraft),
    })
}

/// Shows a wallet.
#[utoipa::path(tag = "money", security(("session" = ["user"])), params(Whose),
    responses((status = 200, body = Envelope<WalletView>)))]
#[get("/wallet")]
pub async fn show_wallet(
    session: Session<User>,
    state: State<AdminState>,
    query: Params<Whose>,
) -> Result<Data<WalletView>, ApiError> {
    let user = seen(&session, query.0.user_id)?.unwrap_or(session.user.id);
    super::must_exist(&state, user).await?;
    Ok(Data::ok(wallet_of(&state, user).await?))
}

/// A bucket. Amounts are in its unit; nano-USD, tokens or requests.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct BucketView {
    /// Row id.
    pub id: i64,
    /// Whose.
    pub user_id: i64,
    /// Where its value comes from.
    pub kind: BucketKind,
    /// What it counts.
    pub unit: Unit,
    /// Requested models that it pays for; empty = every one.
    #[schema(value_type = Vec<String>)]
    pub model_scope: Vec<Pattern>,
    /// Put in.
    pub granted: String,
    /// Used by requests.
    pub used: String,
    /// Reserved by orders.
    pub held: String,
    /// Left.
    pub available: String,
    /// Smaller is spent first.
    pub priority: i64,
    /// Not before.
    pub starts_at: Moment,
    /// Not at or after; null = never ends.
    pub expires_at: Option<Moment>,
    /// Whether it can be spent.
    pub status: BucketStatus,
    /// The subscription whose quota it is.
    #[schema(value_type = Option<i64>)]
    pub subscription_id: Option<SubscriptionId>,
}

impl From<BucketRow> for BucketView {
    fn from(row: BucketRow) -> Self {
        let bucket = row.bucket;
        Self {
            id: bucket.id.0,
            user_id: row.user.0,
            kind: bucket.kind,
            unit: bucket.unit,
            granted: bucket.granted.to_string(),
            used: bucket.used.to_string(),
            held: bucket.held.to_string(),
            available: bucket.available().to_string(),
            model_scope: bucket.scope,
            priority: bucket.priority,
            starts_at: Moment(bucket.starts_at),
            expires_at: bucket.expires_at.map(Moment),
            status: bucket.status,
            subscription_id: bucket.subscription,
        }
    }
}

/// Which buckets.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BucketQuery {
    /// Of this user.
    user_id: Option<i64>,
    /// Of this kind.
    kind: Option<BucketKind>,
    /// In this state.
    status: Option<BucketStatus>,
    /// Of this subscription.
    subscription_id: Option<i64>,
}

/// Lists buckets, newest first.
#[utoipa::path(tag = "money", security(("session" = ["user"])), params(BucketQuery, Cursor),
    responses((status = 200, body = Envelope<Stretch<BucketView>>)))]
#[get("/buckets")]
pub async fn list_buckets(
    session: Session<User>,
    state: State<AdminState>,
    query: Params<BucketQuery>,
    cursor: Params<Cursor>,
) -> Result<Data<Stretch<BucketView>>, ApiError> {
    let (limit, before) = stretch(&cursor.0)?;
    let filter = BucketFilter {
        user: seen(&session, query.0.user_id)?,
        kind: query.0.kind,
        status: query.0.status,
        subscription: query.0.subscription_id.map(SubscriptionId),
        before: before.map(BucketId),
    };
    let rows = buckets::list(&state.db, filter, limit + 1).await?;
    Ok(Data::ok(cut(rows, limit, |row| row.bucket.id.to_string())))
}

/// One line of the ledger. Amounts are in the ledger's unit.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct MovementView {
    /// The transaction.
    pub txn_id: i64,
    /// The line in it.
    pub seq: i64,
    /// `CREDIT` (nano-USD), `PAY:<currency>` (minor units), `QTA:tokens`, `QTA:requests`.
    pub ledger: String,
    /// What it is about.
    pub kind: String,
    /// The account.
    pub account: String,
    /// How much; credit is positive.
    pub amount: String,
    /// The account's balance then.
    pub balance_after: String,
    /// Kind of what caused it.
    pub ref_type: Option<String>,
    /// Id of what caused it.
    pub ref_id: Option<String>,
    /// Who asked.
    pub actor: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// When it counts.
    pub effective_at: Moment,
    /// When it was posted.
    pub created_at: Moment,
}

impl From<Movement> for MovementView {
    fn from(row: Movement) -> Self {
        Self {
            txn_id: row.txn,
            seq: row.seq,
            ledger: row.ledger,
            kind: row.kind,
            account: row.account,
            amount: row.amount.to_string(),
            balance_after: row.balance_after.to_string(),
            ref_type: row.ref_type,
            ref_id: row.ref_id,
            actor: row.actor,
            reason: row.reason,
            effective_at: Moment(row.effective_at),
            created_at: Moment(row.created_at),
        }
    }
}

/// Which movements.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MovementQuery {
    /// Of this user's accounts.
    user_id: Option<i64>,
    /// Of this kind: `topup`, `purchase`, `usage_batch` …
    kind: Option<String>,
    /// Counting from then.
    from: Option<Moment>,
    /// Counting before then.
    to: Option<Moment>,
}

/// Lists movements, newest first.
#[utoipa::path(tag = "money", security(("session" = ["user"])), params(MovementQuery, Cursor),
    responses((status = 200, body = Envelope<Stretch<MovementView>>)))]
#[get("/ledger")]
pub async fn list_movements(
    session: Session<User>,
    state: State<AdminState>,
    query: Params<MovementQuery>,
    cursor: Params<Cursor>,
) -> Result<Data<Stretch<MovementView>>, ApiError> {
    let limit = i64::from(cursor.0.limit()?);
    let place = |text: &str| text.split_once('.').and_then(|(txn, seq)| Some((txn.parse().ok()?, seq.parse().ok()?)));
    let before = cursor
        .0
        .cursor
        .as_deref()
        .map(|text| place(text).ok_or_else(|| ApiError::invalid("cursor", "is not a cursor of this list")));
    let filter = MovementFilter {
        user: seen(&session, query.0.user_id)?,
        kind: query.0.kind,
        from: query.0.from.map(|moment| moment.0),
        until: query.0.to.map(|moment| moment.0),
        before: before.transpose()?,
    };
    let rows = ledger::movements(&state.db, &filter, limit + 1).await?;
    Ok(Data::ok(cut(rows, limit, |row| format!("{}.{}", row.txn, row.seq))))
}

/// Checks that the whole book adds up.
#[utoipa::path(tag = "money", security(("session" = ["auditor"])),
    responses((status = 200, body = Envelope<Verification>)))]
#[get("/ledger/verify")]
pub async fn verify_ledger(
    _session: Session<Auditor>,
    state: State<AdminState>,
) -> Result<Data<Verification>, ApiError> {
    Ok(Data::ok(ledger::verify(&state.db).await?))
}

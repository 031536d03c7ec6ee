//! `/subscriptions`: what users are subscribed to.

use actix_web::web::{Data as State, Path};
use actix_web::{delete, get, post, put};
use actors::domain::billing::{EndReason, Minor, SubStatus};
use actors::domain::id::{PlanId, SubscriptionId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::orders::OrderView;
use super::{IdempotencyKey, Price, changeable, cut, guarded, seen, site, stretch};
use crate::commerce::order;
use crate::commerce::subscription::{self, Act};
use crate::http::admin::AdminState;
use crate::http::envelope::{Data, Envelope, Stretch};
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{Admin, Body, Cursor, Params, Session, User};
use crate::onboarding::json::Moment;
use crate::store::subscriptions::{self, SubscriptionFilter, SubscriptionRow};
use crate::store::users::Role;

/// A subscription.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SubscriptionView {
    /// Row id.
    pub id: i64,
    /// Whose.
    pub user_id: i64,
    /// Of which family of plans.
    pub family: String,
    /// To which plan.
    pub plan_id: i64,
    /// Where it stands.
    pub status: SubStatus,
    /// It pays for the next period by itself.
    pub auto_renew: bool,
    /// It ends with the period.
    pub cancel_at_period_end: bool,
    /// The plan of the next period, when another one.
    pub scheduled_plan_id: Option<i64>,
    /// Start of the running period.
    pub period_start: Moment,
    /// Its end.
    pub period_end: Moment,
    /// Paid for it, credits included.
    pub net_paid: Price,
    /// Payments so far.
    pub payments: u32,
    /// The next period is paid already.
    pub next_period_paid: bool,
    /// Since when it stands still.
    pub paused_at: Option<Moment>,
    /// When the unpaid period ended.
    pub past_due_since: Option<Moment>,
    /// Why it is over.
    pub end_reason: Option<EndReason>,
    /// When it ended.
    pub ended_at: Option<Moment>,
    /// Created.
    pub created_at: Moment,
}

impl From<SubscriptionRow> for SubscriptionView {
    fn from(row: SubscriptionRow) -> Self {
        Self {
            id: row.id.0,
            user_id: row.user.0,
            plan_id: row.plan.0,
            status: row.status,
            auto_renew: row.auto_renew,
            cancel_at_period_end: row.cancel_at_period_end,
            scheduled_plan_id: row.scheduled_plan.map(|plan| plan.0),
            period_start: Moment(row.period_start),
            period_end: Moment(row.period_end),
            net_paid: Minor::new(row.net_paid_minor, row.currency).into(),
            payments: row.payments,
            next_period_paid: row.next_order.is_some(),
            paused_at: row.paused.map(|(since, _)| Moment(since)),
            past_due_since: row.past_due_since.map(Moment),
            end_reason: row.end_reason,
            ended_at: row.ended_at.map(Moment),
            created_at: Moment(row.created_at),
            family: row.family,
        }
    }
}

/// What is ordered.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscribeInput {
    /// The plan.
    plan_id: i64,
    /// A code.
    #[serde(default)]
    discount_code: Option<String>,
}

/// Orders a subscription for oneself. The header `idempotency-key` makes two calls one order.
#[utoipa::path(tag = "subscriptions", security(("session" = ["user"])), request_body = SubscribeInput,
    responses((status = 201, body = Envelope<OrderView>)))]
#[post("/subscriptions")]
pub async fn order_subscription(
    session: Session<User>,
    state: State<AdminState>,
    key: IdempotencyKey,
    body: Body<SubscribeInput>,
) -> Result<Data<OrderView>, ApiError> {
    let (user, plan) = (session.user.id, PlanId(body.0.plan_id));
    let idem = key.order(user, &json!(["subscribe", body.0]))?;
    let changed = json!({ "plan_id": [null, plan], "discount_code": [null, body.0.discount_code] });
    let db = state.db.audited(session.entry(&state, "subscription_ordered", "order", None, changed));
    let (code, has_code) = (body.0.discount_code.clone(), body.0.discount_code.is_some());
    let call = order::subscribe(&db, site(&state), user, plan, code, idem);
    Ok(Data::created(guarded(&session, &state, has_code, call).await?.into()))
}

/// Which subscriptions.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SubscriptionQuery {
    /// Of this user.
    user_id: Option<i64>,
    /// With this status.
    status: Option<SubStatus>,
    /// To this plan.
    plan_id: Option<i64>,
}

/// Lists subscriptions, newest first.
#[utoipa::path(tag = "subscriptions", security(("session" = ["user"])), params(SubscriptionQuery, Cursor),
    responses((status = 200, body = Envelope<Stretch<SubscriptionView>>)))]
#[get("/subscriptions")]
pub async fn list_subscriptions(
    session: Session<User>,
    state: State<AdminState>,
    query: Params<SubscriptionQuery>,
    cursor: Params<Cursor>,
) -> Result<Data<Stretch<SubscriptionView>>, ApiError> {
    let (limit, before) = stretch(&cursor.0)?;
    let filter = SubscriptionFilter {
        user: seen(&session, query.0.user_id)?,
        status: query.0.status,
        plan: query.0.plan_id.map(PlanId),
        live: false,
        before: before.map(SubscriptionId),
    };
    let rows = subscriptions::list(&state.db, filter, limit + 1).await?;
    Ok(Data::ok(cut(rows, limit, |row| row.id.to_string())))
}

async fn current<R>(session: &Session<R>, state: &AdminState) -> Result<SubscriptionRow, ApiError> {
    let filter = SubscriptionFilter { user: Some(session.user.id), live: true, ..SubscriptionFilter::default() };
    let rows = subscriptions::list(&state.db, filter, 1).await?;
    rows.into_iter().next().ok_or_else(|| ApiError::not_found("subscription"))
}

/// Shows one's own live subscription.
#[utoipa::path(tag = "subscriptions", security(("session" = ["user"])),
    responses((status = 200, body = Envelope<SubscriptionView>)))]
#[get("/subscriptions/current")]
pub async fn current_subscription(
    session: Session<User>,
    state: State<AdminState>,
) -> Result<Data<SubscriptionView>, ApiError> {
    Ok(Data::ok(current(&session, &state).await?.into()))
}

/// Ends one's own live subscription with its period.
#[utoipa::path(tag = "subscriptions", security(("session" = ["user"])),
    responses((status = 200, body = Envelope<SubscriptionView>)))]
#[delete("/subscriptions/current")]
pub async fn end_current_subscription(
    session: Session<User>,
    state: State<AdminState>,
) -> Result<Data<SubscriptionView>, ApiError> {
    let id = current(&session, &state).await?.id;
    done(&session, &state, id.0, Act::CancelAtEnd(true), "subscription_cancelled", json!({})).await
}

pub(super) async fn done<R>(
    session: &Session<R>,
    state: &AdminState,
    id: i64,
    act: Act,
    action: &str,
    changed: Value,
) -> Result<Data<SubscriptionView>, ApiError> {
    let db = state.db.audited(session.entry(state, action, "subscription", Some(id), changed));
    let row = subscription::act(&db, site(state), SubscriptionId(id), changeable(session), act).await?;
    Ok(Data::ok(row.into()))
}

/// Ends a subscription with its period.
#[utoipa::path(tag = "subscriptions", security(("session" = ["user"])),
    responses((status = 200, body = Envelope<SubscriptionView>)))]
#[post("/subscriptions/{id}/cancel")]
pub async fn cancel_subscription(
    session: Session<User>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<SubscriptionView>, ApiError> {
    done(&session, &state, *id, Act::CancelAtEnd(true), "subscription_cancelled", json!({})).await
}

/// Takes a cancellation back; lets a paused one go on, which only an administrator may.
#[utoipa::path(tag = "subscriptions", security(("session" = ["user"])),
    responses((status = 200, body = Envelope<SubscriptionView>)))]
#[post("/subscriptions/{id}/resume")]
pub async fn resume_subscription(
    session: Session<User>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<SubscriptionView>, ApiError> {
    let row = subscriptions::get(&state.db, SubscriptionId(*id), changeable(&session)).await?;
    let row = row.ok_or_else(|| ApiError::not_found("subscription"))?;
    let act = if row.status == SubStatus::Paused { Act::Resume } else { Act::CancelAtEnd(false) };
    if act == Act::Resume && session.role() < Role::Admin {
        return Err(ApiError::new(Reason::PermissionDenied, "an administrator paused this"));
    }
    done(&session, &state, *id, act, "subscription_resumed", json!({})).await
}

/// Whether it renews itself.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AutoRenewInput {
    /// Yes or no.
    auto_renew: bool,
}

/// Says whether a subscription pays for its next period by itself.
#[utoipa::path(tag = "subscriptions", security(("session" = ["user"])), request_body = AutoRenewInput,
    responses((status = 200, body = Envelope<SubscriptionView>)))]
#[put("/subscriptions/{id}/auto-renew")]
pub async fn set_auto_renew(
    session: Session<User>,
    state: State<AdminState>,
    id: Path<i64>,
    body: Body<AutoRenewInput>,
) -> Result<Data<SubscriptionView>, ApiError> {
    let renew = body.0.auto_renew;
    let changed = json!({ "auto_renew": [!renew, renew] });
    done(&session, &state, *id, Act::AutoRenew(renew), "subscription_auto_renew_set", changed).await
}

/// Orders the next period before this one ends.
#[utoipa::path(tag = "subscriptions", security(("session" = ["user"])),
    responses((status = 201, body = Envelope<OrderView>)))]
#[post("/subscriptions/{id}/renew")]
pub async fn renew_subscription(
    session: Session<User>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<OrderView>, ApiError> {
    let db = state.db.audited(session.entry(&state, "renewal_ordered", "subscription", Some(*id), json!({})));
    let owner = changeable(&session);
    let ordered = subscription::renew_now(&db, site(&state), SubscriptionId(*id), owner).await?;
    Ok(Data::created(ordered.into()))
}

/// Stops a subscription: its time and quota stand still.
#[utoipa::path(tag = "subscriptions", security(("session" = ["admin"])),
    responses((status = 200, body = Envelope<SubscriptionView>)))]
#[post("/subscriptions/{id}/pause")]
pub async fn pause_subscription(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<SubscriptionView>, ApiError> {
    done(&session, &state, *id, Act::Pause, "subscription_paused", json!({})).await
}

/// Days to give.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtendInput {
    /// 1 to 366.
    days: u32,
}

/// Gives days: the running period ends later.
#[utoipa::path(tag = "subscriptions", security(("session" = ["admin"])), request_body = ExtendInput,
    responses((status = 200, body = Envelope<SubscriptionView>)))]
#[post("/subscriptions/{id}/extend")]
pub async fn extend_subscription(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
    body: Body<ExtendInput>,
) -> Result<Data<SubscriptionView>, ApiError> {
    let days = body.0.days;
    if !(1..=366).contains(&days) {
        return Err(ApiError::invalid("days", "must be from 1 to 366"));
    }
    done(&session, &state, *id, Act::Extend(days), "subscription_extended", json!({ "days": [null, days] })).await
}

/// Takes a subscription back at once; unused quota is gone.
#[utoipa::path(tag = "subscriptions", security(("session" = ["admin"])),
    responses((status = 200, body = Envelope<SubscriptionView>)))]
#[post("/subscriptions/{id}/revoke")]
pub async fn revoke_subscription(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<SubscriptionView>, ApiError> {
    done(&session, &state, *id, Act::Revoke, "subscription_revoked", json!({})).await
}

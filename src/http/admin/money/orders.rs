//! `/orders`: what is to be paid, and how it was.

use actix_web::web::{Data as State, Path};
use actix_web::{get, post};
use actors::domain::billing::{Minor, OrderKind, OrderStatus, RefundState, SimpleStatus};
use actors::domain::id::OrderId;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{IdempotencyKey, Price, changeable, cut, seen, site, stretch};
use crate::commerce::order::{self, Payment};
use crate::http::admin::AdminState;
use crate::http::envelope::{Data, Envelope, Stretch};
use crate::http::error::ApiError;
use crate::http::extract::{Admin, Body, Cursor, Params, Session, User};
use crate::onboarding::json::{Moment, Money};
use crate::store::orders::{self, OrderFilter, OrderRow};

/// An order.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct OrderView {
    /// Row id.
    pub id: i64,
    /// The number that people and payment providers see.
    pub order_no: String,
    /// Whose.
    pub user_id: i64,
    /// What is ordered.
    pub kind: OrderKind,
    /// The plan.
    pub plan_id: Option<i64>,
    /// The subscription that it begins, renews or changes.
    pub subscription_id: Option<i64>,
    /// Price before anything is taken off.
    pub base: Price,
    /// A plan's fee for setting up.
    pub fee: Price,
    /// Off by a code.
    pub discount: Price,
    /// Off for what is given up.
    pub credit: Price,
    /// To be paid.
    pub pay: Price,
    /// The same from the wallet; null = cannot be paid from it.
    pub wallet: Option<Money>,
    /// Who took the payment: `balance`, `manual`, `free`.
    pub provider: Option<String>,
    /// Where it stands.
    pub status: OrderStatus,
    /// The same in four words.
    pub simple_status: SimpleStatus,
    /// How much was given back.
    pub refund_state: RefundState,
    /// To be paid before.
    pub expires_at: Moment,
    /// Paid.
    pub paid_at: Option<Moment>,
    /// Given.
    pub fulfilled_at: Option<Moment>,
    /// Placed.
    pub created_at: Moment,
}

impl From<OrderRow> for OrderView {
    fn from(row: OrderRow) -> Self {
        let price = |amount| Minor::new(amount, row.currency).into();
        Self {
            id: row.id.0,
            user_id: row.user.0,
            kind: row.kind,
            plan_id: row.plan.map(|(plan, _)| plan.0),
            subscription_id: row.subscription.map(|id| id.0),
            base: price(row.base_minor),
            fee: price(row.fee_minor),
            discount: price(row.discount_minor),
            credit: price(row.credit_minor),
            pay: price(row.pay_minor),
            wallet: row.wallet_nanos.map(Money),
            status: row.status,
            simple_status: row.status.simple(row.refund_state),
            refund_state: row.refund_state,
            expires_at: Moment(row.expires_at),
            paid_at: row.paid_at.map(Moment),
            fulfilled_at: row.fulfilled_at.map(Moment),
            created_at: Moment(row.created_at),
            order_no: row.order_no,
            provider: row.provider,
        }
    }
}

/// Which orders.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OrderQuery {
    /// Of this user.
    user_id: Option<i64>,
    /// With this status.
    status: Option<OrderStatus>,
    /// Of this kind.
    kind: Option<OrderKind>,
}

/// Lists orders, newest first.
#[utoipa::path(tag = "orders", security(("session" = ["user"])), params(OrderQuery, Cursor),
    responses((status = 200, body = Envelope<Stretch<OrderView>>)))]
#[get("/orders")]
pub async fn list_orders(
    session: Session<User>,
    state: State<AdminState>,
    query: Params<OrderQuery>,
    cursor: Params<Cursor>,
) -> Result<Data<Stretch<OrderView>>, ApiError> {
    let (limit, before) = stretch(&cursor.0)?;
    let filter = OrderFilter {
        user: seen(&session, query.0.user_id)?,
        status: query.0.status,
        kind: query.0.kind,
        before: before.map(OrderId),
    };
    let rows = orders::list(&state.db, filter, limit + 1).await?;
    Ok(Data::ok(cut(rows, limit, |row| row.id.to_string())))
}

/// Credit to buy: a dollar for a dollar.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TopUpInput {
    /// How much is paid.
    pay: Price,
}

/// Least and most that is paid for credit at once, in cents.
const TOP_UP: std::ops::RangeInclusive<i64> = 100..=1_000_000;

/// Orders credit for oneself. Needs the header `idempotency-key`; the same key again answers the same order.
#[utoipa::path(tag = "orders", security(("session" = ["user"])), request_body = TopUpInput,
    responses((status = 201, body = Envelope<OrderView>)))]
#[post("/orders")]
pub async fn top_up(
    session: Session<User>,
    state: State<AdminState>,
    key: IdempotencyKey,
    body: Body<TopUpInput>,
) -> Result<Data<OrderView>, ApiError> {
    let (user, pay) = (session.user.id, body.0.pay.minor()?);
    if !TOP_UP.contains(&pay.amount) {
        return Err(ApiError::invalid("pay", "must be from 1.00 to 10000.00"));
    }
    let idem = IdempotencyKey(Some(key.required()?)).order(user, &json!(["topup", body.0]))?;
    let changed = json!({ "pay": [null, body.0.pay] });
    let db = state.db.audited(session.entry(&state, "credit_ordered", "order", None, changed));
    Ok(Data::created(order::top_up(&db, site(&state), user, pay, idem).await?.into()))
}

/// Shows an order.
#[utoipa::path(tag = "orders", security(("session" = ["user"])), responses((status = 200, body = Envelope<OrderView>)))]
#[get("/orders/{order_no}")]
pub async fn get_order(
    session: Session<User>,
    state: State<AdminState>,
    order_no: Path<String>,
) -> Result<Data<OrderView>, ApiError> {
    let row = orders::get(&state.db, &order_no, seen(&session, None)?).await?;
    row.map(|row| Data::ok(row.into())).ok_or_else(|| ApiError::not_found("order"))
}

/// Pays an order from the wallet of whoever placed it. Paying twice pays once.
#[utoipa::path(tag = "orders", security(("session" = ["user"])), responses((status = 200, body = Envelope<OrderView>)))]
#[post("/orders/{order_no}/pay")]
pub async fn pay_order(
    session: Session<User>,
    state: State<AdminState>,
    order_no: Path<String>,
) -> Result<Data<OrderView>, ApiError> {
    let changed = json!({ "order_no": [null, *order_no] });
    let db = state.db.audited(session.entry(&state, "order_paid", "order", None, changed));
    let owner = changeable(&session);
    Ok(Data::ok(order::pay(&db, site(&state), &order_no, owner, Payment::Wallet).await?.into()))
}

/// Why.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelInput {
    /// For the record.
    #[serde(default)]
    reason: Option<String>,
}

/// Gives up an order that waits for payment.
#[utoipa::path(tag = "orders", security(("session" = ["user"])), request_body = CancelInput,
    responses((status = 200, body = Envelope<OrderView>)))]
#[post("/orders/{order_no}/cancel")]
pub async fn cancel_order(
    session: Session<User>,
    state: State<AdminState>,
    order_no: Path<String>,
    body: Body<CancelInput>,
) -> Result<Data<OrderView>, ApiError> {
    let changed = json!({ "order_no": [*order_no, null], "reason": [null, body.0.reason] });
    let db = state.db.audited(session.entry(&state, "order_cancelled", "order", None, changed));
    let owner = changeable(&session);
    Ok(Data::ok(order::cancel(&db, site(&state), &order_no, owner, body.0.reason).await?.into()))
}

/// A payment that was seen.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PaidInput {
    /// What proves it.
    proof: String,
}

/// Says that an order was paid, and gives what was bought.
#[utoipa::path(tag = "orders", security(("session" = ["admin"])), request_body = PaidInput,
    responses((status = 200, body = Envelope<OrderView>)))]
#[post("/orders/{order_no}/mark-paid")]
pub async fn mark_order_paid(
    session: Session<Admin>,
    state: State<AdminState>,
    order_no: Path<String>,
    body: Body<PaidInput>,
) -> Result<Data<OrderView>, ApiError> {
    let proof = body.0.proof.trim().to_owned();
    if !(1..=500).contains(&proof.chars().count()) {
        return Err(ApiError::invalid("proof", "must have 1 to 500 characters"));
    }
    let changed = json!({ "order_no": [null, *order_no], "proof": [null, proof] });
    let db = state.db.audited(session.entry(&state, "order_marked_paid", "order", None, changed));
    let payment = Payment::Manual { actor: format!("user:{}", session.user.id), proof };
    Ok(Data::ok(order::pay(&db, site(&state), &order_no, None, payment).await?.into()))
}

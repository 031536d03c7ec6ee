//! `/quotes`, `/subscriptions/{id}/change`: what another plan costs, and the change to it.

use actix_web::post;
use actix_web::web::{Data as State, Path};
use actors::domain::billing::{Minor, UpgradeMode};
use actors::domain::id::{PlanId, SubscriptionId};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::orders::OrderView;
use super::subscriptions::{SubscriptionView, done};
use super::{IdempotencyKey, Price, changeable, guarded, site};
use crate::commerce::change::{self, Offer, Quote};
use crate::commerce::subscription::Act;
use crate::http::admin::AdminState;
use crate::http::envelope::{Data, Envelope};
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{Body, Session, User};
use crate::onboarding::json::Moment;
use crate::store::subscriptions::{self, SubscriptionRow};

/// What is asked.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuoteInput {
    /// Of which subscription.
    subscription_id: i64,
    /// The plan to change to.
    plan_id: i64,
    /// A code.
    #[serde(default)]
    discount_code: Option<String>,
}

/// What a change costs. Without numbers it begins with the next period and costs nothing now.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct QuoteView {
    /// `now` or `period_end`.
    pub begins: &'static str,
    /// The numbers, and the token that orders the change.
    pub quote: Option<Numbers>,
}

/// Every number of a change.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Numbers {
    /// What becomes of the period.
    pub mode: UpgradeMode,
    /// For what is given up.
    pub credit: Price,
    /// Price of what begins.
    pub charge: Price,
    /// Off by the code.
    pub discount: Price,
    /// To be paid.
    pub due: Price,
    /// To the wallet.
    pub surplus: Price,
    /// Orders the change as it is shown here.
    pub quote_token: String,
    /// Until when.
    pub expires_at: Moment,
}

async fn owned<R>(session: &Session<R>, state: &AdminState, id: i64) -> Result<SubscriptionRow, ApiError> {
    let row = subscriptions::get(&state.db, SubscriptionId(id), changeable(session)).await?;
    row.ok_or_else(|| ApiError::not_found("subscription"))
}

/// Says what changing to a plan costs. Reserves nothing.
#[utoipa::path(tag = "subscriptions", security(("session" = ["user"])), request_body = QuoteInput,
    responses((status = 200, body = Envelope<QuoteView>)))]
#[post("/quotes")]
pub async fn quote_change(
    session: Session<User>,
    state: State<AdminState>,
    body: Body<QuoteInput>,
) -> Result<Data<QuoteView>, ApiError> {
    let row = owned(&session, &state, body.0.subscription_id).await?;
    let plan = PlanId(body.0.plan_id);
    let has_code = body.0.discount_code.is_some();
    let call = change::quote(&state.db, site(&state), row.id, Some(row.user), plan, body.0.discount_code);
    let offer = guarded(&session, &state, has_code, call).await?;
    let Offer::Now(quote) = offer else { return Ok(Data::ok(QuoteView { begins: "period_end", quote: None })) };
    let price = |amount| Minor::new(amount, row.currency).into();
    let numbers = Numbers {
        mode: quote.numbers.mode,
        credit: price(quote.numbers.credit_minor),
        charge: price(quote.numbers.charge_minor),
        discount: price(quote.numbers.discount_minor),
        due: price(quote.numbers.due_minor),
        surplus: price(quote.numbers.surplus_minor),
        quote_token: quote.seal(state.vault.as_ref(), row.user)?,
        expires_at: Moment(quote.until),
    };
    Ok(Data::ok(QuoteView { begins: "now", quote: Some(numbers) }))
}

/// A change: as quoted, or to a lesser plan with the next period.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeInput {
    /// Token of a quote: changes now.
    #[serde(default)]
    quote_token: Option<String>,
    /// A lesser plan: begins with the next period. The running plan's id takes a scheduled change back.
    #[serde(default)]
    plan_id: Option<i64>,
}

/// What became of it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ChangeView {
    /// The order to pay, for a change now.
    pub order: Option<OrderView>,
    /// The subscription, for one that is scheduled.
    pub subscription: Option<SubscriptionView>,
}

/// Changes the plan of a subscription.
#[utoipa::path(tag = "subscriptions", security(("session" = ["user"])), request_body = ChangeInput,
    responses((status = 200, body = Envelope<ChangeView>)))]
#[post("/subscriptions/{id}/change")]
pub async fn change_subscription(
    session: Session<User>,
    state: State<AdminState>,
    id: Path<i64>,
    key: IdempotencyKey,
    body: Body<ChangeInput>,
) -> Result<Data<ChangeView>, ApiError> {
    let row = owned(&session, &state, *id).await?;
    match (body.0.quote_token.as_deref(), body.0.plan_id) {
        (Some(token), None) => {
            let quote = Quote::open(state.vault.as_ref(), row.user, token)?;
            if quote.subscription != row.id {
                return Err(ApiError::new(Reason::QuoteStale, "the quote is for another subscription"));
            }
            let idem = key.order(row.user, &json!(["change", body.0]))?;
            let changed = json!({ "plan_id": [row.plan, quote.to.0] });
            let db =
                state.db.audited(session.entry(&state, "subscription_changed", "subscription", Some(*id), changed));
            let order = change::change(&db, site(&state), row.user, quote, idem).await?;
            Ok(Data::ok(ChangeView { order: Some(order.into()), subscription: None }))
        }
        (None, Some(plan)) => schedule(&session, &state, &row, PlanId(plan)).await,
        _ => Err(ApiError::invalid("quote_token", "or plan_id must be given, and not both")),
    }
}

async fn schedule(
    session: &Session<User>,
    state: &AdminState,
    row: &SubscriptionRow,
    plan: PlanId,
) -> Result<Data<ChangeView>, ApiError> {
    if plan != row.plan {
        let offer = change::quote(&state.db, site(state), row.id, Some(row.user), plan, None).await?;
        if offer != Offer::AtPeriodEnd {
            return Err(ApiError::invalid("quote_token", "is required: this plan begins now"));
        }
    }
    let changed = json!({ "scheduled_plan_id": [row.scheduled_plan, plan] });
    let act = Act::Schedule(Some(plan));
    let scheduled = done(session, state, row.id.0, act, "subscription_change_scheduled", changed).await?;
    Ok(Data::ok(ChangeView { order: None, subscription: Some(scheduled.into_body()) }))
}

//! What users have and pay: wallets, buckets, the ledger, plans, subscriptions, orders, codes, invoices (`billing.md` §18).
//!
//! One route per noun: a plain user sees and changes own things, an auditor sees everybody's, an administrator changes them.

pub mod discounts;
pub mod funds;
pub mod gifts;
pub mod invoices;
pub mod orders;
pub mod plans;
pub mod quotes;
pub mod subscriptions;

use actix_web::FromRequest;
use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actors::domain::billing::{Currency, Minor, Refusal};
use actors::domain::id::UserId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa_actix_web::service_config::ServiceConfig;

use super::AdminState;
use crate::commerce::Site;
use crate::http::envelope::Stretch;
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{Cursor, Session};
use crate::store::StoreError;
use crate::store::users::{self, Role};

/// Every route of money.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(funds::show_wallet)
        .service(funds::list_buckets)
        .service(funds::verify_ledger)
        .service(funds::list_movements)
        .service(gifts::adjust_wallet)
        .service(gifts::transfer_credit)
        .service(gifts::set_overdraft)
        .service(gifts::grant_bucket)
        .service(plans::list_plans)
        .service(plans::create_plan)
        .service(plans::get_plan)
        .service(plans::update_plan)
        .service(plans::archive_plan)
        .service(quotes::quote_change)
        .service(subscriptions::order_subscription)
        .service(subscriptions::list_subscriptions)
        .service(subscriptions::current_subscription)
        .service(subscriptions::end_current_subscription)
        .service(quotes::change_subscription)
        .service(subscriptions::cancel_subscription)
        .service(subscriptions::resume_subscription)
        .service(subscriptions::set_auto_renew)
        .service(subscriptions::renew_subscription)
        .service(subscriptions::pause_subscription)
        .service(subscriptions::extend_subscription)
        .service(subscriptions::revoke_subscription)
        .service(orders::list_orders)
        .service(orders::top_up)
        .service(orders::get_order)
        .service(orders::pay_order)
        .service(orders::cancel_order)
        .service(orders::mark_order_paid)
        .service(discounts::validate_code)
        .service(discounts::list_codes)
        .service(discounts::create_code)
        .service(discounts::update_code)
        .service(invoices::list_invoices)
        .service(invoices::get_invoice);
}

/// Payment money as `{"amount":"16.91","currency":"USD"}`, with exactly the currency's fraction digits.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Decimal text.
    #[schema(example = "16.91")]
    pub amount: String,
    /// ISO code.
    #[serde(default)]
    pub currency: Currency,
}

impl From<Minor> for Price {
    fn from(minor: Minor) -> Self {
        Self { amount: minor.to_string(), currency: minor.currency }
    }
}

impl Price {
    fn minor(&self) -> Result<Minor, ApiError> {
        Minor::parse(&self.amount, self.currency).map_err(|error| ApiError {
            reason: Reason::InvalidAmount,
            ..ApiError::invalid("amount", error.to_string())
        })
    }
}

/// The header that makes two calls the same.
pub struct IdempotencyKey(Option<String>);

impl FromRequest for IdempotencyKey {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let value = request.headers().get("idempotency-key").map(|value| value.to_str().unwrap_or_default().to_owned());
        std::future::ready(Ok(Self(value)))
    }
}

impl IdempotencyKey {
    /// The key; 400 when there is none.
    fn required(self) -> Result<String, ApiError> {
        let missing = || ApiError::new(Reason::IdempotencyKeyMissing, "the header idempotency-key is required");
        Self::checked(self.0.ok_or_else(missing)?)
    }

    /// The key, if there is one, for orders of this user, with the fingerprint of what is asked.
    fn order(self, user: UserId, asked: &impl Serialize) -> Result<crate::commerce::order::Idem, ApiError> {
        let Some(key) = self.0.map(Self::checked).transpose()? else { return Ok(None) };
        let text = serde_json::to_vec(asked).map_err(|error| ApiError::internal(&error))?;
        Ok(Some((format!("api:{user}:{key}"), hex::encode(Sha256::digest(text)))))
    }

    fn checked(key: String) -> Result<String, ApiError> {
        let fits = (1..=100).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        if fits {
            Ok(key)
        } else {
            Err(ApiError::invalid("idempotency-key", "must be 1 to 100 visible ASCII characters"))
        }
    }
}

/// Runs a call that tells whether a discount code is good. Whoever tries many wrong ones is slowed down and shut out as one who
/// guesses passwords (`access.md` §5).
async fn guarded<R, T>(
    session: &Session<R>,
    state: &AdminState,
    has_code: bool,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, ApiError> {
    let (name, ip) = (format!("#code:{}", session.user.id), session.client.ip);
    if has_code {
        state.logins.admit(state, &name, ip).await?;
    }
    let result = call.await;
    if has_code && matches!(result, Err(StoreError::Refused(Refusal::DiscountInvalid))) {
        state.logins.failed(state, &name, ip).await;
    }
    Ok(result?)
}

/// Where and when the rules apply.
fn site(state: &AdminState) -> Site {
    Site { zone: state.engine.settings.current().timezone.0, now: state.clock.now() }
}

/// Whose rows a list shows: a plain user's own; for others those that are asked for, or all.
fn seen<R>(session: &Session<R>, asked: Option<i64>) -> Result<Option<UserId>, ApiError> {
    let own = session.user.id;
    match asked.map(UserId) {
        Some(user) if session.sees_own_only() && user != own => Err(ApiError::not_found("user")),
        None if session.sees_own_only() => Ok(Some(own)),
        other => Ok(other),
    }
}

/// Whose thing may be changed: anybody's by an administrator, one's own by everybody else.
fn changeable<R>(session: &Session<R>) -> Option<UserId> {
    (session.role() < Role::Admin).then_some(session.user.id)
}

/// 404 unless the user exists.
async fn must_exist(state: &AdminState, user: UserId) -> Result<(), ApiError> {
    let found = users::get(&state.db, user).await?.filter(|row| row.deleted_at.is_none());
    found.map(drop).ok_or_else(|| ApiError::not_found("user"))
}

/// The limit of a stretch and the id where the last one ended.
fn stretch(cursor: &Cursor) -> Result<(i64, Option<i64>), ApiError> {
    let before = cursor.cursor.as_deref().map(str::parse::<i64>).transpose();
    Ok((i64::from(cursor.limit()?), before.map_err(|_| ApiError::invalid("cursor", "is not a cursor of this list"))?))
}

/// A stretch of rows, of which one more than `limit` was read.
fn cut<T, V: From<T>>(rows: Vec<T>, limit: i64, id: impl Fn(&T) -> String) -> Stretch<V> {
    let keep = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > keep;
    let next_cursor = rows.iter().take(keep).last().filter(|_| more).map(id);
    Stretch { items: rows.into_iter().take(keep).map(V::from).collect(), next_cursor }
}

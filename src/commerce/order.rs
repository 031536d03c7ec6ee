//! Orders: placed, paid from the wallet or by hand, cancelled, run out (`billing.md` §10).

use actors::domain::billing::{
    BookAccount, BookLedger, Currency, Minor, OrderEvent, OrderKind, OrderStatus, PlanTerms, Receipt, RefundState,
    Refusal, SubEvent, SubStatus, Txn, TxnKind,
};
use actors::domain::id::{OrderId, PlanId, SubscriptionId, UserId};
use actors::domain::time::{DAY, MINUTE, Timestamp};

use super::{Site, fulfil};
use crate::store::discounts::{self, CodeRow};
use crate::store::ledger::{self, Posting};
use crate::store::orders::{self, OrderRow, Pricing};
use crate::store::plans::{self, PlanRow, Visibility};
use crate::store::subscriptions::{self, SubscriptionRow};
use crate::store::{Db, StoreError, Tx, buckets};

/// An order waits this long for its payment.
pub const WAITS: i64 = 30 * MINUTE;
/// A payment may come this long after the order ended.
const LATE: i64 = DAY;
/// Orders of a user that may wait at once.
const MAX_PENDING: i64 = 3;

/// What makes two calls the same: a key, and the fingerprint of what was asked.
pub type Idem = Option<(String, String)>;

/// How an order is paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payment {
    /// From the user's wallet.
    Wallet,
    /// An administrator has seen the money.
    Manual {
        /// Who says so.
        actor: String,
        /// What proves it.
        proof: String,
    },
}

/// A fresh order number.
fn order_no(now: Timestamp) -> String {
    ulid::Ulid::from_parts(u64::try_from(now.0).unwrap_or(0), rand::random()).to_string()
}

/// An order of nothing yet.
pub(super) fn blank(user: UserId, kind: OrderKind, currency: Currency, idem: Idem, now: Timestamp) -> OrderRow {
    OrderRow {
        id: OrderId(0),
        order_no: order_no(now),
        idem,
        user,
        kind,
        plan: None,
        subscription: None,
        base_minor: 0,
        discount_minor: 0,
        credit_minor: 0,
        fee_minor: 0,
        pay_minor: 0,
        currency,
        wallet_nanos: None,
        provider: None,
        pricing: Pricing::default(),
        discount_code: None,
        status: OrderStatus::Pending,
        refund_state: RefundState::None,
        refunded_minor: 0,
        txn: None,
        note: None,
        expires_at: now.plus(WAITS),
        paid_at: None,
        fulfilled_at: None,
        version: 1,
        created_at: now,
        updated_at: now,
    }
}

/// What a code takes off a price, or [`Refusal::DiscountInvalid`] for every reason alike.
pub(super) async fn discount(
    tx: &mut Tx,
    code: &str,
    (kind, plan, user): (OrderKind, PlanId, UserId),
    base: Minor,
    now: Timestamp,
) -> Result<(CodeRow, i64), StoreError> {
    let found = discounts::find(tx, code).await?.filter(|row| row.active && row.terms.is_for(kind, Some(plan), now));
    let row = found.ok_or(Refusal::DiscountInvalid)?;
    if row.terms.first_purchase_only && orders::has_paid(tx, user).await? {
        return Err(Refusal::DiscountInvalid.into());
    }
    let off = row.terms.off(base).ok_or(Refusal::DiscountInvalid)?;
    Ok((row, off))
}

/// Says what a code takes off; reserves nothing.
///
/// # Errors
/// [`Refusal::DiscountInvalid`] for every reason alike.
pub async fn validate(
    db: &Db,
    site: Site,
    code: String,
    asked: (OrderKind, PlanId, UserId),
    base: Minor,
) -> Result<i64, StoreError> {
    db.change(move |tx| {
        let code = code.clone();
        Box::pin(async move { Ok(discount(tx, &code, asked, base, site.now).await?.1) })
    })
    .await
}

/// Stores a priced order with the use of its code.
pub(super) async fn store(
    tx: &mut Tx,
    mut order: OrderRow,
    code: Option<&CodeRow>,
    now: Timestamp,
) -> Result<OrderRow, StoreError> {
    order.discount_code = code.map(|code| code.id);
    order.id = orders::insert(tx, &order, now).await?;
    if let Some(code) = code {
        discounts::reserve(tx, code, order.user, order.id, now).await?;
    }
    tx.created(order.id.0);
    Ok(order)
}

/// Orders a subscription. Nothing to pay = it begins at once.
///
/// # Errors
/// [`Refusal::PlanNotSellable`], [`Refusal::AlreadySubscribed`], [`Refusal::DiscountInvalid`], [`Refusal::TooManyPending`].
pub async fn subscribe(
    db: &Db,
    site: Site,
    user: UserId,
    plan: PlanId,
    code: Option<String>,
    idem: Idem,
) -> Result<OrderRow, StoreError> {
    db.change(move |tx| {
        let (code, idem) = (code.clone(), idem.clone());
        Box::pin(async move { subscribe_in(tx, site, user, plan, code.as_deref(), idem).await })
    })
    .await
}

async fn subscribe_in(
    tx: &mut Tx,
    site: Site,
    user: UserId,
    plan: PlanId,
    code: Option<&str>,
    idem: Idem,
) -> Result<OrderRow, StoreError> {
    if let Some(same) = same_as_before(tx, idem.as_ref()).await? {
        return Ok(same);
    }
    let plan = sellable(tx, plan).await?;
    if subscriptions::lock_live(tx, user, &plan.config.family).await?.is_some() {
        return Err(Refusal::AlreadySubscribed.into());
    }
    few_pending(tx, user).await?;
    let terms = &plan.terms;
    let trial = terms.trial_days > 0 && !subscriptions::had_before(tx, user, &plan.config.family).await?;
    let base = Minor::new(if trial { 0 } else { terms.price_minor }, terms.currency);
    let (code, off) = match code {
        None => (None, 0),
        Some(code) => {
            let asked = (OrderKind::SubscriptionNew, plan.id, user);
            let (row, off) = discount(tx, code, asked, base, site.now).await?;
            (Some(row), off)
        }
    };
    let mut subscription = unpaid(user, &plan, site.now);
    subscription.discount_code = code.as_ref().map(|code| code.id);
    subscription.id = subscriptions::insert(tx, &subscription, site.now).await?;
    let pay = base.amount + terms.setup_fee_minor - off;
    let order = OrderRow {
        plan: Some((plan.id, plan.version_id)),
        subscription: Some(subscription.id),
        base_minor: base.amount,
        discount_minor: off,
        fee_minor: terms.setup_fee_minor,
        pay_minor: pay,
        wallet_nanos: terms.wallet_cost(pay),
        pricing: Pricing { trial, ..Pricing::default() },
        ..blank(user, OrderKind::SubscriptionNew, terms.currency, idem, site.now)
    };
    let order = store(tx, order, code.as_ref(), site.now).await?;
    if order.pay_minor == 0 { free(tx, site, &order.order_no).await } else { Ok(order) }
}

/// Pays an order of nothing.
pub(super) async fn free(tx: &mut Tx, site: Site, order_no: &str) -> Result<OrderRow, StoreError> {
    let order = orders::lock(tx, order_no, None).await?;
    confirm(tx, site, order, "free", None).await
}

async fn sellable(tx: &mut Tx, plan: PlanId) -> Result<PlanRow, StoreError> {
    let plan = plans::current(tx, plan).await?;
    if plan.config.visibility == Visibility::Archived { Err(Refusal::PlanNotSellable.into()) } else { Ok(plan) }
}

pub(super) async fn few_pending(tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    if orders::pending(tx, user).await? < MAX_PENDING { Ok(()) } else { Err(Refusal::TooManyPending.into()) }
}

pub(super) async fn same_as_before(
    tx: &mut Tx,
    idem: Option<&(String, String)>,
) -> Result<Option<OrderRow>, StoreError> {
    match idem {
        None => Ok(None),
        Some((key, fingerprint)) => orders::lock_same(tx, key, fingerprint).await,
    }
}

pub(super) fn unpaid(user: UserId, plan: &PlanRow, now: Timestamp) -> SubscriptionRow {
    SubscriptionRow {
        id: SubscriptionId(0),
        user,
        family: plan.config.family.clone(),
        plan: plan.id,
        plan_version: plan.version_id,
        status: SubStatus::Incomplete,
        auto_renew: true,
        cancel_at_period_end: false,
        scheduled_plan: None,
        period_start: now,
        period_end: now,
        anchor_at: now,
        period_no: 0,
        net_paid_minor: 0,
        currency: plan.terms.currency,
        payments: 0,
        discount_code: None,
        next_order: None,
        paused: None,
        past_due_since: None,
        attempts: 0,
        due_at: None,
        end_reason: None,
        ended_at: None,
        version: 1,
        created_at: now,
        updated_at: now,
    }
}

/// Orders credit: a dollar of credit for a dollar.
///
/// # Errors
/// [`Refusal::CurrencyMismatch`] for other currencies, [`Refusal::TooManyPending`].
pub async fn top_up(db: &Db, site: Site, user: UserId, pay: Minor, idem: Idem) -> Result<OrderRow, StoreError> {
    let credited = pay.to_nanos().ok_or(Refusal::CurrencyMismatch)?;
    db.change(move |tx| {
        let idem = idem.clone();
        Box::pin(async move {
            if let Some(same) = same_as_before(tx, idem.as_ref()).await? {
                return Ok(same);
            }
            few_pending(tx, user).await?;
            let order = OrderRow {
                base_minor: pay.amount,
                pay_minor: pay.amount,
                pricing: Pricing { credited: Some(credited), ..Pricing::default() },
                ..blank(user, OrderKind::Topup, pay.currency, idem, site.now)
            };
            store(tx, order, None, site.now).await
        })
    })
    .await
}

/// Pays an order and gives what was bought, in one step. An order that is paid already is answered as it is.
///
/// # Errors
/// [`Refusal::InsufficientFunds`], [`Refusal::NotPayableFromWallet`]; [`Refusal::IllegalTransition`] when it cannot be paid
/// any more.
pub async fn pay(
    db: &Db,
    site: Site,
    order_no: &str,
    owner: Option<UserId>,
    payment: Payment,
) -> Result<OrderRow, StoreError> {
    let order_no = order_no.to_owned();
    db.change(move |tx| {
        let (order_no, payment) = (order_no.clone(), payment.clone());
        Box::pin(async move {
            let order = orders::lock(tx, &order_no, owner).await?;
            pay_in(tx, site, order, &payment).await
        })
    })
    .await
}

/// The same inside a transaction, for an order that is locked.
pub(super) async fn pay_in(
    tx: &mut Tx,
    site: Site,
    order: OrderRow,
    payment: &Payment,
) -> Result<OrderRow, StoreError> {
    if order.paid_at.is_some() {
        return Ok(order);
    }
    let by_hand = matches!(payment, Payment::Manual { .. });
    if order.expires_at <= site.now && !by_hand {
        return Err(Refusal::IllegalTransition.into());
    }
    match payment {
        Payment::Wallet if order.kind == OrderKind::Topup => Err(Refusal::NotPayableFromWallet.into()),
        Payment::Wallet => {
            order.wallet_nanos.ok_or(Refusal::NotPayableFromWallet)?;
            confirm(tx, site, order, "balance", None).await
        }
        Payment::Manual { actor, proof } => {
            receive(tx, site, &order, actor).await?;
            confirm(tx, site, order, "manual", Some(proof.clone())).await
        }
    }
}

/// Money that came from outside, in its own ledger.
async fn receive(tx: &mut Tx, site: Site, order: &OrderRow, actor: &str) -> Result<(), StoreError> {
    if order.pay_minor == 0 {
        return Ok(());
    }
    let receipt = if order.kind == OrderKind::Topup { Receipt::Topup } else { Receipt::Plan };
    let entries = [
        (BookAccount::Clearing("manual".to_owned()), -order.pay_minor),
        (BookAccount::Receipts(receipt), order.pay_minor),
    ];
    let kind = if order.kind == OrderKind::Topup { TxnKind::Topup } else { TxnKind::Purchase };
    let txn = Txn::new(kind, BookLedger::Pay(order.currency), entries)?;
    let posting = Posting::new(txn, format!("pay:{}", order.order_no), site.now).about("order", &order.order_no);
    ledger::post(tx, &posting.by(actor, None), site.now).await.map(drop)
}

/// The payment is certain: the order is paid, its code used, and what was bought is given.
async fn confirm(
    tx: &mut Tx,
    site: Site,
    mut order: OrderRow,
    provider: &str,
    note: Option<String>,
) -> Result<OrderRow, StoreError> {
    let event = match order.status {
        OrderStatus::Cancelled | OrderStatus::Expired => {
            still_possible(tx, site, &order).await?;
            OrderEvent::ConfirmedLate
        }
        _ => OrderEvent::Confirmed,
    };
    order.status = order.status.after(event)?;
    order.provider = Some(provider.to_owned());
    order.paid_at = Some(site.now);
    order.note = note.or(order.note);
    discounts::redeem(tx, order.id, site.now).await?;
    fulfil::fulfil(tx, site, order).await
}

/// An order that ended may be paid for another day, while its plan can be bought.
async fn still_possible(tx: &mut Tx, site: Site, order: &OrderRow) -> Result<(), StoreError> {
    if order.kind == OrderKind::Change || site.now.since(order.updated_at) > LATE {
        return Err(Refusal::IllegalTransition.into());
    }
    match order.plan {
        Some((plan, _)) => sellable(tx, plan).await.map(drop),
        None => Ok(()),
    }
}

/// Gives up an order that waits for payment.
///
/// # Errors
/// [`Refusal::IllegalTransition`] when it does not wait.
pub async fn cancel(
    db: &Db,
    site: Site,
    order_no: &str,
    owner: Option<UserId>,
    reason: Option<String>,
) -> Result<OrderRow, StoreError> {
    let order_no = order_no.to_owned();
    db.change(move |tx| {
        let (order_no, reason) = (order_no.clone(), reason.clone());
        Box::pin(async move {
            let mut order = orders::lock(tx, &order_no, owner).await?;
            order.note = reason;
            end(tx, site, order, OrderEvent::Cancelled).await
        })
    })
    .await
}

/// Ends an order whose time to pay is over. Doing it twice ends it once.
pub(super) async fn expire(db: &Db, site: Site, order_no: String) -> Result<bool, StoreError> {
    db.work(move |tx| {
        let order_no = order_no.clone();
        Box::pin(async move {
            let order = orders::lock(tx, &order_no, None).await?;
            let due = order.status == OrderStatus::Pending && order.expires_at <= site.now;
            if due {
                end(tx, site, order, OrderEvent::Expired).await?;
            }
            Ok(due)
        })
    })
    .await
}

/// The order dies: what it reserved is free again, and what it was to begin never does.
pub(super) async fn end(
    tx: &mut Tx,
    site: Site,
    mut order: OrderRow,
    event: OrderEvent,
) -> Result<OrderRow, StoreError> {
    order.status = order.status.after(event)?;
    if let Some(id) = order.subscription.filter(|_| order.kind == OrderKind::SubscriptionNew) {
        let mut subscription = subscriptions::lock(tx, id, None).await?;
        let moved = subscription.status.after(SubEvent::OrderDied)?;
        subscription.status = moved.to;
        subscription.end_reason = moved.reason;
        subscription.ended_at = Some(site.now);
        subscriptions::save(tx, &subscription, site.now).await?;
    }
    discounts::release(tx, order.id, site.now).await?;
    buckets::release(tx, &order.hold_id(), site.now).await?;
    orders::save(tx, &order, site.now).await?;
    Ok(order)
}

/// What an order of a plan gives in its period, without what was paid for setting up.
pub(super) const fn net_paid(order: &OrderRow) -> i64 {
    order.base_minor - order.discount_minor
}

/// Prices a further period of a plan, with the code that keeps holding.
pub(super) async fn renewal_price(
    tx: &mut Tx,
    subscription: &SubscriptionRow,
    terms: &PlanTerms,
) -> Result<(i64, i64), StoreError> {
    let Some(id) = subscription.discount_code else { return Ok((terms.price_minor, 0)) };
    let code = discounts::by_id(tx, id).await?;
    let holds = code.filter(|code| code.terms.holds_for(subscription.payments.saturating_add(1)));
    let off = holds.and_then(|code| code.terms.off(terms.price())).unwrap_or(0);
    Ok((terms.price_minor, off))
}

//! The next period: priced, paid from the wallet when it is due, tried again while it is not paid (`billing.md` §8).

use actors::domain::billing::{
    BucketKind, Fraction, OrderEvent, OrderKind, OrderStatus, PastDueAnchor, Refusal, RenewMode, SubEvent, SubStatus,
};
use actors::domain::id::{SubscriptionId, UserId};
use actors::domain::time::{DAY, HOUR, Timestamp};

use super::fulfil::Given;
use super::order::{self, Idem, Payment, WAITS, blank, net_paid, renewal_price};
use super::quota::{self, Period};
use super::{Site, fulfil};
use crate::store::orders::{self, OrderRow, Pricing};
use crate::store::plans::{self, PlanRow, Visibility};
use crate::store::subscriptions::{self, SubscriptionRow};
use crate::store::{Db, StoreError, Tx};

/// An unpaid renewal is tried at the end of the period and this long after it; the last try is the end of the grace.
const TRIES: [i64; 2] = [DAY, 3 * DAY];
/// How long an unpaid subscription lives on.
const GRACE: i64 = 3 * DAY;
/// Periods that one turn catches up with; the next turn goes on.
const CATCH_UP: u32 = 12;

/// The plan of the next period: a scheduled one, or the newest version when its price is the same or it says so, or the
/// pinned one.
async fn next_plan(tx: &mut Tx, row: &SubscriptionRow) -> Result<PlanRow, StoreError> {
    if let Some(plan) = row.scheduled_plan {
        return plans::current(tx, plan).await;
    }
    let pinned = plans::pinned(tx, row.plan_version).await?;
    if pinned.current {
        return Ok(pinned);
    }
    let newest = plans::current(tx, row.plan).await?;
    let same_price = newest.terms.price() == pinned.terms.price();
    let adopts = (same_price || newest.terms.auto_adopt) && newest.config.visibility != Visibility::Archived;
    Ok(if adopts { newest } else { pinned })
}

/// The order of the period that follows the running one; the same one however often it is asked for.
async fn place(tx: &mut Tx, site: Site, row: &SubscriptionRow, waits: Timestamp) -> Result<OrderRow, StoreError> {
    let key = format!("renew:{}:{}", row.id, row.period_end.0);
    let idem: Idem = Some((key.clone(), String::new()));
    if let Some(found) = orders::lock_same(tx, &key, "").await? {
        if found.status == OrderStatus::Pending || found.paid_at.is_some() {
            return Ok(found);
        }
        // One that died is out of the way of another try.
        let freed = OrderRow { idem: Some((format!("{key}:{}", found.order_no), String::new())), ..found };
        orders::save(tx, &freed, site.now).await?;
    }
    let plan = next_plan(tx, row).await?;
    let (price, off) = renewal_price(tx, row, &plan.terms).await?;
    let order = OrderRow {
        plan: Some((plan.id, plan.version_id)),
        subscription: Some(row.id),
        base_minor: price,
        discount_minor: off,
        pay_minor: price - off,
        wallet_nanos: plan.terms.wallet_cost(price - off),
        pricing: Pricing { period_start: Some(row.period_end), ..Pricing::default() },
        expires_at: waits,
        ..blank(row.user, OrderKind::Renewal, plan.terms.currency, idem, site.now)
    };
    order::store(tx, order, None, site.now).await
}

/// Renews before the end: the next period is ordered now, and paid from the wallet when it can be.
///
/// # Errors
/// [`Refusal::IllegalTransition`] when it is not running, or the next period is paid already, or the plan restarts instead.
pub async fn renew_now(db: &Db, site: Site, id: SubscriptionId, owner: Option<UserId>) -> Result<OrderRow, StoreError> {
    db.change(move |tx| {
        Box::pin(async move {
            let row = subscriptions::lock(tx, id, owner).await?;
            row.status.after(SubEvent::Renewed)?;
            let extends = next_plan(tx, &row).await?.terms.renew_mode == RenewMode::Extend;
            if row.next_order.is_some() || row.status == SubStatus::Trialing || !extends {
                return Err(Refusal::IllegalTransition.into());
            }
            let waits = site.now.plus(WAITS).max(row.past_due_since.map_or(site.now, |since| since.plus(GRACE)));
            let order = place(tx, site, &row, waits).await?;
            if order.pay_minor == 0 { order::free(tx, site, &order.order_no).await } else { Ok(order) }
        })
    })
    .await
}

/// Start, end, anchor and number of the period that an order buys.
struct Next {
    start: Timestamp,
    end: Timestamp,
    anchor: Timestamp,
    number: u32,
}

fn next_period(site: Site, row: &SubscriptionRow, old: &PlanRow, plan: &PlanRow) -> Result<Next, StoreError> {
    let length = plan.terms.period;
    let restart = row.status == SubStatus::PastDue && plan.terms.past_due_anchor == PastDueAnchor::Restart;
    let (start, anchor, number) = if restart {
        (site.now, site.now, 1)
    } else if old.terms.period == length && row.status != SubStatus::Trialing {
        (row.period_end, row.anchor_at, row.period_no.saturating_add(1))
    } else {
        (row.period_end, row.period_end, 1)
    };
    Ok(Next { start, end: site.period_end(anchor, length, number)?, anchor, number })
}

/// Gives the period of a paid renewal: now, or when the running one ends.
pub async fn fulfil(tx: &mut Tx, site: Site, order: &OrderRow) -> Result<Given, StoreError> {
    let (plan, mut row) = fulfil::owner(tx, order).await?;
    let old = plans::pinned(tx, row.plan_version).await?;
    if order.pricing.period_start != Some(row.period_end) {
        return Err(Refusal::IllegalTransition.into());
    }
    row.status.after(SubEvent::Renewed)?;
    let next = next_period(site, &row, &old, &plan)?;
    let period = Period {
        subscription: &row,
        terms: &plan.terms,
        included: &plan.terms.included,
        part: Fraction::ONE,
        kind: BucketKind::Subscription,
        times: (next.start, next.end),
        order_no: &order.order_no,
    };
    let grants = quota::open(tx, &period, site.now).await?;
    row.payments = row.payments.saturating_add(1);
    if row.period_end > site.now {
        row.next_order = Some(order.id);
    } else {
        advance(&mut row, order, &plan, &next)?;
    }
    subscriptions::save(tx, &row, site.now).await?;
    Ok(Given { grants, ..Given::default() })
}

/// The subscription is in its next period.
fn advance(row: &mut SubscriptionRow, order: &OrderRow, plan: &PlanRow, next: &Next) -> Result<(), StoreError> {
    row.status = row.status.after(SubEvent::Renewed)?.to;
    (row.plan, row.plan_version, row.currency) = (plan.id, plan.version_id, plan.terms.currency);
    (row.period_start, row.period_end) = (next.start, next.end);
    (row.anchor_at, row.period_no) = (next.anchor, next.number);
    row.net_paid_minor = net_paid(order);
    (row.next_order, row.scheduled_plan, row.past_due_since) = (None, None, None);
    row.attempts = 0;
    row.due_at = Some(row.period_end);
    Ok(())
}

/// Does what is due for a subscription. Doing it twice does it once.
pub async fn turn(db: &Db, site: Site, id: SubscriptionId) -> Result<bool, StoreError> {
    let mut turned = false;
    for _ in 0..CATCH_UP {
        let more = db.work(move |tx| Box::pin(async move { turn_in(tx, site, id).await })).await?;
        if !more {
            break;
        }
        turned = true;
    }
    Ok(turned)
}

async fn turn_in(tx: &mut Tx, site: Site, id: SubscriptionId) -> Result<bool, StoreError> {
    let row = subscriptions::lock(tx, id, None).await?;
    if row.due_at.is_none_or(|due| due > site.now) {
        return Ok(false);
    }
    match row.status {
        SubStatus::Trialing | SubStatus::Active => period_over(tx, site, row).await?,
        SubStatus::PastDue => unpaid_still(tx, site, row).await?,
        // Nothing is due for the others; a time that was left behind is cleared.
        _ => subscriptions::save(tx, &SubscriptionRow { due_at: None, ..row }, site.now).await?,
    }
    Ok(true)
}

async fn period_over(tx: &mut Tx, site: Site, mut row: SubscriptionRow) -> Result<(), StoreError> {
    if let Some(paid) = row.next_order {
        let order = orders::by_id(tx, paid).await?;
        let (_, version) = order.plan.ok_or(StoreError::NotFound)?;
        let (old, plan) = (plans::pinned(tx, row.plan_version).await?, plans::pinned(tx, version).await?);
        let next = next_period(site, &row, &old, &plan)?;
        advance(&mut row, &order, &plan, &next)?;
        return subscriptions::save(tx, &row, site.now).await;
    }
    if row.auto_renew && !row.cancel_at_period_end && try_to_pay(tx, site, &row).await? {
        return Ok(());
    }
    let event = SubEvent::PeriodEnded { auto_renew: row.auto_renew, cancel: row.cancel_at_period_end };
    let moved = row.status.after(event)?;
    if moved.to == SubStatus::PastDue {
        row.status = moved.to;
        row.past_due_since = Some(row.period_end);
        row.attempts = 1;
        row.due_at = Some(next_try(row.period_end, site.now));
        return subscriptions::save(tx, &row, site.now).await;
    }
    expire(tx, site, row, event).await
}

async fn unpaid_still(tx: &mut Tx, site: Site, mut row: SubscriptionRow) -> Result<(), StoreError> {
    if try_to_pay(tx, site, &row).await? {
        return Ok(());
    }
    let since = row.past_due_since.unwrap_or(row.period_end);
    if since.plus(GRACE) <= site.now {
        return expire(tx, site, row, SubEvent::GraceEnded).await;
    }
    row.attempts = row.attempts.saturating_add(1);
    row.due_at = Some(next_try(since, site.now));
    subscriptions::save(tx, &row, site.now).await
}

fn next_try(since: Timestamp, now: Timestamp) -> Timestamp {
    TRIES.into_iter().map(|after| since.plus(after)).find(|at| *at > now).unwrap_or(since.plus(GRACE))
}

/// Pays the next period from the wallet when it covers it. The order that cannot be paid so waits for another payment.
async fn try_to_pay(tx: &mut Tx, site: Site, row: &SubscriptionRow) -> Result<bool, StoreError> {
    let waits = row.period_end.plus(GRACE + HOUR).max(site.now.plus(1));
    let order = place(tx, site, row, waits).await?;
    if order.pay_minor == 0 {
        order::free(tx, site, &order.order_no).await?;
        return Ok(true);
    }
    let Some(cost) = order.wallet_nanos else { return Ok(false) };
    let wallet = crate::store::buckets::lock_wallet(tx, row.user, site.now).await?;
    if cost.0 > wallet.bucket.available() || order.expires_at <= site.now {
        return Ok(false);
    }
    order::pay_in(tx, site, order, &Payment::Wallet).await?;
    Ok(true)
}

/// The subscription is over; renewals of it that wait are given up. Its buckets end with their period.
async fn expire(tx: &mut Tx, site: Site, mut row: SubscriptionRow, event: SubEvent) -> Result<(), StoreError> {
    let moved = row.status.after(event)?;
    (row.status, row.end_reason) = (moved.to, moved.reason);
    (row.ended_at, row.due_at) = (Some(site.now), None);
    subscriptions::save(tx, &row, site.now).await?;
    for order in orders::lock_open(tx, row.id).await? {
        order::end(tx, site, order, OrderEvent::Cancelled).await?;
    }
    Ok(())
}

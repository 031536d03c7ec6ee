//! Giving what was paid for: one ledger transaction per order, keyed by its number, in the step that marks it fulfilled.

use actors::domain::billing::{
    BookAccount, BookLedger, BucketKind, BucketStatus, Fraction, Issue, OrderEvent, OrderKind, Platform, Refusal,
    SubEvent, SubStatus, Txn, TxnKind, UpgradeMode,
};
use actors::domain::time::Timestamp;

use super::order::{net_paid, unpaid};
use super::quota::{self, Grants, Period};
use super::{Site, invoice, renewal};
use crate::store::ledger::{self, Posting};
use crate::store::orders::{self, OrderRow};
use crate::store::plans::{self, PlanRow};
use crate::store::subscriptions::{self, SubscriptionRow};
use crate::store::{StoreError, Tx, buckets};

/// What an order gives, beside its payment.
#[derive(Default)]
pub struct Given {
    /// Quota of a period.
    pub grants: Grants,
    /// Entries of the credit ledger.
    pub credit: Vec<(BookAccount, i64)>,
}

/// Gives what a paid order bought, and takes the payment out of the wallet when it came from there.
pub async fn fulfil(tx: &mut Tx, site: Site, mut order: OrderRow) -> Result<OrderRow, StoreError> {
    order.status = order.status.after(OrderEvent::Begun)?;
    let (kind, given) = match order.kind {
        OrderKind::Topup => (TxnKind::Topup, top_up(tx, site, &order).await?),
        OrderKind::SubscriptionNew => (TxnKind::Purchase, begin(tx, site, &mut order).await?),
        OrderKind::Renewal => (TxnKind::Renewal, renewal::fulfil(tx, site, &order).await?),
        OrderKind::Change => (TxnKind::Change, change(tx, site, &order).await?),
        // Nothing is sold beside plans and credit.
        OrderKind::Addon => return Err(Refusal::IllegalTransition.into()),
    };
    order.txn = settle(tx, site, &order, kind, given).await?;
    order.status = order.status.after(OrderEvent::Done)?;
    order.fulfilled_at = Some(site.now);
    invoice::issue(tx, site, &order).await?;
    orders::save(tx, &order, site.now).await?;
    order.version += 1;
    Ok(order)
}

/// Posts the payment from the wallet and what is given for it.
async fn settle(
    tx: &mut Tx,
    site: Site,
    order: &OrderRow,
    kind: TxnKind,
    given: Given,
) -> Result<Option<i64>, StoreError> {
    let key = format!("fulfil:{}", order.order_no);
    let mut entries = given.grants.entries(BookLedger::Credit);
    entries.extend(given.credit);
    let cost = order.wallet_nanos.filter(|_| order.provider.as_deref() == Some("balance")).unwrap_or_default();
    if cost.0 > 0 {
        let wallet = buckets::lock_wallet(tx, order.user, site.now).await?;
        if cost.0 > wallet.bucket.available() {
            return Err(Refusal::InsufficientFunds.into());
        }
        entries.push((BookAccount::Wallet(order.user), -cost.0));
        entries.push((BookAccount::Platform(Platform::Sales), cost.0));
    }
    given.grants.post_units(tx, kind, &key, site.now).await?;
    if entries.is_empty() {
        return Ok(None);
    }
    buckets::wallet(tx, order.user, site.now).await?;
    let posting = Posting::new(Txn::new(kind, BookLedger::Credit, entries)?, key, site.now);
    let posting = posting.about("order", &order.order_no).by(&format!("user:{}", order.user), None);
    Ok(Some(ledger::post(tx, &posting, site.now).await?.txn))
}

async fn top_up(tx: &mut Tx, site: Site, order: &OrderRow) -> Result<Given, StoreError> {
    let credited = order.pricing.credited.unwrap_or_default();
    subscriptions::hurry(tx, order.user, site.now).await?;
    let credit = vec![(BookAccount::Issue(Issue::Topup), -credited.0), (BookAccount::Wallet(order.user), credited.0)];
    Ok(Given { credit, ..Given::default() })
}

/// The first period, or the free days before it.
async fn begin(tx: &mut Tx, site: Site, order: &mut OrderRow) -> Result<Given, StoreError> {
    let (plan, mut row) = owner(tx, order).await?;
    if row.status == SubStatus::Expired {
        // The payment came after the order had ended: a subscription never rises again, so it begins another.
        row = unpaid(order.user, &plan, site.now);
        row.id = subscriptions::insert(tx, &row, site.now).await?;
        order.subscription = Some(row.id);
    }
    let trial = order.pricing.trial;
    row.status = row.status.after(SubEvent::Fulfilled { trial })?.to;
    row.period_start = site.now;
    row.anchor_at = site.now;
    if trial {
        row.period_end = site.days_later(site.now, plan.terms.trial_days)?;
        row.anchor_at = row.period_end;
    } else {
        row.period_no = 1;
        row.period_end = site.period_end(site.now, plan.terms.period, 1)?;
        row.payments = 1;
        row.net_paid_minor = net_paid(order);
    }
    row.due_at = Some(row.period_end);
    let (kind, included) = if trial {
        (BucketKind::Trial, plan.terms.trial_quota())
    } else {
        (BucketKind::Subscription, plan.terms.included.as_slice())
    };
    let period = Period {
        subscription: &row,
        terms: &plan.terms,
        included,
        part: Fraction::ONE,
        kind,
        times: (row.period_start, row.period_end),
        order_no: &order.order_no,
    };
    let grants = quota::open(tx, &period, site.now).await?;
    subscriptions::save(tx, &row, site.now).await?;
    Ok(Given { grants, ..Given::default() })
}

/// The plan that an order is priced by, and its subscription, locked.
pub async fn owner(tx: &mut Tx, order: &OrderRow) -> Result<(PlanRow, SubscriptionRow), StoreError> {
    let (_, version) = order.plan.ok_or(StoreError::NotFound)?;
    let id = order.subscription.ok_or(StoreError::NotFound)?;
    Ok((plans::pinned(tx, version).await?, subscriptions::lock(tx, id, None).await?))
}

/// Another plan from now on: the old quota is given up, what is left over goes to the wallet.
async fn change(tx: &mut Tx, site: Site, order: &OrderRow) -> Result<Given, StoreError> {
    let quote = order.pricing.change.ok_or(StoreError::NotFound)?;
    let (plan, mut row) = owner(tx, order).await?;
    let old = plans::pinned(tx, row.plan_version).await?;
    if order.pricing.period_start != Some(row.period_start) {
        // Another period has begun since the quote.
        return Err(Refusal::IllegalTransition.into());
    }
    row.status = row.status.after(SubEvent::Changed)?.to;
    buckets::release(tx, &order.hold_id(), site.now).await?;
    quota::close_all(tx, &row, BucketStatus::Closed, site.now).await?;
    if quote.mode == UpgradeMode::KeepCycle {
        if old.terms.period != plan.terms.period {
            // The new plan's periods are counted from where this one ends.
            (row.anchor_at, row.period_no) = (row.period_end, 0);
        }
    } else {
        (row.anchor_at, row.period_no, row.period_start) = (site.now, 1, site.now);
        row.period_end = site.period_end(site.now, plan.terms.period, 1)?;
    }
    (row.plan, row.plan_version) = (plan.id, plan.version_id);
    row.net_paid_minor = quote.charge_minor - quote.discount_minor;
    row.currency = plan.terms.currency;
    row.payments = row.payments.saturating_add(1);
    (row.scheduled_plan, row.cancel_at_period_end) = (None, false);
    row.discount_code = order.discount_code;
    row.due_at = Some(row.period_end);
    let times: (Timestamp, Timestamp) = (site.now, row.period_end);
    let period = Period {
        subscription: &row,
        terms: &plan.terms,
        included: &plan.terms.included,
        part: quote.bought,
        kind: BucketKind::Subscription,
        times,
        order_no: &order.order_no,
    };
    let grants = quota::open(tx, &period, site.now).await?;
    subscriptions::save(tx, &row, site.now).await?;
    let mut credit = Vec::new();
    if quote.surplus_minor > 0 {
        let nanos = old.terms.wallet_cost(quote.surplus_minor).ok_or(Refusal::SurplusNotCreditable)?;
        credit.push((BookAccount::Issue(Issue::Proration), -nanos.0));
        credit.push((BookAccount::Wallet(order.user), nanos.0));
    }
    Ok(Given { grants, credit })
}

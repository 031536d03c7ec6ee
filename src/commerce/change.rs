//! Another plan: quoted with every number, sealed for ten minutes, ordered as quoted (`billing.md` §9).

use actors::domain::billing::{
    BucketKind, Change, ChangeQuote, ChangeSide, OrderEvent, OrderKind, PeriodLength, PeriodUnit, PlanTerms, Refusal,
    RenewMode, SubEvent, SubStatus, UpgradeMode,
};
use actors::domain::id::{PlanId, PlanVersionId, SubscriptionId, UserId};
use actors::domain::time::{MINUTE, Timestamp};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::Site;
use super::order::{self, Idem, blank};
use crate::store::buckets::{self, BucketRow};
use crate::store::orders::{OrderRow, Pricing};
use crate::store::plans::{self, PlanRow, Visibility};
use crate::store::subscriptions::{self, SubscriptionRow};
use crate::store::vault::{Place, Vault};
use crate::store::{Db, StoreError, Tx, orders};

/// A quote holds this long.
const HOLDS: i64 = 10 * MINUTE;

/// What a change costs, as it was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// Of which subscription.
    pub subscription: SubscriptionId,
    /// The terms that are given up.
    pub from: PlanVersionId,
    /// The plan and terms that begin.
    pub to: (PlanId, PlanVersionId),
    /// End of the period that is given up.
    pub period_end: Timestamp,
    /// The code.
    pub code: Option<String>,
    /// When it was made; the time that is left counts from here.
    pub at: Timestamp,
    /// Until when it holds.
    pub until: Timestamp,
    /// The numbers.
    pub numbers: ChangeQuote,
}

impl Quote {
    /// The token that orders this change: nobody but us can make or read one.
    ///
    /// # Errors
    /// When sealing fails.
    pub fn seal(&self, vault: &dyn Vault, user: UserId) -> Result<String, StoreError> {
        let text = serde_json::to_string(self)?;
        Ok(vault.seal(place(user), &text)?)
    }

    /// Reads a token of this user.
    ///
    /// # Errors
    /// [`Refusal::QuoteStale`] for anything that is none.
    pub fn open(vault: &dyn Vault, user: UserId, token: &str) -> Result<Self, StoreError> {
        let text = vault.open(place(user), token).map_err(|_| Refusal::QuoteStale)?;
        serde_json::from_str(text.expose_secret()).map_err(|_| Refusal::QuoteStale.into())
    }
}

fn place(user: UserId) -> Place<'static> {
    Place { table: "quotes", column: "token", row: user.0 }
}

/// A change to a plan: now with a price, or at the end of the period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer {
    /// Better: begins when it is paid.
    Now(Box<Quote>),
    /// Lesser: begins with the next period, and costs nothing now.
    AtPeriodEnd,
}

/// Says what changing to a plan costs. Nothing is reserved.
///
/// # Errors
/// [`Refusal::IllegalTransition`], [`Refusal::PlanNotSellable`], [`Refusal::CurrencyMismatch`],
/// [`Refusal::SurplusNotCreditable`], [`Refusal::DiscountInvalid`].
pub async fn quote(
    db: &Db,
    site: Site,
    id: SubscriptionId,
    owner: Option<UserId>,
    plan: PlanId,
    code: Option<String>,
) -> Result<Offer, StoreError> {
    db.change(move |tx| {
        let code = code.clone();
        Box::pin(async move {
            let sides = sides(tx, site, id, owner, plan).await?;
            if !sides.is_upgrade()? {
                return Ok(Offer::AtPeriodEnd);
            }
            let numbers = sides.numbers(tx, site, site.now, code.as_deref()).await?.0;
            Ok(Offer::Now(Box::new(Quote {
                subscription: id,
                from: sides.row.plan_version,
                to: (sides.new.id, sides.new.version_id),
                period_end: sides.row.period_end,
                code,
                at: site.now,
                until: site.now.plus(HOLDS),
                numbers,
            })))
        })
    })
    .await
}

/// What is given up and what begins.
struct Sides {
    row: SubscriptionRow,
    old: PlanRow,
    new: PlanRow,
    main: Option<BucketRow>,
}

async fn sides(
    tx: &mut Tx,
    site: Site,
    id: SubscriptionId,
    owner: Option<UserId>,
    plan: PlanId,
) -> Result<Sides, StoreError> {
    let row = subscriptions::lock(tx, id, owner).await?;
    row.status.after(SubEvent::Changed)?;
    if row.next_order.is_some() || row.period_end <= site.now {
        return Err(Refusal::IllegalTransition.into());
    }
    let new = plans::current(tx, plan).await?;
    if new.config.visibility == Visibility::Archived || new.config.family != row.family {
        return Err(Refusal::PlanNotSellable.into());
    }
    let old = plans::pinned(tx, row.plan_version).await?;
    if new.terms.currency != row.currency {
        return Err(Refusal::CurrencyMismatch.into());
    }
    let main = main_bucket(tx, site, &row).await?;
    Ok(Sides { row, old, new, main })
}

/// The bucket of the plan's first quota in the running period.
async fn main_bucket(tx: &mut Tx, site: Site, row: &SubscriptionRow) -> Result<Option<BucketRow>, StoreError> {
    let main = |bucket: &BucketRow| {
        bucket.item == 0 && bucket.bucket.kind == BucketKind::Subscription && bucket.bucket.is_open(site.now)
    };
    Ok(buckets::lock_subscription(tx, row.id).await?.into_iter().find(main))
}

impl Sides {
    /// A higher rank; of equal ranks the higher price per day. The same plan again begins a new cycle, where it may.
    fn is_upgrade(&self) -> Result<bool, Refusal> {
        if self.old.id == self.new.id {
            let restarts = self.new.terms.renew_mode == RenewMode::Restart;
            return if restarts { Ok(true) } else { Err(Refusal::IllegalTransition) };
        }
        let daily = |of: &PlanTerms, other: &PlanTerms| i128::from(of.price_minor) * days(other.period);
        let by_price = daily(&self.new.terms, &self.old.terms) > daily(&self.old.terms, &self.new.terms);
        let rank = self.new.config.rank.cmp(&self.old.config.rank);
        Ok(rank.is_gt() || (rank.is_eq() && by_price))
    }

    /// The numbers, with the time that was left `at`, and the code's row.
    async fn numbers(
        &self,
        tx: &mut Tx,
        site: Site,
        at: Timestamp,
        code: Option<&str>,
    ) -> Result<(ChangeQuote, Option<crate::store::discounts::CodeRow>), StoreError> {
        let trial = self.row.status == SubStatus::Trialing || self.old.id == self.new.id;
        let change = Change {
            old: ChangeSide {
                net_paid_minor: self.row.net_paid_minor,
                currency: self.row.currency,
                period_start: self.row.period_start,
                period_end: self.row.period_end,
                quota: self.main.as_ref().map(|main| (main.bucket.granted, main.bucket.available())),
            },
            new_price_minor: self.new.terms.price_minor,
            new_currency: self.new.terms.currency,
            mode: if trial { UpgradeMode::ResetCycle } else { self.new.terms.upgrade_mode },
            at,
        };
        let plain = change.quote(|_| 0)?;
        let (quote, row) = match code {
            None => (plain, None),
            Some(code) => {
                let base = actors::domain::billing::Minor::new(plain.charge_minor, self.new.terms.currency);
                let asked = (OrderKind::Change, self.new.id, self.row.user);
                let (row, off) = order::discount(tx, code, asked, base, site.now).await?;
                (change.quote(|_| off)?, Some(row))
            }
        };
        if quote.surplus_minor > 0 && self.old.terms.wallet_cost(quote.surplus_minor).is_none() {
            return Err(Refusal::SurplusNotCreditable.into());
        }
        Ok((quote, row))
    }
}

/// Nominal days of a period, for comparing prices.
fn days(period: PeriodLength) -> i128 {
    let unit = match period.unit {
        PeriodUnit::Day => 1,
        PeriodUnit::Week => 7,
        PeriodUnit::Month => 30,
        PeriodUnit::Year => 365,
    };
    i128::from(unit) * i128::from(period.count)
}

/// Orders a change as it was quoted. Quota that earns credit is reserved until the order ends.
///
/// # Errors
/// [`Refusal::QuoteStale`] when the quote is over, or quota was used since; otherwise as [`quote`].
pub async fn change(db: &Db, site: Site, owner: UserId, quote: Quote, idem: Idem) -> Result<OrderRow, StoreError> {
    db.change(move |tx| {
        let (quote, idem) = (quote.clone(), idem.clone());
        Box::pin(async move { change_in(tx, site, owner, &quote, idem).await })
    })
    .await
}

async fn change_in(tx: &mut Tx, site: Site, owner: UserId, quote: &Quote, idem: Idem) -> Result<OrderRow, StoreError> {
    if let Some(same) = order::same_as_before(tx, idem.as_ref()).await? {
        return Ok(same);
    }
    let sides = sides(tx, site, quote.subscription, Some(owner), quote.to.0).await?;
    let same = sides.row.plan_version == quote.from
        && sides.row.period_end == quote.period_end
        && sides.new.version_id == quote.to.1;
    if !same || quote.until <= site.now {
        return Err(Refusal::QuoteStale.into());
    }
    for other in orders::lock_open(tx, quote.subscription).await? {
        if other.kind == OrderKind::Change {
            order::end(tx, site, other, OrderEvent::Cancelled).await?;
        }
    }
    order::few_pending(tx, owner).await?;
    // Quota that an older order reserved is free again.
    let sides = Sides { main: main_bucket(tx, site, &sides.row).await?, ..sides };
    let (now, code) = sides.numbers(tx, site, quote.at, quote.code.as_deref()).await?;
    if now.credit_minor < quote.numbers.credit_minor || now.due_minor != quote.numbers.due_minor {
        return Err(Refusal::QuoteStale.into());
    }
    let terms = &sides.new.terms;
    let order = OrderRow {
        plan: Some(quote.to),
        subscription: Some(quote.subscription),
        base_minor: now.charge_minor,
        discount_minor: now.discount_minor,
        credit_minor: now.credit_minor,
        pay_minor: now.due_minor,
        wallet_nanos: terms.wallet_cost(now.due_minor),
        pricing: Pricing { change: Some(now), period_start: Some(sides.row.period_start), ..Pricing::default() },
        ..blank(owner, OrderKind::Change, terms.currency, idem, site.now)
    };
    let order = order::store(tx, order, code.as_ref(), site.now).await?;
    if let Some(main) = &sides.main {
        let credited = now.credited.floor_of(main.bucket.granted);
        if credited > 0 {
            buckets::hold(tx, &order.hold_id(), main, credited, site.now).await?;
        }
    }
    if order.pay_minor == 0 { order::free(tx, site, &order.order_no).await } else { Ok(order) }
}

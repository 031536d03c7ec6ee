//! A plan's quota as buckets: opened with a period, closed after it, carried over where the plan says so.

use actors::domain::billing::{
    BookAccount, BookLedger, BucketKind, BucketStatus, Fraction, Included, Issue, Overage, PlanTerms, Platform,
    Refusal, Txn, TxnKind, Unit,
};
use actors::domain::id::BucketId;
use actors::domain::time::{MINUTE, Timestamp};

use crate::store::buckets::{self, BucketRow, NewBucket, ledger_of};
use crate::store::ledger::{self, Posting};
use crate::store::subscriptions::SubscriptionRow;
use crate::store::{Db, StoreError, Tx, plans};

/// A bucket is closed this long after its end: requests that were admitted before are booked on it until then.
pub const CLOSES_AFTER: i64 = 10 * MINUTE;

/// What a period gives, as entries of the ledgers that it is in.
#[derive(Debug, Default)]
pub struct Grants(Vec<(BookLedger, BookAccount, i64)>);

/// A period's quota.
pub struct Period<'a> {
    /// Of which subscription.
    pub subscription: &'a SubscriptionRow,
    /// Its plan's terms.
    pub terms: &'a PlanTerms,
    /// Which quota.
    pub included: &'a [Included],
    /// Which part of it.
    pub part: Fraction,
    /// As what.
    pub kind: BucketKind,
    /// From when until when.
    pub times: (Timestamp, Timestamp),
    /// Number of the order that paid for it.
    pub order_no: &'a str,
}

/// Makes the buckets of a period, empty, and says what goes into them.
pub async fn open(tx: &mut Tx, period: &Period<'_>, now: Timestamp) -> Result<Grants, StoreError> {
    let mut grants = Grants::default();
    let owner = period.subscription;
    for (item, quota) in (0_i64..).zip(period.included) {
        let amount = period.part.floor_of(quota.amount);
        if amount == 0 {
            continue;
        }
        let new = NewBucket {
            user: owner.user,
            kind: period.kind,
            unit: quota.unit,
            scope: quota.model_scope.clone(),
            starts_at: period.times.0,
            expires_at: Some(period.times.1),
            subscription: Some((owner.id, item)),
            blocks_wallet: period.terms.overage == Overage::Block,
            source: ("order", Some(period.order_no.to_owned())),
        };
        let id = buckets::create(tx, &new, now).await?;
        grants.0.push((ledger_of(quota.unit), BookAccount::Bucket(owner.user, id), amount));
    }
    Ok(grants)
}

impl Grants {
    /// The entries in one ledger.
    pub fn entries(&self, ledger: BookLedger) -> Vec<(BookAccount, i64)> {
        let own = self.0.iter().filter(|(of, ..)| *of == ledger);
        own.flat_map(|(_, account, amount)| [(account.clone(), *amount), (BookAccount::Issue(Issue::Plan), -*amount)])
            .collect()
    }

    /// Posts what is counted in tokens and requests; what is counted in money goes with the payment.
    pub async fn post_units(&self, tx: &mut Tx, kind: TxnKind, key: &str, now: Timestamp) -> Result<(), StoreError> {
        for unit in [Unit::Tokens, Unit::Requests] {
            let entries = self.entries(ledger_of(unit));
            if !entries.is_empty() {
                let txn = Txn::new(kind, ledger_of(unit), entries)?;
                ledger::post(tx, &Posting::new(txn, format!("{key}:{}", unit.as_str()), now), now).await?;
            }
        }
        Ok(())
    }
}

/// Takes what is left out of a bucket that ends now, and ends it.
async fn give_up(tx: &mut Tx, row: &BucketRow, status: BucketStatus, now: Timestamp) -> Result<(), StoreError> {
    let rest = row.bucket.granted.checked_sub(row.bucket.used).ok_or(Refusal::AmountOverflow)?;
    if rest > 0 {
        let entries = [(row.account(), -rest), (BookAccount::Platform(Platform::Breakage), rest)];
        let txn = Txn::new(TxnKind::GrantExpire, row.ledger(), entries)?;
        let posting = Posting::new(txn, format!("expire:{}", row.bucket.id), now).about("bucket", row.bucket.id);
        ledger::post(tx, &posting, now).await?;
    }
    buckets::end(tx, row.bucket.id, status, now).await
}

/// Ends every open bucket of a subscription at once; holds of orders on them must have been given back.
pub async fn close_all(
    tx: &mut Tx,
    subscription: &SubscriptionRow,
    status: BucketStatus,
    now: Timestamp,
) -> Result<(), StoreError> {
    for row in buckets::lock_subscription(tx, subscription.id).await? {
        give_up(tx, &row, status, now).await?;
    }
    Ok(())
}

/// Closes a bucket whose time is over. Doing it twice closes it once.
pub async fn close_one(db: &Db, id: BucketId, now: Timestamp) -> Result<bool, StoreError> {
    db.work(move |tx| Box::pin(async move { close_in(tx, id, now).await })).await
}

async fn close_in(tx: &mut Tx, id: BucketId, now: Timestamp) -> Result<bool, StoreError> {
    let seen = buckets::lock(tx, id).await?;
    let over = |row: &BucketRow| row.bucket.expires_at.is_some_and(|end| end.plus(CLOSES_AFTER) <= now);
    let open = matches!(seen.bucket.status, BucketStatus::Active | BucketStatus::Scheduled);
    if !open || !over(&seen) || seen.bucket.held != 0 {
        return Ok(false);
    }
    let carried = carry(tx, &seen, now).await?;
    let rest = BucketRow {
        bucket: actors::domain::billing::Bucket { granted: seen.bucket.granted - carried, ..seen.bucket.clone() },
        ..seen
    };
    give_up(tx, &rest, BucketStatus::Closed, now).await?;
    Ok(true)
}

/// What is left goes into the bucket of the same item in the next period, as far as the plan lets it.
async fn carry(tx: &mut Tx, row: &BucketRow, now: Timestamp) -> Result<i64, StoreError> {
    let Some(subscription) = row.bucket.subscription.filter(|_| row.bucket.kind == BucketKind::Subscription) else {
        return Ok(0);
    };
    let end = row.bucket.expires_at.unwrap_or(now);
    let siblings = buckets::lock_subscription(tx, subscription).await?;
    let next = siblings
        .iter()
        .find(|other| other.item == row.item && other.bucket.starts_at >= end && other.bucket.unit == row.bucket.unit);
    let Some(next) = next else { return Ok(0) };
    let Some(owner) = crate::store::subscriptions::read_in(tx, subscription).await? else { return Ok(0) };
    let terms = plans::pinned(tx, owner.plan_version).await?.terms;
    let item = usize::try_from(row.item).ok().and_then(|item| terms.included.get(item));
    let amount = item.map_or(0, |item| item.carried(row.bucket.available()));
    if amount > 0 {
        let entries = [(row.account(), -amount), (next.account(), amount)];
        let txn = Txn::new(TxnKind::Rollover, row.ledger(), entries)?;
        let posting = Posting::new(txn, format!("rollover:{}", row.bucket.id), now).about("bucket", next.bucket.id);
        ledger::post(tx, &posting, now).await?;
    }
    Ok(amount)
}

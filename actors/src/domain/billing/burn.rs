//! Which bucket pays what: the burn order at admission, and the booking of what was really used (`billing.md` §4, §5).

use serde::{Deserialize, Serialize};

use super::bucket::{Bucket, BucketKind, Funding, Unit};
use crate::domain::id::BucketId;
use crate::domain::time::Timestamp;

/// What a request costs, in every unit that a bucket may count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand<'a> {
    /// Requested model.
    pub model: &'a str,
    /// Charge in nano-USD.
    pub nanos: i64,
    /// Tokens of every kind.
    pub tokens: i64,
    /// When.
    pub at: Timestamp,
}

impl Demand<'_> {
    /// The cost in a bucket's unit.
    pub const fn in_unit(&self, unit: Unit) -> i64 {
        match unit {
            Unit::UsdNanos => self.nanos,
            Unit::Tokens => self.tokens,
            Unit::Requests => 1,
        }
    }
}

/// What one bucket gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Take {
    /// Which bucket.
    pub bucket: BucketId,
    /// What it counts.
    pub unit: Unit,
    /// How much.
    pub amount: i64,
}

/// What a journal record keeps about the funds of a request, so that a replay books as the running process would have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FundsNote {
    /// Which buckets the key spends.
    pub funding: Funding,
    /// What its hold reserved, in burn order.
    #[serde(default)]
    pub reserved: Vec<Take>,
}

/// How a demand is covered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Split {
    /// By which buckets, in burn order.
    pub takes: Vec<Take>,
    /// Nano-USD that no bucket covers; above 0 = refused at admission.
    pub uncovered: i64,
}

/// What a settlement books.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Booking {
    /// By which buckets, at most one line each and unit.
    pub takes: Vec<Take>,
    /// Nano-USD that nobody pays.
    pub writeoff: i64,
}

/// The buckets that a demand may use, in the order in which they are spent: priority, then end (never last), then id.
fn order<'b>(buckets: &'b [Bucket], funding: Funding, demand: &Demand<'_>) -> Vec<&'b Bucket> {
    let open = |bucket: &&Bucket| bucket.is_open(demand.at) && bucket.covers(demand.model);
    let blocked = is_wallet_blocked(buckets, funding, demand);
    let mut order: Vec<&Bucket> = buckets
        .iter()
        .filter(open)
        .filter(|bucket| funding.allows(bucket) && !(blocked && bucket.kind == BucketKind::Wallet))
        .collect();
    let first = |bucket: &Bucket| funding == Funding::WalletFirst && bucket.kind == BucketKind::Wallet;
    order.sort_by_key(|bucket| {
        let end = bucket.expires_at.map_or(i64::MAX, |end| end.0);
        (!first(bucket), bucket.priority, end, bucket.id)
    });
    order
}

/// A live plan with `overage = block` keeps requests in its scope away from the wallet, unless the key spends nothing else.
fn is_wallet_blocked(buckets: &[Bucket], funding: Funding, demand: &Demand<'_>) -> bool {
    let blocks = |bucket: &Bucket| bucket.blocks_wallet && bucket.is_open(demand.at) && bucket.covers(demand.model);
    funding != Funding::WalletOnly && buckets.iter().any(blocks)
}

/// Covers a demand from what can be spent now. A bucket of tokens or requests pays alone and in full, or not at all.
pub fn split(buckets: &[Bucket], funding: Funding, demand: &Demand<'_>) -> Split {
    let mut split = Split { takes: Vec::new(), uncovered: demand.nanos.max(0) };
    for bucket in order(buckets, funding, demand) {
        if split.uncovered == 0 {
            break;
        }
        let wanted = match bucket.unit {
            Unit::UsdNanos => split.uncovered,
            unit => demand.in_unit(unit),
        };
        let amount = wanted.min(bucket.spendable());
        let in_full = split.takes.is_empty() && amount == wanted;
        if amount <= 0 || (bucket.unit != Unit::UsdNanos && !in_full) {
            continue;
        }
        split.takes.push(Take { bucket: bucket.id, unit: bucket.unit, amount });
        split.uncovered = if bucket.unit == Unit::UsdNanos { split.uncovered - amount } else { 0 };
    }
    split
}

/// Books what a request really cost. `reserved` is its own hold, already given back to the buckets:
/// 1. from the hold's buckets in order, up to what was reserved, also from one that ended meanwhile;
/// 2. then from what is left in burn order;
/// 3. a rest goes to the wallet, however low, if the key may use it, else it is written off.
///
/// A bucket of tokens or requests that was reserved books the whole, overrun included.
pub fn book_actual(buckets: &[Bucket], reserved: &[Take], funding: Funding, demand: &Demand<'_>) -> Booking {
    let mut rest = demand.nanos.max(0);
    if rest == 0 {
        return Booking::default();
    }
    if let Some(quota) = reserved.iter().find(|take| take.unit != Unit::UsdNanos) {
        let amount = demand.in_unit(quota.unit).max(0);
        return Booking { takes: vec![Take { amount, ..*quota }], writeoff: 0 };
    }
    let mut left: Vec<Bucket> = buckets.to_vec();
    let mut takes: Vec<Take> = Vec::new();
    for own in reserved {
        let Some(bucket) = left.iter_mut().find(|bucket| bucket.id == own.bucket) else { continue };
        let amount = own.amount.min(rest).min(bucket.spendable());
        if amount > 0 {
            bucket.used = bucket.used.saturating_add(amount);
            rest -= amount;
            add(&mut takes, Take { amount, ..*own });
        }
    }
    if rest > 0 {
        let more = Demand { nanos: rest, ..*demand };
        let usd: Vec<Bucket> = left.into_iter().filter(|b| b.unit == Unit::UsdNanos || takes.is_empty()).collect();
        let split = split(&usd, funding, &more);
        split.takes.iter().for_each(|take| add(&mut takes, *take));
        rest = split.uncovered;
    }
    let wallet = buckets.iter().find(|bucket| bucket.kind == BucketKind::Wallet);
    match wallet.filter(|_| rest > 0 && funding.allows_wallet() && !is_wallet_blocked(buckets, funding, demand)) {
        Some(wallet) => {
            add(&mut takes, Take { bucket: wallet.id, unit: Unit::UsdNanos, amount: rest });
            Booking { takes, writeoff: 0 }
        }
        None => Booking { takes, writeoff: rest },
    }
}

fn add(takes: &mut Vec<Take>, more: Take) {
    match takes.iter_mut().find(|take| take.bucket == more.bucket) {
        Some(take) => take.amount = take.amount.saturating_add(more.amount),
        None => takes.push(more),
    }
}

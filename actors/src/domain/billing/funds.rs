//! The holds of one user on the user's buckets: reserve before, settle after, each resolved once (`billing.md` §5).
//!
//! A plain state machine; whoever owns it gives the time. What is settled here and not yet in SQL counts as used; the owner
//! takes over stored buckets after each batch ([`Funds::reload`], ADR 0018).

use std::collections::{BTreeMap, HashMap};

use super::bucket::{Bucket, Funding, Unit};
use super::burn::{Booking, Demand, Take, book_actual, split};
use crate::domain::id::{BucketId, RequestId};
use crate::domain::time::Timestamp;

/// Why a hold was not granted or extended. Nothing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FundsRefused {
    /// The buckets do not cover it.
    InsufficientFunds {
        /// Nano-USD that is missing.
        missing: i64,
    },
    /// The hold has ended.
    AlreadyResolved,
    /// There is no such hold.
    UnknownHold,
}

/// How a hold ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldOutcome {
    /// Used.
    Settled(Booking),
    /// Given back.
    Released,
    /// Given back by the reaper; a settlement that comes later is still booked, once.
    Expired,
}

/// The answer to a resolution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// How the hold ended, now or before.
    pub outcome: HoldOutcome,
    /// False for a repeat, which changes nothing.
    pub first: bool,
}

#[derive(Debug, Clone)]
struct Held {
    takes: Vec<Take>,
    funding: Funding,
    model: std::sync::Arc<str>,
    expires_at: Timestamp,
    seen: Option<(i64, i64)>,
}

/// Buckets of one user with their open holds.
#[derive(Debug, Clone, Default)]
pub struct Funds {
    buckets: Vec<Bucket>,
    holds: BTreeMap<RequestId, Held>,
    /// Settled here and not stored yet.
    pending: BTreeMap<RequestId, Vec<Take>>,
    done: HashMap<RequestId, HoldOutcome>,
    /// Terms of holds that the reaper gave back, for a settlement that comes late.
    expired: HashMap<RequestId, Held>,
    late: u64,
}

impl Funds {
    /// Funds without holds.
    pub fn new(buckets: Vec<Bucket>) -> Self {
        Self { buckets, ..Self::default() }
    }

    /// The buckets, holds included.
    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// Open holds.
    pub fn open(&self) -> usize {
        self.holds.len()
    }

    /// Settlements that came after the reaper.
    pub const fn late(&self) -> u64 {
        self.late
    }

    /// Takes over stored buckets, in which these requests are booked. Holds that are open here, and what was settled here and
    /// is not stored yet, are added again.
    pub fn reload(&mut self, stored: Vec<Bucket>, booked: &[RequestId]) {
        booked.iter().for_each(|id| drop(self.pending.remove(id)));
        self.buckets = stored;
        let held: Vec<Take> = self.holds.values().flat_map(|held| held.takes.clone()).collect();
        held.iter().for_each(|take| self.reserve(take, 1));
        let used: Vec<Take> = self.pending.values().flatten().copied().collect();
        used.iter().for_each(|take| self.spend(take));
    }

    /// Settled here and not stored yet, of one bucket.
    pub fn pending(&self, bucket: BucketId) -> i64 {
        let of = self.pending.values().flatten().filter(|take| take.bucket == bucket);
        of.fold(0, |sum, take| sum.saturating_add(take.amount))
    }

    fn spend(&mut self, take: &Take) {
        if let Some(bucket) = self.buckets.iter_mut().find(|bucket| bucket.id == take.bucket) {
            bucket.used = bucket.used.saturating_add(take.amount);
        }
    }

    /// Forgets how holds ended; their ids must not come again.
    pub fn forget(&mut self, ended: impl Fn(&RequestId) -> bool) {
        self.done.retain(|id, _| !ended(id));
        self.expired.retain(|id, _| !ended(id));
    }

    fn reserve(&mut self, take: &Take, sign: i64) {
        if let Some(bucket) = self.buckets.iter_mut().find(|bucket| bucket.id == take.bucket) {
            bucket.held = bucket.held.saturating_add(sign * take.amount);
        }
    }

    /// Reserves a demand for `ttl_ms`, all or nothing. The same id again returns the first result.
    pub fn hold(
        &mut self,
        id: RequestId,
        funding: Funding,
        demand: &Demand<'_>,
        ttl_ms: i64,
    ) -> Result<Vec<Take>, FundsRefused> {
        if let Some(held) = self.holds.get(&id) {
            return Ok(held.takes.clone());
        }
        if self.done.contains_key(&id) {
            return Err(FundsRefused::AlreadyResolved);
        }
        let split = split(&self.buckets, funding, demand);
        if split.uncovered > 0 {
            return Err(FundsRefused::InsufficientFunds { missing: split.uncovered });
        }
        split.takes.iter().for_each(|take| self.reserve(take, 1));
        let held = Held {
            takes: split.takes.clone(),
            funding,
            model: demand.model.into(),
            expires_at: demand.at.plus(ttl_ms),
            seen: None,
        };
        self.holds.insert(id, held);
        Ok(split.takes)
    }

    /// Reserves `delta` nano-USD more and renews the life. A hold on a quota of tokens or requests keeps its overrun, so it
    /// is only renewed.
    pub fn extend(&mut self, id: RequestId, delta: i64, now: Timestamp, ttl_ms: i64) -> Result<(), FundsRefused> {
        let held = self.running(id)?;
        let on_quota = held.takes.iter().any(|take| take.unit != Unit::UsdNanos);
        let (funding, model) = (held.funding, held.model.clone());
        if !on_quota {
            let demand = Demand { model: &model, nanos: delta, tokens: 0, at: now };
            let usd: Vec<Bucket> = self.buckets.iter().filter(|b| b.unit == Unit::UsdNanos).cloned().collect();
            let more = split(&usd, funding, &demand);
            if more.uncovered > 0 {
                return Err(FundsRefused::InsufficientFunds { missing: more.uncovered });
            }
            more.takes.iter().for_each(|take| self.reserve(take, 1));
            self.running(id)?.takes.extend(more.takes);
        }
        self.running(id)?.expires_at = now.plus(ttl_ms);
        Ok(())
    }

    /// Renews the life and remembers what was used so far: nano-USD and tokens.
    pub fn touch(
        &mut self,
        id: RequestId,
        seen: Option<(i64, i64)>,
        now: Timestamp,
        ttl_ms: i64,
    ) -> Result<(), FundsRefused> {
        let held = self.running(id)?;
        held.expires_at = now.plus(ttl_ms);
        held.seen = seen.or(held.seen);
        Ok(())
    }

    fn running(&mut self, id: RequestId) -> Result<&mut Held, FundsRefused> {
        let ended = self.done.contains_key(&id);
        self.holds.get_mut(&id).ok_or(if ended { FundsRefused::AlreadyResolved } else { FundsRefused::UnknownHold })
    }

    /// Gives the reservation back and books what was used: nano-USD and tokens. A repeat changes nothing.
    pub fn settle(&mut self, id: RequestId, nanos: i64, tokens: i64, now: Timestamp) -> Result<Settled, FundsRefused> {
        let held = match self.done.get(&id) {
            Some(HoldOutcome::Expired) => {
                self.late += 1;
                self.expired.remove(&id)
            }
            Some(outcome) => return Ok(Settled { outcome: outcome.clone(), first: false }),
            None => self.holds.remove(&id),
        };
        let held = held.ok_or(FundsRefused::UnknownHold)?;
        held.takes.iter().for_each(|take| self.reserve(take, -1));
        let demand = Demand { model: &held.model, nanos, tokens, at: now };
        let booking = book_actual(&self.buckets, &held.takes, held.funding, &demand);
        booking.takes.iter().for_each(|take| self.spend(take));
        self.pending.insert(id, booking.takes.clone());
        let outcome = HoldOutcome::Settled(booking);
        self.done.insert(id, outcome.clone());
        Ok(Settled { outcome, first: true })
    }

    /// Gives the reservation back. A repeat changes nothing.
    pub fn release(&mut self, id: RequestId) -> Result<Settled, FundsRefused> {
        if let Some(outcome) = self.done.get(&id) {
            return Ok(Settled { outcome: outcome.clone(), first: false });
        }
        self.give_back(id).ok_or(FundsRefused::UnknownHold)?;
        self.done.insert(id, HoldOutcome::Released);
        Ok(Settled { outcome: HoldOutcome::Released, first: true })
    }

    fn give_back(&mut self, id: RequestId) -> Option<Held> {
        let held = self.holds.remove(&id)?;
        held.takes.iter().for_each(|take| self.reserve(take, -1));
        Some(held)
    }

    /// Resolves holds past their life: settled at what was seen last, else given back. Returns how many.
    pub fn expire(&mut self, now: Timestamp) -> usize {
        let due: Vec<(RequestId, Option<(i64, i64)>)> =
            self.holds.iter().filter(|(_, held)| held.expires_at <= now).map(|(id, held)| (*id, held.seen)).collect();
        for (id, seen) in &due {
            if let Some((nanos, tokens)) = seen {
                // The hold is open, so this cannot refuse.
                let _ = self.settle(*id, *nanos, *tokens, now);
            } else if let Some(held) = self.give_back(*id) {
                // Nothing of it is reserved any more: a late settlement goes by the burn order.
                self.expired.insert(*id, Held { takes: Vec::new(), ..held });
                self.done.insert(*id, HoldOutcome::Expired);
            }
        }
        due.len()
    }

    /// The bucket with this id.
    pub fn bucket(&self, id: BucketId) -> Option<&Bucket> {
        self.buckets.iter().find(|bucket| bucket.id == id)
    }
}

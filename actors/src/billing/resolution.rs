//! How holds and permits end: once each, whatever arrives twice or late (`billing.md` §5).

use super::ledger::{Held, LIFE, Ledger};
use super::limits::Actual;
use crate::domain::id::RequestId;
use crate::domain::money::Nanos;
use crate::domain::time::Timestamp;
use crate::guard::{HoldEnded, PermitReturned, Resolution};

impl Ledger {
    /// Resolves a hold. A repeat, or an id that was never held, changes nothing.
    pub(super) fn resolve(&mut self, ended: &HoldEnded, now: Timestamp) {
        let Some(mut held) = self.holds.remove(&ended.request) else {
            self.counts.unknown += 1;
            return;
        };
        let (charge, actual) = match ended.resolution {
            Resolution::Settle { charge, tokens } => {
                self.counts.settled += 1;
                self.counts.late += u64::from(held.expired);
                let tokens = i64::try_from(tokens).unwrap_or(i64::MAX);
                (charge, Actual { requests: 1, tokens, cost: charge.0 })
            }
            Resolution::Release => {
                self.counts.released += 1;
                (Nanos::ZERO, Actual { requests: 1, ..Actual::default() })
            }
            Resolution::Withdraw => {
                self.counts.released += 1;
                self.uncount(&held, now);
                (Nanos::ZERO, Actual::default())
            }
        };
        self.free(&mut held, charge, actual);
        if let Some(key) = self.keys.get_mut(&held.key) {
            key.open = key.open.saturating_sub(1);
        }
    }

    /// Returns a slot; false for a repeat.
    pub(super) fn give_back(&mut self, returned: PermitReturned) -> bool {
        let Some(permit) = self.permits.remove(&returned.request) else { return false };
        if let Some(key) = self.keys.get_mut(&permit.returned.key) {
            key.slots = key.slots.saturating_sub(1);
        }
        if let Some(owner) = self.owners.get_mut(&permit.returned.user) {
            owner.slots = owner.slots.saturating_sub(1);
        }
        true
    }

    /// The safety net: the first time frees the reservation and waits for a late settlement, the second time forgets.
    pub(super) fn expire(&mut self, request: RequestId, now: Timestamp) {
        let Some(mut held) = self.holds.remove(&request) else { return };
        if held.expired {
            if let Some(key) = self.keys.get_mut(&held.key) {
                key.open = key.open.saturating_sub(1);
            }
            return;
        }
        self.counts.expired += 1;
        self.free(&mut held, Nanos::ZERO, Actual { requests: 1, ..Actual::default() });
        held.amount = Nanos::ZERO;
        held.expired = true;
        held.expires = now.plus(LIFE);
        self.holds.insert(request, held);
    }

    fn free(&mut self, held: &mut Held, charge: Nanos, actual: Actual) {
        if let Some(key) = self.keys.get_mut(&held.key) {
            key.money.resolve(&held.starts, held.amount, charge);
            key.rates.correct(&mut held.reserved, actual);
        }
    }

    fn uncount(&mut self, held: &Held, now: Timestamp) {
        let key = self.keys.get_mut(&held.key).and_then(|key| key.rpm.as_mut());
        let owner = self.owners.get_mut(&held.owner).and_then(|owner| owner.rpm.as_mut());
        for (rpm, bucket) in [key, owner].into_iter().zip(held.counted) {
            if let (Some(rpm), Some(bucket)) = (rpm, bucket) {
                rpm.give_back(now, bucket);
            }
        }
    }
}

//! What the ledger shows to the management API, the metrics and tests.

use super::ledger::Ledger;
use super::messages::Left;
use crate::domain::id::KeyId;
use crate::domain::key::CostWindow;
use crate::domain::limit::RateWindow;
use crate::domain::money::Nanos;
use crate::domain::time::Timestamp;

/// One money window of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowUse {
    /// Which.
    pub window: CostWindow,
    /// When it began; `None` when it has not been opened or the last one has ended.
    pub start: Option<Timestamp>,
    /// When the next one begins, for an open window that ends.
    pub resets_at: Option<Timestamp>,
    /// Charged so far.
    pub used: Nanos,
    /// Reserved by requests in flight.
    pub held: Nanos,
    /// The limit; `None` = unlimited.
    pub limit: Option<Nanos>,
}

/// One rate window of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateUse {
    /// The rule.
    pub rule: RateWindow,
    /// What is left.
    pub left: Left,
}

/// What a key has used of its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyLimits {
    /// Every money window, in reporting order.
    pub windows: Vec<WindowUse>,
    /// Requests per minute; `None` = unlimited.
    pub requests: Option<Left>,
    /// Further rate windows.
    pub rates: Vec<RateUse>,
    /// Live requests of the key.
    pub slots_used: u32,
    /// Live requests of its owner, over all keys.
    pub owner_slots_used: u32,
}

/// Gauges and counters of the billing actor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BillingStats {
    /// Holds not resolved yet.
    pub holds: usize,
    /// Slots taken.
    pub permits: usize,
    /// Keys in memory.
    pub keys: usize,
    /// Owners in memory.
    pub owners: usize,
    /// Holds settled since the start.
    pub settled: u64,
    /// Holds released since the start.
    pub released: u64,
    /// Holds and permits that the safety net freed; each is a defect to look into.
    pub expired: u64,
    /// Settlements that came after the safety net; booked.
    pub late: u64,
    /// Ends of holds that were unknown: repeats.
    pub unknown: u64,
}

impl Ledger {
    /// What a key has used; `None` when it is not known.
    pub(super) fn limits(&self, key: KeyId, now: Timestamp) -> Option<KeyLimits> {
        let key = self.keys.get(&key)?;
        let limit_of = |window| {
            key.policy.cost_limits.iter().find(|(w, limit)| *w == window && limit.0 > 0).map(|(_, limit)| *limit)
        };
        let window_use = |window| {
            let cap = key.money.now(window, now);
            WindowUse {
                window,
                start: cap.bounds.map(|bounds| bounds.start),
                resets_at: cap.bounds.and_then(|bounds| bounds.end),
                used: cap.used,
                held: cap.held,
                limit: limit_of(window),
            }
        };
        Some(KeyLimits {
            windows: CostWindow::ALL.into_iter().map(window_use).collect(),
            requests: key.rpm.as_ref().map(|rpm| rpm.left(now)),
            rates: key.rates.uses(now).map(|(rule, left)| RateUse { rule: rule.clone(), left }).collect(),
            slots_used: key.slots,
            owner_slots_used: self.owners.get(&key.policy.owner.id).map_or(0, |owner| owner.slots),
        })
    }

    /// Gauges and counters.
    pub(super) fn stats(&self) -> BillingStats {
        BillingStats {
            holds: self.holds.values().filter(|held| !held.expired).count(),
            permits: self.permits.len(),
            keys: self.keys.len(),
            owners: self.owners.len(),
            settled: self.counts.settled,
            released: self.counts.released,
            expired: self.counts.expired,
            late: self.counts.late,
            unknown: self.counts.unknown,
        }
    }
}

//! What the billing actor remembers: keys, owners, open holds and permits.

use std::collections::HashMap;
use std::sync::Arc;

use chrono_tz::Tz;

use super::limits::{Rates, Reserved, Rpm};
use super::money::{Money, Starts};
use super::windows::Calendar;
use crate::domain::id::{KeyId, RequestId, UserId};
use crate::domain::key::{KeyPolicy, OwnerPolicy};
use crate::domain::money::Nanos;
use crate::domain::time::{HOUR, MINUTE, Timestamp};
use crate::fleet::Share;
use crate::guard::PermitReturned;

/// A hold or permit whose guard has not spoken for this long is lost: guards resolve themselves even when dropped, so this
/// only ever frees what a lost message would leak. Never less than twice the longest stream.
pub const LIFE: i64 = 2 * HOUR;
/// What was open when the actor panicked is freed after this: long enough for most answers, short enough that a key
/// whose slot leaked is soon usable.
pub const AFTER_PANIC: i64 = 2 * MINUTE;
/// A key without traffic for this long is forgotten when it has nothing to remember.
const IDLE: i64 = 10 * MINUTE;

/// Everything the billing actor owns. Survives the actor.
#[derive(Debug, Default)]
pub struct Ledger {
    pub(super) keys: HashMap<KeyId, Key>,
    pub(super) owners: HashMap<UserId, Owner>,
    pub(super) holds: HashMap<RequestId, Held>,
    pub(super) permits: HashMap<RequestId, Permitted>,
    pub(super) counts: Counts,
    /// Which part of a limit this instance may give out.
    pub(super) share: Share,
    lives: u64,
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    /// The newest policy seen.
    pub(super) policy: Arc<KeyPolicy>,
    pub(super) money: Money,
    pub(super) rpm: Option<Rpm>,
    pub(super) rates: Rates,
    pub(super) slots: u32,
    /// Holds not resolved yet.
    pub(super) open: u32,
    pub(super) last_seen: Timestamp,
}

/// One owner, over all keys.
#[derive(Debug, Default)]
pub(super) struct Owner {
    pub(super) rpm: Option<Rpm>,
    pub(super) slots: u32,
}

/// An open hold.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) key: KeyId,
    pub(super) amount: Nanos,
    pub(super) starts: Starts,
    pub(super) reserved: Vec<Reserved>,
    /// Buckets of the request rates of key and owner.
    pub(super) counted: [Option<i64>; 2],
    pub(super) owner: UserId,
    pub(super) expires: Timestamp,
    /// Its reservation was freed by the safety net; a settlement still books its charge.
    pub(super) expired: bool,
}

/// A taken slot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Permitted {
    pub(super) returned: PermitReturned,
    pub(super) expires: Timestamp,
}

/// What happened since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) settled: u64,
    pub(super) released: u64,
    pub(super) expired: u64,
    pub(super) late: u64,
    pub(super) unknown: u64,
}

impl Key {
    fn first_seen(policy: &Arc<KeyPolicy>, zone: Tz, now: Timestamp) -> Self {
        let mut key = Self {
            policy: Arc::clone(policy),
            money: Money::of(&policy.spent, Calendar::of(zone, policy), now),
            rpm: None,
            rates: Rates::default(),
            slots: 0,
            open: 0,
            last_seen: now,
        };
        key.follow(now);
        key
    }

    /// A newer policy takes effect at once; its `spent` does not, because ours is newer.
    fn adopt(&mut self, policy: &Arc<KeyPolicy>, now: Timestamp) {
        self.last_seen = now;
        if !Arc::ptr_eq(policy, &self.policy) && policy.version >= self.policy.version {
            self.policy = Arc::clone(policy);
            self.follow(now);
        }
    }

    fn follow(&mut self, now: Timestamp) {
        Rpm::adopt(&mut self.rpm, self.policy.rpm_limit, now);
        self.rates.adopt(&self.policy.windows);
    }

    fn may_be_forgotten(&self, now: Timestamp) -> bool {
        self.slots == 0
            && self.open == 0
            && now.since(self.last_seen) > IDLE
            && self.money.is_empty(now)
            && self.rpm.as_ref().is_none_or(|rpm| rpm.is_idle(now))
            && self.rates.is_idle(now)
    }
}

impl Owner {
    fn adopt(&mut self, policy: &OwnerPolicy, now: Timestamp) {
        Rpm::adopt(&mut self.rpm, policy.rpm_limit, now);
    }
}

impl Ledger {
    /// The key and its owner under the newest policy; both are created when unknown.
    pub(super) fn parties(&mut self, policy: &Arc<KeyPolicy>, zone: Tz, now: Timestamp) -> (&mut Key, &mut Owner) {
        let key = self.keys.entry(policy.id).or_insert_with(|| Key::first_seen(policy, zone, now));
        key.adopt(policy, now);
        let owner = self.owners.entry(key.policy.owner.id).or_default();
        owner.adopt(&key.policy.owner, now);
        (key, owner)
    }

    /// Gives out this share of every limit from now on.
    pub(super) fn set_share(&mut self, share: Share) {
        self.share = share;
    }

    /// A new life of the actor: what was open before may never be given back.
    pub(super) fn on_start(&mut self, now: Timestamp) {
        self.lives += 1;
        if self.lives > 1 {
            let soon = now.plus(AFTER_PANIC);
            self.holds.values_mut().for_each(|held| held.expires = held.expires.min(soon));
            self.permits.values_mut().for_each(|permit| permit.expires = permit.expires.min(soon));
        }
    }

    /// Frees what was lost and forgets who has nothing to remember. Returns the slots that came free.
    pub(super) fn on_sweep(&mut self, now: Timestamp) -> Vec<PermitReturned> {
        let lost: Vec<RequestId> = self.holds.iter().filter(|(_, h)| h.expires <= now).map(|(id, _)| *id).collect();
        for request in lost {
            self.expire(request, now);
        }
        let lost: Vec<PermitReturned> =
            self.permits.values().filter(|p| p.expires <= now).map(|p| p.returned).collect();
        for returned in &lost {
            self.counts.expired += 1;
            self.give_back(*returned);
        }
        self.keys.retain(|_, key| !key.may_be_forgotten(now));
        self.owners.retain(|_, owner| owner.slots > 0 || owner.rpm.as_ref().is_some_and(|rpm| !rpm.is_idle(now)));
        lost
    }
}

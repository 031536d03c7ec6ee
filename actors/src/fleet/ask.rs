//! What one request takes of the things that instances share, and what the shared store answers. Plain numbers: the store
//! needs no rule of ours to decide, and two stores decide alike.

use std::sync::Arc;

use crate::billing::windows::Bounds;
use crate::domain::id::{AccountId, KeyId, LeaseId, RequestId, UserId};
use crate::domain::key::CostWindow;
use crate::domain::limit::RateDimension;
use crate::domain::model::Family;
use crate::domain::money::Nanos;
use crate::domain::route::SessionHash;
use crate::domain::time::Timestamp;
pub use crate::guard::Resolution;

/// Whose rate it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RateOwner {
    /// The key's own.
    Key,
    /// The owner's, over all keys.
    User,
}

/// One rate window of an admission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateAsk {
    /// Whose.
    pub owner: RateOwner,
    /// What it counts.
    pub dimension: RateDimension,
    /// Its length in milliseconds.
    pub window_ms: i64,
    /// Only requests of this family count.
    pub family: Option<Family>,
    /// At most this much in any interval of its length.
    pub limit: i64,
    /// What the request takes.
    pub cost: i64,
    /// A token bucket of the same limit evens it out as well.
    pub smooth: bool,
}

/// One money window of an admission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapAsk {
    /// Which.
    pub window: CostWindow,
    /// Charges and holds together stay within this; 0 = only counted.
    pub limit: Nanos,
    /// Where the window begins and ends if none is open.
    pub bounds: Bounds,
}

/// What a request takes of its key and its owner: all of it, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmissionAsk {
    /// The request.
    pub request: RequestId,
    /// Tells this admission from an earlier one of the same request.
    pub ticket: u64,
    /// The owner.
    pub user: UserId,
    /// The key.
    pub key: KeyId,
    /// Slots of the key; 0 = unlimited.
    pub key_slots: u32,
    /// Slots of the owner; 0 = unlimited.
    pub user_slots: u32,
    /// Charge to hold.
    pub amount: Nanos,
    /// Money windows, in reporting order.
    pub caps: Vec<CapAsk>,
    /// Rate windows, in the order of checks.
    pub rates: Vec<RateAsk>,
}

impl AdmissionAsk {
    /// The member under which the store keeps it.
    pub fn member(&self) -> String {
        format!("{}.{}", self.request, self.ticket)
    }

    /// True when the request is held against a limit of money.
    pub fn is_about_money(&self) -> bool {
        self.amount.0 > 0 && self.caps.iter().any(|cap| cap.limit.0 > 0)
    }
}

/// What an attempt takes of its account: all of it, or nothing. For every limit 0 = unlimited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseAsk {
    /// The lease that the account's actor granted.
    pub lease: LeaseId,
    /// The account.
    pub account: AccountId,
    /// Slots.
    pub slots: u32,
    /// Requests per minute.
    pub rpm: i64,
    /// Tokens per minute.
    pub tpm: i64,
    /// Tokens to reserve.
    pub tokens: i64,
    /// Upstream cost per day.
    pub budget: Nanos,
    /// End of the running budget day, which names it.
    pub day: Timestamp,
    /// Where that day began.
    pub day_start: Timestamp,
    /// Upstream cost to reserve.
    pub cost: Nanos,
    /// The attempt probes a half-open breaker: one at a time over all instances.
    pub probe: bool,
}

/// What becomes of a session's binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StickyMove {
    /// Written when there is none.
    Bind,
    /// Moved away from this account, unless another instance has moved it already.
    Leave(AccountId),
}

/// A session and the account chosen for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StickyAsk {
    /// The session.
    pub session: SessionHash,
    /// Chosen here.
    pub account: AccountId,
    /// How.
    pub way: StickyMove,
    /// Life of a binding, in milliseconds.
    pub ttl_ms: i64,
    /// It is renewed with less than this left, in milliseconds.
    pub renew_below_ms: i64,
}

/// Everything that one decision asks the store, in one trip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReserveAsk {
    /// Of key and owner; `None` when it is held already, or the request needs none.
    pub admission: Option<Arc<AdmissionAsk>>,
    /// Of the account.
    pub lease: Arc<LeaseAsk>,
    /// Of the session.
    pub sticky: Option<StickyAsk>,
    /// What is not renewed is free again after this, in milliseconds.
    pub ttl_ms: i64,
}

/// What the store took for an admission.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// Start of every money window of the ask, in its order.
    pub starts: Vec<Timestamp>,
    /// Per rate window of the ask: the bucket that counts it, and what the window holds now.
    pub rates: Vec<(i64, i64)>,
}

/// Answer to an [`AdmissionAsk`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdmissionAnswer {
    /// Everything is taken.
    Granted(Taken),
    /// The key's slots are taken.
    KeyBusy,
    /// The owner's slots are taken.
    UserBusy,
    /// A rate is exhausted: its index, and the wait in milliseconds that helps.
    Rate(usize, Option<i64>),
    /// A money limit is exhausted: its window, and when that ends.
    Money(CostWindow, Option<Timestamp>),
}

/// What of an account the shared store had no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// A slot.
    Slots,
    /// A request of the minute.
    Rpm,
    /// Tokens of the minute.
    Tpm,
    /// Budget of the day.
    Budget,
    /// The place of the one probe of a half-open breaker.
    Probe,
}

/// Answer to a [`LeaseAsk`]: what the account holds over all instances.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeaseAnswer {
    /// What is missing; `None` = granted.
    pub missing: Option<Missing>,
    /// When asking again may help, in milliseconds from now.
    pub wait_ms: i64,
    /// Live leases.
    pub slots: u32,
    /// Requests of the last minute.
    pub requests: i64,
    /// Tokens of the last minute.
    pub tokens: i64,
    /// Cost of the day, spent and reserved.
    pub spent: Nanos,
    /// The bucket that counts the tokens.
    pub bucket: i64,
}

/// Answer to a [`ReserveAsk`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReserveAnswer {
    /// Absent when nothing was asked.
    pub admission: Option<AdmissionAnswer>,
    /// Of the account. Taken even when the admission was refused: the asker gives it back.
    pub lease: LeaseAnswer,
    /// Where the session is bound now.
    pub bound: Option<AccountId>,
}

/// Something that the store shall give back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SharedEnd {
    /// A slot of an account.
    Lease {
        /// What was taken.
        ask: Arc<LeaseAsk>,
        /// The bucket of its tokens.
        bucket: i64,
        /// Correction of the tokens.
        tokens: i64,
        /// What it cost.
        cost: Nanos,
        /// The request counts nowhere.
        withdrawn: bool,
    },
    /// A hold on money and rates.
    Hold {
        /// What was taken.
        ask: Arc<AdmissionAsk>,
        /// Where.
        taken: Arc<Taken>,
        /// How it ends.
        resolution: Resolution,
    },
    /// Slots of key and owner.
    Permit {
        /// What was taken.
        ask: Arc<AdmissionAsk>,
    },
}

/// What this instance holds in the store, to be renewed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Slots of accounts.
    pub leases: Vec<Arc<LeaseAsk>>,
    /// Admissions with what each still holds.
    pub admissions: Vec<HeldAdmission>,
    /// Life of what is renewed, in milliseconds.
    pub ttl_ms: i64,
}

/// An admission as it is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldAdmission {
    /// What was asked.
    pub ask: Arc<AdmissionAsk>,
    /// What was taken.
    pub taken: Arc<Taken>,
    /// Its hold is open.
    pub hold: bool,
    /// Its slots are taken.
    pub permit: bool,
}

/// What could not be taken again, as indexes into [`Holdings`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lost {
    /// Of `leases`.
    pub leases: Vec<usize>,
    /// Of `admissions`.
    pub admissions: Vec<usize>,
}

/// How an account stands, as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredStanding {
    /// The account.
    pub account: AccountId,
    /// Counts up with every write.
    pub version: i64,
    /// As written.
    pub text: String,
}

/// What another instance, or the store, made known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A slot of a full account came free.
    AccountSlot(AccountId),
    /// A slot of a full key or owner came free.
    KeySlot(UserId, KeyId),
    /// An account stands otherwise than it did.
    Standing(AccountId),
    /// News may have been missed: the connection is new, or what the store held is gone.
    Missed,
}

//! What the billing actor hears.

use std::sync::Arc;

use actix::Message;
use tokio::sync::oneshot;

use super::KeyLimits;
use crate::domain::account::Platform;
use crate::domain::id::{AttemptId, KeyId};
use crate::domain::key::KeyPolicy;
use crate::domain::model::Family;
use crate::domain::money::Nanos;
use crate::domain::route::RefusalReason;
use crate::domain::time::Timestamp;
use crate::guard::{Hold, HoldEnded, Permit, PermitReturned};

/// The scheduler asks for admission: rate windows, then the key's and the owner's slot, then the hold. All or nothing.
/// Answered with `AdmitDecided` in the same turn.
#[derive(Message, Debug, Clone)]
#[rtype(result = "()")]
pub struct Admit {
    /// For which request.
    pub attempt: AttemptId,
    /// Whose limits.
    pub key: Arc<KeyPolicy>,
    /// What kind of traffic, for the weekly Claude limit.
    pub platform: Platform,
    /// Model family, for windows of one family.
    pub family: Family,
    /// Tokens to reserve on token windows.
    pub tokens_estimate: u64,
    /// Charge to reserve.
    pub charge_estimate: Nanos,
    /// False = refused for want of a price, once rates and slots have passed.
    pub priced: bool,
}

/// Everything that admission reserved.
#[derive(Debug)]
pub struct Admitted {
    /// The reservation.
    pub hold: Hold,
    /// The key's slot.
    pub permit: Permit,
    /// What is left of the caller's limits, for the rate-limit headers of the answer.
    pub limits: LimitsLeft,
}

/// What is left of a key's own limits. An unlimited dimension is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitsLeft {
    /// Requests per minute.
    pub requests: Option<Left>,
    /// Tokens of the tightest token window.
    pub tokens: Option<Left>,
}

/// One limit and what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// The limit.
    pub limit: i64,
    /// What is left.
    pub remaining: i64,
    /// When it is whole again.
    pub reset_at: Timestamp,
}

/// Why admission failed. Nothing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdmitRefused {
    /// A slot of the key is missing: worth waiting for.
    KeyBusy,
    /// A slot of the owner is missing: worth waiting for.
    UserBusy,
    /// A limit is exhausted.
    Limited {
        /// Which.
        reason: RefusalReason,
        /// Milliseconds until it refills, for windows.
        retry_after_ms: Option<i64>,
        /// When it starts again, for money.
        reset_at: Option<Timestamp>,
    },
}

/// A batch of holds was resolved at the workers.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct HoldsEnded(pub Vec<HoldEnded>);

/// A batch of key slots came back. Each is told on as `KeySlotFreed`.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct PermitsReturned(pub Vec<PermitReturned>);

/// The management API asks what a key has used. Answered at once.
#[derive(Message)]
#[rtype(result = "()")]
pub struct AskLimits {
    /// Which key.
    pub key: KeyId,
    /// Where the answer goes; `None` for a key that has made no request.
    pub reply: oneshot::Sender<Option<KeyLimits>>,
}

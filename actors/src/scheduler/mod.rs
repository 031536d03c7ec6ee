//! The scheduler: answers "which account serves this attempt?", one attempt at a time (`scheduling.md`).
//!
//! *Owns* pool membership, the last view of every account, its own unconfirmed reservations (the mirror), sticky
//! bindings, the wait list, the retry budget and the decision records.
//! *Hears* `Route` and `LeaveQueue` from workers, `AdmitDecided` and `KeySlotFreed` from the billing actor,
//! `AcquireDecided` and `ViewChanged` from accounts, `ReserveDecided` from the fleet's actor, `AccountRestarted` and `AccountGone` from their supervisor,
//! `LeasesEnded` from the outboxes, and `Inquiry` from the management API and the metrics.
//! *Tells* the billing actor `Admit`, accounts `Acquire` and `Ended`, and the asker its `Grant` or `Refusal`.
//! *Never* waits in a handler, touches SQL or the network, or decides twice for one attempt: the account in the lease is
//! the account that is used.
//!
//! Selection and reservation are one step: in the handler that picks an account its mirror grows by one, so that the next
//! request already sees the slot as taken. The account's actor has the last word; when it refuses, the next candidate is
//! asked.
//!
//! Mailbox: unbounded as every actix mailbox is (`do_send`); [`MAILBOX_EXPECTED`] is the size beyond which the depth gauge
//! means trouble. It is one question per admitted request plus the answers of two actors, and the front door admits at most
//! that many requests.

pub mod messages;

mod actor;
mod asking;

mod inquire;
mod pending;
mod state;

mod admitting;
mod confirming;
mod refuse;
mod select;
mod waiting;

pub mod exclusion;
mod filter;
pub mod headroom;
mod pool;
pub mod rank;
mod shortlist;

mod budget;
mod queue;
mod sticky;

pub mod explain;
pub mod stats;

#[cfg(any(test, feature = "testing"))]
pub mod machine;
#[cfg(any(test, feature = "testing"))]
pub mod rival;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::oneshot;

use crate::account::messages::Acquire;
use crate::account::view::AccountView;
use crate::billing::BillingActor;
use crate::billing::messages::LimitsLeft;
use crate::clock::Clock;
use crate::domain::id::{AccountId, AttemptId, KeyId, RequestId};
use crate::domain::route::{DecisionNotes, Refusal, RefusalReason, RouteRequest, SessionHash};
use crate::domain::settings::Settings;
use crate::domain::time::Timestamp;
use crate::fleet::{FleetActor, Share};
use crate::guard::{Hold, Lease, LeaseEnded, Permit};
use crate::handle::Mailbox;
use crate::outbox::Outbox;

use explain::DecisionRecord;
use messages::{Inquiry, LeaveQueue, Route};
use stats::{QueueStats, SchedulerStats};

pub use actor::SchedulerActor;

/// Messages that may queue while all is well: a burst of this many requests, three messages each.
pub const MAILBOX_EXPECTED: i64 = 30_000;

/// What a granted attempt gets.
#[derive(Debug)]
pub struct Grant {
    /// The account's slot, spec and credential.
    pub lease: Lease,
    /// What admission reserved; only when the question asked for it.
    pub admission: Option<Admission>,
    /// How the decision came about.
    pub notes: DecisionNotes,
}

/// What admission reserved for the whole request.
#[derive(Debug)]
pub struct Admission {
    /// Budget.
    pub hold: Hold,
    /// The key's slot.
    pub permit: Permit,
    /// For the rate-limit headers.
    pub limits: LimitsLeft,
}

/// Where the scheduler's messages to accounts go. The system implements it with its directory of account mailboxes.
pub trait AccountMail: Send + Sync {
    /// Delivers an `Acquire`. False = the account has no actor now (it is being rebuilt); nothing was delivered.
    fn acquire(&self, account: AccountId, acquire: Acquire) -> bool;

    /// Delivers the end of a lease to the account that it names, now or when its actor is back. An account that no longer
    /// exists is ignored.
    fn ended(&self, ended: LeaseEnded);

    /// Asks every account to send its view (`ViewChanged`); called when the scheduler starts without any.
    fn announce(&self) {}
}

/// What a scheduler is built from; the same value builds it again after a panic.
#[derive(Clone)]
pub struct SchedulerDeps {
    /// Time.
    pub clock: Clock,
    /// Settings in force, read at each decision.
    pub settings: Arc<ArcSwap<Settings>>,
    /// The scheduler's own mailbox, for its depth.
    pub mailbox: Mailbox<SchedulerActor>,
    /// Who admits.
    pub billing: Mailbox<BillingActor>,
    /// Who grants slots.
    pub mail: Arc<dyn AccountMail>,
    /// Told whether requests wait.
    pub outbox: Outbox,
    /// Who confirms what is granted, and this instance's share meanwhile; `None` where an instance is alone.
    pub fleet: Option<(Mailbox<FleetActor>, Share)>,
}

/// A binding of a session, as the management API shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StickyBinding {
    /// The session.
    pub hash: SessionHash,
    /// Where it goes.
    pub account: AccountId,
    /// Whose session.
    pub key: KeyId,
    /// When it was bound.
    pub created_at: Timestamp,
    /// When it ends unless a hit renews it.
    pub expires_at: Timestamp,
}

/// Which bindings to list; absent = any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StickyFilter {
    /// Of this account.
    pub account: Option<AccountId>,
    /// Of this key.
    pub key: Option<KeyId>,
    /// At most this many, newest use first; 0 = all.
    pub limit: usize,
}

/// What an asker hears when the scheduler itself went away before it answered: it is rebuilt within a second.
const GONE: Refusal =
    Refusal { reason: RefusalReason::NoAccount, retry_after_ms: Some(1_000), reset_at: None, decision: None };

/// Speaks to the scheduler.
#[derive(Clone)]
pub struct SchedulerHandle(pub(crate) Mailbox<SchedulerActor>);

impl SchedulerHandle {
    /// A handle to the scheduler behind this mailbox.
    pub fn new(mailbox: Mailbox<SchedulerActor>) -> Self {
        Self(mailbox)
    }

    /// Asks for one attempt. Dropping the future leaves the queue and gives back what was already taken.
    ///
    /// # Errors
    /// The refusal says why no account serves the attempt, and when asking again may help.
    pub async fn route(&self, request: RouteRequest) -> Result<Grant, Refusal> {
        let (reply, answer) = oneshot::channel();
        let attempt = request.attempt;
        if !asking::ask(&self.0, Route { request, reply }) {
            return Err(GONE);
        }
        let mut leaving = Leaving { mailbox: &self.0, attempt: Some(attempt) };
        let result = answer.await;
        leaving.attempt = None;
        result.unwrap_or(Err(GONE))
    }

    /// Explains what `route` would decide now, without reserving, binding or waiting. `None` while the scheduler is down.
    pub async fn simulate(&self, request: RouteRequest) -> Option<DecisionRecord> {
        self.ask(|reply| Inquiry::Simulate(Box::new(request), reply)).await
    }

    /// Newest decisions first, at most `limit`; of one request, or of all.
    pub async fn decisions(&self, request: Option<RequestId>, limit: usize) -> Vec<Arc<DecisionRecord>> {
        self.ask(|reply| Inquiry::Decisions(request, limit, reply)).await.unwrap_or_default()
    }

    /// The last view of every account, by id.
    pub async fn views(&self) -> Vec<AccountView> {
        self.ask(Inquiry::Views).await.unwrap_or_default()
    }

    /// Who waits.
    pub async fn queue(&self) -> QueueStats {
        self.ask(Inquiry::Queue).await.unwrap_or_default()
    }

    /// Sticky bindings that are still alive.
    pub async fn sticky(&self, filter: StickyFilter) -> Vec<StickyBinding> {
        self.ask(|reply| Inquiry::Sticky(filter, reply)).await.unwrap_or_default()
    }

    /// Removes a binding; the session's next request chooses afresh. False = there was none.
    pub async fn forget_session(&self, session: SessionHash) -> bool {
        self.ask(|reply| Inquiry::ForgetSession(session, reply)).await.unwrap_or_default()
    }

    /// Refuses everyone who waits, and every further wait, with `Draining`. Requests that need not wait are still served.
    pub fn drain(&self) {
        // Without a scheduler nobody waits.
        let _ = self.0.tell(Inquiry::Drain);
    }

    /// Decisions worth storing since the last call: every refused one and 1 % of the rest.
    pub async fn take_kept(&self) -> Vec<Arc<DecisionRecord>> {
        self.ask(Inquiry::TakeKept).await.unwrap_or_default()
    }

    /// Counters for the metrics.
    pub async fn stats(&self) -> SchedulerStats {
        self.ask(Inquiry::Stats).await.unwrap_or_default()
    }

    async fn ask<T>(&self, inquiry: impl FnOnce(oneshot::Sender<T>) -> Inquiry) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.0.tell(inquiry(reply)).ok()?;
        answer.await.ok()
    }
}

/// Tells the scheduler when the asker's future is dropped before its answer.
struct Leaving<'a> {
    mailbox: &'a Mailbox<SchedulerActor>,
    attempt: Option<AttemptId>,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if let Some(attempt) = self.attempt {
            // Without a scheduler there is no queue to leave.
            let _ = self.mailbox.tell(LeaveQueue(attempt));
        }
    }
}

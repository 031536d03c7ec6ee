//! What the scheduler hears.

use std::sync::Arc;

use actix::Message;
use tokio::sync::oneshot;

use super::explain::DecisionRecord;
use super::stats::{QueueStats, SchedulerStats};
use super::{Grant, StickyBinding, StickyFilter};
use crate::account::messages::{AcquireRefused, Acquired};
use crate::account::view::AccountView;
use crate::billing::messages::{AdmitRefused, Admitted};
use crate::domain::id::{AccountId, AttemptId, KeyId, RequestId, UserId};
use crate::domain::route::{Refusal, RouteRequest, SessionHash};
use crate::fleet::messages::Reserved;
use crate::guard::LeaseEnded;

/// A worker asks for one attempt. When the asker has gone, the reply is dropped and its guards give everything back.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Route {
    /// The question.
    pub request: RouteRequest,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Result<Grant, Refusal>>,
}

/// What one worker asked in one turn of its runtime, in order: one wake-up of the engine for all of it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct RouteAll(pub Vec<Route>);

/// A waiting asker left; sent when its future is dropped. Late = the attempt is no longer waiting, ignored.
#[derive(Message)]
#[rtype(result = "()")]
pub struct LeaveQueue(pub AttemptId);

/// The billing actor decided an admission that the scheduler asked for.
#[derive(Message)]
#[rtype(result = "()")]
pub struct AdmitDecided {
    /// Which request.
    pub attempt: AttemptId,
    /// The guards, or why not.
    pub result: Result<Admitted, AdmitRefused>,
}

/// An account's actor decided an `Acquire`. Carries the fresh view either way.
#[derive(Message)]
#[rtype(result = "()")]
pub struct AcquireDecided {
    /// Which attempt.
    pub attempt: AttemptId,
    /// Who decided.
    pub view: Box<AccountView>,
    /// The lease, or why not.
    pub result: Result<Acquired, AcquireRefused>,
}

/// An account's state changed; sent by its actor after every event that could change a ranking or a filter.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ViewChanged(pub Box<AccountView>);

/// An account was deleted; it is forgotten at once.
#[derive(Message)]
#[rtype(result = "()")]
pub struct AccountGone(pub AccountId);

/// An account's actor was rebuilt; sent by its supervisor before the new actor's first view. What was asked of the old one
/// will never be answered: those attempts go on to the next candidate.
#[derive(Message)]
#[rtype(result = "()")]
pub struct AccountRestarted(pub AccountId);

/// A batch of leases ended at the workers; forwarded to the accounts' actors.
#[derive(Message)]
#[rtype(result = "()")]
pub struct LeasesEnded(pub Vec<LeaseEnded>);

/// A slot of a key or its owner came free; sent by the billing actor while the scheduler has key waiters.
#[derive(Message)]
#[rtype(result = "()")]
pub struct KeySlotFreed {
    /// The key.
    pub key: KeyId,
    /// Its owner.
    pub user: UserId,
    /// Another instance gave it back: those whom the shared store refused may try again.
    pub elsewhere: bool,
}

/// The fleet's actor decided a confirmation that the scheduler asked for.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ReserveDecided {
    /// Which attempt.
    pub attempt: AttemptId,
    /// What became of it.
    pub outcome: Reserved,
}

/// A question or command of the management API, the metrics or the shutdown. An answer whose asker has gone is dropped.
#[derive(Message)]
#[rtype(result = "()")]
pub enum Inquiry {
    /// What would be decided now.
    Simulate(Box<RouteRequest>, oneshot::Sender<DecisionRecord>),
    /// The newest decisions, of one request or of all.
    Decisions(Option<RequestId>, usize, oneshot::Sender<Vec<Arc<DecisionRecord>>>),
    /// Every account's last view.
    Views(oneshot::Sender<Vec<AccountView>>),
    /// Who waits.
    Queue(oneshot::Sender<QueueStats>),
    /// Live sticky bindings.
    Sticky(StickyFilter, oneshot::Sender<Vec<StickyBinding>>),
    /// Remove a binding; answers whether there was one.
    ForgetSession(SessionHash, oneshot::Sender<bool>),
    /// Refuse everyone who waits, now and from now on.
    Drain,
    /// Hand over the decisions worth storing.
    TakeKept(oneshot::Sender<Vec<Arc<DecisionRecord>>>),
    /// Counters.
    Stats(oneshot::Sender<SchedulerStats>),
}

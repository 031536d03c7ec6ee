//! The scheduler.
pub mod messages;

use crate::billing::messages::LimitsLeft;
use crate::domain::route::{DecisionNotes, Refusal, RouteRequest};
use crate::guard::{Hold, Lease, Permit};
use crate::handle::Mailbox;

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

/// The actor; see the module docs.
pub struct SchedulerActor {}

/// Speaks to the scheduler.
#[derive(Clone)]
pub struct SchedulerHandle(pub(crate) Mailbox<SchedulerActor>);

impl SchedulerHandle {
    /// Asks for one attempt. Dropping the future leaves the queue and gives back what was already taken.
    pub async fn route(&self, request: RouteRequest) -> Result<Grant, Refusal> {
        let _ = request;
        todo!("scheduler")
    }
}

impl actix::Actor for SchedulerActor {
    type Context = actix::Context<Self>;
}

impl actix::Handler<messages::Route> for SchedulerActor {
    type Result = ();
    fn handle(&mut self, _: messages::Route, _: &mut Self::Context) {
        todo!()
    }
}

impl actix::Handler<messages::LeaveQueue> for SchedulerActor {
    type Result = ();
    fn handle(&mut self, _: messages::LeaveQueue, _: &mut Self::Context) {
        todo!()
    }
}

impl actix::Handler<messages::AdmitDecided> for SchedulerActor {
    type Result = ();
    fn handle(&mut self, _: messages::AdmitDecided, _: &mut Self::Context) {
        todo!()
    }
}

impl actix::Handler<messages::AcquireDecided> for SchedulerActor {
    type Result = ();
    fn handle(&mut self, _: messages::AcquireDecided, _: &mut Self::Context) {
        todo!()
    }
}

impl actix::Handler<messages::ViewChanged> for SchedulerActor {
    type Result = ();
    fn handle(&mut self, _: messages::ViewChanged, _: &mut Self::Context) {
        todo!()
    }
}

impl actix::Handler<messages::AccountGone> for SchedulerActor {
    type Result = ();
    fn handle(&mut self, _: messages::AccountGone, _: &mut Self::Context) {
        todo!()
    }
}

impl actix::Handler<messages::LeasesEnded> for SchedulerActor {
    type Result = ();
    fn handle(&mut self, _: messages::LeasesEnded, _: &mut Self::Context) {
        todo!()
    }
}

impl actix::Handler<messages::KeySlotFreed> for SchedulerActor {
    type Result = ();
    fn handle(&mut self, _: messages::KeySlotFreed, _: &mut Self::Context) {
        todo!()
    }
}

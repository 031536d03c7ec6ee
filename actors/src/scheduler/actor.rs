//! Stub.
use actix::{Actor, Context, Handler};
use super::messages::*;
/// The actor.
pub struct SchedulerActor {}
impl SchedulerActor {
    /// A scheduler.
    pub fn new(_deps: super::SchedulerDeps) -> Self { todo!() }
}
impl Actor for SchedulerActor { type Context = Context<Self>; }
macro_rules! stub { ($($t:ty),*) => {$( impl Handler<$t> for SchedulerActor { type Result = (); fn handle(&mut self, _: $t, _: &mut Context<Self>) { todo!() } } )*} }
stub!(Route, LeaveQueue, AdmitDecided, AcquireDecided, ViewChanged, AccountGone, AccountRestarted, LeasesEnded, KeySlotFreed, Inquiry);

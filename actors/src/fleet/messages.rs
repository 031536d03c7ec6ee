//! What the fleet's actor hears.

use actix::Message;

use super::ask::{ReserveAnswer, ReserveAsk};
use super::book::LeaseOver;
use crate::domain::id::{AttemptId, LeaseId};
use crate::guard::{HoldEnded, PermitReturned};

/// The scheduler wants a granted attempt confirmed by the shared store. Answered with `ReserveDecided`.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Reserve {
    /// Which attempt.
    pub attempt: AttemptId,
    /// What it takes.
    pub ask: ReserveAsk,
    /// [`super::Share::turn`] when it was checked here.
    pub turn: u32,
}

/// What became of a [`Reserve`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// The store answered.
    Answered(Box<ReserveAnswer>),
    /// The store is away; granted within this instance's share of every limit.
    Apart,
    /// The rules have changed since the grant (the store has just gone or come back): decide anew.
    Again,
    /// The store is away, and without it nothing of this kind is granted.
    Closed,
}

/// A lease ended; forwarded by the scheduler. Late or repeated = nothing happens.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct LeasesOver(pub Vec<(LeaseId, LeaseOver)>);

/// Holds were resolved; forwarded by the billing actor.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct HoldsOver(pub Vec<HoldEnded>);

/// Slots of keys came back; forwarded by the billing actor.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct PermitsOver(pub Vec<PermitReturned>);

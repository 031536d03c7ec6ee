//! What the queue asks its actor to do.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::domain::usage::{JournalPosition, UsageEvent};
use crate::ports::UsageBatch;

/// A call of the sink.
#[derive(Debug)]
pub enum Work {
    /// Store, then count, then acknowledge. Without events: only positions.
    Store(Arc<UsageBatch>),
    /// Find out whether the sink works, with something that it has stored before.
    Probe(Arc<UsageBatch>),
    /// Set this event aside for that reason.
    SetAside(Box<UsageEvent>, String),
    /// Read at most so many records of a journal file that end after a position.
    Reread(JournalPosition, usize),
}

/// A timer of the actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// The first record of a batch has waited long enough.
    Linger,
    /// The wait after a failure is over.
    Rest,
}

/// What an event asks the actor to do.
#[derive(Debug, Default)]
pub struct Effects {
    /// Call the sink; the answer carries the number.
    pub work: Option<(u64, Work)>,
    /// Arm a timer, in ms; `None` = after `usage.flush_ms`.
    pub timers: Vec<(Timer, Option<i64>)>,
    /// Everything is stored: answer these.
    pub flushed: Vec<oneshot::Sender<()>>,
}

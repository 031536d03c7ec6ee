//! Runs periodic work: retention, kept decisions, the heartbeat, what time does to money, scheduled tests of accounts.
//!
//! *Owns* timers and the record of each job's runs. *Hears* its timers and [`messages::JobFinished`]. *Tells* the
//! [`Chores`](crate::ports::Chores) port. *Never* decides what a job does. A job that is still running is not started again.
//! *Mailbox*: actix's default; a dozen messages a minute.

mod actor;
mod job;
pub mod messages;
#[cfg(test)]
mod tests;

pub use actor::{HousekeepingActor, HousekeepingDeps, TakeKept, TestAccounts};
pub use job::{Job, JobBook, JobRuns};

use crate::handle::Mailbox;
use crate::kept::Kept;

/// Speaks to the housekeeping actor.
#[derive(Clone)]
pub struct HousekeepingHandle {
    mailbox: Mailbox<HousekeepingActor>,
    book: Kept<JobBook>,
}

impl HousekeepingHandle {
    /// A handle to the actor behind this mailbox, which writes to `book`.
    pub fn new(mailbox: Mailbox<HousekeepingActor>, book: Kept<JobBook>) -> Self {
        Self { mailbox, book }
    }

    /// How every job has run so far, for metrics and the management API.
    pub fn jobs(&self) -> Vec<(Job, JobRuns)> {
        self.book.with(|book| Job::ALL.into_iter().map(|job| (job, book.runs(job))).collect())
    }

    /// True while this instance does what one instance does for all; always false where it is alone, and does so anyway.
    pub fn leads(&self) -> bool {
        self.book.with(|book| book.leads())
    }

    /// True while the actor runs.
    pub fn is_up(&self) -> bool {
        self.mailbox.is_up()
    }
}

//! Usage on its way to SQL: batches, retries, and nothing lost.
//!
//! *Owns* the [`Queue`]: what is journalled and not yet stored. *Hears* [`messages::RecordUsage`] from the workers and the
//! replay, [`messages::Flush`], and the answers of the [`UsageSink`](crate::ports::UsageSink). *Tells* that sink: one call at a
//! time, first SQL, then the counters, then the journal. *Never* drops a record whose journal position it has passed.
//! *Mailbox*: actix's default; records are in the journal before they come here, and memory is bounded by [`queue::MEMORY`]
//! records: beyond it they are left in the journal and read again later.
//!
//! After a panic a new actor goes on with the same queue and reads the journal files again from what it had taken in, because
//! messages in the mailbox died with the old one. SQL ignores what comes twice.

mod actor;
mod batch;
pub mod messages;
pub mod plan;
pub mod queue;
mod reread;
mod stats;
#[cfg(test)]
mod tests;
mod write;

use tokio::sync::oneshot;

pub use actor::{UsageActor, UsageDeps};
pub use queue::Queue;
pub use stats::UsageStats;

use crate::clock::Clock;
use crate::handle::Mailbox;
use crate::kept::Kept;
use crate::outbox::Recorded;
use messages::{Flush, RecordUsage};

/// Speaks to the usage actor.
#[derive(Clone)]
pub struct UsageHandle {
    mailbox: Mailbox<UsageActor>,
    queue: Kept<Queue>,
    clock: Clock,
}

impl UsageHandle {
    /// A handle to the actor behind this mailbox, which keeps this queue.
    pub fn new(mailbox: Mailbox<UsageActor>, queue: Kept<Queue>, clock: Clock) -> Self {
        Self { mailbox, queue, clock }
    }

    /// Hands journalled records over. An actor under repair finds them in the journal when it is back.
    pub fn record(&self, records: Vec<Recorded>) {
        let _ = self.mailbox.tell(RecordUsage(records));
    }

    /// Stores what a replay found, in parts that memory has room for: the attempts that it found interrupted are in no
    /// journal file to be read again. While SQL is down this waits.
    pub async fn store(&self, records: Vec<Recorded>) {
        let mut records = records.into_iter();
        loop {
            let part: Vec<Recorded> = records.by_ref().take(queue::MEMORY).collect();
            if part.is_empty() {
                return;
            }
            self.record(part);
            self.flush().await;
        }
    }

    /// Returns when everything recorded so far is stored, or when no actor is there. While SQL is down this waits: callers
    /// bring a deadline.
    pub async fn flush(&self) {
        let mut reply = oneshot::channel();
        while self.mailbox.tell(Flush(reply.0)).is_ok() {
            if reply.1.await.is_ok() {
                return;
            }
            reply = oneshot::channel();
        }
    }

    /// Pending records and counters, for metrics and tests.
    pub fn stats(&self) -> UsageStats {
        self.queue.with(|queue| queue.stats(self.clock.now()))
    }
}

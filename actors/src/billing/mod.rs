//! Limits of keys and their owners: rate windows, slots, and holds on money windows.
//!
//! *Owns* the [`Ledger`]: what every key has used, holds and permits. *Hears* [`messages::Admit`] from the scheduler,
//! [`messages::HoldsEnded`] and [`messages::PermitsReturned`] from the workers, questions of the management API. *Tells* the
//! scheduler `AdmitDecided` in the turn of the question, and `KeySlotFreed`. *Never* waits, prices anything or says SQL.
//! *Mailbox*: actix's default; the front door bounds what is in flight, and an outcome must never be refused.
//!
//! After a panic the supervisor builds a new actor around the same ledger, so used amounts, holds and slots go on. Ends of
//! holds that were in the mailbox died with the actor: what was open then is freed after [`ledger::AFTER_PANIC`], and a
//! settlement that comes later still books its charge.

mod actor;
mod admission;
pub mod ledger;
pub(crate) mod limits;
#[cfg(any(test, feature = "testing"))]
pub mod machine;
pub mod messages;
mod money;
mod resolution;
pub mod shared;
mod snapshot;
#[cfg(test)]
mod tests;
pub mod windows;

use tokio::sync::oneshot;

pub use actor::{BillingActor, BillingDeps};
pub use ledger::Ledger;
pub use snapshot::{BillingStats, KeyLimits, RateUse, WindowUse};

use crate::domain::id::KeyId;
use crate::handle::Mailbox;
use crate::kept::Kept;
use messages::AskLimits;

/// Speaks to the billing actor.
#[derive(Clone)]
pub struct BillingHandle {
    mailbox: Mailbox<BillingActor>,
    ledger: Kept<Ledger>,
}

impl BillingHandle {
    /// A handle to the actor behind this mailbox, which keeps this ledger.
    pub fn new(mailbox: Mailbox<BillingActor>, ledger: Kept<Ledger>) -> Self {
        Self { mailbox, ledger }
    }

    /// What a key has used of its limits; `None` when it has made no request since the start (then its stored amounts
    /// hold) or while the actor is being rebuilt.
    pub async fn limits(&self, key: KeyId) -> Option<KeyLimits> {
        let (reply, answer) = oneshot::channel();
        self.mailbox.tell(AskLimits { key, reply }).ok()?;
        answer.await.ok()?
    }

    /// Open holds and slots and the counters, for metrics and tests.
    pub fn stats(&self) -> BillingStats {
        self.ledger.with(|ledger| ledger.stats())
    }
}

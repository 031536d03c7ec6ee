//! What this instance shares with others: slots, rates, budgets and holds in a store that decides atomically
//! (`scheduling.md` §11, §12; ADR 0010).
//!
//! *Owns* the [`book::Book`]: everything this instance holds in the store, to renew it and to give it back. *Hears*
//! [`messages::Reserve`] from the scheduler, ends from the scheduler and the billing actor, answers and news of the store.
//! *Tells* the scheduler `ReserveDecided` and freed slots, the accounts what others hold of them. *Never* waits, and never
//! decides by itself, but for one thing: when the store is away it grants within this instance's [`share::Share`] of every
//! limit, or refuses, as the settings say.
//!
//! The scheduler, the billing actor and the accounts decide first, by what this instance knows; the store confirms. So an
//! instance alone runs the same code without this actor, and in a fleet one trip to the store stands before an upstream call.
//!
//! Mailbox: actix's default; one reservation and three ends per request in flight, which the front door bounds.

pub mod actor;
pub mod ask;
pub mod book;
pub mod messages;
pub mod share;
#[cfg(test)]
mod tests;

pub use actor::{FleetActor, FleetDeps};
pub use share::Share;

use std::time::Duration;

use crate::kept::Kept;
use book::{Book, BookStats};

/// A stopping engine looks this often whether everything was given back.
const LOOK: Duration = Duration::from_millis(5);

/// Looks at what this instance holds in the shared store.
#[derive(Clone)]
pub struct FleetHandle {
    book: Kept<Book>,
    share: Share,
}

impl FleetHandle {
    /// A handle to this book.
    pub fn new(book: Kept<Book>, share: Share) -> Self {
        Self { book, share }
    }

    /// Gauges.
    pub fn stats(&self) -> BookStats {
        self.book.with(|book| book.stats())
    }

    /// Returns when nothing is held and nothing waits to be given back.
    pub async fn returned(&self) {
        loop {
            let BookStats { leases, admissions, ends, .. } = self.stats();
            if leases + admissions + ends == 0 {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// True while the shared store decides.
    pub fn is_together(&self) -> bool {
        self.share.is_together()
    }
}

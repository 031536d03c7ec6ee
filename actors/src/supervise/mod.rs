//! Supervision by factory: a dead actor is built anew from its stored source, with backoff, a restart counter, and a limit.
//! actix's own `Supervisor` does not survive a panic.
//!
//! Each actor carries a sentinel (`handle::Mailbox::start_watched`) whose drop tells the supervisor at once. What an actor
//! owes to others outlives it: accounts keep an [`AccountCell`](crate::account::cell::AccountCell), singletons a
//! [`Kept`](crate::kept::Kept) state, mailboxes their obligations. The supervisor is a plain task on the engine's thread,
//! not an actor: nothing above it could rebuild it.

pub mod backoff;
mod obligations;
mod singletons;
mod wards;

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::domain::id::AccountId;
use crate::domain::money::Nanos;
use crate::ports::{PortError, StoredAccount};

pub use singletons::{OnCrashLoop, Singleton, Singletons};
pub use wards::Wards;
pub(crate) use wards::spent_today;

/// A rebuild waits at most this long for storage; then the last known row serves.
pub(crate) const READ_PATIENCE: Duration = Duration::from_millis(400);

/// What the supervisor is told.
pub enum Order {
    /// Read a stored account again and create, update or remove its actor.
    Reload(AccountId, Option<oneshot::Sender<Result<(), PortError>>>),
    /// Storage answered a reload.
    Read(AccountId, ReadAccount, Option<oneshot::Sender<Result<(), PortError>>>),
    /// An account's actor died.
    AccountDied(AccountId),
    /// Build an account's actor anew; without a row, from the last known one.
    RebuildAccount(AccountId, Option<StoredAccount>),
    /// A person believes in a given-up account again.
    Revive(AccountId),
    /// The versions of every stored account; differences are reloaded.
    Versions(Vec<(AccountId, i64)>),
    /// A singleton died.
    SingletonDied(Singleton),
    /// Build a singleton anew.
    RebuildSingleton(Singleton),
    /// No more rebuilds; the system stops.
    Stop,
}

/// A stored account with what its budget day has cost so far; `None` = deleted.
pub type ReadAccount = Result<Option<(StoredAccount, Nanos)>, PortError>;

/// Watches over every actor of the engine.
pub struct Supervisor {
    orders: mpsc::UnboundedReceiver<Order>,
    wards: Wards,
    singletons: Singletons,
}

impl Supervisor {
    /// A supervisor over these.
    pub fn new(orders: mpsc::UnboundedReceiver<Order>, wards: Wards, singletons: Singletons) -> Self {
        Self { orders, wards, singletons }
    }

    /// Carries out orders until told to stop.
    pub async fn run(mut self) {
        while let Some(order) = self.orders.recv().await {
            match order {
                Order::Reload(id, reply) => self.wards.read(id, reply),
                Order::Read(id, read, reply) => self.wards.take(id, read, reply),
                Order::AccountDied(id) => self.wards.died(id),
                Order::RebuildAccount(id, stored) => self.wards.rebuild(id, stored),
                Order::Revive(id) => self.wards.revive(id),
                Order::Versions(versions) => self.wards.compare(&versions),
                Order::SingletonDied(which) => self.singletons.died(which),
                Order::RebuildSingleton(which) => self.singletons.rebuild(which),
                Order::Stop => return,
            }
        }
    }
}

/// Gives an order after a while.
pub(crate) fn order_later(orders: &mpsc::UnboundedSender<Order>, wait_ms: i64, order: Order) {
    let orders = orders.clone();
    let wait = Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0));
    actix_rt::spawn(async move {
        tokio::time::sleep(wait).await;
        // The supervisor is gone only when the system stops.
        let _ = orders.send(order);
    });
}

/// Runs when a watched actor has ended.
pub(crate) type Ended = Box<dyn FnOnce()>;

/// Starts one actor in its mailbox; called for its birth and for every rebuild.
pub(crate) type Starter = Rc<dyn Fn(Ended)>;

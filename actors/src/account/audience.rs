//! Who watches the accounts. In the product it is the scheduler's mailbox; tests listen for themselves.

use crate::account::view::AccountView;
use crate::domain::id::AccountId;
use crate::scheduler::messages::AcquireDecided;

/// Hears what accounts say. A message that nobody takes is dropped: a rebuilt scheduler asks every account to show itself,
/// and an undelivered lease gives its slot back by itself.
pub trait Audience: Send + Sync {
    /// An account's state changed.
    fn changed(&self, view: Box<AccountView>);
    /// An account decided an `Acquire`.
    fn decided(&self, decision: AcquireDecided);
    /// An account's actor died: what it was asked is lost, its leases are not.
    fn restarted(&self, id: AccountId);
    /// An account was deleted.
    fn gone(&self, id: AccountId);
}

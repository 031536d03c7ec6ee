//! Which account's messages go where. Read by the scheduler on its hot path and by handles on any thread; written only
//! by the supervisor.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::AccountActor;
use super::messages::{Acquire, Ended};
use crate::domain::id::AccountId;
use crate::guard::LeaseEnded;
use crate::handle::Mailbox;

type Boxes = HashMap<AccountId, Mailbox<AccountActor>>;

/// The mailboxes of every account.
#[derive(Default)]
pub struct Directory(ArcSwap<Boxes>);

impl Directory {
    /// The mailbox of an account, whether or not its actor is up.
    pub fn get(&self, id: AccountId) -> Option<Mailbox<AccountActor>> {
        self.0.load().get(&id).cloned()
    }

    /// Every account, in no order.
    pub fn all(&self) -> Vec<(AccountId, Mailbox<AccountActor>)> {
        self.0.load().iter().map(|(id, mailbox)| (*id, mailbox.clone())).collect()
    }

    /// Adds mailboxes; a known account keeps the one it has.
    pub(crate) fn add(&self, new: impl IntoIterator<Item = (AccountId, Mailbox<AccountActor>)>) {
        let mut boxes = Boxes::clone(&self.0.load());
        for (id, mailbox) in new {
            boxes.entry(id).or_insert(mailbox);
        }
        self.0.store(Arc::new(boxes));
    }

    /// Forgets an account.
    pub(crate) fn remove(&self, id: AccountId) -> Option<Mailbox<AccountActor>> {
        let mut boxes = Boxes::clone(&self.0.load());
        let gone = boxes.remove(&id);
        self.0.store(Arc::new(boxes));
        gone
    }

    /// Asks an account for a slot. False when no actor is there to decide: unknown, or being rebuilt.
    pub fn acquire(&self, id: AccountId, ask: Acquire) -> bool {
        self.0.load().get(&id).is_some_and(|mailbox| mailbox.tell(ask).is_ok())
    }

    /// Gives a lease back to its account; waits for the rebuilt actor if need be. A deleted account has nothing to get.
    pub fn ended(&self, ended: LeaseEnded) {
        if let Some(mailbox) = self.0.load().get(&ended.account) {
            mailbox.record(Ended(ended));
        }
    }
}

//! One actor per upstream account.
//!
//! *Owns* its slots and leases, request and token rates, daily budget, token and its refresh, health score, breaker,
//! vendor windows and cooldowns: it is their only writer. *Hears* `Acquire` and `Ended` from the scheduler, `Reload`,
//! `Reset`, `Tested` from the management API, `Checked` from scheduled tests, `NewerCredential` from workers, and the results of its own port calls.
//! *Tells* the scheduler every change (`ViewChanged`, `AcquireDecided`). *Never* waits inside a handler and never edits
//! another account. What must outlive a panic (promises to workers, facts about the vendor) lives in its [`cell`].
//!
//! Mailbox: stated as 4 096, one `Acquire` and one `Ended` per request in flight, with room for a batch of workers.
//! actix does not enforce it; back-pressure is applied at the front door, the depth is a gauge.

pub mod messages;
pub mod view;

mod acquire;
mod consequence;
mod outcome;
mod probe;
mod refresh;
pub mod state;
mod status;
mod together;
mod token;

mod averages;
mod breaker;
pub(crate) mod budget;
pub mod cell;
mod cooldown;
mod health;
mod ledger;
pub mod shared;
mod windows;

pub mod actor;
pub mod audience;
mod call;
pub mod checkup;
mod chronicle;
pub mod deps;
pub mod directory;
pub mod due;
pub(crate) mod effects;
mod exchange;
pub mod gate;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use self::directory::Directory;
use self::messages::{GetDetail, NewerCredential, RefreshNow, ReleaseLease, Reset, Tested};
use self::view::{AccountDetail, LeaseInfo};
use crate::domain::credential::Credential;
use crate::domain::id::{AccountId, LeaseId};
use crate::ports::{PortError, RefreshError};
use crate::supervise::Order;

pub use self::actor::AccountActor;

/// Speaks to the accounts, from any thread.
#[derive(Clone)]
pub struct AccountsHandle {
    pub(crate) directory: Arc<Directory>,
    pub(crate) orders: mpsc::UnboundedSender<Order>,
}

impl AccountsHandle {
    /// A credential newer than the refused `seen_version`, by refresh if need be; every caller shares one exchange.
    ///
    /// # Errors
    /// `Transient` when the vendor or storage did not answer in time, `Permanent` when a person must authorise again.
    pub async fn newer_credential(&self, id: AccountId, seen_version: i64) -> Result<Arc<Credential>, RefreshError> {
        let (reply, answer) = oneshot::channel();
        let told = self.directory.get(id).is_some_and(|m| m.tell(NewerCredential { seen_version, reply }).is_ok());
        credential_answer(told, answer).await
    }

    /// Refreshes the token whatever the time left.
    ///
    /// # Errors
    /// As [`Self::newer_credential`].
    pub async fn refresh_now(&self, id: AccountId) -> Result<Arc<Credential>, RefreshError> {
        let (reply, answer) = oneshot::channel();
        let told = self.directory.get(id).is_some_and(|m| m.tell(RefreshNow(reply)).is_ok());
        credential_answer(told, answer).await
    }

    /// Reads the stored account again and creates, updates or removes its actor. Call after every management write.
    ///
    /// # Errors
    /// Storage could not be read; nothing has changed then.
    pub async fn reload(&self, id: AccountId) -> Result<(), PortError> {
        let (reply, answer) = oneshot::channel();
        let stopped = || PortError("the engine has stopped".to_owned());
        self.orders.send(Order::Reload(id, Some(reply))).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Takes the version of every stored account: actors whose row differs read it again, and so do those that are not
    /// listed, which may be gone. For changes that another process made.
    pub fn compare(&self, versions: Vec<(AccountId, i64)>) {
        // The supervisor is gone only when the system stops.
        let _ = self.orders.send(Order::Versions(versions));
    }

    /// Health 100, breaker closed, soft cooldowns cleared; with `everything` hard ones and vendor windows too. Revives an
    /// account whose actor was given up. False when the account is unknown.
    pub fn reset(&self, id: AccountId, everything: bool) -> bool {
        let _ = self.orders.send(Order::Revive(id));
        self.directory.get(id).is_some_and(|m| m.tell(Reset { everything }).is_ok())
    }

    /// Tells what a test of the credential found. False when the account is unknown.
    pub fn tested(&self, id: AccountId, ok: bool) -> bool {
        self.directory.get(id).is_some_and(|m| m.tell(Tested { ok }).is_ok())
    }

    /// Everything that the account's actor knows; `None` when it is unknown or being rebuilt.
    pub async fn detail(&self, id: AccountId) -> Option<AccountDetail> {
        let (reply, answer) = oneshot::channel();
        self.directory.get(id)?.tell(GetDetail(reply)).ok()?;
        answer.await.ok()
    }

    /// Live leases, oldest first.
    pub async fn leases(&self, id: AccountId) -> Vec<LeaseInfo> {
        self.detail(id).await.map(|detail| detail.leases).unwrap_or_default()
    }

    /// Takes a lease away by force; its holder streams on, uncounted. False when it was not live.
    pub async fn release(&self, id: AccountId, lease: LeaseId) -> bool {
        let (reply, answer) = oneshot::channel();
        let told = self.directory.get(id).is_some_and(|m| m.tell(ReleaseLease { lease, reply }).is_ok());
        told && answer.await.unwrap_or(false)
    }

    /// Every account that has an actor or waits for one, in ascending order.
    pub fn ids(&self) -> Vec<AccountId> {
        let mut ids: Vec<_> = self.directory.all().into_iter().map(|(id, _)| id).collect();
        ids.sort_unstable();
        ids
    }

    /// Fault hook of tests: the account's actor panics.
    #[cfg(any(test, feature = "testing"))]
    pub fn panic_now(&self, id: AccountId) -> bool {
        self.directory.get(id).is_some_and(|m| m.tell(messages::PanicNow).is_ok())
    }
}

async fn credential_answer(
    told: bool,
    answer: oneshot::Receiver<Result<Arc<Credential>, RefreshError>>,
) -> Result<Arc<Credential>, RefreshError> {
    let away = || RefreshError::Transient("the account is not available".to_owned());
    if !told {
        return Err(away());
    }
    answer.await.map_err(|_| away())?
}

//! What the engine asks of the outside, as traits. The root package implements them; tests use fakes.
//!
//! Every call returns a future that may be polled on the engine's thread: it only waits, the work runs elsewhere.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::domain::account::{AccountSpec, AccountStatus};
use crate::domain::credential::Credential;
use crate::domain::id::AccountId;
use crate::domain::money::Nanos;
use crate::domain::settings::Settings;
use crate::domain::time::Timestamp;
use crate::domain::usage::{JournalPosition, UsageEvent};
use crate::fleet::ask::{Holdings, Lost, News, ReserveAnswer, ReserveAsk, SharedEnd, StoredStanding};
use crate::outbox::Recorded;

/// A port's answer, later.
pub type PortFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The outside could not do it; the text is for logs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PortError(pub String);

/// An account with its secret, as stored.
#[derive(Debug, Clone)]
pub struct StoredAccount {
    /// The row.
    pub spec: Arc<AccountSpec>,
    /// Its credential; `None` when it cannot be read (and then the account cannot be scheduled).
    pub credential: Option<Arc<Credential>>,
}

/// Where accounts are stored.
pub trait AccountStore: Send + Sync {
    /// Every account that is not deleted.
    fn load_all(&self) -> PortFuture<Result<Vec<StoredAccount>, PortError>>;

    /// One account; `None` when it does not exist or is deleted.
    fn load(&self, id: AccountId) -> PortFuture<Result<Option<StoredAccount>, PortError>>;

    /// Stores a new pair of tokens before it is used. Returns the stored credential: ours with its new version, or the
    /// one that another process stored meanwhile (`seen_version` is no longer current).
    fn save_credential(
        &self,
        id: AccountId,
        seen_version: i64,
        new: Credential,
    ) -> PortFuture<Result<Arc<Credential>, PortError>>;

    /// Id and row version of every account that is not deleted: what the periodic re-read compares. The default reads
    /// everything; a store that can do better should.
    fn versions(&self) -> PortFuture<Result<Vec<(AccountId, i64)>, PortError>> {
        let all = self.load_all();
        Box::pin(async move { Ok(all.await?.into_iter().map(|a| (a.spec.id, a.spec.version)).collect()) })
    }

    /// What an account has cost since a moment, so that its daily budget survives a restart of the process. The default
    /// knows nothing.
    fn spent_since(&self, id: AccountId, since: Timestamp) -> PortFuture<Result<Nanos, PortError>> {
        let _ = (id, since);
        Box::pin(std::future::ready(Ok(Nanos::ZERO)))
    }

    /// Stores a status change with its reason.
    fn save_status(
        &self,
        id: AccountId,
        status: AccountStatus,
        reason: Option<String>,
    ) -> PortFuture<Result<(), PortError>>;
}

/// How a token exchange failed (`scheduling.md` §18).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefreshError {
    /// Network, 429 or 5xx: try again later, keep the current token.
    #[error("token refresh failed for now: {0}")]
    Transient(String),
    /// The vendor refused the refresh token for good: a person must authorise again.
    #[error("token refresh refused: {0}")]
    Permanent(String),
}

/// Calls to vendors that the engine starts by itself. They run on the egress thread through the account's proxy.
pub trait Vendor: Send + Sync {
    /// Exchanges the refresh token of an account for a new pair.
    fn refresh(
        &self,
        account: Arc<AccountSpec>,
        current: Arc<Credential>,
    ) -> PortFuture<Result<Credential, RefreshError>>;

    /// The cheapest call that proves that the credential works; costs nothing at the vendor. `Ok(false)` = refused.
    fn probe(&self, account: Arc<AccountSpec>, credential: Arc<Credential>) -> PortFuture<Result<bool, PortError>>;
}

/// A batch of usage for SQL. Events of one file are in file order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UsageBatch {
    /// What to insert; events whose attempt or request id is already stored add nothing.
    pub events: Vec<UsageEvent>,
    /// Per journal file: everything before this offset is settled once the batch is stored. Written in the same
    /// transaction.
    pub positions: Vec<JournalPosition>,
}

/// What storing a batch did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BatchReceipt {
    /// Request rows that were new.
    pub inserted: u64,
    /// Request rows that were already there.
    pub duplicates: u64,
}

/// Where usage goes.
pub trait UsageSink: Send + Sync {
    /// Stores a batch in one transaction. An error stores nothing; the batch is tried again. After an error the actor
    /// probes with a batch of one event that was stored before, or with an empty one: it must fail while the database is
    /// down.
    fn store(&self, batch: Arc<UsageBatch>) -> PortFuture<Result<BatchReceipt, PortError>>;

    /// Sets aside one event that keeps failing, so that the rest can go on.
    fn set_aside(&self, event: UsageEvent, reason: String) -> PortFuture<Result<(), PortError>>;

    /// Adds to the real-time counters (memory or Redis); each event counts once. Loss is repaired from SQL.
    fn count(&self, batch: Arc<UsageBatch>) -> PortFuture<Result<(), PortError>>;

    /// Tells the journal that everything before these positions is in SQL, so that its files can be removed.
    fn acknowledge(&self, positions: Vec<JournalPosition>) -> PortFuture<Result<(), PortError>>;

    /// Reads settled records of one journal file again: at most `limit`, in file order, only those that end after
    /// `after.offset`; fewer than `limit` = there are no more for now. Asked for records that memory had no room for while
    /// SQL was down. A sink that cannot do it leaves them to the replay at the next start.
    fn reread(&self, after: JournalPosition, limit: usize) -> PortFuture<Result<Vec<Recorded>, PortError>> {
        let _ = (after, limit);
        Box::pin(std::future::ready(Err(PortError("this sink cannot read its journal again".to_owned()))))
    }
}

/// Where dynamic settings are stored.
pub trait SettingsStore: Send + Sync {
    /// The settings in force, and a number that changes with them.
    fn load(&self) -> PortFuture<Result<(Settings, i64), PortError>>;
}

/// What instances share. Every call decides atomically for one owner (an account; a user with all keys; a session), by the
/// store's own clock; nothing here waits longer than a request may.
pub trait Fleet: Send + Sync {
    /// False while the store is known to be away: then it is not even asked.
    fn is_up(&self) -> bool;

    /// Gives back `ends`, then reserves, in one trip. An error leaves open what was done.
    fn reserve(&self, ends: Vec<SharedEnd>, ask: ReserveAsk) -> PortFuture<Result<ReserveAnswer, PortError>>;

    /// Gives back. Giving back twice changes nothing.
    fn end(&self, ends: Vec<SharedEnd>) -> PortFuture<Result<(), PortError>>;

    /// Renews what this instance holds, and takes again what the store has forgotten while there is room. Returns what
    /// could not be taken again.
    fn renew(&self, held: Holdings) -> PortFuture<Result<Lost, PortError>>;

    /// Beats this instance's heart and counts the instances that beat.
    fn beat(&self) -> PortFuture<Result<u32, PortError>>;

    /// True when this instance leads the periodic jobs that one instance does for all, from now for `for_ms`: because it led
    /// already, or nobody does.
    fn lead(&self, for_ms: i64) -> PortFuture<Result<bool, PortError>>;

    /// The standings of these accounts, or of all when none is named, each with its version.
    fn standings(&self, of: Vec<AccountId>) -> PortFuture<Result<Vec<StoredStanding>, PortError>>;

    /// Stores a standing over the version `seen` (0 = none). When another instance was faster its version and text come back
    /// instead of `None`, and nothing is stored.
    fn save_standing(
        &self,
        id: AccountId,
        seen: i64,
        text: String,
    ) -> PortFuture<Result<Option<(i64, String)>, PortError>>;

    /// The next news, for as long as there are any; asked again after each.
    fn news(&self) -> PortFuture<Option<News>>;
}

/// Periodic work that needs storage; run by the `HousekeepingActor`.
pub trait Chores: Send + Sync {
    /// Deletes rows past their retention. Returns how many.
    fn sweep(&self, settings: Arc<Settings>) -> PortFuture<Result<u64, PortError>>;

    /// Stores decision records worth keeping, as JSON lines with their request ids.
    fn keep_decisions(&self, records: Vec<(String, String)>) -> PortFuture<Result<(), PortError>>;

    /// Does what time does to money: renewals, orders that run out, quota that ends. Returns how many things were done.
    fn turn_money(&self, settings: Arc<Settings>) -> PortFuture<Result<u64, PortError>>;

    /// Beats this instance's heart, so that a second embedded instance refuses to start.
    fn heartbeat(&self) -> PortFuture<Result<(), PortError>>;
}

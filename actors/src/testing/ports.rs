//! Storage that lives in memory and notes what happened to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::account::{AccountSpec, AccountStatus};
use crate::domain::credential::Credential;
use crate::domain::id::AccountId;
use crate::domain::settings::Settings;
use crate::domain::usage::{JournalPosition, UsageEvent};
use crate::ports::{
    AccountStore, BatchReceipt, Chores, PortError, PortFuture, SettingsStore, StoredAccount, UsageBatch, UsageSink,
};

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A port's answer that is there already.
pub(super) fn ready<T: Send + 'static>(value: T) -> PortFuture<T> {
    Box::pin(std::future::ready(value))
}

#[derive(Default)]
struct Accounts {
    rows: BTreeMap<AccountId, StoredAccount>,
    down: bool,
    statuses: Vec<(AccountId, AccountStatus, Option<String>)>,
    credentials_saved: u32,
}

/// Stored accounts.
#[derive(Clone, Default)]
pub struct MemoryAccounts(Arc<Mutex<Accounts>>);

impl MemoryAccounts {
    /// Stores an account with its credential.
    pub fn put(&self, spec: AccountSpec, credential: Option<Arc<Credential>>) {
        let stored = StoredAccount { spec: Arc::new(spec), credential };
        locked(&self.0).rows.insert(stored.spec.id, stored);
    }

    /// Deletes an account.
    pub fn remove(&self, id: i64) {
        locked(&self.0).rows.remove(&AccountId(id));
    }

    /// Another process stored a newer credential.
    pub fn rotate(&self, id: i64, credential: Arc<Credential>) {
        if let Some(row) = locked(&self.0).rows.get_mut(&AccountId(id)) {
            row.credential = Some(credential);
        }
    }

    /// Storage fails from now on, or works again.
    pub fn set_down(&self, down: bool) {
        locked(&self.0).down = down;
    }

    /// The stored account.
    pub fn get(&self, id: i64) -> Option<StoredAccount> {
        locked(&self.0).rows.get(&AccountId(id)).cloned()
    }

    /// Every status that was stored, in order.
    pub fn statuses(&self) -> Vec<(AccountId, AccountStatus, Option<String>)> {
        locked(&self.0).statuses.clone()
    }

    /// How many new credentials were stored.
    pub fn credentials_saved(&self) -> u32 {
        locked(&self.0).credentials_saved
    }

    fn with<T: Send + 'static>(&self, work: impl FnOnce(&mut Accounts) -> T) -> PortFuture<Result<T, PortError>> {
        let mut accounts = locked(&self.0);
        if accounts.down {
            return ready(Err(PortError("storage is down".to_owned())));
        }
        ready(Ok(work(&mut accounts)))
    }
}

impl AccountStore for MemoryAccounts {
    fn load_all(&self) -> PortFuture<Result<Vec<StoredAccount>, PortError>> {
        self.with(|accounts| accounts.rows.values().cloned().collect())
    }

    fn load(&self, id: AccountId) -> PortFuture<Result<Option<StoredAccount>, PortError>> {
        self.with(|accounts| accounts.rows.get(&id).cloned())
    }

    fn save_credential(
        &self,
        id: AccountId,
        seen_version: i64,
        new: Credential,
    ) -> PortFuture<Result<Arc<Credential>, PortError>> {
        self.with(move |accounts| {
            let ours = Arc::new(Credential { version: seen_version + 1, ..new });
            let Some(row) = accounts.rows.get_mut(&id) else { return ours };
            match &row.credential {
                Some(theirs) if theirs.version != seen_version => Arc::clone(theirs),
                _ => {
                    row.credential = Some(Arc::clone(&ours));
                    accounts.credentials_saved += 1;
                    ours
                }
            }
        })
    }

    fn save_status(
        &self,
        id: AccountId,
        status: AccountStatus,
        reason: Option<String>,
    ) -> PortFuture<Result<(), PortError>> {
        self.with(move |accounts| {
            accounts.statuses.push((id, status, reason.clone()));
            if let Some(row) = accounts.rows.get_mut(&id) {
                row.spec = Arc::new(AccountSpec { status, status_reason: reason, ..(*row.spec).clone() });
            }
        })
    }
}

/// Stored settings.
#[derive(Clone, Default)]
pub struct MemorySettings(Arc<Mutex<(Option<Settings>, i64)>>);

impl MemorySettings {
    /// Stores settings.
    pub fn put(&self, settings: Settings) {
        let mut stored = locked(&self.0);
        *stored = (Some(settings), stored.1 + 1);
    }
}

impl SettingsStore for MemorySettings {
    fn load(&self) -> PortFuture<Result<(Settings, i64), PortError>> {
        let (settings, version) = locked(&self.0).clone();
        ready(Ok((settings.unwrap_or_default(), version)))
    }
}

/// A sink that keeps every event.
#[derive(Clone, Default)]
pub struct RecordedUsage(Arc<Mutex<Vec<UsageEvent>>>);

impl RecordedUsage {
    /// Everything stored so far.
    pub fn events(&self) -> Vec<UsageEvent> {
        locked(&self.0).clone()
    }
}

impl UsageSink for RecordedUsage {
    fn store(&self, batch: Arc<UsageBatch>) -> PortFuture<Result<BatchReceipt, PortError>> {
        locked(&self.0).extend(batch.events.iter().cloned());
        ready(Ok(BatchReceipt { inserted: batch.events.len() as u64, duplicates: 0 }))
    }

    fn set_aside(&self, _: UsageEvent, _: String) -> PortFuture<Result<(), PortError>> {
        ready(Ok(()))
    }

    fn count(&self, _: Arc<UsageBatch>) -> PortFuture<Result<(), PortError>> {
        ready(Ok(()))
    }

    fn acknowledge(&self, _: Vec<JournalPosition>) -> PortFuture<Result<(), PortError>> {
        ready(Ok(()))
    }
}

/// No periodic work.
#[derive(Clone, Copy, Default)]
pub struct NoChores;

impl Chores for NoChores {
    fn sweep(&self, _: Arc<Settings>) -> PortFuture<Result<u64, PortError>> {
        ready(Ok(0))
    }

    fn keep_decisions(&self, _: Vec<(String, String)>) -> PortFuture<Result<(), PortError>> {
        ready(Ok(()))
    }

    fn turn_money(&self, _: Arc<Settings>) -> PortFuture<Result<u64, PortError>> {
        ready(Ok(0))
    }

    fn heartbeat(&self) -> PortFuture<Result<(), PortError>> {
        ready(Ok(()))
    }
}

//! The engine's ports over SQL.

use std::sync::Arc;

use actors::clock::Clock;
use actors::domain::account::AccountStatus;
use actors::domain::credential::Credential;
use actors::domain::id::AccountId;
use actors::domain::money::Nanos;
use actors::domain::settings::Settings;
use actors::domain::time::Timestamp;
use actors::domain::usage::{JournalPosition, UsageEvent};
use actors::ports::{
    AccountStore, BatchReceipt, Chores, PortError, PortFuture, SettingsStore, StoredAccount, UsageBatch, UsageSink,
};

use super::db::Db;
use super::vault::Vault;
use super::{accounts, decisions, instances, retention, settings, usage};

/// Accounts in SQL.
#[derive(Clone)]
pub struct SqlAccounts {
    /// Database.
    pub db: Db,
    /// Opens and seals credentials.
    pub vault: Arc<dyn Vault>,
    /// For the times of changes.
    pub clock: Clock,
}

impl AccountStore for SqlAccounts {
    fn load_all(&self) -> PortFuture<Result<Vec<StoredAccount>, PortError>> {
        let this = self.clone();
        Box::pin(async move { Ok(accounts::load_all(&this.db, this.vault.as_ref()).await?) })
    }

    fn load(&self, id: AccountId) -> PortFuture<Result<Option<StoredAccount>, PortError>> {
        let this = self.clone();
        Box::pin(async move { Ok(accounts::load(&this.db, this.vault.as_ref(), id).await?) })
    }

    fn save_credential(
        &self,
        id: AccountId,
        seen_version: i64,
        new: Credential,
    ) -> PortFuture<Result<Arc<Credential>, PortError>> {
        let this = self.clone();
        Box::pin(
            async move { Ok(Arc::new(accounts::save_credential(&this.db, &this.vault, id, seen_version, new).await?)) },
        )
    }

    fn versions(&self) -> PortFuture<Result<Vec<(AccountId, i64)>, PortError>> {
        let this = self.clone();
        Box::pin(async move { Ok(accounts::versions(&this.db).await?) })
    }

    fn spent_since(&self, id: AccountId, since: Timestamp) -> PortFuture<Result<Nanos, PortError>> {
        let this = self.clone();
        Box::pin(async move { Ok(usage::spent_since(&this.db, id, since).await?) })
    }

    fn save_status(
        &self,
        id: AccountId,
        status: AccountStatus,
        reason: Option<String>,
    ) -> PortFuture<Result<(), PortError>> {
        let this = self.clone();
        Box::pin(async move { Ok(accounts::save_status(&this.db, id, status, reason, this.clock.now()).await?) })
    }
}

/// Adds a batch to the real-time counters; given by the application, which owns the cache.
pub type CountBatch = Arc<dyn Fn(Arc<UsageBatch>) -> PortFuture<Result<(), PortError>> + Send + Sync>;
/// Tells the journal what is in SQL; given by the application, which owns the journal.
pub type Acknowledge = Arc<dyn Fn(Vec<JournalPosition>) -> PortFuture<Result<(), PortError>> + Send + Sync>;
/// The settings in force, for the zone of days.
pub type CurrentSettings = Arc<dyn Fn() -> Arc<Settings> + Send + Sync>;

/// Usage in SQL.
#[derive(Clone)]
pub struct SqlUsage {
    /// Database.
    pub db: Db,
    /// Name under which journal positions are kept.
    pub instance: Arc<str>,
    /// For the times of changes.
    pub clock: Clock,
    /// Settings.
    pub settings: CurrentSettings,
    /// Counters.
    pub count: CountBatch,
    /// Journal.
    pub acknowledge: Acknowledge,
}

impl UsageSink for SqlUsage {
    fn store(&self, batch: Arc<UsageBatch>) -> PortFuture<Result<BatchReceipt, PortError>> {
        let this = self.clone();
        Box::pin(async move {
            let zone = (this.settings)().timezone;
            Ok(usage::store(&this.db, &this.instance, zone, batch, this.clock.now()).await?)
        })
    }

    fn set_aside(&self, event: UsageEvent, reason: String) -> PortFuture<Result<(), PortError>> {
        let this = self.clone();
        Box::pin(async move { Ok(usage::set_aside(&this.db, &event, &reason, this.clock.now()).await?) })
    }

    fn count(&self, batch: Arc<UsageBatch>) -> PortFuture<Result<(), PortError>> {
        (self.count)(batch)
    }

    fn acknowledge(&self, positions: Vec<JournalPosition>) -> PortFuture<Result<(), PortError>> {
        (self.acknowledge)(positions)
    }
}

/// Settings in SQL, over the values that the configuration file gave.
#[derive(Clone)]
pub struct SqlSettings {
    /// Database.
    pub db: Db,
    /// What holds where nothing is stored.
    pub base: Arc<Settings>,
}

impl SettingsStore for SqlSettings {
    fn load(&self) -> PortFuture<Result<(Settings, i64), PortError>> {
        let this = self.clone();
        Box::pin(async move { Ok(settings::load(&this.db, &this.base).await?) })
    }
}

/// Does what time does to money; given by the application, since the rules of it live above the store.
pub type TurnMoney = Arc<dyn Fn(Arc<Settings>) -> PortFuture<Result<u64, PortError>> + Send + Sync>;

/// Periodic work in SQL.
#[derive(Clone)]
pub struct SqlChores {
    /// Database.
    pub db: Db,
    /// Name of this instance.
    pub instance: Arc<str>,
    /// Start of this process.
    pub started_at: Timestamp,
    /// `embedded` or `fleet`.
    pub mode: &'static str,
    /// Time.
    pub clock: Clock,
    /// Money.
    pub turn_money: TurnMoney,
}

impl Chores for SqlChores {
    fn sweep(&self, settings: Arc<Settings>) -> PortFuture<Result<u64, PortError>> {
        let this = self.clone();
        Box::pin(async move { Ok(retention::sweep(&this.db, &settings, this.clock.now()).await?) })
    }

    fn keep_decisions(&self, records: Vec<(String, String)>) -> PortFuture<Result<(), PortError>> {
        let this = self.clone();
        Box::pin(async move { Ok(decisions::keep(&this.db, records, this.clock.now()).await?) })
    }

    fn turn_money(&self, settings: Arc<Settings>) -> PortFuture<Result<u64, PortError>> {
        (self.turn_money)(settings)
    }

    fn heartbeat(&self) -> PortFuture<Result<(), PortError>> {
        let this = self.clone();
        Box::pin(async move {
            let (version, now) = (env!("CARGO_PKG_VERSION"), this.clock.now());
            Ok(instances::heartbeat(&this.db, &this.instance, this.started_at, version, this.mode, now).await?)
        })
    }
}

//! An outside that costs nothing: a fixed set of accounts, sinks that swallow. What is left to measure is the engine.

use std::future::ready;
use std::sync::Arc;

use actors::domain::account::{AccountKind, AccountSpec, AccountStatus, Visibility};
use actors::domain::credential::{Credential, Secret};
use actors::domain::id::AccountId;
use actors::domain::money::Nanos;
use actors::domain::settings::Settings;
use actors::domain::usage::{JournalPosition, UsageEvent};
use actors::ports::{
    AccountStore, BatchReceipt, Chores, PortError, PortFuture, RefreshError, SettingsStore, StoredAccount, UsageBatch,
    UsageSink, Vendor,
};
use actors::system::Ports;

/// Ports over `accounts` accounts with slots, rates and budgets that never run out.
pub fn ports(accounts: i64) -> Ports {
    let outside = Arc::new(Outside { accounts });
    Ports {
        accounts: outside.clone(),
        vendor: outside.clone(),
        usage: outside.clone(),
        settings: outside.clone(),
        chores: outside,
        fleet: None,
    }
}

struct Outside {
    accounts: i64,
}

fn done<T: Send + 'static>(value: T) -> PortFuture<Result<T, PortError>> {
    Box::pin(ready(Ok(value)))
}

fn stored(id: i64) -> StoredAccount {
    let credential =
        Credential { secret: Secret::ApiKey(format!("sk-ant-bench-{id}").into()), expires_at: None, version: 1 };
    StoredAccount { spec: Arc::new(spec(id)), credential: Some(Arc::new(credential)) }
}

fn spec(id: i64) -> AccountSpec {
    AccountSpec {
        id: AccountId(id),
        name: format!("bench-{id}"),
        kind: AccountKind::ClaudeConsole,
        status: AccountStatus::Active,
        status_reason: None,
        enabled: true,
        schedulable: true,
        visibility: Visibility::Shared,
        priority: 50,
        weight: 100,
        max_concurrency: 100,
        rpm_limit: 1_000_000,
        tpm_limit: 1_000_000_000_000,
        daily_budget: Nanos(i64::MAX / 2),
        budget_reset_minute: 0,
        auto_pause: std::collections::BTreeMap::new(),
        pause_on_warning: false,
        model_allow: Vec::new(),
        model_deny: Vec::new(),
        model_map: std::collections::BTreeMap::new(),
        groups: Vec::new(),
        tags: Vec::new(),
        subscription_expires_at: None,
        proxy: None,
        base_url: None,
        options: std::collections::BTreeMap::new(),
        error_rules: Vec::new(),
        cost_ppm: 1_000_000,
        version: 1,
    }
}

impl AccountStore for Outside {
    fn load_all(&self) -> PortFuture<Result<Vec<StoredAccount>, PortError>> {
        done((1..=self.accounts).map(stored).collect())
    }

    fn load(&self, id: AccountId) -> PortFuture<Result<Option<StoredAccount>, PortError>> {
        done(Some(stored(id.0)))
    }

    fn save_credential(&self, _: AccountId, _: i64, new: Credential) -> PortFuture<Result<Arc<Credential>, PortError>> {
        done(Arc::new(new))
    }

    fn save_status(&self, _: AccountId, _: AccountStatus, _: Option<String>) -> PortFuture<Result<(), PortError>> {
        done(())
    }
}

impl Vendor for Outside {
    fn refresh(&self, _: Arc<AccountSpec>, _: Arc<Credential>) -> PortFuture<Result<Credential, RefreshError>> {
        Box::pin(ready(Err(RefreshError::Transient("nothing to refresh".to_owned()))))
    }

    fn probe(&self, _: Arc<AccountSpec>, _: Arc<Credential>) -> PortFuture<Result<bool, PortError>> {
        done(true)
    }
}

impl UsageSink for Outside {
    fn store(&self, batch: Arc<UsageBatch>) -> PortFuture<Result<BatchReceipt, PortError>> {
        done(BatchReceipt { inserted: batch.events.len() as u64, duplicates: 0 })
    }

    fn set_aside(&self, _: UsageEvent, _: String) -> PortFuture<Result<(), PortError>> {
        done(())
    }

    fn count(&self, _: Arc<UsageBatch>) -> PortFuture<Result<(), PortError>> {
        done(())
    }

    fn acknowledge(&self, _: Vec<JournalPosition>) -> PortFuture<Result<(), PortError>> {
        done(())
    }
}

impl SettingsStore for Outside {
    fn load(&self) -> PortFuture<Result<(Settings, i64), PortError>> {
        done((Settings::default(), 1))
    }
}

impl Chores for Outside {
    fn sweep(&self, _: Arc<Settings>) -> PortFuture<Result<u64, PortError>> {
        done(0)
    }

    fn keep_decisions(&self, _: Vec<(String, String)>) -> PortFuture<Result<(), PortError>> {
        done(())
    }

    fn turn_money(&self, _: Arc<Settings>) -> PortFuture<Result<u64, PortError>> {
        done(0)
    }

    fn heartbeat(&self) -> PortFuture<Result<(), PortError>> {
        done(())
    }
}

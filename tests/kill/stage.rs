//! The stage of a fault test: mock with its log on, relay, three accounts, one key; everything in a temporary directory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bench::rig::mock::{Mock, Script};
use bench::rig::relay::{Plan, Relay};
use serde_json::json;
use tempfile::TempDir;

use crate::evidence::Database;

/// Credentials of the pool: the only ones that the upstream may ever see.
pub const CREDENTIALS: [&str; 3] =
    ["sk-ant-api03-kill-account-a", "sk-ant-api03-kill-account-b", "sk-ant-api03-kill-account-c"];

/// Everything that runs.
pub struct Stage {
    /// Upstream.
    pub mock: Mock,
    /// The product.
    pub relay: Relay,
    /// The accounts' ids, in the order of [`CREDENTIALS`].
    pub accounts: Vec<i64>,
    /// The client's key.
    pub key: String,
    /// Where rows are read.
    pub database: Database,
    // Last: removed when every process has ended.
    _dir: Option<TempDir>,
}

impl Stage {
    /// SQLite and memory.
    pub async fn embedded() -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let plan = Plan::embedded(binary(), &dir.path().join("relay"))?;
        let database = Database::Sqlite(plan.database());
        let folder = dir.path().to_owned();
        Self::set(&folder, Some(dir), plan, database).await
    }

    /// On stores that the caller has started, in the caller's directory.
    pub async fn on(dir: &Path, mysql: &str, redis: &str) -> anyhow::Result<Self> {
        let mut plan = Plan::embedded(binary(), &dir.join("relay"))?;
        plan.set("QUOTALANE_DATABASE__URL", mysql);
        plan.set("QUOTALANE_CACHE__URL", redis);
        Self::set(dir, None, plan, Database::MySql(mysql.to_owned())).await
    }

    async fn set(folder: &Path, dir: Option<TempDir>, plan: Plan, database: Database) -> anyhow::Result<Self> {
        let mock = Mock::start(binary(), folder, None, true).await?;
        // Streams of about a third of a second: a kill hits many of them in the middle.
        mock.script(Script { delay_ms: 30, events: 10 }).await?;
        let (mut relay, _) = Relay::start(plan, Duration::from_secs(60)).await?;
        let mut accounts = Vec::new();
        for (credential, name) in CREDENTIALS.iter().zip(["a", "b", "c"]) {
            accounts.push(relay.add_account(name, credential, mock.address).await?);
        }
        let mut asked = json!({"name": "kill"});
        // Without the store that instances share, nobody can say what is left of a limit of money.
        if let Database::Sqlite(_) = database {
            asked["daily_cost_limit"] = json!({"amount": "100000", "currency": "USD"});
        }
        let key = relay.add_key(&asked).await?;
        Ok(Self { mock, relay, accounts, key, database, _dir: dir })
    }

    /// Makes every account as good as new, so that the next fault meets a full pool.
    pub async fn heal(&mut self) -> anyhow::Result<()> {
        for id in self.accounts.clone() {
            for action in ["clear-cooldowns", "reset-health"] {
                self.relay.admin("POST", &format!("/api/v1/accounts/{id}/{action}"), &json!({})).await?;
            }
        }
        Ok(())
    }

    /// Starts the relay again on the same directory. Returns how long it took to be ready.
    pub async fn restart(&mut self) -> anyhow::Result<Duration> {
        let (relay, took) = Relay::start(self.relay.plan.clone(), Duration::from_secs(30)).await?;
        self.relay = relay;
        Ok(took)
    }
}

/// The product's binary.
pub fn binary() -> &'static Path {
    static PATH: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    PATH.get_or_init(|| PathBuf::from(env!("CARGO_BIN_EXE_quotalane")))
}

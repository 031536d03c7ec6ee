//! The standing rig: mock on core 1 beside the load, nginx and the relay on core 0, the relay set up with everything on.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::json;
use tempfile::TempDir;

use crate::load::Tally;
use crate::messages::Ask;
use crate::rig::mock::{Mock, Script};
use crate::rig::nginx::Nginx;
use crate::rig::relay::{Plan, Relay};
use crate::rig::rows::Rows;
use crate::rig::stores::Store;

/// The core of what is measured.
const MEASURED: usize = 0;
/// The core of load and upstream.
const LOAD: usize = 1;
/// What the mock and nginx are asked with; the relay gets a key of its own.
const CREDENTIAL: &str = "sk-ant-api03-bench-account-0";

/// How much to measure.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Interleaved repetitions.
    pub repeats: usize,
    /// Divides the number of requests: 1 for figures to publish, more for a quick look.
    pub divide: u64,
    /// Also the 9,500 streams, which need most of the machine's sockets.
    pub full: bool,
}

/// One side of a comparison.
#[derive(Debug, Clone)]
pub struct Side {
    /// Where to send.
    pub address: SocketAddr,
    /// The process to account; `None` for a direct call to the mock.
    pub pid: Option<u32>,
    /// Key or credential.
    pub key: String,
}

/// Everything that runs.
pub struct Rig {
    /// Upstream.
    pub mock: Mock,
    /// Yardstick.
    pub nginx: Nginx,
    /// The product.
    pub relay: Relay,
    key: String,
    served: u64,
    /// MariaDB and Redis; `None` = SQLite and memory.
    stores: Option<[Store; 2]>,
    // Last: removed when every process has ended.
    dir: TempDir,
}

impl Rig {
    /// Starts all of it. `accounts` upstream accounts, one key with limits and a money cap, prices known.
    pub async fn start(binary: &Path, accounts: usize) -> anyhow::Result<Self> {
        Self::start_on(binary, accounts, tempfile::tempdir()?, None).await
    }

    /// The same on a MariaDB and a Redis of its own, as an instance of a fleet runs.
    pub async fn fleet(binary: &Path, accounts: usize) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let stores = [Store::mariadb(dir.path()).await?, Store::redis(dir.path()).await?];
        Self::start_on(binary, accounts, dir, Some(stores)).await
    }

    async fn start_on(
        binary: &Path,
        accounts: usize,
        dir: TempDir,
        stores: Option<[Store; 2]>,
    ) -> anyhow::Result<Self> {
        let mock = Mock::start(binary, dir.path(), Some(LOAD), false).await?;
        let nginx = Nginx::start(mock.address, dir.path(), Some(MEASURED))?;
        let mut plan = Plan::embedded(binary, &dir.path().join("relay"))?;
        plan.core = Some(MEASURED);
        if let Some([database, cache]) = &stores {
            plan.set("QUOTALANE_DATABASE__URL", mysql_url(database));
            plan.set("QUOTALANE_CACHE__URL", format!("redis://{}", cache.address));
        }
        let (mut relay, _) = Relay::start(plan, Duration::from_secs(30)).await?;
        for index in 0..accounts {
            let (name, credential) = (format!("bench-{index}"), format!("sk-ant-api03-bench-account-{index}"));
            relay.add_account(&name, &credential, mock.address).await?;
        }
        let key = relay.add_key(&everything_on()).await.context("create the key")?;
        let mut rig = Self { mock, nginx, relay, key, served: 0, stores, dir };
        rig.first_answer().await?;
        Ok(rig)
    }

    /// The directory of this rig.
    pub fn dir(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// Directly to the mock.
    pub fn direct(&self) -> Side {
        Side { address: self.mock.address, pid: None, key: CREDENTIAL.to_owned() }
    }

    /// Through nginx.
    pub fn nginx(&self) -> Side {
        Side { address: self.nginx.address, pid: Some(self.nginx.process.pid()), key: CREDENTIAL.to_owned() }
    }

    /// Through the relay.
    pub fn relay(&self) -> Side {
        Side { address: self.relay.plan.listen, pid: Some(self.relay.process.pid()), key: self.key.clone() }
    }

    /// Tells the mock how to write streams.
    pub async fn script(&self, events: usize, delay_ms: u64) -> anyhow::Result<()> {
        self.mock.script(Script { delay_ms, events }).await
    }

    /// Counts what the relay served, and voids the run when its own accounting says something else.
    pub async fn account(&mut self, tally: &Tally) -> anyhow::Result<()> {
        self.served += tally.good;
        let found = self.rows().await?.settled(self.served, Duration::from_secs(30)).await?;
        if found != self.served {
            let pending = self.relay.metric("quotalane_usage_pending_records").await?;
            let again = self.rows().await?.requests().await?;
            let complaints = self.relay.process.complaints();
            bail!(
                "run is void: {} served, {found} in usage_records ({again} by a new connection), pending {pending:?}: {complaints}",
                self.served
            );
        }
        Ok(())
    }

    async fn rows(&self) -> anyhow::Result<Rows> {
        match &self.stores {
            None => Rows::sqlite(&self.relay.plan.database()).await,
            Some([database, _]) => Rows::mysql(&mysql_url(database)).await,
        }
    }

    async fn first_answer(&mut self) -> anyhow::Result<()> {
        let side = self.relay();
        let expect = crate::load::Expect { stream: false, deltas: None };
        let tally = crate::load::closed(side.address, &request(&side, false, 1024), expect, 1, 1).await.valid()?;
        self.account(&tally).await
    }
}

fn mysql_url(database: &Store) -> String {
    format!("mysql://quotalane:quotalane@{}/quotalane", database.address)
}

/// A key with every check on: request rate, slots, a daily money limit, a restricted model list.
pub fn everything_on() -> serde_json::Value {
    json!({
        "name": "bench", "rpm_limit": 100_000_000, "concurrency_limit": 100_000,
        "daily_cost_limit": {"amount": "1000000", "currency": "USD"},
        "model_allow": ["claude-*"],
    })
}

/// A Messages request of about `bytes` bytes for this side.
pub fn request(side: &Side, stream: bool, bytes: usize) -> Vec<u8> {
    asked(side, stream, bytes, |ask| ask.bytes())
}

/// The same as a Chat client asks it: the relay translates.
pub fn chat_request(side: &Side, stream: bool, bytes: usize) -> Vec<u8> {
    asked(side, stream, bytes, |ask| ask.chat_bytes())
}

fn asked(side: &Side, stream: bool, bytes: usize, written: fn(&Ask<'_>) -> Vec<u8>) -> Vec<u8> {
    let host = side.address.to_string();
    let session = "x-claude-code-session-id: 6b1f6f0e-8f5c-4f3b-9f57-6a2f3f9c0001\r\n";
    written(&Ask {
        host: &host,
        key: &side.key,
        model: "claude-sonnet-4-5",
        stream,
        prompt_bytes: bytes.saturating_sub(130),
        headers: session,
        marker: "bench ",
    })
}

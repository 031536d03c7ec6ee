//! A whole engine on the test's own thread, over fake ports, in the runtime's time: pause it and nothing really waits.

use std::sync::Arc;

use super::builders::START;
use super::ports::{MemoryAccounts, MemorySettings, NoChores, RecordedUsage};
use super::vendor::FakeVendor;
use crate::clock::Clock;
use crate::metrics::Counters;
use crate::ports::Fleet;
use crate::system::{Engine, EngineConfig, Ports, Running, StartError, launch};

/// Fake ports of one engine.
#[derive(Clone)]
pub struct FakePorts {
    /// Stored accounts.
    pub accounts: MemoryAccounts,
    /// The vendor.
    pub vendor: FakeVendor,
    /// Stored usage.
    pub usage: RecordedUsage,
    /// Stored settings.
    pub settings: MemorySettings,
    /// The shared store of a fleet.
    pub fleet: Option<Arc<dyn Fleet>>,
    /// The engine's time.
    pub clock: Clock,
}

impl Default for FakePorts {
    fn default() -> Self {
        let clock = Clock::of_runtime(START);
        Self {
            accounts: MemoryAccounts::default(),
            vendor: FakeVendor::new(clock.clone()),
            usage: RecordedUsage::default(),
            settings: MemorySettings::default(),
            fleet: None,
            clock,
        }
    }
}

impl FakePorts {
    /// As the engine takes them.
    pub fn ports(&self) -> Ports {
        Ports {
            accounts: Arc::new(self.accounts.clone()),
            vendor: Arc::new(self.vendor.clone()),
            usage: Arc::new(self.usage.clone()),
            settings: Arc::new(self.settings.clone()),
            chores: Arc::new(NoChores),
            fleet: self.fleet.clone(),
        }
    }
}

/// An engine under test. Start it inside an actix system (`#[actix_rt::test]`).
pub struct TestEngine {
    /// Its handles.
    pub engine: Engine,
    /// Its ports.
    pub fakes: FakePorts,
    /// Counters of accounts and supervision.
    pub counters: Counters,
    /// For what `/metrics` shows.
    pub registry: prometheus::Registry,
    running: Running,
}

impl TestEngine {
    /// Starts an engine over these ports.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub async fn start(fakes: FakePorts) -> Result<Self, StartError> {
        Self::start_as(EngineConfig::embedded(Arc::new(|_: &str| ())), fakes).await
    }

    /// Starts an engine that runs as `config` says.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub async fn start_as(config: EngineConfig, fakes: FakePorts) -> Result<Self, StartError> {
        let registry = prometheus::Registry::new();
        let counters = Counters::register(&registry)?;
        let (engine, running) = launch(config, fakes.ports(), fakes.clock.clone(), counters.clone()).await?;
        Ok(Self { engine, fakes, counters, registry, running })
    }

    /// Lets every message that is under way arrive.
    pub async fn settle(&self) {
        for _ in 0..32 {
            tokio::task::yield_now().await;
        }
    }

    /// Live leases over all accounts.
    pub async fn live_leases(&self) -> usize {
        let mut live = 0;
        for id in self.engine.accounts.ids() {
            live += self.engine.accounts.leases(id).await.len();
        }
        live
    }

    /// Stops the engine.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}

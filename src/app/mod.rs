//! Puts the product together: builds every part, starts and stops them in order (`ops.md` §4).
//!
//! Nothing else knows all the parts. Start: storage, replay of the journal, engine, listeners, ready. Stop: not ready, refuse
//! new requests, wait for those in flight, store the usage, close.

pub mod signals;

pub mod counters;
pub mod directories;
pub mod fleet;
pub mod follow;
pub mod lookups;
pub mod oauth;
pub mod publish;
pub mod renewal;
pub mod settings;
pub mod storage;
pub mod usage;
pub mod vendor;

pub mod checks;
pub mod management;
pub mod scrape;
pub mod server;
mod socket;
pub mod stop;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::web::Data;
use actors::clock::Clock;
use actors::system::{Engine, EngineConfig, EngineThread, Ports};
use prometheus::Registry;
use secrecy::ExposeSecret;

use crate::commerce::{Site, clockwork};
use crate::config::Config;
use crate::http::extract::spill::Spill;
use crate::http::probes::Exporter;
use crate::identity::keyring::{Keyring, Schemes, Watch};
use crate::identity::pepper;
use crate::identity::reseal::Reseal;
use crate::observe::lifecycle::{Lifecycle, Phase};
use crate::observe::{Metrics, access};
use crate::relay::{RelayParts, RelayShared};
use crate::store::ports::{SqlAccounts, SqlChores, TurnMoney};
use crate::store::{Db, StoreError, instances::ClaimError};
use crate::transport::{EgressRules, EgressThread};
use follow::Follower;
use publish::Publisher;
use renewal::Renewal;
use server::{Servers, WorkerParts};
use settings::LayeredSettings;
use storage::Storage;
use usage::{LateSettings, Sink};
use vendor::VendorCalls;

/// Why the product did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No master key is configured.
    #[error("security.master_key is not set")]
    NoMasterKey,
    /// Secrets cannot be used with this database.
    #[error("{0}")]
    Secrets(String),
    /// A dependency did not come up in time.
    #[error("{0} is unreachable: {1}")]
    Unreachable(&'static str, String),
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another instance is live, or the lock failed.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The engine did not start.
    #[error(transparent)]
    Engine(#[from] actors::system::StartError),
    /// A metric is declared twice.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
    /// The configured network rules have a fault.
    #[error("network rules: {0}")]
    Network(String),
    /// A management route names no role and is not known to be open.
    #[error("management route without a role: {0}")]
    OpenRoute(String),
    /// A certificate for the directory cannot be used.
    #[error("ldap.tls: {0}")]
    Ldap(#[from] crate::identity::ldap::TlsFault),
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// The running product.
pub struct Application {
    /// Where clients connect.
    pub addr: SocketAddr,
    /// Where probes and metrics are.
    pub ops_addr: Option<SocketAddr>,
    /// The actors.
    pub engine: Engine,
    /// Shared state of the relay.
    pub relay: Arc<RelayShared>,
    /// Storage.
    pub storage: Storage,
    /// Prices and proxies.
    pub publisher: Publisher,
    /// Keys.
    pub keyring: Keyring,
    /// Phase of the process.
    pub lifecycle: Lifecycle,
    _watch: Watch,
    engine_thread: EngineThread,
    servers: Servers,
    shutdown: crate::config::Shutdown,
    followers: Vec<actix_rt::task::JoinHandle<()>>,
}

impl Application {
    /// Binds, opens storage, replays the journal, starts engine and servers. Ready when it returns.
    ///
    /// # Errors
    /// Nothing runs after an error.
    pub async fn build(config: Config) -> Result<Self, StartError> {
        if let Some(route) = crate::http::admin::undeclared_routes().first() {
            return Err(StartError::OpenRoute(route.clone()));
        }
        let listener = TcpListener::bind(config.server.listen)?;
        let ops = config.ops.listen.map(TcpListener::bind).transpose()?;
        let (addr, ops_addr) = (listener.local_addr()?, ops.as_ref().map(TcpListener::local_addr).transpose()?);
        let clock = Clock::system();
        let lifecycle = Lifecycle::default();
        let registry = Registry::new();
        let metrics = Arc::new(Metrics::new(&registry)?);
        access::start()?;
        let storage = Storage::open(&config, &clock).await?;
        let seen = crate::store::audit::newest(&storage.db).await?;
        let (left, report) = storage.replay(&clock).await?;
        if report.settled + report.interrupted > 0 {
            tracing::info!(settled = report.settled, interrupted = report.interrupted, "journal replayed");
        }
        let parts = Parts::new(&config, storage, clock, &registry).await?;
        parts.engine.usage.store(left).await;
        parts.publisher.seed_prices(parts.engine.clock.now()).await?;
        parts.publisher.publish_all().await?;
        management::first_administrator(&config, &parts).await?;
        if !crate::identity::setup::pending(&parts.storage.db).await? {
            lifecycle.owner_found();
        }
        let relay = Arc::new(RelayShared::new(relay_parts(&config, &parts, &metrics, &lifecycle)));
        let probes = Data::new(checks::probes(&parts, &lifecycle));
        let refresh = scrape::refresh(&parts, &relay, &registry, config.metrics_accounts_max)?;
        let exporter = Data::new(Exporter::new(registry, refresh, config.ops.metrics_token.clone()));
        let time = Data::new(parts.engine.clock.clone());
        let worker = WorkerParts {
            relay: Arc::clone(&relay),
            rules: Arc::clone(&parts.rules),
            journal: parts.storage.journal.clone(),
            probes: probes.clone(),
            clock: time.clone(),
            admin: management::state(&config, &parts, &metrics, &lifecycle)?,
            trusted: management::trusted_proxies(&config)?,
            cors: config.server.cors_origins.clone().into(),
            spill: Data::new(Spill::new(config.journal.dir.clone())),
        };
        let main = server::main_server(listener, config.server.workers, worker)?;
        let ops = ops.map(|listener| server::ops_server(listener, probes, time, exporter)).transpose()?;
        let servers = Servers { main: main.handle(), ops: ops.as_ref().map(actix_web::dev::Server::handle) };
        let mut followers = vec![actix_rt::spawn(async move { stop::log_end(main.await) })];
        followers.extend(ops.map(|ops| actix_rt::spawn(async move { stop::log_end(ops.await) })));
        let follow = settings::follow_network(parts.engine.settings.clone(), Arc::clone(&parts.rules));
        followers.push(actix_rt::spawn(follow));
        let recount = counters::Recount::new(&parts.storage, parts.engine.settings.clone());
        followers.push(actix_rt::spawn(recount.run()));
        followers.push(actix_rt::spawn(Follower::new(&parts, &lifecycle, seen).run()));
        lifecycle.enter(Phase::Serving);
        Ok(Self {
            addr,
            ops_addr,
            engine: parts.engine,
            relay,
            storage: parts.storage,
            publisher: parts.publisher,
            _watch: parts.keyring.watch(),
            keyring: parts.keyring,
            lifecycle,
            engine_thread: parts.engine_thread,
            servers,
            shutdown: config.shutdown,
            followers,
        })
    }

    /// A one-time setup token, while there is no administrator. Making one ends the token before it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn setup_token(&self) -> Result<Option<String>, StoreError> {
        if self.lifecycle.has_owner() {
            return Ok(None);
        }
        let token = crate::identity::setup::issue(&self.storage.db).await?;
        Ok(Some(token.expose_secret().to_owned()))
    }
}

/// What is alive once the engine runs.
pub struct Parts {
    storage: Storage,
    rules: Arc<EgressRules>,
    publisher: Publisher,
    vendor: VendorCalls,
    keyring: Keyring,
    engine: Engine,
    engine_thread: EngineThread,
    reseal: Reseal,
}

impl Parts {
    async fn new(config: &Config, storage: Storage, clock: Clock, registry: &Registry) -> Result<Self, StartError> {
        let layers = LayeredSettings::new(storage.db.clone(), &config.settings);
        let rules = egress_rules(config)?;
        let egress = EgressThread::spawn(Arc::clone(&rules))?;
        let publisher = Publisher::new(storage.db.clone(), storage.sealer.clone());
        let vendor = VendorCalls {
            egress,
            proxies: Arc::clone(&publisher.proxies),
            oauth: Arc::new(oauth::book(config)),
            renewal: Renewal {
                cache: storage.cache.clone(),
                store: sql_accounts(&storage, &clock),
                clock: clock.clone(),
            },
            clock: clock.clone(),
        };
        let late = LateSettings::default();
        let ports = ports(config, &storage, layers, vendor.clone(), late.clone());
        let engine_config = match storage::is_embedded(config) {
            true => EngineConfig::embedded(stop::on_crash_loop()),
            false => EngineConfig::fleet(stop::on_crash_loop()),
        };
        let (engine, engine_thread) = Engine::start(engine_config, ports, clock, registry).await?;
        late.arrive(engine.settings.clone());
        settings::apply_network(&engine.settings.current(), &rules);
        let keyring = open_keyring(config, &storage, engine.clock.clone()).await?;
        let reseal = Reseal::new(storage.db.clone(), Arc::clone(&storage.sealer), engine.clock.clone());
        reseal.resume().await?;
        Ok(Self { storage, rules, publisher, vendor, keyring, engine, engine_thread, reseal })
    }
}

fn relay_parts(config: &Config, parts: &Parts, metrics: &Arc<Metrics>, lifecycle: &Lifecycle) -> RelayParts {
    RelayParts {
        engine: parts.engine.clone(),
        cache: parts.storage.cache.clone(),
        metrics: Arc::clone(metrics),
        prices: Arc::clone(&parts.publisher.prices),
        proxies: Arc::clone(&parts.publisher.proxies),
        clients: Arc::clone(&parts.publisher.clients),
        keys: Arc::new(lookups::Keys(parts.keyring.clone())),
        usage: Arc::new(lookups::KeyUsages {
            db: parts.storage.db.clone(),
            settings: parts.engine.settings.clone(),
            clock: parts.engine.clock.clone(),
        }),
        lifecycle: lifecycle.clone(),
        max_in_flight: config.server.max_in_flight,
    }
}

async fn open_keyring(config: &Config, storage: &Storage, clock: Clock) -> Result<Keyring, StartError> {
    let pepper = config.security.key_pepper.as_ref();
    let schemes = Schemes {
        peppers: pepper::load(&storage.db, storage.sealer.as_ref(), pepper).await?,
        crs: config.security.crs_encryption_key.clone(),
        sha256: true,
    };
    Ok(Keyring::new(storage.db.clone(), schemes, clock)?)
}

fn sql_accounts(storage: &Storage, clock: &Clock) -> Arc<SqlAccounts> {
    Arc::new(SqlAccounts { db: storage.db.clone(), vault: storage.sealer.clone(), clock: clock.clone() })
}

fn egress_rules(config: &Config) -> Result<Arc<EgressRules>, StartError> {
    let rules = EgressRules::new(&[], &[]).map_err(|e| StartError::Network(e.to_string()))?;
    let rules = match &config.ca_file {
        None => rules,
        Some(path) => rules.with_extra_roots(&std::fs::read(path)?).map_err(|e| StartError::Network(e.to_string()))?,
    };
    Ok(Arc::new(rules))
}

fn ports(
    config: &Config,
    storage: &Storage,
    layers: LayeredSettings,
    vendor: VendorCalls,
    late: LateSettings,
) -> Ports {
    let clock = vendor.clock.clone();
    let accounts = sql_accounts(storage, &clock);
    Ports {
        fleet: fleet::shared(storage, accounts.clone()),
        accounts,
        usage: Arc::new(Sink::new(storage, clock.clone(), late)),
        vendor: Arc::new(vendor),
        settings: Arc::new(layers),
        chores: Arc::new(SqlChores {
            db: storage.db.clone(),
            instance: Arc::clone(&storage.instance),
            started_at: clock.now(),
            mode: if storage::is_embedded(config) { "embedded" } else { "fleet" },
            turn_money: turn_money(storage.db.clone(), clock.clone()),
            clock,
        }),
    }
}

/// The clock of money. Every instance runs it: each step is done once, whoever comes first.
fn turn_money(db: Db, clock: Clock) -> TurnMoney {
    Arc::new(move |settings| {
        let (db, site) = (db.clone(), Site { zone: settings.timezone.0, now: clock.now() });
        Box::pin(async move { Ok(clockwork::tick(&db, site).await?) })
    })
}

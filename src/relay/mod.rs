//! The main job: a client's request, scheduled on an upstream account, streamed back, accounted for.
//!
//! A request goes straight down these files: [`request`] (parse, body untouched) → [`admit`] (permission and estimate) →
//! [`attempt`] (ask the engine, call the upstream, judge the answer, go on to the next account) → [`stream`] (forward the
//! bytes, watch them) → [`settle`] (cost, journal, hold, outcome; also when everything is dropped). Nothing here touches
//! SQL, and bytes never pass through an actor.

pub mod access;
pub mod clients;
pub mod curious;

pub mod owners;
pub mod recall;
pub mod request;
pub mod target;

pub mod admit;
pub mod attempt;
pub mod call;
pub mod hold;
pub mod whole;

pub mod signatures;
pub mod translate;

pub mod answer;
pub mod drain;
pub mod pending;
pub mod pipe;
pub mod stream;
pub mod watch;

pub mod record;
mod secrets;
pub mod settle;

pub mod count;
pub mod error;
pub mod lookup;

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actors::domain::id::{ProxyId, RequestId};
use actors::domain::key::KeyPolicy;
use actors::domain::price::PriceBook;
use actors::domain::settings::Settings;
use actors::domain::time::{SECOND, Timestamp};
use actors::system::Engine;
use arc_swap::ArcSwap;

pub use error::RelayError;
use lookup::{KeyLookup, UsageLookup};
pub use request::{Arrival, RelayRequest};
pub use target::CallTarget;
use watch::StallWatch;

use crate::cache::Cache;
use crate::journal::JournalWriter;
use crate::observe::Metrics;
use crate::observe::lifecycle::Lifecycle;
use crate::transport::{Egress, ProxyTarget};

/// Proxies by id, as the management side last published them.
pub type SharedProxies = Arc<ArcSwap<HashMap<ProxyId, Arc<ProxyTarget>>>>;
/// The price book in force.
pub type SharedPrices = Arc<ArcSwap<PriceBook>>;

/// The client rules, as the management side last published them.
pub type SharedClients = Arc<ArcSwap<clients::ClientRules>>;

/// A proxy that failed rests this long (`scheduling.md` §15, `proxy` and `challenge`).
const PROXY_COOLDOWN_MS: i64 = 60 * SECOND;

/// What the relay is made of.
pub struct RelayParts {
    /// The actors.
    pub engine: Engine,
    /// What the instances of a fleet share.
    pub cache: Cache,
    /// Metric handles.
    pub metrics: Arc<Metrics>,
    /// Prices.
    pub prices: SharedPrices,
    /// Egress proxies.
    pub proxies: SharedProxies,
    /// Client rules.
    pub clients: SharedClients,
    /// Finds keys.
    pub keys: Arc<dyn KeyLookup>,
    /// What keys have used.
    pub usage: Arc<dyn UsageLookup>,
    /// Where the process stands.
    pub lifecycle: Lifecycle,
    /// Front door cap (`server.max_in_flight`).
    pub max_in_flight: usize,
}

/// What all workers share.
pub struct RelayShared {
    /// The actors.
    pub engine: Engine,
    /// Metric handles.
    pub metrics: Arc<Metrics>,
    /// Prices.
    pub prices: SharedPrices,
    /// Egress proxies.
    pub proxies: SharedProxies,
    /// Client rules.
    pub clients: SharedClients,
    /// How often keys ask about themselves.
    pub curious: curious::Curious,
    /// Finds keys.
    pub keys: Arc<dyn KeyLookup>,
    /// What keys have used.
    pub usage: Arc<dyn UsageLookup>,
    /// Requests in flight, drains included.
    pub in_flight: AtomicUsize,
    /// Front door cap (`server.max_in_flight`).
    pub max_in_flight: usize,
    /// Where the process stands.
    pub lifecycle: Lifecycle,
    /// Drains under way.
    pub drains: AtomicUsize,
    /// Who made which stored answer.
    pub owners: owners::AnswerOwners,
    /// What sealed the tool calls of translated answers.
    pub signatures: signatures::Signatures,
    /// Proxies that failed, and until when they rest. Touched on failures only.
    resting_proxies: ArcSwap<HashMap<ProxyId, Timestamp>>,
}

impl RelayShared {
    /// Shared state over a running engine.
    pub fn new(parts: RelayParts) -> Self {
        let clock = &parts.engine.clock;
        let owners = owners::AnswerOwners::new(&parts.cache, clock.clone());
        let signatures = signatures::Signatures::new(&parts.cache, clock.clone());
        Self {
            engine: parts.engine,
            metrics: parts.metrics,
            prices: parts.prices,
            proxies: parts.proxies,
            clients: parts.clients,
            curious: curious::Curious::default(),
            keys: parts.keys,
            usage: parts.usage,
            in_flight: AtomicUsize::new(0),
            max_in_flight: parts.max_in_flight,
            lifecycle: parts.lifecycle,
            drains: AtomicUsize::new(0),
            owners,
            signatures,
            resting_proxies: ArcSwap::default(),
        }
    }

    /// True while a proxy rests after a failure.
    pub fn proxy_rests(&self, proxy: ProxyId, now: Timestamp) -> bool {
        self.resting_proxies.load().get(&proxy).is_some_and(|until| *until > now)
    }

    /// Lets a proxy rest.
    pub fn rest_proxy(&self, proxy: ProxyId, now: Timestamp) {
        self.resting_proxies.rcu(|resting| {
            let mut next: HashMap<_, _> = resting.iter().filter(|(_, u)| **u > now).map(|(p, u)| (*p, *u)).collect();
            next.insert(proxy, now.plus(PROXY_COOLDOWN_MS));
            next
        });
    }
}

/// The relay of one HTTP worker. Cheap to clone; never leaves its thread.
#[derive(Clone)]
pub struct Relay(Rc<Worker>);

struct Worker {
    shared: Arc<RelayShared>,
    egress: Egress,
    journal: JournalWriter,
    watch: StallWatch,
    /// Random part of ids: a counter that starts at random, so that ids of one millisecond differ and sort.
    ids: Cell<u128>,
}

impl Relay {
    /// The relay of this worker thread. Installs the thread's outbox.
    pub fn new(shared: Arc<RelayShared>, egress: Egress, journal: JournalWriter) -> Self {
        actors::outbox::Outbox::install();
        let seed = rand::random::<u128>() >> 50;
        let watch = StallWatch::start(shared.lifecycle.clone());
        Self(Rc::new(Worker { shared, egress, journal, watch, ids: Cell::new(seed) }))
    }

    /// What all workers share.
    pub fn shared(&self) -> &Arc<RelayShared> {
        &self.0.shared
    }

    /// The actors.
    pub fn engine(&self) -> &Engine {
        &self.0.shared.engine
    }

    /// Metric handles.
    pub fn metrics(&self) -> &Metrics {
        &self.0.shared.metrics
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<Settings> {
        self.engine().settings.current()
    }

    /// Now, in engine time.
    pub fn now(&self) -> Timestamp {
        self.engine().clock.now()
    }

    /// The key with this text.
    ///
    /// # Errors
    /// When it is not one of ours, or cannot be looked up.
    pub async fn find_key(&self, raw: &str) -> Result<Arc<KeyPolicy>, RelayError> {
        match self.0.shared.keys.cached(raw) {
            Some(key) => Ok(key),
            None => self.0.shared.keys.find(raw).await,
        }
    }

    fn egress(&self) -> &Egress {
        &self.0.egress
    }

    fn watch(&self) -> &StallWatch {
        &self.0.watch
    }

    fn journal(&self) -> &JournalWriter {
        &self.0.journal
    }

    /// A new request id: a ULID of this moment.
    pub fn next_id(&self, now: Timestamp) -> RequestId {
        let random = self.0.ids.get().wrapping_add(1) & ((1 << 80) - 1);
        self.0.ids.set(random);
        let ms = u128::try_from(now.0).unwrap_or(0) & ((1 << 48) - 1);
        RequestId(ms << 80 | random)
    }
}

/// A place among the requests in flight; given back when dropped.
pub struct InFlight(Arc<RelayShared>);

impl InFlight {
    /// Takes a place, unless the front door is closed or everything is taken.
    ///
    /// # Errors
    /// [`RelayError::Shed`].
    pub fn enter(shared: &Arc<RelayShared>) -> Result<Self, RelayError> {
        let before = shared.in_flight.fetch_add(1, Ordering::AcqRel);
        let place = Self(Arc::clone(shared));
        if before >= shared.max_in_flight || !shared.lifecycle.is_serving() {
            shared.metrics.relay_shed_total().inc();
            return Err(RelayError::Shed);
        }
        Ok(place)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

//! The engine as a whole: its thread, the order in which its actors start and stop, and the handles to it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};

use crate::account::AccountsHandle;
use crate::account::audience::Audience;
use crate::account::deps::AccountDeps;
use crate::account::directory::Directory;
use crate::account::due::DueBoard;
use crate::billing::BillingHandle;
use crate::clock::Clock;
use crate::domain::money::Nanos;
use crate::fleet::FleetHandle;
use crate::housekeeping::HousekeepingHandle;
use crate::metrics::Counters;
use crate::outbox::Outbox;
use crate::ports::{AccountStore, Chores, Fleet, PortError, SettingsStore, StoredAccount, UsageSink, Vendor};
use crate::published::Actors;
use crate::scheduler::SchedulerHandle;
use crate::settings::{SettingsHandle, SharedSettings};
use crate::supervise::backoff::CrashPolicy;
use crate::supervise::{Order, Supervisor, Wards, spent_today};
use crate::usage::UsageHandle;

mod assembly;
#[cfg(test)]
mod tests;

pub use crate::supervise::OnCrashLoop;

/// A stopping engine waits at most this long for usage to reach SQL; what is left is in the journal.
const FLUSH_PATIENCE: Duration = Duration::from_secs(10);
/// A stopping engine waits at most this long for the shared store to take back what it holds.
const RETURN_PATIENCE: Duration = Duration::from_secs(1);
/// A stopping engine waits at most this long for token exchanges: a pair that is not stored is lost, and the account with it.
const EXCHANGE_PATIENCE: Duration = Duration::from_secs(10);
/// A starting engine waits at most this long for every account to show itself.
const FIRST_VIEWS: Duration = Duration::from_secs(5);

/// What the engine asks of the outside.
#[derive(Clone)]
pub struct Ports {
    /// Where accounts are stored.
    pub accounts: Arc<dyn AccountStore>,
    /// Calls to vendors.
    pub vendor: Arc<dyn Vendor>,
    /// Where usage goes.
    pub usage: Arc<dyn UsageSink>,
    /// Where settings are stored.
    pub settings: Arc<dyn SettingsStore>,
    /// Periodic work.
    pub chores: Arc<dyn Chores>,
    /// What this instance shares with others; `None` where it is alone.
    pub fleet: Option<Arc<dyn Fleet>>,
}

/// How the engine runs.
#[derive(Clone)]
pub struct EngineConfig {
    /// How often stored accounts are compared with the running ones; `None` in embedded mode, where this
    /// process alone changes what no management write does: statuses and tokens.
    pub resync: Option<Duration>,
    /// When deaths of singletons are a crash loop.
    pub crash: CrashPolicy,
    /// Ends the process with exit code 1 in a crash loop; gets the name of the actor.
    pub on_crash_loop: OnCrashLoop,
}

impl EngineConfig {
    /// One instance that owns its database.
    pub fn embedded(on_crash_loop: OnCrashLoop) -> Self {
        Self { resync: None, crash: CrashPolicy::SINGLETONS, on_crash_loop }
    }

    /// One of several instances on one database: rows are compared every five seconds.
    pub fn fleet(on_crash_loop: OnCrashLoop) -> Self {
        Self { resync: Some(Duration::from_secs(5)), ..Self::embedded(on_crash_loop) }
    }
}

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Storage could not be read.
    #[error("the engine cannot read its storage: {0}")]
    Storage(#[from] PortError),
    /// Two engines use one metrics registry.
    #[error("the engine's metrics are already registered: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The operating system gave no thread.
    #[error("the engine's thread did not start: {0}")]
    Thread(#[from] std::io::Error),
    /// The thread ended before it was ready.
    #[error("the engine's thread ended while starting")]
    Died,
}

/// Handles to everything in the engine, for any thread.
#[derive(Clone)]
pub struct Engine {
    /// Which account serves an attempt.
    pub scheduler: SchedulerHandle,
    /// The accounts themselves.
    pub accounts: AccountsHandle,
    /// Limits and holds of keys.
    pub billing: BillingHandle,
    /// Usage on its way to SQL.
    pub usage: UsageHandle,
    /// Settings in force.
    pub settings: SettingsHandle,
    /// Periodic jobs.
    pub housekeeping: HousekeepingHandle,
    /// What this instance holds in the shared store.
    pub fleet: FleetHandle,
    /// Where guards report; every HTTP worker installs its buffer.
    pub outbox: Outbox,
    /// The engine's time.
    pub clock: Clock,
    /// Who is up.
    pub actors: Actors,
}

impl Engine {
    /// Starts the engine on its own thread, named `engine`: reads settings and accounts, then starts settings, billing,
    /// usage, scheduler, accounts and housekeeping.
    ///
    /// # Errors
    /// Nothing runs after an error.
    pub async fn start(
        config: EngineConfig,
        ports: Ports,
        clock: Clock,
        registry: &prometheus::Registry,
    ) -> Result<(Self, EngineThread), StartError> {
        let counters = Counters::register(registry)?;
        let (ready, started) = oneshot::channel();
        let (stop, stopping) = oneshot::channel();
        let (done, ended) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("engine".to_owned()).spawn(move || {
            actix_rt::System::new().block_on(async move {
                let _done = done;
                match launch(config, ports, clock, counters).await {
                    // Whoever started the engine may be gone; then it stops at once.
                    Ok((engine, running)) => {
                        if ready.send(Ok(engine)).is_ok() {
                            // A dropped `EngineThread` stops the engine as `stop` does.
                            let _ = stopping.await;
                        }
                        running.stop().await;
                    }
                    Err(error) => drop(ready.send(Err(error))),
                }
            });
        })?;
        let engine = started.await.map_err(|_| StartError::Died)??;
        Ok((engine, EngineThread { stop: Some(stop), ended, thread: Some(thread) }))
    }
}

/// The running engine's thread. Dropping it stops the engine without waiting.
pub struct EngineThread {
    stop: Option<oneshot::Sender<()>>,
    ended: oneshot::Receiver<()>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl EngineThread {
    /// Refuses whoever waits, stores all usage, and stops the actors in reverse order. Call when the HTTP server has ended
    /// and every guard has been dropped.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        // Resolves when the thread drops its end, after everything else.
        let _ = (&mut self.ended).await;
        if let Some(thread) = self.thread.take() {
            // The thread has nothing left to do; joining it only reaps it.
            let _ = thread.join();
        }
    }
}

/// The running engine, on the thread that runs it.
pub struct Running {
    engine: Engine,
    orders: mpsc::UnboundedSender<Order>,
    board: Rc<DueBoard>,
    tasks: Vec<actix_rt::task::JoinHandle<()>>,
    close: Box<dyn FnOnce()>,
}

impl Running {
    /// See [`EngineThread::stop`].
    pub async fn stop(self) {
        self.engine.scheduler.drain();
        self.engine.outbox.flush();
        if tokio::time::timeout(RETURN_PATIENCE, self.engine.fleet.returned()).await.is_err() {
            tracing::warn!("the shared store did not take everything back in time; it ends by itself");
        }
        if tokio::time::timeout(FLUSH_PATIENCE, self.engine.usage.flush()).await.is_err() {
            tracing::warn!("usage could not be stored in time; the journal keeps it for the next start");
        }
        if tokio::time::timeout(EXCHANGE_PATIENCE, self.board.exchanges_ended()).await.is_err() {
            tracing::error!("a token exchange did not end in time");
        }
        let _ = self.orders.send(Order::Stop);
        (self.close)();
        self.tasks.iter().for_each(actix_rt::task::JoinHandle::abort);
    }
}

/// Starts everything on the current thread, which must run an actix system.
///
/// # Errors
/// Storage could not be read.
pub async fn launch(
    config: EngineConfig,
    ports: Ports,
    clock: Clock,
    counters: Counters,
) -> Result<(Engine, Running), StartError> {
    let (settings, _) = ports.settings.load().await?;
    let zone = settings.timezone.0;
    let settings: SharedSettings = Arc::new(ArcSwap::from_pointee(settings));
    let mut stored: Vec<(StoredAccount, Nanos)> = Vec::new();
    for account in ports.accounts.load_all().await? {
        let spent = spent_today(&*ports.accounts, &account.spec, (clock.now(), zone)).await?;
        stored.push((account, spent));
    }

    let (orders, inbox) = mpsc::unbounded_channel();
    let directory = Arc::new(Directory::default());
    let board = Rc::new(DueBoard::default());
    let wired = assembly::wire(&config, &ports, &clock, &settings, &directory, &orders, &counters);
    let deps = Rc::new(AccountDeps {
        clock: clock.clone(),
        settings,
        store: Arc::clone(&ports.accounts),
        vendor: Arc::clone(&ports.vendor),
        audience: Arc::clone(&wired.scheduler) as Arc<dyn Audience>,
        outbox: wired.engine.outbox.clone(),
        board: Rc::clone(&board),
        counters,
        share: wired.share,
        fleet: ports.fleet.clone(),
    });
    let mut wards = Wards::new(deps, Arc::clone(&directory), orders.clone());
    let accounts = stored.len();
    wards.create_all(stored);

    let supervisor = Supervisor::new(inbox, wards, wired.singletons);
    let mut tasks = vec![actix_rt::spawn(supervisor.run())];
    let alarm = Rc::clone(&board);
    tasks.push(actix_rt::spawn(async move { alarm.run(&directory, &clock).await }));
    tasks.extend(config.resync.map(|every| actix_rt::spawn(resync(ports.accounts, every, orders.clone()))));
    let engine = wired.engine;
    if tokio::time::timeout(FIRST_VIEWS, all_shown(&engine, accounts)).await.is_err() {
        tracing::warn!("not every account has shown itself yet");
    }
    let running = Running { engine: engine.clone(), orders, board, tasks, close: wired.close };
    Ok((engine, running))
}

/// Returns when the scheduler has seen every account, so that the first request finds them.
async fn all_shown(engine: &Engine, accounts: usize) {
    while engine.scheduler.views().await.len() < accounts {
        tokio::task::yield_now().await;
    }
}

/// Compares stored versions with the running ones now and then; another instance may have written.
async fn resync(store: Arc<dyn AccountStore>, every: Duration, orders: mpsc::UnboundedSender<Order>) {
    loop {
        tokio::time::sleep(every).await;
        match store.versions().await {
            Ok(versions) => {
                if orders.send(Order::Versions(versions)).is_err() {
                    return;
                }
            }
            Err(error) => tracing::warn!(%error, "stored accounts could not be compared"),
        }
    }
}

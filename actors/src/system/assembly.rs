//! Which singleton gets what: mailboxes first, then the factories, in dependency order.

use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, Context};
use tokio::sync::mpsc;

use super::{Engine, EngineConfig, Ports};
use crate::account::audience::Audience;
use crate::account::directory::Directory;
use crate::account::messages::{Acquire, Announce};
use crate::account::view::AccountView;
use crate::account::{AccountsHandle, checkup};
use crate::billing::{BillingActor, BillingDeps, BillingHandle};
use crate::clock::Clock;
use crate::domain::id::AccountId;
use crate::fleet::{FleetActor, FleetDeps, FleetHandle, Share};
use crate::guard::LeaseEnded;
use crate::handle::Mailbox;
use crate::housekeeping::{HousekeepingActor, HousekeepingDeps, HousekeepingHandle, TakeKept, TestAccounts};
use crate::kept::Kept;
use crate::metrics::Counters;
use crate::outbox::Outbox;
use crate::ports::Fleet;
use crate::ports::Vendor;
use crate::published::Actors;
use crate::scheduler::messages::{AccountGone, AccountRestarted, AcquireDecided, ViewChanged};
use crate::scheduler::{AccountMail, MAILBOX_EXPECTED, SchedulerActor, SchedulerDeps, SchedulerHandle};
use crate::settings::{SettingsActor, SettingsDeps, SettingsHandle, SharedSettings};
use crate::supervise::{Order, Singleton, Singletons, Starter};
use crate::usage::queue::Queue;
use crate::usage::{UsageActor, UsageDeps, UsageHandle};

/// Mailboxes of actors that hear little: settings and housekeeping, a few messages a minute.
const QUIET: i64 = 64;

/// What [`wire`] made.
pub(super) struct Wired {
    pub(super) engine: Engine,
    pub(super) singletons: Singletons,
    pub(super) scheduler: Arc<SchedulerEar>,
    pub(super) share: Share,
    /// Closes every mailbox, in reverse order of start.
    pub(super) close: Box<dyn FnOnce()>,
}

/// The mailboxes of the singletons.
#[derive(Default, Clone)]
struct Boxes {
    settings: Mailbox<SettingsActor>,
    billing: Mailbox<BillingActor>,
    usage: Mailbox<UsageActor>,
    fleet: Mailbox<FleetActor>,
    scheduler: Mailbox<SchedulerActor>,
    housekeeping: Mailbox<HousekeepingActor>,
}

impl AccountMail for Directory {
    fn acquire(&self, account: AccountId, acquire: Acquire) -> bool {
        Self::acquire(self, account, acquire)
    }

    fn ended(&self, ended: LeaseEnded) {
        Self::ended(self, ended);
    }

    fn announce(&self) {
        for (_, mailbox) in self.all() {
            // An actor under repair shows itself when it starts.
            let _ = mailbox.tell(Announce);
        }
    }
}

/// The scheduler as the accounts' audience.
pub(super) struct SchedulerEar(Mailbox<SchedulerActor>);

/// A scheduler under repair hears nothing and asks for every view when it is back.
impl Audience for SchedulerEar {
    fn changed(&self, view: Box<AccountView>) {
        let _ = self.0.tell(ViewChanged(view));
    }

    fn decided(&self, decision: AcquireDecided) {
        let _ = self.0.tell(decision);
    }

    fn restarted(&self, id: AccountId) {
        let _ = self.0.tell(AccountRestarted(id));
    }

    fn gone(&self, id: AccountId) {
        let _ = self.0.tell(AccountGone(id));
    }
}

/// Starts the singletons and makes the handles.
pub(super) fn wire(
    config: &EngineConfig,
    ports: &Ports,
    clock: &Clock,
    settings: &SharedSettings,
    directory: &Arc<Directory>,
    orders: &mpsc::UnboundedSender<Order>,
    counters: &Counters,
) -> Wired {
    let boxes = Boxes::default();
    let outbox = Outbox::new(boxes.scheduler.clone(), boxes.billing.clone(), boxes.usage.clone());
    let on_crash_loop = Arc::clone(&config.on_crash_loop);
    let mut singletons = Singletons::new(clock.clone(), counters.clone(), orders.clone(), config.crash, on_crash_loop);
    let (ledger, queue, book) = (Kept::default(), Kept::default(), Kept::default());
    let (share, holdings) = (Share::default(), Kept::default());
    let fleet = ports.fleet.as_ref().map(|_| boxes.fleet.clone());

    let deps = settings_deps(&boxes, ports, settings);
    singletons.start(Singleton::Settings, starter(&boxes.settings, move || SettingsActor::new(deps.clone())));
    let deps = BillingDeps {
        clock: clock.clone(),
        settings: Arc::clone(settings),
        mailbox: boxes.billing.clone(),
        scheduler: boxes.scheduler.clone(),
        outbox: outbox.clone(),
        ledger: ledger.clone(),
        share: share.clone(),
        fleet: fleet.clone(),
    };
    singletons.start(Singleton::Billing, starter(&boxes.billing, move || BillingActor::new(deps.clone())));
    let deps = usage_deps(&boxes, ports, clock, settings, &queue);
    singletons.start(Singleton::Usage, starter(&boxes.usage, move || UsageActor::new(deps.clone())));
    let deps = |store: &Arc<dyn Fleet>| FleetDeps {
        clock: clock.clone(),
        settings: Arc::clone(settings),
        mailbox: boxes.fleet.clone(),
        scheduler: boxes.scheduler.clone(),
        accounts: Arc::clone(directory),
        store: Arc::clone(store),
        share: share.clone(),
        book: holdings.clone(),
    };
    start_fleet(&mut singletons, &boxes, ports.fleet.as_ref().map(deps));
    let deps = SchedulerDeps {
        clock: clock.clone(),
        settings: Arc::clone(settings),
        mailbox: boxes.scheduler.clone(),
        billing: boxes.billing.clone(),
        mail: Arc::clone(directory) as Arc<dyn AccountMail>,
        outbox: outbox.clone(),
        fleet: fleet.map(|mailbox| (mailbox, share.clone())),
    };
    singletons.start(Singleton::Scheduler, starter(&boxes.scheduler, move || SchedulerActor::new(deps.clone())));
    let scheduler = SchedulerHandle::new(boxes.scheduler.clone());
    let accounts = AccountsHandle { directory: Arc::clone(directory), orders: orders.clone() };
    let deps = HousekeepingDeps {
        clock: clock.clone(),
        settings: Arc::clone(settings),
        chores: Arc::clone(&ports.chores),
        take_kept: take_kept(scheduler.clone()),
        test_accounts: test_accounts(accounts.clone(), Arc::clone(&ports.vendor)),
        book: book.clone(),
        fleet: ports.fleet.clone(),
    };
    start_housekeeping(&mut singletons, &boxes, deps);
    let engine = Engine {
        scheduler,
        accounts,
        billing: BillingHandle::new(boxes.billing.clone(), ledger),
        usage: UsageHandle::new(boxes.usage.clone(), queue, clock.clone()),
        settings: SettingsHandle::new(boxes.settings.clone(), Arc::clone(settings)),
        housekeeping: HousekeepingHandle::new(boxes.housekeeping.clone(), book),
        fleet: FleetHandle::new(holdings, share.clone()),
        outbox,
        clock: clock.clone(),
        actors: gauges(&boxes, directory, ports.fleet.is_some()),
    };
    let ear = Arc::new(SchedulerEar(boxes.scheduler.clone()));
    Wired { engine, singletons, scheduler: ear, share, close: closer(boxes, Arc::clone(directory)) }
}

fn settings_deps(boxes: &Boxes, ports: &Ports, settings: &SharedSettings) -> SettingsDeps {
    let (store, shared) = (Arc::clone(&ports.settings), Arc::clone(settings));
    SettingsDeps { mailbox: boxes.settings.clone(), store, shared }
}

fn usage_deps(
    boxes: &Boxes,
    ports: &Ports,
    clock: &Clock,
    settings: &SharedSettings,
    queue: &Kept<Queue>,
) -> UsageDeps {
    UsageDeps {
        clock: clock.clone(),
        settings: Arc::clone(settings),
        mailbox: boxes.usage.clone(),
        sink: Arc::clone(&ports.usage),
        queue: queue.clone(),
    }
}

fn start_housekeeping(singletons: &mut Singletons, boxes: &Boxes, deps: HousekeepingDeps) {
    let housekeeper = starter(&boxes.housekeeping, move || HousekeepingActor::new(deps.clone()));
    singletons.start(Singleton::Housekeeping, housekeeper);
}

/// An instance alone has nothing to share.
fn start_fleet(singletons: &mut Singletons, boxes: &Boxes, deps: Option<FleetDeps>) {
    if let Some(deps) = deps {
        singletons.start(Singleton::Fleet, starter(&boxes.fleet, move || FleetActor::new(deps.clone())));
    }
}

fn starter<A: Actor<Context = Context<A>>>(mailbox: &Mailbox<A>, factory: impl Fn() -> A + 'static) -> Starter {
    let mailbox = mailbox.clone();
    Rc::new(move |ended| mailbox.start_watched(factory(), ended))
}

fn gauges(boxes: &Boxes, directory: &Arc<Directory>, in_fleet: bool) -> Actors {
    let mut actors = Actors::new(Arc::clone(directory));
    actors.add(Singleton::Settings.label(), QUIET, &boxes.settings);
    actors.add(Singleton::Billing.label(), MAILBOX_EXPECTED, &boxes.billing);
    actors.add(Singleton::Usage.label(), MAILBOX_EXPECTED, &boxes.usage);
    if in_fleet {
        actors.add(Singleton::Fleet.label(), MAILBOX_EXPECTED, &boxes.fleet);
    }
    actors.add(Singleton::Scheduler.label(), MAILBOX_EXPECTED, &boxes.scheduler);
    actors.add(Singleton::Housekeeping.label(), QUIET, &boxes.housekeeping);
    actors
}

fn closer(boxes: Boxes, directory: Arc<Directory>) -> Box<dyn FnOnce()> {
    Box::new(move || {
        boxes.housekeeping.close();
        directory.all().into_iter().for_each(|(_, mailbox)| mailbox.close());
        boxes.scheduler.close();
        boxes.fleet.close();
        boxes.usage.close();
        boxes.billing.close();
        boxes.settings.close();
    })
}

/// The scheduler's records worth keeping, as JSON lines with their request ids.
fn take_kept(scheduler: SchedulerHandle) -> TakeKept {
    Arc::new(move || {
        let scheduler = scheduler.clone();
        Box::pin(async move {
            let records = scheduler.take_kept().await;
            let line = |record: &Arc<crate::scheduler::explain::DecisionRecord>| {
                Some((record.request_id.to_string(), serde_json::to_string(&**record).ok()?))
            };
            records.iter().filter_map(line).collect()
        })
    })
}

fn test_accounts(accounts: AccountsHandle, vendor: Arc<dyn Vendor>) -> TestAccounts {
    Arc::new(move || Box::pin(checkup::round(accounts.clone(), Arc::clone(&vendor))))
}

//! The billing actor: translation, and the timer of the safety net.

use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler};

use super::ledger::Ledger;
use super::messages::{Admit, AdmitRefused, Admitted, AskLimits, HoldsEnded, PermitsReturned};
use crate::clock::Clock;
use crate::domain::time::Timestamp;
use crate::fleet::messages::{HoldsOver, PermitsOver};
use crate::fleet::{FleetActor, Share};
use crate::guard::PermitReturned;
use crate::handle::Mailbox;
use crate::kept::Kept;
use crate::outbox::Outbox;
use crate::scheduler::SchedulerActor;
use crate::scheduler::messages::{AdmitDecided, KeySlotFreed};
use crate::settings::SharedSettings;

/// Lost holds and idle keys are looked for this often; a sweep walks every key, so it is not done more often than needed.
const SWEEP: Duration = Duration::from_secs(60);

/// What the billing actor needs; kept by its supervisor.
#[derive(Clone)]
pub struct BillingDeps {
    /// Time.
    pub clock: Clock,
    /// The site's zone and the longest stream.
    pub settings: SharedSettings,
    /// Its own mailbox.
    pub mailbox: Mailbox<BillingActor>,
    /// Who asks for admission.
    pub scheduler: Mailbox<SchedulerActor>,
    /// What the guards speak to.
    pub outbox: Outbox,
    /// Survives the actor.
    pub ledger: Kept<Ledger>,
    /// Which part of a limit this instance may give out.
    pub share: Share,
    /// Who tells the shared store what came back; `None` where an instance is alone.
    pub fleet: Option<Mailbox<FleetActor>>,
}

/// The actor; see the module docs.
pub struct BillingActor {
    deps: BillingDeps,
}

impl BillingActor {
    /// An actor that goes on with the ledger of its last life.
    pub fn new(deps: BillingDeps) -> Self {
        Self { deps }
    }

    fn decide(&self, ask: &Admit) -> Result<Admitted, AdmitRefused> {
        let now = self.deps.clock.now();
        let settings = self.deps.settings.load();
        self.deps.ledger.with(|ledger| ledger.admit_guarded(ask, &settings, now, &self.deps.outbox))
    }

    /// A scheduler under repair has no waiters to wake.
    fn tell_freed(&self, freed: &PermitReturned) {
        let _ = self.deps.scheduler.tell(KeySlotFreed { key: freed.key, user: freed.user, elsewhere: false });
    }

    fn sweep(&self, now: Timestamp) {
        let freed = self.deps.ledger.with(|ledger| ledger.on_sweep(now));
        if !freed.is_empty() {
            tracing::warn!(slots = freed.len(), "slots were never given back and have been freed");
        }
        freed.iter().for_each(|permit| self.tell_freed(permit));
    }
}

impl Actor for BillingActor {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Self::Context) {
        let now = self.deps.clock.now();
        self.deps.ledger.with(|ledger| {
            ledger.set_share(self.deps.share.clone());
            ledger.on_start(now);
        });
        ctx.run_interval(SWEEP, |actor, _| actor.sweep(actor.deps.clock.now()));
    }
}

impl Handler<Admit> for BillingActor {
    type Result = ();
    fn handle(&mut self, ask: Admit, _: &mut Self::Context) {
        self.deps.mailbox.taken();
        let result = self.decide(&ask);
        // When the scheduler is gone, the answer is dropped and its guards give everything back.
        let _ = self.deps.scheduler.tell(AdmitDecided { attempt: ask.attempt, result });
    }
}

impl Handler<HoldsEnded> for BillingActor {
    type Result = ();
    fn handle(&mut self, HoldsEnded(ended): HoldsEnded, _: &mut Self::Context) {
        self.deps.mailbox.taken();
        let now = self.deps.clock.now();
        self.deps.ledger.with(|ledger| ended.iter().for_each(|ended| ledger.resolve(ended, now)));
        if let Some(fleet) = &self.deps.fleet {
            fleet.record(HoldsOver(ended));
        }
    }
}

impl Handler<PermitsReturned> for BillingActor {
    type Result = ();
    fn handle(&mut self, PermitsReturned(returned): PermitsReturned, _: &mut Self::Context) {
        self.deps.mailbox.taken();
        if let Some(fleet) = &self.deps.fleet {
            fleet.record(PermitsOver(returned.clone()));
        }
        for permit in returned {
            if self.deps.ledger.with(|ledger| ledger.give_back(permit)) {
                self.tell_freed(&permit);
            }
        }
    }
}

impl Handler<AskLimits> for BillingActor {
    type Result = ();
    fn handle(&mut self, AskLimits { key, reply }: AskLimits, _: &mut Self::Context) {
        self.deps.mailbox.taken();
        let now = self.deps.clock.now();
        let _ = reply.send(self.deps.ledger.with(|ledger| ledger.limits(key, now)));
    }
}

//! The housekeeping actor: timers and translation.

use std::sync::Arc;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};

use super::messages::JobFinished;
use super::{Job, JobBook};
use crate::clock::Clock;
use crate::domain::time::MINUTE;
use crate::kept::Kept;
use crate::ports::{Chores, Fleet, PortError, PortFuture};
use crate::settings::SharedSettings;

/// An instance leads for this long after its last beat, which comes every ten seconds.
const LEADS_FOR: i64 = MINUTE;

/// Takes the decision records worth keeping out of the scheduler: request id and JSON line of each.
pub type TakeKept = Arc<dyn Fn() -> PortFuture<Vec<(String, String)>> + Send + Sync>;

/// Tests every account that can be tested at no cost; gives how many were.
pub type TestAccounts = Arc<dyn Fn() -> PortFuture<u64> + Send + Sync>;

/// What the housekeeping actor needs; kept by its supervisor.
#[derive(Clone)]
pub struct HousekeepingDeps {
    /// Stamps the runs.
    pub clock: Clock,
    /// Retention.
    pub settings: SharedSettings,
    /// Does the work.
    pub chores: Arc<dyn Chores>,
    /// The scheduler's records.
    pub take_kept: TakeKept,
    /// Tests every account.
    pub test_accounts: TestAccounts,
    /// Survives the actor.
    pub book: Kept<JobBook>,
    /// Who says which instance leads; `None` where an instance is alone.
    pub fleet: Option<Arc<dyn Fleet>>,
}

/// The actor; see the module docs.
pub struct HousekeepingActor {
    deps: HousekeepingDeps,
}

impl HousekeepingActor {
    /// An actor that starts its timers as soon as it runs.
    pub fn new(deps: HousekeepingDeps) -> Self {
        Self { deps }
    }

    fn work(&self, job: Job) -> PortFuture<Result<u64, PortError>> {
        let chores = Arc::clone(&self.deps.chores);
        match job {
            Job::Sweep => chores.sweep(self.deps.settings.load_full()),
            Job::KeepDecisions => keep_decisions((self.deps.take_kept)(), chores),
            Job::Money => chores.turn_money(self.deps.settings.load_full()),
            Job::TestAccounts => {
                let tests = (self.deps.test_accounts)();
                Box::pin(async move { Ok(tests.await) })
            }
            Job::Heartbeat => {
                let (fleet, book) = (self.deps.fleet.clone(), self.deps.book.clone());
                Box::pin(async move {
                    if let Some(fleet) = fleet {
                        let leads = fleet.lead(LEADS_FOR).await.unwrap_or(false);
                        book.with(|book| book.set_leads(leads));
                    }
                    chores.heartbeat().await.map(|()| 1)
                })
            }
        }
    }

    fn run(&mut self, job: Job, ctx: &mut Context<Self>) {
        let last = self.deps.book.with(|book| book.runs(job)).last_success;
        let others = job.is_shared() && self.deps.fleet.is_some() && !self.deps.book.with(|book| book.leads());
        let wanted = !others && job.is_wanted(self.deps.clock.now(), &self.deps.settings.load(), last);
        if wanted && self.deps.book.with(|book| book.on_due(job)) {
            let work = self.work(job).into_actor(self);
            ctx.spawn(work.map(move |result, _, ctx| ctx.notify(JobFinished { job, result })));
        }
    }
}

fn keep_decisions(
    taken: PortFuture<Vec<(String, String)>>,
    chores: Arc<dyn Chores>,
) -> PortFuture<Result<u64, PortError>> {
    Box::pin(async move {
        let records = taken.await;
        let count = records.len() as u64;
        if count > 0 {
            chores.keep_decisions(records).await?;
        }
        Ok(count)
    })
}

impl Actor for HousekeepingActor {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Self::Context) {
        self.deps.book.with(JobBook::on_start);
        for job in Job::ALL {
            ctx.run_interval(job.interval(), move |actor, ctx| actor.run(job, ctx));
        }
        self.run(Job::Heartbeat, ctx);
    }
}

impl Handler<JobFinished> for HousekeepingActor {
    type Result = ();
    fn handle(&mut self, JobFinished { job, result }: JobFinished, _: &mut Self::Context) {
        if let Err(error) = &result {
            tracing::warn!(job = job.as_str(), %error, "periodic job failed");
        }
        let now = self.deps.clock.now();
        self.deps.book.with(|book| book.on_finished(now, job, result));
    }
}

//! The housekeeping actor on a paused clock.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{HousekeepingActor, HousekeepingDeps, HousekeepingHandle, Job, JobBook, JobRuns};
use crate::clock::Clock;
use crate::domain::settings::Settings;
use crate::domain::time::Timestamp;
use crate::handle::Mailbox;
use crate::kept::Kept;
use crate::ports::{Chores, PortError, PortFuture};
use crate::settings::SharedSettings;

/// Chores that count; a heartbeat can hang, keeping can fail.
#[derive(Default)]
struct Done {
    sweeps: u64,
    turns: u64,
    beats: u64,
    kept: Vec<(String, String)>,
    hang: bool,
    fail: bool,
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Done>>);

impl Fake {
    fn with<R>(&self, work: impl FnOnce(&mut Done) -> R) -> R {
        work(&mut self.0.lock().unwrap())
    }
}

impl Chores for Fake {
    fn sweep(&self, _: Arc<Settings>) -> PortFuture<Result<u64, PortError>> {
        self.with(|done| done.sweeps += 1);
        Box::pin(std::future::ready(Ok(7)))
    }

    fn keep_decisions(&self, records: Vec<(String, String)>) -> PortFuture<Result<(), PortError>> {
        let failed = self.with(|done| {
            done.kept.extend(records);
            done.fail
        });
        let result = if failed { Err(PortError("full".to_owned())) } else { Ok(()) };
        Box::pin(std::future::ready(result))
    }

    fn turn_money(&self, _: Arc<Settings>) -> PortFuture<Result<u64, PortError>> {
        self.with(|done| done.turns += 1);
        Box::pin(std::future::ready(Ok(2)))
    }

    fn heartbeat(&self) -> PortFuture<Result<(), PortError>> {
        let hang = self.with(|done| {
            done.beats += 1;
            done.hang
        });
        if hang { Box::pin(std::future::pending()) } else { Box::pin(std::future::ready(Ok(()))) }
    }
}

fn start(chores: &Fake) -> (HousekeepingHandle, HousekeepingDeps) {
    let one = || vec![("req_1".to_owned(), "{}".to_owned())];
    let deps = HousekeepingDeps {
        clock: Clock::frozen(Timestamp(5)),
        settings: SharedSettings::default(),
        chores: Arc::new(chores.clone()),
        take_kept: Arc::new(move || Box::pin(std::future::ready(one()))),
        test_accounts: Arc::new(|| Box::pin(std::future::ready(3))),
        book: Kept::new(JobBook::default()),
        fleet: None,
    };
    let mailbox = Mailbox::default();
    mailbox.start(HousekeepingActor::new(deps.clone()));
    (HousekeepingHandle::new(mailbox, deps.book.clone()), deps)
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_millis(seconds * 1_000 + 1)).await;
}

fn runs(handle: &HousekeepingHandle, job: Job) -> JobRuns {
    handle.jobs().into_iter().find(|(j, _)| *j == job).unwrap().1
}

#[actix_rt::test]
async fn every_job_runs_at_its_interval_and_is_counted() {
    tokio::time::pause();
    let chores = Fake::default();
    let (handle, _) = start(&chores);
    pass(0).await;
    assert_eq!(chores.with(|d| (d.beats, d.sweeps, d.kept.len())), (1, 0, 0));
    pass(3_600).await;
    assert_eq!(chores.with(|d| (d.beats, d.sweeps, d.kept.len())), (361, 1, 360));
    let sweep = runs(&handle, Job::Sweep);
    assert_eq!((sweep.succeeded, sweep.handled, sweep.last_success), (1, 7, Some(Timestamp(5))));
    assert_eq!(runs(&handle, Job::KeepDecisions).handled, 360);
    assert_eq!((chores.with(|d| d.turns), runs(&handle, Job::Money).handled), (60, 120));
}

#[actix_rt::test]
async fn a_failure_is_recorded_and_the_next_run_clears_it() {
    tokio::time::pause();
    let chores = Fake::default();
    let (handle, _) = start(&chores);
    chores.with(|d| d.fail = true);
    pass(10).await;
    let failed = runs(&handle, Job::KeepDecisions);
    assert_eq!((failed.failed, failed.last_error.as_deref()), (1, Some("full")));
    chores.with(|d| d.fail = false);
    pass(10).await;
    assert_eq!(runs(&handle, Job::KeepDecisions).last_error, None);
}

#[actix_rt::test]
async fn a_job_that_hangs_is_not_started_twice_but_again_in_a_new_life() {
    tokio::time::pause();
    let chores = Fake::default();
    chores.with(|d| d.hang = true);
    let (_, deps) = start(&chores);
    pass(60).await;
    assert_eq!(chores.with(|d| d.beats), 1);
    let mailbox = Mailbox::default();
    mailbox.start(HousekeepingActor::new(deps));
    pass(1).await;
    assert_eq!(chores.with(|d| d.beats), 2);
}

//! The actor itself: answers, guards and the safety net.

use std::time::Duration;

use super::*;
use crate::billing::{BillingActor, BillingDeps, BillingHandle};
use crate::clock::Clock;
use crate::fleet::Share;
use crate::handle::Mailbox;
use crate::kept::Kept;
use crate::outbox::Outbox;
use crate::settings::SharedSettings;

struct Started {
    deps: BillingDeps,
    handle: BillingHandle,
}

/// A billing actor whose scheduler is gone.
fn start() -> Started {
    let (mailbox, scheduler) = (Mailbox::default(), Mailbox::default());
    let ledger = Kept::new(Ledger::default());
    let deps = BillingDeps {
        clock: Clock::frozen(NOW),
        settings: SharedSettings::default(),
        mailbox: mailbox.clone(),
        scheduler: scheduler.clone(),
        outbox: Outbox::new(scheduler, mailbox.clone(), Mailbox::default()),
        ledger: ledger.clone(),
        share: Share::default(),
        fleet: None,
    };
    mailbox.start(BillingActor::new(deps.clone()));
    Started { handle: BillingHandle::new(mailbox, ledger), deps }
}

#[actix_rt::test]
async fn an_answer_that_nobody_takes_gives_everything_back() {
    let started = start();
    let key = limited(1, CostWindow::Day, 10);
    assert!(started.deps.mailbox.tell(ask(1, &key, 10)).is_ok());
    // The first answer comes after the admission, the second after the guards of the dropped answer.
    let asked = started.handle.limits(key.id).await.unwrap();
    assert_eq!(asked.windows.len(), CostWindow::ALL.len());
    let limits = started.handle.limits(key.id).await.unwrap();
    let day = limits.windows.iter().find(|w| w.window == CostWindow::Day).unwrap();
    assert_eq!((day.held, day.limit, limits.slots_used), (Nanos(0), Some(Nanos(10)), 0));
    let stats = started.handle.stats();
    assert_eq!((stats.holds, stats.permits, stats.released), (0, 0, 1));
    assert_eq!(started.deps.mailbox.depth(), 0);
    assert_eq!(started.handle.limits(KeyId(77)).await, None);
}

#[actix_rt::test]
async fn the_safety_net_runs_by_itself() {
    tokio::time::pause();
    let started = start();
    let key = limited(1, CostWindow::Day, 10);
    started.deps.ledger.with(|ledger| admit(ledger, 1, &key, 10, NOW)).unwrap();
    assert_eq!(started.handle.stats().holds, 1);
    started.deps.clock.advance(LIFE);
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!((started.handle.stats().holds, started.handle.stats().expired), (0, 2));
}

//! The scheduler as an actor: through its handle, with accounts behind an `AccountMail`.

use std::future::Future;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use secrecy::SecretString;

use crate::account::messages::{Acquire, Acquired};
use crate::account::view::AccountView;
use crate::clock::Clock;
use crate::domain::credential::{Credential, Secret};
use crate::domain::id::{AccountId, LeaseId};
use crate::domain::route::RefusalReason;
use crate::domain::settings::Settings;
use crate::guard::{Lease, LeaseEnded};
use crate::handle::Mailbox;
use crate::outbox::Outbox;
use crate::scheduler::messages::{AcquireDecided, ViewChanged};
use crate::scheduler::tests::{T0, World, session, sonnet, view};
use crate::scheduler::{AccountMail, SchedulerActor, SchedulerDeps, SchedulerHandle, StickyFilter};

/// One account that grants one slot, as its actor would.
struct OneAccount {
    scheduler: Mailbox<SchedulerActor>,
    outbox: Outbox,
    view: Mutex<AccountView>,
}

impl OneAccount {
    fn change(&self, change: impl FnOnce(&mut AccountView)) -> Box<AccountView> {
        let mut view = self.view.lock().unwrap();
        view.generation += 1;
        change(&mut view);
        Box::new(view.clone())
    }
}

impl AccountMail for OneAccount {
    fn acquire(&self, _: AccountId, acquire: Acquire) -> bool {
        let view = self.change(|view| view.slots_used += 1);
        assert!(view.slots_used <= view.spec.max_concurrency);
        let secret = Secret::ApiKey(SecretString::from("k"));
        let credential = Arc::new(Credential { secret, expires_at: None, version: 1 });
        let id = LeaseId(acquire.attempt.request.0);
        let lease = Lease::new(id, Arc::clone(&view.spec), credential, self.outbox.clone());
        let decided = AcquireDecided { attempt: acquire.attempt, view, result: Ok(Acquired { lease }) };
        self.scheduler.tell(decided).is_ok()
    }

    fn ended(&self, _: LeaseEnded) {
        let view = self.change(|view| view.slots_used -= 1);
        assert!(self.scheduler.tell(ViewChanged(view)).is_ok());
    }

    fn announce(&self) {
        let view = self.change(|_| ());
        assert!(self.scheduler.tell(ViewChanged(view)).is_ok());
    }
}

fn with_scheduler<F: Future<Output = ()>>(test: impl FnOnce(SchedulerHandle, Arc<OneAccount>) -> F) {
    actix::System::new().block_on(async {
        let mailbox: Mailbox<SchedulerActor> = Mailbox::default();
        let outbox = Outbox::new(mailbox.clone(), Mailbox::default(), Mailbox::default());
        let account = Arc::new(OneAccount {
            scheduler: mailbox.clone(),
            outbox: outbox.clone(),
            view: Mutex::new(view(1, |s, _| s.max_concurrency = 1)),
        });
        let deps = SchedulerDeps {
            clock: Clock::frozen(T0),
            settings: Arc::new(ArcSwap::from_pointee(Settings::default())),
            mailbox: mailbox.clone(),
            billing: Mailbox::default(),
            mail: account.clone(),
            outbox,
            fleet: None,
        };
        mailbox.start(SchedulerActor::new(deps));
        test(SchedulerHandle::new(mailbox), account).await;
    });
}

#[test]
fn a_lease_is_granted_waited_for_and_given_back() {
    with_scheduler(|scheduler, account| async move {
        let mut asked = sonnet(1);
        asked.session = session(1);
        let grant = scheduler.route(asked).await.unwrap();
        assert_eq!(scheduler.sticky(StickyFilter::default()).await.len(), 1);
        let second = actix::spawn({
            let scheduler = scheduler.clone();
            async move { scheduler.route(sonnet(2)).await }
        });
        while scheduler.queue().await.pool == 0 {}
        drop(grant);
        let grant = second.await.unwrap().unwrap();
        assert_eq!(account.view.lock().unwrap().slots_used, 1);
        drop(grant);
        while scheduler.views().await[0].slots_used > 0 {}
        let records = scheduler.decisions(Some(sonnet(2).attempt.request), 10).await;
        assert_eq!(records.len(), 2, "queued, then reserved");
        assert_eq!(scheduler.stats().await.decisions["reserved"], 2);
        assert!(scheduler.forget_session(session(1).unwrap()).await);
    });
}

#[test]
fn dropping_the_question_leaves_the_queue() {
    with_scheduler(|scheduler, _account| async move {
        let grant = scheduler.route(sonnet(1)).await.unwrap();
        let waiting = actix::spawn({
            let scheduler = scheduler.clone();
            async move { scheduler.route(sonnet(2)).await }
        });
        while scheduler.queue().await.pool == 0 {}
        waiting.abort();
        while scheduler.queue().await.pool > 0 {}
        drop(grant);
        assert_eq!(scheduler.route(sonnet(3)).await.unwrap().lease.account.id, AccountId(1));
    });
}

#[test]
fn nobody_to_ask_is_an_answer_too() {
    with_scheduler(|scheduler, _account| async move {
        let refused = scheduler.route(World::with_admission(sonnet(1))).await.unwrap_err();
        assert_eq!((refused.reason, refused.retry_after_ms), (RefusalReason::BillingUnavailable, Some(5_000)));
        let grant = scheduler.route(sonnet(2)).await.unwrap();
        scheduler.drain();
        assert_eq!(scheduler.route(sonnet(3)).await.unwrap_err().reason, RefusalReason::Draining);
        assert_eq!(scheduler.take_kept().await.len(), 1);
        assert!(scheduler.simulate(sonnet(4)).await.is_some_and(|record| record.chosen.is_none()));
        drop(grant);
        let nobody = SchedulerHandle::new(Mailbox::default());
        let refused = nobody.route(sonnet(5)).await.unwrap_err();
        assert_eq!((refused.reason, refused.retry_after_ms), (RefusalReason::NoAccount, Some(1_000)));
        assert!(nobody.simulate(sonnet(5)).await.is_none());
    });
}

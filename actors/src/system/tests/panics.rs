//! `reliability.md` R20: actors die, promises do not.

use super::{ask, finish, id, pause, start};
use crate::domain::account::AccountSpec;
use crate::domain::account::AccountStatus;
use crate::domain::verdict::{Judgement, Verdict};
use crate::testing::{FakePorts, api_key, panic_scheduler, spec};

#[actix_rt::test]
async fn an_account_is_back_within_a_second_and_still_knows_its_leases() {
    let fakes = FakePorts::default();
    fakes.accounts.put(AccountSpec { max_concurrency: 2, ..spec(1) }, Some(api_key()));
    let engine = start(fakes).await;
    let (first, second) = (ask(&engine, 1).await.unwrap(), ask(&engine, 2).await.unwrap());
    assert!(engine.engine.accounts.panic_now(id(1)));
    engine.settle().await;
    assert!(engine.engine.accounts.detail(id(1)).await.is_none());
    pause(1_000).await;
    let detail = engine.engine.accounts.detail(id(1)).await.unwrap();
    assert_eq!((detail.leases.len(), detail.restarts), (2, 1));
    assert!(ask(&engine, 3).await.is_err(), "both slots are still taken");
    finish(&engine, first, Verdict::Ok);
    engine.settle().await;
    assert!(ask(&engine, 4).await.is_ok());
    drop(second);
    pause(10).await;
    assert_eq!(engine.live_leases().await, 0);
}

#[actix_rt::test]
async fn what_ends_while_nobody_is_there_arrives_later() {
    let fakes = FakePorts::default();
    fakes.accounts.put(spec(1), Some(api_key()));
    let engine = start(fakes).await;
    let mut grants = Vec::new();
    for n in 0..6 {
        grants.push(ask(&engine, n).await.unwrap());
    }
    // Three ends wait behind the panic in the mailbox that dies, three come while there is none.
    engine.engine.accounts.panic_now(id(1));
    grants.drain(..3).for_each(|grant| finish(&engine, grant, Verdict::Server));
    engine.settle().await;
    assert!(engine.engine.accounts.detail(id(1)).await.is_none());
    grants.into_iter().for_each(|grant| finish(&engine, grant, Verdict::Server));
    pause(1_000).await;
    let detail = engine.engine.accounts.detail(id(1)).await.unwrap();
    assert_eq!((detail.leases.len(), detail.view.health, detail.view.samples), (0, 95, 6));
}

#[actix_rt::test]
async fn ten_panics_under_load_leave_nothing_behind() {
    let fakes = FakePorts::default();
    for n in 1..=2 {
        fakes.accounts.put(AccountSpec { max_concurrency: 6, ..spec(n) }, Some(api_key()));
    }
    let engine = start(fakes).await;
    let (mut live, mut served, mut n) = (Vec::new(), 0, 0);
    for round in 0..400 {
        if round % 40 == 7 {
            assert!(engine.engine.accounts.panic_now(id(1)), "round {round}");
        }
        for _ in 0..3 {
            n += 1;
            if let Ok(grant) = ask(&engine, n).await {
                served += 1;
                live.push(grant);
            }
        }
        for account in 1..=2 {
            let held = live.iter().filter(|grant| grant.lease.account.id == id(account)).count();
            assert!(held <= 6, "account {account} holds {held} in round {round}");
        }
        for grant in live.drain(..live.len() / 2) {
            finish(&engine, grant, Verdict::Ok);
        }
        pause(250).await;
    }
    drop(live);
    pause(10_000).await;
    assert_eq!(engine.live_leases().await, 0);
    let detail = engine.engine.accounts.detail(id(1)).await.unwrap();
    assert_eq!((detail.restarts, detail.view.slots_used), (10, 0));
    assert_eq!(engine.engine.accounts.detail(id(2)).await.unwrap().restarts, 0);
    assert_eq!(served, 1_200, "the other account served meanwhile");
}

#[actix_rt::test]
async fn facts_about_the_vendor_outlive_the_actor() {
    let fakes = FakePorts::default();
    fakes.accounts.put(spec(1), Some(api_key()));
    let engine = start(fakes).await;
    let grant = ask(&engine, 1).await.unwrap();
    let now = engine.engine.clock.now();
    let until = Some(now.plus(3_600_000));
    let judgement = Judgement { until, ..Judgement::of(Verdict::RateLimited) };
    grant
        .lease
        .finish(crate::domain::verdict::AttemptReport { judgement, ..crate::testing::report(Verdict::Ok, now, now) });
    engine.settle().await;
    engine.engine.accounts.panic_now(id(1));
    pause(1_000).await;
    let view = engine.engine.accounts.detail(id(1)).await.unwrap().view;
    assert_eq!((view.health, view.cooldowns.len()), (90, 1));
    assert!(ask(&engine, 2).await.is_err());
}

#[actix_rt::test]
async fn without_storage_the_last_known_row_serves() {
    let fakes = FakePorts::default();
    fakes.accounts.put(spec(1), Some(api_key()));
    let engine = start(fakes).await;
    engine.fakes.accounts.set_down(true);
    engine.engine.accounts.panic_now(id(1));
    pause(1_000).await;
    assert!(ask(&engine, 1).await.is_ok());
}

#[actix_rt::test]
async fn a_hopeless_account_is_given_up_and_the_others_go_on() {
    let fakes = FakePorts::default();
    (1..=2).for_each(|n| fakes.accounts.put(spec(n), Some(api_key())));
    let engine = start(fakes).await;
    for _ in 0..40 {
        while !engine.engine.accounts.panic_now(id(1)) {
            pause(50).await;
        }
        engine.settle().await;
    }
    pause(60_000).await;
    assert!(engine.engine.accounts.detail(id(1)).await.is_none());
    let views = engine.engine.scheduler.views().await;
    assert_eq!(
        (views[0].spec.status, views[0].spec.status_reason.as_deref()),
        (AccountStatus::Error, Some("crash_loop"))
    );
    assert_eq!(ask(&engine, 1).await.unwrap().lease.account.id, id(2));
    engine.engine.accounts.reset(id(1), false);
    pause(1_000).await;
    let detail = engine.engine.accounts.detail(id(1)).await.unwrap();
    assert_eq!(detail.view.spec.status, AccountStatus::Active);
    assert!(engine.fakes.accounts.statuses().is_empty(), "the stored row never said so");
}

#[actix_rt::test]
async fn a_rebuilt_scheduler_sees_every_account_and_loses_no_lease() {
    let fakes = FakePorts::default();
    (1..=3).for_each(|n| fakes.accounts.put(AccountSpec { max_concurrency: 1, ..spec(n) }, Some(api_key())));
    let engine = start(fakes).await;
    let (first, second) = (ask(&engine, 1).await.unwrap(), ask(&engine, 2).await.unwrap());
    assert!(panic_scheduler(&engine.engine));
    finish(&engine, first, Verdict::Ok);
    engine.settle().await;
    assert!(ask(&engine, 3).await.is_err(), "nobody is there");
    drop(second);
    pause(1_000).await;
    assert_eq!(engine.engine.scheduler.views().await.len(), 3);
    assert_eq!(engine.live_leases().await, 0);
    for n in 4..7 {
        std::mem::forget(ask(&engine, n).await.unwrap());
    }
    assert!(ask(&engine, 7).await.is_err());
    let restarts = engine.counters.restarts.with_label_values(&["scheduler", "panic"]).get();
    assert_eq!(restarts, 1);
}

//! Several engines over one shared store, in virtual time.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use crate::domain::account::AccountSpec;
use crate::domain::id::{AccountId, AttemptId, KeyId, RequestId, UserId};
use crate::domain::key::{CostWindow, KeyPolicy, OwnerPolicy};
use crate::domain::limit::{RateDimension, RateWindow};
use crate::domain::money::Nanos;
use crate::domain::route::{AdmissionRequest, Refusal, RefusalReason, RouteRequest, SessionHash};
use crate::domain::settings::{OnStoreFailure, Settings};
use crate::domain::time::MINUTE;
use crate::domain::verdict::Verdict;
use crate::fleet::ask::Missing;
use crate::scheduler::Grant;
use crate::system::EngineConfig;
use crate::testing::fleet::MemoryFleet;
use crate::testing::{FakePorts, TestEngine, api_key, policy, report, route, spec};

/// Engines that share a store and a database.
struct Instances {
    store: MemoryFleet,
    engines: Vec<TestEngine>,
    requests: u128,
}

impl Instances {
    async fn start(count: u64, accounts: Vec<AccountSpec>) -> Self {
        let fakes = FakePorts::default();
        let store = MemoryFleet::new(fakes.clock.clone());
        for account in accounts {
            fakes.accounts.put(account, Some(api_key()));
        }
        let mut engines = Vec::new();
        for number in 0..count {
            let fakes = FakePorts { fleet: Some(store.instance(number)), ..fakes.clone() };
            let config = EngineConfig::fleet(Arc::new(|_: &str| ()));
            engines.push(TestEngine::start_as(config, fakes).await.unwrap());
        }
        let mut instances = Self { store, engines, requests: 0 };
        instances.settle().await;
        instances
    }

    async fn settle(&mut self) {
        for engine in &self.engines {
            engine.settle().await;
        }
    }

    /// A request of this key at every instance in turn, `count` in all, at once.
    async fn ask(&mut self, key: &Arc<KeyPolicy>, charge: i64, count: usize) -> Vec<Result<Grant, Refusal>> {
        let asks: Vec<_> = (0..count).map(|n| (n % self.engines.len(), self.request(key, charge))).collect();
        let routed = asks.into_iter().map(|(n, request)| self.engines[n].engine.scheduler.route(request));
        join_all(routed.collect::<Vec<_>>()).await
    }

    fn request(&mut self, key: &Arc<KeyPolicy>, charge: i64) -> RouteRequest {
        self.requests += 1;
        let now = self.engines[0].engine.clock.now();
        RouteRequest {
            attempt: AttemptId { request: RequestId(self.requests), number: 1 },
            key: Arc::clone(key),
            admission: Some(AdmissionRequest { charge_estimate: Nanos(charge), priced: true }),
            tokens_estimate: 10,
            cost_estimate: Nanos(charge),
            deadline: now.plus(MINUTE),
            ..route(self.requests)
        }
    }

    /// Ends a request that cost its estimate.
    fn finish(&self, grant: Grant, charge: i64) {
        let now = self.engines[0].engine.clock.now();
        if let Some(admission) = grant.admission {
            admission.hold.settle(Nanos(charge), 10);
        }
        let mut report = report(Verdict::Ok, now, now);
        report.cost = Some(Nanos(charge));
        grant.lease.finish(report);
    }
}

fn granted(results: Vec<Result<Grant, Refusal>>) -> (Vec<Grant>, Vec<RefusalReason>) {
    let (mut grants, mut refusals) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(grant) => grants.push(grant),
            Err(refusal) => refusals.push(refusal.reason),
        }
    }
    (grants, refusals)
}

fn key(change: impl FnOnce(&mut KeyPolicy)) -> Arc<KeyPolicy> {
    let mut key = policy(1);
    change(&mut key);
    Arc::new(key)
}

const ONE: AccountId = AccountId(1);

#[actix_rt::test]
async fn the_slots_of_an_account_are_shared() {
    tokio::time::pause();
    let mut fleet = Instances::start(3, vec![AccountSpec { max_concurrency: 10, ..spec(1) }]).await;
    let (grants, refusals) = granted(fleet.ask(&key(|_| ()), 0, 200).await);
    assert_eq!((grants.len(), fleet.store.slots(ONE)), (10, 10));
    assert!(refusals.iter().all(|reason| *reason == RefusalReason::PoolBusy), "{refusals:?}");
    for grant in grants {
        fleet.finish(grant, 0);
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(fleet.store.slots(ONE), 0);
}

#[actix_rt::test]
async fn every_account_with_room_is_used_before_anyone_is_refused() {
    tokio::time::pause();
    let account = |id| AccountSpec { max_concurrency: 4, ..spec(id) };
    let mut fleet = Instances::start(3, (1..=5).map(account).collect()).await;
    let (grants, refusals) = granted(fleet.ask(&key(|_| ()), 0, 50).await);
    assert_eq!((grants.len(), refusals.len()), (20, 30));
    assert!((1..=5).all(|id| fleet.store.slots(AccountId(id)) == 4));
}

#[actix_rt::test]
async fn one_who_waits_is_woken_by_a_slot_that_comes_free_elsewhere() {
    tokio::time::pause();
    let mut fleet = Instances::start(2, vec![AccountSpec { max_concurrency: 1, ..spec(1) }]).await;
    let request = fleet_request(&mut fleet, |_| ());
    let first = fleet.engines[0].engine.scheduler.route(request).await.unwrap();
    let request = fleet_request(&mut fleet, |r| r.may_wait = true);
    let began = tokio::time::Instant::now();
    let second = fleet.engines[1].engine.scheduler.clone();
    let waiting = actix_rt::spawn(async move { second.route(request).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished());
    fleet.finish(first, 0);
    let grant = waiting.await.unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_millis(400), "woken by news, not by a timer: {:?}", began.elapsed());
    fleet.finish(grant, 0);
}

fn fleet_request(fleet: &mut Instances, change: impl FnOnce(&mut RouteRequest)) -> RouteRequest {
    let mut request = fleet.request(&key(|_| ()), 0);
    change(&mut request);
    request
}

#[actix_rt::test]
async fn a_key_waits_for_its_own_slot_over_all_instances() {
    tokio::time::pause();
    let mut fleet = Instances::start(2, vec![spec(1)]).await;
    let key = key(|k| k.concurrency_limit = 3);
    let (mut grants, refusals) = granted(fleet.ask(&key, 0, 40).await);
    assert_eq!((grants.len(), refusals.len()), (3, 37));
    assert!(refusals.iter().all(|reason| *reason == RefusalReason::ConcurrencyKey), "{refusals:?}");
    let mut request = fleet.request(&key, 0);
    request.may_wait = true;
    let second = fleet.engines[1].engine.scheduler.clone();
    let waiting = actix_rt::spawn(async move { second.route(request).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    // The grant of the first instance; the waiter is at the second.
    fleet.finish(grants.remove(0), 0);
    let grant = waiting.await.unwrap().unwrap();
    assert_eq!(fleet.store.key(UserId(1), KeyId(1), CostWindow::Day).0, 3);
    grants.push(grant);
    for grant in grants {
        fleet.finish(grant, 0);
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(fleet.store.key(UserId(1), KeyId(1), CostWindow::Day).0, 0);
}

#[actix_rt::test]
async fn rates_and_money_are_never_exceeded_by_one() {
    tokio::time::pause();
    let mut fleet = Instances::start(2, vec![AccountSpec { max_concurrency: 0, ..spec(1) }]).await;
    let owner = OwnerPolicy { rpm_limit: 17, ..policy(1).owner };
    let by_owner = key(|k| k.owner = owner);
    let (grants, refusals) = granted(fleet.ask(&by_owner, 0, 60).await);
    assert_eq!((grants.len(), refusals[0]), (17, RefusalReason::RateRequests));

    let money = Arc::new(KeyPolicy { cost_limits: vec![(CostWindow::Day, Nanos(100))], ..policy(2) });
    let (held, refusals) = granted(fleet.ask(&money, 9, 40).await);
    assert_eq!((held.len(), refusals[0]), (11, RefusalReason::OutOfMoney("daily_cost_limit_exceeded")));
    for grant in held {
        fleet.finish(grant, 5);
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    let (_, held, used) = fleet.store.key(UserId(1), KeyId(2), CostWindow::Day);
    assert_eq!((held, used), (Nanos::ZERO, Nanos(55)));
    assert_eq!(granted(fleet.ask(&money, 9, 40).await).0.len(), 5, "45 are left");

    let window = RateWindow { dim: RateDimension::Tokens, seconds: 3_600, limit: 95, family: None };
    let tokens = Arc::new(KeyPolicy { windows: vec![window], ..policy(3) });
    let (grants, refusals) = granted(fleet.ask(&tokens, 0, 40).await);
    assert_eq!((grants.len(), refusals[0]), (9, RefusalReason::RateTokens));
}

#[actix_rt::test]
async fn an_account_s_rates_and_daily_budget_are_shared() {
    tokio::time::pause();
    for (limited, served) in [
        (AccountSpec { rpm_limit: 7, ..spec(1) }, 7),
        (AccountSpec { tpm_limit: 65, ..spec(1) }, 6),
        (AccountSpec { daily_budget: Nanos(50), ..spec(1) }, 5),
    ] {
        let mut fleet = Instances::start(3, vec![AccountSpec { max_concurrency: 0, ..limited }]).await;
        let (grants, _) = granted(fleet.ask(&key(|_| ()), 10, 30).await);
        assert_eq!(grants.len(), served);
    }
}

#[actix_rt::test]
async fn without_the_store_an_instance_keeps_to_its_share_and_money_is_closed() {
    tokio::time::pause();
    let mut fleet = Instances::start(2, vec![AccountSpec { max_concurrency: 10, ..spec(1) }]).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let (before, _) = granted(fleet.ask(&key(|_| ()), 0, 2).await);
    fleet.store.set_down(true);
    let (mut grants, refusals) = granted(fleet.ask(&key(|_| ()), 0, 40).await);
    assert_eq!((grants.len(), refusals.len()), (8, 32), "five each, of which one was granted before");
    for _ in 0..2 {
        fleet.finish(grants.remove(3), 0);
    }
    fleet.settle().await;
    let money = Arc::new(KeyPolicy { cost_limits: vec![(CostWindow::Day, Nanos(100))], ..policy(2) });
    let (_, refusals) = granted(fleet.ask(&money, 9, 2).await);
    assert_eq!(refusals, [RefusalReason::BillingUnavailable; 2]);
    fleet.settle().await;
    grants.extend(granted(fleet.ask(&key(|_| ()), 0, 4).await).0);

    fleet.store.set_down(false);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(fleet.engines.iter().all(|e| e.engine.fleet.is_together()));
    assert_eq!(fleet.store.slots(ONE), 10, "the store heard of what was granted without it");
    assert_eq!(granted(fleet.ask(&key(|_| ()), 0, 4).await).0.len(), 0);
    for grant in before.into_iter().chain(grants) {
        fleet.finish(grant, 0);
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(fleet.store.slots(ONE), 0);
}

#[actix_rt::test]
async fn without_the_store_money_can_be_open_up_to_an_amount() {
    tokio::time::pause();
    let mut fleet = Instances::start(1, vec![AccountSpec { max_concurrency: 0, ..spec(1) }]).await;
    let engine = &fleet.engines[0];
    let open = Settings { on_store_failure: OnStoreFailure::Open, fail_open_limit_nanos: 30, ..Settings::default() };
    engine.fakes.settings.put(open);
    engine.engine.settings.reload().await.unwrap();
    let money = Arc::new(KeyPolicy { cost_limits: vec![(CostWindow::Day, Nanos(100))], ..policy(2) });
    fleet.store.set_down(true);
    let (grants, refusals) = granted(fleet.ask(&money, 9, 5).await);
    assert_eq!((grants.len(), refusals), (3, vec![RefusalReason::BillingUnavailable; 2]));
}

#[actix_rt::test]
async fn a_lost_answer_leaves_nothing_taken() {
    tokio::time::pause();
    let mut fleet = Instances::start(1, vec![AccountSpec { max_concurrency: 3, ..spec(1) }]).await;
    let key = key(|k| k.concurrency_limit = 3);
    fleet.store.lose_answers(2);
    let (grants, _) = granted(fleet.ask(&key, 0, 1).await);
    assert_eq!((grants.len(), fleet.store.slots(ONE)), (1, 1));
    assert_eq!(fleet.store.key(UserId(1), KeyId(1), CostWindow::Day).0, 1);
    assert_eq!(granted(fleet.ask(&key, 0, 5).await).0.len(), 2);
}

#[actix_rt::test]
async fn what_a_killed_instance_held_is_free_within_a_minute() {
    tokio::time::pause();
    let mut fleet = Instances::start(2, vec![AccountSpec { max_concurrency: 2, ..spec(1) }]).await;
    let money = Arc::new(KeyPolicy { cost_limits: vec![(CostWindow::Day, Nanos(100))], ..policy(2) });
    let (held, _) = granted(fleet.ask(&money, 50, 2).await);
    assert_eq!(fleet.store.slots(ONE), 2);
    // The first instance dies: nobody renews what it held and nobody gives it back. The second lives on.
    fleet.store.cut(0);
    fleet.engines.remove(0);
    std::mem::forget(held);
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(fleet.store.slots(ONE), 1, "only the living one's");
    assert_eq!(fleet.store.key(UserId(1), KeyId(2), CostWindow::Day).1, Nanos(50));
    assert_eq!(granted(fleet.ask(&money, 50, 1).await).0.len(), 1);
}

#[actix_rt::test]
async fn a_long_stream_keeps_its_slot_and_a_flush_is_repaired() {
    tokio::time::pause();
    let mut fleet = Instances::start(1, vec![AccountSpec { max_concurrency: 1, ..spec(1) }]).await;
    let (held, _) = granted(fleet.ask(&key(|_| ()), 0, 1).await);
    for minute in 0..20 {
        if minute == 10 {
            fleet.store.flush();
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        assert_eq!(fleet.store.slots(ONE), 1, "minute {minute}");
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    drop(held);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(fleet.store.slots(ONE), 0);
}

#[actix_rt::test]
async fn a_session_stays_on_its_account_whichever_instance_serves_it() {
    tokio::time::pause();
    let mut fleet = Instances::start(3, (1..=6).map(spec).collect()).await;
    let session = Some(SessionHash([7; 16]));
    let mut served = Vec::new();
    for n in 0..9 {
        let request = fleet_request(&mut fleet, |r| r.session = session);
        // Other traffic makes the other accounts look better.
        let noise = fleet.ask(&key(|_| ()), 0, 2).await;
        let grant = fleet.engines[n % 3].engine.scheduler.route(request).await.unwrap();
        served.push(grant.lease.account.id);
        fleet.finish(grant, 0);
        std::mem::forget(noise);
    }
    assert!(served.iter().all(|id| *id == served[0]), "{served:?}");
}

#[actix_rt::test]
async fn what_one_instance_learns_of_an_account_the_others_know_within_a_second() {
    tokio::time::pause();
    let mut fleet = Instances::start(2, vec![spec(1)]).await;
    let request = fleet_request(&mut fleet, |_| ());
    let grant = fleet.engines[0].engine.scheduler.route(request).await.unwrap();
    let now = fleet.engines[0].engine.clock.now();
    grant.lease.finish(report(Verdict::Overloaded, now, now));
    tokio::time::sleep(Duration::from_millis(900)).await;
    let mut views = Vec::new();
    for engine in &fleet.engines {
        let view = engine.engine.accounts.detail(ONE).await.unwrap().view;
        views.push((view.health, view.cooldowns.to_vec()));
    }
    assert_eq!(views[0].0, 70);
    assert_eq!(views[0], views[1]);
    assert!(fleet.engines[0].engine.accounts.reset(ONE, false));
    tokio::time::sleep(Duration::from_millis(900)).await;
    let view = fleet.engines[1].engine.accounts.detail(ONE).await.unwrap().view;
    assert_eq!((view.health, view.cooldowns.len()), (100, 0), "a person's reset reaches everyone");
}

#[actix_rt::test]
async fn one_instance_leads_the_periodic_jobs_and_another_follows_when_it_dies() {
    tokio::time::pause();
    let mut fleet = Instances::start(2, vec![spec(1)]).await;
    let leads = |engine: &TestEngine| engine.engine.housekeeping.leads();
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert_eq!(fleet.engines.iter().filter(|engine| leads(engine)).count(), 1);
    let leader = fleet.engines.iter().position(leads).unwrap();
    fleet.store.cut(u64::try_from(leader).unwrap());
    fleet.engines.remove(leader);
    tokio::time::sleep(Duration::from_secs(75)).await;
    assert!(leads(&fleet.engines[0]));
}

#[actix_rt::test]
async fn the_view_shows_what_others_hold() {
    tokio::time::pause();
    let mut fleet = Instances::start(2, vec![AccountSpec { max_concurrency: 4, ..spec(1) }]).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        held.extend(granted(fleet.ask(&key(|_| ()), 0, 2).await).0);
    }
    let (none, _) = granted(fleet.ask(&key(|_| ()), 0, 2).await);
    assert_eq!((held.len(), none.len()), (4, 0));
    fleet.settle().await;
    for engine in &fleet.engines {
        let view = engine.engine.accounts.detail(ONE).await.unwrap().view;
        assert_eq!(view.slots_used + view.others.slots, 4);
        assert_eq!(view.missing.map(|(missing, _)| missing), Some(Missing::Slots));
    }
}

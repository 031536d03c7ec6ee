//! Start, reload, metrics, stop.

use std::sync::Arc;

use super::{ask, finish, id, start};
use crate::clock::Clock;
use crate::domain::account::AccountSpec;
use crate::domain::key::{CostWindow, KeyPolicy};
use crate::domain::money::Nanos;
use crate::domain::route::{AdmissionRequest, RouteRequest};
use crate::domain::verdict::Verdict;
use crate::guard::Lease;
use crate::metrics::{EngineMetrics, MetricsConfig};
use crate::system::{Engine, EngineConfig};
use crate::testing::{FakePorts, TestEngine, api_key, oauth, oauth_account, policy, spec};

#[actix_rt::test]
async fn a_granted_slot_comes_back_with_what_was_learnt() {
    let fakes = FakePorts::default();
    fakes.accounts.put(AccountSpec { max_concurrency: 1, ..spec(1) }, Some(api_key()));
    let engine = start(fakes).await;
    let grant = ask(&engine, 1).await.unwrap();
    assert_eq!(engine.live_leases().await, 1);
    assert!(ask(&engine, 2).await.is_err());
    finish(&engine, grant, Verdict::Server);
    engine.settle().await;
    let detail = engine.engine.accounts.detail(id(1)).await.unwrap();
    assert_eq!((detail.view.health, detail.leases.len()), (95, 0));
}

#[actix_rt::test]
async fn an_admitted_request_gives_everything_back_however_it_ends() {
    let fakes = FakePorts::default();
    fakes.accounts.put(spec(1), Some(api_key()));
    let engine = start(fakes).await;
    let limits = vec![(CostWindow::Day, Nanos(100))];
    let key = Arc::new(KeyPolicy { concurrency_limit: 1, cost_limits: limits, ..policy(1) });
    let admitted = |n| RouteRequest {
        admission: Some(AdmissionRequest { charge_estimate: Nanos(60), priced: true }),
        key: Arc::clone(&key),
        ..super::request(&engine, n)
    };
    let route = |n| engine.engine.scheduler.route(admitted(n));
    let dropped = route(1).await.unwrap();
    assert!(route(2).await.is_err(), "one at a time");
    drop(dropped);
    engine.settle().await;

    let settled = route(3).await.unwrap();
    settled.admission.unwrap().hold.settle(Nanos(50), 10);
    finish_lease(&engine, settled.lease);
    engine.settle().await;
    assert!(route(4).await.is_err(), "50 are spent, 60 do not fit");
    let stats = engine.engine.billing.stats();
    assert_eq!((stats.holds, stats.permits, engine.live_leases().await), (0, 0, 0));
    engine.stop().await;
}

fn finish_lease(engine: &TestEngine, lease: Lease) {
    let now = engine.engine.clock.now();
    lease.finish(crate::testing::report(Verdict::Ok, now, now));
}

#[actix_rt::test]
async fn writes_create_update_and_remove_accounts() {
    let engine = start(FakePorts::default()).await;
    assert!(ask(&engine, 1).await.is_err());
    engine.fakes.accounts.put(spec(1), Some(api_key()));
    engine.engine.accounts.reload(id(1)).await.unwrap();
    engine.settle().await;
    let live = ask(&engine, 2).await.unwrap();

    engine.fakes.accounts.put(AccountSpec { enabled: false, version: 2, ..spec(1) }, Some(api_key()));
    engine.engine.accounts.reload(id(1)).await.unwrap();
    engine.settle().await;
    assert!(ask(&engine, 3).await.is_err());
    assert_eq!(engine.live_leases().await, 1);

    engine.fakes.accounts.remove(1);
    engine.engine.accounts.reload(id(1)).await.unwrap();
    engine.settle().await;
    assert!(engine.engine.accounts.ids().is_empty());
    assert!(engine.engine.accounts.detail(id(1)).await.is_none());
    assert!(engine.engine.scheduler.views().await.is_empty());
    finish(&engine, live, Verdict::Ok);
    engine.settle().await;

    engine.fakes.accounts.set_down(true);
    assert!(engine.engine.accounts.reload(id(1)).await.is_err());
}

#[actix_rt::test]
async fn versions_that_were_read_before_an_account_was_made_do_not_remove_it() {
    let fakes = FakePorts::default();
    fakes.accounts.put(spec(1), Some(api_key()));
    let engine = start(fakes).await;
    let live = ask(&engine, 1).await.unwrap();
    engine.engine.accounts.compare(Vec::new());
    engine.settle().await;
    assert_eq!((engine.engine.accounts.ids(), engine.live_leases().await), (vec![id(1)], 1));

    engine.fakes.accounts.remove(1);
    engine.fakes.accounts.put(spec(2), Some(api_key()));
    engine.engine.accounts.compare(vec![(id(2), 1)]);
    engine.settle().await;
    assert_eq!(engine.engine.accounts.ids(), [id(2)]);
    finish(&engine, live, Verdict::Ok);
    engine.settle().await;
}

#[actix_rt::test]
async fn a_fleet_instance_notices_what_others_wrote_within_five_seconds() {
    tokio::time::pause();
    let config = EngineConfig::fleet(Arc::new(|_: &str| ()));
    let engine = TestEngine::start_as(config, FakePorts::default()).await.unwrap();
    let stored = &engine.fakes.accounts;
    stored.put(spec(1), Some(api_key()));
    super::pause(5_100).await;
    assert!(ask(&engine, 1).await.is_ok());
    stored.put(AccountSpec { schedulable: false, version: 2, ..spec(1) }, Some(api_key()));
    super::pause(5_100).await;
    assert!(ask(&engine, 2).await.is_err());
    stored.remove(1);
    super::pause(5_100).await;
    assert!(engine.engine.accounts.ids().is_empty());
}

#[actix_rt::test]
async fn every_name_of_the_reference_is_shown() {
    let fakes = FakePorts::default();
    fakes.accounts.put(AccountSpec { daily_budget: Nanos(5), ..spec(1) }, Some(api_key()));
    fakes.accounts.put(oauth_account(2), Some(oauth(1, crate::testing::START.plus(9_000_000))));
    let engine = start(fakes).await;
    let metrics = EngineMetrics::register(MetricsConfig::default(), &engine.registry).unwrap();
    let grant = ask(&engine, 1).await.unwrap();
    metrics.collect(&engine.engine).await;
    finish(&engine, grant, Verdict::Ok);
    let mut text = String::new();
    prometheus::TextEncoder::new().encode_utf8(&engine.registry.gather(), &mut text).unwrap();
    for name in [
        "scheduler_decisions_total{outcome=\"reserved\"} 1",
        "scheduler_decision_seconds_bucket{outcome=\"reserved\"",
        "queue_depth{queue=\"pool\"} 0",
        "pool_floor_total{service=\"claude\"} 0",
        "sticky_bindings 0",
        "lease_lost_total 0",
        "pool_schedulable_accounts{service=\"claude\",group=\"none\"} 2",
        "pool_slots_max{service=\"claude\",group=\"none\"} 20",
        "pool_slots_used{service=\"claude\",group=\"none\"} 1",
        "pool_headroom_ratio{service=\"claude\",group=\"none\"} 1",
        "accounts{service=\"claude\",state=\"ok\"} 2",
        "accounts{service=\"ccr\",state=\"error\"} 0",
        "accounts_schedulable{service=\"claude\"} 2",
        "account_slots_max{account_id=\"1\",service=\"claude\"} 10",
        "account_slots_used{account_id=\"1\",service=\"claude\"}",
        "account_headroom_ratio{account_id=\"1\",service=\"claude\"}",
        "account_health_score{account_id=\"1\",service=\"claude\"} 100",
        "account_daily_budget_used_ratio{account_id=\"1\",service=\"claude\"} 0",
        "account_token_expiry_timestamp_seconds{account_id=\"2\"}",
        "account_breaker_total{event=\"opened\",service=\"claude\"} 0",
        "account_token_refresh_total{result=\"ok\",service=\"claude\"} 0",
        "actor_mailbox_depth{actor=\"scheduler\"}",
        "actor_mailbox_capacity{actor=\"account\"} 8192",
        "actor_up{actor=\"billing\"} 1",
        "actor_restarts_total{actor=\"account\",reason=\"panic\"} 0",
    ] {
        assert!(text.contains(&format!("quotalane_{name}")), "{name} is not in\n{text}");
    }
}

#[actix_rt::test]
async fn series_per_account_are_capped() {
    let fakes = FakePorts::default();
    (1..=30).for_each(|n| fakes.accounts.put(spec(n), Some(api_key())));
    let engine = start(fakes).await;
    let metrics = EngineMetrics::register(MetricsConfig { per_account_max: 5 }, &engine.registry).unwrap();
    metrics.collect(&engine.engine).await;
    let families = engine.registry.gather();
    let slots = families.iter().find(|f| f.name() == "quotalane_account_slots_max").unwrap();
    assert_eq!(slots.get_metric().len(), 5);
}

#[actix_rt::test]
async fn the_engine_runs_on_its_own_thread_and_ends_with_it() {
    let fakes = FakePorts { clock: Clock::system(), ..FakePorts::default() };
    fakes.accounts.put(spec(1), Some(api_key()));
    let registry = prometheus::Registry::new();
    let config = || EngineConfig::embedded(Arc::new(|_: &str| ()));
    let started = Engine::start(config(), fakes.ports(), fakes.clock.clone(), &registry).await;
    let (engine, thread) = started.unwrap();
    let request =
        crate::domain::route::RouteRequest { deadline: engine.clock.now().plus(60_000), ..crate::testing::route(1) };
    let grant = engine.scheduler.route(request.clone()).await.unwrap();
    assert!(engine.actors.is_ready());
    drop(grant);
    thread.stop().await;
    assert!(!engine.actors.is_ready());
    assert!(engine.scheduler.route(request).await.is_err());
    assert!(engine.accounts.reload(id(1)).await.is_err());

    let again = Engine::start(config(), fakes.ports(), fakes.clock.clone(), &registry).await;
    assert!(again.is_err(), "one registry shows one engine");
}

#[actix_rt::test]
async fn an_engine_without_storage_does_not_start() {
    let fakes = FakePorts::default();
    fakes.accounts.set_down(true);
    let registry = prometheus::Registry::new();
    let config = EngineConfig::embedded(Arc::new(|_: &str| ()));
    let started = Engine::start(config, fakes.ports(), fakes.clock.clone(), &registry).await;
    assert!(started.is_err());
}

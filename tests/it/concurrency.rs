//! Slots: never more than there are, everybody in turn, and what those who wait are told.

use std::time::Duration;

use actors::domain::key::DisconnectPolicy;
use futures_util::future::join_all;
use serde_json::json;

use crate::support::app::{TestApp, ask, message_call, spawn_app};
use crate::support::mock::Entry;
use crate::support::setup::TestKey;
use crate::support::sse::Stream;
use crate::support::until;

/// The most calls that were under way at once, by the upstream's own times.
pub fn most_at_once(calls: &[Entry]) -> usize {
    let during =
        |at: i64| calls.iter().filter(move |call| call.started_ms <= at && call.ended_ms.is_some_and(|end| end > at));
    calls.iter().map(|call| during(call.started_ms).count()).max().unwrap_or(0)
}

#[actix_rt::test]
async fn fifty_at_once_on_two_accounts_of_ten_slots_are_all_served_and_never_more_than_ten_at_once() {
    let app = spawn_app().await;
    for name in ["a", "b"] {
        app.account(name, |_| {}).await;
    }
    let key = app.key(|_| {}).await;
    app.mock.script(json!({"delay_ms": 20, "events": 10})).await;
    let bodies: Vec<_> = (0..50).map(|n| ask(n % 2 == 0)).collect();
    let answers = join_all(bodies.iter().map(|body| app.messages(&key, body))).await;
    assert!(
        answers.iter().all(|answer| answer.status == 200),
        "{:?}",
        answers.iter().map(|a| a.status).collect::<Vec<_>>()
    );
    let calls = app.mock.messages().await;
    assert_eq!(calls.len(), 50);
    for credential in ["sk-ant-a", "sk-ant-b"] {
        let of: Vec<Entry> = calls.iter().filter(|call| call.credential == credential).cloned().collect();
        assert!(most_at_once(&of) <= 10, "{} on {credential}", most_at_once(&of));
        assert!(of.len() >= 15, "{} on {credential}", of.len());
    }
    app.finish().await;
}

/// One account of one slot, taken by a stream that the caller ends.
async fn taken(app: &TestApp, key: &TestKey) -> crate::support::client::Open {
    app.account("a", |a| a.max_concurrency = 1).await;
    app.mock.script(json!({"delay_ms": 20, "events": 5000})).await;
    let mut open = app.open(key, &ask(true)).await;
    assert!(open.until("content_block_delta").await);
    app.mock.script(json!({"delay_ms": 0, "events": 5})).await;
    open
}

async fn waiting(app: &TestApp, count: usize) {
    until("they wait", async || {
        let queue = app.app().engine.scheduler.queue().await;
        queue.pool + queue.key + queue.user == count
    })
    .await;
}

#[actix_rt::test]
async fn who_waits_for_a_slot_is_served_in_order() {
    let app = spawn_app().await;
    let key = app.key(|k| (k.concurrency_limit, k.disconnect) = (100, DisconnectPolicy::Cancel)).await;
    let holder = taken(&app, &key).await;
    let calls: Vec<_> = (0..6).map(|_| message_call(&key, &ask(false))).collect();
    let mut waiters = Vec::new();
    for (number, call) in calls.iter().enumerate() {
        waiters.push(call.send_only(app.addr()).await);
        waiting(&app, number + 1).await;
    }
    drop(holder);
    for waiter in waiters {
        let answer = crate::support::client::Open::read_head(waiter).await.rest().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let sizes: Vec<usize> = app.mock.messages().await.iter().skip(1).map(|call| call.body_bytes).collect();
    assert_eq!(sizes.len(), 6);
    let rows = app.rows().await;
    assert!(rows.iter().skip(1).all(|row| row.queue_ms >= 0));
    let mut started: Vec<_> = rows.iter().skip(1).map(|row| (row.started_at.0, row.ttfb_ms.unwrap())).collect();
    started.sort_unstable();
    assert!(started.windows(2).all(|two| two[0].0 + two[0].1 <= two[1].0 + two[1].1 + 5), "{started:?}");
    app.finish().await;
}

#[actix_rt::test]
async fn a_pool_that_stays_full_is_refused_with_503_after_its_time() {
    let app = spawn_app().await;
    app.set(json!({"queue.pool_timeout_ms": 100})).await;
    let key = app.key(|k| k.disconnect = DisconnectPolicy::Cancel).await;
    let holder = taken(&app, &key).await;
    let answer = app.messages(&key, &ask(true)).await;
    assert_eq!((answer.status, answer.error_type().as_str()), (503, "overloaded_error"), "{}", answer.text());
    assert_eq!(answer.should_retry(), Some("true"));
    assert!(answer.header("retry-after").is_some() && answer.header("retry-after-ms").is_some());
    assert!(answer.took >= Duration::from_millis(95), "{:?}", answer.took);
    drop(holder);
    app.finish().await;
}

#[actix_rt::test]
async fn a_key_has_its_own_slots_and_its_own_wait() {
    let app = spawn_app().await;
    app.set(json!({"queue.key_timeout_ms": 100})).await;
    app.account("a", |_| {}).await;
    let key = app.key(|k| (k.concurrency_limit, k.disconnect) = (1, DisconnectPolicy::Cancel)).await;
    let other = app.key(|_| {}).await;
    app.mock.script(json!({"delay_ms": 20, "events": 5000})).await;
    let mut open = app.open(&key, &ask(true)).await;
    assert!(open.until("content_block_delta").await);
    app.mock.script(json!({"delay_ms": 0, "events": 5})).await;
    let answer = app.messages(&key, &ask(false)).await;
    answer.expect_error(429, "rate_limit_error", "concurrency_key");
    assert_eq!((answer.header("retry-after"), answer.should_retry()), (Some("1"), Some("true")));
    assert_eq!(app.messages(&other, &ask(false)).await.status, 200);
    assert_eq!(app.mock.messages().await.len(), 2);
    drop(open);
    until("the key's slot is free", async || app.app().engine.billing.stats().permits == 0).await;
    assert_eq!(app.messages(&key, &ask(false)).await.status, 200);
    app.finish().await;
}

#[actix_rt::test]
async fn a_stream_that_waits_is_pinged_and_then_answered_or_told_in_band() {
    for freed in [true, false] {
        let app = spawn_app().await;
        app.set(json!({"stream.keepalive_s": 1, "queue.pool_timeout_ms": if freed { 30_000 } else { 1_500 }})).await;
        let key = app.key(|k| k.disconnect = DisconnectPolicy::Cancel).await;
        let holder = taken(&app, &key).await;
        let call = message_call(&key, &ask(true));
        let mut waiter = call.open(app.addr()).await;
        assert_eq!(waiter.status, 200);
        assert!(waiter.until("event: ping").await);
        if freed {
            drop(holder);
            assert!(waiter.until("message_stop").await);
            let stream = Stream::read(&waiter.rest().await.body);
            assert!(stream.errors.is_empty() && stream.events_named("message_start") == 1);
        } else {
            let answer = waiter.rest().await;
            let stream = Stream::read(&answer.body);
            assert_eq!((stream.errors.len(), stream.events_named("message_start")), (1, 0), "{}", answer.text());
            assert_eq!(stream.errors[0]["error"]["type"], "overloaded_error");
            assert!(answer.complete);
            drop(holder);
        }
        app.finish().await;
    }
}

#[actix_rt::test]
async fn too_many_in_flight_are_turned_away_at_the_door() {
    let app = TestApp::start(&[("SERVER__MAX_IN_FLIGHT", "1")]).await;
    let key = app.key(|k| k.disconnect = DisconnectPolicy::Cancel).await;
    let holder = taken(&app, &key).await;
    let answer = app.messages(&key, &ask(false)).await;
    answer.expect_error(503, "overloaded_error", "shed");
    assert_eq!((answer.header("retry-after"), answer.should_retry()), (Some("1"), Some("true")));
    drop(holder);
    app.finish().await;
}

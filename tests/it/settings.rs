//! Scheduling settings that the relay itself obeys change what happens, without a restart (`scheduling.md` §19, §20).

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::support::app::{TestApp, ask, spawn_app};
use crate::support::setup::TestKey;

/// Four accounts that all fail, and a key. Nothing but the setting under test ends the search.
async fn failing() -> (TestApp, TestKey) {
    let app = spawn_app().await;
    app.set(json!({"failover.budget_min": 1000})).await;
    for name in ["a", "b", "c", "d"] {
        app.account(name, |_| {}).await;
    }
    let key = app.key(|_| {}).await;
    app.mock.fault(json!({"fault": {"kind": "status", "status": 500}})).await;
    (app, key)
}

#[actix_rt::test]
async fn failover_max_switches_bounds_the_accounts_of_one_request() {
    let (app, key) = failing().await;
    for (switches, calls) in [(5, 4), (1, 2), (0, 1)] {
        app.set(json!({"failover.budget_min": 1000, "failover.max_switches": switches})).await;
        let before = app.mock.messages().await.len();
        assert_eq!(app.messages(&key, &ask(false)).await.status, 502);
        assert_eq!(app.mock.messages().await.len() - before, calls, "{switches} switches");
        app.quiet().await;
        for id in app.app().engine.accounts.ids() {
            app.app().engine.accounts.reset(id, true);
            app.detail(id).await;
        }
    }
    app.finish().await;
}

#[actix_rt::test]
async fn failover_deadline_ends_the_search_for_another_account() {
    let (app, key) = failing().await;
    app.mock.heal().await;
    // Each account takes longer to fail than the shortest deadline allows for another try.
    app.mock.fault(json!({"fault": {"kind": "status", "status": 500, "delay_ms": 1100}})).await;
    app.set(json!({"failover.budget_min": 1000, "failover.deadline_ms": 1000})).await;
    assert_eq!(app.messages(&key, &ask(false)).await.status, 502);
    assert_eq!(app.mock.messages().await.len(), 1);
    app.finish().await;
}

#[actix_rt::test]
async fn stream_commit_grace_decides_how_long_an_envelope_is_held_back() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    app.mock.script(json!({"delay_ms": 600, "events": 1})).await;
    // Content comes 0.6 s after the envelope or later. The head of the answer is sent with the first byte that is given away.
    for (grace_ms, held) in [(5_000, true), (0, false)] {
        app.set(json!({"stream.commit_grace_ms": grace_ms})).await;
        let mut open = app.open(&key, &ask(true)).await;
        let head = Instant::now();
        assert!(open.until("content_block_start").await);
        let after = head.elapsed();
        assert_eq!(after < Duration::from_millis(300), held, "{grace_ms} ms: content {after:?} after the head");
        let answer = open.rest().await;
        assert!(answer.complete && answer.text().contains("message_stop"));
    }
    app.finish().await;
}

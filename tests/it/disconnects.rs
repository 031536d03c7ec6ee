//! The client leaves: before the first byte, in the middle, after the end; by every policy of its key (`metering.md` §7).

use actors::domain::key::DisconnectPolicy;
use actors::domain::usage::RequestStatus;
use serde_json::json;

use crate::support::app::{TestApp, ask, message_call, spawn_app};
use crate::support::setup::TestKey;
use crate::support::until;

const POLICIES: [DisconnectPolicy; 3] =
    [DisconnectPolicy::Cancel, DisconnectPolicy::DrainLimited, DisconnectPolicy::DrainFull];

async fn with_policy(policy: DisconnectPolicy) -> (TestApp, TestKey) {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app.key(|k| (k.disconnect, k.concurrency_limit) = (policy, 1)).await;
    (app, key)
}

async fn permits_are_free(app: &TestApp) {
    until("the key's slot is free", async || app.app().engine.billing.stats().permits == 0).await;
}

#[actix_rt::test]
async fn leaving_before_the_first_byte_cancels_the_upstream_and_costs_nothing() {
    for policy in POLICIES {
        for stream in [false, true] {
            let (app, key) = with_policy(policy).await;
            app.mock.fault(json!({"fault": {"kind": "hang"}})).await;
            let connection = message_call(&key, &ask(stream)).send_only(app.addr()).await;
            until("the upstream is called", async || app.mock.messages().await.len() == 1).await;
            drop(connection);
            let (row, attempts) = app.only_row().await;
            assert_eq!((row.status, row.http_status, row.cost.charge.0), (RequestStatus::Cancelled, 499, 0));
            assert_eq!((attempts.len(), attempts[0].verdict.as_str()), (1, "cancelled"));
            assert_eq!(app.app().engine.scheduler.views().await[0].health, 100);
            until("the upstream sees its caller leave", async || app.mock.messages().await[0].ended != "open").await;
            app.finish().await;
        }
    }
}

#[actix_rt::test]
async fn leaving_in_the_middle_cancels_or_reads_on_as_the_key_says() {
    for policy in POLICIES {
        for reset in [false, true] {
            let (app, key) = with_policy(policy).await;
            app.mock.script(json!({"delay_ms": 10, "events": 30})).await;
            let mut open = app.open(&key, &ask(true)).await;
            assert!(open.until("content_block_delta").await);
            if reset {
                open.reset()
            } else {
                drop(open)
            }
            permits_are_free(&app).await;
            let (row, _) = app.only_row().await;
            assert_eq!(row.status, RequestStatus::Cancelled, "{policy:?}");
            let call = app.mock.messages().await.remove(0);
            let emitted = call.usage.unwrap();
            if policy == DisconnectPolicy::Cancel {
                assert!(row.usage.estimated && !call.terminal && call.ended == "caller_gone", "{call:?}");
                assert!(row.flags.is_empty());
                assert_eq!(
                    row.usage.tokens.context(),
                    emitted.input_tokens
                        + emitted.cache_read_input_tokens
                        + emitted.ephemeral_5m_input_tokens
                        + emitted.ephemeral_1h_input_tokens
                );
            } else {
                assert!(!row.usage.estimated && call.terminal, "{policy:?} {row:?}");
                assert_eq!(row.usage.tokens.output, emitted.output_tokens);
                assert_eq!(row.flags, ["drained"]);
            }
            assert!(row.cost.charge.0 > 0);
            let view = &app.app().engine.scheduler.views().await[0];
            assert_eq!((view.health, view.cooldowns.len()), (100, 0));
            app.finish().await;
        }
    }
}

#[actix_rt::test]
async fn a_limited_drain_ends_at_its_limits() {
    for limit in [json!({"disconnect.drain_max_output": 5}), json!({"disconnect.drain_s": 1})] {
        let (app, key) = with_policy(DisconnectPolicy::DrainLimited).await;
        app.set(limit.clone()).await;
        app.mock.script(json!({"delay_ms": 25, "events": 400})).await;
        let mut open = app.open(&key, &ask(true)).await;
        assert!(open.until("content_block_delta").await);
        drop(open);
        permits_are_free(&app).await;
        let (row, _) = app.only_row().await;
        assert!(row.usage.estimated && row.usage.tokens.output > 1, "{limit}: {row:?}");
        assert_eq!(app.mock.messages().await[0].ended, "caller_gone", "{limit}");
        app.finish().await;
    }
}

#[actix_rt::test]
async fn beyond_the_most_drains_a_left_stream_is_cancelled() {
    let (app, key) = with_policy(DisconnectPolicy::DrainFull).await;
    app.set(json!({"disconnect.max_drains": 0})).await;
    app.mock.script(json!({"delay_ms": 25, "events": 400})).await;
    let mut open = app.open(&key, &ask(true)).await;
    assert!(open.until("content_block_delta").await);
    drop(open);
    let (row, _) = app.only_row().await;
    assert_eq!((row.status, row.usage.estimated), (RequestStatus::Cancelled, true));
    app.finish().await;
}

#[actix_rt::test]
async fn leaving_after_the_end_changes_nothing() {
    for policy in POLICIES {
        let (app, key) = with_policy(policy).await;
        let mut open = app.open(&key, &ask(true)).await;
        assert!(open.until("message_stop").await);
        open.reset();
        let (row, _) = app.only_row().await;
        assert_eq!((row.status, row.usage.estimated), (RequestStatus::Ok, false));
        app.finish().await;
    }
}

#[actix_rt::test]
async fn leaving_while_waiting_for_a_slot_leaves_the_queue() {
    let app = spawn_app().await;
    app.account("a", |a| a.max_concurrency = 1).await;
    let key = app.key(|_| {}).await;
    app.mock.script(json!({"delay_ms": 20, "events": 50})).await;
    let mut holder = app.open(&key, &ask(true)).await;
    assert!(holder.until("content_block_delta").await);
    let waiter = message_call(&key, &ask(true)).send_only(app.addr()).await;
    until("one waits", async || app.app().engine.scheduler.queue().await.pool == 1).await;
    drop(waiter);
    until("nobody waits", async || app.app().engine.scheduler.queue().await.pool == 0).await;
    drop(holder);
    app.quiet().await;
    assert_eq!(app.mock.messages().await.len(), 1);
    assert_eq!(app.rows().await.len(), 1);
    app.finish().await;
}

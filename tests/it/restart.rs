//! The process stops and starts again on the same folder: what was promised is in SQL.

use actors::domain::key::CostWindow;
use actors::domain::money::Nanos;
use actors::domain::usage::RequestStatus;
use serde_json::json;

use crate::support::app::{ask, spawn_app};
use crate::support::sse::Stream;

#[actix_rt::test]
pub async fn usage_that_is_still_pending_at_the_stop_is_there_after_it_and_limits_remember() {
    let mut app = spawn_app().await;
    app.set(json!({"usage.flush_ms": 60_000})).await;
    app.account("a", |_| {}).await;
    let key = app.key(|k| k.cost_limits = vec![(CostWindow::Day, Nanos(1_000_000_000))]).await;
    for n in 0..10 {
        assert_eq!(app.messages(&key, &ask(n % 2 == 0)).await.status, 200);
    }
    app.stop().await;
    app.start_again().await;
    let rows = app.rows().await;
    assert_eq!((rows.len(), rows.iter().filter(|row| row.status == RequestStatus::Ok).count()), (10, 10));
    assert_eq!(app.messages(&key, &ask(false)).await.status, 200);
    let spent: i64 = app.rows().await.iter().map(|row| row.cost.charge.0).sum();
    let limits = app.app().engine.billing.limits(key.id).await.unwrap();
    let day = limits.windows.iter().find(|window| window.window == CostWindow::Day).unwrap();
    assert_eq!(day.used.0, spent);
    app.finish().await;
}

#[actix_rt::test]
async fn a_running_stream_is_told_that_the_relay_stops_and_is_settled() {
    let mut app = crate::support::app::TestApp::start(&[("SHUTDOWN__GRACE", "0s")]).await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    app.mock.script(json!({"delay_ms": 20, "events": 5000})).await;
    let mut open = app.open(&key, &ask(true)).await;
    assert!(open.until("content_block_delta").await);
    let (answer, ()) = futures_util::future::join(open.rest(), app.stop()).await;
    let stream = Stream::read(&answer.body);
    assert_eq!((stream.errors.len(), answer.complete), (1, true), "{}", answer.text());
    app.mock.script(json!({"delay_ms": 0, "events": 5})).await;
    app.start_again().await;
    let rows = app.rows().await;
    assert_eq!((rows.len(), rows[0].status), (1, RequestStatus::Truncated));
    assert!(rows[0].cost.charge.0 > 0);
    assert_eq!(app.messages(&key, &ask(false)).await.status, 200);
    app.finish().await;
}

//! Two hundred at once against one key: never one too many.

use actors::domain::key::CostWindow;
use actors::domain::money::Nanos;
use futures_util::future::join_all;
use serde_json::json;

use crate::concurrency::most_at_once;
use crate::support::app::{TestApp, ask, spawn_app};
use crate::support::client::Answer;
use crate::support::setup::TestKey;

const CALLS: usize = 200;

async fn at_once(app: &TestApp, key: &TestKey) -> Vec<Answer> {
    let bodies: Vec<_> = (0..CALLS).map(|n| ask(n % 2 == 0)).collect();
    join_all(bodies.iter().map(|body| app.messages(key, body))).await
}

/// An account that is no limit itself.
async fn roomy(app: &TestApp) {
    app.account("a", |a| a.max_concurrency = 1_000).await;
}

#[actix_rt::test]
pub async fn two_hundred_at_once_on_ten_slots_are_never_more_than_ten() {
    let app = spawn_app().await;
    roomy(&app).await;
    app.set(json!({"queue.key_timeout_ms": 60_000, "queue.max_total": 1_000})).await;
    let key = app.key(|k| k.concurrency_limit = 10).await;
    app.mock.script(json!({"delay_ms": 2, "events": 5})).await;
    let answers = at_once(&app, &key).await;
    let served = answers.iter().filter(|answer| answer.status == 200).count();
    for refused in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(refused.status, 429, "{}", refused.text());
    }
    let calls = app.mock.messages().await;
    assert_eq!(calls.len(), served);
    assert!(served >= 10 && most_at_once(&calls) <= 10, "{served} served, {} at once", most_at_once(&calls));
    app.finish().await;
}

#[actix_rt::test]
pub async fn two_hundred_at_once_on_a_hundred_per_minute_are_a_hundred() {
    let app = spawn_app().await;
    roomy(&app).await;
    let key = app.key(|k| k.rpm_limit = 100).await;
    let answers = at_once(&app, &key).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 100);
    for refused in answers.iter().filter(|answer| answer.status != 200) {
        refused.expect_error(429, "rate_limit_error", "rate_requests");
    }
    assert_eq!(app.mock.messages().await.len(), 100);
    app.finish().await;
}

#[actix_rt::test]
pub async fn two_hundred_at_once_on_one_cent_spend_no_more_than_a_cent() {
    let app = spawn_app().await;
    roomy(&app).await;
    let cent = Nanos(10_000_000);
    let key = app.key(|k| k.cost_limits = vec![(CostWindow::Total, cent)]).await;
    let answers = at_once(&app, &key).await;
    let served = answers.iter().filter(|answer| answer.status == 200).count();
    for refused in answers.iter().filter(|answer| answer.status != 200) {
        refused.expect_error(402, "billing_error", "total_cost_limit_exceeded");
    }
    let spent: i64 = app.rows().await.iter().map(|row| row.cost.charge.0).sum();
    assert!((1..CALLS).contains(&served), "{served}");
    assert!(spent > 0 && spent <= cent.0, "{spent} of {} in {served} requests", cent.0);
    app.finish().await;
}

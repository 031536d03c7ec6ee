//! Every account fails, or nearly every one: few wasted calls, quick refusals, no client lost that could be served.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::support::app::{ask, spawn_app};

#[actix_rt::test]
async fn one_healthy_account_among_failing_ones_serves_nearly_everyone() {
    let app = spawn_app().await;
    for (name, fault) in [
        ("b", json!({"kind": "status", "status": 529})),
        ("c", json!({"kind": "reset_before"})),
        ("d", json!({"kind": "status", "status": 429, "headers": {"retry-after": "60"}})),
        ("e", json!({"kind": "error_event_first"})),
    ] {
        app.account(name, |a| (a.priority, a.max_concurrency) = (60, 0)).await;
        app.mock.break_account(&format!("sk-ant-{name}"), fault).await;
    }
    app.account("healthy", |a| a.max_concurrency = 0).await;
    let key = app.key(|_| {}).await;
    let mut failed = Vec::new();
    for round in 0..25 {
        let bodies: Vec<_> = (0..20).map(|n| ask((round + n) % 2 == 0)).collect();
        let answers = join_all(bodies.iter().map(|body| app.messages(&key, body))).await;
        failed.extend(answers.into_iter().filter(|answer| answer.status != 200 || answer.text().contains("\"error\"")));
    }
    assert!(failed.is_empty(), "{} of 500 failed: {}", failed.len(), failed[0].text());
    let calls = app.mock.messages().await.len();
    assert!(calls <= 500 + 150, "{calls} upstream calls");
    app.finish().await;
}

#[actix_rt::test]
async fn a_total_outage_does_not_multiply_calls_and_refuses_quickly() {
    for status in [529, 500, 429] {
        let app = spawn_app().await;
        for name in ["a", "b", "c"] {
            app.account(name, |_| {}).await;
        }
        let key = app.key(|_| {}).await;
        app.mock.fault(json!({"fault": {"kind": "status", "status": status}})).await;
        let mut answers = Vec::new();
        for _ in 0..10 {
            let bodies: Vec<_> = (0..20).map(|n| ask(n % 2 == 0)).collect();
            answers.extend(join_all(bodies.iter().map(|body| app.messages(&key, body))).await);
        }
        let calls = app.mock.messages().await.len();
        assert!(calls <= 200 * 12 / 10 + 3, "{status}: {calls} upstream calls for 200");
        for answer in &answers {
            assert!(matches!(answer.status, 429 | 502 | 503 | 529), "{status}: {} {}", answer.status, answer.text());
            assert!(answer.header("retry-after").is_some(), "{status}: {:?}", answer.headers);
        }
        let quick = answers.iter().filter(|answer| answer.took < Duration::from_millis(250)).count();
        assert!(quick >= 150, "{status}: only {quick} of 200 were quick");
        assert!(app.rows().await.iter().all(|row| row.cost.charge.0 == 0));
        app.finish().await;
    }
}

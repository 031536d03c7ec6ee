//! Token counts: the upstream's when it can, ours when it cannot; never billed.

use actors::domain::account::AccountKind;
use serde_json::json;

use crate::support::app::{MODEL, ask, ask_model, spawn_app};

#[actix_rt::test]
async fn the_upstream_counts_when_it_can() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app.key(|k| (k.rpm_limit, k.concurrency_limit) = (1, 1)).await;
    for _ in 0..3 {
        let body = ask(false);
        let answer = app.count_tokens(&key, &body).await;
        assert_eq!((answer.status, answer.header("x-quotalane-estimated")), (200, None), "{}", answer.text());
        assert_eq!(answer.json(), json!({"input_tokens": body.to_string().len().div_ceil(4)}));
    }
    assert!(app.rows().await.is_empty());
    app.finish().await;
}

#[actix_rt::test]
async fn an_estimate_serves_when_nobody_can_count() {
    let app = spawn_app().await;
    let key = app.key(|_| {}).await;
    let estimated = |answer: &crate::support::client::Answer| {
        assert_eq!((answer.status, answer.header("x-quotalane-estimated")), (200, Some("true")), "{}", answer.text());
        assert!(answer.json()["input_tokens"].as_u64().unwrap() > 10);
    };
    estimated(&app.count_tokens(&key, &ask(false)).await);
    app.account_of(AccountKind::Ccr, "c", |_| {}).await;
    estimated(&app.count_tokens(&key, &ask_model(&format!("ccr,{MODEL}"), false)).await);
    let id = app.account("a", |_| {}).await;
    for status in [404, 500, 529] {
        app.mock
            .fault(
                json!({"match": {"path": "/v1/messages/count_tokens"}, "fault": {"kind": "status", "status": status}}),
            )
            .await;
        estimated(&app.count_tokens(&key, &ask(false)).await);
        app.mock.heal().await;
        if status == 404 {
            app.quiet().await;
            assert_eq!(app.view(id).await.health, 100, "a relay without this route is no failing one");
        }
        app.app().engine.accounts.reset(id, true);
    }
    assert!(app.rows().await.is_empty());
    app.finish().await;
}

#[actix_rt::test]
async fn counting_asks_for_permission_but_not_for_money() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app.key(|k| k.model_deny = vec![actors::domain::model::Pattern("claude-opus-*".to_owned())]).await;
    let denied = app.count_tokens(&key, &ask_model("claude-opus-4-5", false)).await;
    denied.expect_error(403, "permission_error", "model_not_allowed");
    let bad = app.count_tokens(&key, &json!({"model": MODEL})).await;
    bad.expect_error(400, "invalid_request_error", "bad_request");
    let unpriced = app.count_tokens(&key, &ask_model("nobody-knows-9", false)).await;
    assert_eq!(unpriced.status, 200);
    app.finish().await;
}

#[actix_rt::test]
async fn an_expired_token_is_replaced_for_counting_too() {
    let app = spawn_app().await;
    let id = app.account_of(AccountKind::ClaudeOfficial, "o", |_| {}).await;
    let key = app.key(|_| {}).await;
    app.mock.break_account("access-o", json!({"kind": "status", "status": 401})).await;
    let answer = app.count_tokens(&key, &ask(false)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    app.quiet().await;
    let view = app.view(id).await;
    assert_eq!(
        view.spec.status,
        actors::domain::account::AccountStatus::Active,
        "an expired token is no reason to give up"
    );
    assert_eq!(app.messages(&key, &ask(false)).await.status, 200);
    app.finish().await;
}

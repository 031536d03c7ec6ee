//! A key's rate windows and its validity.

use actors::domain::limit::{RateDimension, RateWindow};
use quotalane::store::keys::KeyStatus;
use serde_json::json;

use crate::support::app::{ask, message_call, spawn_app};
use crate::support::client::Call;

#[actix_rt::test]
async fn requests_per_minute_are_a_hard_cap() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app.key(|k| k.rpm_limit = 3).await;
    let bodies: Vec<_> = (0..10).map(|_| ask(false)).collect();
    let answers = futures_util::future::join_all(bodies.iter().map(|body| app.messages(&key, body))).await;
    let served: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(served.len(), 3);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.expect_error(429, "rate_limit_error", "rate_requests");
        let wait: i64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=61).contains(&wait), "{wait}");
        assert_eq!(answer.should_retry(), Some(if wait <= 60 { "true" } else { "false" }));
    }
    assert!(served.iter().all(|answer| answer.header("anthropic-ratelimit-requests-limit") == Some("3")));
    assert_eq!(app.mock.messages().await.len(), 3);
    assert_eq!(app.rows().await.len(), 3, "a refused request has no row");
    app.finish().await;
}

#[actix_rt::test]
async fn a_token_window_counts_what_was_used() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let window = RateWindow { dim: RateDimension::Tokens, seconds: 3_600, limit: 300, family: None };
    let key = app.key(|k| k.windows = vec![window]).await;
    let mut served = 0;
    let refused = loop {
        let answer = app.messages(&key, &ask(served % 2 == 0)).await;
        app.quiet().await;
        if answer.status != 200 {
            break answer;
        }
        served += 1;
        assert!(served < 20, "the window never fills");
    };
    refused.expect_error(429, "rate_limit_error", "rate_tokens");
    assert_eq!(refused.should_retry(), Some("false"), "the wait is longer than a client should have");
    let used: u64 = app.rows().await.iter().map(|row| row.usage.tokens.total()).sum();
    assert!(served >= 2 && used <= 300, "{used} tokens in {served} requests");
    app.finish().await;
}

#[actix_rt::test]
async fn a_refused_request_gives_its_place_in_the_window_back() {
    let app = spawn_app().await;
    let key = app.key(|k| k.rpm_limit = 1).await;
    for _ in 0..3 {
        app.messages(&key, &ask(false)).await.expect_error(503, "overloaded_error", "no_account");
        app.quiet().await;
    }
    app.account("a", |_| {}).await;
    assert_eq!(app.messages(&key, &ask(false)).await.status, 200);
    app.finish().await;
}

#[actix_rt::test]
async fn keys_that_are_missing_wrong_disabled_or_over_are_refused_with_one_answer_each() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    let old = app.key(|k| k.expires_at = Some(actors::domain::time::Timestamp(1_000))).await;
    let call = Call::post("/v1/messages", ask(false).to_string());
    for (call, condition) in [
        (call.clone(), "key_missing"),
        (call.clone().key("cr_this-is-no-key-of-ours"), "key_invalid"),
        (call.clone().key("short"), "key_invalid"),
        (call.clone().key("has a blank inside it"), "key_invalid"),
        (call.clone().key(&old.raw), "key_expired"),
    ] {
        let answer = app.send(&call).await;
        answer.expect_error(401, "authentication_error", condition);
        assert_eq!(answer.should_retry(), Some("false"));
    }
    assert_eq!(app.messages(&key, &ask(false)).await.status, 200);
    app.key_status(&key, KeyStatus::Disabled).await;
    app.messages(&key, &ask(false)).await.expect_error(401, "authentication_error", "key_disabled");
    app.key_status(&key, KeyStatus::Active).await;
    assert_eq!(app.messages(&key, &ask(false)).await.status, 200);
    app.change_key(&key, |k| k.permissions = Vec::new()).await;
    assert_eq!(app.messages(&key, &ask(false)).await.status, 200);
    app.finish().await;
}

#[actix_rt::test]
async fn the_key_is_found_wherever_a_client_puts_it() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    let call = Call::post("/v1/messages", ask(false).to_string());
    let bearer = format!("Bearer {}", key.raw);
    for call in [
        call.clone().header("authorization", &bearer),
        call.clone().header("x-goog-api-key", &key.raw),
        call.clone().header("api-key", &key.raw),
        call.clone().header("authorization", &bearer).header("x-api-key", "another-credential"),
        call.clone().header("authorization", "Bearer another-credential").header("x-api-key", &key.raw),
    ] {
        let answer = app.send_message(&call).await;
        assert_eq!(answer.status, 200, "{:?} {}", call.headers, answer.text());
    }
    let seen = format!("{:?}", app.mock.messages().await);
    assert!(!seen.contains("another-credential") && !seen.contains(&key.raw));
    app.finish().await;
}

#[actix_rt::test]
async fn a_key_that_waits_for_its_first_request_starts_its_clock_then() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app.key(|k| k.activation_ms = Some(3_600_000)).await;
    let stored = async || quotalane::store::keys::get(&app.app().storage.db, key.id, None).await.unwrap().unwrap();
    assert!(stored().await.config.expires_at.is_none());
    let refused = app.send(&message_call(&key, &json!({"messages": []}))).await;
    assert_eq!(refused.status, 400);
    assert!(stored().await.config.expires_at.is_none(), "only an accepted request starts it");
    assert_eq!(app.messages(&key, &ask(false)).await.status, 200);
    crate::support::until("the clock runs", async || stored().await.config.expires_at.is_some()).await;
    app.finish().await;
}

//! Where a key's requests may go: accounts, groups, tags, permissions, model lists.

use actors::domain::key::BindingTarget;
use actors::domain::model::Pattern;
use serde_json::json;

use crate::support::app::{MODEL, ask, ask_model, spawn_app};
use crate::support::setup::bound;

fn limited() -> serde_json::Value {
    json!({"kind": "status", "status": 429, "headers": {"retry-after": "50"}})
}

#[actix_rt::test]
async fn a_strictly_bound_key_never_goes_elsewhere() {
    let app = spawn_app().await;
    let mine = app.account("mine", |_| {}).await;
    app.account("other", |a| a.priority = 90).await;
    let key = app.key(|k| k.bindings = vec![bound(BindingTarget::Account(mine), true)]).await;
    for _ in 0..3 {
        assert_eq!(app.messages(&key, &ask(false)).await.status, 200);
    }
    assert_eq!(app.mock.calls_of("sk-ant-mine").await, 3);
    app.mock.break_account("sk-ant-mine", limited()).await;
    for _ in 0..2 {
        let answer = app.messages(&key, &ask(false)).await;
        answer.expect_error(429, "rate_limit_error", "pool_limited");
        assert!(answer.header("retry-after").unwrap().parse::<i64>().unwrap() >= 40);
    }
    app.change_account(mine, |a| a.enabled = false).await;
    let answer = app.messages(&key, &ask(false)).await;
    answer.expect_error(503, "overloaded_error", "dedicated_account_unavailable");
    assert_eq!((app.mock.calls_of("sk-ant-mine").await, app.mock.calls_of("sk-ant-other").await), (4, 0));
    app.finish().await;
}

#[actix_rt::test]
async fn a_preferred_binding_falls_back_to_the_pool() {
    let app = spawn_app().await;
    let mine = app.account("mine", |_| {}).await;
    app.account("other", |_| {}).await;
    let key = app.key(|k| k.bindings = vec![bound(BindingTarget::Account(mine), false)]).await;
    assert_eq!(app.messages(&key, &ask(false)).await.status, 200);
    assert_eq!(app.mock.calls_of("sk-ant-mine").await, 1);
    app.change_account(mine, |a| a.enabled = false).await;
    assert_eq!(app.messages(&key, &ask(false)).await.status, 200);
    assert_eq!(app.mock.calls_of("sk-ant-other").await, 1);
    app.finish().await;
}

#[actix_rt::test]
async fn a_group_key_uses_the_group_and_tags_narrow_it() {
    let app = spawn_app().await;
    let (a, b) = (app.account("a", |_| {}).await, app.account("b", |a| a.tags = vec!["eu".to_owned()]).await);
    app.account("c", |a| a.priority = 90).await;
    let group = app.group("g", &[a, b]).await;
    let key = app.key(|k| k.bindings = vec![bound(BindingTarget::Group(group), true)]).await;
    for _ in 0..4 {
        assert_eq!(app.messages(&key, &ask(false)).await.status, 200);
    }
    assert_eq!(app.mock.calls_of("sk-ant-c").await, 0);
    assert!(app.mock.calls_of("sk-ant-a").await > 0 && app.mock.calls_of("sk-ant-b").await > 0);
    let tagged = app.key(|k| k.account_tags = vec!["eu".to_owned()]).await;
    let before = app.mock.calls_of("sk-ant-b").await;
    assert_eq!(app.messages(&tagged, &ask(false)).await.status, 200);
    assert_eq!(app.mock.calls_of("sk-ant-b").await, before + 1);
    app.finish().await;
}

#[actix_rt::test]
async fn model_lists_of_keys_and_accounts() {
    let app = spawn_app().await;
    app.account("a", |a| a.model_allow = vec![Pattern("claude-haiku-*".to_owned())]).await;
    let key = app.key(|k| k.model_deny = vec![Pattern("claude-opus-*".to_owned())]).await;
    let denied = app.messages(&key, &ask_model("claude-opus-4-5", false)).await;
    denied.expect_error(403, "permission_error", "model_not_allowed");
    assert_eq!(denied.should_retry(), Some("false"));
    let nobody = app.messages(&key, &ask(false)).await;
    nobody.expect_error(404, "not_found_error", "model_not_found");
    assert_eq!(app.messages(&key, &ask_model("claude-haiku-4-5", false)).await.status, 200);
    app.finish().await;
}

#[actix_rt::test]
async fn without_any_account_there_is_nobody() {
    let app = spawn_app().await;
    let key = app.key(|_| {}).await;
    let answer = app.messages(&key, &ask(true)).await;
    answer.expect_error(503, "overloaded_error", "no_account");
    assert_eq!(answer.should_retry(), Some("false"));
    app.account("a", |_| {}).await;
    assert_eq!(app.messages(&key, &ask_model(MODEL, true)).await.status, 200);
    app.finish().await;
}

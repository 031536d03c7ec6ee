//! What an operator says about one account: error rules, a pool behind one key, the rest after an unexplained 429.

use actors::domain::account::ErrorRule;
use actors::domain::time::MINUTE;
use serde_json::json;

use crate::support::app::{ask, spawn_app};

#[actix_rt::test]
async fn an_error_rule_is_tried_before_the_built_in_meaning() {
    let app = spawn_app().await;
    let rule = ErrorRule {
        status: Some(418),
        keywords: vec!["TEAPOT".to_owned()],
        class: "overloaded".to_owned(),
        scope: Some("all".to_owned()),
        minutes: Some(7),
    };
    let ruled = app.account("a", |a| (a.priority, a.error_rules) = (60, vec![rule])).await;
    app.account("b", |_| {}).await;
    let key = app.key(|_| {}).await;
    let says = |text: &str| json!({"kind": "status", "status": 418, "body": {"error": {"message": text}}});
    app.mock.fault(json!({"match": {"credential": "sk-ant-a"}, "times": 1, "fault": says("short and stout")})).await;
    assert_eq!(app.messages(&key, &ask(false)).await.status, 418, "no rule: the client's own fault");
    app.mock.fault(json!({"match": {"credential": "sk-ant-a"}, "times": 1, "fault": says("I am a teapot")})).await;
    let served = app.messages(&key, &ask(false)).await;
    assert_eq!(served.status, 200, "{}", served.text());
    assert_eq!(app.mock.calls_of("sk-ant-b").await, 1);
    app.quiet().await;
    let view = app.view(ruled).await;
    let [cooldown] = &view.cooldowns[..] else { panic!("{:?}", view.cooldowns) };
    let left = cooldown.until.since(app.app().engine.clock.now());
    assert!(!cooldown.soft && (6 * MINUTE..=8 * MINUTE).contains(&left), "{cooldown:?}");
    assert_eq!((cooldown.reason.as_str(), view.health), ("overloaded", 70));
    app.finish().await;
}

#[actix_rt::test]
async fn a_pool_behind_one_key_is_asked_again_before_another_account_is() {
    let app = spawn_app().await;
    let pool = |on: bool| {
        move |a: &mut quotalane::store::accounts::AccountConfig| {
            a.priority = 60;
            if on {
                a.options.insert("pool_mode".to_owned(), "true".to_owned());
            }
        }
    };
    let id = app.account("a", pool(true)).await;
    app.account("b", |_| {}).await;
    let key = app.key(|_| {}).await;
    let fault = json!({"kind": "status", "status": 500});
    app.mock.fault(json!({"match": {"credential": "sk-ant-a"}, "times": 2, "fault": fault})).await;
    assert_eq!(app.messages(&key, &ask(false)).await.status, 200);
    assert_eq!((app.mock.calls_of("sk-ant-a").await, app.mock.calls_of("sk-ant-b").await), (3, 0));
    app.heal(id).await;
    app.mock.break_account("sk-ant-a", fault).await;
    assert_eq!(app.messages(&key, &ask(false)).await.status, 200);
    assert_eq!(
        (app.mock.calls_of("sk-ant-a").await, app.mock.calls_of("sk-ant-b").await),
        (7, 1),
        "three more, then b"
    );
    app.finish().await;
}

#[actix_rt::test]
async fn an_unexplained_429_rests_as_long_as_the_account_says() {
    let app = spawn_app().await;
    let id = app.account("a", |a| {
        a.options.insert("rate_limit_minutes".to_owned(), "3".to_owned());
    });
    let id = id.await;
    app.account("b", |a| a.priority = 10).await;
    let key = app.key(|_| {}).await;
    app.mock.fault(json!({"times": 1, "fault": {"kind": "status", "status": 429}})).await;
    assert_eq!(app.messages(&key, &ask(false)).await.status, 200);
    app.quiet().await;
    let view = app.view(id).await;
    let left = view.cooldowns[0].until.since(app.app().engine.clock.now());
    assert!((2 * MINUTE..=4 * MINUTE).contains(&left), "{:?}", view.cooldowns);
    app.finish().await;
}

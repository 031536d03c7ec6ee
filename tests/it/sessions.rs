//! Sessions stay on one account, by each of the signs that clients send; and leave it when they must.

use actors::domain::key::StickyMode;
use serde_json::{Value, json};

use crate::support::app::{TestApp, ask, message_call, spawn_app};
use crate::support::client::Call;
use crate::support::setup::TestKey;

async fn two_accounts() -> (TestApp, TestKey) {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    app.account("b", |_| {}).await;
    let key = app.key(|_| {}).await;
    (app, key)
}

/// Sends calls one after the other and returns whose credential each went out with.
async fn route(app: &TestApp, calls: &[Call]) -> Vec<String> {
    let before = app.mock.messages().await.len();
    for call in calls {
        let answer = app.send_message(call).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    app.mock.messages().await.into_iter().skip(before).map(|entry| entry.credential).collect()
}

fn all_equal(list: &[String]) -> bool {
    list.windows(2).all(|two| two[0] == two[1])
}

#[actix_rt::test]
async fn requests_without_a_common_session_are_spread() {
    let (app, key) = two_accounts().await;
    let calls: Vec<Call> = (0..6).map(|_| message_call(&key, &ask(false))).collect();
    assert!(!all_equal(&route(&app, &calls).await));
    app.finish().await;
}

#[actix_rt::test]
async fn a_session_stays_whatever_tells_it() {
    let (app, key) = two_accounts().await;
    let session = "0a1b2c3d-0000-4000-8000-000000000001";
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = ask(false);
        change(&mut body);
        message_call(&key, &body)
    };
    for name in ["x-session-id", "x-claude-code-session-id", "session_id", "thread-id"] {
        let calls: Vec<Call> = (0..5).map(|_| message_call(&key, &ask(false)).header(name, name)).collect();
        assert!(all_equal(&route(&app, &calls).await), "{name}");
    }
    let json_id = json!({"device_id": "d", "account_uuid": "", "session_id": session}).to_string();
    let old_id = format!("user_{}_account__session_{session}", "0".repeat(64));
    for id in [json_id, old_id] {
        let calls: Vec<Call> = (0..5).map(|_| with(&|body| body["metadata"] = json!({"user_id": id}))).collect();
        assert!(all_equal(&route(&app, &calls).await), "{id}");
    }
    // A resumed conversation: the same first message, and more after it.
    let resumed: Vec<Call> = (0..5)
        .map(|n| {
            with(&|body| {
                body["messages"][0]["content"] = json!("the first question");
                for _ in 0..n {
                    body["messages"].as_array_mut().unwrap().push(json!({"role": "assistant", "content": "x"}));
                    body["messages"].as_array_mut().unwrap().push(json!({"role": "user", "content": "y"}));
                }
            })
        })
        .collect();
    assert!(all_equal(&route(&app, &resumed).await));
    app.finish().await;
}

#[actix_rt::test]
async fn the_same_session_of_two_keys_is_two_sessions_and_off_is_off() {
    let (app, key) = two_accounts().await;
    let free = app.key(|k| k.sticky_mode = StickyMode::Off).await;
    let call = |key: &TestKey| message_call(key, &ask(false)).header("x-session-id", "same");
    let mine = route(&app, &[call(&key), call(&key), call(&key)]).await;
    assert!(all_equal(&mine));
    let loose: Vec<Call> = (0..6).map(|_| call(&free)).collect();
    assert!(!all_equal(&route(&app, &loose).await));
    app.finish().await;
}

#[actix_rt::test]
async fn a_session_moves_for_good_when_its_account_fails_and_foreign_thinking_goes() {
    let (app, key) = two_accounts().await;
    let mut body = ask(false);
    body["messages"] = json!([{"role": "user", "content": "hi"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "s"}, {"type": "text", "text": "x"}]},
        {"role": "user", "content": "go on"}]);
    let call = message_call(&key, &body).header("x-session-id", "s");
    let first = route(&app, std::slice::from_ref(&call)).await.remove(0);
    app.mock.break_account(&first, json!({"kind": "status", "status": 429, "headers": {"retry-after": "60"}})).await;
    let moved = route(&app, &[call.clone(), call.clone(), call.clone()]).await;
    let other: Vec<&String> = moved.iter().filter(|credential| **credential != first).collect();
    assert_eq!((moved.len(), other.len()), (4, 3), "{moved:?}");
    let calls = app.mock.messages().await;
    assert!(calls[2].body_bytes < calls[1].body_bytes, "another account's thinking is not sent along");
    app.finish().await;
}

#[actix_rt::test]
async fn a_strict_session_gets_an_error_rather_than_another_account() {
    let (app, _) = two_accounts().await;
    let key = app.key(|k| k.sticky_mode = StickyMode::Strict).await;
    let call = message_call(&key, &ask(false)).header("x-session-id", "s");
    let first = route(&app, std::slice::from_ref(&call)).await.remove(0);
    app.mock.break_account(&first, json!({"kind": "status", "status": 429, "headers": {"retry-after": "40"}})).await;
    let answer = app.send_message(&call).await;
    assert_eq!((answer.status, answer.error_type().as_str()), (429, "rate_limit_error"), "{}", answer.text());
    let again = app.send_message(&call).await;
    assert_eq!(again.status, 429);
    let wait: i64 = again.header("retry-after").unwrap().parse().unwrap();
    assert!((30..=60).contains(&wait), "{wait}");
    assert_eq!(app.mock.messages().await.len(), 2);
    app.finish().await;
}

#[actix_rt::test]
async fn a_session_waits_a_little_for_its_busy_account_and_is_then_served_elsewhere_without_moving() {
    let app = spawn_app().await;
    app.set(json!({"sticky.slot_wait_ms": 50, "disconnect.drain_s": 0})).await;
    app.account("a", |a| (a.priority, a.max_concurrency) = (60, 1)).await;
    app.account("b", |_| {}).await;
    let key = app.key(|_| {}).await;
    let call = message_call(&key, &ask(false)).header("x-session-id", "s");
    assert_eq!(route(&app, std::slice::from_ref(&call)).await, ["sk-ant-a"]);
    app.quiet().await;
    app.mock.script(json!({"delay_ms": 20, "events": 5000, "credential": "sk-ant-a"})).await;
    let mut holder = message_call(&key, &ask(true)).header("x-session-id", "other").open(app.addr()).await;
    assert!(holder.until("content_block_delta").await);
    assert_eq!(route(&app, std::slice::from_ref(&call)).await, ["sk-ant-b"]);
    holder.reset();
    app.mock.script(json!({"delay_ms": 0, "events": 1, "credential": "sk-ant-a"})).await;
    app.quiet().await;
    assert_eq!(route(&app, std::slice::from_ref(&call)).await, ["sk-ant-a"]);
    app.finish().await;
}

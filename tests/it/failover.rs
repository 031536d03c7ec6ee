//! One account fails, another is healthy: the client gets its answer, and the failing account what its failure means.

use actors::account::view::AccountView;
use actors::domain::account::{AccountKind, AccountStatus};
use actors::domain::id::AccountId;
use actors::domain::key::BindingTarget;
use actors::domain::usage::RequestStatus;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::app::{TestApp, ask, spawn_app};
use crate::support::setup::{TestKey, bound};

/// What the failure leaves on the account.
#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    /// A cooldown that ends by itself; health lower.
    Soft,
    /// A cooldown until a reset that the vendor named.
    Hard,
    /// A status that a test of the credential must lift.
    Error,
    /// Nothing at all.
    Untouched,
}

struct Case {
    fault: Value,
    /// Only streams, only JSON, or both.
    streams: &'static [bool],
    verdict: &'static str,
    state: State,
}

const BOTH: &[bool] = &[false, true];
const STREAM: &[bool] = &[true];
const JSON: &[bool] = &[false];

fn case(fault: Value, streams: &'static [bool], verdict: &'static str, state: State) -> Case {
    Case { fault, streams, verdict, state }
}

fn cases() -> Vec<Case> {
    use State::{Error, Hard, Soft, Untouched};
    let status = |status: u16| json!({"kind": "status", "status": status});
    let embedded = json!({"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}});
    vec![
        case(json!({"kind": "status", "status": 429, "headers": {"retry-after": "30"}}), BOTH, "rate_limited", Hard),
        case(status(429), BOTH, "rate_limited_unknown", Soft),
        case(status(529), BOTH, "overloaded", Soft),
        case(status(503), BOTH, "unavailable", Soft),
        case(status(500), BOTH, "server", Soft),
        case(status(504), BOTH, "timeout", Soft),
        case(status(403), BOTH, "forbidden", Soft),
        case(status(401), BOTH, "auth_invalid", Error),
        case(json!({"kind": "status", "status": 403, "body": "<html>challenge</html>"}), BOTH, "challenge", Untouched),
        case(json!({"kind": "reset_before"}), BOTH, "timeout", Soft),
        case(json!({"kind": "hang"}), BOTH, "timeout", Soft),
        case(json!({"kind": "empty200"}), BOTH, "server", Soft),
        case(json!({"kind": "html200"}), BOTH, "server", Soft),
        case(json!({"kind": "status", "status": 200, "body": embedded}), JSON, "rate_limited_unknown", Soft),
        case(json!({"kind": "error_event_first"}), STREAM, "overloaded", Soft),
        case(json!({"kind": "error_event", "after_events": 1}), STREAM, "overloaded", Soft),
        case(json!({"kind": "clean_end", "after_events": 1}), STREAM, "server", Soft),
        case(json!({"kind": "truncate", "after_events": 1}), STREAM, "timeout", Soft),
        case(json!({"kind": "truncate"}), JSON, "server", Soft),
        case(json!({"kind": "reset_mid", "after_events": 1}), STREAM, "timeout", Soft),
    ]
}

fn assert_state(view: &AccountView, expected: State, what: &str) {
    let seen = match (view.spec.status, view.cooldowns.first()) {
        (AccountStatus::Active, None) => State::Untouched,
        (AccountStatus::Active, Some(cooldown)) if cooldown.soft => State::Soft,
        (AccountStatus::Active, Some(_)) => State::Hard,
        _ => State::Error,
    };
    assert_eq!(seen, expected, "{what}: {:?} {:?}", view.spec.status, view.cooldowns);
    let harmed = !matches!(expected, State::Untouched);
    assert_eq!(view.health < 100, harmed, "{what}: health {}", view.health);
}

/// A group of a failing account, which is preferred, and a healthy one; and a key that goes there.
async fn pair(app: &TestApp, number: usize) -> (AccountId, TestKey) {
    let bad = app.account(&format!("bad{number}"), |a| a.priority = 60).await;
    let good = app.account(&format!("good{number}"), |_| {}).await;
    let group = app.group(&format!("group{number}"), &[bad, good]).await;
    let key = app.key(|k| k.bindings = vec![bound(BindingTarget::Group(group), true)]).await;
    (bad, key)
}

#[actix_rt::test]
async fn every_failure_before_content_is_served_by_the_other_account() {
    let app = spawn_app().await;
    app.set(json!({"proxy.timeout": 1})).await;
    let mut number = 0;
    for case in cases() {
        for stream in case.streams {
            number += 1;
            let what = format!("{} stream {stream}", case.fault);
            let (bad, key) = pair(&app, number).await;
            app.mock.break_account(&format!("sk-ant-bad{number}"), case.fault.clone()).await;
            let answer = app.messages(&key, &ask(*stream)).await;
            assert_eq!(answer.status, 200, "{what}: {}", answer.text());
            let (row, attempts) = app.row(&answer).await;
            assert_eq!((row.status, row.attempts, attempts.len()), (RequestStatus::Ok, 2, 2), "{what}");
            assert_eq!(attempts[0].verdict, case.verdict, "{what}");
            assert_eq!((attempts[0].account, attempts[1].verdict.as_str()), (bad, "ok"));
            assert!(attempts[0].switched && !attempts[1].switched);
            assert_eq!(app.mock.calls_of(&format!("sk-ant-bad{number}")).await, 1, "{what}");
            assert_eq!(app.mock.calls_of(&format!("sk-ant-good{number}")).await, 1, "{what}");
            assert_state(&app.view(bad).await, case.state, &what);
            app.mock.heal().await;
        }
    }
    app.finish().await;
}

#[actix_rt::test]
async fn a_refused_port_is_a_failed_attempt_like_any_other() {
    let app = spawn_app().await;
    let bad = app.account("bad", |a| (a.priority, a.base_url) = (60, Some("http://127.0.0.1:1".to_owned()))).await;
    app.account("good", |_| {}).await;
    let key = app.key(|_| {}).await;
    let answer = app.messages(&key, &ask(true)).await;
    assert_eq!(answer.status, 200);
    let (_, attempts) = app.row(&answer).await;
    assert_eq!((attempts[0].account, attempts[0].verdict.as_str()), (bad, "timeout"));
    assert_state(&app.view(bad).await, State::Soft, "refused port");
    app.finish().await;
}

#[actix_rt::test]
pub async fn what_is_the_clients_fault_makes_one_call_and_comes_back_as_it_was() {
    let app = spawn_app().await;
    let accounts = [app.account("a", |_| {}).await, app.account("b", |_| {}).await];
    let key = app.key(|_| {}).await;
    let mut calls = 0;
    for status in [400, 404, 405, 413, 415, 422] {
        for stream in BOTH {
            let body = json!({"type": "error", "error": {"type": "invalid_request_error", "message": "tools.0: odd"},
                "request_id": "req_vendor"});
            let fault = json!({"kind": "status", "status": status, "body": body,
                "headers": {"x-should-retry": "false", "set-cookie": "canary=1", "anthropic-organization-id": "org"}});
            app.mock.fault(json!({"fault": fault, "times": 1})).await;
            let answer = app.messages(&key, &ask(*stream)).await;
            calls += 1;
            assert_eq!((answer.status, answer.json()), (status, body));
            assert_eq!(answer.should_retry(), Some("false"));
            assert_eq!(answer.header("set-cookie").or(answer.header("anthropic-organization-id")), None);
            assert_eq!(app.mock.messages().await.len(), calls, "{status}");
            let (row, attempts) = app.row(&answer).await;
            assert_eq!((row.status, row.http_status, row.cost.charge.0), (RequestStatus::Error, status, 0));
            assert_eq!((attempts.len(), attempts[0].verdict.as_str()), (1, "client"));
            assert!(row.account.is_some() && row.kind == Some(AccountKind::ClaudeConsole));
        }
    }
    for account in accounts {
        assert_state(&app.view(account).await, State::Untouched, "client faults");
    }
    app.finish().await;
}

#[actix_rt::test]
async fn an_unknown_model_is_learnt_and_tried_elsewhere() {
    let app = spawn_app().await;
    let bad = app.account("bad", |a| a.priority = 60).await;
    app.account("good", |_| {}).await;
    let key = app.key(|_| {}).await;
    let body = json!({"type": "error", "error": {"type": "not_found_error", "message": "model: claude-sonnet-4-5"}});
    app.mock.break_account("sk-ant-bad", json!({"kind": "status", "status": 404, "body": body})).await;
    for _ in 0..2 {
        assert_eq!(app.messages(&key, &ask(false)).await.status, 200);
    }
    assert_eq!(app.mock.calls_of("sk-ant-bad").await, 1);
    app.quiet().await;
    assert_eq!(app.view(bad).await.unsupported.len(), 1);
    app.finish().await;
}

#[actix_rt::test]
pub async fn an_expired_token_is_replaced_once_and_the_request_repeated_on_the_same_account() {
    let app = spawn_app().await;
    let id = app.account_of(AccountKind::ClaudeOfficial, "o", |_| {}).await;
    let key = app.key(|_| {}).await;
    app.mock.break_account("access-o", json!({"kind": "status", "status": 401})).await;
    let body = ask(false);
    let answers = join_all((0..8).map(|_| app.messages(&key, &body))).await;
    for answer in &answers {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let (_, attempts) = app.row(answer).await;
        assert_eq!(attempts.last().unwrap().account, id);
        assert!(attempts.len() <= 2, "{attempts:?}");
    }
    assert_eq!(app.mock.oauth_counts().await["refreshes"], 1);
    assert_eq!(app.mock.oauth_counts().await["reuses"], 0);
    let view = app.view(id).await;
    assert_eq!((view.spec.status, view.cooldowns.len()), (AccountStatus::Active, 0));
    app.finish().await;
}

#[actix_rt::test]
async fn a_second_refusal_of_a_fresh_token_takes_the_account_out() {
    let app = spawn_app().await;
    let id = app.account_of(AccountKind::ClaudeOfficial, "o", |a| a.priority = 60).await;
    app.account("good", |_| {}).await;
    let key = app.key(|_| {}).await;
    app.mock.break_account("access-o", json!({"kind": "status", "status": 401})).await;
    app.mock.break_account("sk-ant-oat01*", json!({"kind": "status", "status": 401})).await;
    let answer = app.messages(&key, &ask(true)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (_, attempts) = app.row(&answer).await;
    let verdicts: Vec<&str> = attempts.iter().map(|attempt| attempt.verdict.as_str()).collect();
    assert_eq!(verdicts, ["auth_expired", "auth_invalid", "ok"]);
    assert_eq!(app.mock.oauth_counts().await["refreshes"], 1);
    assert_eq!(app.view(id).await.spec.status, AccountStatus::Error);
    app.finish().await;
}

#[actix_rt::test]
async fn foreign_thinking_is_stripped_once_on_the_same_account() {
    let app = spawn_app().await;
    let id = app.account("a", |_| {}).await;
    app.account("b", |a| a.priority = 10).await;
    let key = app.key(|_| {}).await;
    let message = "messages.1.content.0: Invalid `signature` in `thinking` block";
    let body = json!({"type": "error", "error": {"type": "invalid_request_error", "message": message}});
    let fault = json!({"kind": "status", "status": 400, "body": body});
    let history = json!({"model": "claude-sonnet-4-5", "max_tokens": 64, "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "s"}, {"type": "text", "text": "x"}]},
        {"role": "user", "content": "go on"}]});
    app.mock.fault(json!({"fault": fault, "times": 1})).await;
    let answer = app.messages(&key, &history).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let calls = app.mock.messages().await;
    assert_eq!(calls.len(), 2);
    assert!(calls[1].body_bytes < calls[0].body_bytes && calls[0].credential == calls[1].credential);
    let (_, attempts) = app.row(&answer).await;
    assert_eq!((attempts[0].verdict.as_str(), attempts[1].verdict.as_str()), ("thinking_signature", "ok"));
    assert_state(&app.view(id).await, State::Untouched, "thinking");
    app.mock.fault(json!({"fault": fault})).await;
    let twice = app.messages(&key, &history).await;
    assert_eq!((twice.status, twice.json()), (400, body.clone()));
    let once = app.messages(&key, &ask(false)).await;
    assert_eq!((once.status, once.json()), (400, body), "there is nothing to strip");
    assert_eq!(app.mock.messages().await.len(), 5);
    app.finish().await;
}

#[actix_rt::test]
async fn a_lone_overloaded_account_is_asked_once_more() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    let fault = json!({"kind": "status", "status": 529, "headers": {"retry-after": "1"}});
    app.mock.fault(json!({"fault": fault, "times": 1})).await;
    let answer = app.messages(&key, &ask(true)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(app.mock.messages().await.len(), 2);
    app.finish().await;
}

#[actix_rt::test]
async fn our_own_credentials_troubles_are_not_the_clients() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    let text = "Your organization has been disabled: org-secret";
    let body = json!({"type": "error", "error": {"type": "invalid_request_error", "message": text}});
    app.mock.fault(json!({"fault": {"kind": "status", "status": 400, "body": body}, "times": 1})).await;
    let answer = app.messages(&key, &ask(false)).await;
    answer.expect_error(502, "api_error", "upstream_error");
    assert!(!answer.text().contains("org-secret") && !answer.text().contains("secret-name"));
    let refused = app.messages(&key, &ask(false)).await;
    refused.expect_error(503, "overloaded_error", "no_account");
    assert_eq!(refused.should_retry(), Some("false"));
    assert_eq!(app.mock.messages().await.len(), 1);
    app.finish().await;
}

//! What goes through unchanged, what is changed on purpose, and what never crosses: headers, query, names of models.

use actors::domain::account::AccountKind;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::app::{MODEL, ask, ask_model, message_call, spawn_app};
use crate::support::client::Call;
use crate::support::sse::Stream;

fn digest(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

#[actix_rt::test]
async fn bodies_pass_byte_for_byte_with_everything_unknown_in_them() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    for body in [
        format!(
            "{{ \"model\" : \"{MODEL}\",\n\"max_tokens\":5, \"messages\":[{{\"role\":\"system\",\"content\":\"x\"}}], \"future\": [1.0, 1e5, \"\\u00e9\\/\"] }}"
        ),
        format!(
            "{{\"messages\":[{{\"role\":\"user\",\"content\":\"ü 😀\"}}],\"max_tokens\":5,\"model\":\"{MODEL}\",\"metadata\":null}}"
        ),
    ] {
        let mut call = message_call(&key, &Value::Null);
        call.body = body.clone().into_bytes();
        let answer = app.send_message(&call).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(app.mock.messages().await.last().unwrap().body_sha256, digest(body.as_bytes()));
    }
    app.finish().await;
}

#[actix_rt::test]
async fn headers_cross_only_as_the_policy_says() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    let mut call = message_call(&key, &ask(false));
    call.target = "/v1/messages?beta=true&x=1".to_owned();
    for (name, value) in [
        ("anthropic-beta", "one,two"),
        ("anthropic-future", "canary-kept"),
        ("user-agent", "claude-cli/2.1 (external, cli)"),
        ("x-app", "cli"),
        ("x-stainless-lang", "js"),
        ("x-claude-code-session-id", "session-1"),
        ("cookie", "canary-stripped"),
        ("x-forwarded-for", "canary-stripped"),
        ("x-real-ip", "canary-stripped"),
        ("via", "canary-stripped"),
        ("origin", "canary-stripped"),
        ("x-quotalane-anything", "canary-stripped"),
        ("proxy-authorization", "canary-stripped"),
        ("x-other", "canary-stripped"),
        ("anthropic-workspace-id", "canary-stripped"),
        ("accept-encoding", "gzip, br"),
        ("connection", "close, x-api-key"),
        ("x-client-request-id", "client-id-7"),
    ] {
        call = call.header(name, value);
    }
    app.mock.fault(json!({"fault": {"kind": "headers", "headers": {"set-cookie": "canary-hidden", "server": "canary-hidden",
        "anthropic-organization-id": "canary-hidden", "anthropic-ratelimit-requests-limit": "4000", "cf-ray": "canary-hidden"}}})).await;
    let answer = app.send_message(&call).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = app.mock.messages().await.remove(0);
    assert_eq!(seen.query.as_deref(), Some("beta=true&x=1"));
    assert_eq!((seen.credential.as_str(), seen.header("accept-encoding")), ("sk-ant-a", Some("identity")));
    for (name, value) in [
        ("anthropic-beta", "one,two"),
        ("anthropic-future", "canary-kept"),
        ("user-agent", "claude-cli/2.1 (external, cli)"),
        ("x-app", "cli"),
        ("x-stainless-lang", "js"),
        ("anthropic-version", "2023-06-01"),
    ] {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
    let upstream = format!("{:?}", seen.headers);
    assert!(!upstream.contains("canary-stripped") && !upstream.contains(&key.raw), "{upstream}");
    assert!(!format!("{:?}", answer.headers).contains("canary-hidden"), "{:?}", answer.headers);
    assert_eq!(answer.header("anthropic-ratelimit-requests-limit"), None);
    assert_eq!(answer.header("x-client-request-id"), Some("client-id-7"));
    assert!(answer.request_id().starts_with("req_") && answer.header("request-id") == answer.header("x-request-id"));
    assert_eq!(app.row(&answer).await.0.client_request_id.as_deref(), Some("client-id-7"));
    app.finish().await;
}

#[actix_rt::test]
async fn a_stream_is_announced_as_one() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    let answer = app.messages(&key, &ask(true)).await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), Some("no-cache, no-transform"));
    assert_eq!(answer.header("x-accel-buffering"), Some("no"));
    assert_eq!((answer.header("content-length"), answer.header("content-encoding")), (None, None));
    app.finish().await;
}

#[actix_rt::test]
async fn a_mapped_model_goes_up_under_its_own_name_and_comes_back_under_the_asked_one() {
    let app = spawn_app().await;
    app.account("a", |a| a.model_map = [(MODEL.to_owned(), "vendor-name-1".to_owned())].into()).await;
    let key = app.key(|_| {}).await;
    let whole = app.messages(&key, &ask(false)).await;
    assert_eq!(whole.json()["model"], MODEL);
    for kind in ["byte_chunks", "headers"] {
        app.mock.fault(json!({"fault": {"kind": kind}, "times": 1})).await;
        let stream = Stream::read(&app.messages(&key, &ask(true)).await.body);
        assert_eq!((stream.model.as_deref(), stream.stopped, stream.broken), (Some(MODEL), true, 0), "{kind}");
    }
    assert!(app.mock.messages().await.iter().all(|call| call.model.as_deref() == Some("vendor-name-1")));
    let (row, _) = app.row(&whole).await;
    assert_eq!((row.model.as_str(), row.model_upstream.as_deref()), (MODEL, Some("vendor-name-1")));
    assert!(row.cost.charge.0 > 0, "priced by the requested name");
    app.finish().await;
}

#[actix_rt::test]
async fn a_routing_prefix_chooses_the_kind_and_is_removed() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let ccr = app.account_of(AccountKind::Ccr, "c", |_| {}).await;
    let key = app.key(|_| {}).await;
    let plain = app.messages(&key, &ask(false)).await;
    assert_eq!(app.row(&plain).await.0.kind, Some(AccountKind::ClaudeConsole));
    let forced = app.messages(&key, &ask_model(&format!("ccr,{MODEL}"), false)).await;
    assert_eq!(forced.status, 200, "{}", forced.text());
    let (row, _) = app.row(&forced).await;
    assert_eq!((row.account, row.model.as_str()), (Some(ccr), MODEL));
    assert_eq!(app.mock.messages().await[1].model.as_deref(), Some(MODEL));
    app.finish().await;
}

#[actix_rt::test]
async fn a_long_context_suffix_is_the_same_model_to_lists_and_prices() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    let answer = app.messages(&key, &ask_model(&format!("{MODEL}[1m]"), true)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(app.row(&answer).await.0.cost.charge.0 > 0);
    app.finish().await;
}

#[actix_rt::test]
async fn an_oauth_account_speaks_with_its_token_and_the_clients_own_words() {
    let app = spawn_app().await;
    app.account_of(AccountKind::ClaudeOfficial, "o", |_| {}).await;
    let key = app.key(|_| {}).await;
    let call = message_call(&key, &ask(false)).header("anthropic-beta", "one");
    assert_eq!(app.send_message(&call).await.status, 200);
    let seen = app.mock.messages().await.remove(0);
    assert_eq!((seen.credential.as_str(), seen.header("x-api-key")), ("access-o", None));
    assert!(seen.header("anthropic-beta").unwrap().contains("one"));
    assert_eq!(seen.body_sha256, digest(&call.body));
    app.finish().await;
}

#[actix_rt::test]
async fn clients_in_parallel_never_see_each_other() {
    let app = spawn_app().await;
    for name in ["a", "b", "c"] {
        app.account(name, |a| a.max_concurrency = 0).await;
    }
    let key = app.key(|_| {}).await;
    let calls: Vec<Call> = (0..100)
        .map(|n| {
            let mut body = ask(n % 2 == 0);
            body["messages"][0]["content"] = json!(format!("canary-{n}-end"));
            message_call(&key, &body)
        })
        .collect();
    let answers = futures_util::future::join_all(calls.iter().map(|call| app.send_message(call))).await;
    for (n, answer) in answers.iter().enumerate() {
        let text = answer.text();
        assert!(text.contains(&format!("canary-{n}-end")) && text.matches("canary-").count() == 1, "{n}: {text}");
    }
    app.finish().await;
}

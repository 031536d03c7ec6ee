//! Accounts behind egress proxies.

use actors::domain::usage::RequestStatus;
use quotalane::store::proxies::ProxyKind;

use crate::support::app::{ask, spawn_app};
use crate::support::proxy::Proxy;

#[actix_rt::test]
async fn an_account_calls_through_its_proxy() {
    for kind in [ProxyKind::Http, ProxyKind::Socks5, ProxyKind::Socks5h] {
        let app = spawn_app().await;
        let proxy = Proxy::start(kind).await;
        let id = app.proxy("p", kind, proxy.port(), "secret").await;
        app.account("a", |a| a.proxy = Some(id)).await;
        let key = app.key(|_| {}).await;
        for stream in [false, true] {
            let answer = app.messages(&key, &ask(stream)).await;
            assert_eq!(answer.status, 200, "{kind:?}: {}", answer.text());
        }
        assert_eq!(proxy.tunnels(), 1, "{kind:?}: a tunnel is used again");
        let seen = app.mock.messages().await;
        assert!(seen.iter().all(|call| call.header("proxy-authorization").is_none()));
        app.finish().await;
    }
}

#[actix_rt::test]
async fn a_failing_proxy_is_not_the_accounts_fault_and_another_account_serves() {
    for (name, password, down) in [("wrong password", "wrong", false), ("down", "secret", true)] {
        let app = spawn_app().await;
        let proxy = Proxy::start(ProxyKind::Http).await;
        let port = if down { 1 } else { proxy.port() };
        let id = app.proxy("p", ProxyKind::Http, port, password).await;
        let behind = app.account("behind", |a| (a.proxy, a.priority) = (Some(id), 60)).await;
        app.account("direct", |_| {}).await;
        let key = app.key(|_| {}).await;
        for _ in 0..3 {
            let answer = app.messages(&key, &ask(true)).await;
            assert_eq!(answer.status, 200, "{name}: {}", answer.text());
            let (row, attempts) = app.row(&answer).await;
            assert_eq!((row.status, attempts[0].verdict.as_str()), (RequestStatus::Ok, "proxy"), "{name}");
        }
        let view = app.view(behind).await;
        assert_eq!((view.health, view.cooldowns.len()), (100, 0), "{name}: the account is untouched");
        assert_eq!(app.mock.calls_of("sk-ant-behind").await, 0);
        app.finish().await;
    }
}

#[actix_rt::test]
async fn an_account_is_never_called_past_its_proxy() {
    let app = spawn_app().await;
    let id = app.proxy("p", ProxyKind::Socks5, 1, "secret").await;
    app.account("behind", |a| a.proxy = Some(id)).await;
    let key = app.key(|_| {}).await;
    let answer = app.messages(&key, &ask(false)).await;
    answer.expect_error(502, "api_error", "upstream_error");
    assert!(app.mock.log().await.is_empty());
    app.finish().await;
}

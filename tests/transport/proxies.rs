//! Calls through CONNECT and SOCKS5 proxies.

use std::rc::Rc;
use std::sync::Arc;

use quotalane::transport::{Egress, EgressRules, ProxyKind, ProxyTarget, TransportError};

use crate::proxy::Proxy;
use crate::server::{Server, Talk};
use crate::{Fixed, NAME, egress, fetch, post, tls};

const KINDS: [ProxyKind; 4] = [ProxyKind::Http, ProxyKind::Https, ProxyKind::Socks5, ProxyKind::Socks5h];

fn through(url: String, proxy: &Arc<ProxyTarget>) -> quotalane::transport::OutboundCall {
    quotalane::transport::OutboundCall { proxy: Some(Arc::clone(proxy)), ..post(url) }
}

#[actix_rt::test]
async fn one_tunnel_serves_many_requests() {
    for kind in KINDS {
        for encrypted in [false, true] {
            let server = if encrypted { Server::tls(Talk::serve).await } else { Server::plain(Talk::serve).await };
            let proxy = Proxy::start(kind).await;
            let (egress, target) = (egress(), proxy.target("secret"));
            for _ in 0..20 {
                assert_eq!(fetch(&egress, through(server.url("/"), &target)).await.unwrap(), "ok", "{kind:?}");
            }
            assert_eq!((server.connections(), proxy.tunnels.get()), (1, 1));
            let host = if kind == ProxyKind::Socks5 { "127.0.0.1" } else { NAME };
            assert_eq!(*proxy.asked.borrow(), [format!("{host}:{}", server.address.port())]);
            assert!(!server.requests().iter().any(|request| request.contains("proxy-authorization")));
        }
    }
}

#[actix_rt::test]
async fn a_wrong_password_is_the_proxys_fault_and_is_not_shown() {
    let server = Server::tls(Talk::serve).await;
    for kind in KINDS {
        let proxy = Proxy::start(kind).await;
        let target = proxy.target("wr0ng-pa55");
        let error = egress().send(through(server.url("/"), &target)).await.unwrap_err();
        assert_eq!(error, TransportError::ProxyAuth, "{kind:?}");
        assert!(error.is_proxy() && error.before_answer());
        assert!(!format!("{error} {error:?} {target:?}").contains("wr0ng"));
    }
    assert_eq!(server.connections(), 0);
}

#[actix_rt::test]
async fn a_proxy_that_gets_a_new_password_gets_new_connections() {
    let server = Server::plain(Talk::serve).await;
    let proxy = Proxy::start(ProxyKind::Http).await;
    let egress = egress();
    assert_eq!(fetch(&egress, through(server.url("/"), &proxy.target("secret"))).await.unwrap(), "ok");
    assert_eq!(fetch(&egress, through(server.url("/"), &proxy.target("secret"))).await.unwrap(), "ok");
    assert_eq!(proxy.tunnels.get(), 1);
    let changed = egress.send(through(server.url("/"), &proxy.target("other"))).await.unwrap_err();
    assert_eq!(changed, TransportError::ProxyAuth);
}

#[actix_rt::test]
async fn a_proxy_that_cannot_reach_the_upstream_or_be_reached() {
    for kind in KINDS {
        let proxy = Proxy::start(kind).await;
        let mut target = (*proxy.target("secret")).clone();
        let nobody = format!("https://{NAME}:1/");
        let error = egress().send(through(nobody.clone(), &Arc::new(target.clone()))).await.unwrap_err();
        assert_eq!(error.label(), "proxy", "{kind:?} {error}");
        target.port = 1;
        let error = egress().send(through(nobody.clone(), &Arc::new(target.clone()))).await.unwrap_err();
        assert_eq!(error.label(), "proxy", "{kind:?} {error}");
        target.host = "unknown.test".to_owned();
        let error = egress().send(through(nobody, &Arc::new(target))).await.unwrap_err();
        assert_eq!(error.label(), "proxy", "{kind:?} {error}");
    }
}

#[actix_rt::test]
async fn proxies_obey_the_address_rules_and_private_targets_stay_closed_behind_them() {
    let proxy = Proxy::start(ProxyKind::Http).await;
    let target = proxy.target("secret");
    let strict = EgressRules::new(&[], &[]).unwrap().with_extra_roots(tls::authority().pem().as_bytes()).unwrap();
    let names = [("proxy.test", [127, 0, 0, 1].into())].into();
    let egress = Egress::with_resolver(Arc::new(strict), Rc::new(Fixed(names)));
    let error = egress.send(through("https://api.example/".to_owned(), &target)).await.unwrap_err();
    assert_eq!(error.label(), "blocked");
    let only_proxy = EgressRules::new(&["127.0.0.1/32".to_owned()], &[]).unwrap();
    let names = [("proxy.test", [127, 0, 0, 1].into())].into();
    let egress = Egress::with_resolver(Arc::new(only_proxy), Rc::new(Fixed(names)));
    let error = egress.send(through("https://10.0.0.1/".to_owned(), &target)).await.unwrap_err();
    assert_eq!(error.label(), "blocked");
    assert_eq!(*proxy.asked.borrow(), Vec::<String>::new());
}

//! The SSRF rules at the moment of dialling.

use std::rc::Rc;
use std::sync::Arc;

use quotalane::transport::{Egress, EgressRules, TransportError, UnsafeUrl};

use crate::server::{Server, Talk};
use crate::{Fixed, NAME, fetch, post};

fn strict(hosts: &[&str]) -> (Arc<EgressRules>, Egress) {
    let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
    let rules = Arc::new(EgressRules::new(&[], &hosts).unwrap());
    let names = Fixed([(NAME, [127, 0, 0, 1].into())].into());
    (Arc::clone(&rules), Egress::with_resolver(rules, Rc::new(names)))
}

#[actix_rt::test]
async fn a_name_that_resolves_to_a_private_address_is_not_dialled() {
    let server = Server::plain(Talk::serve).await;
    let (rules, egress) = strict(&[NAME]);
    assert_eq!(rules.check_url(&server.url("/")), Ok(()), "the name alone says nothing");
    let error = egress.send(post(server.url("/"))).await.unwrap_err();
    assert_eq!(error, TransportError::Blocked(UnsafeUrl::NotPublic([127, 0, 0, 1].into())));
    assert_eq!(server.connections(), 0);
}

#[actix_rt::test]
async fn the_systems_resolver_is_checked_too() {
    let server = Server::plain(Talk::serve).await;
    let egress = Egress::new(Arc::new(EgressRules::new(&[], &["localhost".to_owned()]).unwrap()));
    let url = server.url("/").replace(NAME, "localhost");
    assert_eq!(egress.send(post(url)).await.unwrap_err().label(), "blocked");
    assert_eq!(server.connections(), 0);
}

#[actix_rt::test]
async fn rules_that_change_apply_to_the_next_call_and_close_what_was_open() {
    let server = Server::plain(Talk::serve).await;
    let (rules, egress) = strict(&[NAME]);
    assert!(egress.send(post(server.url("/"))).await.is_err());
    rules.replace(&["127.0.0.0/8".to_owned()], &[NAME.to_owned()]).unwrap();
    assert_eq!(fetch(&egress, post(server.url("/"))).await.unwrap(), "ok");
    rules.replace(&[], &[NAME.to_owned()]).unwrap();
    assert!(egress.send(post(server.url("/"))).await.is_err(), "the idle connection is not used");
    assert_eq!(server.connections(), 1);
}

/// A resolver whose answers change from one question to the next.
struct Rebinding(std::cell::RefCell<Vec<Vec<std::net::IpAddr>>>);

impl quotalane::transport::Resolve for Rebinding {
    fn resolve<'a>(
        &'a self,
        _: &'a str,
    ) -> futures_util::future::LocalBoxFuture<'a, std::io::Result<Vec<std::net::IpAddr>>> {
        let mut answers = self.0.borrow_mut();
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        Box::pin(async move { Ok(answer) })
    }
}

#[actix_rt::test]
async fn no_spelling_is_dialled() {
    let server = Server::plain(Talk::serve).await;
    let egress = Egress::new(Arc::new(EgressRules::new(&[], &[]).unwrap()));
    for scheme in ["http", "https"] {
        for host in crate::spellings::FORBIDDEN {
            let url = format!("{scheme}://{host}:{}/", server.address.port());
            let error = egress.send(post(url)).await.unwrap_err();
            assert!(matches!(error, TransportError::Blocked(_)), "{scheme} {host}: {error:?}");
        }
    }
    assert_eq!(server.connections(), 0);
}

#[actix_rt::test]
async fn an_answer_that_mixes_public_and_private_addresses_is_not_dialled() {
    let server = Server::plain(Talk::serve).await;
    let rules = Arc::new(EgressRules::new(&[], &[NAME.to_owned()]).unwrap());
    let mixed = vec![[9, 9, 9, 9].into(), [127, 0, 0, 1].into()];
    let egress = Egress::with_resolver(rules, Rc::new(Rebinding(vec![mixed].into())));
    assert_eq!(egress.send(post(server.url("/"))).await.unwrap_err().label(), "blocked");
    assert_eq!(server.connections(), 0);
}

#[actix_rt::test]
async fn a_name_that_is_bound_anew_is_checked_anew() {
    let server = Server::plain(Talk::serve).await;
    // 127.0.0.2 stands for the public address that was there when the URL was saved; nobody listens on it.
    let rules = Arc::new(EgressRules::new(&["127.0.0.2/32".to_owned()], &[NAME.to_owned()]).unwrap());
    assert_eq!(rules.check_url(&server.url("/")), Ok(()));
    let answers = vec![vec![[127, 0, 0, 2].into()], vec![[127, 0, 0, 1].into()]];
    let egress = Egress::with_resolver(rules, Rc::new(Rebinding(answers.into())));
    assert_eq!(egress.send(post(server.url("/"))).await.unwrap_err().label(), "connect");
    assert_eq!(egress.send(post(server.url("/"))).await.unwrap_err().label(), "blocked");
    assert_eq!(server.connections(), 0);
}

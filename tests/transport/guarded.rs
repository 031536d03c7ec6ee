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

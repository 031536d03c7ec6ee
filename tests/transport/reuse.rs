//! Kept-alive connections: one pool per account, dead ones replaced, abandoned ones closed.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use actors::domain::id::AccountId;
use futures_util::StreamExt as _;
use tokio::sync::Notify;

use crate::server::{Server, Talk};
use crate::{egress, fetch, post};

#[actix_rt::test]
async fn each_account_keeps_its_own_connections() {
    for tls in [false, true] {
        let server = if tls { Server::tls(Talk::serve).await } else { Server::plain(Talk::serve).await };
        let egress = egress();
        for round in 0..10 {
            for account in 1..=3 {
                let mut call = post(server.url(&format!("/{round}")));
                call.account = AccountId(account);
                assert_eq!(fetch(&egress, call).await.unwrap(), "ok");
            }
        }
        assert_eq!(server.connections(), 3);
    }
}

#[actix_rt::test]
async fn a_body_read_to_its_declared_length_gives_the_connection_back_without_another_poll() {
    let server = Server::plain(Talk::serve).await;
    let egress = egress();
    for _ in 0..3 {
        let mut body = egress.send(post(server.url("/"))).await.unwrap().body;
        assert_eq!(body.next().await.unwrap().unwrap(), "ok");
        drop(body);
    }
    assert_eq!(server.connections(), 1);
}

/// A server that closes each connection when its second request arrives, the way of a race with an idle timeout.
async fn closes_on_reuse(reset: bool) -> Server {
    Server::plain(move |mut talk| async move {
        talk.request().await.unwrap();
        talk.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        if reset {
            // Unread data makes the kernel answer with RST instead of FIN.
            let mut one = [0; 1];
            let _ = tokio::io::AsyncReadExt::read(&mut talk.io, &mut one).await;
        } else {
            talk.request().await;
        }
    })
    .await
}

#[actix_rt::test]
async fn a_stale_connection_is_replaced_once() {
    for reset in [false, true] {
        let server = closes_on_reuse(reset).await;
        let egress = egress();
        for _ in 0..4 {
            assert_eq!(fetch(&egress, post(server.url("/"))).await.unwrap(), "ok");
        }
        assert_eq!(server.connections(), 4);
    }
}

#[actix_rt::test]
async fn a_new_connection_that_dies_is_not_tried_again() {
    let server = Server::plain(|mut talk| async move {
        talk.request().await;
    })
    .await;
    let error = egress().send(post(server.url("/"))).await.unwrap_err();
    assert_eq!((error.label(), server.connections()), ("reset", 1));
}

#[actix_rt::test]
async fn nothing_is_sent_again_once_a_byte_of_the_answer_came() {
    let server = Server::plain(|mut talk| async move {
        talk.request().await.unwrap();
        talk.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        talk.request().await.unwrap();
        talk.say("HTTP/1.1 200 OK\r\ncont").await;
    })
    .await;
    let egress = egress();
    assert_eq!(fetch(&egress, post(server.url("/"))).await.unwrap(), "ok");
    assert_eq!(egress.send(post(server.url("/"))).await.unwrap_err().label(), "reset");
    assert_eq!(server.connections(), 1);
}

#[actix_rt::test]
async fn dropping_a_body_or_a_call_closes_the_connection_at_once() {
    let closed = Rc::new(Notify::new());
    let sent = Rc::new(Cell::new(false));
    let (tell, arrived) = (Rc::clone(&closed), Rc::clone(&sent));
    let server = Server::plain(move |mut talk| {
        let (tell, arrived) = (Rc::clone(&tell), Rc::clone(&arrived));
        async move {
            talk.request().await.unwrap();
            if talk.number == 0 {
                talk.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n").await;
            }
            arrived.set(true);
            tell.notify_one();
            talk.until_closed().await;
            tell.notify_one();
        }
    })
    .await;
    let egress = egress();
    let mut answer = egress.send(post(server.url("/"))).await.unwrap();
    assert_eq!(answer.body.next().await.unwrap().unwrap(), "hi");
    closed.notified().await;
    drop(answer);
    tokio::time::timeout(Duration::from_secs(5), closed.notified()).await.unwrap();
    // And a call that still waits for its head.
    tokio::select! {
        _ = egress.send(post(server.url("/"))) => panic!("there is no answer"),
        () = closed.notified() => {}
    }
    tokio::time::timeout(Duration::from_secs(5), closed.notified()).await.unwrap();
}
